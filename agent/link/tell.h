/*
 * agent/link/tell.h - what the manager is told: statuses that changed, pods that are gone, events; merged, one report at a time.
 *
 * Theory  Everything is a level with a digest of what the manager last took. A report carries what differs; when it is taken,
 *         its digests become the taken ones. They count for one link: a manager that heard nothing for long has called the node
 *         Unknown and its pods not Ready, or came back from a backup, so a new link (or the line `report`) says everything once
 * Limits  at most LP_AGENT_EVENTS events wait; the oldest goes when there are more
 */
#ifndef LP_AGENT_TELL_H
#define LP_AGENT_TELL_H

#include "base/err.h"

struct lp_agent;
struct lp_tell;

int lp_tell_new(struct lp_agent *agent, struct lp_tell **out, struct lp_err *err);
void lp_tell_free(struct lp_tell *tell);

#endif
