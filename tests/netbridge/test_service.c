#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/auto.h"
#include "netbridge/service.h"
#include "tests/harness.h"

#define SERVICE 0x0a2b0005u
#define NODE 0xc0a80101u

static const struct lp_service_backend three[] = {
	{ 0x0a2a0005, 3000, true }, { 0x0a2a0105, 3000, false }, { 0x0a2a0006, 3000, true },
};

static const struct lp_service_port web = {
	.name = "default/web", .protocol = IPPROTO_TCP, .port = 80, .node_port = 30001, .cluster_addr = SERVICE,
	.backends = three, .backend_count = 3,
};

static struct lp_service_plan
plan(struct lp_arena *arena, const struct lp_service_port *ports, size_t count, const struct lp_service_host_port *hosts, size_t host_count)
{
	struct lp_service_input input = { ports, count, hosts, host_count };
	struct lp_service_plan out;
	struct lp_err err;

	lp_arena_init(arena, 64 << 20);
	CHECK_OK(lp_service_plan(arena, &input, &out, &err), &err);
	return out;
}

TEST(a_node_port_service_has_one_target_for_both_of_its_ways_in)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_service_plan p = plan(&arena, &web, 1, NULL, 0);

	const struct lp_service_target *target = &p.targets[p.exact[0].target];

	CHECK_INT(p.exact[0].target, p.local[0].target);
	CHECK_INT(target->mode, LP_SERVICE_RANDOM);
	CHECK_INT(target->slot_count, 3);
	CHECK_INT(target->slots[0].addr, 0x0a2a0005);
	CHECK_INT(target->slots[2].addr, 0x0a2a0105);
	CHECK_INT(target->inside, -1);
	CHECK_INT(p.exact_count, 1);
	CHECK_INT(p.exact[0].addr, SERVICE);
	CHECK_INT(p.exact[0].port, 80);
	CHECK_INT(p.local_count, 1);
	CHECK_INT(p.local[0].port, 30001);
	CHECK_INT(p.clashes, 0);
}

TEST(loopback_clients_get_local_backends_while_there_are_some)
{
	lp_auto_arena struct lp_arena arena, other;
	struct lp_service_port port = web;
	struct lp_service_plan p = plan(&arena, &port, 1, NULL, 0);
	const struct lp_service_target *target = &p.targets[p.local[0].target];

	CHECK(target->loopback >= 0);
	CHECK_INT(p.targets[target->loopback].slot_count, 2);
	CHECK_INT(p.targets[target->loopback].loopback, -1);
	port.backend_count = 1;		/* all of them are local */
	p = plan(&other, &port, 1, NULL, 0);
	CHECK_INT(p.target_count, 1);
	CHECK_INT(p.targets[0].loopback, -1);
}

TEST(a_service_without_backends_is_refused_everywhere)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_service_port port = web;
	uint32_t external[] = { NODE };

	port.backend_count = 0;
	port.external = external;
	port.external_count = 1;
	port.external_local = true;
	struct lp_service_plan p = plan(&arena, &port, 1, NULL, 0);

	CHECK_INT(p.target_count, 0);
	CHECK_INT(p.exact_count, 2);
	CHECK_INT(p.exact[0].target, -1);
	CHECK_INT(p.exact[1].target, -1);
	CHECK_INT(p.local[0].target, -1);
}

TEST(a_headless_service_needs_no_rules)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_service_port port = web;

	port.cluster_addr = 0;
	port.node_port = 0;
	struct lp_service_plan p = plan(&arena, &port, 1, NULL, 0);

	CHECK_INT(p.target_count + p.exact_count + p.local_count, 0);
}

TEST(policy_local_has_a_target_for_outsiders_and_one_for_the_cluster)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_service_port port = web;

	port.external_local = true;
	struct lp_service_plan p = plan(&arena, &port, 1, NULL, 0);

	CHECK_INT(p.targets[p.exact[0].target].slot_count, 3);
	CHECK_INT(p.targets[p.local[0].target].slot_count, 2);
	CHECK_INT(p.targets[p.local[0].target].inside, p.exact[0].target);
}

TEST(policy_local_without_a_local_pod_drops_outsiders_and_serves_the_cluster)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_service_port port = web;

	port.external_local = true;
	port.backends = &three[1];
	port.backend_count = 1;
	struct lp_service_plan p = plan(&arena, &port, 1, NULL, 0);

	CHECK_INT(p.targets[p.local[0].target].mode, LP_SERVICE_DROP);
	CHECK_INT(p.targets[p.targets[p.local[0].target].inside].slot_count, 1);
}

TEST(internal_policy_local_narrows_the_cluster_address_only)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_service_port port = web;

	port.internal_local = true;
	struct lp_service_plan p = plan(&arena, &port, 1, NULL, 0);

	CHECK_INT(p.targets[p.exact[0].target].slot_count, 2);
	CHECK_INT(p.targets[p.local[0].target].slot_count, 3);
}

