#include "agent/pod/report.h"

#include <string.h>

#include "agent/pod/resize.h"
#include "base/clock.h"
#include "base/text.h"
#include "specs/object.h"

/* ---- states of containers */

static void
set_time(struct lp_arena *arena, struct lp_json *object, const char *key, int64_t wall_ms)
{
	char text[LP_CLOCK_TEXT];

	lp_clock_print(wall_ms, text);
	(void)lp_json_set_str(arena, object, key, wall_ms > 0 ? text : NULL);
}

static const char *
container_id(struct lp_arena *arena, const struct lp_report_pod *pod, const struct lp_report_container *container, uint64_t attempt)
{
	return lp_arena_printf(arena, "limpet://%s/%s.%llu", lp_object_uid(pod->pod), container->name, (unsigned long long)attempt);
}

static void
set_ended(struct lp_arena *arena, struct lp_json *state, const struct lp_report_pod *pod, const struct lp_report_container *container,
    const struct lp_control_end *end)
{
	struct lp_json *terminated = lp_json_set_object(arena, state, "terminated");

	(void)lp_json_set_int(arena, terminated, "exitCode", end->code);
	if (end->signal)
		(void)lp_json_set_int(arena, terminated, "signal", end->signal);
	(void)lp_json_set_str(arena, terminated, "reason", end->reason ? end->reason : end->code ? "Error" : "Completed");
	if (end->message && *end->message)
		(void)lp_json_set_str(arena, terminated, "message", end->message);
	set_time(arena, terminated, "startedAt", end->started_ms);
	set_time(arena, terminated, "finishedAt", end->ended_ms);
	(void)lp_json_set_str(arena, terminated, "containerID", container_id(arena, pod, container, end->attempt));
}

static void
set_waiting(struct lp_arena *arena, struct lp_json *state, const char *reason, const char *message)
{
	struct lp_json *waiting = lp_json_set_object(arena, state, "waiting");

	(void)lp_json_set_str(arena, waiting, "reason", reason);
	if (message && *message)
		(void)lp_json_set_str(arena, waiting, "message", message);
}

static bool
is_running(const struct lp_report_container *container)
{
	return container->status && container->status->run == LP_CONTROL_RUN_RUNNING;
}

static bool
has_ended(const struct lp_report_container *container)
{
	return container->status && container->status->run == LP_CONTROL_RUN_ENDED;
}

/* An init container that ran to its successful end is "ready" for Kubernetes. */
static bool
is_ready(const struct lp_report_container *container)
{
	if (is_running(container) && container->status->ready != LP_CONTROL_UNSAID)
		return container->status->ready == LP_CONTROL_YES && container->status->role != LP_CONTROL_INIT;
	if (is_running(container))
		return container->status->role != LP_CONTROL_INIT;
	return has_ended(container) && container->status->role == LP_CONTROL_INIT && container->status->end.code == 0;
}

static bool
has_started(const struct lp_report_container *container)
{
	return is_running(container) && container->status->started != LP_CONTROL_NO;
}

static bool
is_sidecar(const struct lp_report_container *container)
{
	return container->status && container->status->role == LP_CONTROL_SIDECAR;
}

/* What comes behind an init container may start. */
static bool
is_initialized(const struct lp_report_container *container)
{
	return is_sidecar(container) ? has_started(container) : is_ready(container);
}

static void
set_state(struct lp_arena *arena, struct lp_json *row, const struct lp_report_pod *pod, const struct lp_report_container *container)
{
	struct lp_json *state = lp_json_set_object(arena, row, "state"), *last = lp_json_set_object(arena, row, "lastState");
	const struct lp_control_status *status = container->status;
	const struct lp_control_end *before = status && status->last.set ? &status->last : container->lost;

	if (is_running(container)) {
		set_time(arena, lp_json_set_object(arena, state, "running"), "startedAt", status->started_ms);
	} else if (has_ended(container)) {
		set_ended(arena, state, pod, container, &status->end);
	} else if (status && status->reason && *status->reason) {
		set_waiting(arena, state, status->reason, status->message);
	} else {
		const char *usual = pod->init_count > 0 && !status ? "PodInitializing" : "ContainerCreating";

		set_waiting(arena, state, pod->wait_reason ? pod->wait_reason : usual, pod->wait_message);
	}
	if (before)
		set_ended(arena, last, pod, container, before);
}

