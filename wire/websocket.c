/*
 * wire/websocket.c - RFC 6455 frames in and out.
 */
#include "wire/websocket.h"

#include <errno.h>
#include <string.h>

#include <mbedtls/sha1.h>

#include "base/seam.h"
#include "base/text.h"

#define HEAD_MAX    14		/* two bytes, eight of length, four of mask */
#define CONTROL_MAX 125

void
lp_websocket_init(struct lp_websocket *ws, bool client, size_t max,
    int (*got)(void *arg, enum lp_websocket_op op, const void *data, size_t len), void *arg)
{
	memset(ws, 0, sizeof(*ws));
	ws->client = client;
	ws->got = got;
	ws->arg = arg;
	lp_buf_init(&ws->head, HEAD_MAX);
	lp_buf_init(&ws->message, max);
	lp_buf_init(&ws->control, CONTROL_MAX);
}

void
lp_websocket_fini(struct lp_websocket *ws)
{
	lp_buf_fini(&ws->head);
	lp_buf_fini(&ws->message);
	lp_buf_fini(&ws->control);
}

/* ---- in */

/* How long the header is, as far as its bytes tell. */
static size_t
head_size(const struct lp_buf *head)
{
	uint8_t second;
	size_t size = 2;

	if (head->len < 2)
		return 2;
	second = (uint8_t)head->data[1];
	size += (second & 127) == 126 ? 2 : (second & 127) == 127 ? 8 : 0;
	return size + (second & 128 ? 4 : 0);
}

static int
head_check(struct lp_websocket *ws, uint8_t first, uint8_t second, struct lp_err *err)
{
	bool control = ws->op & 8;

	if (first & 0x70)
		return lp_err_say(err, -EPROTO, "a WebSocket frame with reserved bits");
	if (!(second & 128) != ws->client)
		return lp_err_say(err, -EPROTO, "a WebSocket frame %s a mask", ws->client ? "with" : "without");
	switch (ws->op) {
	case LP_WEBSOCKET_MORE:
		if (!ws->in_message)
			return lp_err_say(err, -EPROTO, "a WebSocket continuation of nothing");
		break;
	case LP_WEBSOCKET_BINARY:
		if (ws->in_message)
			return lp_err_say(err, -EPROTO, "a WebSocket message inside another");
		break;
	case LP_WEBSOCKET_TEXT:
		return lp_err_say(err, -EPROTO, "a WebSocket text message: only binary ones are understood");
	case LP_WEBSOCKET_CLOSE:
	case LP_WEBSOCKET_PING:
	case LP_WEBSOCKET_PONG:
		break;
	default:
		return lp_err_say(err, -EPROTO, "a WebSocket frame of unknown kind %u", ws->op);
	}
	if (control && (!ws->final || ws->left > CONTROL_MAX))
		return lp_err_say(err, -EPROTO, "a WebSocket control frame that is split or long");
	if (!control && (ws->left > ws->message.max || ws->message.len > ws->message.max - ws->left))
		return lp_err_say(err, -EMSGSIZE, "a WebSocket message of more than %zu bytes", ws->message.max);
	return 0;
}

static int
head_read(struct lp_websocket *ws, struct lp_err *err)
{
	const uint8_t *head = (const uint8_t *)ws->head.data;
	size_t at = 2, count = (head[1] & 127) == 126 ? 2 : (head[1] & 127) == 127 ? 8 : 0;
	int rc;

	ws->final = head[0] & 128;
	ws->op = head[0] & 15;
	ws->left = count ? 0 : head[1] & 127;
	for (; count; count--)
		ws->left = ws->left << 8 | head[at++];
	if (head[1] & 128)
		memcpy(ws->mask, head + at, 4);
	else
		memset(ws->mask, 0, 4);
	ws->mask_at = 0;
	rc = head_check(ws, head[0], head[1], err);
	lp_buf_reset(&ws->head);
	ws->in_frame = true;
	return rc;
}

/* The frame is whole. */
static int
frame_end(struct lp_websocket *ws)
{
	int rc;

	ws->in_frame = false;
	if (ws->op & 8) {
		rc = ws->got(ws->arg, (enum lp_websocket_op)ws->op, lp_buf_text(&ws->control), ws->control.len);
		if (rc == 0)
			lp_buf_reset(&ws->control);
		return rc;
	}
	ws->in_message = !ws->final;
	if (!ws->final)
		return 0;
	rc = ws->got(ws->arg, LP_WEBSOCKET_BINARY, lp_buf_text(&ws->message), ws->message.len);
	if (rc == 0)
		lp_buf_reset(&ws->message);
	return rc;
}

