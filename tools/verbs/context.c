#include "tools/verbs/context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "tools/verbs/kubeconfig.h"

#define ARENA_MAX ((size_t)1 << 30)
#define EVENT_ARENA_MAX ((size_t)256 << 20)
#define LINE_MAX_BYTES ((size_t)64 << 20)
#define OPTS_MAX 48
#define DEFAULT_DATA_DIR "/var/lib/limpet"

/* ---- the frame of a verb */

static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return true;
	return false;
}

static size_t
add_common(struct lp_context *ctx, struct lp_opt *all, size_t count)
{
	const struct lp_opt common[] = {
		{ "namespace",       'n', LP_OPT_STR,      &ctx->namespace,  "NAME", "the namespace to work in" },
		{ "kubeconfig",      0,   LP_OPT_STR,      &ctx->kubeconfig, "FILE", "how to reach the server and who you are" },
		{ "context",         0,   LP_OPT_STR,      &ctx->context,    "NAME", "the kubeconfig's context to use" },
		{ "data-dir",        0,   LP_OPT_STR,      &ctx->data_dir,   "DIR",  "the local node's state, when there is no kubeconfig" },
		{ "request-timeout", 0,   LP_OPT_DURATION, &ctx->timeout_ms, "TIME", "how long one request may take (default 60s)" },
	};

	for (size_t i = 0; i < lp_count(common) && count < OPTS_MAX - 1; i++)
		all[count++] = common[i];
	all[count] = (struct lp_opt){ 0 };
	return count;
}

/* "limpet get" of "limpet get RESOURCE ...". */
static int
command_len(const char *usage)
{
	size_t first = strcspn(usage, " ");

	return (int)(usage[first] ? first + 1 + strcspn(usage + first + 1, " ") : first);
}

static void
print_error(const struct lp_context *ctx)
{
	const char *text = ctx->message ? ctx->message : ctx->err.text;
	bool whole = lp_text_starts(text, "Error from server") || lp_text_starts(text, "error: ");

	(void)fprintf(stderr, "%s%s", whole ? "" : "error: ", *text ? text : "failed");
	if (ctx->usage)
		(void)fprintf(stderr, " (see '%.*s --help')", command_len(ctx->help->usage), ctx->help->usage);
	(void)fputc('\n', stderr);
}

static int
run(struct lp_context *ctx, const struct lp_opt *all, int argc, char **argv, int (*body)(struct lp_context *ctx))
{
	int rc = lp_opts_parse(all, argc - 1, argv + 1, ctx->words, &ctx->count, &ctx->dash, &ctx->err);

	if (rc < 0) {
		ctx->usage = true;
		return rc;
	}
	ctx->namespace_given = ctx->namespace != NULL;
	rc = body(ctx);
	if (fflush(stdout) != 0 && rc >= 0)
		rc = lp_err_set(&ctx->err, -errno, "write the output");
	return rc;
}

int
lp_context_main(const struct lp_help *help, const struct lp_opt *opts, int argc, char **argv, int (*body)(struct lp_context *ctx))
{
	struct lp_opt all[OPTS_MAX];
	struct lp_context ctx = { .help = help, .dash = -1 };
	size_t count = 0;
	int rc;

	for (; opts && opts[count].name && count < OPTS_MAX - 8; count++)
		all[count] = opts[count];
	(void)add_common(&ctx, all, count);
	if (asks_for_help(argc, argv)) {
		lp_opts_help(help->usage, help->text, all, help->example);
		return 0;
	}
	lp_arena_init(&ctx.arena, ARENA_MAX);
	ctx.words = lp_arena_alloc(&ctx.arena, ((size_t)argc + 1) * sizeof(*ctx.words));
	rc = ctx.words ? run(&ctx, all, argc, argv, body) : lp_err_set(&ctx.err, -ENOMEM, "start");
	if (rc < 0)
		print_error(&ctx);
	lp_tls_config_free(ctx.tls);
	lp_arena_fini(&ctx.arena);
	return rc >= 0 ? rc : ctx.usage ? 2 : 1;
}

