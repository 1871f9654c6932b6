/*
 * wire/resolve.h - a host name to its addresses without NSS: literals, localhost, /etc/hosts, then the name servers of
 * /etc/resolv.conf over UDP.
 *
 * Limits  three name servers, two tries of 2 s each, 512-byte answers, 8 addresses; A before AAAA
 * Errors  done() gets -ENOENT (no such name), -ETIMEDOUT, -EINVAL
 */
#ifndef LP_WIRE_RESOLVE_H
#define LP_WIRE_RESOLVE_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/loop.h"

#define LP_RESOLVE_MAX 8

struct lp_resolve_address {
	struct sockaddr_storage addr;
	socklen_t len;
};

struct lp_resolve;
/* Called once, from the loop; the query is freed after it returns. count 0: why says so. */
typedef void (*lp_resolve_fn)(void *arg, const struct lp_resolve_address *list, size_t count, const struct lp_err *why, int64_t now_ms);

int lp_resolve_start(struct lp_loop *loop, const char *host, uint16_t port, lp_resolve_fn done, void *arg,
    struct lp_resolve **out, struct lp_err *err);
void lp_resolve_cancel(struct lp_resolve *query);

/* "10.0.0.1", "::1" -> an address; -EINVAL for anything else. */
int lp_resolve_literal(const char *host, uint16_t port, struct lp_resolve_address *out);

#endif
