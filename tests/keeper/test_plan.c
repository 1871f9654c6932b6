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

	if (step == LP_STEP_START || step == LP_STEP_ASK || step == LP_STEP_KILL)
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
	c[0].asked = true;
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
	c[3].asked = true;
	CHECK_INT(look(&pod, c, 4, 0, 2), LP_STEP_ASK);
	c[2].asked = true;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_NONE);
	c[2].state = c[3].state = LP_PLAN_EXITED;
	CHECK_INT(look(&pod, c, 4, 0, 1), LP_STEP_ASK);
	c[1].asked = true;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_NONE);
	c[1].state = LP_PLAN_EXITED;
	CHECK_INT(look(&pod, c, 4, 0, 0), LP_STEP_ASK);
}

TEST(a_stuck_container_is_killed_when_the_grace_period_ends)
{
	struct lp_plan_pod pod = { .policy = LP_RESTART_ALWAYS, .go = true, .stopping = true, .kill_ms = 30000 };
	struct lp_plan_container c[1] = { { .state = LP_PLAN_RUNNING, .asked = true } };
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
		case LP_STEP_KILL:
			CHECK(c[index].state == LP_PLAN_RUNNING);
			break;
		case LP_STEP_DONE:
			CHECK(c[0].state != LP_PLAN_RUNNING && c[1].state != LP_PLAN_RUNNING);
			break;
		case LP_STEP_NONE:
			CHECK(c[0].state == LP_PLAN_RUNNING || c[1].state == LP_PLAN_RUNNING);
			break;
		}
	}
}
