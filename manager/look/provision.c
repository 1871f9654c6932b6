#include "manager/look/provision.h"

#include <string.h>

#include "base/text.h"
#include "manager/look/place.h"
#include "specs/object.h"
#include "specs/quantity.h"
#include "specs/selector.h"

const char *
lp_provision_claim_name(struct lp_arena *arena, const struct lp_json *pod, const struct lp_json *volume)
{
	const char *name = lp_json_str(volume, "persistentVolumeClaim.claimName");

	if (!name && lp_json_get(volume, "ephemeral"))
		name = lp_arena_printf(arena, "%s-%s", lp_object_name(pod), lp_json_str(volume, "name"));
	return name;
}

/* ---- classes */

struct lp_cached *
lp_provision_class(const struct lp_cache *cache, const struct lp_json *claim)
{
	const char *name = lp_json_str(claim, "spec.storageClassName");

	return name && *name ? lp_cache_find(cache, lp_kind_find("storage.k8s.io/v1", "StorageClass"), NULL, name) : NULL;
}

bool
lp_provision_waits(struct lp_cached *class)
{
	return class && lp_text_same(lp_json_str(lp_cached_json(class), "volumeBindingMode"), "WaitForFirstConsumer");
}

bool
lp_provision_makes(struct lp_cached *class)
{
	return class && lp_text_same(lp_json_str(lp_cached_json(class), "provisioner"), LP_PROVISION_DRIVER);
}

const char *
lp_provision_default_class(const struct lp_cache *cache)
{
	size_t count;
	struct lp_cached *const *classes = lp_cache_list(cache, lp_kind_find("storage.k8s.io/v1", "StorageClass"), NULL, &count);

	for (size_t i = 0; i < count; i++)
		if (lp_text_same(lp_object_annotation(lp_cached_json(classes[i]), LP_PROVISION_DEFAULT), "true"))
			return classes[i]->name;
	return NULL;
}

/* ---- volumes */

static bool
has_modes(const struct lp_json *volume, const struct lp_json *claim)
{
	lp_json_each(wanted, lp_json_path(claim, "spec.accessModes")) {
		bool found = false;

		lp_json_each(mode, lp_json_path(volume, "spec.accessModes"))
			found |= lp_json_equal(mode, wanted);
		if (!found)
			return false;
	}
	return true;
}

static int64_t
size_of(const struct lp_json *volume)
{
	return lp_quantity_text_value(lp_json_str(volume, "spec.capacity.storage"), 0);
}

bool
lp_provision_suits(struct lp_arena *arena, const struct lp_json *volume, const struct lp_json *claim)
{
	const char *has = lp_json_str(volume, "spec.storageClassName"), *wants = lp_json_str(claim, "spec.storageClassName");
	const struct lp_json *labels = lp_json_path(claim, "spec.selector");
	struct lp_selector selector;

	if (lp_object_deleting(volume) || !has_modes(volume, claim) || strcmp(has ? has : "", wants ? wants : "") != 0 ||
	    size_of(volume) < lp_quantity_text_value(lp_json_str(claim, "spec.resources.requests.storage"), 0) ||
	    !lp_text_same(lp_json_str(volume, "spec.volumeMode"), lp_json_str(claim, "spec.volumeMode")))
		return false;
	return !labels || (lp_selector_object(arena, labels, &selector, NULL) == 0 &&
	    lp_selector_match_labels(&selector, lp_object_labels(volume)));
}

bool
lp_provision_reaches(struct lp_arena *arena, const struct lp_json *volume, const struct lp_json *node)
{
	const struct lp_json *required = lp_json_path(volume, "spec.nodeAffinity.required");

	return !required || lp_place_terms(arena, lp_json_get(required, "nodeSelectorTerms"), node);
}

bool
lp_provision_promised(const struct lp_json *volume, const struct lp_cached *claim)
{
	const struct lp_json *reference = lp_json_path(volume, "spec.claimRef");
	const char *uid = lp_json_str(reference, "uid");

	return lp_text_same(lp_json_str(reference, "namespace"), claim->namespace) &&
	    lp_text_same(lp_json_str(reference, "name"), claim->name) && (!uid || !*uid || strcmp(uid, claim->uid) == 0);
}

static bool
is_among(struct lp_cached *const *list, size_t count, const struct lp_cached *one)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == one)
			return true;
	return false;
}

struct lp_cached *
lp_provision_find(const struct lp_look *look, struct lp_cached *claim, const struct lp_json *node, struct lp_cached *const *taken,
    size_t taken_count)
{
	size_t count;
	struct lp_cached *const *volumes = lp_cache_list(look->cache, lp_kind_find("v1", "PersistentVolume"), NULL, &count);
	const struct lp_json *wanted = lp_cached_json(claim);
	struct lp_cached *best = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct lp_json *volume = lp_cached_json(volumes[i]);

		if (lp_provision_promised(volume, claim) && !lp_object_deleting(volume))
			return volumes[i];
		if (is_among(taken, taken_count, volumes[i]) || (node && !lp_provision_reaches(look->arena, volume, node)))
			continue;
		if (lp_json_path(volume, "spec.claimRef") || !lp_provision_suits(look->arena, volume, wanted))
			continue;
		if (!best || size_of(volume) < size_of(lp_cached_json(best)))
			best = volumes[i];
	}
	return best;
}

/* ---- for the scheduler */

