/*
 * netbridge/addr.h - addresses, routes and neighbours, as route netlink messages.
 *
 * Rule     add_* and remove_* put a message into the batch; what is already so is no failure. each_* ask at once
 * Units    addresses in host byte order; prefix 0-32
 * Source   Linux net/ipv4/devinet.c, fib_frontend.c; rtnetlink(7)
 */
#ifndef LP_NETBRIDGE_ADDR_H
#define LP_NETBRIDGE_ADDR_H

#include <stdint.h>

#include "base/err.h"
#include "netbridge/link.h"
#include "netbridge/netlink.h"

#define LP_ADDR_PROTOCOL 76		/* who made a route; 'L', free in /etc/iproute2/rt_protos */

struct lp_addr {
	uint32_t addr, index;
	uint8_t prefix;
	uint8_t scope;			/* RT_SCOPE_UNIVERSE = global */
};

struct lp_addr_route {
	uint32_t dst;
	uint8_t prefix;
	uint32_t gateway;		/* 0 = directly on the link */
	uint32_t source;		/* preferred source; 0 = the kernel's choice */
	uint32_t index;			/* of the link; 0 = by the gateway */
	uint32_t metric;
	bool onlink;			/* the gateway needs no route of its own */
	uint8_t protocol;		/* read only: who made it */
	uint8_t type;			/* read only: RTN_UNICAST ... */
};

void lp_addr_add(struct lp_netlink *nl, uint32_t index, uint32_t addr, uint8_t prefix);
void lp_addr_remove(struct lp_netlink *nl, uint32_t index, uint32_t addr, uint8_t prefix);
typedef int (*lp_addr_fn)(void *arg, const struct lp_addr *addr);
int lp_addr_each(struct lp_netlink *nl, lp_addr_fn fn, void *arg, struct lp_err *err);

void lp_addr_add_route(struct lp_netlink *nl, const struct lp_addr_route *route);
void lp_addr_remove_route(struct lp_netlink *nl, const struct lp_addr_route *route);

/* Routes of the main table; only those with `protocol` unless it is 0. */
typedef int (*lp_addr_route_fn)(void *arg, const struct lp_addr_route *route);
int lp_addr_each_route(struct lp_netlink *nl, uint8_t protocol, lp_addr_route_fn fn, void *arg, struct lp_err *err);

/* A neighbour that is never asked for and never changes. */
void lp_addr_add_neighbour(struct lp_netlink *nl, uint32_t index, uint32_t addr, const uint8_t mac[static LP_LINK_MAC]);
void lp_addr_remove_neighbour(struct lp_netlink *nl, uint32_t index, uint32_t addr);

#endif
