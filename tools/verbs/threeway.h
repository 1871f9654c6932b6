/*
 * tools/verbs/threeway.h - the patch of `apply`: last applied, wanted and present object -> strategic merge patch. Pure.
 *
 * Rule    what the wanted object says is set; what was last applied and is no longer wanted is removed; what somebody else
 *         set is left alone. Lists merge as their rows in specs/kinds say, others are replaced whole
 * Source  kubectl pkg/cmd/apply/patcher.go; apimachinery strategicpatch CreateThreeWayMergePatch
 */
#ifndef LP_TOOLS_VERBS_THREEWAY_H
#define LP_TOOLS_VERBS_THREEWAY_H

#include "base/arena.h"
#include "base/json.h"
#include "specs/kinds.h"

/* original may be NULL. An empty object when nothing is to be done; NULL without memory. */
struct lp_json *lp_threeway_patch(struct lp_arena *arena, enum lp_schema_id schema, const struct lp_json *original,
    const struct lp_json *modified, const struct lp_json *current);

#endif
