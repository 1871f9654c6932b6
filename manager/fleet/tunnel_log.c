/*
 * manager/fleet/tunnel_log.c - GET pods/<name>/log: a device's output as a plain HTTP answer.
 *
 * Rule    the answer begins with the first byte; a device that refuses before that gives the client a Status with its own code
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/fleet/tunnel_inside.h"

#define STATUS_MAX (64u << 10)

struct log {
	struct lp_request *request;	/* whose memory this is in: it goes after its call */
	struct lp_tunnel *tunnel;	/* NULL once it is over */
	struct lp_buf status;		/* what the device said in the end */
};

/* ---- the device speaks */

static bool
log_begin(struct lp_request *request)
{
	if (!request->call)
		return false;
	return lp_http_is_answered(request->call) || lp_http_start(request->call, 200, "text/plain") == 0;
}

static void
log_got(struct lp_tunnel *tunnel, uint8_t channel, const void *data, size_t len, int64_t now_ms)
{
	struct log *log = tunnel->own;

	(void)now_ms;
	if (channel == LP_STREAMS_STATUS)
		(void)lp_buf_add(&log->status, data, len);	/* one that is too long is not read below */
	else if (channel == LP_STREAMS_STDOUT && log_begin(log->request) && lp_http_write(log->request->call, data, len) < 0)
		lp_http_abort(log->request->call);
}

static size_t
log_queued(const struct lp_tunnel *tunnel)
{
	const struct log *log = tunnel->own;

	return log->request->call ? lp_http_queued(log->request->call) : 0;
}

static void
log_no_room(struct lp_tunnel *tunnel, int64_t now_ms)
{
	(void)tunnel;		/* nothing is sent towards the device */
	(void)now_ms;
}

/* What the device objected to, as an answer; false when it did not. */
static bool
log_refuse(struct log *log)
{
	struct lp_request *request = log->request;
	struct lp_json *status = NULL;

	if (!log->status.len || lp_json_parse(&request->arena, log->status.data, log->status.len, NULL, &status, NULL) < 0 ||
	    !lp_text_same(lp_json_str(status, "status"), "Failure"))
		return false;
	lp_request_refuse(request, lp_status_make(&request->arena, (int)lp_json_int(status, "code", 500), lp_json_str(status, "reason"),
	    lp_json_str(status, "message") ? lp_json_str(status, "message") : "the node refused"));
	return true;
}

static void
log_over(struct lp_tunnel *tunnel, const struct lp_err *why, int64_t now_ms)
{
	struct log *log = tunnel->own;
	struct lp_request *request = log->request;

	(void)now_ms;
	log->tunnel = NULL;
	if (!request->call)
		return;
	if (lp_http_is_answered(request->call)) {
		if (why->code)
			lp_http_abort(request->call);	/* a log that was cut off must not look whole */
		else
			lp_http_finish(request->call);
	} else if (why->code) {
		lp_request_fail(request, why->code == -ETIMEDOUT ? 504 : 502, why);
	} else if (!log_refuse(log) && log_begin(request)) {
		lp_http_finish(request->call);
	}
}

static const struct lp_tunnel_ops log_ops = { .got = log_got, .queued = log_queued, .room = log_no_room, .over = log_over };

/* ---- the client */

static void
client_room(struct lp_request *request, int64_t now_ms)
{
	struct log *log = request->own;

	(void)now_ms;
	if (log->tunnel)
		lp_tunnel_resume(log->tunnel);
}

static void
client_gone(struct lp_request *request, int64_t now_ms)
{
	struct log *log = request->own;

	(void)now_ms;
	if (log->tunnel)
		lp_tunnel_drop(log->tunnel);
	lp_buf_fini(&log->status);
}

static const struct lp_request_hooks client_hooks = { .room = client_room, .gone = client_gone };

/* 0, or -EINVAL: it was answered. */
static int
number(struct lp_request *request, struct lp_json *options, const char *name, int64_t least)
{
	const char *text = lp_request_query(request, name);
	int64_t value;

	if (!text)
		return 0;
	if (lp_text_i64(text, least, INT64_MAX / 2000, &value) < 0) {
		lp_request_refuse(request, lp_status_make(&request->arena, 400, NULL, lp_arena_printf(&request->arena,
		    "%s: \"%.64s\" is not a number from %d on", name, text, (int)least)));
		return -EINVAL;
	}
	lp_json_set_int(&request->arena, options, name, value);
	return 0;
}

static int
log_options(struct lp_request *request, struct lp_json *options)
{
	static const char *const flags[] = { "follow", "previous", "timestamps" };
	const char *since = lp_request_query(request, "sinceTime");
	int64_t since_ms, now_ms = lp_clock_trusted_ms();

	for (size_t i = 0; i < 3; i++)
		lp_json_set_bool(&request->arena, options, flags[i], lp_request_query_bool(request, flags[i]));
	lp_json_set_bool(&request->arena, options, "stdout", true);
	lp_json_set_bool(&request->arena, options, "stderr", true);
	if (number(request, options, "tailLines", 0) < 0 || number(request, options, "sinceSeconds", 1) < 0 ||
	    number(request, options, "limitBytes", 1) < 0)
		return -EINVAL;
	if (since && lp_clock_parse(since, &since_ms) == 0)
		lp_json_set_int(&request->arena, options, "sinceSeconds", since_ms < now_ms ? (now_ms - since_ms) / 1000 + 1 : 1);
	return 0;
}

void
lp_tunnel_log(struct lp_request *request)
{
	struct lp_json *options = lp_json_new(&request->arena, LP_JSON_OBJECT);
	struct log *log = lp_arena_alloc(&request->arena, sizeof(*log));
	const char *container = NULL;
	struct lp_cached *pod = lp_tunnel_pod(request, &container);
	struct lp_err err = { 0 };
	int rc;

	if (!pod)
		return;
	if (!log || log_options(request, options) < 0) {
		lp_request_refuse(request, NULL);	/* the first answer counts */
		return;
	}
	log->request = request;
	lp_buf_init(&log->status, STATUS_MAX);
	rc = lp_tunnel_open(request->manager->tunnels, pod, "logs", container, &request->arena, options, &log_ops, log, &log->tunnel, &err);
	if (rc < 0) {
		lp_request_fail(request, rc == -ENOMEM ? 500 : 503, &err);
		return;
	}
	request->own = log;
	request->hooks = &client_hooks;
}
