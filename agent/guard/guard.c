#include "agent/guard/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/guard/footprint.h"
#include "agent/guard/logage.h"
#include "agent/node/evict.h"
#include "agent/node/measure.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/collect.h"
#include "agent/pod/hierarchy.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/seam.h"
#include "specs/quantity.h"
#include "specs/schema.h"

enum { CALM_MS = 10000, PRESSED_MS = 1000, APART_MS = 1000, RECLAIM_MS = 3000, WALK_MS = 10000, WALK_ALL_MS = 60000, AGED_MS = 600000,
	QUIET_MS = 5000, VIEW_MAX = 32 << 20 };

/* 0.2 s of stall within two seconds wakes us; shorter windows are for CAP_SYS_RESOURCE alone (Linux 6.4). */
#define STALL "some 200000 2000000"

struct lp_guard {
	struct lp_agent *agent;			/* weak */
	struct lp_defer defer;
	struct lp_timer timer;
	int stall_fd;				/* -1: a kernel without PSI */
	struct lp_watch stall_watch;
	struct lp_pressure_state state;
	struct lp_pressure_verdict verdict;	/* of the last look */
	int64_t quiet_ms;			/* boot time until which trees are not walked: an agent that has just started has more urgent work */
	int64_t looked_ms, walked_ms, walked_all_ms, reclaimed_ms, aged_ms;	/* boot time; 0 never */
	uint64_t default_most;			/* bytes in a pod's writable layers */
	struct lp_footprint footprint;
};

/* ---- who goes */

static bool
is_here(const struct lp_pod *pod)
{
	return pod->json && (pod->keeper == LP_PODPLAN_SPAWNED || pod->keeper == LP_PODPLAN_READY || pod->keeper == LP_PODPLAN_RUNNING);
}

/* One pod at a time: what it gives back is measured before the next. */
static bool
somebody_leaves(const struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *pod = value;

		if (pod->fail_reason[0] && pod->keeper != LP_PODPLAN_NONE)
			return true;
	}
	return false;
}

static void
fill_use(struct lp_guard *guard, struct lp_arena *arena, enum lp_pressure_signal signal, struct lp_pod *pod, struct lp_evict_pod *out)
{
	bool inodes = signal == LP_PRESSURE_NODEFS_INODES || signal == LP_PRESSURE_IMAGEFS_INODES;
	struct lp_measure_use use;
	struct lp_storage_use *rows;
	size_t count = 0;

	if (lp_pressure_kind_of(signal) == LP_PRESSURE_OF_DISK) {
		rows = lp_footprint_pod(&guard->footprint, arena, pod->uid, &count);
		out->known = count > 0;
		for (size_t i = 0; i < count; i++)
			out->use += (int64_t)(inodes ? rows[i].inodes : rows[i].bytes);
		out->request = pod->wants.disk_bytes;
		return;
	}
	out->known = lp_hierarchy_measure(pod, &use, NULL) == 0;
	out->use = out->known ? (int64_t)(signal == LP_PRESSURE_MEMORY ? use.memory_bytes : use.pids) : 0;
	out->request = signal == LP_PRESSURE_MEMORY ? pod->wants.memory_bytes : 0;
}

static void
print_amount(int64_t amount, enum lp_pressure_signal signal, char out[static LP_QUANTITY_TEXT])
{
	bool bytes = signal == LP_PRESSURE_MEMORY || signal == LP_PRESSURE_NODEFS || signal == LP_PRESSURE_IMAGEFS;
	const struct lp_quantity quantity = { .units = bytes && amount > 1 << 20 ? amount / 1024 * 1024 : amount,
		.format = bytes ? LP_QUANTITY_BINARY : LP_QUANTITY_DECIMAL };

	lp_quantity_print(&quantity, out);
}

