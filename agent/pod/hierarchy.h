/*
 * agent/pod/hierarchy.h - the cgroups above the pods': <instance>/{guaranteed,burstable,besteffort}/pod<uid>, and what they weigh.
 *
 * Instance  may use what the machine has less what is reserved, so that a system beside us stays alive (node allocatable)
 * Classes   burstable and guaranteed weigh what their pods request; besteffort the least there is
 * Last      agent -999 for the OOM killer, and memory of <instance>/system (keepers) that is not reclaimed
 * Missing   what the kernel here cannot do is left out; the node's condition LimitsUnavailable says so
 */
#ifndef LP_AGENT_HIERARCHY_H
#define LP_AGENT_HIERARCHY_H

#include "agent/node/measure.h"
#include "base/err.h"

struct lp_agent;
struct lp_pod;

/* Once at the start: limits of the instance, protection of ourselves; with `enter` this process moves to <instance>/system. */
void lp_hierarchy_protect(struct lp_agent *agent, bool enter);

/* Weights of the classes; writes only what changed. */
void lp_hierarchy_weigh(struct lp_agent *agent);

/* The cgroup of a pod, or of one run of a container in it (NULL: the pod's). -ENOENT. */
int lp_hierarchy_open(const struct lp_pod *pod, const char *container, uint64_t attempt, int *out_fd, struct lp_err *err);

/* What a pod uses. */
int lp_hierarchy_measure(const struct lp_pod *pod, struct lp_measure_use *out, struct lp_err *err);

#endif
