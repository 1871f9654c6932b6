/*
 * agent/net/services.h - what the network of this node must be: Services, local pods and peers -> packet filter, routes, DNS zone.
 *
 * Theory  "Services are node-true": endpoints of local pods come from what really runs here (lp_pod_is_ready, pod->addr, labels
 *         against the Service's selector), those of other nodes from the last `peers` line. Conversion is pure; apply() then
 *         hands the result to netbridge (one transaction) and to the resolver
 */
#ifndef LP_AGENT_SERVICES_H
#define LP_AGENT_SERVICES_H

#include "base/err.h"

struct lp_agent;

/* Look at everything again and make it true. Does nothing where nothing changed. Called at the end of a turn. */
int lp_services_apply(struct lp_agent *agent, struct lp_err *err);

/* Services are known and applied for the first time: what may come later, does. */
void lp_services_settle(struct lp_agent *agent);

/*
 * The last peers line lies in <run>/peers (memory), so that the agent after this one knows the other nodes' endpoints before its link
 * is up. Failing costs that, and nothing else.
 */
int lp_services_keep_peers(struct lp_agent *agent, struct lp_err *err);
/* 0 also when there is none. */
int lp_services_load_peers(struct lp_agent *agent, struct lp_err *err);

#endif
