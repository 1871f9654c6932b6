#include "manager/change/decide.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "manager/change/admit.h"
#include "specs/object.h"
#include "specs/patch.h"
#include "specs/status.h"

static enum lp_decide
refuse(struct lp_change *change, struct lp_json *status)
{
	(void)lp_change_refuse(change, status);		/* the result is in the change */
	return LP_DECIDE_REFUSE;
}

static enum lp_decide
not_found(struct lp_change *change)
{
	return refuse(change, lp_status_not_found(&change->arena, change->kind, change->name));
}

/* ---- create */

static enum lp_decide
create(struct lp_change *change, int64_t wall_ms, struct lp_json **out)
{
	struct lp_json *object = lp_json_copy(&change->arena, change->body);

	if (change->base)
		return refuse(change, lp_status_already_exists(&change->arena, change->kind, change->name));
	if (!object)
		return refuse(change, NULL);
	if (lp_admit_create(change, object, wall_ms) < 0)
		return LP_DECIDE_REFUSE;
	*out = object;
	return LP_DECIDE_PUT;
}

/* ---- update and patch */

/* What the changed object says about the one it means to change. */
static int
check_conditions(struct lp_change *change, const struct lp_json *object)
{
	const char *version = lp_object_resource_version(object), *uid = lp_object_uid(object);
	char present[24];

	(void)snprintf(present, sizeof(present), "%" PRId64, change->base->revision);
	if (*version && strcmp(version, "0") != 0 && strcmp(version, present) != 0)
		return lp_change_refuse(change, lp_status_conflict(&change->arena, change->kind, change->name, NULL));
	if (*uid && strcmp(uid, change->base->uid) != 0)
		return lp_change_refuse(change, lp_status_conflict(&change->arena, change->kind, change->name,
		    lp_arena_printf(&change->arena, "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid,
		    change->base->uid)));
	return 0;
}

static enum lp_decide
settle(struct lp_change *change, struct lp_json *object, struct lp_json **out)
{
	const struct lp_json *old = lp_cached_json(change->base);

	if (!old)
		return refuse(change, NULL);
	if (check_conditions(change, object) < 0 || lp_admit_update(change, object, old) < 0)
		return LP_DECIDE_REFUSE;
	if (lp_object_deleting(object) && lp_retire_due(change->kind, object))
		return LP_DECIDE_REMOVE;
	if (lp_json_equal(object, old))
		return LP_DECIDE_KEEP;
	*out = object;
	return LP_DECIDE_PUT;
}

static enum lp_decide
update(struct lp_change *change, struct lp_json **out)
{
	struct lp_json *object = lp_json_copy(&change->arena, change->body);

	if (!change->base)
		return not_found(change);
	return object ? settle(change, object, out) : refuse(change, NULL);
}

static int
apply_patch(struct lp_change *change, const struct lp_json *old, struct lp_json **out, struct lp_err *err)
{
	switch (change->patch) {
	case LP_CHANGE_MERGE:
		return lp_patch_merge(&change->arena, old, change->body, out, err);
	case LP_CHANGE_JSON:
		return lp_patch_json(&change->arena, old, change->body, out, err);
	case LP_CHANGE_STRATEGIC:
		return lp_patch_strategic(&change->arena, (enum lp_schema_id)change->kind->schema, old, change->body, out, err);
	}
	return -EINVAL;
}

static enum lp_decide
patch_failed(struct lp_change *change, int rc, const struct lp_err *err)
{
	struct lp_json *status;

	switch (rc) {
	case -ENOENT:
		status = lp_status_make(&change->arena, 422, "Invalid",
		    "the server rejected our request due to an error in our request");
		if (status)
			(void)lp_json_set_object(&change->arena, status, "details");	/* the arena says if it failed */
		return refuse(change, status);
	case -E2BIG:
		return refuse(change, lp_status_make(&change->arena, 413, "RequestEntityTooLarge", lp_arena_str(&change->arena, err->text)));
	case -ENOMEM:
		return refuse(change, NULL);
	default:
		return refuse(change, lp_status_make(&change->arena, 400, NULL, lp_arena_str(&change->arena, err->text)));
	}
}

