#include "agent/pod/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/pod/agent_state.h"
#include "agent/pod/note.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/text.h"

/* What the keeper of a pod says, and finding the keepers that already run. */

enum { LAST_MAX = 16 << 20, CALL_APART_MS = 1000 };

static struct lp_pod_container *
find_container(struct lp_pod *pod, const char *name)
{
	for (size_t i = 0; i < pod->container_count; i++)
		if (lp_text_same(pod->containers[i].name, name))
			return &pod->containers[i];
	return NULL;
}

static void
copy_end(struct lp_arena *arena, struct lp_control_end *to, const struct lp_control_end *from)
{
	*to = *from;
	to->reason = lp_arena_str(arena, from->reason);
	to->message = lp_arena_str(arena, from->message);
}

static void
copy_news(struct lp_arena *arena, struct lp_control_status *to, const struct lp_control_status *from)
{
	struct lp_control_news *news = from->news_count ? lp_arena_alloc(arena, from->news_count * sizeof(*news)) : NULL;

	to->news = news;
	to->news_count = news ? from->news_count : 0;
	for (size_t i = 0; i < to->news_count; i++)
		news[i] = (struct lp_control_news){ from->news[i].kind, from->news[i].count, NULL };	/* the words were told */
}

static void
keep_status(struct lp_pod_container *container, const struct lp_control_status *status)
{
	lp_arena_fini(&container->arena);
	container->status = *status;
	container->status.name = container->name;
	container->status.reason = lp_arena_str(&container->arena, status->reason);
	container->status.message = lp_arena_str(&container->arena, status->message);
	container->status.notes = lp_arena_str(&container->arena, status->notes);
	copy_end(&container->arena, &container->status.end, &status->end);
	copy_end(&container->arena, &container->status.last, &status->last);
	copy_news(&container->arena, &container->status, status);
	if (lp_control_limits_copy(&container->arena, &status->limits, &container->status.limits, NULL) < 0)
		container->status.resized = false;	/* without memory: as the record says */
	container->known = true;
}

/* ---- what the keeper says */

void
lp_pod_lose_network(struct lp_pod *pod)
{
	struct lp_err err = { 0 };

	lp_close(&pod->netns_fd);
	lp_close(&pod->dir_fd);
	if (pod->addr && pod->agent->net && lp_netbridge_detach(pod->agent->net, pod->uid, lp_loop_now(pod->agent->loop), &err) < 0)
		lp_log(LP_LOG_WARN, "network of a pod was not given back", "pod=%s/%s why=\"%s\"", pod->namespace, pod->name, err.text);
	pod->addr = 0;
	pod->attached = false;
	lp_agent_network_changed(pod->agent);
}

static void
on_pod(struct lp_control *control, const struct lp_control_state *state)
{
	struct lp_pod *pod = control->owner;

	pod->go_ms = state->started_ms;
	pod->uid_base = state->uid_base;
	pod->missing = state->missing;
	lp_note_containers(pod, state->note);
	pod->current = lp_text_same(state->version, LP_VERSION);
	lp_pod_renew(pod, state->version);
	switch ((enum lp_control_phase)state->phase) {
	case LP_CONTROL_STARTING:
		if (pod->keeper != LP_PODPLAN_READY)
			pod->keeper = LP_PODPLAN_SPAWNED;
		break;
	case LP_CONTROL_RUNNING:
		pod->keeper = LP_PODPLAN_RUNNING;
		lp_resize_adopted(pod);
		break;
	case LP_CONTROL_STOPPING:
		pod->keeper = LP_PODPLAN_RUNNING;
		break;
	case LP_CONTROL_DONE:
		pod->keeper = LP_PODPLAN_DONE;
		break;
	}
	if (state->error < 0 && !state->started_ms)
		lp_pod_unmade(pod, state->error_text ? state->error_text : "");
	if (state->reason)
		lp_pod_fail(pod, state->reason, state->message ? state->message : "", -1);
	lp_agent_network_changed(pod->agent);
	lp_agent_report_changed(pod->agent);
	lp_pod_look(pod);
}

static void
on_ready(struct lp_control *control, int netns_fd, int dir_fd)
{
	struct lp_pod *pod = control->owner;

	lp_close(&pod->netns_fd);
	lp_close(&pod->dir_fd);
	pod->netns_fd = netns_fd;
	pod->dir_fd = dir_fd;
	if (pod->keeper == LP_PODPLAN_SPAWNED)
		pod->keeper = LP_PODPLAN_READY;
	lp_pod_look(pod);
}