static int
payload_read(struct lp_websocket *ws, const uint8_t *data, size_t len, struct lp_err *err)
{
	struct lp_buf *to = ws->op & 8 ? &ws->control : &ws->message;
	char *room = lp_buf_room(to, len);

	if (!room)
		return lp_err_set(err, to->failed, "WebSocket message");
	for (size_t i = 0; i < len; i++)
		room[i] = (char)(data[i] ^ ws->mask[ws->mask_at++ & 3]);
	lp_buf_added(to, len);
	ws->left -= len;
	return 0;
}

int
lp_websocket_feed(struct lp_websocket *ws, const void *data, size_t len, struct lp_err *err)
{
	const uint8_t *at = data;
	int rc = 0;

	while (rc == 0 && (len || (ws->in_frame && ws->left == 0))) {
		size_t part;

		if (!ws->in_frame) {
			(void)lp_buf_u8(&ws->head, *at++);	/* never longer than a header */
			len--;
			if (ws->head.failed)
				return lp_err_set(err, ws->head.failed, "WebSocket frame");
			if (ws->head.len == head_size(&ws->head))
				rc = head_read(ws, err);
			continue;
		}
		part = len < ws->left ? len : (size_t)ws->left;
		rc = part ? payload_read(ws, at, part, err) : 0;
		at += part;
		len -= part;
		if (rc == 0 && ws->left == 0)
			rc = frame_end(ws);
	}
	return rc;
}

/* ---- out */

int
lp_websocket_frame(const struct lp_websocket *ws, struct lp_buf *out, enum lp_websocket_op op, int channel, const void *data,
    size_t len)
{
	size_t total = len + (channel >= 0);
	uint8_t flag = ws->client ? 128 : 0, mask[4] = { 0 };
	char *room;

	(void)lp_buf_u8(out, (uint8_t)(128 | op));	/* sticky, returned at the end */
	if (total < 126) {
		(void)lp_buf_u8(out, (uint8_t)(flag | total));
	} else if (total < 65536) {
		(void)lp_buf_u8(out, flag | 126);
		(void)lp_buf_u16(out, (uint16_t)total);
	} else {
		(void)lp_buf_u8(out, flag | 127);
		(void)lp_buf_u64(out, total);
	}
	if (ws->client) {
		lp_random(mask, sizeof(mask));
		(void)lp_buf_add(out, mask, sizeof(mask));
	}
	room = lp_buf_room(out, total);
	if (!room)
		return out->failed;
	if (channel >= 0)
		*room = (char)channel;
	if (len)
		memcpy(room + (channel >= 0), data, len);
	for (size_t i = 0; ws->client && i < total; i++)
		room[i] = (char)(room[i] ^ mask[i & 3]);
	lp_buf_added(out, total);
	return 0;
}

int
lp_websocket_close(const struct lp_websocket *ws, struct lp_buf *out, uint16_t code, const char *reason)
{
	char payload[CONTROL_MAX];
	size_t len = strnlen(reason, sizeof(payload) - 2);

	payload[0] = (char)(code >> 8);
	payload[1] = (char)code;
	memcpy(payload + 2, reason, len);
	return lp_websocket_frame(ws, out, LP_WEBSOCKET_CLOSE, -1, payload, len + 2);
}

int
lp_websocket_accept(const char *key, char out[static LP_WEBSOCKET_ACCEPT])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	lp_auto_buf struct lp_buf raw, text, encoded;
	uint8_t hash[20];

	lp_buf_init(&raw, 16);
	lp_buf_init(&text, 128);
	lp_buf_init(&encoded, 64);
	if (strlen(key) != 24 || lp_text_base64_decode(&raw, key, 24) < 0 || raw.len != 16)
		return -EINVAL;
	(void)lp_buf_str(&text, key);	/* 60 bytes fit */
	(void)lp_buf_str(&text, guid);
	if (mbedtls_sha1((const unsigned char *)text.data, text.len, hash) != 0 ||
	    lp_text_base64_encode(&encoded, hash, sizeof(hash)) < 0 || encoded.len != LP_WEBSOCKET_ACCEPT - 1)
		return -EINVAL;
	memcpy(out, encoded.data, LP_WEBSOCKET_ACCEPT);
	return 0;
}