/* A patch may not turn one object into another. */
static int
check_identity(struct lp_change *change, const struct lp_json *object)
{
	char text[LP_KIND_TEXT];

	if (object->type != LP_JSON_OBJECT || strcmp(lp_object_kind(object), change->kind->kind) != 0 ||
	    strcmp(lp_object_api_version(object), lp_kind_api_version(change->kind, text)) != 0)
		return lp_change_refuse(change, lp_status_make(&change->arena, 400, NULL,
		    "the patch changes kind or apiVersion of the object"));
	if (strcmp(lp_object_name(object), change->name) != 0)
		return lp_change_refuse(change, lp_status_make(&change->arena, 400, NULL, lp_arena_printf(&change->arena,
		    "the name of the object (%s) does not match the name on the URL (%s)", lp_object_name(object), change->name)));
	return 0;
}

static enum lp_decide
patch(struct lp_change *change, struct lp_json **out)
{
	const struct lp_json *old = change->base ? lp_cached_json(change->base) : NULL;
	struct lp_json *object = NULL;
	struct lp_err err = { 0 };
	int rc;

	if (!change->base)
		return not_found(change);
	if (!old)
		return refuse(change, NULL);
	if (change->uid && strcmp(change->uid, change->base->uid) != 0)
		return not_found(change);
	rc = apply_patch(change, old, &object, &err);
	if (rc < 0)
		return patch_failed(change, rc, &err);
	change->warnings = NULL;		/* of an earlier try */
	if (check_identity(change, object) < 0 || lp_admit_fields(change, object) < 0)
		return LP_DECIDE_REFUSE;
	return settle(change, object, out);
}

/* ---- bind */

static enum lp_decide
bind_conflict(struct lp_change *change, const char *why)
{
	return refuse(change, lp_status_make(&change->arena, 409, NULL, lp_arena_printf(&change->arena,
	    "Operation cannot be fulfilled on pods/binding \"%s\": %s", change->name, why)));
}

static enum lp_decide
bind_pod(struct lp_change *change, int64_t wall_ms, struct lp_json **out)
{
	const struct lp_json *old = change->base ? lp_cached_json(change->base) : NULL;
	struct lp_json *object;
	const char *node;

	if (!change->base)
		return not_found(change);
	object = lp_json_copy(&change->arena, old);
	if (!object)
		return refuse(change, NULL);
	if (change->uid && strcmp(change->uid, change->base->uid) != 0)
		return bind_conflict(change, "the pod with this uid is gone");
	if (change->base->deleting)
		return bind_conflict(change, lp_arena_printf(&change->arena, "pod %s is being deleted, cannot be assigned to a host",
		    change->name));
	node = lp_json_str(object, "spec.nodeName");
	if (node && *node)
		return bind_conflict(change, lp_arena_printf(&change->arena, "pod %s is already assigned to node \"%s\"",
		    change->name, node));
	lp_json_set_str(&change->arena, lp_json_need_object(&change->arena, object, "spec"), "nodeName", change->node);
	(void)lp_object_set_condition(&change->arena, object, "PodScheduled", "True", NULL, NULL, wall_ms);	/* of course it changes */
	if (change->arena.failed)
		return refuse(change, NULL);
	*out = object;
	return LP_DECIDE_PUT;
}

enum lp_decide
lp_decide(struct lp_change *change, int64_t wall_ms, struct lp_json **out)
{
	switch (change->verb) {
	case LP_CHANGE_CREATE:
		return create(change, wall_ms, out);
	case LP_CHANGE_UPDATE:
		return update(change, out);
	case LP_CHANGE_PATCH:
		return patch(change, out);
	case LP_CHANGE_BIND:
		return bind_pod(change, wall_ms, out);
	case LP_CHANGE_DELETE:
		break;
	}
	return lp_retire(change, wall_ms, out);
}
