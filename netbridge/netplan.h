/*
 * netbridge/netplan.h - pure: routes that are wanted, routes that are there -> ordered changes.
 *
 * Order    removed before replaced, replaced before added: what is added may need what was freed
 * Errors   -ENOMEM
 */
#ifndef LP_NETBRIDGE_NETPLAN_H
#define LP_NETBRIDGE_NETPLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

struct lp_netplan_route {
	uint32_t dst;
	uint8_t prefix;
	uint32_t gateway;
};

enum lp_netplan_step { LP_NETPLAN_REMOVE, LP_NETPLAN_REPLACE, LP_NETPLAN_ADD };

struct lp_netplan_change {
	enum lp_netplan_step step;
	struct lp_netplan_route route;	/* REMOVE: as it is; else as it shall be */
};

/* Of two wanted routes to one destination the first counts. *out lives in the arena. */
int lp_netplan_routes(struct lp_arena *arena, const struct lp_netplan_route *wanted, size_t wanted_count,
    const struct lp_netplan_route *present, size_t present_count, struct lp_netplan_change **out, size_t *out_count, struct lp_err *err);

#endif
