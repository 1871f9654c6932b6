/*
 * wire/http2.h - HTTP/2 on one server connection; used by server.c.
 */
#ifndef LP_WIRE_HTTP2_H
#define LP_WIRE_HTTP2_H

#include "wire/http_call.h"

struct lp_http2;

int lp_http2_new(struct lp_channel *channel, const struct lp_http_owner *owner, void *conn, struct lp_http2 **out);
/* Pays gone() for the calls in progress. */
void lp_http2_free(struct lp_http2 *h2, int64_t now_ms);
void lp_http2_data(struct lp_http2 *h2, const void *data, size_t len, int64_t now_ms);
void lp_http2_drained(struct lp_http2 *h2, int64_t now_ms);
size_t lp_http2_streams(const struct lp_http2 *h2);

#endif
