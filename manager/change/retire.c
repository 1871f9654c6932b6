/*
 * manager/change/retire.c - pure: how an object goes: at once, after its grace, after its finalizers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "manager/change/decide.h"
#include "specs/object.h"
#include "specs/status.h"

#define GRACE_DEFAULT_S 30

static bool
is_kind(const struct lp_kind *kind, const char *name)
{
	return strcmp(kind->kind, name) == 0;
}

bool
lp_retire_due(const struct lp_kind *kind, const struct lp_json *object)
{
	if (lp_object_has_finalizers(object))
		return false;
	if (is_kind(kind, "Namespace") && lp_json_count(lp_json_path(object, "spec.finalizers")) > 0)
		return false;
	return !is_kind(kind, "Pod") || lp_json_int(object, "metadata.deletionGracePeriodSeconds", 0) == 0;
}

static int
precondition(struct lp_change *change, const char *what, const char *wanted, const char *present)
{
	return lp_change_refuse(change, lp_status_conflict(&change->arena, change->kind, change->name,
	    lp_arena_printf(&change->arena, "the %s in the precondition (%s) does not match the %s in record (%s). "
	    "The object might have been deleted and then recreated", what, wanted, what, present)));
}

int
lp_retire_conditions(struct lp_change *change)
{
	char wanted[24], present[24];

	if (change->uid && strcmp(change->uid, change->base->uid) != 0)
		return precondition(change, "UID", change->uid, change->base->uid);
	if (change->revision > 0 && change->revision != change->base->revision) {
		(void)snprintf(wanted, sizeof(wanted), "%" PRId64, change->revision);
		(void)snprintf(present, sizeof(present), "%" PRId64, change->base->revision);
		return precondition(change, "ResourceVersion", wanted, present);
	}
	return 0;
}

/* Seconds that a pod gets; 0: nothing runs that would need them. */
static int64_t
grace_of(const struct lp_change *change, const struct lp_json *pod)
{
	const char *phase = lp_json_str(pod, "status.phase");
	int64_t grace_s = change->grace_s >= 0 ? change->grace_s :
	    lp_json_int(pod, "spec.terminationGracePeriodSeconds", GRACE_DEFAULT_S);

	if (!change->base->node)
		return 0;
	if (phase && (strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0))
		return 0;
	return grace_s < 0 ? 1 : grace_s;
}

/* What others that it owns ask for. NULL: nothing, they go when it has gone. */
static const char *
finalizer_of(const struct lp_change *change)
{
	size_t dependents;

	(void)lp_cache_indexed(change->manager->cache, LP_CACHE_BY_OWNER, change->base->uid, &dependents);
	if (!change->propagation || dependents == 0 || change->base->deleting)
		return NULL;
	if (strcmp(change->propagation, "Foreground") == 0)
		return LP_DECIDE_FOREGROUND;
	return strcmp(change->propagation, "Orphan") == 0 ? LP_DECIDE_ORPHAN : NULL;
}

static void
add_finalizer(struct lp_change *change, struct lp_json *object, const char *name)
{
	struct lp_json *metadata = lp_json_need_object(&change->arena, object, "metadata");

	if (!lp_object_has_finalizer(object, name))
		lp_json_append(&change->arena, lp_json_need_array(&change->arena, metadata, "finalizers"),
		    lp_json_new_str(&change->arena, name));
}

static void
mark(struct lp_change *change, struct lp_json *object, int64_t grace_s, int64_t wall_ms)
{
	struct lp_json *metadata = lp_json_need_object(&change->arena, object, "metadata");
	char time[LP_CLOCK_TEXT];

	lp_clock_print(wall_ms / 1000 * 1000 + lp_clock_seconds_ms(grace_s), time);
	lp_json_set_str(&change->arena, metadata, "deletionTimestamp", time);
	lp_json_set_int(&change->arena, metadata, "deletionGracePeriodSeconds", grace_s);
	if (change->kind->generation)
		lp_json_set_int(&change->arena, metadata, "generation", lp_json_int(metadata, "generation", 0) + 1);
	if (is_kind(change->kind, "Namespace"))
		lp_json_set_str(&change->arena, lp_json_need_object(&change->arena, object, "status"), "phase", "Terminating");
}

enum lp_decide
lp_retire(struct lp_change *change, int64_t wall_ms, struct lp_json **out)
{
	struct lp_json *object;
	const char *finalizer;
	int64_t grace_s;
	bool stays;

	if (!change->base) {
		(void)lp_change_refuse(change, lp_status_not_found(&change->arena, change->kind, change->name));
		return LP_DECIDE_REFUSE;
	}
	if (lp_retire_conditions(change) < 0)
		return LP_DECIDE_REFUSE;
	object = lp_json_copy(&change->arena, lp_cached_json(change->base));
	if (!object) {
		(void)lp_change_refuse(change, NULL);
		return LP_DECIDE_REFUSE;
	}
	finalizer = finalizer_of(change);
	if (finalizer)
		add_finalizer(change, object, finalizer);
	grace_s = is_kind(change->kind, "Pod") ? grace_of(change, object) : 0;
	stays = lp_object_has_finalizers(object) || grace_s > 0 ||
	    (is_kind(change->kind, "Namespace") && lp_json_count(lp_json_path(object, "spec.finalizers")) > 0);
	if (!stays)
		return LP_DECIDE_REMOVE;
	/* asked again: only a shorter grace changes anything */
	if (change->base->deleting && grace_s >= lp_json_int(object, "metadata.deletionGracePeriodSeconds", 0))
		return LP_DECIDE_KEEP;
	mark(change, object, grace_s, wall_ms);
	if (change->arena.failed) {
		(void)lp_change_refuse(change, NULL);
		return LP_DECIDE_REFUSE;
	}
	*out = object;
	return LP_DECIDE_PUT;
}
