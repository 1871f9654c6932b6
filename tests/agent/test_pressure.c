#include "agent/node/evict.h"
#include "agent/node/pressure.h"

#include <errno.h>

#include "tests/harness.h"

#define MI (INT64_C(1) << 20)

static struct lp_pressure_config
usual(void)
{
	struct lp_pressure_config config;

	lp_pressure_defaults(&config, 4096 * MI);
	return config;
}

static struct lp_pressure_facts
plenty(void)
{
	struct lp_pressure_facts facts;

	for (int i = 0; i < LP_PRESSURE_SIGNALS; i++) {
		facts.known[i] = true;
		facts.capacity[i] = 4096 * MI;
		facts.available[i] = 4000 * MI;
	}
	return facts;
}

TEST(a_node_with_plenty_of_everything_has_no_pressure_and_needs_no_timer)
{
	struct lp_pressure_config config = usual();
	struct lp_pressure_facts facts = plenty();
	struct lp_pressure_state state = { 0 };
	struct lp_pressure_verdict verdict;

	lp_pressure_judge(&config, &facts, &state, 1000, &verdict);
	CHECK(!verdict.changed);
	CHECK(!verdict.evict);
	CHECK(verdict.due_ms == INT64_MAX);
}

TEST(a_hard_threshold_that_is_met_evicts_at_once)
{
	struct lp_pressure_config config = usual();
	struct lp_pressure_facts facts = plenty();
	struct lp_pressure_state state = { 0 };
	struct lp_pressure_verdict verdict;

	facts.available[LP_PRESSURE_MEMORY] = 100 * MI;		/* not below it */
	lp_pressure_judge(&config, &facts, &state, 1000, &verdict);
	CHECK(!verdict.evict);
	facts.available[LP_PRESSURE_MEMORY] = 100 * MI - 1;
	lp_pressure_judge(&config, &facts, &state, 1000, &verdict);
	CHECK(verdict.evict);
	CHECK(verdict.changed);
	CHECK_INT(verdict.signal, LP_PRESSURE_MEMORY);
	CHECK_INT(verdict.grace_s, 0);
	CHECK_INT(verdict.threshold, 100 * MI);
	CHECK(state.kind[LP_PRESSURE_OF_MEMORY]);
	CHECK(!state.kind[LP_PRESSURE_OF_DISK]);
}

TEST(a_condition_stays_for_its_transition_period_and_then_goes)
{
	struct lp_pressure_config config = usual();
	struct lp_pressure_facts facts = plenty();
	struct lp_pressure_state state = { 0 };
	struct lp_pressure_verdict verdict;

	facts.available[LP_PRESSURE_NODEFS] = 409 * MI;		/* below a tenth */
	lp_pressure_judge(&config, &facts, &state, 1000, &verdict);
	CHECK(state.kind[LP_PRESSURE_OF_DISK]);
	facts.available[LP_PRESSURE_NODEFS] = 4000 * MI;
	lp_pressure_judge(&config, &facts, &state, 2000, &verdict);
	CHECK(state.kind[LP_PRESSURE_OF_DISK]);
	CHECK(!verdict.evict);
	CHECK_INT(verdict.due_ms, 301000);
	lp_pressure_judge(&config, &facts, &state, 301000, &verdict);
	CHECK(!state.kind[LP_PRESSURE_OF_DISK]);
	CHECK(verdict.changed);
}

TEST(a_soft_threshold_waits_for_its_grace_period_without_a_break)
{
	struct lp_pressure_config config = usual();
	struct lp_pressure_facts facts = plenty();
	struct lp_pressure_state state = { 0 };
	struct lp_pressure_verdict verdict;
	struct lp_err err;

	config.max_grace_s = 20;
	CHECK_OK(lp_pressure_parse("memory.available<1Gi", '<', config.soft, &err), &err);
	CHECK_INT(lp_pressure_check(&config, &err), -EINVAL);
	CHECK_OK(lp_pressure_parse_grace("memory.available=1m30s", config.grace_ms, &err), &err);
	CHECK_OK(lp_pressure_check(&config, &err), &err);
	facts.available[LP_PRESSURE_MEMORY] = 900 * MI;
	lp_pressure_judge(&config, &facts, &state, 1000, &verdict);
	CHECK(!verdict.evict);
	CHECK_INT(verdict.due_ms, 91000);
	facts.available[LP_PRESSURE_MEMORY] = 2000 * MI;
	lp_pressure_judge(&config, &facts, &state, 50000, &verdict);
	facts.available[LP_PRESSURE_MEMORY] = 900 * MI;
	lp_pressure_judge(&config, &facts, &state, 60000, &verdict);
	lp_pressure_judge(&config, &facts, &state, 149999, &verdict);
	CHECK(!verdict.evict);
	lp_pressure_judge(&config, &facts, &state, 150000, &verdict);
	CHECK(verdict.evict);
	CHECK_INT(verdict.grace_s, 20);
}

