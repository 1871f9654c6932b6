/*
 * runtime/caps.h - capability sets by name, by default, and onto the calling process.
 *
 * Source  capabilities(7); the default set is TRUST.md's "a container that asks for nothing"
 */
#ifndef LP_RUNTIME_CAPS_H
#define LP_RUNTIME_CAPS_H

#include "base/err.h"
#include "runtime/runtime.h"

/* Every capability that this kernel knows. */
uint64_t lp_caps_known(void);

/* Take everything outside `set` out of the bounding set. Needs CAP_SETPCAP. */
int lp_caps_bound(uint64_t set, struct lp_err *err);

/* Permitted, effective, inheritable, ambient as `caps` says; the ids must have been changed before. */
int lp_caps_apply(const struct lp_caps *caps, struct lp_err *err);

/* Are all five sets what `caps` says? -EPERM with words when not. */
int lp_caps_verify(const struct lp_caps *caps, struct lp_err *err);

/* Raise what is permitted into the effective set (setfsuid takes it away). */
int lp_caps_raise(struct lp_err *err);

/* What this process may hold at most: its bounding set. */
uint64_t lp_caps_ceiling(void);

#endif
