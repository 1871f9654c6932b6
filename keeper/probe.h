/*
 * keeper/probe.h - pure: one probe of one run of a container: when to ask, and what the answers amount to.
 *
 * Theory  A probe is asked every period, first when its delay has passed. Answers that repeat often enough turn its result:
 *         failure_threshold failures in a row, success_threshold successes in a row. An answer that could not be had says nothing.
 *         A startup or liveness probe that has failed is not asked again in this run: the run is to end.
 * Start   liveness is taken for granted, readiness is not, a startup probe has said nothing
 * Order   liveness and readiness wait until the startup probe has succeeded; a startup probe rests from then on
 * Source  kubelet pkg/kubelet/prober/worker.go
 */
#ifndef LP_KEEPER_PROBE_H
#define LP_KEEPER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/control.h"

enum lp_probe_answer {
	LP_PROBE_UNKNOWN,
	LP_PROBE_SUCCESS,
	LP_PROBE_FAILURE,
};

struct lp_probe {
	uint8_t result;		/* enum lp_probe_answer: what counts */
	uint8_t newest;		/* of the answers */
	bool asking;		/* an answer is on its way */
	bool held;		/* not asked again in this run */
	uint32_t row;		/* how many of the newest came one after the other */
	int64_t due_ms;		/* boot-time ms of the next question */
};

/* A run has begun at began_ms (boot time). */
void lp_probe_begin(struct lp_probe *probe, const struct lp_control_probe *spec, int64_t began_ms);

/* Is it this probe's time at all? `started`: the startup probe has succeeded, or there is none. `ending`: the run was asked to end. */
bool lp_probe_wanted(const struct lp_control_probe *spec, bool begun, bool started, bool ending);

/* When to ask next; INT64_MAX while asking or held. */
int64_t lp_probe_due_ms(const struct lp_probe *probe);

void lp_probe_ask(struct lp_probe *probe, const struct lp_control_probe *spec, int64_t now_ms);

/* True: the result has turned. */
bool lp_probe_answer(struct lp_probe *probe, const struct lp_control_probe *spec, enum lp_probe_answer answer);

/* "Liveness" */
const char *lp_probe_name(int32_t kind);

#endif
