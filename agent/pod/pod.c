#include "agent/pod/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/convert/convert.h"
#include "agent/node/quota.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/collect.h"
#include "agent/volume/volume.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/state.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/schema.h"

enum { POD_MAX = 16 << 20, STATUS_MAX = 64 << 10, FINAL_MAX = 1 << 20, FINAL_SCHEMA = 1, RETRY_CLEAN_MS = 20, RETRY_ASK_MS = 50,
	RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 300000, LOST_CODE = 137 };

/* ---- containers */

static void
forget_containers(struct lp_pod *pod)
{
	for (size_t i = 0; i < pod->container_count; i++) {
		free(pod->containers[i].name);
		lp_arena_fini(&pod->containers[i].arena);
	}
	free(pod->containers);
	pod->containers = NULL;
	pod->container_count = pod->init_count = 0;
}

/* Rows for the containers of the pod's spec; those of the same name keep what is known. */
static int
name_containers(struct lp_pod *pod)
{
	const struct lp_json *inits = lp_json_path(pod->json, "spec.initContainers"), *mains = lp_json_path(pod->json, "spec.containers");
	size_t count = lp_json_count(inits) + lp_json_count(mains), n = 0;
	struct lp_pod_container *rows;

	if (pod->container_count == count)
		return 0;	/* containers cannot be renamed, added or removed while a pod lives */
	rows = lp_seam.alloc((count + 1) * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	forget_containers(pod);
	for (int pass = 0; pass < 2; pass++) {
		lp_json_each(container, pass == 0 ? inits : mains) {
			const char *name = lp_json_str(container, "name");

			rows[n].name = strdup(name ? name : "");
			lp_arena_init(&rows[n++].arena, STATUS_MAX);
		}
	}
	pod->containers = rows;
	pod->container_count = count;
	pod->init_count = lp_json_count(inits);
	for (size_t i = 0; i < count; i++)
		if (!rows[i].name)
			return -ENOMEM;
	return 0;
}

/* ---- life of the object */

int
lp_pod_new(struct lp_agent *agent, const char *uid, const char *namespace, const char *name, struct lp_pod **out, struct lp_err *err)
{
	struct lp_pod *pod = lp_seam.alloc(sizeof(*pod));

	if (!pod)
		return lp_err_set(err, -ENOMEM, "pod %s/%s", namespace, name);
	pod->agent = agent;
	pod->netns_fd = pod->dir_fd = pod->control.fd = -1;
	lp_arena_init(&pod->arena, POD_MAX);
	pod->uid = strdup(uid);
	pod->namespace = strdup(namespace);
	pod->name = strdup(name);
	if (!pod->uid || !pod->namespace || !pod->name || lp_map_put(&agent->pods, uid, pod, NULL) < 0) {
		free(pod->uid);
		free(pod->namespace);
		free(pod->name);
		free(pod);
		return lp_err_set(err, -ENOMEM, "pod %s/%s", namespace, name);
	}
	*out = pod;
	return 0;
}

void
lp_pod_free(struct lp_pod *pod)
{
	if (!pod)
		return;
	(void)lp_map_remove(&pod->agent->pods, pod->uid);
	lp_control_close(&pod->control);
	lp_timer_stop(&pod->timer);
	lp_timer_stop(&pod->call_timer);
	lp_defer_cancel(&pod->look);
	lp_child_cancel(&pod->removing);
	lp_child_cancel(&pod->preparing);
	lp_close(&pod->netns_fd);
	lp_close(&pod->dir_fd);
	forget_containers(pod);
	lp_arena_fini(&pod->arena);
	lp_arena_fini(&pod->resize.arena);
	free(pod->final);
	free(pod->uid);
	free(pod->namespace);
	free(pod->name);
	free(pod);
}

int
lp_pod_rename(struct lp_pod *pod, const char *namespace, const char *name)
{
	char *new_namespace = strdup(namespace), *new_name = strdup(name);

	if (!new_namespace || !new_name) {
		free(new_namespace);
		free(new_name);
		return -ENOMEM;
	}
	free(pod->namespace);
	free(pod->name);
	pod->namespace = new_namespace;
	pod->name = new_name;
	return 0;
}

bool
lp_pod_is_host_network(const struct lp_pod *pod)
{
	return lp_json_bool(pod->json, "spec.hostNetwork", false);
}

bool
lp_pod_is_ready(const struct lp_pod *pod)
{
	if (!pod->json || pod->keeper != LP_PODPLAN_RUNNING || pod->stop_asked || pod->container_count == pod->init_count)
		return false;
	for (size_t i = 0; i < pod->container_count; i++) {
		const struct lp_control_status *status = &pod->containers[i].status;
		bool known = pod->containers[i].known;

		if (i < pod->init_count && !(known && status->role == LP_CONTROL_SIDECAR))
			continue;
		if (!known || status->run != LP_CONTROL_RUN_RUNNING || status->ready == LP_CONTROL_NO)
			return false;
	}
	return true;
}

void
lp_pod_wait(struct lp_pod *pod, const char *reason, const char *fmt, ...)
{
	char message[LP_ERR_TEXT];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (strcmp(pod->wait_reason, reason) == 0 && strcmp(pod->wait_message, message) == 0)
		return;
	(void)snprintf(pod->wait_reason, sizeof(pod->wait_reason), "%s", reason);
	(void)snprintf(pod->wait_message, sizeof(pod->wait_message), "%s", message);
	lp_agent_event(pod->agent, pod, "Warning", "Failed", "%s", message);
	lp_log(LP_LOG_WARN, "pod does not start, will retry", "pod=%s/%s reason=%s why=\"%s\"", pod->namespace, pod->name, reason, message);
	lp_agent_report_changed(pod->agent);
}

/* ---- what is wanted */

/* An agent before us failed it as a whole: that stands. Without memory it counts as one that has just ended. */
static void
read_failure(struct lp_pod *pod)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_json *status = NULL;
	const char *reason;

	lp_arena_init(&arena, 4ul * FINAL_MAX);
	if (!pod->final || lp_json_parse(&arena, pod->final, strlen(pod->final), NULL, &status, NULL) < 0)
		return;
	reason = lp_json_str(status, "reason");
	if (!reason || !lp_text_same(lp_json_str(status, "phase"), "Failed"))
		return;
	(void)snprintf(pod->fail_reason, sizeof(pod->fail_reason), "%s", reason);
	(void)snprintf(pod->fail_message, sizeof(pod->fail_message), "%s", lp_json_str(status, "message") ? lp_json_str(status, "message") : "");
	lp_json_each(condition, lp_json_get(status, "conditions"))
		if (lp_text_same(lp_json_str(condition, "type"), "DisruptionTarget") && lp_json_str(condition, "lastTransitionTime"))
			(void)lp_clock_parse(lp_json_str(condition, "lastTransitionTime"), &pod->failed_ms);	/* absent stays 0 */
}

