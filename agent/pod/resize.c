#include "agent/pod/resize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert/ceiling_pod.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/hierarchy.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/schema.h"

enum { VIEW_MAX = 32 << 20, BEFORE_MAX = 4 << 20, AGAIN_MS = 30000 };

static const char *const lists[] = { "initContainers", "containers" };
static const char *const halves[] = { "limits", "requests" };
static const char *const names[] = { "cpu", "memory" };

/* ---- what differs */

static const struct lp_json *
container_of(const struct lp_json *pod, const char *list, const char *name)
{
	lp_json_each(container, lp_json_get(lp_json_get(pod, "spec"), list))
		if (lp_text_same(lp_json_str(container, "name"), name))
			return container;
	return NULL;
}

static const char *
amount(const struct lp_json *container, const char *half, const char *name)
{
	return lp_json_text(lp_json_get(lp_json_get(lp_json_get(container, "resources"), half), name));
}

static bool
resource_differs(const struct lp_json *a, const struct lp_json *b, const char *name)
{
	for (size_t i = 0; i < lp_count(halves); i++) {
		const char *x = amount(a, halves[i], name), *y = amount(b, halves[i], name);

		if ((x || y) && !lp_text_same(x, y))
			return true;
	}
	return false;
}

bool
lp_resize_differs(const struct lp_json *old, const struct lp_json *json)
{
	for (size_t l = 0; l < lp_count(lists); l++)
		lp_json_each(container, lp_json_get(lp_json_get(json, "spec"), lists[l])) {
			const struct lp_json *before = container_of(old, lists[l], lp_json_str(container, "name"));

			if (before && (resource_differs(before, container, "cpu") || resource_differs(before, container, "memory")))
				return true;
		}
	return false;
}

/* cpu and memory of one half (limits, requests) as they were; a half that is empty then goes, as if it had never been there. */
static void
put_back(struct lp_arena *arena, struct lp_json *container, const struct lp_json *before, const char *half)
{
	struct lp_json *resources = lp_json_need_object(arena, container, "resources"), *rows = lp_json_need_object(arena, resources, half);

	for (size_t i = 0; i < lp_count(names); i++) {
		const char *value = amount(before, half, names[i]);

		if (value)
			(void)lp_json_set_str(arena, rows, names[i], value);
		else
			(void)lp_json_remove(rows, names[i]);	/* usually not there */
	}
	if (lp_json_count(rows) == 0 && !lp_json_get(lp_json_get(before, "resources"), half))
		(void)lp_json_remove(resources, half);
	if (lp_json_count(resources) == 0 && !lp_json_get(before, "resources"))
		(void)lp_json_remove(container, "resources");
}

struct lp_json *
lp_resize_without(struct lp_arena *arena, const struct lp_json *old, const struct lp_json *json)
{
	struct lp_json *copy = lp_json_copy(arena, json);

	for (size_t l = 0; l < lp_count(lists); l++)
		lp_json_each(container, lp_json_get(lp_json_get(copy, "spec"), lists[l])) {
			const struct lp_json *before = container_of(old, lists[l], lp_json_str(container, "name"));

			for (size_t i = 0; before && i < lp_count(halves); i++)
				put_back(arena, container, before, halves[i]);
		}
	return arena->failed ? NULL : copy;
}

const struct lp_json *
lp_resize_enforced(const struct lp_pod *pod, const char *container, const struct lp_json *spec)
{
	for (size_t l = 0; l < lp_count(lists); l++)
		lp_json_each(before, lp_json_get(pod->resize.before, lists[l]))
			if (lp_text_same(lp_json_str(before, "name"), container))
				return lp_json_get(before, "resources");
	return lp_json_get(spec, "resources");
}

const struct lp_json *
lp_resize_present(const struct lp_pod *pod, struct lp_arena *arena)
{
	struct lp_json *copy;

	if (!pod->resize.before)
		return pod->json;
	copy = lp_json_copy(arena, pod->json);
	lp_json_each(list, pod->resize.before)
		lp_json_set(arena, lp_json_get(copy, "spec"), list->key, lp_json_copy(arena, list));
	return arena->failed ? NULL : copy;
}