static struct lp_cached *
claim_of(const struct lp_look *look, struct lp_cached *pod, const struct lp_json *volume, const char **out_name)
{
	*out_name = lp_provision_claim_name(look->arena, lp_cached_json(pod), volume);
	return *out_name ? lp_cache_find(look->cache, lp_kind_find("v1", "PersistentVolumeClaim"), pod->namespace, *out_name) : NULL;
}

static const struct lp_json *
volumes_of(struct lp_cached *pod)
{
	return lp_json_path(lp_cached_json(pod), "spec.volumes");
}

/* Has the claim its volume, and does the volume know? */
static bool
is_bound(const struct lp_json *claim)
{
	return lp_object_annotation(claim, LP_PROVISION_COMPLETED) != NULL;
}

/* ReadWriteOncePod: is another pod on some node at it? */
static bool
is_taken(const struct lp_look *look, const struct lp_cached *pod, const struct lp_json *claim)
{
	bool alone = false;
	size_t count = 0;
	struct lp_cached *const *pods;
	const char *key;

	lp_json_each(mode, lp_json_path(claim, "spec.accessModes"))
		alone |= lp_text_same(lp_json_text(mode), "ReadWriteOncePod");
	if (!alone)
		return false;
	key = lp_arena_printf(look->arena, "%s/%s", pod->namespace, lp_object_name(claim));
	pods = key ? lp_cache_indexed(look->cache, LP_CACHE_BY_CLAIM, key, &count) : NULL;
	for (size_t i = 0; i < count; i++)
		if (pods[i] != pod && pods[i]->node && lp_place_active(lp_cached_json(pods[i])))
			return true;
	return false;
}

const char *
lp_provision_blocks(const struct lp_look *look, struct lp_cached *pod)
{
	lp_json_each(volume, volumes_of(pod)) {
		const char *name;
		struct lp_cached *claim = claim_of(look, pod, volume, &name);
		const struct lp_json *json = claim ? lp_cached_json(claim) : NULL;

		if (!name)
			continue;
		if (!claim)
			return lp_arena_printf(look->arena, "persistentvolumeclaim \"%s\" not found", name);
		if (claim->deleting)
			return lp_arena_printf(look->arena, "persistentvolumeclaim \"%s\" is being deleted", name);
		if (lp_text_same(lp_json_str(json, "status.phase"), "Lost"))
			return lp_arena_printf(look->arena, "persistentvolumeclaim \"%s\" bound to non-existent persistentvolume \"%s\"", name,
			    lp_json_str(json, "spec.volumeName"));
		if (is_taken(look, pod, json))
			return "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";
		if (!is_bound(json) && !lp_provision_waits(lp_provision_class(look->cache, json)))
			return "pod has unbound immediate PersistentVolumeClaims";
	}
	return NULL;
}

const char *
lp_provision_refuses(const struct lp_look *look, struct lp_cached *pod, const struct lp_json *node)
{
	const struct lp_kind *kind = lp_kind_find("v1", "PersistentVolume");

	lp_json_each(volume, volumes_of(pod)) {
		const char *name, *has;
		struct lp_cached *claim = claim_of(look, pod, volume, &name), *found;
		const struct lp_json *json = claim ? lp_cached_json(claim) : NULL;

		if (!json)
			continue;		/* lp_provision_blocks said so */
		has = lp_json_str(json, "spec.volumeName");
		found = has && *has ? lp_cache_find(look->cache, kind, NULL, has) : NULL;
		if (found && !lp_provision_reaches(look->arena, lp_cached_json(found), node))
			return "node(s) didn't match PersistentVolume's node affinity";
		if (found || is_bound(json))
			continue;
		found = lp_provision_find(look, claim, node, NULL, 0);
		/* One that is promised may be elsewhere. */
		if (found ? !lp_provision_reaches(look->arena, lp_cached_json(found), node)
			  : !lp_provision_makes(lp_provision_class(look->cache, json)))
			return "node(s) didn't find available persistent volumes to bind";
	}
	return NULL;
}

const char *
lp_provision_chosen(const struct lp_look *look, struct lp_cached *pod)
{
	lp_json_each(volume, volumes_of(pod)) {
		const char *name, *node;
		struct lp_cached *claim = claim_of(look, pod, volume, &name);
		const struct lp_json *json = claim ? lp_cached_json(claim) : NULL;

		node = json && !is_bound(json) ? lp_object_annotation(json, LP_PROVISION_NODE) : NULL;
		if (node)
			return node;
	}
	return NULL;
}

bool
lp_provision_choose(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *pod, const char *node)
{
	bool waits = false;

	lp_json_each(volume, volumes_of(pod)) {
		const char *name;
		struct lp_cached *claim = claim_of(look, pod, volume, &name);
		struct lp_json *patch;

		if (!claim || is_bound(lp_cached_json(claim)))
			continue;
		waits = true;
		if (lp_text_same(lp_object_annotation(lp_cached_json(claim), LP_PROVISION_NODE), node))
			continue;
		patch = lp_json_new(look->arena, LP_JSON_OBJECT);
		lp_json_set_str(look->arena,
		    lp_json_set_object(look->arena, lp_json_set_object(look->arena, patch, "metadata"), "annotations"), LP_PROVISION_NODE, node);
		lp_writes_merge(writes, claim->kind, claim->namespace, claim->name, claim->uid, patch, false);
	}
	return waits;
}
