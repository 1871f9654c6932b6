#include "agent/pod/podplan.h"

/* A pod that should not run: stop, forget, retire. */
static enum lp_podplan_step
next_down(const struct lp_podplan_facts *facts)
{
	switch (facts->keeper) {
	case LP_PODPLAN_NONE:
		return LP_PODPLAN_RETIRE;
	case LP_PODPLAN_SPAWNED:
	case LP_PODPLAN_READY:
	case LP_PODPLAN_RUNNING:
		return facts->stop_asked ? LP_PODPLAN_WAIT : LP_PODPLAN_STOP;
	case LP_PODPLAN_DONE:
		return facts->forgetting ? LP_PODPLAN_WAIT : LP_PODPLAN_FORGET;
	case LP_PODPLAN_LOST:
		return LP_PODPLAN_CLEAN;
	}
	return LP_PODPLAN_WAIT;
}

/* A pod that may not go on: its end is written down first, so that no restart of ours forgets it; and once more when all is still. */
static enum lp_podplan_step
next_failed(const struct lp_podplan_facts *facts)
{
	switch (facts->keeper) {
	case LP_PODPLAN_NONE:
		return facts->finished ? LP_PODPLAN_WAIT : LP_PODPLAN_FINISH;
	case LP_PODPLAN_SPAWNED:
	case LP_PODPLAN_READY:
	case LP_PODPLAN_RUNNING:
		return facts->stop_asked ? LP_PODPLAN_WAIT : LP_PODPLAN_STOP;
	case LP_PODPLAN_DONE:
		if (facts->forgetting)
			return LP_PODPLAN_WAIT;
		return facts->settled ? LP_PODPLAN_FORGET : LP_PODPLAN_FINISH;
	case LP_PODPLAN_LOST:
		return LP_PODPLAN_CLEAN;
	}
	return LP_PODPLAN_WAIT;
}

static enum lp_podplan_step
next_up(const struct lp_podplan_facts *facts, int64_t now_ms, int64_t *out_due_ms)
{
	switch (facts->keeper) {
	case LP_PODPLAN_NONE:
		if (facts->finished)
			return LP_PODPLAN_WAIT;
		if (now_ms >= facts->retry_ms)
			return LP_PODPLAN_START;
		*out_due_ms = facts->retry_ms;
		return LP_PODPLAN_WAIT;
	case LP_PODPLAN_SPAWNED:
	case LP_PODPLAN_RUNNING:
		return LP_PODPLAN_WAIT;
	case LP_PODPLAN_READY:
		if (now_ms >= facts->retry_ms)
			return LP_PODPLAN_CONNECT;
		*out_due_ms = facts->retry_ms;
		return LP_PODPLAN_WAIT;
	case LP_PODPLAN_DONE:
		if (facts->forgetting)
			return LP_PODPLAN_WAIT;
		return facts->finished || facts->stop_asked || facts->unmade ? LP_PODPLAN_FORGET : LP_PODPLAN_FINISH;
	case LP_PODPLAN_LOST:
		return LP_PODPLAN_CLEAN;
	}
	return LP_PODPLAN_WAIT;
}

enum lp_podplan_step
lp_podplan_next(const struct lp_podplan_facts *facts, int64_t now_ms, int64_t *out_due_ms)
{
	*out_due_ms = INT64_MAX;
	if (!facts->wanted || facts->leaving)
		return next_down(facts);
	return facts->failed ? next_failed(facts) : next_up(facts, now_ms, out_due_ms);
}

int64_t
lp_podplan_time_left(int64_t deadline_ms, int64_t began_ms, int64_t now_ms)
{
	int64_t past_ms = began_ms && now_ms > began_ms ? now_ms - began_ms : 0;	/* the wall clock may have been set back */

	if (!deadline_ms)
		return 0;
	return past_ms < deadline_ms ? deadline_ms - past_ms : 1;
}
