#include "agent/link/tell.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard/guard.h"
#include "agent/guard/reclaim.h"
#include "agent/link/uplink.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/seam.h"
#include "base/text.h"

enum { REPORT_MAX = 16 << 20, REASON_MAX = 48, AGAIN_MS = 2000 };

struct event {
	struct lp_list link;
	char *namespace, *name, *uid;	/* of the pod; the node: name only */
	const char *type;		/* "Normal", "Warning" */
	char reason[REASON_MAX];
	char message[LP_ERR_TEXT];
	int64_t first_ms, last_ms;	/* wall time */
	uint32_t count;
	bool sending;
};

struct lp_tell {
	struct lp_agent *agent;		/* weak */
	struct lp_list events;		/* oldest first */
	size_t event_count;
	char node_digest[LP_DIGEST_TEXT], node_sending[LP_DIGEST_TEXT];
	char revision_digest[LP_DIGEST_TEXT], revision_sending[LP_DIGEST_TEXT];
	struct lp_timer again;
	bool linked;			/* a report was taken since the start */
};

/* ---- events */

static void
free_event(struct lp_tell *tell, struct event *event)
{
	lp_list_remove(&event->link);
	tell->event_count--;
	free(event->namespace);
	free(event->name);
	free(event->uid);
	free(event);
}

static struct event *
same_event(const struct lp_tell *tell, const char *uid, const char *reason, const char *message)
{
	lp_list_each(link, &tell->events) {
		struct event *event = lp_of(link, struct event, link);

		if (!event->sending && strcmp(event->uid, uid) == 0 && strcmp(event->reason, reason) == 0 &&
		    strcmp(event->message, message) == 0)
			return event;
	}
	return NULL;
}

void
lp_agent_event(struct lp_agent *agent, const struct lp_pod *pod, const char *type, const char *reason, const char *fmt, ...)
{
	struct lp_tell *tell = agent->tell;
	char message[LP_ERR_TEXT];
	struct event *event;
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	if (!tell || agent->standalone)
		return;		/* nobody is there to be told */
	event = same_event(tell, pod ? pod->uid : "", reason, message);
	if (event) {
		event->count++;
		event->last_ms = lp_clock_wall_ms();
		lp_agent_report_changed(agent);
		return;
	}
	event = lp_seam.alloc(sizeof(*event));
	if (!event)
		return;		/* an event is a courtesy: without memory there is none */
	*event = (struct event){ .type = type, .count = 1, .namespace = strdup(pod ? pod->namespace : ""),
		.name = strdup(pod ? pod->name : agent->name ? agent->name : ""), .uid = strdup(pod ? pod->uid : "") };
	event->first_ms = event->last_ms = lp_clock_wall_ms();
	(void)snprintf(event->reason, sizeof(event->reason), "%s", reason);
	memcpy(event->message, message, sizeof(message));
	lp_list_append(&tell->events, &event->link);
	tell->event_count++;
	if (!event->namespace || !event->name || !event->uid || tell->event_count > LP_AGENT_EVENTS)
		free_event(tell, lp_of(lp_list_first(&tell->events), struct event, link));
	lp_agent_report_changed(agent);
}

static void
add_event(struct lp_tell *tell, struct lp_arena *arena, struct lp_json *list, struct event *event)
{
	struct lp_json *row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT)), *about, *source;
	char when[LP_CLOCK_TEXT];

	(void)lp_json_set_str(arena, row, "namespace", event->namespace);
	about = lp_json_set_object(arena, row, "involvedObject");
	(void)lp_json_set_str(arena, about, "kind", *event->uid ? "Pod" : "Node");
	if (*event->uid)
		(void)lp_json_set_str(arena, about, "namespace", event->namespace);
	(void)lp_json_set_str(arena, about, "name", *event->uid ? event->name : tell->agent->name);
	(void)lp_json_set_str(arena, about, "uid", *event->uid ? event->uid : tell->agent->name);
	(void)lp_json_set_str(arena, about, "apiVersion", "v1");
	source = lp_json_set_object(arena, row, "source");
	(void)lp_json_set_str(arena, source, "component", "limpet-agent");
	(void)lp_json_set_str(arena, source, "host", tell->agent->name);
	(void)lp_json_set_str(arena, row, "type", event->type);
	(void)lp_json_set_str(arena, row, "reason", event->reason);
	(void)lp_json_set_str(arena, row, "message", event->message);
	(void)lp_json_set_int(arena, row, "count", event->count);
	lp_clock_print(event->first_ms, when);
	(void)lp_json_set_str(arena, row, "firstTimestamp", when);
	lp_clock_print(event->last_ms, when);
	(void)lp_json_set_str(arena, row, "lastTimestamp", when);
	event->sending = true;
}