static void
send_away(const struct lp_pressure_verdict *verdict, const struct lp_evict_pod *chosen)
{
	struct lp_pod *pod = chosen->pod;
	const char *resource = lp_pressure_resource(verdict->signal);
	char threshold[LP_QUANTITY_TEXT], available[LP_QUANTITY_TEXT], use[LP_QUANTITY_TEXT], request[LP_QUANTITY_TEXT], more[160] = "";
	char message[LP_ERR_TEXT];

	print_amount(verdict->threshold, verdict->signal, threshold);
	print_amount(verdict->available, verdict->signal, available);
	print_amount(chosen->use, verdict->signal, use);
	print_amount(chosen->request, verdict->signal, request);
	if (chosen->known && chosen->use > chosen->request && pod->container_count > pod->init_count)
		(void)snprintf(more, sizeof(more), "Container %.40s was using %s, request is %s, has larger consumption of %s. ",
		    pod->containers[pod->init_count].name, use, request, resource);
	(void)snprintf(message, sizeof(message), "The node was low on resource: %s. Threshold quantity: %s, available: %s. %s", resource,
	    threshold, available, more);
	lp_pod_fail(pod, "Evicted", message, verdict->grace_s * 1000);
}

static void
choose_one(struct lp_guard *guard)
{
	struct lp_agent *agent = guard->agent;
	lp_auto_arena struct lp_arena arena;
	struct lp_evict_pod *pods;
	size_t count = 0, pos = 0;
	void *value;
	int chosen;

	lp_arena_init(&arena, VIEW_MAX);
	pods = lp_arena_alloc(&arena, (agent->pods.count + 1) * sizeof(*pods));
	while (pods && lp_map_next(&agent->pods, &pos, NULL, &value)) {
		struct lp_pod *pod = value;

		if (!is_here(pod))
			continue;
		pods[count] = (struct lp_evict_pod){ .pod = pod, .critical = pod->wants.critical, .priority = pod->wants.priority,
			.leaving = pod->stop_asked || pod->fail_reason[0] || pod->final };
		fill_use(guard, &arena, guard->verdict.signal, pod, &pods[count++]);
	}
	chosen = pods ? lp_evict_choose(guard->verdict.signal, pods, count) : -1;
	if (chosen >= 0) {
		send_away(&guard->verdict, &pods[chosen]);
	} else {
		static struct lp_log_limit limit;

		if (lp_log_allowed(&limit))
			lp_log(LP_LOG_WARN, "this node is short and no pod can go", "signal=%s", lp_pressure_signal_name(guard->verdict.signal));
	}
}

/* ---- limits on local storage */

/* By its manifest, or by the ceiling of this node. */
static bool
is_limited(const struct lp_pod *pod)
{
	return pod->wants.limited_storage || pod->agent->ceiling.ceiling.writable_bytes > 0;
}

static bool
any_limited(const struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		if (is_here(value) && is_limited(value) && !((const struct lp_pod *)value)->fail_reason[0])
			return true;
	return false;
}

static void
enforce_limits(struct lp_guard *guard)
{
	const int64_t most = guard->agent->ceiling.ceiling.writable_bytes;
	size_t pos = 0;
	void *value;

	while (lp_map_next(&guard->agent->pods, &pos, NULL, &value)) {
		struct lp_pod *pod = value;
		lp_auto_arena struct lp_arena arena;
		const struct lp_spec_pod *view;
		const struct lp_storage_use *rows;
		char message[LP_ERR_TEXT];
		size_t count;

		if (!is_here(pod))
			continue;
		lp_arena_init(&arena, VIEW_MAX);
		rows = lp_footprint_pod(&guard->footprint, &arena, pod->uid, &count);
		view = count && is_limited(pod) ? lp_parse(&arena, pod, pod->json) : NULL;
		if ((view && (lp_storage_over(view, rows, count, message, sizeof(message)) ||
		    lp_storage_over_most(view, rows, count, most, message, sizeof(message)))) ||
		    (most == 0 && lp_storage_over_default(rows, count, guard->default_most, message, sizeof(message))))
			lp_pod_fail(pod, "Evicted", message, 0);
	}
}

/*
 * May a pod that names no limit have more than the default? Only on a disk that is that full; then they are all looked at now and then.
 * Where project quota hold the sizes this finds nothing.
 */
static bool
default_due(struct lp_guard *guard, const struct lp_measure_node *node, int64_t now_ms)
{
	guard->default_most = lp_storage_default_most(node->disk_bytes);
	return !guard->agent->ceiling.ceiling.writable_bytes && guard->agent->pods.count > 0 && guard->default_most > 0 &&
	    node->disk_bytes - node->disk_free_bytes > guard->default_most &&
	    (!guard->walked_all_ms || now_ms - guard->walked_all_ms >= WALK_ALL_MS);
}

