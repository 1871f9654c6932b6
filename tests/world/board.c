#include "tests/world/board.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pod/report.h"
#include "base/clock.h"
#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "tests/harness.h"

#define STEPS_MAX 1000			/* of one pod at one moment: more is a plan that does not settle */

void
lp_board_init(struct lp_board *board, const char *name, unsigned number)
{
	*board = (struct lp_board){ .name = name, .number = number, .power = true, .agent = true, .next_ip = 2 };
	lp_revision_init(&board->revision);
	lp_list_init(&board->pods);
	lp_list_init(&board->starts);
}

static void
pod_free(struct lp_board_pod *pod)
{
	lp_list_remove(&pod->link);
	lp_arena_fini(&pod->arena);
	free(pod);
}

void
lp_board_fini(struct lp_board *board)
{
	lp_list_each(link, &board->pods)
		pod_free(lp_of(link, struct lp_board_pod, link));
	lp_list_each(link, &board->starts)
		free(lp_of(link, struct lp_board_starts, link));
	lp_revision_fini(&board->revision);
}

struct lp_board_pod *
lp_board_find(const struct lp_board *board, const char *name)
{
	lp_list_each(link, &board->pods) {
		struct lp_board_pod *pod = lp_of(link, struct lp_board_pod, link);

		if (strcmp(pod->name, name) == 0)
			return pod;
	}
	return NULL;
}

/* ---- from the revision to pods */

static void
add_containers(struct lp_board_pod *pod, const char *list, bool init)
{
	lp_json_each(container, lp_json_path(pod->json, list)) {
		struct lp_board_container *entry = &pod->containers[pod->count];

		CHECK(pod->count < LP_BOARD_CONTAINERS);
		*entry = (struct lp_board_container){ .name = lp_json_str(container, "name"), .image = lp_json_str(container, "image"),
			.last_delay_ms = -1 };
		entry->status.name = entry->name;
		entry->status.role = init ? LP_CONTROL_INIT : LP_CONTROL_MAIN;
		pod->plans[pod->count] = (struct lp_plan_container){ .role = init ? LP_PLAN_INIT : LP_PLAN_MAIN };
		pod->count++;
		pod->inits += init;
	}
}

static enum lp_restart_policy
policy_of(const struct lp_json *pod)
{
	const char *policy = lp_json_str(pod, "spec.restartPolicy");

	if (lp_text_same(policy, "Never"))
		return LP_RESTART_NEVER;
	return lp_text_same(policy, "OnFailure") ? LP_RESTART_ON_FAILURE : LP_RESTART_ALWAYS;
}

/* What a keeper of this pod begins with. */
static void
pod_reset(struct lp_board_pod *pod)
{
	pod->count = pod->inits = 0;
	add_containers(pod, "spec.initContainers", true);
	add_containers(pod, "spec.containers", false);
	pod->plan = (struct lp_plan_pod){ .policy = policy_of(pod->json) };
	pod->stop_asked = pod->forgetting = false;
	pod->go_ms = 0;
}

static struct lp_board_pod *
pod_new(struct lp_board *board, const struct lp_revision_object *object)
{
	struct lp_board_pod *pod = calloc(1, sizeof(*pod));

	CHECK(pod != NULL);
	lp_arena_init(&pod->arena, 16 << 20);
	pod->uid = lp_arena_str(&pod->arena, object->uid);
	pod->namespace = lp_arena_str(&pod->arena, object->namespace);
	pod->name = lp_arena_str(&pod->arena, object->name);
	pod->json = lp_json_copy(&pod->arena, object->json);
	(void)snprintf(pod->ip, sizeof(pod->ip), "10.42.%u.%u", board->number - 1, board->next_ip++ % 250 + 2);
	pod_reset(pod);
	lp_list_append(&board->pods, &pod->link);
	return pod;
}

static struct lp_board_pod *
pod_by_uid(const struct lp_board *board, const char *uid)
{
	lp_list_each(link, &board->pods) {
		struct lp_board_pod *pod = lp_of(link, struct lp_board_pod, link);

		if (strcmp(pod->uid, uid) == 0)
			return pod;
	}
	return NULL;
}

