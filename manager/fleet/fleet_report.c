/*
 * manager/fleet/fleet_report.c - what a node reports, turned into writes; it may speak of itself and of its own pods only.
 *
 * Labels  a node sets those of its hardware and system; all others are the operator's, so that a board that was taken over
 *         cannot call itself something else (TRUST.md)
 * Gone    a pod that ended on its node and is being deleted is removed; likewise the last finalizer of a volume that is being deleted
 *         and can be on this node only; a node cannot delete anything else
 */
#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/log.h"
#include "base/text.h"
#include "manager/control/control.h"
#include "manager/fleet/fleet.h"
#include "manager/look/provision.h"
#include "manager/request/write.h"
#include "manager/sign/sign.h"
#include "specs/object.h"

#define EVENTS_MAX 200

/* Labels that a node may give itself. */
static const char *const own_labels[] = {
	"kubernetes.io/arch",
	"kubernetes.io/os",
	"beta.kubernetes.io/arch",
	"beta.kubernetes.io/os",
	"node.kubernetes.io/instance-type",
};

struct report {
	const struct lp_cache *cache;
	struct lp_writes *writes;
	struct lp_cached *node;
};

static bool
label_is_own(const char *key)
{
	for (size_t i = 0; i < lp_count(own_labels); i++) {
		if (strcmp(own_labels[i], key) == 0)
			return true;
	}
	return lp_text_starts(key, "feature.limpet.dev/");
}

static void
take_labels(struct report *report, const struct lp_json *labels)
{
	struct lp_arena *arena = report->writes->arena;
	const struct lp_json *node = lp_cached_json(report->node);
	struct lp_json *patch = lp_json_new(arena, LP_JSON_OBJECT);
	struct lp_json *wanted = lp_json_set_object(arena, lp_json_set_object(arena, patch, "metadata"), "labels");

	lp_json_each(label, labels) {
		const char *value = lp_json_text(label);

		if (value && label_is_own(label->key) && !lp_text_same(lp_object_label(node, label->key), value))
			lp_json_set_str(arena, wanted, label->key, value);
	}
	if (lp_json_count(wanted))
		lp_writes_merge(report->writes, report->node->kind, "", report->node->name, report->node->uid, patch, false);
}

/* Extended resources ("example.com/dongle") are the operator's word, by the node's status: a report that knows nothing of them leaves them. */
static void
keep_extended(struct report *report, struct lp_json *status)
{
	static const char *const lists[] = { "capacity", "allocatable" };
	struct lp_arena *arena = report->writes->arena;

	for (size_t i = 0; i < lp_count(lists); i++) {
		const struct lp_json *had = lp_json_get(lp_json_get(lp_cached_json(report->node), "status"), lists[i]);
		struct lp_json *has = lp_json_get(status, lists[i]);

		lp_json_each(row, had)
			if (has && strchr(row->key, '/') && !lp_json_get(has, row->key))
				lp_json_set(arena, has, row->key, lp_json_copy(arena, row));
	}
}

static void
take_node(struct report *report, const struct lp_json *node)
{
	struct lp_arena *arena = report->writes->arena;
	const struct lp_json *status = lp_json_get(node, "status");
	struct lp_json *object;

	take_labels(report, lp_json_get(node, "labels"));
	if (!status || lp_json_equal(status, lp_json_get(lp_cached_json(report->node), "status")))
		return;
	object = lp_object_new(arena, report->node->kind, "", report->node->name);
	lp_json_set(arena, object, "status", lp_json_copy(arena, status));
	keep_extended(report, lp_json_get(object, "status"));
	if (lp_json_equal(lp_json_get(object, "status"), lp_json_get(lp_cached_json(report->node), "status")))
		return;
	lp_writes_status(report->writes, report->node->kind, object);
}

/* The pod that a report's entry speaks of; NULL when there is none, or it is not this node's. */
static struct lp_cached *
find_pod(struct report *report, const struct lp_json *entry)
{
	const char *namespace = lp_json_str(entry, "namespace"), *name = lp_json_str(entry, "name"), *uid = lp_json_str(entry, "uid");
	struct lp_cached *pod;

	if (!namespace || !name || !uid)
		return NULL;
	pod = lp_cache_find(report->cache, lp_kind_find("v1", "Pod"), namespace, name);
	return pod && strcmp(pod->uid, uid) == 0 && lp_text_same(pod->node, report->node->name) ? pod : NULL;
}

static void
take_pod(struct report *report, const struct lp_json *entry)
{
	struct lp_arena *arena = report->writes->arena;
	struct lp_cached *pod = find_pod(report, entry);
	const struct lp_json *status = lp_json_get(entry, "status");
	struct lp_json *object;

	if (!pod || !status || status->type != LP_JSON_OBJECT || lp_json_equal(status, lp_json_get(lp_cached_json(pod), "status")))
		return;
	object = lp_object_new(arena, pod->kind, pod->namespace, pod->name);
	lp_json_set_str(arena, lp_json_get(object, "metadata"), "uid", pod->uid);
	lp_json_set(arena, object, "status", lp_json_copy(arena, status));
	lp_writes_status(report->writes, pod->kind, object);
}

static void
take_gone(struct report *report, const struct lp_json *entry)
{
	struct lp_cached *pod = find_pod(report, entry);

	if (pod && pod->deleting)
		lp_writes_delete(report->writes, pod, 0);
}