static void
walked(struct lp_footprint *footprint, int64_t now_ms)
{
	struct lp_guard *guard = lp_of(footprint, struct lp_guard, footprint);

	(void)now_ms;
	enforce_limits(guard);
	if (guard->verdict.evict && lp_pressure_kind_of(guard->verdict.signal) == LP_PRESSURE_OF_DISK && !footprint->only_limited &&
	    !somebody_leaves(guard->agent))
		choose_one(guard);
}

static void
walk(struct lp_guard *guard, bool only_limited, int64_t now_ms)
{
	struct lp_err err = { 0 };

	if (lp_footprint_busy(&guard->footprint))
		return;
	guard->walked_ms = now_ms;
	if (!only_limited)
		guard->walked_all_ms = now_ms;
	if (lp_footprint_start(&guard->footprint, only_limited, walked, &err) < 0)
		lp_log(LP_LOG_WARN, "disk use of pods could not be measured", "why=\"%s\"", err.text);
}

/* ---- looking */

static void
tell_conditions(struct lp_guard *guard)
{
	static const char *const names[LP_PRESSURE_KINDS] = { "memory", "disk", "processes" };
	struct lp_node_pressure *told = guard->agent->node.pressure;

	for (int kind = 0; kind < LP_PRESSURE_KINDS; kind++) {
		if (told[kind].on == guard->state.kind[kind])
			continue;
		told[kind].on = guard->state.kind[kind];
		told[kind].since_ms = lp_clock_wall_ms();
		lp_log(told[kind].on ? LP_LOG_WARN : LP_LOG_INFO, told[kind].on ? "this node is under pressure" : "pressure on this node is over",
		    "of=%s", names[kind]);
	}
	lp_agent_report_changed(guard->agent);
}

static void
make_room(struct lp_guard *guard, int64_t now_ms)
{
	const struct lp_pressure_verdict *verdict = &guard->verdict;

	if (somebody_leaves(guard->agent))
		return;
	if (lp_pressure_kind_of(verdict->signal) != LP_PRESSURE_OF_DISK) {
		choose_one(guard);
		return;
	}
	/* What nobody needs goes first, and gets the time to. */
	if (!guard->reclaimed_ms) {
		guard->reclaimed_ms = now_ms;
		lp_log(LP_LOG_WARN, "disk is short: unused images are removed", "signal=%s", lp_pressure_signal_name(verdict->signal));
		lp_collect_now(guard->agent);
	} else if (now_ms - guard->reclaimed_ms >= RECLAIM_MS) {
		walk(guard, false, now_ms);
	}
}

/* Room that a pod left may be what another waits for. */
static void
try_resizes(struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		if (((const struct lp_pod *)value)->resize.state != LP_RESIZE_NONE)
			lp_resize_try(value);
}

/* Often enough for an age in hours, and for shorter ones too. */
static void
drop_old_logs(struct lp_guard *guard, int64_t now_ms)
{
	int64_t age_ms = guard->agent->allowance.log_max_age_ms;
	struct lp_err err = { 0 };

	if (age_ms <= 0 || (guard->aged_ms && now_ms - guard->aged_ms < (age_ms / 4 < AGED_MS ? age_ms / 4 : AGED_MS)))
		return;
	guard->aged_ms = now_ms;
	if (lp_logage_drop(guard->agent->run_logs_fd, age_ms, lp_clock_wall_ms(), NULL, &err) < 0)
		lp_log(LP_LOG_WARN, "old logs were not removed", "why=\"%s\"", err.text);
}

static void timer_due(struct lp_timer *timer, int64_t now_ms);