/* Pods as the revision wants them; those it does not name are not wanted. */
static void
sweep(struct lp_board *board)
{
	lp_list_each(link, &board->pods) {
		struct lp_board_pod *pod = lp_of(link, struct lp_board_pod, link);

		pod->wanted = pod->named = false;
	}
	for (size_t i = 0; i < board->revision.count; i++) {
		const struct lp_revision_object *object = &board->revision.objects[i];
		struct lp_board_pod *pod;

		if (strcmp(object->kind, "Pod") != 0)
			continue;
		pod = pod_by_uid(board, object->uid);
		if (!pod)
			pod = pod_new(board, object);
		pod->named = true;
		pod->wanted = !lp_object_deleting(object->json);
		pod->grace_s = lp_json_int(object->json,
		    pod->wanted ? "spec.terminationGracePeriodSeconds" : "metadata.deletionGracePeriodSeconds", 30);
	}
}

int
lp_board_take(struct lp_board *board, const struct lp_json *line, struct lp_err *err)
{
	const struct lp_revision_trust trust = { .node = board->name };
	struct lp_revision next;
	int rc;

	lp_revision_init(&next);
	rc = lp_revision_accept(&next, &board->revision, line, &trust, err);
	if (rc < 0) {
		lp_revision_fini(&next);
		return rc;
	}
	board->stored += !lp_revision_same(&next, &board->revision);
	lp_revision_fini(&board->revision);
	board->revision = next;
	board->version++;
	sweep(board);
	return 0;
}

/* ---- keeper */

static void
count_start(struct lp_board *board, const char *name)
{
	struct lp_board_starts *entry = NULL;

	lp_list_each(link, &board->starts)
		if (strcmp(lp_of(link, struct lp_board_starts, link)->name, name) == 0)
			entry = lp_of(link, struct lp_board_starts, link);
	if (!entry) {
		entry = calloc(1, sizeof(*entry));
		CHECK(entry != NULL);
		(void)snprintf(entry->name, sizeof(entry->name), "%s", name);
		lp_list_append(&board->starts, &entry->link);
	}
	entry->count++;
}

static void
container_start(struct lp_board *board, struct lp_board_pod *pod, size_t index, int64_t now_ms, int64_t wall_ms)
{
	struct lp_board_container *container = &pod->containers[index];
	struct lp_control_status *status = &container->status;

	if (status->starts > 0) {
		status->last = status->end;
		status->attempt++;
	}
	status->end = (struct lp_control_end){ .set = false };
	status->starts++;
	status->run = LP_CONTROL_RUN_RUNNING;
	status->started_ms = wall_ms;
	container->started_ms = now_ms;
	container->ends_ms = container->status.role == LP_CONTROL_INIT ? now_ms + 100 : 0;
	pod->plans[index].state = LP_PLAN_RUNNING;
	pod->plans[index].asked = pod->plans[index].signalled = pod->plans[index].killed = false;
	count_start(board, pod->name);
}

static void
container_end(struct lp_board_pod *pod, size_t index, int code, int64_t now_ms, int64_t wall_ms)
{
	static const struct lp_restart_limits limits = { 0 };
	struct lp_board_container *container = &pod->containers[index];
	struct lp_control_status *status = &container->status;

	status->end = (struct lp_control_end){ .set = true,
		.attempt = status->attempt,
		.code = code,
		.started_ms = status->started_ms,
		.ended_ms = wall_ms };
	status->run = LP_CONTROL_RUN_ENDED;
	container->ends_ms = 0;
	container->last_delay_ms =
	    lp_restart_delay_ms(&limits, container->last_delay_ms, now_ms - container->started_ms);
	pod->plans[index].state = LP_PLAN_EXITED;
	pod->plans[index].exit_code = code;
	pod->plans[index].again_ms = now_ms + container->last_delay_ms;
}

static void
keeper_step(struct lp_board *board, struct lp_board_pod *pod, int64_t now_ms, int64_t wall_ms)
{
	size_t index;
	int64_t due_ms;

	if (pod->keeper == LP_PODPLAN_SPAWNED)
		pod->keeper = LP_PODPLAN_READY;
	if (pod->keeper != LP_PODPLAN_RUNNING && !(pod->keeper == LP_PODPLAN_READY && pod->plan.stopping))
		return;
	for (size_t i = 0; i < pod->count; i++)
		if (pod->plans[i].state == LP_PLAN_RUNNING && pod->containers[i].ends_ms &&
		    now_ms >= pod->containers[i].ends_ms) {
			board->version++;
			container_end(pod, i, pod->plans[i].asked ? 143 : 0, now_ms, wall_ms);
		}
	for (int step = 0;; step++) {
		CHECK(step < STEPS_MAX);
		switch (lp_plan_next(&pod->plan, pod->plans, pod->count, now_ms, &index, &due_ms)) {
		case LP_STEP_NONE:
			return;
		case LP_STEP_START:
			board->version++;
			container_start(board, pod, index, now_ms, wall_ms);
			break;
		case LP_STEP_ASK:
			pod->plans[index].asked = true;		/* these have no hooks: the signal is the next step */
			if (!pod->plan.kill_ms)
				pod->plan.kill_ms = now_ms + pod->grace_s * 1000;
			break;
		case LP_STEP_SIGNAL:
			pod->plans[index].signalled = true;
			pod->containers[index].ends_ms = now_ms + 50 + board->chance(board->chance_arg, 3000);
			break;
		case LP_STEP_EXPIRE:
			FAIL("a pod of the world has no deadline");
			break;
		case LP_STEP_KILL:
			board->version++;
			container_end(pod, index, 137, now_ms, wall_ms);
			break;
		case LP_STEP_DONE:
			board->version++;
			pod->keeper = LP_PODPLAN_DONE;
			return;
		}
	}
}

