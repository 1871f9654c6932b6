#include "agent/pod/podplan.h"
#include "tests/harness.h"

static enum lp_podplan_step
step(struct lp_podplan_facts facts)
{
	int64_t due_ms;

	return lp_podplan_next(&facts, 1000, &due_ms);
}

TEST(a_wanted_pod_without_keeper_is_started)
{
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true }), LP_PODPLAN_START);
}

TEST(a_start_that_failed_waits_for_its_time)
{
	struct lp_podplan_facts facts = { .wanted = true, .retry_ms = 1001 };
	int64_t due_ms = 0;

	CHECK_INT(lp_podplan_next(&facts, 1000, &due_ms), LP_PODPLAN_WAIT);
	CHECK_INT(due_ms, 1001);
	CHECK_INT(lp_podplan_next(&facts, 1001, &due_ms), LP_PODPLAN_START);
}

TEST(a_pod_that_has_ended_is_not_started_again)
{
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .finished = true }), LP_PODPLAN_WAIT);
}

TEST(a_ready_keeper_gets_its_network)
{
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .keeper = LP_PODPLAN_READY }), LP_PODPLAN_CONNECT);
}

TEST(the_end_of_a_pod_is_written_down_before_its_keeper_may_forget)
{
	struct lp_podplan_facts facts = { .wanted = true, .keeper = LP_PODPLAN_DONE };

	CHECK_INT(step(facts), LP_PODPLAN_FINISH);
	facts.finished = true;
	CHECK_INT(step(facts), LP_PODPLAN_FORGET);
	facts.forgetting = true;
	CHECK_INT(step(facts), LP_PODPLAN_WAIT);
}

TEST(a_pod_that_could_not_be_made_has_not_ended)
{
	struct lp_podplan_facts facts = { .wanted = true, .unmade = true, .retry_ms = 2000, .keeper = LP_PODPLAN_DONE };
	int64_t due_ms = 0;

	CHECK_INT(step(facts), LP_PODPLAN_FORGET);
	facts.forgetting = true;
	CHECK_INT(step(facts), LP_PODPLAN_WAIT);
	facts.forgetting = false;
	facts.keeper = LP_PODPLAN_NONE;
	CHECK_INT(step(facts), LP_PODPLAN_WAIT);
	CHECK_INT(lp_podplan_next(&facts, 2000, &due_ms), LP_PODPLAN_START);
}

TEST(an_unwanted_pod_is_stopped_then_forgotten_then_retired)
{
	struct lp_podplan_facts facts = { .keeper = LP_PODPLAN_RUNNING };

	CHECK_INT(step(facts), LP_PODPLAN_STOP);
	facts.stop_asked = true;
	CHECK_INT(step(facts), LP_PODPLAN_WAIT);
	facts.keeper = LP_PODPLAN_DONE;
	CHECK_INT(step(facts), LP_PODPLAN_FORGET);
	facts.keeper = LP_PODPLAN_NONE;
	CHECK_INT(step(facts), LP_PODPLAN_RETIRE);
}

TEST(what_a_dead_keeper_left_is_cleaned_up_before_anything_else)
{
	for (int wanted = 0; wanted < 2; wanted++)
		for (int finished = 0; finished < 2; finished++)
			CHECK_INT(step((struct lp_podplan_facts){ .wanted = wanted, .finished = finished, .keeper = LP_PODPLAN_LOST }),
			    LP_PODPLAN_CLEAN);
}

/* Whatever the facts, a step is never one that the keeper's state forbids. */
TEST(every_combination_of_facts_gives_a_step_that_fits_the_keeper)
{
	for (unsigned bits = 0; bits < 32; bits++) {
		for (int keeper = LP_PODPLAN_NONE; keeper <= LP_PODPLAN_LOST; keeper++) {
			struct lp_podplan_facts facts = { .wanted = bits & 1, .leaving = bits & 2, .finished = bits & 4,
				.stop_asked = bits & 8, .forgetting = bits & 16, .keeper = (enum lp_podplan_keeper)keeper };
			enum lp_podplan_step next = step(facts);

			if (next == LP_PODPLAN_START || next == LP_PODPLAN_RETIRE)
				CHECK_INT(keeper, LP_PODPLAN_NONE);
			if (next == LP_PODPLAN_START)
				CHECK(facts.wanted && !facts.leaving && !facts.finished);
			if (next == LP_PODPLAN_CONNECT)
				CHECK(keeper == LP_PODPLAN_READY && facts.wanted && !facts.leaving);
			if (next == LP_PODPLAN_FORGET || next == LP_PODPLAN_FINISH)
				CHECK_INT(keeper, LP_PODPLAN_DONE);
			if (next == LP_PODPLAN_STOP)
				CHECK(!facts.wanted || facts.leaving);
			if (next == LP_PODPLAN_CLEAN)
				CHECK_INT(keeper, LP_PODPLAN_LOST);
		}
	}
}

TEST(a_pod_that_may_not_go_on_is_stopped_its_end_is_written_twice_and_it_never_starts_again)
{
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .failed = true, .finished = true, .keeper = LP_PODPLAN_RUNNING }),
	    LP_PODPLAN_STOP);
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .failed = true, .finished = true, .stop_asked = true,
	    .keeper = LP_PODPLAN_RUNNING }), LP_PODPLAN_WAIT);
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .failed = true, .finished = true, .stop_asked = true,
	    .keeper = LP_PODPLAN_DONE }), LP_PODPLAN_FINISH);
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .failed = true, .finished = true, .settled = true, .stop_asked = true,
	    .keeper = LP_PODPLAN_DONE }), LP_PODPLAN_FORGET);
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .failed = true, .finished = true, .settled = true,
	    .keeper = LP_PODPLAN_NONE }), LP_PODPLAN_WAIT);
	/* A disk that was too full for the first writing. */
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .failed = true, .keeper = LP_PODPLAN_NONE }), LP_PODPLAN_FINISH);
	CHECK_INT(step((struct lp_podplan_facts){ .wanted = true, .failed = true, .keeper = LP_PODPLAN_LOST }), LP_PODPLAN_CLEAN);
	CHECK_INT(step((struct lp_podplan_facts){ .failed = true, .finished = true, .keeper = LP_PODPLAN_NONE }), LP_PODPLAN_RETIRE);
}

TEST(the_time_of_a_pod_runs_on_when_its_keeper_was_lost)
{
	CHECK_INT(lp_podplan_time_left(0, 1000, 9000), 0);
	CHECK_INT(lp_podplan_time_left(5000, 0, 9000), 5000);
	CHECK_INT(lp_podplan_time_left(5000, 7000, 9000), 3000);
	CHECK_INT(lp_podplan_time_left(5000, 4000, 9000), 1);	/* it ends at once */
	CHECK_INT(lp_podplan_time_left(5000, 9500, 9000), 5000);
	CHECK_INT(lp_podplan_time_left(INT64_MAX, 1, INT64_MAX), 1);
}
