/*
 * tools/verbs/command.c - `exec`: a command in a running container, with or without a terminal.
 *
 * Ends    with the command's own exit status
 * Terminal raw while the command has it; put back on every way out, signals included
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/path.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/pods.h"
#include "tools/verbs/resource.h"
#include "wire/streams.h"

#define CHUNK ((size_t)32 << 10)
#define QUEUE_MAX ((size_t)1 << 20)

static struct {
	const char *container;
	bool stdin_open, tty, quiet;
} o;

static const struct lp_opt opts[] = {
	{ "stdin",     'i', LP_OPT_FLAG, &o.stdin_open, NULL,   "pass our standard input on" },
	{ "tty",       't', LP_OPT_FLAG, &o.tty,        NULL,   "give the command a terminal" },
	{ "container", 'c', LP_OPT_STR,  &o.container,  "NAME", "which container of the pod" },
	{ "quiet",     'q', LP_OPT_FLAG, &o.quiet,      NULL,   "only the command's own output" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet exec POD [options] -- COMMAND [ARGUMENT...]",
	"Runs a command in a container and ends with its exit status.",
	"limpet exec -it nodejs-app -- sh",
};

struct session {
	struct lp_context *ctx;
	struct lp_loop *loop;
	struct lp_streams *streams;
	struct lp_streams_flow *flow;	/* NULL before open and after its end */
	struct lp_watch input_watch;
	struct lp_timer input_timer;	/* input that epoll does not take: files */
	bool input_on, file_input;
	struct termios saved;
	bool raw;
	struct lp_buf status;		/* JSON of the command's end */
	bool over;
	int rc;
};

static void
end(struct session *s, int rc)
{
	if (s->over)
		return;
	s->over = true;
	s->rc = rc;
	lp_loop_stop(s->loop);
}

/* ---- the terminal */

static void
set_raw(struct session *s)
{
	struct termios raw;

	if (!o.tty || tcgetattr(STDIN_FILENO, &s->saved) < 0)
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	s->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void
set_cooked(struct session *s)
{
	if (s->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &s->saved);	/* a terminal that is gone needs nothing back */
	s->raw = false;
}

static void
send_size(struct session *s)
{
	struct winsize size;
	char text[64];
	int len;

	if (!o.tty || !s->flow || ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	len = snprintf(text, sizeof(text), "{\"Width\":%u,\"Height\":%u}", size.ws_col, size.ws_row);
	(void)lp_streams_send(s->flow, LP_STREAMS_RESIZE, text, (size_t)len);	/* the next size corrects a lost one */
}

static void
on_signal(void *arg, int signo, int64_t now_ms)
{
	struct session *s = arg;

	(void)now_ms;
	if (signo == SIGWINCH)
		send_size(s);
	else
		end(s, lp_err_say(&s->ctx->err, -EINTR, "ended by signal %d", signo));
}

/* ---- our standard input */

static void
read_input(struct session *s)
{
	char data[CHUNK];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0 && lp_streams_send(s->flow, LP_STREAMS_STDIN, data, (size_t)n) == 0)
		return;
	/* Its end (or what we cannot read) is told; the command may go on. */
	s->input_on = false;
	lp_watch_stop(&s->input_watch);
	if (n <= 0)
		(void)lp_streams_send(s->flow, LP_STREAMS_END, "", 0);
}

static void
input_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct session *s = lp_of(watch, struct session, input_watch);

	(void)events;
	(void)now_ms;
	read_input(s);
	if (s->input_on && lp_streams_queued(s->flow) > QUEUE_MAX)
		lp_watch_stop(&s->input_watch);	/* room() starts it again */
}

static void
input_turn(struct lp_timer *timer, int64_t now_ms)
{
	struct session *s = lp_of(timer, struct session, input_timer);

	if (!s->flow)
		return;
	read_input(s);
	if (s->input_on && lp_streams_queued(s->flow) <= QUEUE_MAX && lp_timer_start(s->loop, timer, now_ms, input_turn) < 0)
		end(s, lp_err_set(&s->ctx->err, -ENOMEM, "read standard input"));
}

