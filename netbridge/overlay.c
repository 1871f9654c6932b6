#include "netbridge/overlay.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/digest.h"
#include "netbridge/addr.h"

#define ROUTES_MAX (1u << 20)	/* bytes of present routes: 87,000 nodes */

static uint32_t
metric_of(const char *bridge)
{
	return 0x4c000000u | (lp_digest_crc32c(0, bridge, strlen(bridge)) & 0xffffffu);
}

struct reading {
	struct lp_buf *found;		/* struct lp_netplan_route */
	uint32_t metric;
};

static int
keep_route(void *arg, const struct lp_addr_route *route)
{
	const struct reading *reading = arg;
	struct lp_netplan_route kept = { .dst = route->dst, .prefix = route->prefix, .gateway = route->gateway };

	return route->metric == reading->metric ? lp_buf_add(reading->found, &kept, sizeof(kept)) : 0;
}

int
lp_overlay_apply(struct lp_netlink *nl, const char *bridge, const struct lp_netplan_route *wanted, size_t count, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf found;
	struct reading reading = { &found, metric_of(bridge) };
	struct lp_netplan_change *changes;
	size_t change_count;
	int rc;

	lp_buf_init(&found, ROUTES_MAX);
	lp_arena_init(&arena, 8 * ROUTES_MAX);
	rc = lp_addr_each_route(nl, LP_ADDR_PROTOCOL, keep_route, &reading, err);
	if (rc < 0)
		return rc;
	rc = lp_netplan_routes(&arena, wanted, count, (const struct lp_netplan_route *)(void *)found.data,
	    found.len / sizeof(struct lp_netplan_route), &changes, &change_count, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < change_count; i++) {
		struct lp_addr_route route = {
			.dst = changes[i].route.dst, .prefix = changes[i].route.prefix, .gateway = changes[i].route.gateway, .metric = reading.metric,
		};

		if (changes[i].step == LP_NETPLAN_REMOVE)
			lp_addr_remove_route(nl, &route);
		else
			lp_addr_add_route(nl, &route);
	}
	return lp_netlink_commit(nl, err);
}
