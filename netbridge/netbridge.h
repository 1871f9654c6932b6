/*
 * netbridge/netbridge.h - a container's network; knows namespaces and addresses, not pods. The only header others include.
 *
 * Shape     one bridge per instance with the gateway address (first of the node's range); one veth pair per attached
 *           namespace, its inner end "eth0" with a /32 address and a default route by the gateway, so that every packet
 *           passes this node's routing; one nf_tables table, replaced whole while a second one like it stands in
 * Guard     bridge ports are locked to their MAC, neighbour entries are permanent on both sides, the table drops what
 *           comes with a foreign source; 127.0.0.0/8 passes lo only (TRUST rule 18)
 * Restart   nothing of this lives in the process: open() changes no rules of a living instance, adopt() what still runs,
 *           then services(), and only then the table is replaced
 * Names     bridge and table come from the caller (derived from the instance id); a link's name from the attachment's key
 * Addresses IPv4, host byte order; 0 = none
 * Thread    the caller has one thread: attach enters the namespace for the moment it needs to open a socket
 * Errors    negative errno, words of the kernel where it gives some; -EADDRNOTAVAIL no address left; -ENOSYS the kernel
 *           lacks a feature, which is named
 */
#ifndef LP_NETBRIDGE_NETBRIDGE_H
#define LP_NETBRIDGE_NETBRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "netbridge/dns.h"
#include "netbridge/service.h"

#define LP_NETBRIDGE_NAME 16		/* an interface's name with its NUL */
#define LP_NETBRIDGE_TABLE 32		/* a table's name with its NUL */
#define LP_NETBRIDGE_KEY 64		/* an attachment's key (a pod's uid) with its NUL */

struct lp_netbridge;

struct lp_netbridge_range {
	uint32_t addr;
	uint8_t prefix;
};

struct lp_netbridge_config {
	const char *bridge;		/* 1-15 characters */
	const char *table;		/* nf_tables table, family ip; 1-31 characters */
	struct lp_netbridge_range pods;		/* this node's; prefix 16-29 */
	struct lp_netbridge_range cluster;	/* all pods of all nodes: never masqueraded */
	struct lp_netbridge_range services;
	uint32_t dns_addr;		/* put on the bridge so that a resolver can bind it; 0 = none */
};

/*
 * Make sure that bridge, addresses, routes and the guard rules are there, forwarding is on, and nothing of it is changed that
 * already is as it should be. -EEXIST when the bridge's name belongs to an interface that is no bridge.
 */
int lp_netbridge_open(struct lp_netbridge **out, const struct lp_netbridge_config *config, struct lp_err *err);

/* Give back memory and sockets. The network stays as it is. NULL is fine. */
void lp_netbridge_close(struct lp_netbridge *net);

/* Take everything of an instance away: links, bridge with its routes, table. Fine when nothing is there. */
int lp_netbridge_remove(const char *bridge, const char *table, struct lp_err *err);

/* A namespace attached before this process started keeps its address. -EADDRINUSE another key has it, -ERANGE outside the range. */
int lp_netbridge_adopt(struct lp_netbridge *net, const char *key, uint32_t addr, struct lp_err *err);

/* The address that attach() will give to this key, so that it can be told to the container before it is made. detach() gives it back. */
int lp_netbridge_reserve(struct lp_netbridge *net, const char *key, int64_t now_ms, uint32_t *out_addr, struct lp_err *err);

/* Give the namespace lo, eth0, an address and a default route. Attaching a key again makes a new link with the same address. */
int lp_netbridge_attach(struct lp_netbridge *net, const char *key, int netns_fd, int64_t now_ms, uint32_t *out_addr, struct lp_err *err);

/* Forget the key; its address rests before it is used again. The link goes when the last descriptor of the namespace does. */
int lp_netbridge_detach(struct lp_netbridge *net, const char *key, int64_t now_ms, struct lp_err *err);

/* 0 when the key is unknown. */
uint32_t lp_netbridge_address(const struct lp_netbridge *net, const char *key);

/* Only lo, up: for a namespace that shall have no network. */
int lp_netbridge_loopback(int netns_fd, struct lp_err *err);

/* The node's services, host ports: the plan replaces the former one, without a gap for new connections, when it differs. `force`: the whole table again. */
int lp_netbridge_services(struct lp_netbridge *net, const struct lp_service_input *input, bool force, struct lp_err *err);

/*
 * What services() leaves for later when its first plan has no UDP: flows from before our time that lead to pods that are gone. Walks the
 * machine's whole connection tracking (10 ms for 262,144 buckets), so call it when nothing waits. Nothing to do twice.
 */
int lp_netbridge_sweep(struct lp_netbridge *net, struct lp_err *err);

/* Rows that the last plan dropped because another one has their port. */
size_t lp_netbridge_clashes(const struct lp_netbridge *net);

struct lp_netbridge_peer {
	uint32_t node_addr;
	struct lp_netbridge_range pods;
};

/* Routes to the pods of other nodes: the whole list; what is no longer in it is removed. Goes through all of it, reports the first failure. */
int lp_netbridge_peers(struct lp_netbridge *net, const struct lp_netbridge_peer *peers, size_t count, struct lp_err *err);

struct lp_netbridge_link {
	char name[LP_NETBRIDGE_NAME];	/* of the outer end */
	char key[LP_NETBRIDGE_KEY];	/* "" when it is not ours to know */
	uint32_t index;
	bool up;
};

/* Outer ends on the bridge; *out is malloc'ed. Works without open(), for clean-up and `doctor`. */
int lp_netbridge_links(const char *bridge, struct lp_netbridge_link **out, size_t *out_count, struct lp_err *err);

/* The address other machines reach this node by: the preferred source of the default route, else the first global address of any
 * interface that is not `bridge`, else -ENOENT. `ifname` may be NULL. */
int lp_netbridge_node_address(const char *bridge, uint32_t *out, char ifname[LP_NETBRIDGE_NAME], struct lp_err *err);

/* Every global IPv4 address that is not on the bridge; at most `max`; returns how many, or a negative errno. */
int lp_netbridge_node_addresses(const char *bridge, uint32_t *out, size_t max, struct lp_err *err);

/*
 * Other people's rules that drop what is forwarded, or comes in, unless they know it (a chain with policy drop: Docker's, a firewall's):
 * pods reach the world and this node's names, and the LAN reaches pods, only if those rules let them; ours cannot outweigh them.
 * Writes "table filter chain FORWARD, ...", or "" when there is none.
 */
#define LP_NETBRIDGE_OBSTACLE 160
int lp_netbridge_obstacle(char out[static LP_NETBRIDGE_OBSTACLE], struct lp_err *err);

/* A descriptor that becomes readable when an address or route of this namespace changes. What is read from it has no meaning. */
int lp_netbridge_watch(int *out_fd, struct lp_err *err);

/* A socket that lives in the namespace, for port-forward and probes: socket(2) arguments; O_CLOEXEC and non-blocking are added. */
int lp_netbridge_socket(int netns_fd, int domain, int type, int protocol, int *out_fd, struct lp_err *err);

#endif
