/*
 * keeper/care.h - what is done for a container while it runs: its hooks and its probes.
 *
 * Theory  A run begins, its postStart hook is done, its startup probe succeeds, then liveness and readiness are asked. A hook or
 *         probe that fails marks the run unwell; the plan ends it. All of it belongs to one run: care ends when the run does.
 */
#ifndef LP_KEEPER_CARE_H
#define LP_KEEPER_CARE_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/errand.h"
#include "keeper/probe.h"

#define LP_CARE_MERCY_MS 2000	/* between a signal that came late and the kill; source: kubelet minimumGracePeriodInSeconds */

struct lp_care_probe {
	struct lp_probe probe;
	const struct lp_control_probe *spec;	/* weak */
	struct lp_errand errand;
};

struct lp_care {
	struct lp_care_probe *probes;	/* owned, as many as the container has; NULL: none */
	struct lp_errand *hook;		/* owned; NULL: it has no hooks */
	bool hook_used;			/* in this run a preStop hook took time */
	int64_t turned_ms;		/* wall time at which it turned ready or not; 0 in this run never */
	int64_t grace_ms;		/* a run that we end: how long it may take to end */
	struct lp_timer due;		/* the next question */
	int32_t told;			/* failures of probes that were told and not forgiven yet */
	int64_t forgive_ms;		/* when the next of them is forgiven */
	struct lp_control_news *news;	/* owned, with their texts */
	size_t news_count;
};

/* What its record asks for is made ready. Without memory it goes without; the next start tries again. */
void lp_care_init(struct lp_ward *ward);

/* A run has begun; it is over, or another program takes over. */
void lp_care_begin(struct lp_ward *ward, int64_t now_ms);
void lp_care_end(struct lp_ward *ward);

/*
 * Upgrades. Errand 0 is the hook, n + 1 the n-th probe's; NULL: there is none. One that was under way goes on; after all of them, the
 * rest does.
 */
struct lp_errand *lp_care_errand(const struct lp_ward *ward, size_t which);
void lp_care_resume_errand(struct lp_ward *ward, size_t which, const struct lp_errand *from);
void lp_care_resume(struct lp_ward *ward, int64_t now_ms);

/* The run ends in good order, within its grace period, and another begins. */
void lp_care_renew(struct lp_ward *ward);

/* The run is asked to end. False: it has no preStop hook. */
bool lp_care_pre_stop(struct lp_ward *ward);
/* Whatever hook runs has had its time. */
void lp_care_leave_hook(struct lp_ward *ward);

/* Does it serve? */
bool lp_care_ready(const struct lp_ward *ward);

/* One more of this kind, with new words. */
void lp_care_tell(struct lp_ward *ward, enum lp_control_news_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
