#include <stdlib.h>

#include "base/auto.h"
#include "netbridge/netplan.h"
#include "tests/harness.h"

static void
plan(struct lp_arena *arena, const struct lp_netplan_route *wanted, size_t w, const struct lp_netplan_route *present, size_t p,
    struct lp_netplan_change **out, size_t *count)
{
	struct lp_err err;

	lp_arena_init(arena, 1 << 20);
	CHECK_OK(lp_netplan_routes(arena, wanted, w, present, p, out, count, &err), &err);
}

TEST(what_is_as_it_should_be_stays)
{
	struct lp_netplan_route routes[] = { { 0x0a2a0200, 24, 2 }, { 0x0a2a0100, 24, 1 } }, other[] = { routes[1], routes[0] };
	struct lp_netplan_change *changes;
	struct lp_arena arena;
	size_t count;

	plan(&arena, routes, 2, other, 2, &changes, &count);
	CHECK_INT(count, 0);
	lp_arena_fini(&arena);
	plan(&arena, NULL, 0, NULL, 0, &changes, &count);
	CHECK_INT(count, 0);
	lp_arena_fini(&arena);
}

TEST(removing_comes_before_replacing_and_that_before_adding)
{
	struct lp_netplan_route wanted[] = { { 0x0a2a0100, 24, 1 }, { 0x0a2a0200, 24, 9 }, { 0x0a2a0200, 24, 7 } };
	struct lp_netplan_route present[] = { { 0x0a2a0200, 24, 2 }, { 0x0a2a0300, 24, 3 }, { 0x0a2a0000, 16, 3 } };
	struct lp_netplan_change *changes;
	struct lp_arena arena;
	size_t count;

	plan(&arena, wanted, 3, present, 3, &changes, &count);
	CHECK_INT(count, 4);
	CHECK_INT(changes[0].step, LP_NETPLAN_REMOVE);
	CHECK_INT(changes[0].route.prefix, 16);
	CHECK_INT(changes[1].step, LP_NETPLAN_REMOVE);
	CHECK_INT(changes[1].route.dst, 0x0a2a0300);
	CHECK_INT(changes[2].step, LP_NETPLAN_REPLACE);
	CHECK_INT(changes[2].route.gateway, 9);		/* of two wanted the first counts */
	CHECK_INT(changes[3].step, LP_NETPLAN_ADD);
	CHECK_INT(changes[3].route.dst, 0x0a2a0100);
	lp_arena_fini(&arena);
}

/* Carry the changes out on a list. */
static size_t
apply(struct lp_netplan_route *have, size_t count, const struct lp_netplan_change *change)
{
	size_t at = 0;

	while (at < count && (have[at].dst != change->route.dst || have[at].prefix != change->route.prefix))
		at++;
	switch (change->step) {
	case LP_NETPLAN_REMOVE:
		CHECK(at < count);
		have[at] = have[count - 1];
		return count - 1;
	case LP_NETPLAN_REPLACE:
		CHECK(at < count);
		have[at] = change->route;
		return count;
	case LP_NETPLAN_ADD:
		CHECK_INT(at, count);
		have[at] = change->route;
		return count + 1;
	}
	return count;
}

TEST(any_list_becomes_any_other)
{
	srandom(7);
	for (int round = 0; round < 2000; round++) {
		struct lp_netplan_route wanted[8], have[16];
		struct lp_netplan_change *changes;
		struct lp_arena arena;
		size_t w = (size_t)random() % 8, h = 0, count, again;

		for (uint32_t i = 0; i < 8; i++) {
			wanted[i] = (struct lp_netplan_route){ (uint32_t)(random() % 6) << 8, 24, (uint32_t)random() % 3 };
			if (i < 6 && random() % 2)
				have[h++] = (struct lp_netplan_route){ i << 8, 24, (uint32_t)random() % 3 };
		}
		plan(&arena, wanted, w, have, h, &changes, &count);
		for (size_t i = 0; i < count; i++)
			h = apply(have, h, &changes[i]);
		lp_arena_fini(&arena);
		plan(&arena, wanted, w, have, h, &changes, &again);
		CHECK_INT(again, 0);
		lp_arena_fini(&arena);
	}
}
