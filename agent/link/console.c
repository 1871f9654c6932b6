#include "agent/link/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/link/session.h"
#include "agent/link/uplink.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/seam.h"

enum { SESSIONS_MAX = 256, READ_BYTES = 16384, RESIZE_MAX = 256, CLOSE_MS = 10000, STATUS_MAX = 8192 };

struct lp_console {
	struct lp_agent *agent;		/* weak */
	struct lp_list sessions;
	size_t count;
	uint64_t last_id;
};

static const struct lp_session_verb *const verbs[] = { &lp_session_logs, &lp_session_exec, &lp_session_attach, &lp_session_forward,
	&lp_session_stats };

/* ---- life */

static void
close_ends(struct lp_session *session)
{
	for (int i = 0; i < 2; i++) {
		lp_watch_stop(&session->sources[i].watch);
		lp_close(&session->sources[i].fd);
	}
	lp_watch_stop(&session->sink_watch);
	lp_close(&session->sink_fd);
	lp_close(&session->terminal_fd);
	lp_watch_stop(&session->inotify_watch);
	lp_close(&session->inotify_fd);
	lp_logread_close(&session->reader);
	lp_close(&session->logs_fd);
}

static void
session_free(struct lp_session *session)
{
	close_ends(session);
	lp_timer_stop(&session->timer);
	lp_list_remove(&session->link);
	session->console->count--;
	lp_buf_fini(&session->resize);
	lp_buf_fini(&session->sink_wait);
	free(session->uid);
	free(session->container);
	free(session);
}

static struct lp_session *
session_new(struct lp_console *console, const struct lp_session_verb *verb, const char *uid, const char *container)
{
	struct lp_session *session = lp_seam.alloc(sizeof(*session));

	if (!session)
		return NULL;
	session->console = console;
	session->agent = console->agent;
	session->verb = verb;
	session->sink_fd = session->terminal_fd = session->logs_fd = session->inotify_fd = -1;
	session->reader.fds[0] = session->reader.fds[1] = -1;
	lp_buf_init(&session->reader.carry, 0);
	lp_buf_init(&session->resize, RESIZE_MAX);
	lp_buf_init(&session->sink_wait, LP_SESSION_QUEUE * 4);
	for (int i = 0; i < 2; i++) {
		session->sources[i].session = session;
		session->sources[i].fd = -1;
		session->sources[i].channel = (uint8_t)(LP_SESSION_STDOUT + i);
	}
	lp_list_append(&console->sessions, &session->link);
	console->count++;
	session->id = lp_session_next_id(session);
	session->uid = strdup(uid);
	session->container = strdup(container);
	if (session->uid && session->container)
		return session;
	session_free(session);
	return NULL;
}

uint64_t
lp_session_next_id(struct lp_session *session)
{
	return ++session->console->last_id;
}

/* ---- frames up */

void
lp_session_send(struct lp_session *session, enum lp_session_channel channel, const void *data, size_t len)
{
	uint8_t head[5] = { (uint8_t)channel, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len };

	if (!session->call || session->finished)
		return;
	/* Its failures come as done(). */
	if (lp_client_write(session->call, head, sizeof(head)) == 0)
		(void)lp_client_write(session->call, data, len);
}

bool
lp_session_has_room(const struct lp_session *session)
{
	return session->call && !session->finished && lp_client_queued(session->call) < LP_SESSION_QUEUE;
}

/* The manager closes its side when it has read ours; if it does not, we do. */
static void
close_late(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_session *session = lp_of(timer, struct lp_session, timer);

	(void)now_ms;
	if (session->call)
		lp_client_cancel(session->call);	/* done() frees the session */
}

static void
send_status(struct lp_session *session, struct lp_arena *arena, const struct lp_json *status)
{
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, STATUS_MAX);
	if (arena->failed || lp_json_write(&text, status) < 0) {
		lp_buf_reset(&text);
		(void)lp_buf_str(&text, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"code\":500}");
	}
	lp_session_send(session, LP_SESSION_STATUS, text.data, text.len);
	session->finished = true;
	if (session->call)
		lp_client_end(session->call);
	close_ends(session);
	(void)lp_timer_start(session->agent->loop, &session->timer, lp_loop_now(session->agent->loop) + CLOSE_MS, close_late);
}

