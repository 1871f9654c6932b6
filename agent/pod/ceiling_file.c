#include "agent/pod/ceiling_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/convert/ceiling_pod.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "specs/schema.h"
#include "specs/yaml.h"

enum { FILE_MAX = 64 << 10, ARENA_MAX = 4 << 20, POD_MAX = 16 << 20 };

int
lp_ceiling_file_read(int data_fd, struct lp_arena *arena, struct lp_ceiling *out, struct lp_err *err)
{
	static const struct lp_json_limits limits = { .bytes = FILE_MAX, .depth = 8, .nodes = 10000 };
	lp_auto_fd int fd = -1;
	lp_auto_buf struct lp_buf text;
	struct lp_json *documents = NULL;
	struct stat status;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = lp_path_open(data_fd, LP_CEILING_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, &fd, err);
	if (rc < 0)
		return rc == -ELOOP ? lp_err_say(err, -EPERM, "is a symbolic link") : rc;
	if (fstat(fd, &status) < 0)
		return lp_err_set(err, -errno, "stat");
	if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)))
		return lp_err_say(err, -EPERM, "must be a plain file of root's that nobody else may write");
	rc = lp_path_read_fd(fd, &text, err);
	if (rc == 0)
		rc = lp_yaml_parse(arena, text.data, text.len, &limits, &documents, err);
	if (rc == 0 && lp_json_count(documents) != 1)
		rc = lp_err_say(err, -EINVAL, "must be one YAML document with keys and values");
	return rc < 0 ? rc : lp_ceiling_read(arena, lp_json_first(documents), out, err);
}

/* What the node's condition says; the same text is told once. */
static void
note(struct lp_ceiling_file *file, const char *why)
{
	char *fault = file->agent->node.ceiling_fault;

	file->certain = !why;
	if (strcmp(fault, why ? why : "") == 0)
		return;
	(void)snprintf(fault, sizeof(file->agent->node.ceiling_fault), "%s", why ? why : "");
	if (why) {
		lp_log(LP_LOG_ERROR, "the ceiling of this node cannot be used", "file=%s why=\"%s\" holds=\"%s\"", LP_CEILING_FILE, why,
		    file->present ? "the former one" : "nothing beyond the defaults");
		lp_agent_event(file->agent, NULL, "Warning", "CeilingInvalid", "%s", why);
	}
	lp_agent_report_changed(file->agent);
}

static void
load(struct lp_ceiling_file *file, bool first)
{
	struct lp_ceiling ceiling;
	struct lp_arena arena;
	struct lp_err err = { 0 };
	char why[LP_ERR_TEXT];
	int rc;

	lp_arena_init(&arena, ARENA_MAX);
	rc = lp_ceiling_file_read(file->agent->data_fd, &arena, &ceiling, &err);
	if (rc == 0) {
		lp_arena_fini(&file->arena);
		file->arena = arena;
		file->ceiling = ceiling;
		file->present = true;
		note(file, NULL);
		if (!first)
			lp_log(LP_LOG_INFO, "the ceiling of this node changed", "file=%s", LP_CEILING_FILE);
		return;
	}
	lp_arena_fini(&arena);
	if (rc == -ENOENT && !file->present) {
		if (first || file->certain) {
			lp_ceiling_none(&file->ceiling);
			note(file, NULL);
		}
		return;
	}
	if (first)
		lp_ceiling_strictest(&file->ceiling);
	(void)snprintf(why, sizeof(why), LP_CEILING_FILE "%s%.200s", rc == -ENOENT ? " is gone" : ": ", rc == -ENOENT ? "" : err.text);
	note(file, why);
}

static bool
is_alive(const struct lp_pod *pod)
{
	return pod->json && pod->object && pod->keeper != LP_PODPLAN_NONE && pod->keeper != LP_PODPLAN_DONE && !pod->final;
}

void
lp_ceiling_file_check(const struct lp_ceiling_file *file, struct lp_pod *pod)
{
	lp_auto_arena struct lp_arena arena;
	const struct lp_spec_pod *view;
	const struct lp_json *json;
	const char *reason;
	struct lp_err err = { 0 };

	lp_arena_init(&arena, 2ul * POD_MAX);
	/* A size that is only wished (resize.h) is refused without harm to what runs. */
	json = file->certain && file->present && is_alive(pod) ? lp_resize_present(pod, &arena) : NULL;
	view = json ? lp_parse(&arena, pod, json) : NULL;
	reason = view && view->spec ? lp_ceiling_pod_refuses(&file->ceiling, view, 0, &err) : NULL;
	if (reason)
		lp_pod_fail(pod, reason, err.text, -1);
}

void
lp_ceiling_file_apply(struct lp_ceiling_file *file)
{
	size_t pos = 0;
	void *value;

	while (lp_map_next(&file->agent->pods, &pos, NULL, &value)) {
		lp_ceiling_file_check(file, value);
		if (file->certain)
			lp_resize_again(value);
	}
}

static void
file_changed(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_ceiling_file *file = lp_of(watch, struct lp_ceiling_file, watch);
	char buffer[4096] __attribute__((aligned(8)));
	bool ours = false;
	ssize_t got;

	(void)events;
	(void)now_ms;
	while ((got = read(file->inotify_fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= got;) {
			const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);

			ours |= (event->mask & IN_Q_OVERFLOW) || (event->len > 0 && strcmp(event->name, LP_CEILING_FILE) == 0);
			at += (ssize_t)sizeof(*event) + event->len;
		}
	if (!ours)
		return;
	load(file, false);
	lp_ceiling_file_apply(file);
}

int
lp_ceiling_file_open(struct lp_ceiling_file *file, struct lp_agent *agent, struct lp_err *err)
{
	char path[64];

	*file = (struct lp_ceiling_file){ .agent = agent };
	lp_arena_init(&file->arena, ARENA_MAX);
	file->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", agent->data_fd);
	if (file->inotify_fd < 0 ||
	    inotify_add_watch(file->inotify_fd, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_ONLYDIR) < 0)
		return lp_err_set(err, -errno, "watch %s", LP_CEILING_FILE);
	load(file, true);	/* after the watch: what changes from here on is heard */
	return lp_watch_start(agent->loop, &file->watch, file->inotify_fd, EPOLLIN, file_changed, err);
}

void
lp_ceiling_file_close(struct lp_ceiling_file *file)
{
	if (!file->agent)
		return;
	lp_watch_stop(&file->watch);
	lp_close(&file->inotify_fd);
	lp_arena_fini(&file->arena);
}
