/*
 * manager/control/volumes.c - pure: what a volume's phase is, and what becomes of one whose claim is gone.
 *
 * Retain   it stays Released, with its data, until somebody looks after it
 * Delete   one that we made is deleted: its node removes the directory and says so (fleet_report.c), then the object goes; nobody
 *          here can delete any other kind, which makes it Failed
 * Doubt    a claim that is not there but never was bound leaves its volume Available
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "manager/control/control.h"
#include "manager/look/provision.h"
#include "specs/object.h"

static void
set_phase(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *volume, const char *phase, const char *reason,
    const char *message)
{
	struct lp_json *patch = lp_json_new(look->arena, LP_JSON_OBJECT), *status = lp_json_set_object(look->arena, patch, "status");
	char now[LP_CLOCK_TEXT];

	if (lp_text_same(lp_json_str(lp_cached_json(volume), "status.phase"), phase))
		return;
	lp_clock_print(look->wall_ms, now);
	lp_json_set_str(look->arena, status, "phase", phase);
	lp_json_set_str(look->arena, status, "lastPhaseTransitionTime", now);
	lp_json_set_str(look->arena, status, "reason", reason);
	lp_json_set_str(look->arena, status, "message", message);
	lp_writes_merge(writes, volume->kind, "", volume->name, volume->uid, patch, true);
	if (message)
		lp_writes_event(writes, volume, "persistentvolume-controller", "Warning", reason, message);
}

/* Is there still a node on which its directory could be? */
static bool
has_node(const struct lp_look *look, const struct lp_json *volume)
{
	size_t count;
	struct lp_cached *const *nodes = lp_cache_list(look->cache, lp_kind_find("v1", "Node"), NULL, &count);

	for (size_t i = 0; i < count; i++)
		if (lp_provision_reaches(look->arena, volume, lp_cached_json(nodes[i])))
			return true;
	return false;
}

static bool
is_ours(const struct lp_json *volume)
{
	return lp_text_same(lp_json_str(volume, "spec.csi.driver"), LP_PROVISION_DRIVER);
}

static void
release(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *volume)
{
	const struct lp_json *json = lp_cached_json(volume);
	bool delete = lp_text_same(lp_json_str(json, "spec.persistentVolumeReclaimPolicy"), "Delete");

	if (!delete)
		set_phase(look, writes, volume, "Released", NULL, NULL);
	else if (is_ours(json))
		lp_writes_delete(writes, volume, -1);
	else
		set_phase(look, writes, volume, "Failed", "VolumeFailedDelete",
		    "error getting deleter volume plugin for volume: no deletable volume plugin matched");
}

/* Is it a living claim's? */
static bool
is_held(const struct lp_look *look, const struct lp_json *volume)
{
	const char *namespace = lp_json_str(volume, "spec.claimRef.namespace"), *name = lp_json_str(volume, "spec.claimRef.name");
	const struct lp_cached *claim =
	    name ? lp_cache_find(look->cache, lp_kind_find("v1", "PersistentVolumeClaim"), namespace, name) : NULL;

	return claim && lp_text_same(lp_json_str(volume, "spec.claimRef.uid"), claim->uid);
}

/* It goes when no claim has it, and its directory is gone or nowhere any more. One finalizer a look. */
static void
let_go(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *volume)
{
	const struct lp_json *json = lp_cached_json(volume);
	const char *finalizer = NULL;
	struct lp_json *copy;

	if (is_held(look, json))
		return;
	if (lp_object_has_finalizer(json, LP_PROVISION_VOLUME_USED))
		finalizer = LP_PROVISION_VOLUME_USED;
	else if (lp_object_has_finalizer(json, LP_PROVISION_DIRECTORY) && !has_node(look, json))
		finalizer = LP_PROVISION_DIRECTORY;
	copy = finalizer ? lp_object_without_finalizer(look->arena, json, finalizer) : NULL;
	if (copy)
		lp_writes_update(writes, volume->kind, copy);
}

void
lp_volumes_control(const struct lp_look *look, struct lp_writes *writes)
{
	size_t count;
	struct lp_cached *const *list = lp_cache_list(look->cache, lp_kind_find("v1", "PersistentVolume"), NULL, &count);

	for (size_t i = 0; i < count; i++) {
		const struct lp_json *json = lp_cached_json(list[i]);
		const char *uid = lp_json_str(json, "spec.claimRef.uid");

		if (list[i]->deleting)
			let_go(look, writes, list[i]);
		else if (!uid || !*uid)
			set_phase(look, writes, list[i], "Available", NULL, NULL);
		else if (is_held(look, json))
			set_phase(look, writes, list[i], "Bound", NULL, NULL);
		else
			release(look, writes, list[i]);
	}
}
