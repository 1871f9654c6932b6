/*
 * netbridge/flows.h - UDP flows that still lead to a backend that is gone.
 *
 * Why      the first packet of a flow decides where all of it goes, and UDP has no end: a client that keeps sending from one
 *          socket (a sensor, a log shipper) would never reach the pod that replaced the one it began with
 * Which    translated UDP flows whose pod (the answering side) lies in `range` and is no backend of the plan
 * Source   Linux net/netfilter/nf_conntrack_netlink.c
 */
#ifndef LP_NETBRIDGE_FLOWS_H
#define LP_NETBRIDGE_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "netbridge/service.h"

/* Does the plan have a UDP backend? Without one, before and after, there is nothing to forget. */
bool lp_flows_matter(const struct lp_service_plan *plan);

/* Forget them. *out_count (may be NULL) is how many. */
int lp_flows_forget(uint32_t range, uint8_t prefix, const struct lp_service_plan *plan, size_t *out_count, struct lp_err *err);

#endif
