/*
 * agent/net/upstream.h - one question to the resolvers that the host uses.
 *
 * Shape   a socket of its own, connected, with a random port and a random id for each question: only the resolver that was asked can
 *         answer it. The resolvers are asked in turn, LP_UPSTREAM_TRIES questions in all; an unreachable one costs no wait
 * Limits  LP_UPSTREAM_MAX questions under way, LP_UPSTREAM_WAIT_MS for each try
 */
#ifndef LP_AGENT_UPSTREAM_H
#define LP_AGENT_UPSTREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

#define LP_UPSTREAM_MAX 512
#define LP_UPSTREAM_TRIES 3
#define LP_UPSTREAM_WAIT_MS 2000

struct lp_upstream;
struct lp_upstream_ask;

/* Called once; never from lp_upstream_ask itself. answer NULL: nobody answered. Its id is that of the question. */
typedef void (*lp_upstream_fn)(void *arg, const uint8_t *answer, size_t len);

/* addrs: IPv4, host byte order, copied. `port` is 53 outside of tests. */
int lp_upstream_new(struct lp_loop *loop, const uint32_t *addrs, size_t count, uint16_t port, struct lp_upstream **out, struct lp_err *err);

/* From the next try on. */
void lp_upstream_set(struct lp_upstream *upstream, const uint32_t *addrs, size_t count);

/* Cancels what is under way: fn is not called. NULL is fine. */
void lp_upstream_free(struct lp_upstream *upstream);

/* The question is a whole packet, copied. tcp: for answers that UDP cannot carry. -EBUSY, -ENETUNREACH without resolvers. */
int lp_upstream_ask(struct lp_upstream *upstream, const void *question, size_t len, bool tcp, lp_upstream_fn fn, void *arg,
    struct lp_upstream_ask **out, struct lp_err *err);

/* fn is not called any more. */
void lp_upstream_cancel(struct lp_upstream_ask *ask);

#endif
