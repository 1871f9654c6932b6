/*
 * manager/change/decide.h - pure: what an object becomes by a change.
 *
 * Result  what to store, remove or leave; the reasons of a refusal are in change->status
 */
#ifndef LP_MANAGER_DECIDE_H
#define LP_MANAGER_DECIDE_H

#include "manager/change/change.h"

/* Finalizers of a deletion that waits for its dependents, or leaves them behind (control/owners.c). */
#define LP_DECIDE_FOREGROUND "foregroundDeletion"
#define LP_DECIDE_ORPHAN "orphan"

enum lp_decide {
	LP_DECIDE_REFUSE,	/* change->status says why */
	LP_DECIDE_KEEP,		/* nothing changes: change->base is the result */
	LP_DECIDE_PUT,		/* store *out */
	LP_DECIDE_REMOVE,	/* take change->base out of the store */
};

/* change->base is what is there (NULL: nothing); wall_ms the time for timestamps. */
enum lp_decide lp_decide(struct lp_change *change, int64_t wall_ms, struct lp_json **out);

/* retire.c: the same for LP_CHANGE_DELETE. */
enum lp_decide lp_retire(struct lp_change *change, int64_t wall_ms, struct lp_json **out);

/* retire.c: may an object with a deletionTimestamp go now (no finalizers left, no grace to wait for)? */
bool lp_retire_due(const struct lp_kind *kind, const struct lp_json *object);

/* retire.c: 0, or -EEXIST with the Status of a failed uid or resourceVersion condition. */
int lp_retire_conditions(struct lp_change *change);

#endif
