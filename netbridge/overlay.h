/*
 * netbridge/overlay.h - how packets reach the pods of other nodes: plain routes by the nodes' addresses on one LAN.
 *
 * Marks    our routes carry protocol LP_ADDR_PROTOCOL and a metric made from the bridge's name, so that instances leave each other's alone
 * Later    VXLAN and WireGuard make a link of their own and use the same list
 */
#ifndef LP_NETBRIDGE_OVERLAY_H
#define LP_NETBRIDGE_OVERLAY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "netbridge/netlink.h"
#include "netbridge/netplan.h"

/* Make the routes of this bridge's instance equal to `wanted`. Tries all of them; returns the first failure. */
int lp_overlay_apply(struct lp_netlink *nl, const char *bridge, const struct lp_netplan_route *wanted, size_t count, struct lp_err *err);

#endif