static void
read_final(struct lp_pod *pod)
{
	lp_auto_fd int fd = -1;
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, FINAL_MAX);
	if (pod->final || lp_path_open(pod->agent->pods_fd, pod->uid, O_RDONLY | O_DIRECTORY, 0, &fd, NULL) < 0)
		return;
	if (lp_state_read(fd, "final", FINAL_SCHEMA, &text, NULL, NULL) < 0)
		return;
	pod->final = lp_buf_take(&text, NULL);
	read_failure(pod);
}

/* A spec that a running pod cannot take over in place. */
static bool
needs_new_pod(const struct lp_pod *pod, const struct lp_json *json)
{
	lp_auto_arena struct lp_arena arena;
	enum lp_apply apply;

	lp_arena_init(&arena, POD_MAX);
	apply = lp_compare_objects(LP_SCHEMA_pod, pod->json, lp_resize_without(&arena, pod->json, json), NULL);
	return apply == LP_APPLY_RECREATE || apply == LP_APPLY_RESTART;
}

static void
read_wants(struct lp_pod *pod)
{
	lp_auto_arena struct lp_arena arena;
	const struct lp_spec_pod *view;

	lp_arena_init(&arena, POD_MAX);
	view = lp_parse(&arena, pod, pod->json);
	if (view && view->spec)
		lp_wants_read(view, &pod->wants);
}