static void
look(struct lp_guard *guard, int64_t now_ms)
{
	struct lp_agent *agent = guard->agent;
	struct lp_measure_node node;
	struct lp_pressure_facts facts;
	int64_t due_ms;
	bool pressed = false, quiet = false;

	guard->looked_ms = now_ms;
	lp_measure_node(agent->data_fd, &node);
	lp_measure_facts(&node, &facts);
	lp_pressure_judge(&agent->allowance.pressure, &facts, &guard->state, now_ms, &guard->verdict);
	if (guard->verdict.changed)
		tell_conditions(guard);
	if (guard->verdict.evict)
		make_room(guard, now_ms);
	else
		guard->reclaimed_ms = 0;
	if (now_ms < guard->quiet_ms)
		quiet = true;
	else if (default_due(guard, &node, now_ms))
		walk(guard, false, now_ms);
	else if (any_limited(agent) && (!guard->walked_ms || now_ms - guard->walked_ms >= WALK_MS))
		walk(guard, true, now_ms);
	lp_hierarchy_weigh(agent);
	drop_old_logs(guard, now_ms);
	lp_pinning_apply(agent);
	try_resizes(agent);
	for (int kind = 0; kind < LP_PRESSURE_KINDS; kind++)
		pressed = pressed || guard->state.kind[kind];
	if (!pressed && agent->pods.count == 0) {
		lp_timer_stop(&guard->timer);
		return;
	}
	due_ms = now_ms + (guard->verdict.evict ? PRESSED_MS : CALM_MS);
	due_ms = guard->verdict.due_ms < due_ms ? guard->verdict.due_ms : due_ms;
	due_ms = quiet && guard->quiet_ms < due_ms ? guard->quiet_ms : due_ms;
	(void)lp_timer_start(agent->loop, &guard->timer, due_ms, timer_due);	/* without memory the next event looks */
}

static void
timer_due(struct lp_timer *timer, int64_t now_ms)
{
	look(lp_of(timer, struct lp_guard, timer), now_ms);
}

static void
stalled(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_guard *guard = lp_of(watch, struct lp_guard, stall_watch);

	if (events & EPOLLERR) {	/* the trigger is gone: a kernel that was told to stop counting */
		lp_watch_stop(watch);
		return;
	}
	look(guard, now_ms);
}

static void
look_due(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_guard *guard = lp_of(defer, struct lp_guard, defer);
	int64_t due_ms = guard->looked_ms + APART_MS;

	if (guard->agent->leaving)
		return;
	if (!guard->looked_ms || now_ms >= due_ms)
		look(guard, now_ms);
	else if (!guard->timer.loop || guard->timer.due_ms > due_ms)
		(void)lp_timer_start(guard->agent->loop, &guard->timer, due_ms, timer_due);	/* the timer that runs looks later */
}

void
lp_guard_look(struct lp_guard *guard)
{
	if (guard && !guard->agent->leaving)
		lp_loop_defer(guard->agent->loop, &guard->defer, look_due);
}

/* ---- life */

static void
watch_stalls(struct lp_guard *guard)
{
	struct lp_err err = { 0 };

	guard->stall_fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (guard->stall_fd >= 0 && write(guard->stall_fd, STALL, sizeof(STALL)) < 0)
		lp_close(&guard->stall_fd);
	if (guard->stall_fd >= 0)
		(void)lp_watch_start(guard->agent->loop, &guard->stall_watch, guard->stall_fd, EPOLLPRI, stalled, &err);
	if (guard->stall_fd < 0 || err.code)
		lp_log(LP_LOG_INFO, "this kernel does not tell of memory stalls: memory is only measured", "every=%ds", CALM_MS / 1000);
}

int
lp_guard_new(struct lp_agent *agent, struct lp_guard **out, struct lp_err *err)
{
	struct lp_guard *guard = lp_seam.alloc(sizeof(*guard));

	if (!guard)
		return lp_err_set(err, -ENOMEM, "guard");
	guard->agent = agent;
	guard->stall_fd = -1;
	guard->quiet_ms = lp_loop_now(agent->loop) + QUIET_MS;
	lp_footprint_init(&guard->footprint, agent);
	watch_stalls(guard);
	*out = guard;
	return 0;
}

void
lp_guard_free(struct lp_guard *guard)
{
	if (!guard)
		return;
	lp_watch_stop(&guard->stall_watch);
	lp_close(&guard->stall_fd);
	lp_timer_stop(&guard->timer);
	lp_defer_cancel(&guard->defer);
	lp_footprint_fini(&guard->footprint);
	free(guard);
}
