/*
 * wire/http1.h - HTTP/1.1 on one server connection; used by server.c.
 */
#ifndef LP_WIRE_HTTP1_H
#define LP_WIRE_HTTP1_H

#include "wire/http_call.h"

struct lp_http1;

enum lp_http1_phase { LP_HTTP1_IDLE, LP_HTTP1_HEAD, LP_HTTP1_BODY, LP_HTTP1_ANSWER };

int lp_http1_new(struct lp_channel *channel, const struct lp_http_owner *owner, void *conn, struct lp_http1 **out);
/* Pays gone() for a call in progress. */
void lp_http1_free(struct lp_http1 *h1, int64_t now_ms);
void lp_http1_data(struct lp_http1 *h1, const void *data, size_t len, int64_t now_ms);
void lp_http1_drained(struct lp_http1 *h1, int64_t now_ms);
enum lp_http1_phase lp_http1_phase(const struct lp_http1 *h1);
/* Answer a request that did not come in time. */
void lp_http1_timeout(struct lp_http1 *h1);

#endif