static int64_t
deadline_ms(const struct lp_json *json)
{
	return lp_clock_seconds_ms(lp_json_int(json, "spec.activeDeadlineSeconds", 0));
}

static void
set_deadline(struct lp_pod *pod, int64_t ms)
{
	struct lp_err err = { 0 };

	if (lp_control_set_deadline(&pod->control, ms, &err) < 0)
		lp_log(LP_LOG_WARN, "keeper did not take a pod's new deadline, the former one stands", "pod=%s/%s why=\"%s\"",
		    pod->namespace, pod->name, err.text);
}

void
lp_pod_want(struct lp_pod *pod, const struct lp_revision_object *object)
{
	struct lp_arena arena, former;
	struct lp_json *json = NULL, *old;

	pod->object = object;
	if (object && strcmp(object->digest, pod->digest) != 0) {
		lp_arena_init(&arena, POD_MAX);
		/* It was parsed when the revision was accepted: only memory can fail here, and the next revision tries again. */
		if (lp_json_parse(&arena, object->text, strlen(object->text), NULL, &json, NULL) < 0) {
			lp_arena_fini(&arena);
			return;
		}
		if (pod->json && pod->keeper != LP_PODPLAN_NONE && needs_new_pod(pod, json))
			pod->recreate = true;
		if (pod->json && pod->connected && deadline_ms(json) != deadline_ms(pod->json))
			set_deadline(pod, lp_podplan_time_left(deadline_ms(json), pod->began_ms, pod->go_ms));
		former = pod->arena;
		old = pod->json;
		pod->arena = arena;
		pod->json = json;
		memcpy(pod->digest, object->digest, sizeof(pod->digest));
		read_wants(pod);
		if (name_containers(pod) < 0)
			lp_log(LP_LOG_ERROR, "out of memory", "pod=%s/%s", pod->namespace, pod->name);
		read_final(pod);
		lp_resize_want(pod, old);	/* first: a size that may not be is refused by itself, without harm to what runs */
		lp_ceiling_file_check(&pod->agent->ceiling, pod);
		lp_arena_fini(&former);
	}
	lp_pod_look(pod);
}

static int64_t
grace_ms(const struct lp_pod *pod)
{
	int64_t seconds = lp_json_int(pod->json, "metadata.deletionGracePeriodSeconds", -1);

	if (pod->fail_reason[0] && seconds < 0)
		return pod->fail_grace_ms;
	return seconds < 0 ? -1 : lp_clock_seconds_ms(seconds);
}

/* ---- the steps */

static void
retry_later(struct lp_pod *pod, int64_t now_ms)
{
	int64_t wait = RETRY_FIRST_MS << (pod->failures < 9 ? pod->failures : 9);

	pod->failures++;
	pod->retry_ms = now_ms + (wait > RETRY_MOST_MS ? RETRY_MOST_MS : wait);
}

void
lp_pod_unmade(struct lp_pod *pod, const char *why)
{
	if (pod->unmade)
		return;
	pod->unmade = true;
	lp_pod_wait(pod, "ContainerCreating", "the pod could not be made: %s", why);
	retry_later(pod, lp_loop_now(pod->agent->loop));
}

static void
do_start(struct lp_pod *pod, int64_t now_ms)
{
	struct lp_err err = { 0 };

	if (lp_pod_start(pod, now_ms, &err) < 0) {
		retry_later(pod, now_ms);
		return;
	}
	pod->connected = true;
	pod->stop_asked = pod->unmade = false;
	pod->keeper = LP_PODPLAN_SPAWNED;
	pod->wait_reason[0] = pod->wait_message[0] = '\0';
}

