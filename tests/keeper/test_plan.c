#include <stdbool.h>
#include <string.h>

#include "keeper/plan.h"
#include "tests/harness.h"

static enum lp_plan_step
look(const struct lp_plan_pod *pod, const struct lp_plan_container *c, size_t count, int64_t now, size_t want_index)
{
	size_t index;
	int64_t due;
	enum lp_plan_step step = lp_plan_next(pod, c, count, now, &index, &due);

	if (step == LP_STEP_START || step == LP_STEP_ASK || step == LP_STEP_SIGNAL || step == LP_STEP_KILL)
		CHECK_INT(index, want_index);
	return step;
}

TEST(nothing_starts_before_the_network_is_there)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS };
	struct lp_plan_container c[1] = { { .role = LP_PLAN_MAIN } };

	CHECK_INT(look(&pod, c, 1, 0, 0), LP_STEP_NONE);
	pod.go = true;
	CHECK_INT(look(&pod, c, 1, 0, 0), LP_STEP_START);
}

TEST(init_containers_run_one_after_the_other_before_the_main_ones)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true };
	struct lp_plan_container c[4] = { { .role = LP_PLAN_INIT }, { .role = LP_PLAN_INIT }, { 0 }, { 0 } };

	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_START);
	c[0].state = LP_PLAN_RUNNING;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_NONE);
	c[0].state = LP_PLAN_EXITED;
	CHECK_INT(look(&pod, c, 4, 0, 1), LP_STEP_START);
	c[1].state = LP_PLAN_EXITED;
	CHECK_INT(look(&pod, c, 4, 0, 2), LP_STEP_START);
	c[2].state = LP_PLAN_RUNNING;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_NONE);	/* its postStart hook runs */
	c[2].begun = true;
	CHECK_INT(look(&pod, c, 4, 0, 3), LP_STEP_START);
	c[3].state = LP_PLAN_RUNNING;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_NONE);
}

TEST(a_failed_init_container_waits_for_its_pause_and_holds_the_others_back)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ON_FAILURE, .go = true };
	struct lp_plan_container c[2] = { { .role = LP_PLAN_INIT, .state = LP_PLAN_EXITED, .exit_code = 1, .again_ms = 500 }, { 0 } };
	size_t index;
	int64_t due;

	CHECK_INT(lp_plan_next(&pod, c, 2, 499, &index, &due), LP_STEP_NONE);
	CHECK_INT(due, 500);
	CHECK_INT(look(&pod, c, 2, 500, 0), LP_STEP_START);
}

TEST(a_failed_init_container_under_never_ends_the_pod)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_NEVER, .go = true };
	struct lp_plan_container c[2] = { { .role = LP_PLAN_INIT, .state = LP_PLAN_EXITED, .exit_code = 1 }, { 0 } };

	CHECK_INT(look(&pod, c, 2, 0, 0), LP_STEP_DONE);
}

TEST(a_pod_is_done_when_no_main_container_will_run_again)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ON_FAILURE, .go = true };
	struct lp_plan_container c[2] = { { .state = LP_PLAN_EXITED }, { .state = LP_PLAN_RUNNING } };

	CHECK_INT(look(&pod, c, 2, 0, 0), LP_STEP_NONE);
	c[1].state = LP_PLAN_EXITED;
	CHECK_INT(look(&pod, c, 2, 0, 0), LP_STEP_DONE);
	c[1].exit_code = 1;
	CHECK_INT(look(&pod, c, 2, 0, 1), LP_STEP_START);
}

TEST(a_sidecar_does_not_keep_a_finished_pod_alive)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_NEVER, .go = true };
	struct lp_plan_container c[2] = { { .role = LP_PLAN_SIDECAR, .state = LP_PLAN_RUNNING }, { .state = LP_PLAN_EXITED } };

	CHECK_INT(look(&pod, c, 2, 0, 0), LP_STEP_ASK);
	c[0].asked = c[0].signalled = true;
	pod.kill_ms = 1000;
	CHECK_INT(look(&pod, c, 2, 999, 0), LP_STEP_NONE);
	CHECK_INT(look(&pod, c, 2, 1000, 0), LP_STEP_KILL);
	c[0].state = LP_PLAN_EXITED;
	CHECK_INT(look(&pod, c, 2, 1000, 0), LP_STEP_DONE);
}