/* ---- the report */

static int
digest_of(const struct lp_json *value, char out[LP_DIGEST_TEXT])
{
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, REPORT_MAX);
	if (lp_json_write_sorted(&text, value) < 0)
		return -ENOMEM;
	lp_digest_print(text.data, text.len, out);
	return 0;
}

static void
add_reference(struct lp_arena *arena, struct lp_json *row, const struct lp_pod *pod)
{
	(void)lp_json_set_str(arena, row, "namespace", pod->namespace);
	(void)lp_json_set_str(arena, row, "name", pod->name);
	(void)lp_json_set_str(arena, row, "uid", pod->uid);
}

/* True when the report has something to say about this pod. */
static bool
add_pod(struct lp_arena *arena, struct lp_json *pods, struct lp_json *gone, struct lp_pod *pod)
{
	struct lp_json *status, *row;
	char digest[LP_DIGEST_TEXT];

	pod->sending[0] = '\0';
	if (pod->retired && *pod->namespace) {
		add_reference(arena, lp_json_append(arena, gone, lp_json_new(arena, LP_JSON_OBJECT)), pod);
		(void)snprintf(pod->sending, sizeof(pod->sending), "gone");
		return true;
	}
	if (!pod->json || !pod->object)
		return false;
	status = lp_pod_status(pod, arena);
	if (!status || digest_of(status, digest) < 0 || strcmp(digest, pod->reported) == 0)
		return false;
	row = lp_json_append(arena, pods, lp_json_new(arena, LP_JSON_OBJECT));
	add_reference(arena, row, pod);
	(void)lp_json_set(arena, row, "status", status);
	memcpy(pod->sending, digest, sizeof(digest));
	return true;
}

static bool
add_node(struct lp_tell *tell, struct lp_arena *arena, struct lp_json *report)
{
	struct lp_agent *agent = tell->agent;
	struct lp_json *node = lp_node_report(arena, &agent->node, &agent->allowance, agent->name, agent->images, agent->started_ms);

	tell->node_sending[0] = '\0';
	if (!node || digest_of(node, tell->node_sending) < 0 || strcmp(tell->node_sending, tell->node_digest) == 0)
		return false;
	(void)lp_json_set(arena, report, "node", node);
	return true;
}

static bool
assemble(struct lp_tell *tell, struct lp_arena *arena, struct lp_json *report)
{
	struct lp_agent *agent = tell->agent;
	struct lp_json *pods, *gone, *events;
	size_t pos = 0;
	void *value;
	bool any;

	(void)lp_json_set_str(arena, report, "kind", "NodeReport");
	(void)lp_json_set_str(arena, report, "apiVersion", "fleet.limpet.dev/v1");
	(void)lp_json_set_str(arena, report, "revision", agent->revision.digest);
	memcpy(tell->revision_sending, agent->revision.digest, sizeof(tell->revision_sending));
	any = strcmp(tell->revision_sending, tell->revision_digest) != 0;
	any = add_node(tell, arena, report) || any;
	pods = lp_json_set_array(arena, report, "pods");
	gone = lp_json_set_array(arena, report, "gone");
	while (lp_map_next(&agent->pods, &pos, NULL, &value))
		any = add_pod(arena, pods, gone, value) || any;
	any = lp_reclaim_report(agent->reclaim, arena, report) || any;
	events = lp_json_set_array(arena, report, "events");
	lp_list_each(link, &tell->events)
		add_event(tell, arena, events, lp_of(link, struct event, link));
	return any || tell->event_count > 0;
}

static void
try_again(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;
	lp_agent_report_changed(lp_of(timer, struct lp_tell, again)->agent);
}

static void
taken_pods(struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		struct lp_pod *pod = value;

		if (pod->retired && strcmp(pod->sending, "gone") == 0 && !pod->object)
			lp_pod_free(pod);
		else if (pod->sending[0])
			memcpy(pod->reported, pod->sending, sizeof(pod->reported));
	}
}