static void
do_connect(struct lp_pod *pod, int64_t now_ms)
{
	struct lp_err err = { 0 };

	if (lp_pod_connect(pod, now_ms, &err) < 0) {
		retry_later(pod, now_ms);
		return;
	}
	pod->failures = 0;
	pod->keeper = LP_PODPLAN_RUNNING;
	pod->wait_reason[0] = pod->wait_message[0] = '\0';
	lp_agent_network_changed(pod->agent);
	lp_agent_report_changed(pod->agent);
}

static void
do_stop(struct lp_pod *pod, int64_t now_ms)
{
	struct lp_err err = { 0 };
	int64_t grace = grace_ms(pod);
	int rc = lp_control_stop(&pod->control, grace, &err);

	if (rc < 0) {
		pod->retry_ms = now_ms + RETRY_ASK_MS;	/* -EPIPE: gone() follows */
		return;
	}
	pod->stop_asked = true;
	pod->asked_grace_ms = grace;
	for (size_t i = pod->init_count; i < pod->container_count; i++)
		if (pod->containers[i].known && pod->containers[i].status.run == LP_CONTROL_RUN_RUNNING)
			lp_agent_event(pod->agent, pod, "Normal", "Killing", "Stopping container %s", pod->containers[i].name);
	lp_agent_network_changed(pod->agent);
}

static void
do_finish(struct lp_pod *pod, int64_t now_ms)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	lp_auto_fd int fd = -1;
	struct lp_json *status;
	struct lp_err err = { 0 };
	int rc;

	lp_arena_init(&arena, FINAL_MAX);
	lp_buf_init(&text, FINAL_MAX);
	if (pod->fail_reason[0]) {	/* what was written at first is of the time before its containers ended */
		free(pod->final);
		pod->final = NULL;
	}
	status = lp_pod_status(pod, &arena);
	rc = !status || lp_json_write(&text, status) < 0 ? lp_err_set(&err, -ENOMEM, "status") : 0;
	if (rc == 0)		/* it is read again: no byte of a termination message may make that fail */
		lp_text_make_utf8(text.data, text.len);
	if (rc == 0)
		rc = lp_path_mkdirs(pod->agent->pods_fd, pod->uid, 0700, &fd, &err);
	if (rc == 0)
		rc = lp_state_write(fd, "final", FINAL_SCHEMA, text.data, text.len, &err);
	if (rc < 0) {
		lp_log(LP_LOG_WARN, "end of a pod could not be written down, will retry", "pod=%s/%s why=\"%s\"", pod->namespace,
		    pod->name, err.text);
		retry_later(pod, now_ms);
		return;
	}
	pod->final = lp_buf_take(&text, NULL);
	pod->settled = pod->keeper == LP_PODPLAN_DONE || pod->keeper == LP_PODPLAN_NONE;
	lp_agent_report_changed(pod->agent);
}

void
lp_pod_fail(struct lp_pod *pod, const char *reason, const char *message, int64_t grace)
{
	if (pod->fail_reason[0] || pod->final)
		return;
	(void)snprintf(pod->fail_reason, sizeof(pod->fail_reason), "%s", reason);
	(void)snprintf(pod->fail_message, sizeof(pod->fail_message), "%s", message);
	pod->failed_ms = lp_clock_wall_ms();
	pod->fail_grace_ms = grace;
	lp_agent_event(pod->agent, pod, "Warning", reason, "%s", message);
	lp_log(LP_LOG_WARN, "pod has to go", "pod=%s/%s reason=%s why=\"%s\"", pod->namespace, pod->name, reason, message);
	do_finish(pod, lp_loop_now(pod->agent->loop));	/* on a full disk it is tried again when the pod has made room */
	lp_agent_report_changed(pod->agent);
	lp_pod_look(pod);
}