/* ---- room on this node */

static void
set_state(struct lp_pod *pod, enum lp_resize_state state, const char *message)
{
	struct lp_resize *resize = &pod->resize;

	if (resize->state == state && strcmp(resize->message, message) == 0)
		return;
	resize->state = state;
	resize->since_ms = lp_clock_wall_ms();
	(void)snprintf(resize->message, sizeof(resize->message), "%s", message);
	lp_agent_report_changed(pod->agent);
}

/* Requests of all other pods here. */
static void
sum_others(const struct lp_pod *pod, int64_t *out_cpu_milli, int64_t *out_memory_bytes)
{
	size_t pos = 0;
	void *value;

	*out_cpu_milli = *out_memory_bytes = 0;
	while (lp_map_next(&pod->agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *other = value;

		if (other == pod || !other->object || other->final)
			continue;
		*out_cpu_milli += other->wants.cpu_milli;
		*out_memory_bytes += other->wants.memory_bytes;
	}
}

static bool
has_room(struct lp_pod *pod)
{
	const struct lp_agent *agent = pod->agent;
	int64_t cpu = lp_allowance_cpu(&agent->allowance, agent->node.cpu_milli), used_cpu, used_memory;
	int64_t memory = lp_allowance_memory(&agent->allowance, agent->node.memory_bytes);
	bool cpu_short, alone;
	char message[LP_ERR_TEXT];

	sum_others(pod, &used_cpu, &used_memory);
	alone = pod->wants.cpu_milli > cpu || pod->wants.memory_bytes > memory;
	cpu_short = pod->wants.cpu_milli > cpu || (!alone && used_cpu + pod->wants.cpu_milli > cpu);
	if (!alone && !cpu_short && used_memory + pod->wants.memory_bytes <= memory)
		return true;
	if (alone)
		(void)snprintf(message, sizeof(message), "Node didn't have enough capacity: %s, requested: %" PRId64 ", capacity: %" PRId64,
		    cpu_short ? "cpu" : "memory", cpu_short ? pod->wants.cpu_milli : pod->wants.memory_bytes, cpu_short ? cpu : memory);
	else
		(void)snprintf(message, sizeof(message),
		    "Node didn't have enough resource: %s, requested: %" PRId64 ", used: %" PRId64 ", capacity: %" PRId64,
		    cpu_short ? "cpu" : "memory", cpu_short ? pod->wants.cpu_milli : pod->wants.memory_bytes,
		    cpu_short ? used_cpu : used_memory, cpu_short ? cpu : memory);
	set_state(pod, alone ? LP_RESIZE_INFEASIBLE : LP_RESIZE_DEFERRED, message);
	return false;
}

/* What the owner of this node allows at most holds for a size that changes too. */
static bool
is_allowed(struct lp_pod *pod)
{
	lp_auto_arena struct lp_arena arena;
	const struct lp_spec_pod *view;
	struct lp_err err = { 0 };

	lp_arena_init(&arena, VIEW_MAX);
	view = lp_parse(&arena, pod, pod->json);
	if (view && view->spec && !lp_ceiling_pod_refuses(&pod->agent->ceiling.ceiling, view, 0, &err))
		return true;
	set_state(pod, LP_RESIZE_INFEASIBLE, view ? err.text : "out of memory");
	return false;
}

/* ---- acting */

static int
send(struct lp_pod *pod, const char *container, struct lp_cgroup_limits *limits, struct lp_err *err)
{
	int rc;

	limits->memory_check_first = true;
	/* What the spec no longer limits was limited: 0 would leave it as it is. */
	if (!limits->memory_max_bytes)
		limits->memory_max_bytes = LP_CGROUP_MAX;
	if (!limits->cpu_max_milli)
		limits->cpu_quota_usec = LP_CGROUP_MAX;
	rc = lp_control_resize(&pod->control, 0, container, limits, err);
	if (rc == 0)
		pod->resize.waiting++;
	return rc;
}

/* Does the pod as a whole get more memory? Then its own cgroup has to let it in first. */
static bool
grows(struct lp_arena *arena, const struct lp_pod *pod, const struct lp_cgroup_limits *limits)
{
	const struct lp_json *was = lp_resize_present(pod, arena);
	const struct lp_spec_pod *view;
	struct lp_cgroup_limits former;
	const struct lp_facts facts = { .memory_bytes = pod->agent->node.memory_bytes, .ceiling = &pod->agent->ceiling.ceiling };

	if (!pod->resize.before)
		return true;
	view = was ? lp_parse(arena, pod, was) : NULL;
	if (!view || !view->spec || lp_convert_pod_limits(arena, view, &facts, &former) < 0 || !former.memory_max_bytes)
		return true;
	return !limits->memory_max_bytes || limits->memory_max_bytes >= former.memory_max_bytes;
}

static int
send_all(struct lp_pod *pod, struct lp_err *err)
{
	const struct lp_agent *agent = pod->agent;
	const struct lp_facts facts = { .memory_bytes = agent->node.memory_bytes, .memory_qos = agent->allowance.memory_qos,
		.pod_pids_max = agent->allowance.pod_pids_max, .ceiling = &agent->ceiling.ceiling };
	lp_auto_arena struct lp_arena arena;
	const struct lp_spec_pod *view;
	struct lp_cgroup_limits all, one;
	char cpus[LP_PINNING_TEXT];
	bool first;
	int rc;

	lp_arena_init(&arena, VIEW_MAX);
	view = lp_parse(&arena, pod, pod->json);
	if (!view || !view->spec || lp_convert_pod_limits(&arena, view, &facts, &all) < 0)
		return lp_err_set(err, -ENOMEM, "resize");
	first = grows(&arena, pod, &all);
	rc = first ? send(pod, NULL, &all, err) : 0;
	for (size_t i = 0; rc == 0 && i < view->spec->init_containers.count; i++) {
		const struct lp_spec_container *container = view->spec->init_containers.items[i];

		if (lp_text_same(container->restart_policy, "Always") && lp_convert_limits(&arena, view, container, &facts, &one) == 0) {
			one.cpuset_cpus = lp_pinning_cpuset(pod, i, cpus);
			rc = send(pod, container->name, &one, err);
		}
	}
	for (size_t i = 0; rc == 0 && i < view->spec->containers.count; i++)
		if (lp_convert_limits(&arena, view, view->spec->containers.items[i], &facts, &one) == 0) {
			one.cpuset_cpus = lp_pinning_cpuset(pod, pod->init_count + i, cpus);
			rc = send(pod, view->spec->containers.items[i]->name, &one, err);
		}
	return rc == 0 && !first ? send(pod, NULL, &all, err) : rc;
}

void
lp_resize_try(struct lp_pod *pod)
{
	struct lp_resize *resize = &pod->resize;
	int64_t now_ms = lp_loop_now(pod->agent->loop);
	struct lp_err err = { 0 };

	/* What the kernel refused it will refuse for a while. */
	if (resize->state == LP_RESIZE_FAILED && now_ms - resize->tried_ms < AGAIN_MS)
		return;
	if (resize->state == LP_RESIZE_NONE || resize->state == LP_RESIZE_ACTING || !pod->connected || pod->keeper != LP_PODPLAN_RUNNING ||
	    pod->stop_asked)
		return;
	if (!is_allowed(pod) || (!resize->again && !has_room(pod)))
		return;
	resize->waiting = 0;
	resize->tried_ms = now_ms;
	if (send_all(pod, &err) < 0) {
		set_state(pod, LP_RESIZE_FAILED, err.text);
		return;
	}
	set_state(pod, LP_RESIZE_ACTING, "");
}

/* ---- after it */

static void
end_run(struct lp_pod *pod, size_t n)
{
	struct lp_pod_container *container = &pod->containers[n];
	struct lp_err err = { 0 };

	if (!container->known || container->status.run != LP_CONTROL_RUN_RUNNING)
		return;
	lp_agent_event(pod->agent, pod, "Normal", "Killing", "Container %s resize requires restart", container->name);
	if (lp_control_renew(&pod->control, container->name, &err) < 0)
		lp_log(LP_LOG_WARN, "a container was not restarted for its new size", "pod=%s/%s container=%s why=\"%s\"", pod->namespace,
		    pod->name, container->name, err.text);
}

static void
forget(struct lp_resize *resize)
{
	lp_arena_fini(&resize->arena);
	resize->before = NULL;
	resize->restart = 0;
	resize->again = false;
}

void
lp_resize_done(struct lp_pod *pod, const struct lp_err *err)
{
	struct lp_resize *resize = &pod->resize;

	if (resize->waiting > 0)
		resize->waiting--;
	if (err->code < 0) {
		lp_agent_event(pod->agent, pod, "Warning", "ResizeError", "%s", err->text);
		set_state(pod, LP_RESIZE_FAILED, err->text);
	}
	if (resize->waiting > 0 || resize->state != LP_RESIZE_ACTING)
		return;
	for (size_t i = 0; i < pod->container_count && i < 64; i++)
		if (resize->restart & UINT64_C(1) << i)
			end_run(pod, i);
	forget(resize);
	set_state(pod, LP_RESIZE_NONE, "");
	lp_agent_report_changed(pod->agent);
}

/* ---- wanting */

/* Does a resource that changed ask for a restart? */
static bool
restarts(const struct lp_json *before, const struct lp_json *container)
{
	lp_json_each(policy, lp_json_get(container, "resizePolicy")) {
		const char *name = lp_json_str(policy, "resourceName");

		if (name && lp_text_same(lp_json_str(policy, "restartPolicy"), "RestartContainer") && resource_differs(before, container, name))
			return true;
	}
	return false;
}

/* What is enforced stays what it was when the first of several changes came. */
static void
keep(struct lp_resize *resize, const struct lp_json *old)
{
	if (resize->before)
		return;
	lp_arena_init(&resize->arena, BEFORE_MAX);
	resize->before = lp_json_new(&resize->arena, LP_JSON_OBJECT);
	for (size_t l = 0; l < lp_count(lists); l++) {
		const struct lp_json *list = lp_json_get(lp_json_get(old, "spec"), lists[l]);

		if (list)
			(void)lp_json_set(&resize->arena, resize->before, lists[l], lp_json_copy(&resize->arena, list));
	}
	if (resize->arena.failed) {	/* without memory the wish is told as if it were enforced */
		lp_arena_fini(&resize->arena);
		resize->before = NULL;
	}
}

void
lp_resize_want(struct lp_pod *pod, const struct lp_json *old)
{
	struct lp_resize *resize = &pod->resize;

	if (!old || pod->keeper == LP_PODPLAN_NONE || pod->recreate || !lp_resize_differs(old, pod->json))
		return;
	for (size_t i = 0; i < pod->container_count && i < 64; i++) {
		const char *list = lists[i >= pod->init_count], *name = pod->containers[i].name;
		const struct lp_json *before = container_of(old, list, name), *now = container_of(pod->json, list, name);

		if (before && now && restarts(before, now))
			resize->restart |= UINT64_C(1) << i;
	}
	keep(resize, old);
	resize->again = false;
	set_state(pod, LP_RESIZE_DEFERRED, "");
	lp_resize_try(pod);
}

void
lp_resize_again(struct lp_pod *pod)
{
	if (!pod->json || pod->fail_reason[0] || pod->resize.state != LP_RESIZE_NONE || pod->keeper != LP_PODPLAN_RUNNING)
		return;		/* a wish that waits is judged by the new one; a pod that is still to start begins with it */
	pod->resize.again = true;
	pod->resize.state = LP_RESIZE_DEFERRED;
	lp_resize_try(pod);
}

void
lp_resize_adopted(struct lp_pod *pod)
{
	if (pod->resize.looked)
		return;
	pod->resize.looked = true;
	if (!pod->json || pod->resize.state != LP_RESIZE_NONE)
		return;
	if (lp_json_int(pod->json, "metadata.generation", 1) > 1) {
		pod->resize.state = LP_RESIZE_DEFERRED;
		lp_resize_try(pod);
	} else if (pod->agent->ceiling.present) {
		lp_resize_again(pod);	/* it may be another one than an agent before us had */
	}
}
