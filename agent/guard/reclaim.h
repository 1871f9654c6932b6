/*
 * agent/guard/reclaim.h - directories of volumes that the manager is deleting.
 *
 * Rule    only a PersistentVolume of this node's revision that has a deletionTimestamp says that a directory goes; one that no volume
 *         names stays: a manager that was restored from an old backup must not cost data (TRUST.md rule 14)
 * Told    what is gone is in the report ("volumesGone") until the volume leaves the revision
 */
#ifndef LP_AGENT_RECLAIM_H
#define LP_AGENT_RECLAIM_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

struct lp_agent;
struct lp_reclaim;

int lp_reclaim_new(struct lp_agent *agent, struct lp_reclaim **out, struct lp_err *err);
void lp_reclaim_free(struct lp_reclaim *reclaim);

/* A revision was applied: remove what is to go, in a child, one after the other. NULL does nothing. */
void lp_reclaim_look(struct lp_reclaim *reclaim);

/* Adds what is gone to a report. True when the manager has not been told yet. */
bool lp_reclaim_report(struct lp_reclaim *reclaim, struct lp_arena *arena, struct lp_json *report);
/* The last report was taken. */
void lp_reclaim_told(struct lp_reclaim *reclaim);

#endif
