/* keeper/plan.c - see plan.h. */
#include "keeper/plan.h"

bool
lp_plan_again(const struct lp_plan_pod *pod, const struct lp_plan_container *container)
{
	if (container->state != LP_PLAN_EXITED)
		return false;
	if (container->role == LP_PLAN_SIDECAR)
		return true;
	return lp_restart_wanted(pod->policy, container->role == LP_PLAN_INIT, container->exit_code);
}

static bool
any_runs(const struct lp_plan_container *containers, size_t count, bool sidecars)
{
	for (size_t i = 0; i < count; i++)
		if (containers[i].state == LP_PLAN_RUNNING && (sidecars || containers[i].role != LP_PLAN_SIDECAR))
			return true;
	return false;
}

/* An init container that failed for good: the others will never start. */
static bool
is_broken(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct lp_plan_container *c = &containers[i];

		if (c->role == LP_PLAN_INIT && c->state == LP_PLAN_EXITED && c->exit_code != 0 && !lp_plan_again(pod, c))
			return true;
	}
	return false;
}

static bool
is_over(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count)
{
	if (pod->stopping || is_broken(pod, containers, count))
		return true;
	for (size_t i = 0; i < count; i++) {
		const struct lp_plan_container *c = &containers[i];

		if (c->role == LP_PLAN_MAIN && (c->state != LP_PLAN_EXITED || lp_plan_again(pod, c)))
			return false;
		if (c->role == LP_PLAN_INIT && (c->state != LP_PLAN_EXITED || c->exit_code != 0))
			return false;
	}
	return true;
}

static enum lp_plan_step
end_step(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count, int64_t now_ms,
    size_t *out_index, int64_t *out_due_ms)
{
	bool sidecars = !any_runs(containers, count, false);

	if (!any_runs(containers, count, true))
		return LP_STEP_DONE;
	if (pod->kill_ms && now_ms >= pod->kill_ms) {
		for (size_t i = 0; i < count; i++)
			if (containers[i].state == LP_PLAN_RUNNING && !containers[i].killed) {
				*out_index = i;
				return LP_STEP_KILL;
			}
		return LP_STEP_NONE;
	}
	if (pod->kill_ms)
		*out_due_ms = pod->kill_ms;
	for (size_t i = count; i-- > 0;) {	/* sidecars from the last to the first */
		const struct lp_plan_container *c = &containers[i];

		if (c->state != LP_PLAN_RUNNING || (c->role == LP_PLAN_SIDECAR) != sidecars)
			continue;
		if (!c->asked) {
			*out_index = i;
			return LP_STEP_ASK;
		}
		if (sidecars)
			return LP_STEP_NONE;	/* one after the other */
	}
	return LP_STEP_NONE;
}

static enum lp_plan_step
run_step(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count, int64_t now_ms,
    size_t *out_index, int64_t *out_due_ms)
{
	for (size_t i = 0; i < count; i++) {
		const struct lp_plan_container *c = &containers[i];

		if (c->state == LP_PLAN_NEW || lp_plan_again(pod, c)) {
			if (c->state == LP_PLAN_NEW || now_ms >= c->again_ms) {
				*out_index = i;
				return LP_STEP_START;
			}
			if (c->again_ms < *out_due_ms)
				*out_due_ms = c->again_ms;
		}
		if (c->role == LP_PLAN_INIT && (c->state != LP_PLAN_EXITED || c->exit_code != 0))
			return LP_STEP_NONE;	/* what comes behind it waits, sidecars before it go on */
	}
	return LP_STEP_NONE;
}

enum lp_plan_step
lp_plan_next(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count, int64_t now_ms,
    size_t *out_index, int64_t *out_due_ms)
{
	*out_index = 0;
	*out_due_ms = INT64_MAX;
	if (is_over(pod, containers, count))
		return end_step(pod, containers, count, now_ms, out_index, out_due_ms);
	if (!pod->go)
		return LP_STEP_NONE;
	return run_step(pod, containers, count, now_ms, out_index, out_due_ms);
}