static int
fail_v(struct lp_context *ctx, int code, const char *fmt, va_list args)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, (size_t)4 << 20);
	(void)lp_buf_vprintf(&text, fmt, args);
	ctx->message = lp_arena_str(&ctx->arena, lp_buf_text(&text));
	ctx->err.code = code;
	return code;
}

int
lp_context_fail(struct lp_context *ctx, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)fail_v(ctx, code, fmt, args);
	va_end(args);
	return code;
}

int
lp_context_usage(struct lp_context *ctx, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)fail_v(ctx, -EINVAL, fmt, args);
	va_end(args);
	ctx->usage = true;
	return -EINVAL;
}

int
lp_context_during(struct lp_context *ctx, int rc, const char *fmt, ...)
{
	const char *text = ctx->message ? ctx->message : ctx->err.text;
	const char *colon = lp_text_starts(text, "Error from server") ? strstr(text, ": ") : NULL;
	lp_auto_buf struct lp_buf what;
	va_list args;

	lp_buf_init(&what, 65536);
	va_start(args, fmt);
	(void)lp_buf_vprintf(&what, fmt, args);
	va_end(args);
	if (colon)
		return lp_context_fail(ctx, rc, "%.*s: %s%s", (int)(colon - text), text, lp_buf_text(&what), colon);
	return lp_context_fail(ctx, rc, "%s: %s", lp_buf_text(&what), text);
}

void
lp_context_tell(struct lp_context *ctx)
{
	print_error(ctx);
	ctx->message = NULL;
	ctx->usage = false;
	lp_err_clear(&ctx->err);
}

/* ---- the server */

static const char *
local_data_dir(const struct lp_context *ctx)
{
	const char *from_env = getenv("LIMPET_DATA_DIR");

	if (ctx->data_dir)
		return ctx->data_dir;
	return from_env && *from_env ? from_env : DEFAULT_DATA_DIR;
}

/* Which file says how to reach the server. */
static const char *
find_kubeconfig(struct lp_context *ctx)
{
	const char *from_env = getenv("KUBECONFIG"), *home = getenv("HOME");
	const char *path;

	if (ctx->kubeconfig)
		return ctx->kubeconfig;
	if (ctx->data_dir)
		return lp_arena_printf(&ctx->arena, "%s/admin.kubeconfig", ctx->data_dir);
	if (from_env && *from_env)
		return from_env;
	if (home && *home) {
		path = lp_arena_printf(&ctx->arena, "%s/.kube/config", home);
		if (path && lp_kubeconfig_is_there(path))
			return path;
	}
	return lp_arena_printf(&ctx->arena, "%s/admin.kubeconfig", local_data_dir(ctx));
}

int
lp_context_connect(struct lp_context *ctx)
{
	struct lp_kubeconfig config = { 0 };
	const char *path;
	int rc;

	if (ctx->connected)
		return 0;
	path = find_kubeconfig(ctx);
	if (!path)
		return lp_err_set(&ctx->err, -ENOMEM, "find the kubeconfig");
	ctx->kubeconfig_path = path;
	rc = lp_kubeconfig_read(&ctx->arena, path, ctx->context, &config, &ctx->err);
	if (rc < 0)
		return rc;
	ctx->url = config.url;
	ctx->bearer = config.bearer;
	if (!ctx->namespace)
		ctx->namespace = config.namespace;
	ctx->server.host = config.host;
	ctx->server.port = config.port;
	ctx->server.name = config.tls_name;
	ctx->tls = config.tls;
	ctx->server.tls = config.tls;
	ctx->connected = true;
	return 0;
}

const char *
lp_context_data_dir(struct lp_context *ctx)
{
	const char *from_env = getenv("LIMPET_DATA_DIR");
	const char *path, *slash;

	if (ctx->data_dir || (from_env && *from_env))
		return local_data_dir(ctx);
	path = ctx->kubeconfig ? ctx->kubeconfig : getenv("KUBECONFIG");
	slash = path ? strrchr(path, '/') : NULL;
	if (path && *path) {
		const char *folder = slash ? lp_arena_mem(&ctx->arena, path, (size_t)(slash - path)) : ".";
		const char *images = lp_arena_printf(&ctx->arena, "%s/images", folder && *folder ? folder : "/");

		if (images && lp_kubeconfig_is_there(images))
			return *folder ? folder : "/";
	}
	return DEFAULT_DATA_DIR;
}

