#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "agent/net/hostnet.h"
#include "base/auto.h"
#include "netbridge/addr.h"
#include "tests/harness.h"
#include "tests/kernel/lan.h"

static void
count(void *arg)
{
	++*(unsigned *)arg;
}

/* Turn until fn was called `want` times, or for so long. */
static void
turn(struct lp_loop *loop, const unsigned *called, unsigned want, int ms)
{
	int64_t deadline = 0;

	while (*called < want && lp_test_wait(&deadline, ms))
		CHECK_OK(lp_loop_turn(loop, 10, NULL), NULL);
}

TEST(a_changed_address_or_route_is_told_once_and_a_pod_is_not)
{
	struct lp_addr_route route = { .dst = 0x0a630000, .prefix = 24, .gateway = LP_LAN_OTHER };
	struct lp_hostnet *hostnet;
	struct lp_netlink nl;
	struct lp_link lan;
	struct lp_loop *loop;
	struct lp_lan node;
	struct lp_err err;
	unsigned called = 0;
	uint32_t addr;

	lp_lan_start(&node);
	CHECK_OK(lp_loop_new(&loop, &err), &err);
	CHECK_OK(lp_hostnet_new(loop, count, &called, &hostnet, &err), &err);
	CHECK_OK(lp_netlink_open(&nl, NETLINK_ROUTE, &err), &err);
	CHECK_OK(lp_link_find(&nl, "lan0", &lan, &err), &err);

	for (uint32_t i = 1; i < 9; i++)
		lp_addr_add(&nl, lan.index, LP_LAN_NODE + 16 + i, 24);
	CHECK_OK(lp_netlink_commit(&nl, &err), &err);
	turn(loop, &called, 1, 3000);
	CHECK_INT(called, 1);

	lp_addr_add_route(&nl, &route);
	CHECK_OK(lp_netlink_commit(&nl, &err), &err);
	turn(loop, &called, 2, 3000);
	CHECK_INT(called, 2);

	(void)lp_lan_pod(&node, "a", &addr);
	turn(loop, &called, 3, 2 * LP_HOSTNET_SETTLE_MS);
	CHECK_INT(called, 2);
	lp_netlink_close(&nl);
	lp_hostnet_free(hostnet);
	lp_loop_free(loop);
	lp_lan_stop(&node);
}
