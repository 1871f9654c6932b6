/*
 * wire/client_h2.c - HTTP/2 over nghttp2, client side. Windows are given back as in http2.c.
 */
#include "wire/client_call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

#define HEADERS_MAX 32
#define WINDOW      (1 << 20)		/* of the connection; a stream's is 64 KiB: what may still come to a paused call */

/* ---- requests */

static nghttp2_ssize
read_body(nghttp2_session *session, int32_t stream, uint8_t *to, size_t len, uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct lp_client_call *call = nghttp2_session_get_stream_user_data(session, stream);
	size_t have;

	(void)source;
	(void)arg;
	if (!call)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	have = call->out.len - call->at;
	if (have == 0 && !call->ended) {
		call->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (have > len)
		have = len;
	if (have)
		memcpy(to, call->out.data + call->at, have);
	call->at += have;
	if (call->at == call->out.len) {
		lp_buf_reset(&call->out);
		call->at = 0;
		if (call->ended) {
			call->sent_end = true;
			*flags |= NGHTTP2_DATA_FLAG_EOF;
		}
	}
	return (nghttp2_ssize)have;
}

static void
nv_set(nghttp2_nv *nv, const char *name, const char *value)
{
	nv->name = (uint8_t *)(uintptr_t)name;	/* nghttp2 copies both */
	nv->namelen = strlen(name);
	nv->value = (uint8_t *)(uintptr_t)value;
	nv->valuelen = strlen(value);
	nv->flags = NGHTTP2_NV_FLAG_NONE;
}

static int
submit(struct lp_client *client, struct lp_client_call *call)
{
	nghttp2_data_provider2 provider = { .read_callback = read_body };
	nghttp2_nv nv[HEADERS_MAX + 4];
	const char *name, *value;
	size_t count = 0, pos = 0;

	nv_set(&nv[count++], ":method", call->method);
	nv_set(&nv[count++], ":scheme", client->opts.tls ? "https" : "http");
	nv_set(&nv[count++], ":authority", client->authority);
	nv_set(&nv[count++], ":path", call->path);
	while (lp_http_headers_next(&call->headers, &pos, &name, &value)) {
		if (count == lp_count(nv))
			return -E2BIG;
		nv_set(&nv[count++], name, value);
	}
	call->stream = nghttp2_submit_request2(client->session, NULL, nv, count, call->body ? &provider : NULL, call);
	if (call->stream < 0)
		return -ENOMEM;
	call->sent = true;
	lp_http_headers_fini(&call->headers);
	lp_http_headers_init(&call->headers, LP_CLIENT_HEAD_MAX);
	return 0;
}

static int
h2_pump(struct lp_client *client, struct lp_err *err)
{
	lp_list_each(link, &client->calls) {
		struct lp_client_call *call = lp_of(link, struct lp_client_call, link);

		if (!call->sent && call->upgrade)
			return lp_err_say(err, -ENOTSUP, "the server insists on HTTP/2, which has no upgrade");
		if (!call->sent && submit(client, call) < 0)
			return lp_err_set(err, -ENOMEM, "send a request");
		if (call->deferred && (call->ended || call->at < call->out.len)) {
			call->deferred = false;
			(void)nghttp2_session_resume_data(client->session, call->stream);	/* fails only if it waits for no data */
		}
	}
	while (lp_channel_queued(client->channel) < LP_CLIENT_PUMP) {
		const uint8_t *data;
		nghttp2_ssize n = nghttp2_session_mem_send2(client->session, &data);

		if (n < 0 || (n > 0 && lp_channel_send(client->channel, data, (size_t)n) < 0))
			return lp_err_set(err, -EPROTO, "send frames");
		if (n == 0)
			break;
	}
	if (!nghttp2_session_want_read(client->session) && !nghttp2_session_want_write(client->session))
		return lp_err_say(err, -ECONNRESET, "the server ended the connection");
	return 0;
}

/* ---- answers */

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
    size_t value_len, uint8_t flags, void *arg)
{
	struct lp_client *client = arg;
	struct lp_client_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	if (client->dead || !call || call->head_told)
		return 0;
	if (name_len == 7 && memcmp(name, ":status", 7) == 0 && value_len == 3) {
		call->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');	/* nghttp2 has checked the three digits */
		return 0;
	}
	if (name[0] != ':' &&
	    lp_http_headers_add_len(&call->headers, (const char *)name, name_len, (const char *)value, value_len) < 0)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct lp_client *client = arg;
	struct lp_client_call *call;
	int64_t now_ms = lp_loop_now(client->loop);

	if (client->dead)
		return 0;
	if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK)) {
		if (client->opts.pong)
			client->opts.pong(client, now_ms);
		return 0;
	}
	call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (call && frame->hd.type == NGHTTP2_HEADERS && !call->head_told && call->status >= 200)
		lp_client_call_head(call, now_ms);
	return 0;
}