/* What `kubectl describe` shows of a start or an end. Only steps that happened while we looked, never on adoption. */
static void
tell_events(struct lp_pod *pod, const struct lp_pod_container *before, const struct lp_control_status *now)
{
	struct lp_agent *agent = pod->agent;
	bool backoff = lp_text_same(now->reason, "CrashLoopBackOff");

	if (now->starts > (before->known ? before->status.starts : 0)) {
		lp_agent_event(agent, pod, "Normal", "Created", "Created container: %s", now->name);
		lp_agent_event(agent, pod, "Normal", "Started", "Started container %s", now->name);
		/* A limit that was asked for and cannot be had; the default one on processes is nobody's wish. */
		if (now->notes && (strstr(now->notes, "memory") || strstr(now->notes, "cpu")))
			lp_agent_event(agent, pod, "Warning", "LimitsUnavailable", "Container %s runs with less than it asked for: %s",
			    now->name, now->notes);
	}
	if (now->run == LP_CONTROL_RUN_WAITING && backoff && !lp_text_same(before->status.reason, "CrashLoopBackOff"))
		lp_agent_event(agent, pod, "Warning", "BackOff", "Back-off restarting failed container %s in pod %s_%s(%s)", now->name,
		    pod->name, pod->namespace, pod->uid);
	if (now->end.set && lp_text_same(now->end.reason, "StartError") && now->end.message &&
	    (!before->status.end.set || before->status.end.attempt != now->end.attempt))
		lp_agent_event(agent, pod, "Warning", "Failed", "Error: %s", now->end.message);
}

static const struct {
	const char *type, *reason;
} news_events[] = {
	[LP_CONTROL_NEWS_STARTUP] = { "Warning", "Unhealthy" },
	[LP_CONTROL_NEWS_LIVENESS] = { "Warning", "Unhealthy" },
	[LP_CONTROL_NEWS_READINESS] = { "Warning", "Unhealthy" },
	[LP_CONTROL_NEWS_KILLING] = { "Normal", "Killing" },
	[LP_CONTROL_NEWS_POST_START] = { "Warning", "FailedPostStartHook" },
	[LP_CONTROL_NEWS_PRE_STOP] = { "Warning", "FailedPreStopHook" },
};

static uint64_t
news_count(const struct lp_pod_container *container, int32_t kind)
{
	for (size_t i = 0; container->known && i < container->status.news_count; i++)
		if (container->status.news[i].kind == kind)
			return container->status.news[i].count;
	return 0;
}

static void
tell_news(struct lp_pod *pod, const struct lp_pod_container *before, const struct lp_control_status *now)
{
	for (size_t i = 0; i < now->news_count; i++) {
		const struct lp_control_news *news = &now->news[i];

		if (news->kind < 1 || (size_t)news->kind >= lp_count(news_events) || !news->text || news->count <= news_count(before, news->kind))
			continue;
		lp_agent_event(pod->agent, pod, news_events[news->kind].type, news_events[news->kind].reason, "%s", news->text);
	}
}

static void
on_status(struct lp_control *control, const struct lp_control_status *status)
{
	struct lp_pod *pod = control->owner;
	struct lp_pod_container *container = find_container(pod, status->name);

	if (!container)
		return;		/* of an older spec: it is on its way out */
	tell_events(pod, container, status);
	tell_news(pod, container, status);
	keep_status(container, status);
	lp_agent_network_changed(pod->agent);
	lp_agent_report_changed(pod->agent);
	lp_pod_look(pod);
}

static void
on_begun(struct lp_control *control, uint64_t id, int fd, const struct lp_err *err)
{
	struct lp_pod *pod = control->owner;

	if (id == 0 && err->code < 0)
		lp_pod_keep_version(pod, err);
	else
		lp_agent_stream_begun(pod->agent, id, fd, err);
}

static void
on_ended(struct lp_control *control, uint64_t id, const struct lp_container_exit *status)
{
	struct lp_pod *pod = control->owner;

	lp_agent_stream_ended(pod->agent, id, status);
}

static void
on_pong(struct lp_control *control, uint64_t id)
{
	(void)control;	/* nobody pings yet: a dead keeper closes its socket */
	(void)id;
}

static void
on_resized(struct lp_control *control, uint64_t id, const struct lp_err *err)
{
	struct lp_pod *pod = control->owner;

	(void)id;
	lp_resize_done(pod, err);
	if (err->code < 0)
		lp_log(LP_LOG_WARN, "limits of a running container stay as they were", "pod=%s/%s why=\"%s\"", pod->namespace, pod->name,
		    err->text);
}

/* ---- a keeper that hangs up */

static void
lose(struct lp_pod *pod)
{
	/* Its directory is the last that a keeper removes: one that leaves it died half way. */
	if (pod->forgetting && faccessat(pod->agent->run_pods_fd, pod->uid, F_OK, AT_SYMLINK_NOFOLLOW) < 0) {
		pod->keeper = LP_PODPLAN_NONE;
		pod->forgetting = false;
		pod->began_ms = 0;
	} else {
		pod->forgetting = false;
		pod->keeper = LP_PODPLAN_LOST;
		lp_log(LP_LOG_WARN, "keeper of a pod died, its pod will be cleaned up", "pod=%s/%s", pod->namespace, pod->name);
	}
	lp_pod_lose_network(pod);
	lp_agent_report_changed(pod->agent);
	lp_pod_look(pod);
}

