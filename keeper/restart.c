/* keeper/restart.c - see restart.h. */
#include "keeper/restart.h"

bool
lp_restart_wanted(enum lp_restart_policy policy, bool init, int exit_code)
{
	if (init && exit_code == 0)
		return false;
	switch (policy) {
	case LP_RESTART_ALWAYS:
		return true;
	case LP_RESTART_ON_FAILURE:
		return exit_code != 0;
	case LP_RESTART_NEVER:
		return false;
	}
	return false;
}

int64_t
lp_restart_delay_ms(const struct lp_restart_limits *limits, int64_t last_delay_ms, int64_t ran_ms)
{
	int64_t base = limits->base_ms > 0 ? limits->base_ms : LP_RESTART_BASE_MS;
	int64_t max = limits->max_ms > 0 ? limits->max_ms : LP_RESTART_MAX_MS;

	if (base > max)
		base = max;
	if (last_delay_ms < 0 || ran_ms >= LP_RESTART_RESET_MS)
		return 0;
	if (last_delay_ms == 0)
		return base;
	return last_delay_ms > max / 2 ? max : last_delay_ms * 2;
}
