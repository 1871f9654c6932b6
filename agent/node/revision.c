#include "agent/node/revision.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/path.h"
#include "base/state.h"
#include "base/text.h"
#include "specs/object.h"

enum { SCHEMA = 1, ARENA_MAX = 64 << 20, OBJECT_MAX = 4 << 20, INDEX_MAX = 8 << 20, OBJECTS_MAX = 20000 };

static const struct lp_json_limits index_limits = { .bytes = INDEX_MAX, .nodes = 400000 };

void
lp_revision_init(struct lp_revision *revision)
{
	*revision = (struct lp_revision){ .number = 0 };
	lp_arena_init(&revision->arena, ARENA_MAX);
}

void
lp_revision_fini(struct lp_revision *revision)
{
	lp_arena_fini(&revision->arena);
	lp_revision_init(revision);
}

const struct lp_revision_object *
lp_revision_find(const struct lp_revision *revision, const char *kind, const char *namespace, const char *name)
{
	for (size_t i = 0; i < revision->count; i++) {
		const struct lp_revision_object *object = &revision->objects[i];

		if (strcmp(object->name, name) == 0 && strcmp(object->namespace, namespace) == 0 && strcmp(object->kind, kind) == 0)
			return object;
	}
	return NULL;
}

const char *
lp_revision_setting(const struct lp_revision *revision, const char *name)
{
	return lp_json_str(revision->index, name);
}

bool
lp_revision_same(const struct lp_revision *a, const struct lp_revision *b)
{
	static const char *const settings[] = { "node", "podCIDR", "clusterCIDR", "serviceCIDR", "clusterDomain" };

	if (!a->text || !b->text || a->count != b->count)
		return false;
	for (size_t i = 0; i < lp_count(settings); i++)
		if (!lp_text_same(lp_revision_setting(a, settings[i]), lp_revision_setting(b, settings[i])))
			return false;
	/* Both are sorted by kind, namespace and name: the same objects stand in the same places. */
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->objects[i].digest, b->objects[i].digest) != 0)
			return false;
	return true;
}

/* ---- from index and objects to a revision */

/* Where the text of an object comes from: by its digest. NULL when it is not there. */
typedef const char *(*fetch_fn)(void *arg, const char *digest);

static int
check_index(struct lp_revision *out, const struct lp_revision_trust *trust, struct lp_err *err)
{
	const char *kind = lp_json_str(out->index, "kind"), *time = lp_json_str(out->index, "time");

	if (!lp_text_same(kind, "NodeRevision"))
		return lp_err_say(err, -EINVAL, "node revision: kind is %s, not NodeRevision", kind ? kind : "missing");
	out->node = lp_json_str(out->index, "node");
	if (!lp_text_same(out->node, trust->node))
		return lp_err_say(err, -EXDEV, "node revision is for node %s, this is %s", out->node ? out->node : "?", trust->node);
	out->number = lp_json_int(out->index, "number", 0);
	if (out->number <= 0 || !time || lp_clock_parse(time, &out->signed_ms) < 0)
		return lp_err_say(err, -EINVAL, "node revision has no number or no time");
	return 0;
}

static int
verify_signature(const struct lp_revision *out, const struct lp_revision_trust *trust, struct lp_err *err)
{
	lp_auto_buf struct lp_buf der = { 0 };
	int rc;

	if (!trust->verify)
		return 0;
	lp_buf_init(&der, 4096);
	if (!out->signature || lp_text_base64_decode(&der, out->signature, strlen(out->signature)) < 0)
		return lp_err_say(err, -EKEYREJECTED, "node revision has no readable signature");
	rc = trust->verify(trust->verify_arg, out->text, strlen(out->text), der.data, der.len, err);
	return rc < 0 ? lp_err_say(err, -EKEYREJECTED, "node revision is not signed by this fleet's key") : 0;
}

static int
read_object(struct lp_revision *out, struct lp_revision_object *object, const struct lp_json *row, const char *text,
    struct lp_err *err)
{
	const char *digest = lp_json_str(row, "digest"), *namespace = lp_json_str(row, "namespace");
	char actual[LP_DIGEST_TEXT];
	int rc;

