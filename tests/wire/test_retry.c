#include "tests/harness.h"
#include "wire/retry.h"

TEST(waits_double_up_to_a_limit_and_are_spread)
{
	struct lp_retry low, high;
	int64_t whole = 100;

	lp_retry_init(&low, 100, 1000, 5000);
	lp_retry_init(&high, 100, 1000, 5000);
	for (int i = 0; i < 10; i++) {
		CHECK_INT(lp_retry_down(&low, 7000, 0, 0), 7000 + whole / 2);
		/* the most that chance can add */
		CHECK_INT(lp_retry_down(&high, 7000, (uint32_t)(whole - whole / 2), 0), 7000 + whole);
		whole = whole * 2 < 1000 ? whole * 2 : 1000;
	}
}

TEST(a_short_success_does_not_start_over_but_a_steady_one_does)
{
	struct lp_retry retry;

	lp_retry_init(&retry, 100, 1000, 5000);
	for (int i = 0; i < 5; i++)
		lp_retry_down(&retry, 0, 0, 0);
	lp_retry_up(&retry, 10000);
	CHECK_INT(lp_retry_down(&retry, 14999, 0, 0), 14999 + 500);
	lp_retry_up(&retry, 20000);
	CHECK_INT(lp_retry_down(&retry, 25000, 0, 0), 25000 + 50);
}

TEST(the_peers_wish_is_obeyed_and_spread_by_a_quarter)
{
	struct lp_retry retry;

	lp_retry_init(&retry, 0, 0, 0);
	CHECK_INT(lp_retry_down(&retry, 1000, 0, 4000), 5000);
	CHECK_INT(lp_retry_down(&retry, 1000, 1000, 4000), 6000);
	CHECK_INT(lp_retry_down(&retry, 1000, 1001, 4000), 5000);
}

TEST(a_thousand_failures_do_not_overflow)
{
	struct lp_retry retry;

	lp_retry_init(&retry, 500, 60000, 0);
	for (int i = 0; i < 1000; i++) {
		int64_t due = lp_retry_down(&retry, 0, UINT32_MAX, 0);

		CHECK(due >= 250 && due <= 60000);
	}
}
