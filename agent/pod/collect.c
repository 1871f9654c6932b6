#include "agent/pod/collect.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <string.h>

#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/log.h"

#define DELAY_MS 5000

/* In the child, on a copy of what the agent knows. */
static bool
is_used(void *arg, const char *digest)
{
	const struct lp_agent *agent = arg;
	size_t pos = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *pod = value;

		for (size_t i = 0; i < pod->container_count; i++) {
			const char *id = pod->containers[i].image_id;

			if (!strcmp(id, digest) || (!*id && pod->keeper != LP_PODPLAN_NONE))
				return true;
		}
		if (!pod->container_count && pod->keeper != LP_PODPLAN_NONE)
			return true;	/* a keeper that has not said yet what it runs */
	}
	return false;
}

static int
collect(void *arg, struct lp_buf *result, struct lp_err *err)
{
	struct lp_agent *agent = arg;
	uint64_t freed = 0;
	int rc = lp_images_collect(agent->images, is_used, agent, &freed, err);

	return rc < 0 ? rc : lp_buf_printf(result, "%" PRIu64, freed);
}

static void
collected(struct lp_child *child, const struct lp_err *err, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(child, struct lp_agent, collecting);

	(void)now_ms;
	if (err->code == -EAGAIN)
		lp_collect_later(agent);	/* an image is being loaded: after that */
	else if (err->code)
		lp_log(LP_LOG_WARN, "unused images were not removed", "why=\"%s\"", err->text);
	else if (child->result.len && strcmp(child->result.data, "0") != 0)
		lp_log(LP_LOG_INFO, "unused images were removed", "bytes=%s", child->result.data);
	lp_child_cancel(child);		/* its result was said */
}

static void
collect_now(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(timer, struct lp_agent, collect_timer);
	struct lp_err err;

	(void)now_ms;
	(void)malloc_trim(0);	/* pods went: what they and their revisions needed goes back, also below what stays */
	if (lp_child_busy(&agent->collecting))
		lp_collect_later(agent);
	else if (lp_child_start(agent->loop, &agent->collecting, collect, agent, collected, &err) < 0)
		lp_log(LP_LOG_WARN, "unused images were not removed", "why=\"%s\"", err.text);
}

void
lp_collect_later(struct lp_agent *agent)
{
	if (agent->collect_timer.loop || agent->leaving)
		return;
	if (lp_timer_start(agent->loop, &agent->collect_timer, lp_loop_now(agent->loop) + DELAY_MS, collect_now) < 0)
		lp_log(LP_LOG_WARN, "unused images are not removed", "why=\"no memory\"");
}

void
lp_collect_now(struct lp_agent *agent)
{
	lp_timer_stop(&agent->collect_timer);
	if (!agent->leaving && lp_timer_start(agent->loop, &agent->collect_timer, lp_loop_now(agent->loop), collect_now) < 0)
		lp_log(LP_LOG_WARN, "unused images are not removed", "why=\"no memory\"");
}

void
lp_collect_stop(struct lp_agent *agent)
{
	lp_timer_stop(&agent->collect_timer);
	lp_child_cancel(&agent->collecting);
}
