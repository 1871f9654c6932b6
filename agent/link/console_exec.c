/* agent/link/console_exec.c - exec and attach through the keeper, port-forward through the pod's network. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/link/session.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"

enum { ARGS_MAX = 1024 };

/* ---- pipes: ours are non-blocking, theirs are not */

static int
make_source(struct lp_session *session, int which, int *out_theirs, struct lp_err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "pipe");
	session->sources[which].fd = ends[0];
	*out_theirs = ends[1];
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ? lp_err_set(err, -errno, "pipe") : 0;
}

static int
make_sink(struct lp_session *session, int *out_theirs, struct lp_err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "pipe");
	session->sink_fd = ends[1];
	*out_theirs = ends[0];
	return fcntl(ends[1], F_SETFL, O_WRONLY | O_NONBLOCK) < 0 ? lp_err_set(err, -errno, "pipe") : 0;
}

/* ---- exec */

static size_t
read_words(const struct lp_json *array, const char *words[static ARGS_MAX + 1])
{
	size_t count = 0;

	lp_json_each(word, array)
		if (count < ARGS_MAX && lp_json_text(word))
			words[count++] = lp_json_text(word);
	words[count] = NULL;
	return count;
}

static int
exec_begin(struct lp_session *session, struct lp_pod *pod, const struct lp_json *options, int *out_http, struct lp_err *err)
{
	const char *words[ARGS_MAX + 1];
	struct lp_control_exec exec = {
		.container = session->container,
		.args = words,
		.terminal = lp_json_bool(options, "tty", false),
	};
	lp_auto_fd int in = -1, out = -1, errs = -1;
	int rc = 0;

	*out_http = 400;
	if (!read_words(lp_json_get(options, "command"), words))
		return lp_err_say(err, -EINVAL, "you must specify at least one command for the container");
	*out_http = 500;
	if (!pod->connected)
		return lp_err_say(err, -ESRCH, "container not found (\"%s\")", session->container);
	if (!exec.terminal) {
		if (lp_json_bool(options, "stdin", false))
			rc = make_sink(session, &in, err);
		if (!rc && lp_json_bool(options, "stdout", true))
			rc = make_source(session, 0, &out, err);
		if (!rc && lp_json_bool(options, "stderr", true))
			rc = make_source(session, 1, &errs, err);
	}
	if (!rc)
		rc = lp_control_exec(&pod->control, session->id, &exec, (int[]){ in, out, errs }, err);
	return rc < 0 ? rc : lp_session_watch(session, err);
}

/* Its terminal: what is written goes in by one descriptor and comes out by another. */
static int
take_terminal(struct lp_session *session, int fd, struct lp_err *err)
{
	session->terminal_fd = fd;
	if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return lp_err_set(err, -errno, "terminal");
	session->sink_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	session->sources[0].fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (session->sink_fd < 0 || session->sources[0].fd < 0)
		return lp_err_set(err, -errno, "terminal");
	if (session->rows)
		(void)lp_terminal_resize(fd, session->rows, session->cols, NULL);	/* its program may be gone already */
	return lp_session_watch(session, err);
}

static void
exec_begun(struct lp_session *session, int fd, const struct lp_err *why, int64_t now_ms)
{
	struct lp_err err = *why;
	int rc = why->code;

	if (!rc && fd >= 0)
		rc = take_terminal(session, fd, &err);
	else
		lp_close(&fd);
	if (rc < 0)
		lp_session_finish(session, 500, "InternalError", err.text);
	else
		lp_session_pump(session, now_ms);
}

/* Ended, and everything it said is read (or said to someone who holds its pipes still: that is not waited for). */
static void
exec_room(struct lp_session *session, int64_t now_ms)
{
	(void)now_ms;
	if (!session->exited || session->finished)
		return;
	for (int i = 0; i < 2; i++) {
		struct lp_session_source *source = &session->sources[i];
		char data[16384];
		ssize_t n = 1;

		while (source->fd >= 0 && lp_session_has_room(session) && (n = read(source->fd, data, sizeof(data))) > 0)
			lp_session_send(session, source->channel, data, (size_t)n);
		if (n > 0 && source->fd >= 0)
			return;			/* no room: later */
	}
	lp_session_finish_exit(session, session->exit.code);
}

static void
exec_ended(struct lp_session *session, const struct lp_container_exit *exit, int64_t now_ms)
{
	session->exited = true;
	session->exit = *exit;
	lp_session_pump(session, now_ms);
}

static void
exec_lost(struct lp_session *session)
{
	if (!session->exited)
		lp_session_finish(session, 500, "InternalError", "the pod was lost: how the command ended is not known");
}

