/*
 * wire/websocket.h - WebSocket frames (RFC 6455), both sides, and the kubectl channels inside them.
 *
 * Use     the codec turns bytes into messages and messages into bytes and knows no socket; streams.c owns the rest
 * Limits  a message of at most `max` bytes, fragments included; text frames are refused (1003), reserved bits and
 *         unmasked client frames too (1002)
 */
#ifndef LP_WIRE_WEBSOCKET_H
#define LP_WIRE_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum lp_websocket_op {
	LP_WEBSOCKET_MORE   = 0,	/* continuation */
	LP_WEBSOCKET_TEXT   = 1,
	LP_WEBSOCKET_BINARY = 2,
	LP_WEBSOCKET_CLOSE  = 8,
	LP_WEBSOCKET_PING   = 9,
	LP_WEBSOCKET_PONG   = 10,
};

struct lp_websocket {
	bool client;			/* our side: a client masks, a server demands masks */
	struct lp_buf head;		/* a frame's header, until it is whole */
	struct lp_buf message;		/* fragments of a data message */
	struct lp_buf control;		/* a control frame's payload */
	uint64_t left;			/* payload bytes to come in this frame */
	uint8_t mask[4];
	uint8_t mask_at;
	uint8_t op;			/* of this frame */
	bool final, in_frame, in_message;
	/* One message; op is BINARY, CLOSE, PING or PONG. Non-zero stops. */
	int (*got)(void *arg, enum lp_websocket_op op, const void *data, size_t len);
	void *arg;
};

void lp_websocket_init(struct lp_websocket *ws, bool client, size_t max,
    int (*got)(void *arg, enum lp_websocket_op op, const void *data, size_t len), void *arg);
void lp_websocket_fini(struct lp_websocket *ws);
/* -EPROTO, -EMSGSIZE, or what got() returned. */
int lp_websocket_feed(struct lp_websocket *ws, const void *data, size_t len, struct lp_err *err);

/* One whole frame, masked when we are the client. `channel` -1: none, else the byte before the data. */
int lp_websocket_frame(const struct lp_websocket *ws, struct lp_buf *out, enum lp_websocket_op op, int channel,
    const void *data, size_t len);
int lp_websocket_close(const struct lp_websocket *ws, struct lp_buf *out, uint16_t code, const char *reason);

/* "Sec-WebSocket-Accept" for a "Sec-WebSocket-Key" (28 characters and a NUL). -EINVAL for a key that is not 16 bytes. */
#define LP_WEBSOCKET_ACCEPT 29
int lp_websocket_accept(const char *key, char out[static LP_WEBSOCKET_ACCEPT]);

#endif
