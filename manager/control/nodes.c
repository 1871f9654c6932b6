/*
 * manager/control/nodes.c - pure: which nodes are there, what taints say so, which pods have to leave.
 *
 * Silence  a node not heard for node_grace_ms has all its conditions Unknown, and its pods are not Ready; when it is heard again
 *          its own report puts both right
 * Taints   not-ready, unreachable, unschedulable, and the pressures follow conditions and spec; others are left alone
 * Eviction a NoExecute taint makes pods leave that do not tolerate it, or no longer. A silent node is no reason to
 *          take away a pod that nobody would make anew (TRUST.md: a dead link changes nothing), nor is it when no node at all is Ready:
 *          then it is us who are cut off
 */
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"
#include "manager/control/control.h"
#include "manager/look/taint.h"
#include "specs/object.h"

#define PREFIX "node.kubernetes.io/"
#define NOT_READY PREFIX "not-ready"
#define UNREACHABLE PREFIX "unreachable"
#define SAID_BY "node-controller"

/* ---- silence */

static int64_t
silent_since(const struct lp_look *look, const char *node)
{
	int64_t seen_ms = look->seen_ms(look->seen_arg, node);

	return seen_ms > look->start_ms ? seen_ms : look->start_ms;
}

static void
mark_unknown(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *cached)
{
	static const char *const types[] = { "Ready", "MemoryPressure", "DiskPressure", "PIDPressure" };
	struct lp_json *copy = lp_json_copy(look->arena, lp_cached_json(cached));
	bool known = lp_object_condition(copy, "Ready") != NULL, changed = false;

	for (size_t i = 0; copy && i < lp_count(types); i++)
		changed |= lp_object_set_condition(look->arena, copy, types[i], "Unknown",
		    known ? "NodeStatusUnknown" : "NodeStatusNeverUpdated",
		    known ? "Kubelet stopped posting node status." : "Kubelet never posted node status.",
		    look->wall_ms);
	if (!changed)
		return;
	lp_writes_status(writes, cached->kind, copy);
	lp_writes_event(writes, cached, SAID_BY, "Normal", "NodeNotReady",
	    lp_arena_printf(look->arena, "Node %s status is now: NodeNotReady", cached->name));
}

/* What runs on a silent node may still serve, but nobody knows. */
static void
mark_pods_not_ready(const struct lp_look *look, struct lp_writes *writes, const char *node)
{
	size_t count;
	struct lp_cached *const *pods = lp_cache_indexed(look->cache, LP_CACHE_BY_NODE, node, &count);

	for (size_t i = 0; i < count; i++) {
		const struct lp_json *pod = lp_cached_json(pods[i]);
		struct lp_json *copy;

		if (!lp_object_condition_true(pod, "Ready"))
			continue;
		copy = lp_json_copy(look->arena, pod);
		if (copy &&
		    lp_object_set_condition(
		        look->arena, copy, "Ready", "False", "NodeNotReady", "Node is not ready", look->wall_ms))
			lp_writes_status(writes, pods[i]->kind, copy);
	}
}

/* Returns whether the node is silent. */
static bool
look_at_silence(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *cached)
{
	int64_t due_ms = silent_since(look, cached->name) + look->settings->node_grace_ms;

	if (look->now_ms < due_ms) {
		lp_writes_look_again(writes, due_ms);
		return false;
	}
	if (!lp_text_same(lp_json_str(lp_object_condition(lp_cached_json(cached), "Ready"), "status"), "Unknown"))
		mark_unknown(look, writes, cached);
	mark_pods_not_ready(look, writes, cached->name);
	return true;
}

/* ---- taints */

/* Keys that are ours to put and take. */
static const char *const keys[] = {
	NOT_READY,
	UNREACHABLE,
	PREFIX "unschedulable",
	PREFIX "memory-pressure",
	PREFIX "disk-pressure",
	PREFIX "pid-pressure",
	PREFIX "network-unavailable",
};

static const char *const effects[] = { "NoSchedule", "NoExecute" };

/* What the taints of a node follow from. */
struct state {
	const char *ready;		/* "True", "False", "Unknown"; NULL: never reported */
	bool unschedulable, memory, disk, pid, network;
};

static struct state
state_of(const struct lp_json *node)
{
	struct state state = { .unschedulable = lp_json_bool(node, "spec.unschedulable", false) };

	lp_json_each(condition, lp_json_path(node, "status.conditions")) {
		const char *type = lp_json_str(condition, "type"), *status = lp_json_str(condition, "status");
		bool truth = lp_text_same(status, "True");

		if (lp_text_same(type, "Ready"))
			state.ready = status;
		else if (lp_text_same(type, "MemoryPressure"))
			state.memory = truth;
		else if (lp_text_same(type, "DiskPressure"))
			state.disk = truth;
		else if (lp_text_same(type, "PIDPressure"))
			state.pid = truth;
		else if (lp_text_same(type, "NetworkUnavailable"))
			state.network = truth;
	}
	return state;
}

/* Should a node in this state have this taint of ours? */
static bool
wants_taint(const struct state *state, const char *key, const char *effect)
{
	if (strcmp(key, NOT_READY) == 0)	/* one that has never reported takes no pods, but keeps those it has */
		return !state->ready ? strcmp(effect, "NoSchedule") == 0 : strcmp(state->ready, "False") == 0;
	if (strcmp(key, UNREACHABLE) == 0)
		return state->ready && strcmp(state->ready, "Unknown") == 0;
	if (strcmp(effect, "NoSchedule") != 0)
		return false;
	if (strcmp(key, PREFIX "unschedulable") == 0)
		return state->unschedulable;
	if (strcmp(key, PREFIX "memory-pressure") == 0)
		return state->memory;
	if (strcmp(key, PREFIX "disk-pressure") == 0)
		return state->disk;
	return strcmp(key, PREFIX "pid-pressure") == 0 ? state->pid : state->network;
}