TEST(of_two_rows_with_one_port_the_first_wins_and_the_other_is_counted)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_service_port ports[] = { web, web };
	struct lp_service_host_port hosts[] = {
		{ "default/pod", IPPROTO_TCP, 0, 30001, 0x0a2a0009, 9000 },
		{ "default/pod", IPPROTO_UDP, 0, 30001, 0x0a2a0009, 9000 },
		{ "default/pod", IPPROTO_TCP, NODE, 30001, 0x0a2a0009, 9000 },
	};

	ports[1].name = "default/second";
	ports[1].cluster_addr = SERVICE + 1;
	struct lp_service_plan p = plan(&arena, ports, 2, hosts, 3);

	CHECK_INT(p.clashes, 2);
	CHECK_INT(p.exact_count, 3);
	CHECK_INT(p.local_count, 2);
	CHECK_INT(p.local[0].protocol, IPPROTO_TCP);
	CHECK_STR(p.targets[p.local[0].target].name, "default/web");
	CHECK_INT(p.local[1].protocol, IPPROTO_UDP);
	CHECK_INT(p.targets[p.local[1].target].slots[0].port, 9000);
}

TEST(entries_are_sorted_and_backends_too_so_that_their_order_changes_nothing)
{
	lp_auto_arena struct lp_arena one, two, three_arena;
	struct lp_service_backend turned[] = { three[2], three[1], three[0], three[1] };
	struct lp_service_port port = web;

	struct lp_service_plan a = plan(&one, &web, 1, NULL, 0);

	port.backends = turned;
	port.backend_count = 4;		/* one of them twice */
	struct lp_service_plan b = plan(&two, &port, 1, NULL, 0);

	CHECK(lp_service_same(&a, &b));
	port.backend_count = 3;
	turned[0].port = 3001;
	struct lp_service_plan c = plan(&three_arena, &port, 1, NULL, 0);

	CHECK(!lp_service_same(&a, &c));
}

TEST(other_backends_are_the_same_shape_and_other_ways_in_are_not)
{
	lp_auto_arena struct lp_arena one, two, three_arena;
	struct lp_service_port ports[] = { web, web };

	ports[1].name = "default/second";
	ports[1].cluster_addr = SERVICE + 1;
	ports[1].node_port = 0;
	struct lp_service_plan a = plan(&one, ports, 2, NULL, 0);

	ports[1].backend_count = 2;
	struct lp_service_plan b = plan(&two, ports, 2, NULL, 0);

	CHECK(lp_service_same_shape(&a, &b));
	CHECK(!lp_service_same(&a, &b));
	for (size_t i = 0; i < a.target_count; i++)
		CHECK_INT(lp_service_same_target(&a, &b, i), (int)i != a.exact[1].target);
	ports[1].backend_count = 0;	/* refused: no way in leads to a target */
	struct lp_service_plan c = plan(&three_arena, ports, 2, NULL, 0);

	CHECK(!lp_service_same_shape(&b, &c));
}

TEST(affinity_moves_only_the_clients_of_a_backend_that_left)
{
	lp_auto_arena struct lp_arena one, two;
	struct lp_service_backend backends[10];
	struct lp_service_port port = web;
	int moved = 0, had = 0, share[10] = { 0 };

	for (uint32_t i = 0; i < 10; i++)
		backends[i] = (struct lp_service_backend){ 0x0a2a0010 + i, 3000, true };
	port.affinity = true;
	port.backends = backends;
	port.backend_count = 10;
	struct lp_service_plan a = plan(&one, &port, 1, NULL, 0);

	port.backend_count = 9;
	struct lp_service_plan b = plan(&two, &port, 1, NULL, 0);

	CHECK_INT(a.targets[0].mode, LP_SERVICE_HASHED);
	CHECK_INT(a.targets[0].slot_count, LP_SERVICE_STICKY);
	for (int i = 0; i < LP_SERVICE_STICKY; i++) {
		uint32_t before = a.targets[0].slots[i].addr, after = b.targets[0].slots[i].addr;

		share[before - 0x0a2a0010]++;
		had += before == 0x0a2a0019;
		moved += before != after;
	}
	CHECK_INT(moved, had);
	for (int i = 0; i < 10; i++)
		CHECK(share[i] >= 3);	/* of 12.8 on average */
}

TEST(a_plan_that_does_not_fit_in_memory_fails_whole)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_service_input input = { &web, 1, NULL, 0 };
	struct lp_service_plan out = { .target_count = 77 };
	struct lp_err err;

	for (size_t max = 0; max < 4096; max += 16) {
		int rc;

		lp_arena_init(&arena, max);
		rc = lp_service_plan(&arena, &input, &out, &err);
		if (rc == 0)
			return;
		CHECK_ERR(rc, -ENOMEM);
		CHECK_INT(out.target_count, 77);
		lp_arena_fini(&arena);
	}
	FAIL("4 KiB are enough for one service");
}
