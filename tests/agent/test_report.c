#include <string.h>

#include "agent/pod/report.h"
#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "tests/harness.h"

static struct lp_arena arena;

/* A pod with one container in the given state. */
static struct lp_json *
status_of(const struct lp_control_status *status, bool done, struct lp_report_pod *facts)
{
	static const char pod[] = "{\"metadata\":{\"name\":\"p\",\"uid\":\"u1\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}}";
	static struct lp_report_container container;
	struct lp_json *json = NULL, *out;

	lp_arena_fini(&arena);	/* what this test had before */
	lp_arena_init(&arena, 1 << 20);
	CHECK_INT(lp_json_parse(&arena, pod, strlen(pod), NULL, &json, NULL), 0);
	container = (struct lp_report_container){ .name = "c", .image = "img:1", .image_id = "sha256:x", .status = status };
	facts->pod = json;
	facts->qos = "BestEffort";
	facts->containers = &container;
	facts->container_count = 1;
	facts->done = done;
	out = lp_report_status(&arena, facts);
	CHECK(out != NULL);
	return out;
}

static const char *
first(struct lp_json *status, const char *path)
{
	return lp_json_str(lp_json_index(lp_json_get(status, "containerStatuses"), 0), path);
}

TEST(a_pod_that_was_not_started_is_pending_and_creating)
{
	struct lp_report_pod facts = { 0 };
	struct lp_json *status = status_of(NULL, false, &facts);

	CHECK_STR(lp_json_str(status, "phase"), "Pending");
	CHECK_STR(first(status, "state.waiting.reason"), "ContainerCreating");
	lp_json_each(condition, lp_json_get(status, "conditions"))
		if (strstr(lp_json_str(condition, "type"), "Ready"))
			CHECK_STR(lp_json_str(condition, "status"), "False");
}

TEST(a_reason_to_wait_is_shown_with_its_words)
{
	struct lp_report_pod facts = { .wait_reason = "ImagePullBackOff", .wait_message = "not here" };
	struct lp_json *status = status_of(NULL, false, &facts);

	CHECK_STR(first(status, "state.waiting.reason"), "ImagePullBackOff");
	CHECK_STR(first(status, "state.waiting.message"), "not here");
}

TEST(a_running_container_makes_the_pod_running_and_ready)
{
	struct lp_control_status running = { .name = "c", .run = LP_CONTROL_RUN_RUNNING, .starts = 1, .started_ms = 1767225660000 };
	struct lp_report_pod facts = { .started_ms = 1767225659000, .pod_ip = "10.42.0.5", .host_ip = "192.168.1.7" };
	struct lp_json *status = status_of(&running, false, &facts);

	CHECK_STR(lp_json_str(status, "phase"), "Running");
	CHECK_STR(first(status, "state.running.startedAt"), "2026-01-01T00:01:00Z");
	CHECK_STR(first(status, "containerID"), "limpet://u1/c.0");
	CHECK_STR(lp_json_str(status, "podIP"), "10.42.0.5");
	CHECK_STR(lp_json_str(status, "startTime"), "2026-01-01T00:00:59Z");
	lp_json_each(condition, lp_json_get(status, "conditions"))
		CHECK_STR(lp_json_str(condition, "status"), "True");
}

TEST(a_crash_loop_keeps_the_pod_running_but_not_ready)
{
	struct lp_control_status waiting = { .name = "c", .run = LP_CONTROL_RUN_WAITING, .starts = 3, .attempt = 2,
		.reason = "CrashLoopBackOff", .message = "back-off 20s",
		.last = { .set = true, .attempt = 2, .code = 3, .reason = "Error", .ended_ms = 1767225670000 } };
	struct lp_report_pod facts = { .started_ms = 1767225659000 };
	struct lp_json *status = status_of(&waiting, false, &facts);
	struct lp_json *container = lp_json_index(lp_json_get(status, "containerStatuses"), 0);

	CHECK_STR(lp_json_str(status, "phase"), "Running");
	CHECK_STR(first(status, "state.waiting.reason"), "CrashLoopBackOff");
	CHECK_INT(lp_json_int(container, "lastState.terminated.exitCode", -1), 3);
	CHECK_INT(lp_json_int(container, "restartCount", -1), 2);
	CHECK(!lp_json_bool(container, "ready", true));
}

