/*
 * manager/api/verbs_delete.c - delete, delete of many, eviction (verbs.h).
 */
#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "manager/api/filter.h"
#include "manager/api/verbs.h"
#include "manager/request/write.h"
#include "specs/object.h"

/* Everything that a delete can be told, from its body or its query. */
struct options {
	int64_t grace_s;		/* -1: the object's own */
	const char *propagation;	/* NULL: not said */
	const char *uid;		/* NULL: any */
	int64_t revision;		/* 0: any */
	bool dry_run;
};

static int
refuse(struct lp_request *request, int code, const char *message)
{
	lp_request_refuse(request, lp_status_make(&request->arena, code, NULL, message));
	return -EINVAL;
}

static int
read_body(struct lp_request *request, const struct lp_json *body, struct options *out)
{
	const char *revision = lp_json_str(body, "preconditions.resourceVersion");

	if (body && body->type != LP_JSON_OBJECT)
		return refuse(request, 400, "DeleteOptions must be an object");
	out->grace_s = lp_json_int(body, "gracePeriodSeconds", out->grace_s);
	if (lp_json_str(body, "propagationPolicy"))
		out->propagation = lp_json_str(body, "propagationPolicy");
	if (lp_json_bool(body, "orphanDependents", false))
		out->propagation = "Orphan";
	out->uid = lp_json_str(body, "preconditions.uid");
	if (revision && lp_text_i64(revision, 1, INT64_MAX, &out->revision) < 0)
		return refuse(request, 400, "preconditions.resourceVersion is not a version of this server");
	lp_json_each (one, lp_json_get(body, "dryRun")) {
		if (!lp_text_same(lp_json_text(one), "All"))
			return refuse(request, 400, "dryRun: Unsupported value: supported values: \"All\"");
		out->dry_run = true;
	}
	return 0;
}

static int
read_options(struct lp_request *request, const struct lp_json *body, struct options *out)
{
	*out = (struct options){ .grace_s = lp_request_query_int(request, "gracePeriodSeconds", -1),
		.propagation = lp_request_query(request, "propagationPolicy") };

	if (lp_request_query_bool(request, "orphanDependents"))
		out->propagation = "Orphan";
	if (read_body(request, body, out) < 0)
		return -EINVAL;
	if (out->propagation && strcmp(out->propagation, "Background") != 0 && strcmp(out->propagation, "Foreground") != 0 &&
	    strcmp(out->propagation, "Orphan") != 0)
		return refuse(request, 422, lp_arena_printf(&request->arena, "propagationPolicy: Unsupported value: \"%s\": "
		    "supported values: \"Background\", \"Foreground\", \"Orphan\"", out->propagation));
	return 0;
}

static void
apply_options(struct lp_change *change, const struct options *options)
{
	change->grace_s = options->grace_s;
	change->propagation = options->propagation;
	change->uid = options->uid;
	change->revision = options->revision;
	change->dry_run |= options->dry_run;
}

/* Pods are always told as they last were; others only while they are still there. */
static void
deleted(struct lp_change *change, int64_t now_ms)
{
	struct lp_request *request = change->arg;

	if (change->status || !change->removed || strcmp(change->kind->kind, "Pod") == 0) {
		lp_write_done(change, now_ms);
		return;
	}
	lp_request_reply(request, 200, lp_status_deleted(&request->arena, change->kind, change->name, change->result->uid));
	lp_request_release(request);
}

/* The namespaces that everything else stands on. */
static bool
is_lasting(const struct lp_request *request)
{
	static const char *const names[] = { "default", "kube-system", "kube-public" };

	for (size_t i = 0; i < lp_count(names); i++)
		if (strcmp(request->kind->kind, "Namespace") == 0 && strcmp(request->asked.name, names[i]) == 0)
			return true;
	return false;
}

