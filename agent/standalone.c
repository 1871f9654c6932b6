#include "agent/standalone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/pod/agent_state.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/schema.h"
#include "specs/yaml.h"

enum { FILE_MAX = 4 << 20, ARENA_MAX = 32 << 20, OBJECTS_MAX = 1000, FIRST_SERVICE = 16, SETTLE_MS = 200 };

struct lp_standalone {
	struct lp_agent *agent;		/* weak */
	const char *dir;
	const char *pod_cidr, *service_cidr;
	int dir_fd, inotify_fd;
	struct lp_watch watch;
	struct lp_timer settle;		/* files are written in pieces: look when it is quiet */
	int64_t number;
	struct lp_map good;		/* file name -> the text that was last without fault */
};

/* One reading of the folder. */
struct reading {
	struct lp_standalone *standalone;
	struct lp_arena arena;
	struct lp_json *line;		/* as the link would bring it: {"revision","objects"} */
	struct lp_json *rows, *objects;
	uint32_t next_service;
};

static bool
is_manifest(const char *name)
{
	return name[0] != '.' && (lp_text_ends(name, ".yaml") || lp_text_ends(name, ".yml") || lp_text_ends(name, ".json"));
}

/* The same pod has the same uid on every start: version 8 (custom) UUID of its names. */
static void
set_uid(struct lp_arena *arena, struct lp_json *object)
{
	char text[512], uid[LP_OBJECT_UID];
	uint8_t digest[LP_DIGEST_BYTES];

	(void)snprintf(text, sizeof(text), "%s/%s/%s", lp_object_kind(object), lp_object_namespace(object), lp_object_name(object));
	lp_digest(text, strlen(text), digest);
	lp_object_uid_print(digest, uid);
	(void)lp_json_set_str(arena, lp_json_need_object(arena, object, "metadata"), "uid", uid);
}

static int
take_object(struct reading *reading, struct lp_json *object, struct lp_err *err)
{
	const struct lp_kind *kind = lp_object_kind_of(object);
	struct lp_arena *arena = &reading->arena;
	struct lp_json *metadata = lp_json_need_object(arena, object, "metadata"), *row;
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_faults faults;
	char digest[LP_DIGEST_TEXT];
	int rc;

	if (!kind)
		return lp_err_say(err, -EINVAL, "no matches for kind \"%s\" in version \"%s\"", lp_object_kind(object),
		    lp_object_api_version(object));
	if (kind->namespaced && !*lp_object_namespace(object))
		(void)lp_json_set_str(arena, metadata, "namespace", "default");
	rc = lp_parse_shape(kind, object, err);
	if (rc == 0)
		rc = lp_default_object(arena, kind, object, err);
	if (rc < 0)
		return rc;
	lp_faults_init(&faults, arena);
	if (lp_check_create(kind, object, &faults) < 0)
		return lp_err_say(err, -EINVAL, "%s \"%s\" is invalid: %s: %s", kind->kind, lp_object_name(object), faults.first->path,
		    faults.first->message);
	set_uid(arena, object);
	if (strcmp(kind->kind, "Service") == 0 && !lp_json_str(object, "spec.clusterIP")) {
		struct lp_netbridge_range range;
		char ip[LP_TEXT_IPV4];

		if (lp_text_cidr4(reading->standalone->service_cidr, &range.addr, &range.prefix) == 0) {
			lp_text_ipv4_print(range.addr + reading->next_service++, ip);
			(void)lp_json_set_str(arena, lp_json_need_object(arena, object, "spec"), "clusterIP", ip);
		}
	}
	lp_buf_init(&text, FILE_MAX);
	if (lp_json_write_sorted(&text, object) < 0)
		return lp_err_set(err, -ENOMEM, "manifest");
	lp_digest_print(text.data, text.len, digest);
	(void)lp_json_set_str(arena, reading->objects, digest, text.data);
	row = lp_json_append(arena, reading->rows, lp_json_new(arena, LP_JSON_OBJECT));
	(void)lp_json_set_str(arena, row, "kind", kind->kind);
	(void)lp_json_set_str(arena, row, "namespace", lp_object_namespace(object));
	(void)lp_json_set_str(arena, row, "name", lp_object_name(object));
	(void)lp_json_set_str(arena, row, "uid", lp_object_uid(object));
	(void)lp_json_set_str(arena, row, "digest", digest);
	return arena->failed ? lp_err_set(err, -ENOMEM, "manifest") : 0;
}

