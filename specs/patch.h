/*
 * specs/patch.h - the three patches of the Kubernetes API. Pure: documents in, a new document out.
 *
 * Merge       RFC 7386
 * JSON        RFC 6902; a failed "test" or a missing path is -ENOENT (the API answers 422)
 * Strategic   merge by the rows' keys, with $patch, $setElementOrder, $deleteFromPrimitiveList, $retainKeys
 * Errors      -EINVAL the patch is malformed (400), -ENOENT it does not fit the document (422), -E2BIG too much, -ENOMEM
 * Limits      a JSON patch has at most 10,000 operations; "copy" may not grow the document beyond the arena
 */
#ifndef LP_SPECS_PATCH_H
#define LP_SPECS_PATCH_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "specs/kinds.h"

/* `target` is not changed; *out shares nothing with it. */
int lp_patch_merge(struct lp_arena *arena, const struct lp_json *target, const struct lp_json *patch,
    struct lp_json **out, struct lp_err *err);
int lp_patch_json(struct lp_arena *arena, const struct lp_json *target, const struct lp_json *operations,
    struct lp_json **out, struct lp_err *err);
int lp_patch_strategic(struct lp_arena *arena, enum lp_schema_id schema, const struct lp_json *target,
    const struct lp_json *patch, struct lp_json **out, struct lp_err *err);

#endif