static void
do_forget(struct lp_pod *pod, int64_t now_ms)
{
	struct lp_err err = { 0 };
	bool keep_logs = pod->final && pod->object && !lp_object_deleting(pod->json);

	if (lp_control_forget(&pod->control, keep_logs, &err) < 0)
		pod->retry_ms = now_ms + RETRY_ASK_MS;
	else
		pod->forgetting = true;
}

/* Every container that ran when the keeper died has an end that nobody saw. */
static void
note_losses(struct lp_pod *pod, bool again)
{
	int64_t now_wall = lp_clock_wall_ms();

	for (size_t i = 0; i < pod->container_count; i++) {
		struct lp_pod_container *container = &pod->containers[i];
		struct lp_control_status *status = &container->status;

		if (!container->known)
			continue;
		if (status->run == LP_CONTROL_RUN_RUNNING) {
			container->lost = (struct lp_control_end){ .set = true, .attempt = status->attempt, .code = LOST_CODE,
				.reason = "ContainerStatusUnknown",
				.message = "The container could not be located: its keeper died and the pod was cleaned up",
				.started_ms = status->started_ms, .ended_ms = now_wall };
			status->run = LP_CONTROL_RUN_ENDED;
			status->end = container->lost;
		} else if (status->end.set || status->last.set) {
			container->lost = status->end.set ? status->end : status->last;
			/* The texts live in the arena, which the next status empties. */
			container->lost.reason = container->lost.code ? "Error" : "Completed";
			container->lost.message = NULL;
		}
		container->attempt = status->attempt + (status->starts > 0 || status->attempt > 0);
		container->known = !again;
	}
}

static void
do_clean(struct lp_pod *pod, int64_t now_ms)
{
	struct lp_agent *agent = pod->agent;
	const struct lp_control_spawn how = { .exe_fd = -1, .run_pods_fd = agent->run_pods_fd, .run_logs_fd = agent->run_logs_fd,
		.cgroup_root_fd = agent->cgroup_fd };
	struct lp_err err = { 0 };
	bool again;
	int rc = lp_control_cleanup(&how, pod->uid, pod->object != NULL, &err);

	if (rc < 0) {
		if (rc != -EBUSY)
			lp_log(LP_LOG_WARN, "what a dead keeper left could not be removed, will retry", "pod=%s/%s why=\"%s\"",
			    pod->namespace, pod->name, err.text);
		pod->retry_ms = now_ms + (rc == -EBUSY ? RETRY_CLEAN_MS : RETRY_FIRST_MS);
		return;
	}
	again = !pod->json || pod->go_ms == 0 || !lp_text_same(lp_json_str(pod->json, "spec.restartPolicy"), "Never");
	again = again && !pod->fail_reason[0];
	note_losses(pod, again);
	lp_pod_lose_network(pod);
	pod->stop_asked = false;
	/* A keeper that dies before it was told to go would die again at once. */
	if (pod->go_ms == 0)
		retry_later(pod, now_ms);
	else
		pod->retry_ms = 0;
	if (!pod->began_ms)
		pod->began_ms = pod->go_ms;	/* its time runs on */
	pod->go_ms = 0;
	/* A pod that must not run twice has failed. */
	if (!again && (!pod->final || (pod->fail_reason[0] && !pod->settled))) {
		pod->keeper = LP_PODPLAN_DONE;
		do_finish(pod, now_ms);
	}
	pod->keeper = LP_PODPLAN_NONE;
	lp_agent_report_changed(agent);
}