static void
start_input(struct session *s, int64_t now_ms)
{
	int rc = -EPERM;

	if (!s->file_input)
		rc = lp_watch_start(s->loop, &s->input_watch, STDIN_FILENO, EPOLLIN, input_ready, &s->ctx->err);
	if (rc == -EPERM) {		/* epoll takes no files: they are always ready */
		s->file_input = true;
		rc = lp_timer_start(s->loop, &s->input_timer, now_ms, input_turn);
	}
	if (rc < 0)
		end(s, rc);
}

/* ---- the stream */

static void
on_open(void *arg, struct lp_streams_flow *flow, uint16_t port, int64_t now_ms)
{
	struct session *s = arg;

	(void)port;
	s->flow = flow;
	set_raw(s);
	send_size(s);
	s->input_on = o.stdin_open;
	if (o.stdin_open)
		start_input(s, now_ms);
}

static void
on_data(void *arg, struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len, int64_t now_ms)
{
	struct session *s = arg;
	int rc = 0;

	(void)flow;
	(void)now_ms;
	if (channel == LP_STREAMS_STDOUT)
		rc = lp_path_write_all(STDOUT_FILENO, data, len, &s->ctx->err);
	else if (channel == LP_STREAMS_STDERR)
		rc = lp_path_write_all(STDERR_FILENO, data, len, &s->ctx->err);
	else if (channel == LP_STREAMS_STATUS)
		rc = lp_buf_add(&s->status, data, len);
	if (rc < 0)
		end(s, rc);
}

static void
on_room(void *arg, struct lp_streams_flow *flow, int64_t now_ms)
{
	struct session *s = arg;

	(void)flow;
	if (s->input_on && !s->input_watch.loop && !s->input_timer.loop)
		start_input(s, now_ms);
}

static void
on_flow_gone(void *arg, struct lp_streams_flow *flow, int64_t now_ms)
{
	struct session *s = arg;

	(void)flow;
	(void)now_ms;
	s->flow = NULL;
	s->input_on = false;
	lp_watch_stop(&s->input_watch);
	lp_timer_stop(&s->input_timer);
}

static void
on_gone(void *arg, struct lp_streams *streams, const struct lp_err *why, int64_t now_ms)
{
	struct session *s = arg;

	(void)streams;
	(void)now_ms;
	if (s->status.len == 0 && why->code)
		s->ctx->err = *why;
	end(s, s->status.len || !why->code ? 0 : why->code);
}

static void
on_failed(void *arg, int status, const char *body, const struct lp_err *why, int64_t now_ms)
{
	struct session *s = arg;

	(void)now_ms;
	if (status >= 400) {
		end(s, lp_context_status(s->ctx, status, body, body ? strlen(body) : 0));
		return;
	}
	if (why && why->code)
		s->ctx->err = *why;
	else
		(void)lp_err_say(&s->ctx->err, -EIO, "the server does not open a stream (status %d)", status);
	end(s, s->ctx->err.code);
}

/* ---- the command's end */

static int
exit_code(struct session *s)
{
	struct lp_json *json = NULL;
	const char *message;

	if (s->status.len == 0)
		return lp_err_say(&s->ctx->err, -EIO, "the stream ended before the command did");
	if (lp_json_parse(&s->ctx->arena, s->status.data, s->status.len, NULL, &json, NULL) < 0)
		return lp_context_fail(s->ctx, -EIO, "%s", s->status.data);
	if (lp_json_str(json, "status") && !strcmp(lp_json_str(json, "status"), "Success"))
		return 0;
	lp_json_each(cause, lp_json_path(json, "details.causes")) {
		const char *reason = lp_json_str(cause, "reason"), *text = lp_json_str(cause, "message");
		int64_t code = 0;

		if (reason && !strcmp(reason, "ExitCode") && text && (code = strtol(text, NULL, 10)) > 0 && code < 256) {
			if (!o.quiet)
				(void)fprintf(stderr, "command terminated with exit code %d\n", (int)code);
			return (int)code;
		}
	}
	message = lp_json_str(json, "message");
	return lp_context_fail(s->ctx, -EIO, "%s", message ? message : "the command failed");
}

