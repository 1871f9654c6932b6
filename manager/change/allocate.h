/*
 * manager/change/allocate.h - values that must never be given out twice: cluster addresses, node ports, a node's part of the pod range.
 *
 * Truth   the stored objects; the table here follows the cache, and holds besides what changes under way have taken
 * Ranges  the first and last address of the service range, .1 (the API) and .10 (DNS) are only given out when asked for by name
 */
#ifndef LP_MANAGER_ALLOCATE_H
#define LP_MANAGER_ALLOCATE_H

#include "manager/change/change.h"
#include "specs/status.h"

struct lp_allocate;

int lp_allocate_new(struct lp_manager *manager, struct lp_allocate **out, struct lp_err *err);
void lp_allocate_free(struct lp_allocate *allocate);

/* Give a Service what it lacks and check what it names; faults say what cannot be had. old NULL: it is new. -ENOMEM. */
int lp_allocate_service(struct lp_change *change, struct lp_json *service, const struct lp_json *old, struct lp_faults *faults);

/* Give a Node its podCIDR. */
int lp_allocate_node(struct lp_change *change, struct lp_json *node, struct lp_faults *faults);

/* The change is over, stored or not: what it took and did not store is free again. */
void lp_allocate_release(struct lp_change *change);

#endif
