/*
 * manager/look/place.h - pure: which node takes a pod.
 *
 * Filters  in Kubernetes' order: unschedulable, taints, node selector and required node affinity, volumes, host ports, resources; the
 *          first that refuses a node is what the FailedScheduling event counts
 * Choice   fewest untolerated PreferNoSchedule taints, then fewest pods of the same owner or labels, then the smallest share
 *          of its resources requested, then the name
 */
#ifndef LP_MANAGER_PLACE_H
#define LP_MANAGER_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/json.h"
#include "manager/look/look.h"
#include "manager/look/writes.h"
#include "specs/quantity.h"

#define LP_PLACE_RESOURCES 16

/* What a pod asks for: per resource the sum over containers and sidecars, but at least the largest init container
 * with the sidecars before it; other resources than the machine's own (example.com/dongle) count like these. */
struct lp_place_request {
	const char *name[LP_PLACE_RESOURCES];	/* weak: "cpu", "memory" ... in the pod's document */
	struct lp_quantity amount[LP_PLACE_RESOURCES];
	size_t count;
};

void lp_place_request(const struct lp_json *pod, struct lp_place_request *out);

/* Is the pod still using what it asked for? (not Succeeded, not Failed) */
bool lp_place_active(const struct lp_json *pod);

/* Do nodeSelector and required node affinity of the pod allow this node? */
bool lp_place_selects(struct lp_arena *arena, const struct lp_json *pod, const struct lp_json *node);

/* Does one of these nodeSelectorTerms select the node? */
bool lp_place_terms(struct lp_arena *arena, const struct lp_json *terms, const struct lp_json *node);

/* The scheduler, a row of the table in control.c: gives every pod that waits a node, or says why none takes it. */
void lp_place_control(const struct lp_look *look, struct lp_writes *writes);

#endif