static void
add_container(struct lp_arena *arena, struct lp_json *list, const struct lp_report_pod *pod, const struct lp_report_container *container)
{
	struct lp_json *row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));
	const struct lp_control_status *status = container->status;
	uint64_t attempt = status ? status->attempt : container->restarts;
	bool begun = status && status->starts > 0;

	(void)lp_json_set_str(arena, row, "name", container->name);
	set_state(arena, row, pod, container);
	(void)lp_json_set_bool(arena, row, "ready", is_ready(container));
	(void)lp_json_set_int(arena, row, "restartCount", (int64_t)attempt);
	(void)lp_json_set_str(arena, row, "image", container->image);
	(void)lp_json_set_str(arena, row, "imageID", container->image_id ? container->image_id : "");
	if (begun)
		(void)lp_json_set_str(arena, row, "containerID", container_id(arena, pod, container, attempt));
	(void)lp_json_set_bool(arena, row, "started", has_started(container));
	if (begun && lp_json_count(container->resources) > 0) {
		const struct lp_json *requests = lp_json_get(container->resources, "requests");

		if (requests)
			(void)lp_json_set(arena, row, "allocatedResources", lp_json_copy(arena, requests));
		(void)lp_json_set(arena, row, "resources", lp_json_copy(arena, container->resources));
	}
}

/* ---- phase and conditions */

static const char *
phase_of(const struct lp_report_pod *pod)
{
	size_t failed = 0, ended = 0, begun = 0;

	for (size_t i = 0; i < pod->init_count; i++)
		if (has_ended(&pod->inits[i]) && pod->inits[i].status->end.code != 0 && pod->done)
			failed++;
	for (size_t i = 0; i < pod->container_count; i++) {
		const struct lp_report_container *container = &pod->containers[i];

		begun += container->status && container->status->starts > 0 &&
		    (container->status->run != LP_CONTROL_RUN_WAITING || container->status->last.set);
		ended += has_ended(container);
		failed += has_ended(container) && container->status->end.code != 0;
	}
	if (pod->done && (failed > 0 || pod->stopping))
		return failed > 0 || ended < pod->container_count ? "Failed" : "Succeeded";
	if (pod->done)
		return "Succeeded";
	return begun == pod->container_count ? "Running" : "Pending";
}

struct condition {
	const char *type, *reason, *message;
	bool truth;
	int64_t since_ms;
};

static void
add_condition(struct lp_arena *arena, struct lp_json *list, const struct condition *condition)
{
	struct lp_json *row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));

	(void)lp_json_set_str(arena, row, "type", condition->type);
	(void)lp_json_set_str(arena, row, "status", condition->truth ? "True" : "False");
	(void)lp_json_set(arena, row, "lastProbeTime", lp_json_new(arena, LP_JSON_NULL));
	set_time(arena, row, "lastTransitionTime", condition->since_ms);
	if (condition->reason)
		(void)lp_json_set_str(arena, row, "reason", condition->reason);
	if (condition->message)
		(void)lp_json_set_str(arena, row, "message", condition->message);
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* When a container last changed between running and not. */
static int64_t
changed_ms(const struct lp_report_container *container)
{
	const struct lp_control_status *status = container->status;

	if (!status)
		return 0;
	if (is_running(container))
		return later(status->started_ms, status->turned_ms);
	return has_ended(container) ? status->end.ended_ms : status->last.set ? status->last.ended_ms : 0;
}

/* "a b": those of which `test` does not hold, behind what is in `text` already. */
static const char *
names_without(struct lp_arena *arena, const char *text, const struct lp_report_container *list, size_t count,
    bool (*test)(const struct lp_report_container *container))
{
	for (size_t i = 0; text && i < count; i++)
		if (!test(&list[i]))
			text = lp_arena_printf(arena, "%s%s%s", text, *text ? " " : "", list[i].name);
	return text;
}

/* Sidecars count among those that have to be ready. */
static bool
is_no_unready_sidecar(const struct lp_report_container *container)
{
	return !is_sidecar(container) || is_ready(container);
}

/* Source: kubelet pkg/kubelet/status, conditions of KEP-1287. */
static void
add_resize(struct lp_arena *arena, struct lp_json *list, const struct lp_report_pod *pod)
{
	enum lp_resize_state state = (enum lp_resize_state)pod->resize;
	bool pending = state == LP_RESIZE_DEFERRED || state == LP_RESIZE_INFEASIBLE;

	if (state == LP_RESIZE_NONE)
		return;
	add_condition(arena, list, &(struct condition){ .type = pending ? "PodResizePending" : "PodResizeInProgress", .truth = true,
	    .reason = state == LP_RESIZE_DEFERRED ? "Deferred" : state == LP_RESIZE_INFEASIBLE ? "Infeasible"
		: state == LP_RESIZE_FAILED ? "Error" : NULL,
	    .message = pod->resize_message && *pod->resize_message ? pod->resize_message : NULL, .since_ms = pod->resize_ms });
}

