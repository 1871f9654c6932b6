/*
 * manager/look/look.h - all that a decision may look at: settings, cached objects, a time.
 *
 * Rule    who is given a look has no clock, no log and no effect: it builds writes (writes.h)
 */
#ifndef LP_MANAGER_LOOK_H
#define LP_MANAGER_LOOK_H

#include <stdint.h>

#include "base/arena.h"
#include "manager/store/cache.h"

/* What the operator decided when the manager was started; numbers in host byte order. */
struct lp_settings {
	uint32_t pod_net, service_net;		/* 10.42.0.0, 10.43.0.0 */
	uint8_t pod_prefix, service_prefix;	/* 16, 16 */
	uint8_t node_prefix;			/* 24: length of one node's part of the pod range */
	uint16_t port_first, port_last;		/* NodePorts 30000-32767 */
	const char *cluster_domain;		/* "cluster.local" */
	const char *api_address;		/* address and port the API can be reached at, for the `kubernetes` Endpoints */
	uint16_t api_port;
	int64_t node_grace_ms;			/* silence after which a node is Unknown: 40000 */
	uint8_t pod_security;			/* enum lp_podsecurity_level of namespaces without labels: privileged */
};

/* All that a controller may look at. */
struct lp_look {
	const struct lp_cache *cache;
	const struct lp_settings *settings;
	int64_t now_ms;				/* since boot, for intervals */
	int64_t wall_ms;			/* since 1970, for timestamps */
	int64_t start_ms;			/* boot time of the manager's start: silence is counted from here at the earliest */
	struct lp_arena *arena;			/* for what the controller builds; lives until the writes were submitted */
	/* When the node was last heard, boot-time ms; -1 not since this manager started. */
	int64_t (*seen_ms)(void *arg, const char *node);
	void *seen_arg;
};

#endif