const struct lp_session_verb lp_session_exec = {
	.name = "exec", .begin = exec_begin, .room = exec_room, .begun = exec_begun, .ended = exec_ended, .lost = exec_lost,
};

/* ---- attach */

static int
attach_begin(struct lp_session *session, struct lp_pod *pod, const struct lp_json *options, int *out_http, struct lp_err *err)
{
	lp_auto_fd int out = -1, errs = -1;
	int rc = 0;

	*out_http = 500;
	if (!pod->connected)
		return lp_err_say(err, -ESRCH, "container not found (\"%s\")", session->container);
	if (!lp_json_bool(options, "stdin", false))
		session->sink_end = true;
	rc = make_source(session, 0, &out, err);
	if (!rc)
		rc = make_source(session, 1, &errs, err);
	if (!rc)
		rc = lp_control_attach(&pod->control, session->id, session->container, out, errs, err);
	return rc < 0 ? rc : lp_session_watch(session, err);
}

/* fd: the container's terminal, or the write end of its stdin, or none. */
static void
attach_begun(struct lp_session *session, int fd, const struct lp_err *why, int64_t now_ms)
{
	if (why->code < 0) {
		lp_close(&fd);
		lp_session_finish(session, 500, "InternalError", why->text);
		return;
	}
	if (fd >= 0 && isatty(fd)) {
		session->terminal_fd = fd;
		session->sink_fd = session->sink_end ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (session->rows)
			(void)lp_terminal_resize(fd, session->rows, session->cols, NULL);	/* its program may be gone already */
	} else if (session->sink_end) {
		lp_close(&fd);
	} else {
		session->sink_fd = fd;
	}
	lp_session_pump(session, now_ms);
}

static void
attach_room(struct lp_session *session, int64_t now_ms)
{
	(void)now_ms;
	if (!session->finished && session->sources[0].fd < 0 && session->sources[1].fd < 0)
		lp_session_finish(session, 0, NULL, NULL);	/* the run is over */
}

const struct lp_session_verb lp_session_attach = {
	.name = "attach", .begin = attach_begin, .room = attach_room, .begun = attach_begun,
};

/* ---- port-forward */

/* A socket belongs to the network in which it was made; we are single-threaded and go there for this one call. */
static int
socket_in(int netns_fd, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd = -1;
	int code = 0;

	if (home < 0)
		return lp_err_set(err, -errno, "our network namespace");
	if (netns_fd >= 0 && setns(netns_fd, CLONE_NEWNET) < 0)
		return lp_err_set(err, -errno, "the pod's network namespace");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		code = -errno;
	if (netns_fd >= 0 && setns(home, CLONE_NEWNET) < 0)
		abort();		/* an agent in a pod's network would do harm with every further step */
	if (fd < 0)
		return lp_err_set(err, code, "socket");
	*out_fd = lp_take_fd(&fd);
	return 0;
}

static int
forward_begin(struct lp_session *session, struct lp_pod *pod, const struct lp_json *options, int *out_http, struct lp_err *err)
{
	int64_t port = lp_json_int(options, "port", 0);
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	lp_auto_fd int fd = -1;
	socklen_t len = sizeof(int);
	int rc, failed = 0;

	*out_http = 400;
	if (port <= 0 || port > UINT16_MAX)
		return lp_err_say(err, -EINVAL, "%lld is not a port", (long long)port);
	*out_http = 500;
	if (pod->netns_fd < 0 && !lp_pod_is_host_network(pod))
		return lp_err_say(err, -ENOTCONN, "pod \"%s\" has no network yet", pod->name);
	rc = socket_in(pod->netns_fd, &fd, err);
	if (rc < 0)
		return rc;
	/* On the loopback everything has happened when connect() returns; a refusal is known already. */
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		failed = errno;
	if (failed == EINPROGRESS && getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) < 0)
		failed = errno;
	if (failed)
		return lp_err_set(err, -failed, "connect to port %d of pod \"%s\"", (int)port, pod->name);
	session->sink_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (session->sink_fd < 0)
		return lp_err_set(err, -errno, "socket");
	session->sources[0].fd = lp_take_fd(&fd);
	return lp_session_watch(session, err);
}

static void
forward_room(struct lp_session *session, int64_t now_ms)
{
	(void)now_ms;
	if (session->finished)
		return;
	if (session->sources[0].fd < 0)
		lp_session_finish(session, 0, NULL, NULL);	/* the server closed */
	else if (session->sink_end && session->sink_fd < 0 && !session->exited) {
		session->exited = true;
		(void)shutdown(session->sources[0].fd, SHUT_WR);	/* what it still sends is still wanted */
	}
}

const struct lp_session_verb lp_session_forward = { .name = "portforward", .begin = forward_begin, .room = forward_room };
