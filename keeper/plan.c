/* keeper/plan.c - see plan.h. */
#include "keeper/plan.h"

bool
lp_plan_again(const struct lp_plan_pod *pod, const struct lp_plan_container *container)
{
	if (container->state != LP_PLAN_EXITED)
		return false;
	if (container->role == LP_PLAN_SIDECAR || container->anew)
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

static void
wait_until(int64_t ms, int64_t *out_due_ms)
{
	if (ms < *out_due_ms)
		*out_due_ms = ms;
}

/* The next step of ending one container that runs; ends_ms 0: its grace period has not begun. */
static enum lp_plan_step
stop_step(const struct lp_plan_container *c, int64_t ends_ms, bool at_once, int64_t now_ms, int64_t *out_due_ms)
{
	if (c->killed)
		return LP_STEP_NONE;
	if (at_once)
		return LP_STEP_KILL;
	if (!c->asked)
		return LP_STEP_ASK;
	if (c->hooked && (!ends_ms || now_ms < ends_ms)) {
		if (ends_ms)
			wait_until(ends_ms, out_due_ms);
		return LP_STEP_NONE;
	}
	if (!c->signalled)
		return LP_STEP_SIGNAL;
	if (!ends_ms)
		return LP_STEP_NONE;
	if (c->mercy_ms > ends_ms)
		ends_ms = c->mercy_ms;
	if (now_ms >= ends_ms)
		return LP_STEP_KILL;
	wait_until(ends_ms, out_due_ms);
	return LP_STEP_NONE;
}

static int64_t
grace_end(const struct lp_plan_pod *pod, const struct lp_plan_container *c)
{
	if (!pod->kill_ms || !c->kill_ms)
		return pod->kill_ms ? pod->kill_ms : c->kill_ms;
	return pod->kill_ms < c->kill_ms ? pod->kill_ms : c->kill_ms;
}

/* Is it the sidecars' turn? Also when the grace period ended and the main containers only have to die. */
static bool
is_sidecars_turn(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count, int64_t now_ms)
{
	if (!any_runs(containers, count, false))
		return true;
	if (!pod->at_once && (!pod->kill_ms || now_ms < pod->kill_ms))
		return false;
	for (size_t i = 0; i < count; i++)
		if (containers[i].state == LP_PLAN_RUNNING && containers[i].role != LP_PLAN_SIDECAR && !containers[i].killed)
			return false;
	return true;
}

static enum lp_plan_step
end_step(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count, int64_t now_ms,
    size_t *out_index, int64_t *out_due_ms)
{
	bool sidecars = is_sidecars_turn(pod, containers, count, now_ms), late = pod->at_once || (pod->kill_ms && now_ms >= pod->kill_ms);

	if (!any_runs(containers, count, true))
		return LP_STEP_DONE;
	for (size_t i = count; i-- > 0;) {	/* sidecars from the last to the first */
		const struct lp_plan_container *c = &containers[i];
		enum lp_plan_step step;

		if (c->state != LP_PLAN_RUNNING || ((c->role == LP_PLAN_SIDECAR) != sidecars && !c->unwell))
			continue;
		step = stop_step(c, grace_end(pod, c), pod->at_once, now_ms, out_due_ms);
		if (step != LP_STEP_NONE) {
			*out_index = i;
			return step;
		}
		if (sidecars && !late && c->role == LP_PLAN_SIDECAR)
			return LP_STEP_NONE;	/* one after the other */
	}
	if (pod->kill_ms && now_ms < pod->kill_ms)
		wait_until(pod->kill_ms, out_due_ms);
	return LP_STEP_NONE;
}

/* Does what comes behind this container have to wait before its first start? */
static bool
holds_others(const struct lp_plan_container *c)
{
	switch (c->role) {
	case LP_PLAN_INIT:
		return c->state != LP_PLAN_EXITED || c->exit_code != 0;
	case LP_PLAN_SIDECAR:
		return c->state != LP_PLAN_RUNNING || !c->started;
	case LP_PLAN_MAIN:
		return c->state == LP_PLAN_RUNNING && !c->begun;
	}
	return false;
}

static enum lp_plan_step
run_step(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count, int64_t now_ms,
    size_t *out_index, int64_t *out_due_ms)
{
	bool held = false;

	for (size_t i = 0; i < count; i++) {
		const struct lp_plan_container *c = &containers[i];
		enum lp_plan_step step = LP_STEP_NONE;

		if (c->state == LP_PLAN_NEW)
			step = held ? LP_STEP_NONE : LP_STEP_START;
		else if (c->state == LP_PLAN_RUNNING && c->unwell)
			step = stop_step(c, c->kill_ms, false, now_ms, out_due_ms);
		else if (lp_plan_again(pod, c) && now_ms >= c->again_ms)
			step = LP_STEP_START;
		else if (lp_plan_again(pod, c))
			wait_until(c->again_ms, out_due_ms);
		if (step != LP_STEP_NONE) {
			*out_index = i;
			return step;
		}
		held = held || holds_others(c);
	}
	return LP_STEP_NONE;
}

enum lp_plan_step
lp_plan_next(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count, int64_t now_ms,
    size_t *out_index, int64_t *out_due_ms)
{
	enum lp_plan_step step;

	*out_index = 0;
	*out_due_ms = INT64_MAX;
	if (is_over(pod, containers, count))
		return end_step(pod, containers, count, now_ms, out_index, out_due_ms);
	if (!pod->go)
		return LP_STEP_NONE;
	if (pod->deadline_ms && now_ms >= pod->deadline_ms)
		return LP_STEP_EXPIRE;
	step = run_step(pod, containers, count, now_ms, out_index, out_due_ms);
	if (pod->deadline_ms)
		wait_until(pod->deadline_ms, out_due_ms);
	return step;
}
