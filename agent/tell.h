/*
 * agent/tell.h - what the manager is told: statuses that changed, pods that are gone, events; merged, one report at a time.
 *
 * Theory  Everything is a level with a digest of what the manager last took. A report carries what differs; when it is taken,
 *         its digests become the taken ones. A link that comes back changes nothing here: what was taken is durable there
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