TEST(a_minimum_reclaim_goes_on_evicting_beyond_the_threshold)
{
	struct lp_pressure_config config = usual();
	struct lp_pressure_facts facts = plenty();
	struct lp_pressure_state state = { 0 };
	struct lp_pressure_verdict verdict;
	struct lp_err err;

	CHECK_OK(lp_pressure_parse("memory.available=200Mi", '=', config.reclaim, &err), &err);
	facts.available[LP_PRESSURE_MEMORY] = 250 * MI;
	lp_pressure_judge(&config, &facts, &state, 1, &verdict);
	CHECK(!verdict.evict);
	facts.available[LP_PRESSURE_MEMORY] = 50 * MI;
	lp_pressure_judge(&config, &facts, &state, 2, &verdict);
	CHECK(verdict.evict);
	facts.available[LP_PRESSURE_MEMORY] = 250 * MI;
	lp_pressure_judge(&config, &facts, &state, 3, &verdict);
	CHECK(verdict.evict);
	facts.available[LP_PRESSURE_MEMORY] = 300 * MI;
	lp_pressure_judge(&config, &facts, &state, 4, &verdict);
	CHECK(!verdict.evict);
}

TEST(thresholds_are_read_as_the_kubelet_reads_them)
{
	struct lp_pressure_amount list[LP_PRESSURE_SIGNALS];
	struct lp_err err;

	CHECK_OK(lp_pressure_parse("memory.available<100Mi,nodefs.available<7.5%,pid.available<1k", '<', list, &err), &err);
	CHECK_INT(lp_pressure_amount(&list[LP_PRESSURE_MEMORY], 0), 100 * MI);
	CHECK_INT(lp_pressure_amount(&list[LP_PRESSURE_NODEFS], 1000), 75);
	CHECK_INT(lp_pressure_amount(&list[LP_PRESSURE_PIDS], 5), 1000);
	CHECK(!list[LP_PRESSURE_IMAGEFS].set);
	CHECK_OK(lp_pressure_parse("", '<', list, &err), &err);
	CHECK(!list[LP_PRESSURE_MEMORY].set);
	CHECK_INT(lp_pressure_parse("memory.free<1Gi", '<', list, &err), -EINVAL);
	CHECK_STR(err.text, "unknown eviction signal \"memory.free\"");
	CHECK_INT(lp_pressure_parse("memory.available>1Gi", '<', list, &err), -EINVAL);
	CHECK_INT(lp_pressure_parse("memory.available<110%", '<', list, &err), -EINVAL);
	CHECK_INT(lp_pressure_parse("memory.available<-1", '<', list, &err), -EINVAL);
	CHECK_INT(lp_pressure_parse("memory.available<1,memory.available<2", '<', list, &err), -EINVAL);
}

TEST(a_small_board_reserves_a_tenth_and_not_all_of_its_memory)
{
	struct lp_pressure_config config;

	lp_pressure_defaults(&config, 64 * MI);
	CHECK_INT(config.hard[LP_PRESSURE_MEMORY].value, 64 * MI / 10);
}

/* ---- who goes */

TEST(who_uses_more_than_it_asked_for_goes_first_then_the_lower_priority_then_the_greater_excess)
{
	const struct lp_evict_pod pods[] = {
		{ .known = true, .use = 900, .request = 1000, .priority = -5 },
		{ .known = true, .use = 200, .request = 100, .priority = 10 },
		{ .known = true, .use = 250, .request = 100, .priority = 0 },
		{ .known = true, .use = 300, .request = 100, .priority = 0 },
		{ .known = true, .use = 9000, .request = 0, .priority = 2000001000, .critical = true },
		{ .known = true, .use = 9000, .request = 0, .leaving = true },
	};

	CHECK_INT(lp_evict_choose(LP_PRESSURE_MEMORY, pods, 6), 3);
	CHECK_INT(lp_evict_choose(LP_PRESSURE_MEMORY, pods, 3), 2);
	CHECK_INT(lp_evict_choose(LP_PRESSURE_MEMORY, pods, 2), 1);
	CHECK_INT(lp_evict_choose(LP_PRESSURE_MEMORY, pods, 1), 0);
	CHECK_INT(lp_evict_choose(LP_PRESSURE_MEMORY, pods + 4, 2), -1);
}

TEST(processes_and_inodes_know_no_requests)
{
	const struct lp_evict_pod pods[] = {
		{ .known = true, .use = 10, .request = 0, .priority = 1 },
		{ .known = true, .use = 5, .request = 500, .priority = 0 },
		{ .known = true, .use = 6, .request = 500, .priority = 0 },
	};

	CHECK_INT(lp_evict_choose(LP_PRESSURE_PIDS, pods, 3), 2);
	CHECK_INT(lp_evict_choose(LP_PRESSURE_NODEFS_INODES, pods, 2), 1);
}
