/*
 * wire/client_h1.c - HTTP/1.1 over llhttp, client side: one call after the other.
 */
#include "wire/client_call.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

/* ---- answers */

static struct lp_client *
of(llhttp_t *parser)
{
	return parser->data;
}

static int
on_name(llhttp_t *parser, const char *at, size_t len)
{
	return lp_buf_add(&of(parser)->header_name, at, len) < 0 ? -1 : 0;
}

static int
on_value(llhttp_t *parser, const char *at, size_t len)
{
	return lp_buf_add(&of(parser)->header_value, at, len) < 0 ? -1 : 0;
}

static int
on_value_end(llhttp_t *parser)
{
	struct lp_client *client = of(parser);
	int rc = 0;

	if (client->current && client->header_name.len)
		rc = lp_http_headers_add_len(&client->current->headers, client->header_name.data, client->header_name.len,
		    lp_buf_text(&client->header_value), client->header_value.len);
	lp_buf_reset(&client->header_name);
	lp_buf_reset(&client->header_value);
	return rc < 0 ? -1 : 0;
}

static int
on_begin(llhttp_t *parser)
{
	struct lp_client *client = of(parser);

	if (!client->current || client->current->head_told)
		return -1;		/* an answer that nobody asked for */
	lp_http_headers_fini(&client->current->headers);
	lp_http_headers_init(&client->current->headers, LP_CLIENT_HEAD_MAX);
	return 0;
}

static int
on_head(llhttp_t *parser)
{
	struct lp_client *client = of(parser);
	struct lp_client_call *call = client->current;
	bool head = strcmp(call->method, "HEAD") == 0;

	if (parser->status_code >= 100 && parser->status_code < 200 && parser->status_code != 101)
		return 0;		/* "100 Continue": the real answer follows */
	call->status = parser->status_code;
	if (call->upgrade && call->status == 101)
		return 0;
	lp_client_call_head(call, lp_loop_now(client->loop));
	if (client->dead || client->current != call)
		return -1;
	return head ? 1 : 0;
}

static int
on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct lp_client *client = of(parser);
	struct lp_client_call *call = client->current;

	if (call->ops->data)
		call->ops->data(call, at, len, lp_loop_now(client->loop));
	return client->dead || client->current != call ? -1 : 0;
}

static int
on_complete(llhttp_t *parser)
{
	struct lp_client *client = of(parser);
	struct lp_client_call *call = client->current;
	struct lp_err none = { 0 };

	if (!call || !call->head_told)
		return 0;
	if (!llhttp_should_keep_alive(parser) || !call->sent_end)
		client->last = true;
	client->current = NULL;
	lp_client_call_done(call, &none, lp_loop_now(client->loop));
	if (client->dead)
		return -1;
	lp_client_kick(client);
	return 0;
}