static struct lp_json *
new_status(struct lp_arena *arena, bool success)
{
	struct lp_json *status = lp_json_new(arena, LP_JSON_OBJECT);

	lp_json_set_str(arena, status, "kind", "Status");
	lp_json_set_str(arena, status, "apiVersion", "v1");
	lp_json_set_object(arena, status, "metadata");
	lp_json_set_str(arena, status, "status", success ? "Success" : "Failure");
	return status;
}

void
lp_session_finish(struct lp_session *session, int http, const char *reason, const char *message)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_json *status;

	if (session->finished)
		return;
	lp_arena_init(&arena, STATUS_MAX * 4);
	status = new_status(&arena, !http);
	if (http) {
		lp_json_set_str(&arena, status, "message", message);
		lp_json_set_str(&arena, status, "reason", reason);
		lp_json_set_int(&arena, status, "code", http);
	}
	send_status(session, &arena, status);
}

/* As the kubelet says it; kubectl takes the exit status from the cause. */
void
lp_session_finish_exit(struct lp_session *session, int code)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_json *status, *causes, *cause;

	if (session->finished)
		return;
	lp_arena_init(&arena, STATUS_MAX * 4);
	status = new_status(&arena, code == 0);
	if (code) {
		lp_json_set_str(&arena, status, "message", lp_arena_printf(&arena, "command terminated with non-zero exit code: exit status %d", code));
		lp_json_set_str(&arena, status, "reason", "NonZeroExitCode");
		causes = lp_json_set_array(&arena, lp_json_set_object(&arena, status, "details"), "causes");
		cause = lp_json_append(&arena, causes, lp_json_new(&arena, LP_JSON_OBJECT));
		lp_json_set_str(&arena, cause, "reason", "ExitCode");
		lp_json_set_str(&arena, cause, "message", lp_arena_printf(&arena, "%d", code));
	}
	send_status(session, &arena, status);
}

/* ---- between descriptors and frames */

static void
source_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_session_source *source = lp_of(watch, struct lp_session_source, watch);
	struct lp_session *session = source->session;
	char data[READ_BYTES];
	ssize_t n;

	(void)events;
	do
		n = read(source->fd, data, sizeof(data));
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		lp_session_send(session, source->channel, data, (size_t)n);
	} else {		/* a terminal says EIO at its end */
		lp_watch_stop(watch);
		lp_close(&source->fd);
	}
	lp_session_pump(session, now_ms);
}

static void
sink_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	(void)events;
	lp_session_pump(lp_of(watch, struct lp_session, sink_watch), now_ms);
}

int
lp_session_watch(struct lp_session *session, struct lp_err *err)
{
	struct lp_loop *loop = session->agent->loop;
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++)
		if (session->sources[i].fd >= 0)
			rc = lp_watch_start(loop, &session->sources[i].watch, session->sources[i].fd, EPOLLIN, source_ready, err);
	return rc;
}

/* What waits goes into the program; a program that reads slowly makes the manager wait. */
static void
feed_sink(struct lp_session *session)
{
	struct lp_buf *wait = &session->sink_wait;
	long n = 0;

	if (session->sink_fd < 0)
		return;
	while (wait->len && (n = lp_seam.write(session->sink_fd, wait->data, wait->len)) > 0)
		lp_buf_consume(wait, (size_t)n);
	if (wait->len && n < 0 && errno != EAGAIN && errno != EINTR) {	/* it does not read any more */
		lp_buf_reset(wait);
		session->sink_end = true;
	}
	if (!wait->len && session->sink_end) {
		lp_watch_stop(&session->sink_watch);
		lp_close(&session->sink_fd);
		return;
	}
	if (!wait->len)
		lp_watch_stop(&session->sink_watch);
	else if (!session->sink_watch.loop)
		/* Without memory for the watch the next frame tries again. */
		(void)lp_watch_start(session->agent->loop, &session->sink_watch, session->sink_fd, EPOLLOUT, sink_ready, NULL);
}

