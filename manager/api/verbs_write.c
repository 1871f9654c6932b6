/*
 * manager/api/verbs_write.c - create, update, patch, bind (verbs.h).
 */
#include "manager/api/verbs.h"
#include "manager/request/write.h"
#include "specs/object.h"

static void
change_by_body(struct lp_request *request, enum lp_change_verb verb, enum lp_change_patch patch)
{
	struct lp_change *change;
	struct lp_json *body;

	if (lp_write_body(request, &body) < 0)
		return;
	change = lp_write_new(request, verb);
	if (!change)
		return;
	change->patch = patch;
	lp_write_start(request, change, body, lp_write_done);
}

void
lp_verbs_create(struct lp_request *request)
{
	change_by_body(request, LP_CHANGE_CREATE, LP_CHANGE_MERGE);
}

void
lp_verbs_update(struct lp_request *request)
{
	change_by_body(request, LP_CHANGE_UPDATE, LP_CHANGE_MERGE);
}

void
lp_verbs_patch(struct lp_request *request)
{
	const struct lp_buf *body = &request->call->body;
	struct lp_change *change;
	enum lp_change_patch patch;
	struct lp_json *json;
	struct lp_err err = { 0 };

	if (lp_write_patch_type(request, &patch) < 0)
		return;
	if (lp_json_parse(&request->arena, lp_buf_text(body), body->len, NULL, &json, &err) < 0) {
		lp_request_fail(request, 400, &err);
		return;
	}
	change = lp_write_new(request, LP_CHANGE_PATCH);
	if (!change)
		return;
	change->patch = patch;
	lp_write_start(request, change, json, lp_write_done);
}

static void
bound(struct lp_change *change, int64_t now_ms)
{
	struct lp_request *request = change->arg;

	(void)now_ms;			/* the answer has no time of its own */
	lp_request_refuse(request, change->status ? change->status : lp_status_make(&request->arena, 201, NULL, ""));
	lp_request_release(request);
}

void
lp_verbs_bind(struct lp_request *request)
{
	struct lp_change *change;
	struct lp_json *body;
	const char *node, *uid;

	if (lp_write_body(request, &body) < 0)
		return;
	node = lp_json_str(body, "target.name");
	if (!node || !*node) {
		lp_request_refuse(request, lp_status_make(&request->arena, 400, NULL, "Binding: target.name: Required value"));
		return;
	}
	change = lp_write_new(request, LP_CHANGE_BIND);
	if (!change)
		return;
	uid = lp_object_uid(body);
	change->uid = *uid ? lp_arena_str(&change->arena, uid) : NULL;
	change->node = lp_arena_str(&change->arena, node);
	change->subresource = "";
	lp_write_start(request, change, NULL, bound);
}