static void
report_done(struct lp_agent *agent, bool accepted)
{
	struct lp_tell *tell = agent->tell;

	if (accepted) {
		/* For whoever started us: from now on the manager knows this node as it is. */
		if (!tell->linked)
			(void)printf("linked\n"), (void)fflush(stdout);
		tell->linked = true;
		if (tell->node_sending[0])
			memcpy(tell->node_digest, tell->node_sending, sizeof(tell->node_digest));
		memcpy(tell->revision_digest, tell->revision_sending, sizeof(tell->revision_digest));
		lp_reclaim_told(agent->reclaim);
		taken_pods(agent);
		lp_list_each(link, &tell->events)
			if (lp_of(link, struct event, link)->sending)
				free_event(tell, lp_of(link, struct event, link));
		lp_agent_report_changed(agent);	/* what changed meanwhile */
		return;
	}
	lp_list_each(link, &tell->events)
		lp_of(link, struct event, link)->sending = false;
	(void)lp_timer_start(agent->loop, &tell->again, lp_loop_now(agent->loop) + AGAIN_MS, try_again);
}

/* Pods that nobody is to be told about: those of a standalone node, and residue without a name. */
static void
drop_silent(struct lp_agent *agent)
{
	size_t pos = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		struct lp_pod *pod = value;

		if (pod->retired && !pod->object && (agent->standalone || !*pod->namespace))
			lp_pod_free(pod);
	}
}

static void
report_due(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_agent *agent = lp_of(defer, struct lp_agent, report_defer);
	lp_auto_arena struct lp_arena arena = { 0 };
	lp_auto_buf struct lp_buf body = { 0 };
	struct lp_json *report;
	struct lp_err err = { 0 };
	int rc;

	(void)now_ms;
	drop_silent(agent);
	lp_guard_look(agent->guard);
	if (!agent->uplink || !lp_uplink_may_report(agent->uplink))
		return;		/* the link says when it can */
	lp_arena_init(&arena, 4ul * REPORT_MAX);
	lp_buf_init(&body, REPORT_MAX);
	report = lp_json_new(&arena, LP_JSON_OBJECT);
	if (!assemble(agent->tell, &arena, report))
		return;
	rc = arena.failed ? -ENOMEM : lp_json_write(&body, report);
	if (rc == 0)		/* messages hold what containers wrote: no byte of theirs may make the report unreadable */
		lp_text_make_utf8(body.data, body.len);
	if (rc < 0 || lp_uplink_report(agent->uplink, body.data, body.len, report_done, &err) < 0) {
		lp_log(LP_LOG_WARN, "report could not be sent, will try again", "why=\"%s\"", err.text);
		report_done(agent, false);
	}
}

void
lp_agent_report_changed(struct lp_agent *agent)
{
	lp_loop_defer(agent->loop, &agent->report_defer, report_due);
}

void
lp_agent_report_again(struct lp_agent *agent)
{
	struct lp_tell *tell = agent->tell;
	size_t pos = 0;
	void *value;

	if (!tell)
		return;
	/* A report that is under way counts for nothing either: what it said may be what the manager has just thrown away. */
	tell->node_digest[0] = tell->node_sending[0] = '\0';
	tell->revision_digest[0] = tell->revision_sending[0] = '\0';
	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		struct lp_pod *pod = value;

		pod->reported[0] = '\0';
		if (strcmp(pod->sending, "gone") != 0)
			pod->sending[0] = '\0';
	}
	lp_agent_report_changed(agent);
}

int
lp_tell_new(struct lp_agent *agent, struct lp_tell **out, struct lp_err *err)
{
	struct lp_tell *tell = lp_seam.alloc(sizeof(*tell));

	if (!tell)
		return lp_err_set(err, -ENOMEM, "reports");
	tell->agent = agent;
	lp_list_init(&tell->events);
	*out = tell;
	return 0;
}

void
lp_tell_free(struct lp_tell *tell)
{
	if (!tell)
		return;
	lp_timer_stop(&tell->again);
	lp_list_each(link, &tell->events)
		free_event(tell, lp_of(link, struct event, link));
	free(tell);
}