static int
remove_directory(void *arg, struct lp_buf *result, struct lp_err *err)
{
	const struct lp_pod *pod = arg;
	lp_auto_fd int fd = -1;
	int rc = lp_path_open(pod->agent->pods_fd, pod->uid, O_RDONLY | O_DIRECTORY, 0, &fd, err);

	(void)result;
	rc = rc == -ENOENT ? 0 : rc;
	if (rc == 0 && fd >= 0)
		rc = lp_volume_unmount(fd, err);
	if (rc == 0 && fd >= 0)
		(void)lp_quota_forget(fd, lp_quota_id(pod->uid), NULL);	/* a limit of nothing is no harm */
	if (rc == 0)
		rc = lp_path_remove(pod->agent->pods_fd, pod->uid, err);
	return rc < 0 ? rc : lp_path_remove(pod->agent->run_logs_fd, pod->uid, err);
}

static void
directory_removed(struct lp_child *child, const struct lp_err *why, int64_t now_ms)
{
	struct lp_pod *pod = lp_of(child, struct lp_pod, removing);

	lp_child_cancel(child);		/* its result is empty */
	if (why->code < 0) {
		lp_log(LP_LOG_WARN, "directory of a removed pod stays, will retry", "pod=%s/%s why=\"%s\"", pod->namespace, pod->name,
		    why->text);
		retry_later(pod, now_ms);
		lp_pod_look(pod);
		return;
	}
	pod->retired = true;
	lp_agent_report_changed(pod->agent);
	lp_collect_later(pod->agent);
}

static void
do_retire(struct lp_pod *pod, int64_t now_ms)
{
	struct lp_err err = { 0 };

	if (pod->agent->leaving)
		return;		/* down; what is its own on disk stays for the next start */
	if (pod->retired || lp_child_busy(&pod->removing) || now_ms < pod->retry_ms)
		return;
	lp_child_cancel(&pod->preparing);	/* for a start that nobody wants any more */
	if (lp_child_start(pod->agent->loop, &pod->removing, remove_directory, pod, directory_removed, &err) < 0)
		retry_later(pod, now_ms);
}

static void
timer_due(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	lp_pod_look(lp_of(timer, struct lp_pod, timer));
}

static enum lp_podplan_step
next_step(struct lp_pod *pod, int64_t now_ms, int64_t *out_due_ms)
{
	struct lp_podplan_facts facts = {
		.wanted = pod->object && !lp_object_deleting(pod->json),
		.leaving = pod->agent->leaving || pod->recreate,
		.failed = pod->fail_reason[0] != '\0',
		.finished = pod->final != NULL,
		.settled = pod->settled,
		.stop_asked = pod->stop_asked && pod->asked_grace_ms == grace_ms(pod),
		.forgetting = pod->forgetting,
		.unmade = pod->unmade,
		.keeper = pod->keeper,
		.retry_ms = pod->retry_ms,
	};

	/* Without a readable revision nothing is less wanted than before (TRUST.md rule 14). */
	if (!pod->object && !pod->agent->revision.text && !pod->agent->leaving) {
		*out_due_ms = INT64_MAX;
		return LP_PODPLAN_WAIT;
	}
	if (pod->recreate && pod->keeper == LP_PODPLAN_NONE) {
		pod->recreate = pod->stop_asked = false;
		facts.leaving = pod->agent->leaving;
	}
	return lp_podplan_next(&facts, now_ms, out_due_ms);
}

static void
look_again(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_pod *pod = lp_of(defer, struct lp_pod, look);
	enum lp_podplan_step step;
	int64_t due_ms;

	step = next_step(pod, now_ms, &due_ms);
	switch (step) {
	case LP_PODPLAN_WAIT:
		break;
	case LP_PODPLAN_START:
		do_start(pod, now_ms);
		break;
	case LP_PODPLAN_CONNECT:
		do_connect(pod, now_ms);
		break;
	case LP_PODPLAN_STOP:
		do_stop(pod, now_ms);
		break;
	case LP_PODPLAN_FINISH:
		do_finish(pod, now_ms);
		break;
	case LP_PODPLAN_FORGET:
		do_forget(pod, now_ms);
		break;
	case LP_PODPLAN_CLEAN:
		do_clean(pod, now_ms);
		break;
	case LP_PODPLAN_RETIRE:
		do_retire(pod, now_ms);
		break;
	}
	/* A step that failed has set retry_ms; one that worked may open the next one. */
	if (pod->retry_ms > now_ms)
		(void)lp_timer_start(pod->agent->loop, &pod->timer, pod->retry_ms, timer_due);
	else if (step != LP_PODPLAN_WAIT && step != LP_PODPLAN_RETIRE)
		lp_pod_look(pod);
}