static const char *
make_path(struct lp_context *ctx, const struct lp_json *pod, const char *container, int first)
{
	struct lp_arena *arena = &ctx->arena;
	const char *query = NULL;

	for (int i = first; i < ctx->count; i++)
		query = lp_resource_query(arena, query, "command", ctx->words[i]);
	query = lp_resource_query(arena, query, "container", container);
	if (o.stdin_open)
		query = lp_resource_query(arena, query, "stdin", "true");
	query = lp_resource_query(arena, query, "stdout", "true");
	if (o.tty)
		query = lp_resource_query(arena, query, "tty", "true");
	else
		query = lp_resource_query(arena, query, "stderr", "true");
	return lp_resource_path(arena, lp_kind_find("v1", "Pod"), lp_object_namespace(pod), lp_object_name(pod), "exec", query);
}

static int
dial(struct session *s, const char *path)
{
	static const struct lp_streams_ops ops = { on_open, on_data, on_room, on_flow_gone, on_gone };
	struct lp_streams_opts how = { .stdin_open = o.stdin_open, .stdout_open = true, .stderr_open = !o.tty, .tty = o.tty };
	struct lp_client_header headers[] = { { "authorization", s->ctx->bearer }, { NULL, NULL } };
	struct lp_client *client = NULL;
	sigset_t signals;
	int rc;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGWINCH);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGHUP);
	rc = lp_loop_signals(s->loop, &signals, on_signal, s, &s->ctx->err);
	if (rc == 0)
		rc = lp_client_new(s->loop, &s->ctx->server, &client, &s->ctx->err);
	if (rc < 0)
		return rc;
	rc = lp_streams_dial(client, path, s->ctx->bearer ? headers : NULL, &how, &ops, on_failed, s, &s->streams, &s->ctx->err);
	if (rc < 0) {
		lp_client_free(client);
		return rc;
	}
	if (!s->over)
		rc = lp_loop_run(s->loop, &s->ctx->err);
	return rc < 0 ? rc : s->rc;
}

static int
run_session(struct lp_context *ctx, const char *path)
{
	struct session s = { .ctx = ctx };
	int rc = lp_loop_new(&s.loop, &ctx->err);

	if (rc < 0)
		return rc;
	lp_buf_init(&s.status, (size_t)1 << 20);
	rc = dial(&s, path);
	set_cooked(&s);
	if (rc == 0)
		rc = exit_code(&s);
	lp_watch_stop(&s.input_watch);
	lp_timer_stop(&s.input_timer);
	lp_streams_free(s.streams);
	lp_loop_free(s.loop);
	lp_buf_fini(&s.status);
	return rc;
}

static int
exec(struct lp_context *ctx)
{
	const char *container = NULL, *path;
	int first = ctx->dash >= 0 ? ctx->dash : 1;
	struct lp_json *pod;
	int rc;

	if (ctx->count < 1 || ctx->dash == 0)
		return lp_context_usage(ctx, "pod or type/name must be specified");
	if (ctx->count <= first)
		return lp_context_usage(ctx, "you must specify at least one command for the container");
	if (o.tty && !isatty(STDIN_FILENO)) {
		if (!o.quiet)
			(void)fprintf(stderr, "Unable to use a TTY - input is not a terminal or the right kind of file\n");
		o.tty = false;
	}
	rc = lp_pods_find(ctx, ctx->words[0], &pod);
	if (rc == 0)
		rc = lp_pods_container(ctx, pod, o.container, &container);
	if (rc < 0)
		return rc;
	path = make_path(ctx, pod, container, first);
	return path ? run_session(ctx, path) : lp_err_set(&ctx->err, -ENOMEM, "exec");
}

int
lp_command_exec(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, exec);
}
