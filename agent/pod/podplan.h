/*
 * agent/pod/podplan.h - pure: what this node knows of a pod, and the time -> the next step.
 *
 * Use     carry out one step, look again, until NONE; every step can be repeated after a crash
 * Rule    a pod that is wanted and has no keeper gets one; a keeper whose pod is not wanted is asked to stop and, once it
 *         is done, told to forget; what a dead keeper left is cleaned up before anything else happens to the pod
 */
#ifndef LP_AGENT_PODPLAN_H
#define LP_AGENT_PODPLAN_H

#include <stdbool.h>
#include <stdint.h>

enum lp_podplan_keeper {
	LP_PODPLAN_NONE,	/* no keeper, no residue */
	LP_PODPLAN_SPAWNED,	/* makes its namespaces */
	LP_PODPLAN_READY,	/* waits for its network */
	LP_PODPLAN_RUNNING,	/* was told to go */
	LP_PODPLAN_DONE,	/* nothing runs, nothing will */
	LP_PODPLAN_LOST,	/* died; its residue is still there */
};

enum lp_podplan_step {
	LP_PODPLAN_WAIT,	/* nothing to do before *out_due_ms or an event */
	LP_PODPLAN_START,	/* spawn a keeper */
	LP_PODPLAN_CONNECT,	/* network, volumes, go */
	LP_PODPLAN_STOP,	/* ask the keeper to stop */
	LP_PODPLAN_FINISH,	/* write down how the pod ended, then let the keeper forget */
	LP_PODPLAN_FORGET,	/* let the keeper forget */
	LP_PODPLAN_CLEAN,	/* remove what a dead keeper left */
	LP_PODPLAN_RETIRE,	/* nothing of it is left: say so and drop it */
};

struct lp_podplan_facts {
	bool wanted;		/* in the revision, and not being deleted */
	bool leaving;		/* this agent takes its pods down */
	bool failed;		/* it may not go on here: stopped for good, and that is its end */
	bool finished;		/* its end is written down */
	bool settled;		/* ... with how its containers ended */
	bool stop_asked;	/* with the grace period that counts now */
	bool forgetting;	/* the keeper was told to forget */
	bool unmade;		/* the keeper could not make it, so it has not ended: the next one may */
	enum lp_podplan_keeper keeper;
	int64_t retry_ms;	/* boot-time ms: no start before */
};

enum lp_podplan_step lp_podplan_next(const struct lp_podplan_facts *facts, int64_t now_ms, int64_t *out_due_ms);

/*
 * What is left of activeDeadlineSeconds (ms; 0: no deadline, and none is left over) for a keeper that begins at now_ms, when the pod's
 * first one began at began_ms (wall time; 0: this is the first).
 */
int64_t lp_podplan_time_left(int64_t deadline_ms, int64_t began_ms, int64_t now_ms);

#endif
