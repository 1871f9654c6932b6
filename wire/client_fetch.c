/*
 * wire/client_fetch.c - ask once and wait, for tools.
 */
#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "wire/client.h"

#define BODY_MAX   (64u << 20)
#define TIMEOUT_MS 60000

struct fetch {
	struct lp_client_answer *answer;
	struct lp_err err;
	bool over;
};

static void
got_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct fetch *fetch = lp_client_call_arg(call);
	const char *name, *value;
	size_t pos = 0;

	(void)now_ms;
	fetch->answer->status = status;
	while (lp_http_headers_next(headers, &pos, &name, &value))
		(void)lp_http_headers_add(&fetch->answer->headers, name, value);	/* same ceiling as where they come from */
}

static void
got_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct fetch *fetch = lp_client_call_arg(call);

	(void)now_ms;
	(void)lp_buf_add(&fetch->answer->body, data, len);	/* sticky, looked at in the end */
}

static void
got_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct fetch *fetch = lp_client_call_arg(call);

	(void)now_ms;
	fetch->err = *why;
	fetch->over = true;
}

static const struct lp_client_call_ops ops = { .head = got_head, .data = got_data, .done = got_done };

void
lp_client_answer_fini(struct lp_client_answer *answer)
{
	lp_buf_fini(&answer->body);
	lp_http_headers_fini(&answer->headers);
	answer->status = 0;
}

static int
fetch_run(struct lp_loop *loop, struct lp_client *client, const struct lp_client_request *request, struct fetch *fetch,
    struct lp_err *err)
{
	struct lp_client_request timed = *request;
	int rc;

	if (!timed.timeout_ms)
		timed.timeout_ms = TIMEOUT_MS;
	rc = lp_client_start(client, &timed, &ops, fetch, NULL, err);
	while (rc == 0 && !fetch->over)
		rc = lp_loop_turn(loop, -1, err);
	if (rc < 0)
		return rc;
	if (fetch->err.code) {
		if (err)
			*err = fetch->err;
		return fetch->err.code;
	}
	if (fetch->answer->body.failed)
		return lp_err_set(err, fetch->answer->body.failed, "the answer");
	return 0;
}

int
lp_client_fetch(const struct lp_client_opts *opts, const struct lp_client_request *request, struct lp_client_answer *out,
    struct lp_err *err)
{
	struct lp_client_opts plain = *opts;
	struct fetch fetch = { .answer = out };
	struct lp_client *client = NULL;
	struct lp_loop *loop = NULL;
	int rc = lp_loop_new(&loop, err);

	if (rc < 0)
		return rc;
	memset(out, 0, sizeof(*out));
	lp_buf_init(&out->body, BODY_MAX);
	lp_http_headers_init(&out->headers, 64u << 10);
	plain.ready = NULL;
	plain.closed = NULL;
	plain.pong = NULL;
	rc = lp_client_new(loop, &plain, &client, err);
	if (rc == 0)
		rc = fetch_run(loop, client, request, &fetch, err);
	lp_client_free(client);
	lp_loop_free(loop);
	if (rc < 0)
		lp_client_answer_fini(out);
	return rc;
}
