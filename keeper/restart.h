/*
 * keeper/restart.h - pure: does an exited container start again, and when?
 *
 * Policy  as the kubelet: the first restart is immediate, then base (10 s) doubling up to max (5 min); a container that
 *         ran for LP_RESTART_RESET_MS starts over with an immediate one
 * Source  kubelet doBackOff, client-go util/flowcontrol Backoff
 */
#ifndef LP_KEEPER_RESTART_H
#define LP_KEEPER_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#define LP_RESTART_BASE_MS INT64_C(10000)
#define LP_RESTART_MAX_MS INT64_C(300000)
#define LP_RESTART_RESET_MS INT64_C(600000)

enum lp_restart_policy {
	LP_RESTART_ALWAYS,
	LP_RESTART_ON_FAILURE,
	LP_RESTART_NEVER,
};

struct lp_restart_limits {
	int64_t base_ms, max_ms;	/* 0: the defaults above */
};

/* Whether an exit with this code (128 + signal when it was killed) is followed by a start. An init container never restarts after 0. */
bool lp_restart_wanted(enum lp_restart_policy policy, bool init, int exit_code);

/*
 * The pause before the next start, given the one before the start that just ended (-1: there was none) and how long that
 * run lasted. 0, base, 2 base, 4 base ... max.
 */
int64_t lp_restart_delay_ms(const struct lp_restart_limits *limits, int64_t last_delay_ms, int64_t ran_ms);

#endif