/* ---- agent */

static enum lp_podplan_step
agent_step(struct lp_board_pod *pod, int64_t now_ms, int64_t wall_ms)
{
	struct lp_podplan_facts facts = { .wanted = pod->wanted,
		.finished = pod->finished,
		.stop_asked = pod->stop_asked,
		.forgetting = pod->forgetting,
		.keeper = pod->keeper };
	int64_t due_ms;
	enum lp_podplan_step step = lp_podplan_next(&facts, now_ms, &due_ms);

	switch (step) {
	case LP_PODPLAN_WAIT:
		break;
	case LP_PODPLAN_START:
		pod_reset(pod);
		pod->keeper = LP_PODPLAN_SPAWNED;
		break;
	case LP_PODPLAN_CONNECT:
		pod->keeper = LP_PODPLAN_RUNNING;
		pod->plan.go = true;
		pod->go_ms = wall_ms;
		break;
	case LP_PODPLAN_STOP:
		pod->stop_asked = true;
		pod->plan.stopping = true;
		pod->plan.kill_ms = now_ms + pod->grace_s * 1000;
		break;
	case LP_PODPLAN_FINISH:
		pod->finished = true;
		break;
	case LP_PODPLAN_FORGET:
	case LP_PODPLAN_CLEAN:
		pod->keeper = LP_PODPLAN_NONE;
		break;
	case LP_PODPLAN_RETIRE:
		pod->retired = true;
		break;
	}
	return step;
}

void
lp_board_step(struct lp_board *board, int64_t now_ms, int64_t wall_ms)
{
	if (!board->power)
		return;
	lp_list_each(link, &board->pods) {
		struct lp_board_pod *pod = lp_of(link, struct lp_board_pod, link);

		keeper_step(board, pod, now_ms, wall_ms);
		for (int step = 0; board->agent && !pod->retired; step++) {
			CHECK(step < STEPS_MAX);
			if (agent_step(pod, now_ms, wall_ms) == LP_PODPLAN_WAIT)
				break;
			board->version++;
			keeper_step(board, pod, now_ms, wall_ms);
		}
	}
}

void
lp_board_agent(struct lp_board *board, bool alive)
{
	board->agent = alive;
	board->version++;
	if (!alive)
		return;
	/* A new agent finds the revision on disk and the keepers alive, and has told nobody anything. */
	board->node_reported[0] = '\0';
	lp_list_each(link, &board->pods)
		lp_of(link, struct lp_board_pod, link)->reported[0] = '\0';
	sweep(board);
}

void
lp_board_power(struct lp_board *board, bool on)
{
	board->power = on;
	if (on) {
		lp_board_agent(board, true);
		return;
	}
	board->agent = false;
	/* Of a pod only the note that it has ended is on the disk. */
	lp_list_each(link, &board->pods) {
		struct lp_board_pod *pod = lp_of(link, struct lp_board_pod, link);

		if (pod->finished)
			continue;
		pod->keeper = LP_PODPLAN_NONE;
		pod_reset(pod);
	}
}

bool
lp_board_runs(const struct lp_board_pod *pod)
{
	for (size_t i = pod->inits; i < pod->count; i++)
		if (pod->plans[i].state != LP_PLAN_RUNNING)
			return false;
	return pod->keeper == LP_PODPLAN_RUNNING;
}

void
lp_board_exit(struct lp_board *board, struct lp_board_pod *pod, int code, int64_t now_ms, int64_t wall_ms)
{
	for (size_t i = pod->inits; i < pod->count; i++)
		if (pod->plans[i].state == LP_PLAN_RUNNING) {
			board->version++;
			container_end(pod, i, code, now_ms, wall_ms);
			return;
		}
}

/* ---- reports */