/* ---- asking */

static int
errno_of(int status, const char *reason)
{
	switch (status) {
	case 400:
	case 422:
		return -EINVAL;
	case 401:
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		return reason && !strcmp(reason, "AlreadyExists") ? -EEXIST : -EAGAIN;
	case 410:
		return -ESTALE;
	default:
		return -EIO;
	}
}

int
lp_context_status(struct lp_context *ctx, int status, const char *body, size_t len)
{
	struct lp_json *json = NULL;
	const char *message, *reason;

	if (lp_json_parse(&ctx->arena, body ? body : "", len, NULL, &json, NULL) < 0)
		json = NULL;
	message = lp_json_str(json, "message");
	reason = lp_json_str(json, "reason");
	if (json && lp_json_str(json, "kind") && !strcmp(lp_json_str(json, "kind"), "Status") && message) {
		if (status == 401)
			return lp_context_fail(ctx, -EACCES, "You must be logged in to the server (%s)", message);
		return lp_context_fail(ctx, errno_of(status, reason), "Error from server%s%s%s: %s", reason && *reason ? " (" : "",
		    reason ? reason : "", reason && *reason ? ")" : "", message);
	}
	return lp_context_fail(ctx, errno_of(status, NULL), "the server answered %d %s", status, lp_http_reason(status));
}

/* Warning: 299 - "text" */
static void
print_warnings(const struct lp_http_headers *headers)
{
	const char *name, *value;
	size_t pos = 0;

	while (lp_http_headers_next(headers, &pos, &name, &value)) {
		const char *quote = !strcmp(name, "warning") ? strchr(value, '"') : NULL;
		const char *end = quote ? strrchr(quote + 1, '"') : NULL;

		if (end)
			(void)fprintf(stderr, "Warning: %.*s\n", (int)(end - quote - 1), quote + 1);
	}
}

static void
fill_headers(const struct lp_context *ctx, const char *accept, struct lp_client_header out[3])
{
	size_t n = 0;

	out[n++] = (struct lp_client_header){ "accept", accept };
	if (ctx->bearer)
		out[n++] = (struct lp_client_header){ "authorization", ctx->bearer };
	out[n] = (struct lp_client_header){ NULL, NULL };
}

static int
explain_connection(struct lp_context *ctx, int rc)
{
	(void)lp_err_wrap(&ctx->err, "the server %s cannot be reached", ctx->url);
	return rc;
}

static int
ask(struct lp_context *ctx, const char *method, const char *path, const char *accept, const char *type, const void *body, size_t len,
    struct lp_client_answer *answer)
{
	struct lp_client_header headers[3];
	struct lp_client_request request = {
		.method = method,
		.path = path,
		.headers = headers,
		.body = body,
		.len = len,
		.type = type,
		.timeout_ms = ctx->timeout_ms ? ctx->timeout_ms : 60000,
	};
	int rc = lp_context_connect(ctx);

	if (rc < 0)
		return rc;
	fill_headers(ctx, accept, headers);
	rc = lp_client_fetch(&ctx->server, &request, answer, &ctx->err);
	if (rc < 0)
		return explain_connection(ctx, rc);
	print_warnings(&answer->headers);
	if (answer->status >= 400)
		return lp_context_status(ctx, answer->status, lp_buf_text(&answer->body), answer->body.len);
	return 0;
}

static int
parse_answer(struct lp_context *ctx, const struct lp_client_answer *answer, struct lp_json **out)
{
	static const struct lp_json_limits limits = { (size_t)64 << 20, 128, 8000000 };
	int rc = lp_json_parse(&ctx->arena, lp_buf_text(&answer->body), answer->body.len, &limits, out, &ctx->err);

	if (rc < 0)
		(void)lp_err_wrap(&ctx->err, "the server's answer");
	return rc;
}

