/*
 * base/sweep.h - a keyed set that is told, again and again, everything that should be there.
 *
 * Use     lp_sweep_begin(&set); for each wanted: lp_sweep_want(&set, key, value); lp_sweep_end(&set);
 * Reports changed(arg, key, old, new): old NULL = added, new NULL = gone; gone first, then changed, then added
 * Errors  -ENOMEM; after an error the set is as it was before begin
 */
#ifndef LP_BASE_SWEEP_H
#define LP_BASE_SWEEP_H

#include <stdbool.h>

#include "base/map.h"

typedef bool (*lp_sweep_same_fn)(const void *a, const void *b);
typedef void (*lp_sweep_changed_fn)(void *arg, const char *key, void *old_value, void *new_value);

struct lp_sweep {
	struct lp_map present, wanted;
	lp_sweep_same_fn same;		/* NULL: pointers are compared */
	lp_sweep_changed_fn changed;
	void *arg;
};

void lp_sweep_init(struct lp_sweep *sweep, lp_sweep_same_fn same, lp_sweep_changed_fn changed, void *arg);
void lp_sweep_fini(struct lp_sweep *sweep);
void lp_sweep_begin(struct lp_sweep *sweep);
int lp_sweep_want(struct lp_sweep *sweep, const char *key, void *value);
int lp_sweep_end(struct lp_sweep *sweep);

#endif