TEST(a_stopped_pod_asks_the_main_containers_first_and_then_the_sidecars_in_reverse)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .stopping = true, .kill_ms = 30000 };
	struct lp_plan_container c[4] = {
		{ .role = LP_PLAN_SIDECAR, .state = LP_PLAN_RUNNING }, { .role = LP_PLAN_SIDECAR, .state = LP_PLAN_RUNNING },
		{ .state = LP_PLAN_RUNNING }, { .state = LP_PLAN_RUNNING },
	};

	CHECK_INT(look(&pod, c, 4, 0, 3), LP_STEP_ASK);
	c[3].asked = c[3].signalled = true;
	CHECK_INT(look(&pod, c, 4, 0, 2), LP_STEP_ASK);
	c[2].asked = c[2].signalled = true;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_NONE);
	c[2].state = c[3].state = LP_PLAN_EXITED;
	CHECK_INT(look(&pod, c, 4, 0, 1), LP_STEP_ASK);
	c[1].asked = c[1].signalled = true;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_NONE);
	c[1].state = LP_PLAN_EXITED;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_ASK);
}

TEST(a_stuck_container_is_killed_when_the_grace_period_ends)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .stopping = true, .kill_ms = 30000 };
	struct lp_plan_container c[1] = { { .state = LP_PLAN_RUNNING, .asked = true, .signalled = true } };
	size_t index;
	int64_t due;

	CHECK_INT(lp_plan_next(&pod, c, 1, 29999, &index, &due), LP_STEP_NONE);
	CHECK_INT(due, 30000);
	CHECK_INT(look(&pod, c, 1, 30000, 0), LP_STEP_KILL);
	c[0].killed = true;
	CHECK_INT(look(&pod, c, 1, 30000, 0), LP_STEP_NONE);
}

TEST(a_stopped_pod_starts_nothing_again)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .stopping = true, .kill_ms = 10 };
	struct lp_plan_container c[2] = { { .state = LP_PLAN_EXITED, .exit_code = 1 }, { .state = LP_PLAN_NEW } };

	CHECK_INT(look(&pod, c, 2, 0, 0), LP_STEP_DONE);
}

/* Whatever the facts, a step names a container it fits, and carrying steps out comes to an end. */
TEST(every_combination_of_facts_leads_to_a_step_that_fits)
{
	for (unsigned bits = 0; bits < 3 * 3 * 3 * 3 * 2 * 2 * 3 * 2; bits++) {
		unsigned b = bits;
		struct lp_plan_container c[2];
		struct lp_plan_pod pod = { .kill_ms = 100 };
		size_t index;
		int64_t due;

		memset(c, 0, sizeof(c));
		for (int i = 0; i < 2; i++) {
			c[i].role = (enum lp_plan_role)(b % 3);
			b /= 3;
			c[i].state = (enum lp_plan_state)(b % 3);
			b /= 3;
			c[i].exit_code = (int)(b % 2);
			b /= 2;
		}
		pod.policy = (enum lp_restart_policy)(b % 3);
		b /= 3;
		pod.stopping = b % 2;
		pod.go = true;
		switch (lp_plan_next(&pod, c, 2, 50, &index, &due)) {
		case LP_STEP_START:
			CHECK(!pod.stopping && c[index].state != LP_PLAN_RUNNING);
			break;
		case LP_STEP_ASK:
		case LP_STEP_SIGNAL:
		case LP_STEP_KILL:
			CHECK(c[index].state == LP_PLAN_RUNNING);
			break;
		case LP_STEP_DONE:
			CHECK(c[0].state != LP_PLAN_RUNNING && c[1].state != LP_PLAN_RUNNING);
			break;
		case LP_STEP_NONE:
			/* Something runs, or holds another back while it waits for its pause. */
			CHECK(c[0].state == LP_PLAN_RUNNING || c[1].state == LP_PLAN_RUNNING || due != INT64_MAX);
			break;
		case LP_STEP_EXPIRE:
			CHECK(pod.deadline_ms);
			break;
		}
	}
}

TEST(what_comes_behind_a_sidecar_waits_until_it_has_started)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true };
	struct lp_plan_container c[3] = { { .role = LP_PLAN_SIDECAR, .state = LP_PLAN_RUNNING, .begun = true }, { .role = LP_PLAN_INIT }, { 0 } };

	CHECK_INT(look(&pod, c, 3, 0, 0), LP_STEP_NONE);
	c[0].started = true;
	CHECK_INT(look(&pod, c, 3, 0, 1), LP_STEP_START);
	c[0].state = LP_PLAN_EXITED;
	c[0].again_ms = 50;
	CHECK_INT(look(&pod, c, 3, 0, 0), LP_STEP_NONE);
	CHECK_INT(look(&pod, c, 3, 50, 0), LP_STEP_START);
}

TEST(a_sidecar_that_starts_over_does_not_hold_a_main_container_that_has_run)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true };
	struct lp_plan_container c[2] = { { .role = LP_PLAN_SIDECAR, .state = LP_PLAN_EXITED, .again_ms = 1000 }, { .state = LP_PLAN_EXITED } };

	CHECK_INT(look(&pod, c, 2, 0, 1), LP_STEP_START);
}