static int
call_accepting(struct lp_context *ctx, const char *method, const char *path, const char *accept, const char *type, const void *body,
    size_t len, struct lp_json **out)
{
	struct lp_client_answer answer = { 0 };
	int rc = ask(ctx, method, path, accept, type, body, len, &answer);

	if (rc == 0 && out)
		rc = parse_answer(ctx, &answer, out);
	lp_client_answer_fini(&answer);
	return rc;
}

int
lp_context_call(struct lp_context *ctx, const char *method, const char *path, const char *type, const struct lp_json *body,
    struct lp_json **out)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, (size_t)64 << 20);
	if (body && lp_json_write(&text, body) < 0)
		return lp_err_set(&ctx->err, text.failed, "write the request");
	return call_accepting(ctx, method, path, "application/json", body ? (type ? type : "application/json") : NULL, text.data, text.len, out);
}

int
lp_context_get(struct lp_context *ctx, const char *path, struct lp_json **out)
{
	return call_accepting(ctx, "GET", path, "application/json", NULL, NULL, 0, out);
}

int
lp_context_get_table(struct lp_context *ctx, const char *path, struct lp_json **out)
{
	return call_accepting(ctx, "GET", path, LP_CONTEXT_TABLE, NULL, NULL, 0, out);
}

int
lp_context_fetch(struct lp_context *ctx, const char *path, const char *accept, struct lp_client_answer *out)
{
	return ask(ctx, "GET", path, accept, NULL, NULL, 0, out);
}

/* ---- endless answers */

struct streaming {
	struct lp_context *ctx;
	struct lp_loop *loop;
	lp_context_data_fn data;
	void *arg;
	int status;			/* of HTTP; 0 before */
	struct lp_buf error;		/* body of a refusal */
	struct lp_timer deadline, tick;
	int64_t started_ms;
	bool shown;			/* a progress line stands on the terminal */
	bool over;
	int rc;
};

#define TICK_MS 1000

static void
show_waiting(struct lp_timer *timer, int64_t now_ms)
{
	struct streaming *s = lp_of(timer, struct streaming, tick);

	(void)fprintf(stderr, "\rwaiting for %s (%ds) ", s->ctx->waiting, (int)((now_ms - s->started_ms) / 1000));
	(void)fflush(stderr);		/* only a picture of what goes on */
	s->shown = true;
	(void)lp_timer_start(s->loop, timer, now_ms + TICK_MS, show_waiting);	/* without memory the picture stands still */
}

static void
clear_waiting(struct streaming *s)
{
	lp_timer_stop(&s->tick);
	if (s->shown)
		(void)fprintf(stderr, "\r\033[K");
	s->shown = false;
}

static void
end(struct streaming *s, int rc)
{
	if (s->over)
		return;
	s->over = true;
	s->rc = rc;
	lp_loop_stop(s->loop);
}

static void
stream_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct streaming *s = lp_client_call_arg(call);

	(void)now_ms;
	s->status = status;
	print_warnings(headers);
}

static void
stream_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct streaming *s = lp_client_call_arg(call);
	int rc;

	(void)now_ms;
	if (s->over)
		return;
	if (s->status >= 400) {
		(void)lp_buf_add(&s->error, data, len);	/* a refusal longer than its room is told by its status alone */
		return;
	}
	rc = s->data(s->arg, data, len);
	if (rc)
		end(s, rc);
}

static void
stream_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct streaming *s = lp_client_call_arg(call);

	(void)now_ms;
	if (s->over)
		return;
	if (s->status >= 400) {
		end(s, lp_context_status(s->ctx, s->status, lp_buf_text(&s->error), s->error.len));
		return;
	}
	if (why->code) {
		s->ctx->err = *why;
		end(s, explain_connection(s->ctx, why->code));
		return;
	}
	end(s, 0);
}

static void
stream_late(struct lp_timer *timer, int64_t now_ms)
{
	struct streaming *s = lp_of(timer, struct streaming, deadline);

	(void)now_ms;
	end(s, lp_err_say(&s->ctx->err, -ETIMEDOUT, "timed out"));
}