void
lp_pod_look(struct lp_pod *pod)
{
	lp_loop_defer(pod->agent->loop, &pod->look, look_again);
}

void
lp_pod_nudge(struct lp_pod *pod)
{
	if (pod->keeper != LP_PODPLAN_NONE && pod->keeper != LP_PODPLAN_READY)
		return;
	pod->retry_ms = 0;
	pod->failures = 0;
	lp_pod_look(pod);
}

/* ---- its status */

static void
fill_row(const struct lp_pod *pod, const struct lp_pod_container *container, const struct lp_json *spec, struct lp_report_container *out)
{
	*out = (struct lp_report_container){
		.name = container->name,
		.image = lp_json_str(spec, "image"),
		.image_id = container->image_id[0] ? container->image_id : NULL,
		.status = container->known ? &container->status : NULL,
		.lost = container->lost.set ? &container->lost : NULL,
		.restarts = container->attempt,
		.resources = lp_resize_enforced(pod, container->name, spec),
	};
}

struct lp_json *
lp_pod_status(struct lp_pod *pod, struct lp_arena *arena)
{
	const struct lp_spec_pod *view = lp_parse(arena, pod, pod->json);
	struct lp_report_container *rows = lp_arena_alloc(arena, (pod->container_count + 1) * sizeof(*rows));
	char pod_ip[LP_TEXT_IPV4] = "", host_ip[LP_TEXT_IPV4] = "";
	struct lp_report_pod facts;
	struct lp_json *final = NULL;
	size_t n = 0;

	if (!view || !rows)
		return NULL;
	if (pod->final && lp_json_parse(arena, pod->final, strlen(pod->final), NULL, &final, NULL) == 0)
		return final;
	lp_json_each(spec, lp_json_path(pod->json, "spec.initContainers"))
		if (n < pod->container_count)
			fill_row(pod, &pod->containers[n], spec, &rows[n]), n++;
	lp_json_each(spec, lp_json_path(pod->json, "spec.containers"))
		if (n < pod->container_count)
			fill_row(pod, &pod->containers[n], spec, &rows[n]), n++;
	if (pod->agent->node.address)
		lp_text_ipv4_print(pod->agent->node.address, host_ip);
	if (pod->addr)
		lp_text_ipv4_print(pod->addr, pod_ip);
	facts = (struct lp_report_pod){
		.pod = pod->json,
		.host_ip = *host_ip ? host_ip : NULL,
		.pod_ip = *pod_ip ? pod_ip : lp_pod_is_host_network(pod) && *host_ip ? host_ip : NULL,
		.qos = lp_convert_qos_name(lp_convert_qos(view)),
		.started_ms = pod->go_ms && pod->began_ms ? pod->began_ms : pod->go_ms,
		.done = pod->keeper == LP_PODPLAN_DONE,
		.stopping = pod->stop_asked,
		.wait_reason = pod->wait_reason[0] ? pod->wait_reason : NULL,
		.wait_message = pod->wait_message,
		.fail_reason = pod->fail_reason[0] ? pod->fail_reason : NULL,
		.fail_message = pod->fail_message,
		.failed_ms = pod->failed_ms,
		.resize = pod->resize.state,
		.resize_message = pod->resize.message,
		.resize_ms = pod->resize.since_ms,
		.inits = rows,
		.containers = rows + pod->init_count,
		.init_count = pod->init_count,
		.container_count = pod->container_count - pod->init_count,
	};
	return lp_report_status(arena, &facts);
}