static int
on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *arg)
{
	struct lp_client *client = arg;
	struct lp_client_call *call = nghttp2_session_get_stream_user_data(session, stream);

	(void)flags;
	(void)nghttp2_session_consume_connection(session, len);	/* both fail only without memory, and then the window stays */
	if (client->dead || !call)
		return 0;
	if (call->paused)
		call->withheld += len;
	else
		(void)nghttp2_session_consume_stream(session, stream, len);
	if (call->ops->data)
		call->ops->data(call, data, len, lp_loop_now(client->loop));
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
	struct lp_client *client = arg;
	struct lp_client_call *call = nghttp2_session_get_stream_user_data(session, stream);
	struct lp_err why = { 0 };

	if (client->dead || !call)
		return 0;
	if (code != NGHTTP2_NO_ERROR || !call->head_told)
		(void)lp_err_say(&why, -ECONNRESET, "the server broke the answer off (%s)", nghttp2_http2_strerror(code));	/* told below */
	lp_client_call_done(call, &why, lp_loop_now(client->loop));
	return 0;
}

static int
h2_data(struct lp_client *client, const void *data, size_t len, struct lp_err *err)
{
	if (nghttp2_session_mem_recv2(client->session, data, len) < 0)
		return lp_err_say(err, -EPROTO, "the server does not speak HTTP/2");
	lp_client_kick(client);
	return 0;
}

static int
h2_open(struct lp_client *client)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	nghttp2_settings_entry settings[] = { { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 } };
	int rc = nghttp2_session_callbacks_new(&callbacks);

	if (rc == 0)
		rc = nghttp2_option_new(&option);
	if (rc == 0) {
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
		nghttp2_option_set_no_auto_window_update(option, 1);
		rc = nghttp2_session_client_new2(&client->session, callbacks, client, option);
	}
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	if (rc == 0)
		rc = nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, settings, lp_count(settings));
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
	return rc ? -ENOMEM : 0;
}

static void
h2_forget(struct lp_client *client, struct lp_client_call *call)
{
	if (!call->sent || call->stream <= 0 || !client->session)
		return;
	(void)nghttp2_session_set_stream_user_data(client->session, call->stream, NULL);	/* a stream that is not open yet has none */
	(void)nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_CANCEL);	/* -ENOMEM: the server goes on */
	lp_client_kick(client);
}

static void
h2_pause(struct lp_client_call *call, bool pause)
{
	struct lp_client *client = call->client;

	if (!pause && call->withheld && client->session) {
		(void)nghttp2_session_consume_stream(client->session, call->stream, call->withheld);	/* a closed stream needs none */
		call->withheld = 0;
		lp_client_kick(client);
	}
}

static void
h2_close(struct lp_client *client)
{
	(void)client;
}

const struct lp_client_carrier lp_client_h2 = {
	.open = h2_open,
	.pump = h2_pump,
	.data = h2_data,
	.forget = h2_forget,
	.pause = h2_pause,
	.close = h2_close,
};
