/*
 * keeper/plan.h - pure: what a pod's containers are, and the time -> the next step.
 *
 * Order   init containers one after the other, each to its successful end (a sidecar: an init container that stays, only
 *         until it has started); then all others, the next one when the postStart hook of the one before is done
 * Stop    a container is asked: its preStop hook, then its signal; what is left when the grace period ends is killed, but never
 *         within two seconds of a signal that had to wait for a hook. The main containers come first, the sidecars when those
 *         are gone, in reverse order. A container whose probe or hook failed is stopped alone, with a grace period of its own
 * Life    a pod that has had its time (activeDeadlineSeconds) expires: the caller then stops it
 * End     a pod is over when it was stopped, or when no main container will run again; a failed init container that will
 *         not be restarted ends it too. Sidecars are then stopped
 * Use     carry out one step, look again, until LP_STEP_NONE; then wait for an event or until *out_due_ms
 */
#ifndef LP_KEEPER_PLAN_H
#define LP_KEEPER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keeper/restart.h"

enum lp_plan_role {
	LP_PLAN_MAIN,
	LP_PLAN_INIT,
	LP_PLAN_SIDECAR,
};

enum lp_plan_state {
	LP_PLAN_NEW,		/* never started */
	LP_PLAN_RUNNING,
	LP_PLAN_EXITED,
};

struct lp_plan_container {
	enum lp_plan_role role;
	enum lp_plan_state state;
	bool begun;		/* RUNNING: its postStart hook is done, or it has none */
	bool started;		/* RUNNING: begun, and its startup probe has succeeded, or it has none */
	bool unwell;		/* RUNNING: a probe or hook failed or it begins anew, this run is to end */
	bool anew;		/* RUNNING, EXITED: ended by us to begin anew; no policy is asked */
	bool asked;		/* was asked to end in this run */
	bool hooked;		/* its preStop hook is running */
	bool signalled;		/* was sent its stop signal in this run */
	bool killed;		/* was killed in this run */
	int exit_code;		/* EXITED: of the last run; 128 + signal */
	int64_t again_ms;	/* EXITED and wanted again: not before this boot-time ms */
	int64_t kill_ms;	/* end of its own grace period; 0: only the pod's counts */
	int64_t mercy_ms;	/* not killed before, whatever the grace period says; 0: none */
};

struct lp_plan_pod {
	enum lp_restart_policy policy;
	bool go;		/* the network is there */
	bool stopping;		/* someone wants the pod gone */
	bool at_once;		/* stopping: without a grace period */
	int64_t kill_ms;	/* when the grace period ends; 0 while nothing was asked to stop */
	int64_t deadline_ms;	/* boot-time ms; 0: none */
};

enum lp_plan_step {
	LP_STEP_NONE,
	LP_STEP_START,		/* container *out_index */
	LP_STEP_ASK,		/* container *out_index to end: its preStop hook if there is time, else its stop signal */
	LP_STEP_SIGNAL,		/* its stop signal to container *out_index; its hook is done or has had its time */
	LP_STEP_KILL,		/* container *out_index, with everything in it */
	LP_STEP_EXPIRE,		/* the pod has had its time: stop it */
	LP_STEP_DONE,		/* nothing runs, nothing will */
};

/* out_due_ms: when to look again if nothing happens before, INT64_MAX for never. Written with every step. */
enum lp_plan_step lp_plan_next(const struct lp_plan_pod *pod, const struct lp_plan_container *containers, size_t count,
    int64_t now_ms, size_t *out_index, int64_t *out_due_ms);

/* Will this exited container start again if the pod goes on? */
bool lp_plan_again(const struct lp_plan_pod *pod, const struct lp_plan_container *container);

#endif