void
lp_session_pump(struct lp_session *session, int64_t now_ms)
{
	bool room = lp_session_has_room(session);

	if (session->finished)
		return;
	feed_sink(session);
	if (session->call)
		lp_client_pause(session->call, session->sink_wait.len > LP_SESSION_QUEUE);
	for (int i = 0; i < 2; i++)
		if (session->sources[i].watch.loop && !!session->sources[i].watch.events != room)
			(void)lp_watch_change(&session->sources[i].watch, room ? EPOLLIN : 0);	/* it is watched: cannot fail */
	if (session->verb->room)
		session->verb->room(session, now_ms);
}

/* ---- frames down */

static void
resize(struct lp_session *session)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_json *size;
	int64_t rows, cols;

	lp_arena_init(&arena, 4096);
	if (session->resize.failed || lp_json_parse(&arena, lp_buf_text(&session->resize), session->resize.len, NULL, &size, NULL) < 0)
		return;
	rows = lp_json_int(size, "Height", 0);
	cols = lp_json_int(size, "Width", 0);
	if (rows <= 0 || cols <= 0 || rows > UINT16_MAX || cols > UINT16_MAX)
		return;
	session->rows = (uint16_t)rows;
	session->cols = (uint16_t)cols;
	if (session->terminal_fd >= 0)
		(void)lp_terminal_resize(session->terminal_fd, session->rows, session->cols, NULL);	/* its program may be gone */
}

static void
take_payload(struct lp_session *session, const char *data, size_t len)
{
	switch (session->head[0]) {
	case LP_SESSION_STDIN:
		/* The stream is paused long before it is full: a loss would be our mistake, and must not look like success. */
		if (!session->sink_end && !session->finished && lp_buf_add(&session->sink_wait, data, len) < 0)
			lp_session_finish(session, 500, "InternalError", "the program reads too slowly");
		return;
	case LP_SESSION_RESIZE:
		(void)lp_buf_add(&session->resize, data, len);		/* longer ones are refused as a whole */
		return;
	default:
		return;			/* a channel of a later version */
	}
}

static void
frame_ended(struct lp_session *session)
{
	session->head_len = 0;
	if (session->head[0] == LP_SESSION_RESIZE) {
		resize(session);
		lp_buf_reset(&session->resize);
	} else if (session->head[0] == LP_SESSION_END) {
		session->sink_end = true;
	}
}

static void
stream_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct lp_session *session = lp_client_call_arg(call);
	const char *at = data;

	while (len) {
		size_t take;

		if (session->head_len < sizeof(session->head)) {
			session->head[session->head_len++] = (uint8_t)*at++;
			len--;
			if (session->head_len == sizeof(session->head)) {
				session->left = (uint32_t)session->head[1] << 24 | (uint32_t)session->head[2] << 16 |
				    (uint32_t)session->head[3] << 8 | session->head[4];
				if (!session->left)
					frame_ended(session);
			}
			continue;
		}
		take = len < session->left ? len : session->left;
		take_payload(session, at, take);
		at += take;
		len -= take;
		session->left -= (uint32_t)take;
		if (!session->left)
			frame_ended(session);
	}
	lp_session_pump(session, now_ms);
}

static void
stream_room(struct lp_client_call *call, int64_t now_ms)
{
	lp_session_pump(lp_client_call_arg(call), now_ms);
}

static void
stream_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct lp_session *session = lp_client_call_arg(call);

	(void)headers;
	(void)now_ms;
	if (status != 200)
		lp_log(LP_LOG_WARN, "the manager does not take a stream it asked for", "verb=%s pod=%s status=%d", session->verb->name,
		    session->uid, status);
}

static void
stream_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct lp_session *session = lp_client_call_arg(call);

	(void)why;		/* whoever asked is gone, for whatever reason */
	(void)now_ms;
	session->call = NULL;
	session_free(session);
}

static const struct lp_client_call_ops stream_ops = {
	.head = stream_head, .data = stream_data, .room = stream_room, .done = stream_done,
};

/* ---- opening */