TEST(a_container_that_is_not_well_is_ended_alone_in_its_own_time)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true };
	struct lp_plan_container c[2] = { { .state = LP_PLAN_RUNNING, .begun = true }, { .state = LP_PLAN_RUNNING, .begun = true, .unwell = true } };
	size_t index;
	int64_t due;

	CHECK_INT(look(&pod, c, 2, 0, 1), LP_STEP_ASK);
	c[1].asked = c[1].signalled = true;
	c[1].kill_ms = 700;
	CHECK_INT(lp_plan_next(&pod, c, 2, 699, &index, &due), LP_STEP_NONE);
	CHECK_INT(due, 700);
	CHECK_INT(look(&pod, c, 2, 700, 1), LP_STEP_KILL);
}

TEST(a_hook_is_waited_for_until_the_grace_period_ends_and_the_signal_has_its_two_seconds)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .stopping = true, .kill_ms = 1000 };
	struct lp_plan_container c[1] = { { .state = LP_PLAN_RUNNING, .asked = true, .hooked = true } };
	size_t index;
	int64_t due;

	CHECK_INT(lp_plan_next(&pod, c, 1, 999, &index, &due), LP_STEP_NONE);
	CHECK_INT(due, 1000);
	CHECK_INT(look(&pod, c, 1, 1000, 0), LP_STEP_SIGNAL);
	c[0].hooked = false;
	c[0].signalled = true;
	c[0].mercy_ms = 3000;
	CHECK_INT(lp_plan_next(&pod, c, 1, 2999, &index, &due), LP_STEP_NONE);
	CHECK_INT(due, 3000);
	CHECK_INT(look(&pod, c, 1, 3000, 0), LP_STEP_KILL);
}

TEST(a_hook_that_is_done_is_followed_by_the_signal)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .stopping = true, .kill_ms = 1000 };
	struct lp_plan_container c[1] = { { .state = LP_PLAN_RUNNING, .asked = true } };

	CHECK_INT(look(&pod, c, 1, 10, 0), LP_STEP_SIGNAL);
}

TEST(without_a_grace_period_nobody_is_asked)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .stopping = true, .at_once = true, .kill_ms = 5 };
	struct lp_plan_container c[2] = { { .role = LP_PLAN_SIDECAR, .state = LP_PLAN_RUNNING }, { .state = LP_PLAN_RUNNING } };

	CHECK_INT(look(&pod, c, 2, 5, 1), LP_STEP_KILL);
	c[1].killed = true;
	CHECK_INT(look(&pod, c, 2, 5, 0), LP_STEP_KILL);
}

TEST(a_sidecar_whose_turn_comes_late_is_asked_all_the_same)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .stopping = true, .kill_ms = 1000 };
	struct lp_plan_container c[2] = { { .role = LP_PLAN_SIDECAR, .state = LP_PLAN_RUNNING },
		{ .state = LP_PLAN_RUNNING, .asked = true, .signalled = true, .killed = true } };

	CHECK_INT(look(&pod, c, 2, 999, 0), LP_STEP_NONE);
	CHECK_INT(look(&pod, c, 2, 1000, 0), LP_STEP_ASK);
}

TEST(a_pod_that_has_had_its_time_expires_once)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .deadline_ms = 5000 };
	struct lp_plan_container c[1] = { { .state = LP_PLAN_RUNNING, .begun = true } };
	size_t index;
	int64_t due;

	CHECK_INT(lp_plan_next(&pod, c, 1, 4999, &index, &due), LP_STEP_NONE);
	CHECK_INT(due, 5000);
	CHECK_INT(look(&pod, c, 1, 5000, 0), LP_STEP_EXPIRE);
	pod.stopping = true;
	pod.kill_ms = 9000;
	CHECK_INT(look(&pod, c, 1, 5000, 0), LP_STEP_ASK);
}

TEST(what_begins_anew_asks_no_policy)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_NEVER, .go = true };
	struct lp_plan_container container = { .state = LP_PLAN_EXITED, .anew = true };
	size_t index;
	int64_t due_ms;

	CHECK(lp_plan_again(&pod, &container));
	CHECK_INT(lp_plan_next(&pod, &container, 1, 0, &index, &due_ms), LP_STEP_START);
	container.anew = false;
	CHECK_INT(lp_plan_next(&pod, &container, 1, 0, &index, &due_ms), LP_STEP_DONE);
	container.anew = pod.stopping = true;
	CHECK_INT(lp_plan_next(&pod, &container, 1, 0, &index, &due_ms), LP_STEP_DONE);
}
