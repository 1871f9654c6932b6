/*
 * netbridge/link.h - the bridge and its veth pairs, as route netlink messages.
 *
 * Rule     add_*, set_*, remove_* put a message into the batch; find and each ask at once
 * Create   a pair is made by one message: outer end up and on the bridge, inner end already in its namespace. What a new port must be
 *          (locked to its MAC, not learning) the kernel takes only in a second one, sent in the same batch
 * Source   Linux net/core/rtnetlink.c, drivers/net/veth.c, net/bridge/br_netlink.c; ip-link(8)
 */
#ifndef LP_NETBRIDGE_LINK_H
#define LP_NETBRIDGE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "netbridge/netlink.h"

#define LP_LINK_NAME 16
#define LP_LINK_ALIAS 80
#define LP_LINK_MAC 6

struct lp_link {
	uint32_t index, master;		/* master 0 = on no bridge */
	uint32_t mtu;
	bool up;			/* wanted up */
	bool running;			/* the kernel has a carrier and has switched its queues on */
	bool loopback;
	uint8_t mac[LP_LINK_MAC];
	char name[LP_LINK_NAME];
	char kind[LP_LINK_NAME];	/* "bridge", "veth"; "" for hardware */
	char alias[LP_LINK_ALIAS];
};

struct lp_link_port {
	bool isolated;			/* frames between isolated ports are dropped */
	bool hairpin;			/* a frame may leave by the port it came in */
};

/* The MAC of an address: 02:4c and its four bytes. */
void lp_link_mac(uint32_t addr, uint8_t out[static LP_LINK_MAC]);

/* -ENODEV when there is none. */
int lp_link_find(struct lp_netlink *nl, const char *name, struct lp_link *out, struct lp_err *err);

/* Every link, or those on a master when it is not 0. A negative result of fn ends it. */
typedef int (*lp_link_fn)(void *arg, const struct lp_link *link);
int lp_link_each(struct lp_netlink *nl, uint32_t master, lp_link_fn fn, void *arg, struct lp_err *err);

void lp_link_add_bridge(struct lp_netlink *nl, const char *name, const uint8_t mac[static LP_LINK_MAC]);

/* The inner end is called eth0 and is still down. */
void lp_link_add_pair(struct lp_netlink *nl, const char *name, uint32_t bridge, int netns_fd, const uint8_t inner_mac[static LP_LINK_MAC]);
void lp_link_set_port(struct lp_netlink *nl, const char *name, const struct lp_link_port *port, const char *alias);

/* No IPv6 link-local address, hence no duplicate detection and no router solicitation. */
void lp_link_set_quiet(struct lp_netlink *nl, uint32_t index);
void lp_link_set_up(struct lp_netlink *nl, uint32_t index);
void lp_link_remove(struct lp_netlink *nl, const char *name);

/* The bridge sends frames for this MAC to that port only. */
void lp_link_add_station(struct lp_netlink *nl, uint32_t port, const uint8_t mac[static LP_LINK_MAC]);

#endif