static void
digest_of(const struct lp_json *value, char out[LP_DIGEST_TEXT])
{
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, 16 << 20);
	CHECK_INT(lp_json_write_sorted(&text, value), 0);
	lp_digest_print(text.data, text.len, out);
}

static struct lp_json *
status_of(struct lp_arena *arena, const struct lp_board_pod *pod)
{
	struct lp_report_container containers[LP_BOARD_CONTAINERS];
	struct lp_report_pod facts = { .pod = pod->json,
		.host_ip = "192.0.2.1",
		.pod_ip = pod->go_ms ? pod->ip : NULL,
		.qos = lp_json_str(pod->json, "status.qosClass"),
		.started_ms = pod->go_ms,
		.done = pod->keeper == LP_PODPLAN_DONE || pod->finished,
		.stopping = pod->stop_asked,
		.inits = containers,
		.containers = containers + pod->inits,
		.init_count = pod->inits,
		.container_count = pod->count - pod->inits };

	for (size_t i = 0; i < pod->count; i++)
		containers[i] = (struct lp_report_container){ .name = pod->containers[i].name,
			.image = pod->containers[i].image,
			.status = &pod->containers[i].status };
	return lp_report_status(arena, &facts);
}

static struct lp_json *
node_of(struct lp_arena *arena, const struct lp_board *board)
{
	struct lp_json *node = lp_json_new(arena, LP_JSON_OBJECT), *status = lp_json_set_object(arena, node, "status"),
	               *row;
	static const char *const kinds[] = { "capacity", "allocatable" };

	for (size_t i = 0; i < 2; i++) {
		row = lp_json_set_object(arena, status, kinds[i]);
		lp_json_set_str(arena, row, "cpu", "4");
		lp_json_set_str(arena, row, "memory", "1Gi");
		lp_json_set_str(arena, row, "pods", "110");
	}
	row = lp_json_append(arena, lp_json_set_array(arena, status, "conditions"), lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, row, "type", "Ready");
	lp_json_set_str(arena, row, "status", "True");
	lp_json_set_str(arena, row, "reason", "KubeletReady");
	row = lp_json_append(arena, lp_json_set_array(arena, status, "addresses"), lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, row, "type", "InternalIP");
	lp_json_set_str(arena, row, "address", lp_arena_printf(arena, "192.0.2.%u", board->number + 10));
	return node;
}

static struct lp_json *
reference(struct lp_arena *arena, struct lp_json *list, const struct lp_board_pod *pod)
{
	struct lp_json *row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));

	lp_json_set_str(arena, row, "namespace", pod->namespace);
	lp_json_set_str(arena, row, "name", pod->name);
	lp_json_set_str(arena, row, "uid", pod->uid);
	return row;
}

struct lp_json *
lp_board_report(struct lp_board *board, struct lp_arena *arena, bool all)
{
	struct lp_json *report, *node, *pods, *gone;
	bool any;

	if (!all && board->version == board->version_told)
		return NULL;
	board->version_sending = board->version;
	report = lp_json_new(arena, LP_JSON_OBJECT);
	node = node_of(arena, board);
	pods = lp_json_set_array(arena, report, "pods");
	gone = lp_json_set_array(arena, report, "gone");
	digest_of(node, board->node_sending);
	any = all || strcmp(board->node_sending, board->node_reported) != 0;
	if (any)
		lp_json_set(arena, report, "node", node);
	lp_list_each(link, &board->pods) {
		struct lp_board_pod *pod = lp_of(link, struct lp_board_pod, link);
		struct lp_json *status;

		if (pod->retired) {
			reference(arena, gone, pod);
			(void)snprintf(pod->sending, sizeof(pod->sending), "gone");
			any = true;
			continue;
		}
		status = pod->named ? status_of(arena, pod) : NULL;
		if (!status)
			continue;
		digest_of(status, pod->sending);
		if (!all && strcmp(pod->sending, pod->reported) == 0)
			continue;
		lp_json_set(arena, reference(arena, pods, pod), "status", status);
		any = true;
	}
	CHECK(!arena->failed);
	return any ? report : NULL;
}

void
lp_board_reported(struct lp_board *board)
{
	board->version_told = board->version_sending;
	memcpy(board->node_reported, board->node_sending, sizeof(board->node_reported));
	lp_list_each(link, &board->pods) {
		struct lp_board_pod *pod = lp_of(link, struct lp_board_pod, link);

		if (pod->retired && strcmp(pod->sending, "gone") == 0 && !pod->named)
			pod_free(pod);
		else
			memcpy(pod->reported, pod->sending, sizeof(pod->reported));
	}
}
