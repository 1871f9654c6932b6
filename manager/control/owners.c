/*
 * manager/control/owners.c - pure: what its owners leave behind goes with them.
 *
 * Rules    an object all of whose owners are gone is deleted; one whose deletion waits for its dependents (finalizer
 *          foregroundDeletion) deletes them and goes when none is left; one that leaves them behind (finalizer orphan) first takes
 *          itself out of their ownerReferences
 * Doubt    an owner of a kind that we do not know counts as there
 * Cost     objects without owners and without a deletionTimestamp are not parsed
 */
#include <string.h>

#include "manager/change/decide.h"
#include "manager/control/control.h"
#include "specs/object.h"

static bool
owner_there(const struct lp_look *look, const struct lp_cached *object, const struct lp_json *reference)
{
	const char *version = lp_json_str(reference, "apiVersion"), *kind_name = lp_json_str(reference, "kind");
	const char *name = lp_json_str(reference, "name"), *uid = lp_json_str(reference, "uid");
	const struct lp_kind *kind = version && kind_name ? lp_kind_find(version, kind_name) : NULL;
	struct lp_cached *owner;

	if (!kind || !name || !uid || (kind->verbs & LP_KIND_LOCAL))
		return true;
	owner = lp_cache_find(look->cache, kind, kind->namespaced ? object->namespace : NULL, name);
	return owner && strcmp(owner->uid, uid) == 0;
}

static bool
abandoned(const struct lp_look *look, struct lp_cached *object)
{
	const struct lp_json *references = lp_json_path(lp_cached_json(object), "metadata.ownerReferences");

	lp_json_each (one, references)
		if (owner_there(look, object, one))
			return false;
	return lp_json_count(references) > 0;
}

static bool
has_owners(const struct lp_cached *object)
{
	for (uint32_t i = 0; i < object->value_count; i++)
		if (object->values[i].index == LP_CACHE_BY_OWNER)
			return true;
	return false;
}

/* A copy whose metadata.<list> has no element that is `text`, or whose uid is. */
static struct lp_json *
without(const struct lp_look *look, struct lp_cached *object, const char *list, const char *text)
{
	struct lp_json *copy = lp_json_copy(look->arena, lp_cached_json(object));
	struct lp_json *metadata = lp_json_get(copy, "metadata"), *items = lp_json_get(metadata, list);

	for (struct lp_json *one = lp_json_first(items), *next; one; one = next) {
		const char *has = one->type == LP_JSON_OBJECT ? lp_json_str(one, "uid") : lp_json_text(one);

		next = one->next;
		if (has && strcmp(has, text) == 0)
			(void)lp_json_remove_child(items, one);		/* it is one */
	}
	if (lp_json_count(items) == 0)
		(void)lp_json_remove(metadata, list);			/* it is there */
	return copy;
}

/* Its deletion waits for its dependents, or for their being left behind. */
static void
look_at_deletion(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *object)
{
	const struct lp_json *json = lp_cached_json(object);
	bool foreground = lp_object_has_finalizer(json, LP_DECIDE_FOREGROUND), orphan = lp_object_has_finalizer(json, LP_DECIDE_ORPHAN);
	struct lp_cached *const *dependents;
	size_t count;

	if (!foreground && !orphan)
		return;
	dependents = lp_cache_indexed(look->cache, LP_CACHE_BY_OWNER, object->uid, &count);
	for (size_t i = 0; i < count; i++) {
		if (orphan)
			lp_writes_update(writes, dependents[i]->kind, without(look, dependents[i], "ownerReferences", object->uid));
		else if (!dependents[i]->deleting)
			lp_writes_delete(writes, dependents[i], -1);
	}
	if (count == 0)
		lp_writes_update(writes, object->kind, without(look, object, "finalizers",
		    orphan ? LP_DECIDE_ORPHAN : LP_DECIDE_FOREGROUND));
}

void
lp_owners_control(const struct lp_look *look, struct lp_writes *writes)
{
	const struct lp_kind *kind;

	for (size_t k = 0; (kind = lp_kind_at(k)) != NULL; k++) {
		size_t count;
		struct lp_cached *const *objects = lp_cache_list(look->cache, kind, NULL, &count);

		for (size_t i = 0; i < count; i++) {
			if (objects[i]->deleting)
				look_at_deletion(look, writes, objects[i]);
			else if (has_owners(objects[i]) && abandoned(look, objects[i]))
				lp_writes_delete(writes, objects[i], -1);
		}
	}
}
