/* agent/link/console_logs.c - logs: files of a run to a stream, followed until the run has ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent/link/session.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"

enum { LOOK_MS = 1000, CHUNK = 65536, STEPS = 16 };

static void follow_on(struct lp_timer *timer, int64_t now_ms);

static const struct lp_pod_container *
find_container(const struct lp_pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->container_count; i++)
		if (strcmp(pod->containers[i].name, name) == 0)
			return &pod->containers[i];
	return NULL;
}

/* Is the run that is read still going on? What nobody knows is over. */
static bool
is_running(const struct lp_session *session)
{
	const struct lp_pod *pod = lp_map_get(&session->agent->pods, session->uid);
	const struct lp_pod_container *container = pod ? find_container(pod, session->container) : NULL;

	return container && container->known && container->status.run == LP_CONTROL_RUN_RUNNING &&
	    container->status.attempt == session->reader.attempt;
}

/* Send what there is while there is room. True at the end (for now). */
static bool
send_some(struct lp_session *session)
{
	lp_auto_buf struct lp_buf text;
	struct lp_err err = { 0 };
	int rc = 1;

	lp_buf_init(&text, CHUNK + LP_LOGREAD_RECORD * 2);
	for (int i = 0; i < STEPS && rc > 0 && lp_session_has_room(session); i++) {
		lp_buf_reset(&text);
		rc = lp_logread_next(&session->reader, &text, &err);
		if (text.len)
			lp_session_send(session, LP_SESSION_STDOUT, text.data, text.len);
	}
	if (rc < 0) {
		lp_session_finish(session, 500, "InternalError", err.text);
		return true;
	}
	return rc == 0;
}

static void
logs_room(struct lp_session *session, int64_t now_ms)
{
	bool over;

	if (session->finished || session->reader.fds[1] < 0)
		return;
	/* Asked before the last read: what was written before the end is then read for certain. */
	over = !session->follow || !is_running(session);
	if (!send_some(session)) {
		if (lp_session_has_room(session))	/* it had its share of this turn */
			(void)lp_timer_start(session->agent->loop, &session->timer, now_ms, follow_on);
		return;
	}
	if (session->finished)
		return;
	if (over || session->reader.full)
		lp_session_finish(session, 0, NULL, NULL);
	else
		(void)lp_timer_start(session->agent->loop, &session->timer, now_ms + LOOK_MS, follow_on);
}

static void
follow_on(struct lp_timer *timer, int64_t now_ms)
{
	logs_room(lp_of(timer, struct lp_session, timer), now_ms);
}

static void
written(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_session *session = lp_of(watch, struct lp_session, inotify_watch);
	char bytes[4096];

	(void)events;
	while (read(session->inotify_fd, bytes, sizeof(bytes)) > 0)
		continue;	/* which file it was does not matter: look again */
	logs_room(session, now_ms);
}

static int
start_following(struct lp_session *session, struct lp_err *err)
{
	char path[64];

	session->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (session->inotify_fd < 0)
		return lp_err_set(err, -errno, "inotify");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", session->logs_fd);
	if (inotify_add_watch(session->inotify_fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_FROM) < 0)
		return lp_err_set(err, -errno, "watch the logs");
	return lp_watch_start(session->agent->loop, &session->inotify_watch, session->inotify_fd, EPOLLIN, written, err);
}

/* Why there is no log, in the kubelet's words. */
static int
say_no_log(struct lp_session *session, const struct lp_pod *pod, bool previous, struct lp_err *err)
{
	const struct lp_pod_container *container = find_container(pod, session->container);
	const char *reason = pod->wait_reason[0] ? pod->wait_reason : "ContainerCreating";

	if (container && container->known && container->status.reason && container->status.run == LP_CONTROL_RUN_WAITING)
		reason = container->status.reason;
	if (previous)
		return lp_err_say(err, -ENOENT, "previous terminated container \"%s\" in pod \"%s\" not found", session->container, pod->name);
	return lp_err_say(err, -ENOENT, "container \"%s\" in pod \"%s\" is waiting to start: %s", session->container, pod->name, reason);
}

static int
logs_begin(struct lp_session *session, struct lp_pod *pod, const struct lp_json *options, int *out_http, struct lp_err *err)
{
	struct lp_logread_opts opts = {
		.previous = lp_json_bool(options, "previous", false),
		.timestamps = lp_json_bool(options, "timestamps", false),
		.tail = lp_json_int(options, "tailLines", -1),
		.limit_bytes = lp_json_int(options, "limitBytes", 0),
	};
	int64_t since = lp_json_int(options, "sinceSeconds", 0);
	const char *time = lp_json_str(options, "sinceTime");
	int rc;

	*out_http = 400;
	if (!find_container(pod, session->container))
		return lp_err_say(err, -ENOENT, "container \"%s\" in pod \"%s\" is not available", session->container, pod->name);
	if (since > 0)
		opts.since_ms = lp_clock_wall_ms() - lp_clock_seconds_ms(since);
	else if (time && lp_clock_parse(time, &opts.since_ms) < 0)
		return lp_err_say(err, -EINVAL, "sinceTime \"%.64s\" is no time", time);
	session->follow = lp_json_bool(options, "follow", false);
	rc = lp_path_open(session->agent->run_logs_fd, session->uid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &session->logs_fd, err);
	if (!rc)
		rc = lp_logread_open(&session->reader, session->logs_fd, session->container, &opts, err);
	if (rc == -ENOENT)
		return say_no_log(session, pod, opts.previous, err);
	*out_http = 500;
	if (!rc && session->follow)
		rc = start_following(session, err);
	return rc;
}

const struct lp_session_verb lp_session_logs = { .name = "logs", .begin = logs_begin, .room = logs_room };