void
lp_verbs_delete(struct lp_request *request)
{
	struct options options;
	struct lp_change *change;
	struct lp_json *body;

	if (lp_write_body(request, &body) < 0 || read_options(request, body, &options) < 0)
		return;
	if (is_lasting(request)) {
		lp_request_refuse(request, lp_status_forbidden(&request->arena, request->kind, request->asked.name,
		    "this namespace may not be deleted"));
		return;
	}
	change = lp_write_new(request, LP_CHANGE_DELETE);
	if (!change)
		return;
	apply_options(change, &options);
	lp_write_start(request, change, NULL, deleted);
}

/* ---- eviction: a delete that a disruption budget may refuse; there are no budgets yet */

static void
evicted(struct lp_change *change, int64_t now_ms)
{
	struct lp_request *request = change->arg;

	if (change->status) {
		lp_write_done(change, now_ms);
		return;
	}
	lp_request_reply(request, 201, lp_status_make(&request->arena, 201, NULL, ""));
	lp_request_release(request);
}

void
lp_verbs_evict(struct lp_request *request)
{
	struct options options;
	struct lp_change *change;
	struct lp_json *body;
	const char *name;

	if (lp_write_body(request, &body) < 0)
		return;
	name = lp_object_name(body);
	if (*name && strcmp(name, request->asked.name) != 0) {
		(void)refuse(request, 400, "the name of the eviction differs from the name of the pod");	/* it has answered */
		return;
	}
	if (read_options(request, lp_json_get(body, "deleteOptions"), &options) < 0)
		return;
	change = lp_write_new(request, LP_CHANGE_DELETE);
	if (!change)
		return;
	change->subresource = "";
	apply_options(change, &options);
	lp_write_start(request, change, NULL, evicted);
}

/* ---- many */

struct many {
	struct lp_request *request;
	size_t waiting, failed;
	struct lp_json *status;		/* the first refusal, in the request's arena */
};

static void
many_step(struct many *many)
{
	struct lp_request *request = many->request;

	if (--many->waiting > 0)
		return;
	if (many->status)
		lp_request_refuse(request, many->status);
	else
		lp_request_reply(request, 200, lp_status_make(&request->arena, 200, NULL, ""));
	lp_request_release(request);
}

static void
one_deleted(struct lp_change *change, int64_t now_ms)
{
	struct many *many = change->arg;

	(void)now_ms;			/* nothing here depends on it */
	/* somebody else was faster: what was asked for is done */
	if (change->status && lp_json_int(change->status, "code", 500) != 404 && many->failed++ == 0)
		many->status = lp_json_copy(&many->request->arena, change->status);
	many_step(many);
}

void
lp_verbs_delete_all(struct lp_request *request)
{
	struct many *many = lp_arena_alloc(&request->arena, sizeof(*many));
	struct options options;
	struct lp_filter filter;
	struct lp_cached **list;
	struct lp_json *body;
	size_t count;

	if (!many) {
		lp_request_refuse(request, NULL);
		return;
	}
	if (lp_write_body(request, &body) < 0 || read_options(request, body, &options) < 0 || lp_filter_read(request, &filter) < 0)
		return;
	if (strcmp(request->kind->kind, "Namespace") == 0) {
		(void)refuse(request, 405, "namespaces are deleted one by one");	/* it has answered */
		return;
	}
	list = lp_filter_list(&filter, request->manager->cache, &request->arena, &count);
	*many = (struct many){ .request = request, .waiting = 1 };
	lp_request_hold(request);
	for (size_t i = 0; i < count; i++)
		lp_cached_ref(list[i]);
	for (size_t i = 0; i < count; i++) {
		struct lp_change *change = lp_write_new(request, LP_CHANGE_DELETE);

		if (change) {
			change->namespace = lp_arena_str(&change->arena, list[i]->namespace);
			change->name = lp_arena_str(&change->arena, list[i]->name);
			apply_options(change, &options);
			change->uid = lp_arena_str(&change->arena, list[i]->uid);
			change->done = one_deleted;
			change->arg = many;
			many->waiting++;
			lp_change_start(change, request->now_ms);
		}
		lp_cached_unref(list[i]);
	}
	many_step(many);
}
