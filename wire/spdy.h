/*
 * wire/spdy.h - SPDY/3.1 frames as kubectl uses them, server side; knows no socket.
 *
 * Theory  Control frames are 0x8003, type, flags, length; data frames are a stream id, flags, length. Header blocks are one
 *         zlib stream per direction with the SPDY/3 dictionary; ours are always empty, so they are constants.
 *         No SETTINGS and no flow control (kubectl-wire.md section 11.1)
 * Limits  a control frame of at most 64 KiB, a header block of 16 KiB when inflated; data passes through in pieces. Which
 *         streams are open is the owner's to know
 */
#ifndef LP_WIRE_SPDY_H
#define LP_WIRE_SPDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct lp_spdy;

struct lp_spdy_headers {
	const char *stream_type;	/* "" when absent */
	const char *port;
	const char *request_id;
};

struct lp_spdy_ops {
	/* A new stream; false resets it. The headers are gone afterwards. */
	bool (*opened)(void *arg, uint32_t stream, const struct lp_spdy_headers *headers, bool fin);
	void (*data)(void *arg, uint32_t stream, const void *data, size_t len, bool fin);
	void (*reset)(void *arg, uint32_t stream);
	void (*goaway)(void *arg);
};

int lp_spdy_new(struct lp_spdy **out, const struct lp_spdy_ops *ops, void *arg, struct lp_err *err);
void lp_spdy_free(struct lp_spdy *spdy);
/* Bytes from the peer. What must be answered (SYN_REPLY, PING, RST_STREAM) is added to `answer`. -EPROTO, -EMSGSIZE. */
int lp_spdy_feed(struct lp_spdy *spdy, const void *data, size_t len, struct lp_buf *answer, struct lp_err *err);

int lp_spdy_data(struct lp_buf *out, uint32_t stream, const void *data, size_t len, bool fin);
int lp_spdy_reset(struct lp_buf *out, uint32_t stream, uint32_t status);
int lp_spdy_goaway(struct lp_buf *out, uint32_t last_stream);

#endif
