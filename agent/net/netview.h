/*
 * agent/net/netview.h - pure: Services, this node's pods and the peers line -> rows for netbridge and a DNS zone.
 *
 * Endpoint a pod of this node whose labels a Service selects (its truth is what runs here), and every address the peers line names
 * Ready    or publishNotReadyAddresses and running; only those are served and named
 * Order    older Services first, so that a port two of them claim stays with the one that had it
 * Names    <service>.<ns>.svc, _<port>._<protocol>.<service>.<ns>.svc; headless: every endpoint, and <hostname or a-b-c-d>.<service>.<ns>.svc
 * Source   Kubernetes Service, "DNS for Services and Pods"
 */
#ifndef LP_AGENT_NETVIEW_H
#define LP_AGENT_NETVIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "netbridge/netbridge.h"

struct lp_netview_pod {
	const struct lp_json *object;
	uint32_t addr;			/* the node's with the host's network; 0 = none yet */
	bool running;			/* it has an address and was told to go */
	bool ready;
};

struct lp_netview_input {
	const struct lp_json *const *services;
	size_t service_count;
	const struct lp_netview_pod *pods;
	size_t pod_count;
	const struct lp_json *peers;	/* the last peers line; NULL none */
	const char *const *namespaces;	/* may hold repetitions */
	size_t namespace_count;
	const uint32_t *node_addrs;	/* where Services of type LoadBalancer answer */
	size_t node_addr_count;
	const char *domain;		/* "cluster.local" */
	struct lp_netbridge_range cluster, service_range;
};

struct lp_netview {
	struct lp_service_input services;
	const struct lp_netbridge_peer *peers;
	size_t peer_count;
	struct lp_dns_zone *zone;	/* the caller's */
	size_t unnamed;			/* records that cannot be names, left out of the zone */
};

/* Rows live in the arena. -ENOMEM. */
int lp_netview_make(struct lp_arena *arena, const struct lp_netview_input *input, struct lp_netview *out, struct lp_err *err);

#endif
