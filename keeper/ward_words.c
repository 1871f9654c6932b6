/* keeper/ward_words.c - what the agent is told of a container. */
#include <inttypes.h>
#include <stdio.h>

#include "base/auto.h"
#include "keeper/care.h"
#include "keeper/keeper.h"
#include "keeper/ward.h"

static const char *const reasons[] = {
	[LP_WARD_COMPLETED] = "Completed",
	[LP_WARD_ERROR] = "Error",
	[LP_WARD_OOM] = "OOMKilled",
	[LP_WARD_START_ERROR] = "StartError",
};

const char *
lp_ward_reason_name(enum lp_ward_reason reason)
{
	return (size_t)reason < lp_count(reasons) ? reasons[reason] : reasons[LP_WARD_ERROR];
}

/* As Go prints a duration: 10s, 1m20s, 5m0s. */
static void
print_duration(int64_t ms, char *out, size_t size)
{
	int64_t seconds = ms / 1000;

	if (ms < 1000)
		(void)snprintf(out, size, "%" PRId64 "ms", ms);
	else if (seconds < 60)
		(void)snprintf(out, size, "%" PRId64 "s", seconds);
	else
		(void)snprintf(out, size, "%" PRId64 "m%" PRId64 "s", seconds / 60, seconds % 60);
}

static struct lp_control_end
end_of(const struct lp_ward_end *end)
{
	return (struct lp_control_end){
		.set = end->set,
		.attempt = end->attempt,
		.code = end->code,
		.signal = end->signal,
		.reason = end->set ? lp_ward_reason_name(end->reason) : NULL,
		.message = end->message,
		.started_ms = end->started_ms,
		.ended_ms = end->ended_ms,
	};
}

static void
say_waiting(const struct lp_ward *ward, char scratch[static LP_WARD_SCRATCH], struct lp_control_status *out)
{
	const struct lp_control_pod *pod = &ward->keeper->pod;
	char pause[32];

	out->run = LP_CONTROL_RUN_WAITING;
	if (ward->facts.state == LP_PLAN_NEW) {
		out->reason = pod->containers[0].role == LP_CONTROL_INIT ? "PodInitializing" : "ContainerCreating";
		return;
	}
	out->last = end_of(&ward->end);
	out->reason = "CrashLoopBackOff";
	print_duration(ward->delay_ms, pause, sizeof(pause));
	(void)snprintf(scratch, LP_WARD_SCRATCH, "back-off %s restarting failed container=%s pod=%s_%s(%s)", pause, ward->spec->name,
	    pod->name, pod->namespace, pod->uid);
	out->message = scratch;
}

void
lp_ward_status(const struct lp_ward *ward, int64_t now_ms, char scratch[static LP_WARD_SCRATCH], struct lp_control_status *out)
{
	const struct lp_keeper *keeper = ward->keeper;
	bool again = !keeper->facts.stopping && !keeper->done && lp_plan_again(&keeper->facts, &ward->facts);

	(void)now_ms;
	*out = (struct lp_control_status){
		.name = ward->spec->name,
		.role = (int32_t)ward->spec->role,
		.attempt = ward->attempt,
		.starts = ward->starts,
		.missing = ward->missing,
		.notes = ward->notes,
		.log_lost = ward->logs.lost,
		.last = end_of(&ward->last),
		.ready = LP_CONTROL_NO,
		.started = LP_CONTROL_NO,
		.news = ward->care.news,
		.news_count = ward->care.news_count,
		.resized = ward->resized,
		.limits = ward->limits,
		.turned_ms = ward->care.turned_ms,
	};
	switch (ward->facts.state) {
	case LP_PLAN_RUNNING:
		out->pid = lp_container_pid(ward->container);
		if (ward->keeper->sandbox.cgroup_fd < 0)
			(void)lp_record_start_ticks(out->pid, &out->start_ticks, NULL);	/* 0: nobody will look for it */
		if (!ward->facts.begun && !ward->facts.asked) {	/* its postStart hook runs: it counts as running afterwards */
			out->run = LP_CONTROL_RUN_WAITING;
			out->reason = "ContainerCreating";
			return;
		}
		out->run = LP_CONTROL_RUN_RUNNING;
		out->started_ms = ward->started_ms;
		out->started = ward->facts.started ? LP_CONTROL_YES : LP_CONTROL_NO;
		out->ready = lp_care_ready(ward) ? LP_CONTROL_YES : LP_CONTROL_NO;
		return;
	case LP_PLAN_EXITED:
		if (!again) {
			out->run = LP_CONTROL_RUN_ENDED;
			out->end = end_of(&ward->end);
			return;
		}
		say_waiting(ward, scratch, out);
		return;
	case LP_PLAN_NEW:
		say_waiting(ward, scratch, out);
		return;
	}
}