static const llhttp_settings_t settings = {
	.on_message_begin = on_begin,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_end,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

static int
h1_open(struct lp_client *client)
{
	llhttp_init(&client->parser, HTTP_RESPONSE, &settings);
	client->parser.data = client;
	return 0;
}

static int
h1_data(struct lp_client *client, const void *data, size_t len, struct lp_err *err)
{
	llhttp_errno_t rc = llhttp_execute(&client->parser, data, len);

	if (client->dead)
		return 0;
	if (rc == HPE_PAUSED_UPGRADE) {
		size_t used = (size_t)(llhttp_get_error_pos(&client->parser) - (const char *)data);

		if (!client->current || !client->current->upgrade)
			return lp_err_say(err, -EPROTO, "the server switched protocols without being asked");
		lp_client_switched(client, (const char *)data + used, len - used);
		return 0;
	}
	if (rc != HPE_OK && client->why.code)
		return 0;		/* a call was taken away in the middle; the kick ends the connection */
	if (rc != HPE_OK)
		return lp_err_say(err, -EPROTO, "the server does not speak HTTP");
	return 0;
}

/* ---- requests */

static int
send_head(struct lp_client *client, struct lp_client_call *call)
{
	lp_auto_buf struct lp_buf head;
	const char *name, *value;
	size_t pos = 0;

	lp_buf_init(&head, 2 * LP_CLIENT_HEAD_MAX);
	(void)lp_buf_printf(&head, "%s %s HTTP/1.1\r\n", call->method, call->path);	/* sticky */
	if (!lp_http_headers_get(&call->headers, "host"))
		(void)lp_buf_printf(&head, "host: %s\r\n", client->authority);
	while (lp_http_headers_next(&call->headers, &pos, &name, &value))
		(void)lp_buf_printf(&head, "%s: %s\r\n", name, value);
	if (call->streaming)
		(void)lp_buf_str(&head, "transfer-encoding: chunked\r\n");
	else if (call->body || strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0)
		(void)lp_buf_printf(&head, "content-length: %zu\r\n", call->out.len);
	if (lp_buf_str(&head, "\r\n") < 0)
		return head.failed;
	return lp_channel_send(client->channel, head.data, head.len);
}

static int
send_body(struct lp_client *client, struct lp_client_call *call)
{
	int rc = 0;

	while (rc == 0 && call->at < call->out.len && lp_channel_queued(client->channel) < LP_CLIENT_PUMP) {
		size_t len = call->out.len - call->at;
		char size[24];
		int n;

		if (len > LP_CLIENT_ROOM)
			len = LP_CLIENT_ROOM;
		if (call->streaming) {
			n = snprintf(size, sizeof(size), "%zx\r\n", len);
			rc = lp_channel_send(client->channel, size, (size_t)n);
		}
		if (rc == 0)
			rc = lp_channel_send(client->channel, call->out.data + call->at, len);
		if (rc == 0 && call->streaming)
			rc = lp_channel_send(client->channel, "\r\n", 2);
		call->at += len;
	}
	if (rc == 0 && call->at == call->out.len) {
		lp_buf_reset(&call->out);
		call->at = 0;
		if (call->ended && !call->sent_end) {
			call->sent_end = true;
			if (call->streaming)
				rc = lp_channel_send(client->channel, "0\r\n\r\n", 5);
		}
	}
	return rc;
}

static int
h1_pump(struct lp_client *client, struct lp_err *err)
{
	struct lp_client_call *call = client->current;
	int rc = 0;

	if (!call && client->last)
		return lp_err_say(err, -ECONNRESET, "the server closed the connection");
	if (!call && !lp_list_empty(&client->calls)) {
		call = client->current = lp_of(lp_list_first(&client->calls), struct lp_client_call, link);
		call->sent = true;
		rc = send_head(client, call);
	}
	if (rc == 0 && call && !call->sent_end)
		rc = send_body(client, call);
	return rc < 0 ? lp_err_set(err, rc, "send a request") : 0;
}

/* An answer that is under way cannot be skipped: the connection is spent. */
static void
h1_forget(struct lp_client *client, struct lp_client_call *call)
{
	if (client->current != call)
		return;
	client->current = NULL;
	if (client->why.code == 0)
		(void)lp_err_say(&client->why, -ECANCELED, "a request was given up");	/* told by the kick */
	lp_client_kick(client);
}

static void
h1_pause(struct lp_client_call *call, bool pause)
{
	if (call->client->current == call && call->client->channel)
		lp_channel_pause(call->client->channel, pause);
}

/* The end of the connection may be the end of an answer. */
static void
h1_close(struct lp_client *client)
{
	if (client->current && client->current->head_told)
		(void)llhttp_finish(&client->parser);	/* an answer that was cut short fails with the connection */
}

const struct lp_client_carrier lp_client_h1 = {
	.open = h1_open,
	.pump = h1_pump,
	.data = h1_data,
	.forget = h1_forget,
	.pause = h1_pause,
	.close = h1_close,
};