static void call_due(struct lp_timer *timer, int64_t now_ms);

/*
 * A keeper hangs up on an agent that it cannot talk to, and when another has called: what it guards runs on. Its network and all that
 * is known of it stay until it has said more. One that does it again and again is called once a second. False: it is dead.
 */
static bool
call_again(struct lp_pod *pod, int64_t now_ms)
{
	struct lp_agent *agent = pod->agent;
	int64_t due_ms = pod->called_ms ? pod->called_ms + CALL_APART_MS : now_ms;
	lp_auto_fd int fd = -1;

	if (lp_control_connect(agent->run_pods_fd, pod->uid, &fd, NULL) < 0)
		return false;
	if (now_ms < due_ms)
		return lp_timer_start(agent->loop, &pod->call_timer, due_ms, call_due) == 0;
	if (lp_control_start(agent->loop, &pod->control, fd, &lp_pod_control_ops, pod, NULL) < 0)
		return false;
	(void)lp_take_fd(&fd);
	pod->connected = true;
	pod->renewed = false;
	pod->called_ms = now_ms;
	lp_log(LP_LOG_INFO, "keeper of a pod hung up and lives, it is called again", "pod=%s/%s", pod->namespace, pod->name);
	return true;
}

static void
call_due(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_pod *pod = lp_of(timer, struct lp_pod, call_timer);

	if (!call_again(pod, now_ms))
		lose(pod);
}

static void
on_gone(struct lp_control *control)
{
	struct lp_pod *pod = control->owner;

	lp_control_close(control);
	pod->connected = false;
	lp_agent_streams_lost(pod->agent, pod->uid);
	if (pod->forgetting || !call_again(pod, lp_loop_now(pod->agent->loop)))
		lose(pod);
}

const struct lp_control_ops lp_pod_control_ops = {
	.pod = on_pod,
	.ready = on_ready,
	.status = on_status,
	.begun = on_begun,
	.ended = on_ended,
	.pong = on_pong,
	.resized = on_resized,
	.gone = on_gone,
};

/* ---- adoption */

bool
lp_pod_is_being_adopted(const struct lp_pod *pod)
{
	if (!pod->connected || pod->go_ms == 0)
		return false;
	if (pod->keeper == LP_PODPLAN_SPAWNED)
		return true;
	for (size_t i = pod->init_count; pod->keeper == LP_PODPLAN_RUNNING && i < pod->container_count; i++) {
		if (!pod->containers[i].known)
			return true;
	}
	return false;
}

void
lp_pod_claim(struct lp_pod *pod)
{
	struct lp_err err = { 0 };

	if (!pod->agent->net || !pod->addr || pod->attached)
		return;
	if (lp_netbridge_adopt(pod->agent->net, pod->uid, pod->addr, &err) == 0)
		pod->attached = true;
	else
		lp_log(LP_LOG_WARN, "address of a running pod cannot be kept", "pod=%s/%s why=\"%s\"", pod->namespace, pod->name, err.text);
}

void
lp_pod_adopt(struct lp_pod *pod)
{
	struct lp_agent *agent = pod->agent;
	lp_auto_arena struct lp_arena arena;
	struct lp_control_state state;
	struct lp_control_status *statuses = NULL;
	size_t count = 0;
	struct lp_err err = { 0 };

	lp_arena_init(&arena, LAST_MAX);
	if (lp_control_last(&arena, agent->run_pods_fd, pod->uid, &state, &statuses, &count, NULL) == 0) {
		pod->uid_base = state.uid_base;
		pod->go_ms = state.started_ms;
		lp_note_read(pod, state.note);
		lp_pod_claim(pod);
		for (size_t i = 0; i < count; i++) {
			struct lp_pod_container *container = find_container(pod, statuses[i].name);

			if (container)
				keep_status(container, &statuses[i]);
		}
	}
	if (lp_control_open(agent->loop, &pod->control, agent->run_pods_fd, pod->uid, &lp_pod_control_ops, pod, &err) == 0) {
		pod->connected = true;
		pod->keeper = LP_PODPLAN_SPAWNED;	/* until it says more */
	} else {
		pod->keeper = LP_PODPLAN_LOST;
		lp_log(LP_LOG_WARN, "a pod has no keeper any more, it will be cleaned up", "pod=%s/%s why=\"%s\"", pod->namespace,
		    pod->name, err.text);
	}
	lp_pod_look(pod);
}
