#include "keeper/restart.h"
#include "tests/harness.h"

TEST(a_container_that_failed_restarts_unless_the_policy_is_never)
{
	CHECK(lp_restart_wanted(LP_RESTART_ALWAYS, false, 1));
	CHECK(lp_restart_wanted(LP_RESTART_ON_FAILURE, false, 1));
	CHECK(!lp_restart_wanted(LP_RESTART_NEVER, false, 1));
}

TEST(a_container_that_succeeded_restarts_only_under_always)
{
	CHECK(lp_restart_wanted(LP_RESTART_ALWAYS, false, 0));
	CHECK(!lp_restart_wanted(LP_RESTART_ON_FAILURE, false, 0));
	CHECK(!lp_restart_wanted(LP_RESTART_NEVER, false, 0));
}

TEST(an_init_container_that_succeeded_never_restarts)
{
	CHECK(!lp_restart_wanted(LP_RESTART_ALWAYS, true, 0));
	CHECK(lp_restart_wanted(LP_RESTART_ALWAYS, true, 3));
	CHECK(!lp_restart_wanted(LP_RESTART_NEVER, true, 3));
}

TEST(the_first_restart_is_immediate_and_the_pause_then_doubles_to_five_minutes)
{
	static const int64_t want[] = { 0, 10000, 20000, 40000, 80000, 160000, 300000, 300000, 300000 };
	struct lp_restart_limits limits = { 0, 0 };
	int64_t delay = -1;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		delay = lp_restart_delay_ms(&limits, delay, 50);
		CHECK_INT(delay, want[i]);
	}
}

TEST(a_run_of_ten_minutes_makes_the_next_restart_immediate_again)
{
	struct lp_restart_limits limits = { 0, 0 };

	CHECK_INT(lp_restart_delay_ms(&limits, 300000, LP_RESTART_RESET_MS - 1), 300000);
	CHECK_INT(lp_restart_delay_ms(&limits, 300000, LP_RESTART_RESET_MS), 0);
}

TEST(the_limits_of_the_node_hold_even_when_the_base_is_above_the_ceiling)
{
	struct lp_restart_limits limits = { .base_ms = 500, .max_ms = 100 };

	CHECK_INT(lp_restart_delay_ms(&limits, -1, 0), 0);
	CHECK_INT(lp_restart_delay_ms(&limits, 0, 0), 100);
	CHECK_INT(lp_restart_delay_ms(&limits, 100, 0), 100);
}

TEST(doubling_does_not_overflow)
{
	struct lp_restart_limits limits = { .base_ms = INT64_MAX / 2 + 1, .max_ms = INT64_MAX };
	int64_t delay = lp_restart_delay_ms(&limits, 0, 0);

	CHECK_INT(lp_restart_delay_ms(&limits, delay, 0), INT64_MAX);
	CHECK_INT(lp_restart_delay_ms(&limits, INT64_MAX, 0), INT64_MAX);
}
