#include "keeper/probe.h"
#include "tests/harness.h"

static const struct lp_control_probe startup = { .kind = LP_CONTROL_STARTUP, .period_ms = 2000, .failure_threshold = 2 };
static const struct lp_control_probe liveness = { .kind = LP_CONTROL_LIVENESS, .initial_delay_ms = 5000, .period_ms = 1000 };
static const struct lp_control_probe readiness = { .kind = LP_CONTROL_READINESS, .success_threshold = 2, .failure_threshold = 2 };

static bool
say(struct lp_probe *probe, const struct lp_control_probe *spec, enum lp_probe_answer answer)
{
	lp_probe_ask(probe, spec, 0);
	return lp_probe_answer(probe, spec, answer);
}

TEST(a_probe_is_asked_when_its_delay_has_passed_and_then_every_period)
{
	struct lp_probe probe;

	lp_probe_begin(&probe, &liveness, 100);
	CHECK_INT(lp_probe_due_ms(&probe), 5100);
	lp_probe_ask(&probe, &liveness, 5200);
	CHECK_INT(lp_probe_due_ms(&probe), INT64_MAX);
	(void)lp_probe_answer(&probe, &liveness, LP_PROBE_SUCCESS);
	CHECK_INT(lp_probe_due_ms(&probe), 6200);
}

TEST(a_period_that_is_not_said_is_ten_seconds)
{
	struct lp_probe probe;

	lp_probe_begin(&probe, &readiness, 0);
	CHECK_INT(lp_probe_due_ms(&probe), 0);
	lp_probe_ask(&probe, &readiness, 7);
	(void)lp_probe_answer(&probe, &readiness, LP_PROBE_FAILURE);
	CHECK_INT(lp_probe_due_ms(&probe), 10007);
}

TEST(at_first_a_container_is_taken_for_alive_and_not_for_ready)
{
	struct lp_probe probe;

	lp_probe_begin(&probe, &liveness, 0);
	CHECK_INT(probe.result, LP_PROBE_SUCCESS);
	lp_probe_begin(&probe, &readiness, 0);
	CHECK_INT(probe.result, LP_PROBE_FAILURE);
	lp_probe_begin(&probe, &startup, 0);
	CHECK_INT(probe.result, LP_PROBE_UNKNOWN);
}

TEST(only_answers_that_repeat_often_enough_turn_the_result)
{
	struct lp_probe probe;

	lp_probe_begin(&probe, &readiness, 0);
	CHECK(!say(&probe, &readiness, LP_PROBE_SUCCESS));
	CHECK(!say(&probe, &readiness, LP_PROBE_FAILURE));
	CHECK(!say(&probe, &readiness, LP_PROBE_SUCCESS));
	CHECK(say(&probe, &readiness, LP_PROBE_SUCCESS));
	CHECK_INT(probe.result, LP_PROBE_SUCCESS);
	CHECK(!say(&probe, &readiness, LP_PROBE_FAILURE));
	CHECK(say(&probe, &readiness, LP_PROBE_FAILURE));
	CHECK_INT(probe.result, LP_PROBE_FAILURE);
	CHECK(!probe.held);		/* readiness may come back */
}

TEST(three_failures_in_a_row_end_a_container_and_it_is_not_asked_again)
{
	struct lp_probe probe;

	lp_probe_begin(&probe, &liveness, 0);
	CHECK(!say(&probe, &liveness, LP_PROBE_FAILURE));
	CHECK(!say(&probe, &liveness, LP_PROBE_FAILURE));
	CHECK(!say(&probe, &liveness, LP_PROBE_SUCCESS));
	CHECK(!say(&probe, &liveness, LP_PROBE_FAILURE));
	CHECK(!say(&probe, &liveness, LP_PROBE_FAILURE));
	CHECK(say(&probe, &liveness, LP_PROBE_FAILURE));
	CHECK_INT(lp_probe_due_ms(&probe), INT64_MAX);
	lp_probe_begin(&probe, &liveness, 0);
	CHECK_INT(lp_probe_due_ms(&probe), 5000);
}

TEST(an_answer_that_could_not_be_had_says_nothing)
{
	struct lp_probe probe;

	lp_probe_begin(&probe, &startup, 0);
	CHECK(!say(&probe, &startup, LP_PROBE_FAILURE));
	CHECK(!say(&probe, &startup, LP_PROBE_UNKNOWN));
	CHECK_INT(probe.result, LP_PROBE_UNKNOWN);
	CHECK(say(&probe, &startup, LP_PROBE_FAILURE));
}

TEST(liveness_and_readiness_wait_for_the_startup_probe_and_it_rests_afterwards)
{
	CHECK(!lp_probe_wanted(&startup, false, false, false));
	CHECK(lp_probe_wanted(&startup, true, false, false));
	CHECK(!lp_probe_wanted(&liveness, true, false, false));
	CHECK(!lp_probe_wanted(&readiness, true, false, false));
	CHECK(!lp_probe_wanted(&startup, true, true, false));
	CHECK(lp_probe_wanted(&liveness, true, true, false));
	CHECK(lp_probe_wanted(&readiness, true, true, false));
}

TEST(a_container_that_was_asked_to_end_need_not_be_alive_but_may_be_unready)
{
	CHECK(!lp_probe_wanted(&liveness, true, true, true));
	CHECK(lp_probe_wanted(&readiness, true, true, true));
	CHECK(!lp_probe_wanted(&startup, true, false, true));
}
