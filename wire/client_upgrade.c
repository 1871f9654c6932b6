/*
 * wire/client_upgrade.c - switching a connection to another protocol.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/seam.h"
#include "wire/client_call.h"

#define BODY_MAX    (64u << 10)		/* of a refusal */
#define HEADERS_MAX 16

struct upgrade {
	struct lp_client_upgrade want;
	int status;
	struct lp_buf body;
};

static void
upgrade_free(struct upgrade *upgrade)
{
	lp_buf_fini(&upgrade->body);
	free(upgrade);
}

static void
got_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct upgrade *upgrade = call->arg;

	(void)headers;
	(void)now_ms;
	upgrade->status = status;
}

static void
got_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct upgrade *upgrade = call->arg;

	(void)now_ms;
	(void)lp_buf_add(&upgrade->body, data, len);	/* a longer refusal is cut */
}

static void
got_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct upgrade *upgrade = call->arg;

	upgrade->want.failed(upgrade->want.arg, why->code ? 0 : upgrade->status, lp_buf_text(&upgrade->body), why, now_ms);
	upgrade_free(upgrade);
}

static const struct lp_client_call_ops ops = { .head = got_head, .data = got_data, .done = got_done };

int
lp_client_start_upgrade(struct lp_client *client, const struct lp_client_upgrade *want, struct lp_err *err)
{
	struct lp_client_header headers[HEADERS_MAX + 3];
	struct lp_client_request request = { .method = "GET", .path = want->path, .headers = headers };
	struct lp_client_call *call = NULL;
	struct upgrade *upgrade;
	size_t count = 0;
	int rc;

	headers[count++] = (struct lp_client_header){ "Connection", "Upgrade" };
	headers[count++] = (struct lp_client_header){ "Upgrade", want->protocol };
	for (const struct lp_client_header *h = want->headers; h && h->name; h++) {
		if (count == HEADERS_MAX + 2)
			return lp_err_set(err, -E2BIG, "headers of an upgrade");
		headers[count++] = *h;
	}
	headers[count] = (struct lp_client_header){ NULL, NULL };
	upgrade = lp_seam.alloc(sizeof(*upgrade));
	if (!upgrade)
		return lp_err_set(err, -ENOMEM, "upgrade");
	upgrade->want = *want;
	lp_buf_init(&upgrade->body, BODY_MAX);
	rc = lp_client_start(client, &request, &ops, upgrade, &call, err);
	if (rc < 0) {
		upgrade_free(upgrade);
		return rc;
	}
	call->upgrade = true;
	return 0;
}

void
lp_client_switched(struct lp_client *client, const void *early, size_t len)
{
	struct lp_client_call *call = client->current;
	struct upgrade *upgrade = call->arg;
	struct lp_channel *channel = client->channel;
	struct lp_err err;

	if (lp_channel_adopt(channel, upgrade->want.ops, upgrade->want.ops_arg, early, len) < 0) {
		(void)lp_err_set(&err, -ENOMEM, "upgrade");	/* the code is known */
		client->current = NULL;
		lp_client_call_done(call, &err, lp_loop_now(client->loop));
		return;
	}
	client->channel = NULL;
	client->current = NULL;
	client->dead = true;
	lp_list_remove(&call->link);
	upgrade->want.switched(upgrade->want.arg, channel, &call->headers, lp_loop_now(client->loop));
	upgrade_free(upgrade);
	lp_client_call_free(call);
}
