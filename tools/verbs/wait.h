/*
 * tools/verbs/wait.h - wait until an object is gone or fits: by watching, never by asking again and again.
 */
#ifndef LP_TOOLS_VERBS_WAIT_H
#define LP_TOOLS_VERBS_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "specs/kind.h"
#include "tools/verbs/context.h"

/* Does it fit? 1 yes, 0 not yet, negative: give up. object NULL: it is not there. */
typedef int (*lp_wait_fn)(void *arg, const struct lp_json *object);

/* deadline_ms: boot time, 0 never. -ETIMEDOUT, or what fits() gave up with. */
int lp_wait_until(struct lp_context *ctx, const struct lp_kind *kind, const char *namespace, const char *name, int64_t deadline_ms,
    lp_wait_fn fits, void *arg);

/* Until it is gone, or another one (uid, may be NULL) has its name. */
int lp_wait_gone(struct lp_context *ctx, const struct lp_kind *kind, const char *namespace, const char *name, const char *uid,
    int64_t deadline_ms);

#endif