static int
stream_on(struct streaming *s, struct lp_client *client, const char *path, const char *accept, int64_t deadline_ms)
{
	static const struct lp_client_call_ops ops = { .head = stream_head, .data = stream_data, .done = stream_done };
	struct lp_client_header headers[3];
	struct lp_client_request request = { .method = "GET", .path = path, .headers = headers };
	int rc;

	fill_headers(s->ctx, accept, headers);
	rc = lp_client_start(client, &request, &ops, s, NULL, &s->ctx->err);
	if (rc == 0 && deadline_ms && lp_timer_start(s->loop, &s->deadline, deadline_ms, stream_late) < 0)
		rc = lp_err_set(&s->ctx->err, -ENOMEM, "start timer");
	s->started_ms = lp_loop_now(s->loop);
	if (rc == 0 && s->ctx->waiting && isatty(STDERR_FILENO))
		rc = lp_timer_start(s->loop, &s->tick, s->started_ms + TICK_MS, show_waiting);
	if (rc == 0 && !s->over)
		rc = lp_loop_run(s->loop, &s->ctx->err);
	lp_timer_stop(&s->deadline);
	clear_waiting(s);
	return rc < 0 ? rc : s->rc;
}

int
lp_context_stream(struct lp_context *ctx, const char *path, const char *accept, int64_t deadline_ms, lp_context_data_fn data, void *arg)
{
	struct streaming s = { .ctx = ctx, .data = data, .arg = arg };
	struct lp_client *client = NULL;
	int rc = lp_context_connect(ctx);

	if (rc == 0)
		rc = lp_loop_new(&s.loop, &ctx->err);
	if (rc < 0)
		return rc;
	lp_buf_init(&s.error, (size_t)1 << 20);
	rc = lp_client_new(s.loop, &ctx->server, &client, &ctx->err);
	if (rc == 0)
		rc = stream_on(&s, client, path, accept, deadline_ms);
	s.over = true;
	lp_client_free(client);
	lp_loop_free(s.loop);
	lp_buf_fini(&s.error);
	return rc;
}

struct watching {
	struct lp_context *ctx;
	struct lp_buf line;
	lp_context_event_fn event;
	void *arg;
};

static int
watch_line(struct watching *w, const char *text, size_t len)
{
	static const struct lp_json_limits limits = { LINE_MAX_BYTES, 128, 4000000 };
	lp_auto_arena struct lp_arena arena;
	struct lp_json *event;
	int rc;

	lp_arena_init(&arena, EVENT_ARENA_MAX);
	rc = lp_json_parse(&arena, text, len, &limits, &event, &w->ctx->err);
	if (rc < 0) {
		(void)lp_err_wrap(&w->ctx->err, "watch");
		return rc;
	}
	if (lp_json_str(event, "type") && !strcmp(lp_json_str(event, "type"), "ERROR")) {
		struct lp_json *object = lp_json_get(event, "object");

		return lp_context_fail(w->ctx, errno_of((int)lp_json_int(object, "code", 500), lp_json_str(object, "reason")),
		    "Error from server: %s", lp_json_str(object, "message") ?: "watch failed");
	}
	return w->event(w->arg, &arena, event);
}

static int
watch_data(void *arg, const char *data, size_t len)
{
	struct watching *w = arg;
	char *newline;
	int rc = lp_buf_add(&w->line, data, len);

	if (rc < 0)
		return lp_err_set(&w->ctx->err, rc, "watch");
	while (w->line.len && (newline = memchr(w->line.data, '\n', w->line.len))) {
		size_t part = (size_t)(newline - w->line.data);

		rc = part ? watch_line(w, w->line.data, part) : 0;
		if (rc)
			return rc;
		lp_buf_consume(&w->line, part + 1);
	}
	return 0;
}

int
lp_context_watch(struct lp_context *ctx, const char *path, const char *accept, int64_t deadline_ms, lp_context_event_fn event, void *arg)
{
	struct watching w = { .ctx = ctx, .event = event, .arg = arg };
	int rc;

	lp_buf_init(&w.line, LINE_MAX_BYTES);
	rc = lp_context_stream(ctx, path, accept, deadline_ms, watch_data, &w);
	lp_buf_fini(&w.line);
	return rc;
}