	object->kind = lp_json_str(row, "kind");
	object->name = lp_json_str(row, "name");
	object->namespace = namespace ? namespace : "";
	object->uid = lp_json_str(row, "uid");
	if (!object->uid)
		object->uid = "";
	if (!object->kind || !object->name || !digest || lp_digest_parse(digest, NULL) < 0)
		return lp_err_say(err, -EINVAL, "node revision: an index row without kind, name or digest");
	if (!text)
		return lp_err_say(err, -EBADMSG, "node revision: %s %s/%s is missing", object->kind, object->namespace, object->name);
	lp_digest_print(text, strlen(text), actual);
	if (strcmp(actual, digest) != 0)
		return lp_err_say(err, -EBADMSG, "node revision: %s %s/%s is not what its digest says", object->kind,
		    object->namespace, object->name);
	memcpy(object->digest, actual, sizeof(actual));
	object->text = lp_arena_str(&out->arena, text);
	if (!object->text)
		return lp_err_set(err, -ENOMEM, "node revision");
	rc = lp_json_parse(&out->arena, text, strlen(text), NULL, &object->json, err);
	if (rc < 0)
		return lp_err_wrap(err, "node revision: %s %s/%s", object->kind, object->namespace, object->name);
	/* The index is what was signed by name; a body that says something else is not believed. */
	if (!lp_text_same(lp_object_name(object->json), object->name) ||
	    !lp_text_same(lp_object_namespace(object->json), object->namespace) ||
	    !lp_text_same(lp_object_kind(object->json), object->kind) || strchr(object->uid, '/') || *object->uid == '.' ||
	    (*object->uid && !lp_text_same(lp_object_uid(object->json), object->uid)))
		return lp_err_say(err, -EBADMSG, "node revision: %s %s/%s holds another object", object->kind, object->namespace,
		    object->name);
	return 0;
}

static int
build(struct lp_revision *out, const char *text, const char *signature, const struct lp_revision_trust *trust, fetch_fn fetch,
    void *arg, struct lp_err *err)
{
	const struct lp_json *rows;
	size_t count, i = 0;
	int rc;

	out->text = lp_arena_str(&out->arena, text);
	out->signature = lp_arena_str(&out->arena, signature ? signature : "");
	if (!out->text || !out->signature)
		return lp_err_set(err, -ENOMEM, "node revision");
	lp_digest_print(out->text, strlen(out->text), out->digest);
	rc = verify_signature(out, trust, err);
	if (rc < 0)
		return rc;
	rc = lp_json_parse(&out->arena, out->text, strlen(out->text), &index_limits, &out->index, err);
	if (rc < 0)
		return lp_err_wrap(err, "node revision");
	rc = check_index(out, trust, err);
	if (rc < 0)
		return rc;
	rows = lp_json_get(out->index, "objects");
	count = lp_json_count(rows);
	if (count > OBJECTS_MAX)
		return lp_err_say(err, -E2BIG, "node revision names more than %d objects", OBJECTS_MAX);
	out->objects = count ? lp_arena_alloc(&out->arena, count * sizeof(*out->objects)) : NULL;
	if (count && !out->objects)
		return lp_err_set(err, -ENOMEM, "node revision");
	lp_json_each(row, rows) {
		const char *digest = lp_json_str(row, "digest");

		rc = read_object(out, &out->objects[i++], row, digest ? fetch(arg, digest) : NULL, err);
		if (rc < 0)
			return rc;
	}
	out->count = count;
	return 0;
}

struct sent {
	const struct lp_json *objects;		/* digest -> text, those that came with the line */
	struct lp_map known;			/* digest -> object of the current revision */
};

static const char *
fetch_sent(void *arg, const char *digest)
{
	const struct sent *sent = arg;
	const char *text = lp_json_text(lp_json_get(sent->objects, digest));
	const struct lp_revision_object *object;

	if (text)
		return text;
	object = lp_map_get(&sent->known, digest);
	return object ? object->text : NULL;
}

int
lp_revision_accept(struct lp_revision *out, const struct lp_revision *current, const struct lp_json *line,
    const struct lp_revision_trust *trust, struct lp_err *err)
{
	struct sent sent = { .objects = lp_json_get(line, "objects") };
	const char *text = lp_json_str(line, "revision");
	int rc = 0;

	if (!text)
		return lp_err_say(err, -EINVAL, "node revision: the line has no revision");
	lp_map_init(&sent.known);
	for (size_t i = 0; current && i < current->count && rc == 0; i++)
		rc = lp_map_put(&sent.known, current->objects[i].digest, &current->objects[i], NULL);
	rc = rc < 0 ? lp_err_set(err, rc, "node revision")
		    : build(out, text, lp_json_str(line, "signature"), trust, fetch_sent, &sent, err);
	lp_map_fini(&sent.known);
	if (rc == 0 && current && current->text && out->number <= current->number && !lp_revision_same(out, current))
		rc = lp_err_say(err, -ESTALE, "node revision %lld is not newer than %lld, which stays", (long long)out->number,
		    (long long)current->number);
	if (rc < 0)
		lp_revision_fini(out);
	return rc;
}

/* ---- on disk */

