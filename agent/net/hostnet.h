/*
 * agent/net/hostnet.h - the host's network as it changes under us: its addresses, routes and resolvers.
 *
 * Why      a board starts its pods before DHCP has an answer, changes its network, loses its link and with it the routes to other nodes
 * Wakes    only when the kernel says that an address or a route changed; at most every LP_HOSTNET_SETTLE_MS
 */
#ifndef LP_AGENT_HOSTNET_H
#define LP_AGENT_HOSTNET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"

#define LP_HOSTNET_SETTLE_MS 300
#define LP_HOSTNET_RESOLVERS 3		/* as many as a resolv.conf has */

struct lp_hostnet;
typedef void (*lp_hostnet_fn)(void *arg);

/* fn: addresses or routes changed, look again. */
int lp_hostnet_new(struct lp_loop *loop, lp_hostnet_fn fn, void *arg, struct lp_hostnet **out, struct lp_err *err);
void lp_hostnet_free(struct lp_hostnet *hostnet);

/*
 * The resolvers that pods can reach: those of /etc/resolv.conf, and where that names only a stub on this host's loopback, those
 * behind systemd's stub. IPv4, host byte order; returns how many.
 */
size_t lp_hostnet_resolvers(uint32_t out[static LP_HOSTNET_RESOLVERS]);

/* The same for a process on the host, which can ask a stub when there is nothing else. */
size_t lp_hostnet_upstreams(uint32_t out[static LP_HOSTNET_RESOLVERS]);

#endif