static void
add_conditions(struct lp_arena *arena, struct lp_json *status, const struct lp_report_pod *pod, const char *phase)
{
	struct lp_json *list = lp_json_set_array(arena, status, "conditions");
	int64_t created = lp_object_created_ms(pod->pod), initialized = later(created, pod->started_ms), ready = initialized;
	bool all_init = true, all_ready = pod->container_count > 0, succeeded = strcmp(phase, "Succeeded") == 0;
	const char *reason = NULL, *message = NULL, *names;

	for (size_t i = 0; i < pod->init_count; i++) {
		all_init = all_init && is_initialized(&pod->inits[i]);
		all_ready = all_ready && is_no_unready_sidecar(&pod->inits[i]);
		initialized = later(initialized, changed_ms(&pod->inits[i]));
	}
	ready = initialized;
	for (size_t i = 0; i < pod->container_count; i++) {
		all_ready = all_ready && is_ready(&pod->containers[i]);
		ready = later(ready, changed_ms(&pod->containers[i]));
	}
	if (!all_init) {
		reason = "ContainersNotInitialized";
		message = lp_arena_printf(arena, "containers with incomplete status: [%s]",
		    names_without(arena, "", pod->inits, pod->init_count, is_initialized));
	}
	add_condition(arena, list, &(struct condition){ .type = "Initialized", .truth = all_init || succeeded,
	    .reason = succeeded && all_init ? "PodCompleted" : reason, .message = message, .since_ms = initialized });
	reason = message = NULL;
	if (succeeded || strcmp(phase, "Failed") == 0) {
		reason = succeeded ? "PodCompleted" : "PodFailed";
		all_ready = false;
	} else if (!all_ready) {
		reason = "ContainersNotReady";
		names = names_without(arena, "", pod->inits, pod->init_count, is_no_unready_sidecar);
		names = names_without(arena, names, pod->containers, pod->container_count, is_ready);
		message = lp_arena_printf(arena, "containers with unready status: [%s]", names ? names : "");
	}
	add_condition(arena, list, &(struct condition){ .type = "Ready", .truth = all_ready, .reason = reason, .message = message,
	    .since_ms = ready });
	add_condition(arena, list, &(struct condition){ .type = "ContainersReady", .truth = all_ready, .reason = reason,
	    .message = message, .since_ms = ready });
	add_condition(arena, list, &(struct condition){ .type = "PodScheduled", .truth = true, .since_ms = created });
	add_resize(arena, list, pod);
	if (lp_text_same(pod->fail_reason, "Evicted"))
		add_condition(arena, list, &(struct condition){ .type = "DisruptionTarget", .truth = true,
		    .reason = "TerminationByKubelet", .message = pod->fail_message, .since_ms = pod->failed_ms });
}

struct lp_json *
lp_report_status(struct lp_arena *arena, const struct lp_report_pod *pod)
{
	struct lp_json *status = lp_json_new(arena, LP_JSON_OBJECT), *list;
	const char *phase = pod->fail_reason ? "Failed" : phase_of(pod);

	(void)lp_json_set_str(arena, status, "phase", phase);
	if (pod->fail_reason) {
		(void)lp_json_set_str(arena, status, "reason", pod->fail_reason);
		(void)lp_json_set_str(arena, status, "message", pod->fail_message);
	}
	add_conditions(arena, status, pod, phase);
	if (pod->host_ip) {
		(void)lp_json_set_str(arena, status, "hostIP", pod->host_ip);
		list = lp_json_set_array(arena, status, "hostIPs");
		(void)lp_json_set_str(arena, lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT)), "ip", pod->host_ip);
	}
	if (pod->pod_ip) {
		(void)lp_json_set_str(arena, status, "podIP", pod->pod_ip);
		list = lp_json_set_array(arena, status, "podIPs");
		(void)lp_json_set_str(arena, lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT)), "ip", pod->pod_ip);
	}
	if (pod->started_ms)
		set_time(arena, status, "startTime", pod->started_ms);
	if (pod->init_count > 0) {
		list = lp_json_set_array(arena, status, "initContainerStatuses");
		for (size_t i = 0; i < pod->init_count; i++)
			add_container(arena, list, pod, &pod->inits[i]);
	}
	list = lp_json_set_array(arena, status, "containerStatuses");
	for (size_t i = 0; i < pod->container_count; i++)
		add_container(arena, list, pod, &pod->containers[i]);
	(void)lp_json_set_str(arena, status, "qosClass", pod->qos);
	return arena->failed ? NULL : status;
}
