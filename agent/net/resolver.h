/*
 * agent/net/resolver.h - the node's DNS server: UDP and TCP, port 53 of the service range's DNS address only.
 *
 * Shape   questions about the cluster come from the zone (netbridge/dns.h, pure), all others go to the upstream resolvers
 */
#ifndef LP_AGENT_RESOLVER_H
#define LP_AGENT_RESOLVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "netbridge/netbridge.h"

struct lp_resolver;

/* Whom to ask for other names: IPv4, host byte order, at most LP_HOSTNET_RESOLVERS; returns how many. Asked now and then, before a question. */
typedef size_t (*lp_resolver_upstreams_fn)(uint32_t *out);

/* A UDP and a TCP socket on addr:53 (the bridge has the address). */
int lp_resolver_listen(uint32_t addr, int out_fds[static 2], struct lp_err *err);

/* Answer on these sockets, which are the resolver's from here on, whatever is returned; questions wait until there is a zone. */
int lp_resolver_new(struct lp_loop *loop, const int fds[static 2], lp_resolver_upstreams_fn upstreams, struct lp_resolver **out,
    struct lp_err *err);
void lp_resolver_free(struct lp_resolver *resolver);

/* The zone to answer from; owned by the resolver from here on, whatever is returned (the former one is freed). */
int lp_resolver_take_zone(struct lp_resolver *resolver, struct lp_dns_zone *zone, struct lp_err *err);

#endif