/* The directory of a volume that is being deleted is gone. */
static void
take_volume_gone(struct report *report, const char *name)
{
	struct lp_cached *volume = name ? lp_cache_find(report->cache, lp_kind_find("v1", "PersistentVolume"), NULL, name) : NULL;
	struct lp_json *copy;

	if (!volume || !volume->deleting || !lp_object_has_finalizer(lp_cached_json(volume), LP_PROVISION_DIRECTORY) ||
	    !lp_provision_reaches(report->writes->arena, lp_cached_json(volume), lp_cached_json(report->node)))
		return;
	copy = lp_object_without_finalizer(report->writes->arena, lp_cached_json(volume), LP_PROVISION_DIRECTORY);
	if (copy)
		lp_writes_update(report->writes, volume->kind, copy);
}

static void
take_event(struct report *report, const struct lp_json *entry)
{
	const struct lp_json *about = lp_json_get(entry, "involvedObject");
	const char *type = lp_json_str(entry, "type"), *reason = lp_json_str(entry, "reason"), *message = lp_json_str(entry, "message");
	struct lp_cached *object = lp_text_same(lp_json_str(about, "kind"), "Node") ? report->node : find_pod(report, about);

	if (!object || !reason || strlen(reason) > 128 || !(lp_text_same(type, "Normal") || lp_text_same(type, "Warning")))
		return;
	lp_writes_event(report->writes, object, "limpet", type, reason, message ? message : "");
	report->writes->last->host = report->node->name;
}

static void
stored(void *arg, size_t failed, const struct lp_err *err, int64_t now_ms)
{
	struct lp_request *request = arg;

	(void)now_ms;
	if (failed)
		lp_request_fail(request, 409, err);
	else
		lp_request_reply(request, 200, lp_json_new(&request->arena, LP_JSON_OBJECT));
	lp_request_release(request);
}

void
lp_fleet_take_report(const struct lp_cache *cache, const char *node, const struct lp_json *body, struct lp_writes *writes)
{
	struct report report = { .cache = cache, .writes = writes };
	size_t events = 0;

	report.node = lp_cache_find(cache, lp_kind_find("v1", "Node"), NULL, node);
	if (!report.node)
		return;
	if (lp_json_get(body, "node"))
		take_node(&report, lp_json_get(body, "node"));
	lp_json_each(entry, lp_json_get(body, "pods"))
		take_pod(&report, entry);
	lp_json_each(entry, lp_json_get(body, "gone"))
		take_gone(&report, entry);
	lp_json_each(entry, lp_json_get(body, "volumesGone"))
		take_volume_gone(&report, lp_json_text(entry));
	lp_json_each(entry, lp_json_get(body, "events")) {
		if (events++ < EVENTS_MAX)
			take_event(&report, entry);
	}
}

/* A pod never moves: an entry for one that is bound elsewhere is no late report but a forged one. */
static int
check_own(const struct lp_cache *cache, const char *node, const struct lp_json *entries, struct lp_err *err)
{
	lp_json_each(entry, entries) {
		const struct lp_json *about = lp_json_get(entry, "involvedObject");
		const char *namespace = lp_json_str(about ? about : entry, "namespace"), *name = lp_json_str(about ? about : entry, "name");
		const char *uid = lp_json_str(about ? about : entry, "uid");
		const struct lp_cached *pod;

		if (!namespace || !name || !uid || (about && !lp_text_same(lp_json_str(about, "kind"), "Pod")))
			continue;
		pod = lp_cache_find(cache, lp_kind_find("v1", "Pod"), namespace, name);
		if (pod && strcmp(pod->uid, uid) == 0 && !lp_text_same(pod->node, node))
			return lp_err_say(err, -EPERM, "node %s reported on pod %s/%s, which is not its own", node, namespace, name);
	}
	return 0;
}

static int
check_report(const struct lp_cache *cache, const char *node, const struct lp_json *body, struct lp_err *err)
{
	static const char *const lists[] = { "pods", "gone", "events" };

	for (size_t i = 0; i < lp_count(lists); i++) {
		int rc = check_own(cache, node, lp_json_get(body, lists[i]), err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

void
lp_fleet_report(struct lp_request *request)
{
	struct lp_json *body = NULL;
	struct lp_writes writes;
	struct lp_err err = { 0 };

	if (lp_sign_check_node(request->manager, request->call->peer, &err) < 0) {
		lp_request_fail(request, 403, &err);
		return;
	}
	if (lp_write_body(request, &body) < 0)
		return;
	if (check_report(request->manager->cache, request->user.node, body, &err) < 0) {
		static struct lp_log_limit limit;

		lp_request_fail(request, 403, &err);
		if (lp_log_allowed(&limit))
			lp_log(LP_LOG_WARN, "a report was refused whole", "why=\"%s\"", err.text);
		return;
	}
	lp_writes_init(&writes, &request->arena);
	lp_fleet_take_report(request->manager->cache, request->user.node, body, &writes);
	if (request->arena.failed) {
		lp_request_refuse(request, NULL);
		return;
	}
	lp_request_hold(request);
	if (lp_writes_submit(request->manager, &writes, stored, request, &err) < 0) {
		lp_request_fail(request, 503, &err);
		lp_request_release(request);
	}
}
