#include "netbridge/netplan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
compare_routes(const void *a, const void *b)
{
	const struct lp_netplan_route *x = a, *y = b;

	if (x->dst != y->dst)
		return x->dst < y->dst ? -1 : 1;
	return (x->prefix > y->prefix) - (x->prefix < y->prefix);
}

/* Sorted by destination, one for each; insertion keeps the first of equals. */
static struct lp_netplan_route *
sorted(struct lp_arena *arena, const struct lp_netplan_route *from, size_t count, size_t *out_count)
{
	struct lp_netplan_route *to = lp_arena_alloc(arena, (count + 1) * sizeof(*to));
	size_t kept = 0;

	for (size_t i = 0; to && i < count; i++) {
		size_t low = 0, high = kept;

		while (low < high) {
			size_t middle = (low + high) / 2;

			if (compare_routes(&to[middle], &from[i]) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		if (low < kept && compare_routes(&to[low], &from[i]) == 0)
			continue;
		memmove(&to[low + 1], &to[low], (kept - low) * sizeof(*to));
		to[low] = from[i];
		kept++;
	}
	*out_count = kept;
	return to;
}

int
lp_netplan_routes(struct lp_arena *arena, const struct lp_netplan_route *wanted, size_t wanted_count,
    const struct lp_netplan_route *present, size_t present_count, struct lp_netplan_change **out, size_t *out_count, struct lp_err *err)
{
	struct lp_netplan_change *changes = lp_arena_alloc(arena, (wanted_count + present_count + 1) * sizeof(*changes));
	struct lp_netplan_route *want = sorted(arena, wanted, wanted_count, &wanted_count);
	struct lp_netplan_route *have = sorted(arena, present, present_count, &present_count);
	size_t count = 0;

	if (!changes || !want || !have)
		return lp_err_set(err, -ENOMEM, "plan of %zu routes", wanted_count);
	for (int step = LP_NETPLAN_REMOVE; step <= LP_NETPLAN_ADD; step++) {
		size_t w = 0, h = 0;

		while (w < wanted_count || h < present_count) {
			int order = w == wanted_count ? 1 : h == present_count ? -1 : compare_routes(&want[w], &have[h]);

			if (order > 0 && step == LP_NETPLAN_REMOVE)
				changes[count++] = (struct lp_netplan_change){ LP_NETPLAN_REMOVE, have[h] };
			if (order == 0 && step == LP_NETPLAN_REPLACE && want[w].gateway != have[h].gateway)
				changes[count++] = (struct lp_netplan_change){ LP_NETPLAN_REPLACE, want[w] };
			if (order < 0 && step == LP_NETPLAN_ADD)
				changes[count++] = (struct lp_netplan_change){ LP_NETPLAN_ADD, want[w] };
			w += order <= 0;
			h += order >= 0;
		}
	}
	*out = changes;
	*out_count = count;
	return 0;
}