static int
write_index(int node_fd, const struct lp_revision *revision, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_json *doc;

	lp_arena_init(&arena, 2 * INDEX_MAX);
	lp_buf_init(&text, 3 * INDEX_MAX);
	doc = lp_json_new(&arena, LP_JSON_OBJECT);
	(void)lp_json_set_str(&arena, doc, "revision", revision->text);
	(void)lp_json_set_str(&arena, doc, "signature", revision->signature);
	if (arena.failed || lp_json_write(&text, doc) < 0)
		return lp_err_set(err, -ENOMEM, "write node revision");
	return lp_state_write(node_fd, "revision", SCHEMA, text.data, text.len, err);
}

struct sweep {
	int objects_fd;
	const struct lp_map *keep;
	struct lp_err *err;
};

static int
remove_unnamed(void *arg, const char *name)
{
	const struct sweep *sweep = arg;
	char hex[65] = "";

	if (strlen(name) >= 64)
		memcpy(hex, name, 64);
	return lp_map_get(sweep->keep, hex) ? 0 : lp_path_remove(sweep->objects_fd, name, sweep->err);
}

static int
keep_objects(struct lp_map *keep, const struct lp_revision *revision)
{
	int rc = 0;

	for (size_t i = 0; revision && i < revision->count && rc == 0; i++)
		rc = lp_map_put(keep, revision->objects[i].digest + strlen("sha256:"), &revision->objects[i], NULL);
	return rc;
}

int
lp_revision_store(int node_fd, const struct lp_revision *revision, const struct lp_revision *former, struct lp_err *err)
{
	lp_auto_fd int objects_fd = -1;
	struct lp_map keep;
	int rc = lp_path_mkdirs(node_fd, "objects", 0700, &objects_fd, err);

	lp_map_init(&keep);
	for (size_t i = 0; rc == 0 && i < revision->count; i++) {
		const struct lp_revision_object *object = &revision->objects[i];

		rc = lp_state_write(objects_fd, object->digest + strlen("sha256:"), SCHEMA, object->text, strlen(object->text), err);
	}
	if (rc == 0)
		rc = write_index(node_fd, revision, err);
	/* From here on the new revision stands; what nobody names any more goes. */
	if (rc == 0 && keep_objects(&keep, revision) == 0 && keep_objects(&keep, former) == 0) {
		struct sweep sweep = { .objects_fd = objects_fd, .keep = &keep, .err = err };

		rc = lp_path_each(objects_fd, remove_unnamed, &sweep, err);
	}
	lp_map_fini(&keep);
	return rc;
}

struct stored {
	int objects_fd;
	struct lp_buf text;	/* the object read last */
};

static const char *
fetch_stored(void *arg, const char *digest)
{
	struct stored *stored = arg;

	lp_buf_reset(&stored->text);
	if (lp_digest_parse(digest, NULL) < 0)
		return NULL;
	if (lp_state_read(stored->objects_fd, digest + strlen("sha256:"), SCHEMA, &stored->text, NULL, NULL) < 0)
		return NULL;	/* the caller says which object is missing */
	return lp_buf_text(&stored->text);
}

static int
load_one(int node_fd, const char *file, struct lp_revision *out, const struct lp_revision_trust *trust, struct lp_err *err)
{
	struct stored stored = { .objects_fd = -1 };
	lp_auto_arena struct lp_arena arena = { 0 };
	lp_auto_buf struct lp_buf state = { 0 };
	struct lp_json *doc;
	int rc;

	lp_arena_init(&arena, 4 * INDEX_MAX);
	lp_buf_init(&state, 3 * INDEX_MAX);
	lp_buf_init(&stored.text, OBJECT_MAX);
	rc = lp_state_read(node_fd, file, SCHEMA, &state, NULL, err);
	if (rc == 0)
		rc = lp_json_parse(&arena, lp_buf_text(&state), state.len,
		    &(struct lp_json_limits){ .bytes = 3 * INDEX_MAX }, &doc, err);
	if (rc == 0 && !lp_json_str(doc, "revision"))
		rc = lp_err_say(err, -EBADMSG, "node revision: the state file holds none");
	if (rc == 0)
		rc = lp_path_mkdirs(node_fd, "objects", 0700, &stored.objects_fd, err);
	if (rc == 0)
		rc = build(out, lp_json_str(doc, "revision"), lp_json_str(doc, "signature"), trust, fetch_stored, &stored, err);
	lp_close(&stored.objects_fd);
	lp_buf_fini(&stored.text);
	if (rc < 0)
		lp_revision_fini(out);
	return rc;
}

int
lp_revision_load(int node_fd, struct lp_revision *out, const struct lp_revision_trust *trust, struct lp_err *err)
{
	struct lp_err older = { 0 };
	int rc = load_one(node_fd, "revision", out, trust, err);

	if (rc == 0 || rc == -ENOENT || rc == -ENOMEM)
		return rc;
	/* The state file itself falls back to its older generation; this is for an index whose objects are gone. */
	if (load_one(node_fd, "revision.old", out, trust, &older) == 0)
		return 0;
	return rc;
}
