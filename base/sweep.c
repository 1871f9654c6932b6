#include "base/sweep.h"

#include <errno.h>

void
lp_sweep_init(struct lp_sweep *sweep, lp_sweep_same_fn same, lp_sweep_changed_fn changed, void *arg)
{
	*sweep = (struct lp_sweep){ .same = same, .changed = changed, .arg = arg };
}

void
lp_sweep_fini(struct lp_sweep *sweep)
{
	lp_map_fini(&sweep->present);
	lp_map_fini(&sweep->wanted);
}

void
lp_sweep_begin(struct lp_sweep *sweep)
{
	lp_map_fini(&sweep->wanted);
}

int
lp_sweep_want(struct lp_sweep *sweep, const char *key, void *value)
{
	return lp_map_put(&sweep->wanted, key, value, NULL);
}

static bool
same(const struct lp_sweep *sweep, const void *a, const void *b)
{
	return sweep->same ? sweep->same(a, b) : a == b;
}

int
lp_sweep_end(struct lp_sweep *sweep)
{
	struct lp_map before = sweep->present;
	const char *key;
	void *value, *old;
	size_t pos;

	sweep->present = sweep->wanted;
	lp_map_init(&sweep->wanted);

	/* What is added may need what was freed: gone, then changed, then added. */
	for (pos = 0; lp_map_next(&before, &pos, &key, &old);)
		if (!lp_map_get(&sweep->present, key))
			sweep->changed(sweep->arg, key, old, NULL);
	for (pos = 0; lp_map_next(&sweep->present, &pos, &key, &value);) {
		old = lp_map_get(&before, key);
		if (old && !same(sweep, old, value))
			sweep->changed(sweep->arg, key, old, value);
	}
	for (pos = 0; lp_map_next(&sweep->present, &pos, &key, &value);)
		if (!lp_map_get(&before, key))
			sweep->changed(sweep->arg, key, NULL, value);
	lp_map_fini(&before);
	return 0;
}