TEST(a_pod_that_is_done_has_succeeded_or_failed_by_its_exit_codes)
{
	struct lp_control_status ended = { .name = "c", .run = LP_CONTROL_RUN_ENDED, .starts = 1,
		.end = { .set = true, .code = 0, .reason = "Completed", .ended_ms = 1767225670000 } };
	struct lp_report_pod facts = { .started_ms = 1767225659000 };

	CHECK_STR(lp_json_str(status_of(&ended, true, &facts), "phase"), "Succeeded");
	ended.end.code = 1;
	facts = (struct lp_report_pod){ .started_ms = 1767225659000 };
	CHECK_STR(lp_json_str(status_of(&ended, true, &facts), "phase"), "Failed");
	/* An ended container of a pod that goes on is about to be started again. */
	facts = (struct lp_report_pod){ .started_ms = 1767225659000 };
	CHECK_STR(lp_json_str(status_of(&ended, false, &facts), "phase"), "Running");
}

TEST(the_same_facts_give_the_same_bytes)
{
	struct lp_control_status running = { .name = "c", .run = LP_CONTROL_RUN_RUNNING, .starts = 1, .started_ms = 1767225660000 };
	struct lp_report_pod facts = { .started_ms = 1767225659000 };
	lp_auto_buf struct lp_buf a, b;

	lp_buf_init(&a, 1 << 16);
	lp_buf_init(&b, 1 << 16);
	CHECK_INT(lp_json_write(&a, status_of(&running, false, &facts)), 0);
	CHECK_INT(lp_json_write(&b, status_of(&running, false, &facts)), 0);
	CHECK_STR(a.data, b.data);
}

TEST(a_lost_keeper_is_told_as_container_status_unknown)
{
	static const char pod[] = "{\"metadata\":{\"name\":\"p\",\"uid\":\"u1\"}}";
	const struct lp_control_end lost = { .set = true, .code = 137, .reason = "ContainerStatusUnknown" };
	struct lp_report_container container = { .name = "c", .image = "i", .lost = &lost, .restarts = 1 };
	struct lp_report_pod facts = { .containers = &container, .container_count = 1, .qos = "Burstable" };
	struct lp_json *json = NULL, *status;

	lp_arena_fini(&arena);	/* what this test had before */
	lp_arena_init(&arena, 1 << 20);
	CHECK_INT(lp_json_parse(&arena, pod, strlen(pod), NULL, &json, NULL), 0);
	facts.pod = json;
	status = lp_report_status(&arena, &facts);
	CHECK_STR(first(status, "lastState.terminated.reason"), "ContainerStatusUnknown");
	CHECK_INT(lp_json_int(lp_json_index(lp_json_get(status, "containerStatuses"), 0), "restartCount", -1), 1);
}

TEST(an_evicted_pod_has_failed_with_a_reason_and_is_a_disruption_target)
{
	struct lp_control_status running = { .name = "c", .run = LP_CONTROL_RUN_RUNNING, .starts = 1, .started_ms = 1767225660000 };
	struct lp_report_pod facts = { .started_ms = 1767225659000, .fail_reason = "Evicted", .fail_message = "too much",
		.failed_ms = 1767225661000 };
	struct lp_json *status = status_of(&running, false, &facts);
	bool found = false;

	CHECK_STR(lp_json_str(status, "phase"), "Failed");
	CHECK_STR(lp_json_str(status, "reason"), "Evicted");
	CHECK_STR(lp_json_str(status, "message"), "too much");
	lp_json_each(condition, lp_json_get(status, "conditions"))
		found = found || (!strcmp(lp_json_str(condition, "type"), "DisruptionTarget") &&
		    !strcmp(lp_json_str(condition, "lastTransitionTime"), "2026-01-01T00:01:01Z"));
	CHECK(found);
}

