/*
 * wire/streams_dial.c - the client's side of a stream session: a WebSocket upgrade, then streams_socket.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/seam.h"
#include "base/text.h"
#include "wire/streams_inside.h"

#define HEADERS_MAX 12

static void
switched(void *arg, struct lp_channel *channel, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct lp_streams *streams = arg;
	const char *accept = lp_http_headers_get(headers, "sec-websocket-accept");
	const char *protocol = lp_http_headers_get(headers, "sec-websocket-protocol");
	const char *wanted = streams->opts.forward ? "v4.channel.k8s.io" : "v5.channel.k8s.io";
	char expected[LP_WEBSOCKET_ACCEPT];
	struct lp_err err;

	(void)now_ms;
	lp_client_free(streams->client);
	streams->client = NULL;
	lp_streams_started(streams, channel);
	if (!accept || lp_websocket_accept(streams->key, expected) < 0 || strcmp(accept, expected) != 0 || !protocol ||
	    strcmp(protocol, wanted) != 0) {
		(void)lp_err_say(&err, -EPROTO, "the server does not speak %s", wanted);	/* told */
		lp_streams_fail(streams, &err);
	}
}

static void
refused(void *arg, int status, const char *body, const struct lp_err *why, int64_t now_ms)
{
	struct lp_streams *streams = arg;
	void (*failed)(void *, int, const char *, const struct lp_err *, int64_t) = streams->failed;

	/* When the session is freed, its client's calls end too: nobody wants to hear of that. */
	if (!failed)
		return;
	streams->failed = NULL;
	failed(streams->arg, status, body, why, now_ms);
}

int
lp_streams_dial(struct lp_client *client, const char *path, const struct lp_client_header *headers, const struct lp_streams_opts *opts,
    const struct lp_streams_ops *ops, void (*failed)(void *arg, int status, const char *body, const struct lp_err *why, int64_t now_ms),
    void *arg, struct lp_streams **out, struct lp_err *err)
{
	struct lp_client_header all[HEADERS_MAX + 1] = { { "Sec-WebSocket-Version", "13" } };
	struct lp_client_upgrade upgrade = { .path = path, .protocol = "websocket", .headers = all, .ops = &lp_streams_channel_ops,
		.switched = switched, .failed = refused };
	struct lp_streams *streams = lp_streams_new(lp_client_loop(client), &lp_streams_socket_client, opts, ops, arg);
	lp_auto_buf struct lp_buf key;
	uint8_t random[16];
	size_t count = 1;
	int rc;

	lp_buf_init(&key, sizeof(streams->key));
	if (!streams)
		return lp_err_set(err, -ENOMEM, "streams");
	lp_random(random, sizeof(random));
	(void)lp_text_base64_encode(&key, random, sizeof(random));	/* sticky */
	(void)snprintf(streams->key, sizeof(streams->key), "%s", lp_buf_text(&key));
	all[count++] = (struct lp_client_header){ "Sec-WebSocket-Key", streams->key };
	all[count++] = (struct lp_client_header){ "Sec-WebSocket-Protocol", opts->forward ? "v4.channel.k8s.io" : "v5.channel.k8s.io" };
	for (; headers && headers->name && count < HEADERS_MAX; headers++)
		all[count++] = *headers;
	lp_websocket_init(&streams->socket, true, LP_STREAMS_MESSAGE, lp_streams_got_message, streams);
	streams->has_socket = true;
	streams->half_close = !opts->forward;
	streams->failed = failed;
	upgrade.arg = upgrade.ops_arg = streams;
	rc = lp_client_start_upgrade(client, &upgrade, err);
	if (rc < 0) {
		streams->failed = NULL;
		lp_streams_free(streams);
		return rc;
	}
	streams->client = client;
	*out = streams;
	return 0;
}