static const struct lp_session_verb *
find_verb(const char *name)
{
	for (size_t i = 0; name && i < lp_count(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

static const char *
reason_of(int http)
{
	switch (http) {
	case 400:
		return "BadRequest";
	case 404:
		return "NotFound";
	default:
		return "InternalError";
	}
}

/* Nobody said which: the first that is no init container. */
static int
name_container(struct lp_session *session, const char *name, struct lp_err *err)
{
	free(session->container);
	session->container = strdup(name);
	return session->container ? 0 : lp_err_set(err, -ENOMEM, "a stream");
}

void
lp_console_open(struct lp_console *console, const struct lp_json *line, int64_t now_ms)
{
	const char *stream = lp_json_str(line, "stream"), *uid = lp_json_str(line, "uid"), *container = lp_json_str(line, "container");
	const struct lp_session_verb *verb = find_verb(lp_json_str(line, "verb"));
	struct lp_session *session;
	struct lp_pod *pod;
	struct lp_err err = { 0 };
	int http = 500, rc;

	if (!stream || !uid || !verb || console->count >= SESSIONS_MAX) {
		lp_log(LP_LOG_WARN, "a stream was asked for that cannot be opened", "stream=%s verb=%s open=%zu", stream ? stream : "?",
		    verb ? verb->name : "?", console->count);
		return;
	}
	session = session_new(console, verb, uid, container ? container : "");
	rc = session ? lp_uplink_stream(console->agent->uplink, stream, &stream_ops, session, &session->call, &err) :
	    lp_err_set(&err, -ENOMEM, "a stream");
	if (rc < 0) {
		lp_log(LP_LOG_WARN, "a stream was asked for that cannot be opened", "stream=%s why=\"%s\"", stream, err.text);
		if (session)
			session_free(session);
		return;
	}
	pod = lp_map_get(&console->agent->pods, uid);
	if (pod && !session->container[0] && pod->container_count > pod->init_count)
		rc = name_container(session, pod->containers[pod->init_count].name, &err);
	if (rc < 0)
		http = 500;
	else if (!pod && !verb->of_node)
		rc = lp_err_say(&err, -ENOENT, "pod \"%s\" is not on this node", lp_json_str(line, "pod") ? lp_json_str(line, "pod") : uid), http = 404;
	else
		rc = verb->begin(session, pod, lp_json_get(line, "options"), &http, &err);
	if (rc < 0)
		lp_session_finish(session, http, reason_of(http), err.text);
	else
		lp_session_pump(session, now_ms);
}

/* ---- keepers' answers */

static struct lp_session *
find_session(struct lp_console *console, uint64_t id)
{
	lp_list_each(link, &console->sessions) {
		struct lp_session *session = lp_of(link, struct lp_session, link);

		if (session->id == id && !session->finished)
			return session;
	}
	return NULL;
}

void
lp_agent_stream_begun(struct lp_agent *agent, uint64_t id, int fd, const struct lp_err *err)
{
	struct lp_session *session = find_session(agent->console, id);

	if (session && session->verb->begun)
		session->verb->begun(session, fd, err, lp_loop_now(agent->loop));
	else
		lp_close(&fd);		/* whoever wanted it is gone: the program sees the end of its terminal */
}

void
lp_agent_stream_ended(struct lp_agent *agent, uint64_t id, const struct lp_container_exit *status)
{
	struct lp_session *session = find_session(agent->console, id);

	if (session && session->verb->ended)
		session->verb->ended(session, status, lp_loop_now(agent->loop));
}

void
lp_agent_streams_lost(struct lp_agent *agent, const char *uid)
{
	lp_list_each(link, &agent->console->sessions) {
		struct lp_session *session = lp_of(link, struct lp_session, link);

		if (session->verb->lost && !session->finished && strcmp(session->uid, uid) == 0)
			session->verb->lost(session);
	}
}

int
lp_console_new(struct lp_agent *agent, struct lp_console **out, struct lp_err *err)
{
	struct lp_console *console = lp_seam.alloc(sizeof(*console));

	if (!console)
		return lp_err_set(err, -ENOMEM, "console");
	console->agent = agent;
	/* A keeper lives longer than its agents: an answer to a former one must not be taken for ours. */
	lp_random(&console->last_id, sizeof(console->last_id));
	console->last_id >>= 2;
	lp_list_init(&console->sessions);
	*out = console;
	return 0;
}

void
lp_console_free(struct lp_console *console)
{
	if (!console)
		return;
	while (!lp_list_empty(&console->sessions)) {
		struct lp_session *session = lp_of(lp_list_first(&console->sessions), struct lp_session, link);

		if (session->call)
			lp_client_cancel(session->call);	/* done() frees it */
		else
			session_free(session);
	}
	free(console);
}