TEST(a_container_that_runs_and_is_not_ready_makes_the_pod_unready)
{
	struct lp_control_status running = { .name = "c", .run = LP_CONTROL_RUN_RUNNING, .starts = 1, .started_ms = 1767225660000,
		.started = LP_CONTROL_YES, .ready = LP_CONTROL_NO, .turned_ms = 1767225670000 };
	struct lp_report_pod facts = { .started_ms = 1767225659000 };
	struct lp_json *status = status_of(&running, false, &facts);
	struct lp_json *container = lp_json_index(lp_json_get(status, "containerStatuses"), 0);

	CHECK_STR(lp_json_str(status, "phase"), "Running");
	CHECK(!lp_json_bool(container, "ready", true));
	CHECK(lp_json_bool(container, "started", false));
	lp_json_each(condition, lp_json_get(status, "conditions"))
		if (lp_text_same(lp_json_str(condition, "type"), "Ready")) {
			CHECK_STR(lp_json_str(condition, "status"), "False");
			CHECK_STR(lp_json_str(condition, "message"), "containers with unready status: [c]");
			CHECK_STR(lp_json_str(condition, "lastTransitionTime"), "2026-01-01T00:01:10Z");
		}
	running.ready = LP_CONTROL_YES;
	status = status_of(&running, false, &facts);
	CHECK(lp_json_bool(lp_json_index(lp_json_get(status, "containerStatuses"), 0), "ready", false));
}

TEST(a_container_whose_hook_runs_has_not_started_and_the_pod_is_pending)
{
	struct lp_control_status waiting = { .name = "c", .run = LP_CONTROL_RUN_WAITING, .starts = 1, .pid = 7, .reason = "ContainerCreating",
		.started = LP_CONTROL_NO, .ready = LP_CONTROL_NO };
	struct lp_report_pod facts = { .started_ms = 1767225659000 };
	struct lp_json *status = status_of(&waiting, false, &facts);

	CHECK_STR(lp_json_str(status, "phase"), "Pending");
	CHECK_STR(first(status, "state.waiting.reason"), "ContainerCreating");
	CHECK(!lp_json_bool(lp_json_index(lp_json_get(status, "containerStatuses"), 0), "started", true));
}

TEST(a_sidecar_has_to_start_before_the_pod_is_initialized_and_to_be_ready_before_it_is)
{
	struct lp_control_status side = { .name = "s", .role = LP_CONTROL_SIDECAR, .run = LP_CONTROL_RUN_RUNNING, .starts = 1, .started_ms = 1767225660000,
		.started = LP_CONTROL_NO, .ready = LP_CONTROL_NO };
	struct lp_control_status running = { .name = "c", .run = LP_CONTROL_RUN_RUNNING, .starts = 1, .started_ms = 1767225660000,
		.started = LP_CONTROL_YES, .ready = LP_CONTROL_YES };
	struct lp_report_container init = { .name = "s", .image = "img:1", .status = &side };
	struct lp_report_pod facts = { .started_ms = 1767225659000, .inits = &init, .init_count = 1 };
	static const char *const expected[][2] = { { "False", "False" }, { "True", "False" }, { "True", "True" } };

	for (size_t i = 0; i < lp_count(expected); i++) {
		struct lp_json *status = status_of(&running, false, &facts);

		lp_json_each(condition, lp_json_get(status, "conditions")) {
			if (lp_text_same(lp_json_str(condition, "type"), "Initialized"))
				CHECK_STR(lp_json_str(condition, "status"), expected[i][0]);
			if (lp_text_same(lp_json_str(condition, "type"), "Ready"))
				CHECK_STR(lp_json_str(condition, "status"), expected[i][1]);
		}
		side.ready = side.started == LP_CONTROL_YES ? LP_CONTROL_YES : LP_CONTROL_NO;
		side.started = LP_CONTROL_YES;
	}
}