static bool
is_ours(const struct lp_json *taint)
{
	const char *effect = lp_json_str(taint, "effect");

	for (size_t i = 0; i < lp_count(keys); i++)
		if (lp_text_same(lp_json_str(taint, "key"), keys[i]))
			return lp_text_same(effect, "NoSchedule") || (i < 2 && lp_text_same(effect, "NoExecute"));
	return false;
}

static void
add_taint(const struct lp_look *look, struct lp_json *list, const char *key, const char *effect)
{
	struct lp_json *taint = lp_json_append(look->arena, list, lp_json_new(look->arena, LP_JSON_OBJECT));
	char now[LP_CLOCK_TEXT];

	lp_json_set_str(look->arena, taint, "key", key);
	lp_json_set_str(look->arena, taint, "effect", effect);
	if (strcmp(effect, "NoExecute") != 0)
		return;
	lp_clock_print(look->wall_ms, now);
	lp_json_set_str(look->arena, taint, "timeAdded", now);
}

/* Does the node have a taint that it should not have, or lack one? */
static bool
taints_differ(const struct lp_json *node, const struct state *state)
{
	lp_json_each(taint, lp_json_path(node, "spec.taints"))
		if (is_ours(taint) && !wants_taint(state, lp_json_str(taint, "key"), lp_json_str(taint, "effect")))
			return true;
	for (size_t i = 0; i < lp_count(keys); i++)
		for (size_t e = 0; e < lp_count(effects); e++)
			if (wants_taint(state, keys[i], effects[e]) && !lp_taint_has(node, keys[i], effects[e]))
				return true;
	return false;
}

static void
keep_taints(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *cached)
{
	const struct lp_json *node = lp_cached_json(cached);
	struct state state = state_of(node);
	struct lp_json *list, *copy;

	if (!taints_differ(node, &state))
		return;
	list = lp_json_new(look->arena, LP_JSON_ARRAY);
	lp_json_each(taint, lp_json_path(node, "spec.taints"))
		if (!is_ours(taint) || wants_taint(&state, lp_json_str(taint, "key"), lp_json_str(taint, "effect")))
			lp_json_append(look->arena, list, lp_json_copy(look->arena, taint));
	for (size_t i = 0; i < lp_count(keys); i++)
		for (size_t e = 0; e < lp_count(effects); e++)
			if (wants_taint(&state, keys[i], effects[e]) && !lp_taint_has(node, keys[i], effects[e]))
				add_taint(look, list, keys[i], effects[e]);
	copy = lp_json_copy(look->arena, node);
	if (lp_json_count(list) > 0)
		lp_json_set(look->arena, lp_json_need_object(look->arena, copy, "spec"), "taints", list);
	else
		lp_json_remove(lp_json_get(copy, "spec"), "taints");
	if (copy)
		lp_writes_update(writes, cached->kind, copy);
}

/* ---- eviction */

/* Is this taint about a link that is down? */
static bool
is_about_link(const struct lp_json *taint)
{
	return lp_text_same(lp_json_str(taint, "key"), NOT_READY) ||
	    lp_text_same(lp_json_str(taint, "key"), UNREACHABLE);
}

static void
look_at_pod(const struct lp_look *look, struct lp_writes *writes, const struct lp_json *taint, struct lp_cached *cached)
{
	const char *added = lp_json_str(taint, "timeAdded");
	int64_t borne_s = lp_taint_borne_s(lp_cached_json(cached), taint), since_ms = look->wall_ms, left_ms;

	if (borne_s == INT64_MAX)
		return;
	if (added)
		(void)lp_clock_parse(added, &since_ms);		/* unreadable: since now */
	left_ms = borne_s > INT64_MAX / 2000 ? INT64_MAX / 2 : since_ms + borne_s * 1000 - look->wall_ms;
	if (left_ms > 0 && borne_s > 0) {
		lp_writes_look_again(writes, look->now_ms + left_ms);
		return;
	}
	lp_writes_event(writes, cached, "taint-eviction-controller", "Normal", "TaintManagerEviction",
	    lp_arena_printf(look->arena, "Marking for deletion Pod %s/%s", cached->namespace, cached->name));
	lp_writes_delete(writes, cached, -1);
}

static void
evict(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *node, bool any_ready)
{
	size_t count;
	struct lp_cached *const *pods = lp_cache_indexed(look->cache, LP_CACHE_BY_NODE, node->name, &count);

	lp_json_each(taint, lp_json_path(lp_cached_json(node), "spec.taints")) {
		if (!lp_text_same(lp_json_str(taint, "effect"), "NoExecute") || (is_about_link(taint) && !any_ready))
			continue;
		for (size_t i = 0; i < count; i++)
			if (!pods[i]->deleting &&
			    (!is_about_link(taint) || lp_object_controller(lp_cached_json(pods[i]))))
				look_at_pod(look, writes, taint, pods[i]);
	}
}

void
lp_nodes_control(const struct lp_look *look, struct lp_writes *writes)
{
	size_t count;
	struct lp_cached *const *nodes = lp_cache_list(look->cache, lp_kind_find("v1", "Node"), NULL, &count);
	bool any_ready = false;

	for (size_t i = 0; i < count; i++)
		any_ready |= !look_at_silence(look, writes, nodes[i]) &&
		    lp_object_condition_true(lp_cached_json(nodes[i]), "Ready");
	for (size_t i = 0; i < count; i++) {
		keep_taints(look, writes, nodes[i]);
		evict(look, writes, nodes[i], any_ready);
	}
}
