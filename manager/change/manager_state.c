#include "manager/change/manager_state.h"

#include "base/log.h"

void
lp_manager_fail(struct lp_manager *manager, const struct lp_err *why)
{
	if (manager->exit_code == 0)
		lp_log(LP_LOG_ERROR, "the manager cannot go on and must start again", "why=\"%s\"", why->text);
	manager->exit_code = 1;
	lp_loop_stop(manager->loop);
}
