/*
 * agent/convert/ceiling_pod.h - pure: may this pod run under the ceiling of this node?
 *
 * Result  a reason for the pod's status, with words that name the field and the limit
 */
#ifndef LP_AGENT_CEILING_POD_H
#define LP_AGENT_CEILING_POD_H

#include <stddef.h>

#include "agent/facts/ceiling.h"
#include "base/err.h"
#include "specs/kinds.h"

/* NULL: the pod may run here. Else the reason ("NodeCeiling", "SysctlForbidden"), and err says field and limit. `others`: pods beside it. */
const char *lp_ceiling_pod_refuses(const struct lp_ceiling *ceiling, const struct lp_spec_pod *pod, size_t others, struct lp_err *err);

#endif
