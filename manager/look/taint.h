/*
 * manager/look/taint.h - pure: taints of nodes and who bears them.
 */
#ifndef LP_MANAGER_TAINT_H
#define LP_MANAGER_TAINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

/* For how long this pod bears a NoExecute taint; INT64_MAX when for ever, 0 when not at all. */
int64_t lp_taint_borne_s(const struct lp_json *pod, const struct lp_json *taint);

/* Does one of the pod's tolerations match the taint? */
bool lp_taint_tolerated(const struct lp_json *pod, const struct lp_json *taint);

/* The first taint with effect NoSchedule or NoExecute that the pod does not tolerate; NULL when there is none. */
const struct lp_json *lp_taint_first(const struct lp_json *node, const struct lp_json *pod);

/* Does the node have a taint of this key and effect? */
bool lp_taint_has(const struct lp_json *node, const char *key, const char *effect);

#endif