static int
take_document(struct reading *reading, struct lp_json *document, struct lp_err *err)
{
	int rc = 0;

	if (strcmp(lp_object_kind(document), "List") != 0)
		return take_object(reading, document, err);
	lp_json_each(item, lp_json_get(document, "items"))
		if (rc == 0)
			rc = take_object(reading, lp_json_copy(&reading->arena, item), err);
	return rc;
}

static int
take_text(struct reading *reading, const char *text, struct lp_err *err)
{
	struct lp_json *documents;
	int rc = lp_yaml_parse(&reading->arena, text, strlen(text), NULL, &documents, err);

	if (rc < 0)
		return rc;
	lp_json_each(document, documents) {
		rc = take_document(reading, document, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Would this text do? Tried on a reading of its own, so that a fault leaves nothing half taken. */
static int
try_text(struct lp_standalone *standalone, const char *text, struct lp_err *err)
{
	struct reading reading = { .standalone = standalone };
	int rc;

	lp_arena_init(&reading.arena, ARENA_MAX);
	reading.rows = lp_json_new(&reading.arena, LP_JSON_ARRAY);
	reading.objects = lp_json_new(&reading.arena, LP_JSON_OBJECT);
	rc = take_text(&reading, text, err);
	lp_arena_fini(&reading.arena);
	return rc;
}

static int
take_file(void *arg, const char *name)
{
	struct reading *reading = arg;
	struct lp_standalone *standalone = reading->standalone;
	lp_auto_buf struct lp_buf file = { 0 };
	struct lp_err err = { 0 };
	char *text = NULL;
	void *old = NULL;
	int rc;

	if (!is_manifest(name))
		return 0;
	lp_buf_init(&file, FILE_MAX);
	rc = lp_path_read(standalone->dir_fd, name, &file, &err);
	if (rc == 0)
		rc = try_text(standalone, lp_buf_text(&file), &err);
	if (rc < 0)
		lp_log(LP_LOG_ERROR, "manifest has a fault, its former content stays", "file=%s/%s why=\"%s\"", standalone->dir, name, err.text);
	else
		text = lp_buf_take(&file, NULL);
	if (text && lp_map_put(&standalone->good, name, text, &old) == 0)
		free(old);
	text = lp_map_get(&standalone->good, name);
	return text ? take_text(reading, text, NULL) : 0;
}

static int
write_line(struct reading *reading, struct lp_err *err)
{
	struct lp_standalone *standalone = reading->standalone;
	struct lp_arena *arena = &reading->arena;
	struct lp_json *index = lp_json_new(arena, LP_JSON_OBJECT);
	lp_auto_buf struct lp_buf text = { 0 };
	char time[LP_CLOCK_TEXT];

	lp_buf_init(&text, ARENA_MAX);
	lp_clock_print(lp_clock_wall_ms(), time);
	(void)lp_json_set_str(arena, index, "kind", "NodeRevision");
	(void)lp_json_set_str(arena, index, "apiVersion", "fleet.limpet.dev/v1");
	(void)lp_json_set_str(arena, index, "node", standalone->agent->name);
	(void)lp_json_set_int(arena, index, "number", standalone->number);
	(void)lp_json_set_str(arena, index, "time", time);
	(void)lp_json_set_str(arena, index, "podCIDR", standalone->pod_cidr);
	(void)lp_json_set_str(arena, index, "serviceCIDR", standalone->service_cidr);
	(void)lp_json_set_str(arena, index, "clusterDomain", "cluster.local");
	(void)lp_json_set(arena, index, "objects", reading->rows);
	if (lp_json_write(&text, index) < 0)
		return lp_err_set(err, -ENOMEM, "manifests");
	(void)lp_json_set_str(arena, reading->line, "revision", text.data);
	(void)lp_json_set(arena, reading->line, "objects", reading->objects);
	return arena->failed ? lp_err_set(err, -ENOMEM, "manifests") : 0;
}

static int
read_folder(struct lp_standalone *standalone, struct lp_err *err)
{
	struct reading reading = { .standalone = standalone, .next_service = FIRST_SERVICE };
	const struct lp_revision_trust trust = { .node = standalone->agent->name };
	struct lp_revision revision;
	int rc;

	lp_arena_init(&reading.arena, ARENA_MAX);
	lp_revision_init(&revision);
	reading.line = lp_json_new(&reading.arena, LP_JSON_OBJECT);
	reading.rows = lp_json_new(&reading.arena, LP_JSON_ARRAY);
	reading.objects = lp_json_new(&reading.arena, LP_JSON_OBJECT);
	standalone->number++;
	rc = lp_path_each(standalone->dir_fd, take_file, &reading, err);
	if (rc == 0)
		rc = write_line(&reading, err);
	if (rc == 0)
		rc = lp_revision_accept(&revision, NULL, reading.line, &trust, err);
	if (rc == 0)
		lp_agent_use(standalone->agent, &revision);
	lp_revision_fini(&revision);
	lp_arena_fini(&reading.arena);
	return rc;
}

static void
settled(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_standalone *standalone = lp_of(timer, struct lp_standalone, settle);
	struct lp_err err = { 0 };

	(void)now_ms;
	if (read_folder(standalone, &err) < 0)
		lp_log(LP_LOG_ERROR, "manifests could not be read, what runs keeps running", "dir=%s why=\"%s\"", standalone->dir, err.text);
}

static void
folder_changed(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_standalone *standalone = lp_of(watch, struct lp_standalone, watch);
	char bytes[4096];

	(void)events;
	while (read(standalone->inotify_fd, bytes, sizeof(bytes)) > 0)
		;
	(void)lp_timer_start(standalone->agent->loop, &standalone->settle, now_ms + SETTLE_MS, settled);
}

int
lp_standalone_start(struct lp_agent *agent, const struct lp_agent_config *config, struct lp_err *err)
{
	struct lp_standalone *standalone = lp_seam.alloc(sizeof(*standalone));
	int rc;

	if (!standalone)
		return lp_err_set(err, -ENOMEM, "standalone node");
	agent->standalone_watch = standalone;
	standalone->agent = agent;
	standalone->dir = config->manifests;
	standalone->pod_cidr = config->pod_cidr;
	standalone->service_cidr = config->service_cidr;
	standalone->dir_fd = -1;
	standalone->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	lp_map_init(&standalone->good);
	rc = lp_path_root(config->manifests, false, &standalone->dir_fd, err);
	if (rc < 0)
		return rc;
	if (standalone->inotify_fd < 0 || inotify_add_watch(standalone->inotify_fd, config->manifests,
		IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) < 0)
		return lp_err_set(err, -errno, "watch %s", config->manifests);
	rc = lp_watch_start(agent->loop, &standalone->watch, standalone->inotify_fd, EPOLLIN, folder_changed, err);
	return rc < 0 ? rc : read_folder(standalone, err);
}

void
lp_standalone_stop(struct lp_standalone *standalone)
{
	size_t pos = 0;
	void *text;

	if (!standalone)
		return;
	lp_watch_stop(&standalone->watch);
	lp_timer_stop(&standalone->settle);
	lp_close(&standalone->inotify_fd);
	lp_close(&standalone->dir_fd);
	while (lp_map_next(&standalone->good, &pos, NULL, &text))
		free(text);
	lp_map_fini(&standalone->good);
	free(standalone);
}
