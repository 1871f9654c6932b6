/*
 * agent/guard/guard.h - keeps this node alive: watches memory, disk and processes, and lets a pod go when there is no other way.
 *
 * Event    memory by a PSI trigger on /proc/pressure/memory (0.2 s of stall within 2 s), so that a look comes when it hurts.
 *          For disk and processes the kernel has no event: they are measured with every other wake-up that changes a report, and
 *          by one timer (10 s while pods are there, 1 s under pressure, none on an empty node) that reads and never writes
 * Order    a shortage of disk first takes back unused images and logs of ended runs; then one pod goes at a time, chosen by evict.h,
 *          and what it gave back is measured before the next
 * Limits   ephemeral-storage and emptyDir sizes are measured in a child, at most every 10 s, and only where a pod has such a limit
 */
#ifndef LP_AGENT_GUARD_H
#define LP_AGENT_GUARD_H

#include "base/err.h"

struct lp_agent;
struct lp_guard;
struct lp_pod;

int lp_guard_new(struct lp_agent *agent, struct lp_guard **out, struct lp_err *err);
void lp_guard_free(struct lp_guard *guard);

/* Something changed: look at the end of this turn, or soon when the last look was just now. NULL is fine. */
void lp_guard_look(struct lp_guard *guard);

#endif
