/*
 * manager/control/claims.c - pure: claims get their volumes, or volumes are made for them.
 *
 * Steps    the volume says whose it is (claimRef), then the claim says which it has (volumeName), then both say Bound; each step is
 *          one write, taken again after a crash from what is there
 * Classes  the two that are always there; whoever wants another default moves the annotation
 * Claims   of generic ephemeral volumes are made here, owned by their pod
 * Goodbye  a claim that is being deleted goes when no pod on a node uses it
 * Source   Kubernetes pkg/controller/volume/persistentvolume, .../pvcprotection, .../ephemeral (events and annotations)
 */
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "manager/control/control.h"
#include "manager/look/place.h"
#include "manager/look/provision.h"
#include "specs/object.h"

#define BINDER "persistentvolume-controller"
#define BOUND_BY "pv.kubernetes.io/bound-by-controller"
#define PROVISIONED_BY "pv.kubernetes.io/provisioned-by"

/* What is known during a look. */
struct claims {
	const struct lp_look *look;
	struct lp_writes *writes;
	struct lp_cached **taken;	/* volumes given away in this look */
	size_t taken_count;
};

/* ---- classes */

static void
make_class(const struct lp_look *look, struct lp_writes *writes, const char *name, bool preset)
{
	const struct lp_kind *kind = lp_kind_find("storage.k8s.io/v1", "StorageClass");
	struct lp_json *class;

	if (lp_cache_find(look->cache, kind, NULL, name))
		return;
	class = lp_object_new(look->arena, kind, NULL, name);
	lp_json_set_str(look->arena, class, "provisioner", LP_PROVISION_DRIVER);
	lp_json_set_str(look->arena, class, "reclaimPolicy", "Delete");
	lp_json_set_str(look->arena, class, "volumeBindingMode", "WaitForFirstConsumer");
	if (preset)
		lp_json_set_str(look->arena, lp_json_set_object(look->arena, lp_json_get(class, "metadata"), "annotations"),
		    LP_PROVISION_DEFAULT, "true");
	lp_writes_create(writes, kind, class);
}

/* ---- who uses what */

static void
make_claim(struct claims *claims, struct lp_cached *pod, const struct lp_json *volume, const char *name)
{
	const struct lp_kind *kind = lp_kind_find("v1", "PersistentVolumeClaim");
	const struct lp_json *template = lp_json_path(volume, "ephemeral.volumeClaimTemplate");
	struct lp_arena *arena = claims->look->arena;
	struct lp_json *claim, *metadata;

	if (!template || lp_cache_find(claims->look->cache, kind, pod->namespace, name))
		return;
	claim = lp_object_new(arena, kind, pod->namespace, name);
	metadata = lp_json_get(claim, "metadata");
	lp_json_each(member, lp_json_get(template, "metadata"))
		if (strcmp(member->key, "labels") == 0 || strcmp(member->key, "annotations") == 0)
			lp_json_set(arena, metadata, member->key, lp_json_copy(arena, member));
	lp_json_append(arena, lp_json_set_array(arena, metadata, "ownerReferences"), lp_object_owner(arena, lp_cached_json(pod)));
	lp_json_set(arena, claim, "spec", lp_json_copy(arena, lp_json_get(template, "spec")));
	lp_writes_create(claims->writes, kind, claim);
}

static bool
has_claims(const struct lp_cached *pod)
{
	for (uint32_t i = 0; i < pod->value_count; i++)
		if (pod->values[i].index == LP_CACHE_BY_CLAIM)
			return true;
	return false;
}

static void
make_claims(struct claims *claims)
{
	size_t count;
	struct lp_cached *const *pods = lp_cache_list(claims->look->cache, lp_kind_find("v1", "Pod"), NULL, &count);

	for (size_t i = 0; i < count; i++) {
		/* One without claims is not even parsed. */
		const struct lp_json *pod = !pods[i]->deleting && has_claims(pods[i]) ? lp_cached_json(pods[i]) : NULL;

		lp_json_each(volume, pod && lp_place_active(pod) ? lp_json_path(pod, "spec.volumes") : NULL)
			if (lp_json_get(volume, "ephemeral"))
				make_claim(claims, pods[i], volume, lp_provision_claim_name(claims->look->arena, pod, volume));
	}
}

/* A pod that is not over and uses the claim, on a node when any is; NULL: none. */
static const struct lp_cached *
user_of(const struct claims *claims, const struct lp_cached *claim)
{
	const char *key = lp_arena_printf(claims->look->arena, "%s/%s", claim->namespace, claim->name);
	const struct lp_cached *found = NULL;
	size_t count = 0;
	struct lp_cached *const *pods = key ? lp_cache_indexed(claims->look->cache, LP_CACHE_BY_CLAIM, key, &count) : NULL;

	for (size_t i = 0; i < count; i++)
		if ((!found || !found->node) && lp_place_active(lp_cached_json(pods[i])))
			found = pods[i];
	return found;
}

/* ---- the steps of binding */

static void
say(struct claims *claims, struct lp_cached *claim, const char *type, const char *reason, const char *message)
{
	if (message)
		lp_writes_event(claims->writes, claim, BINDER, type, reason, message);
}

/* The volume is this claim's from now on. */
static void
promise(struct claims *claims, struct lp_cached *volume, struct lp_cached *claim)
{
	struct lp_arena *arena = claims->look->arena;
	struct lp_json *patch = lp_json_new(arena, LP_JSON_OBJECT);

	lp_json_set_str(arena, lp_json_set_object(arena, lp_json_set_object(arena, patch, "metadata"), "annotations"), BOUND_BY, "yes");
	lp_json_set(arena, lp_json_set_object(arena, patch, "spec"), "claimRef", lp_object_reference(arena, lp_cached_json(claim)));
	lp_writes_merge(claims->writes, volume->kind, "", volume->name, volume->uid, patch, false);
}

/* The claim has this volume. */
static void
settle(struct claims *claims, struct lp_cached *claim, struct lp_cached *volume)
{
	struct lp_arena *arena = claims->look->arena;
	struct lp_json *patch = lp_json_new(arena, LP_JSON_OBJECT), *annotations;

	annotations = lp_json_set_object(arena, lp_json_set_object(arena, patch, "metadata"), "annotations");
	lp_json_set_str(arena, annotations, LP_PROVISION_COMPLETED, "yes");
	lp_json_set_str(arena, annotations, BOUND_BY, "yes");
	lp_json_set_str(arena, lp_json_set_object(arena, patch, "spec"), "volumeName", volume->name);
	lp_writes_merge(claims->writes, claim->kind, claim->namespace, claim->name, claim->uid, patch, false);
}

static void
set_status(struct claims *claims, struct lp_cached *claim, const char *phase, const struct lp_json *volume)
{
	struct lp_arena *arena = claims->look->arena;
	const struct lp_json *json = lp_cached_json(claim), *modes = lp_json_path(volume, "spec.accessModes");
	const struct lp_json *capacity = lp_json_path(volume, "spec.capacity");
	struct lp_json *patch, *status;

	if (lp_text_same(lp_json_str(json, "status.phase"), phase) &&
	    (!volume || (lp_json_path(json, "status.accessModes") && lp_json_equal(lp_json_path(json, "status.accessModes"), modes) &&
	    lp_json_path(json, "status.capacity") && lp_json_equal(lp_json_path(json, "status.capacity"), capacity))))
		return;
	patch = lp_json_new(arena, LP_JSON_OBJECT);
	status = lp_json_set_object(arena, patch, "status");
	lp_json_set_str(arena, status, "phase", phase);
	if (volume && modes)
		lp_json_set(arena, status, "accessModes", lp_json_copy(arena, modes));
	if (volume && capacity)
		lp_json_set(arena, status, "capacity", lp_json_copy(arena, capacity));
	lp_writes_merge(claims->writes, claim->kind, claim->namespace, claim->name, claim->uid, patch, true);
}

/* ---- making volumes */

/* A directory on the node; the node makes it when the first pod comes. */
static void
provision(struct claims *claims, struct lp_cached *claim, struct lp_cached *class, const char *node)
{
	const struct lp_kind *kind = lp_kind_find("v1", "PersistentVolume");
	struct lp_arena *arena = claims->look->arena;
	const struct lp_json *json = lp_cached_json(claim);
	const char *host = lp_object_label(lp_cached_json(lp_cache_find(claims->look->cache, lp_kind_find("v1", "Node"), NULL, node)),
	    "kubernetes.io/hostname");
	const char *name = lp_arena_printf(arena, "pvc-%s", claim->uid), *policy = lp_json_str(lp_cached_json(class), "reclaimPolicy");
	struct lp_json *volume = lp_object_new(arena, kind, NULL, name ? name : ""), *spec, *term, *row, *finalizers;

	spec = lp_json_set_object(arena, volume, "spec");
	lp_json_set_str(arena, lp_json_set_object(arena, lp_json_get(volume, "metadata"), "annotations"), PROVISIONED_BY, LP_PROVISION_DRIVER);
	finalizers = lp_json_set_array(arena, lp_json_get(volume, "metadata"), "finalizers");
	lp_json_append(arena, finalizers, lp_json_new_str(arena, LP_PROVISION_VOLUME_USED));
	lp_json_append(arena, finalizers, lp_json_new_str(arena, LP_PROVISION_DIRECTORY));
	lp_json_set(arena, lp_json_set_object(arena, spec, "capacity"), "storage",
	    lp_json_copy(arena, lp_json_path(json, "spec.resources.requests.storage")));
	lp_json_set(arena, spec, "accessModes", lp_json_copy(arena, lp_json_path(json, "spec.accessModes")));
	lp_json_set(arena, spec, "claimRef", lp_object_reference(arena, json));
	lp_json_set_str(arena, spec, "persistentVolumeReclaimPolicy", policy ? policy : "Delete");
	lp_json_set_str(arena, spec, "storageClassName", class->name);
	lp_json_set_str(arena, lp_json_set_object(arena, spec, "csi"), "driver", LP_PROVISION_DRIVER);
	lp_json_set_str(arena, lp_json_get(spec, "csi"), "volumeHandle", claim->uid);
	term = lp_json_append(arena,
	    lp_json_set_array(arena, lp_json_set_object(arena, lp_json_set_object(arena, spec, "nodeAffinity"), "required"),
	        "nodeSelectorTerms"),
	    lp_json_new(arena, LP_JSON_OBJECT));
	row = lp_json_append(arena, lp_json_set_array(arena, term, "matchExpressions"), lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, row, "key", "kubernetes.io/hostname");
	lp_json_set_str(arena, row, "operator", "In");
	lp_json_append(arena, lp_json_set_array(arena, row, "values"), lp_json_new_str(arena, host ? host : node));
	lp_writes_create(claims->writes, kind, volume);
	say(claims, claim, "Normal", "ProvisioningSucceeded", lp_arena_printf(arena, "Successfully provisioned volume %s", name));
}

/* The node that the claim is for: the scheduler's word, or where a pod that uses it already is. */
static const char *
node_for(const struct claims *claims, struct lp_cached *claim)
{
	const char *chosen = lp_object_annotation(lp_cached_json(claim), LP_PROVISION_NODE);
	const struct lp_cached *user = user_of(claims, claim);

	return user && user->node ? user->node : chosen;
}

static void
find_volume(struct claims *claims, struct lp_cached *claim)
{
	struct lp_cached *class = lp_provision_class(claims->look->cache, lp_cached_json(claim)), *volume, *machine;
	const char *name = lp_json_str(lp_cached_json(claim), "spec.storageClassName"), *node = node_for(claims, claim);

	machine = node ? lp_cache_find(claims->look->cache, lp_kind_find("v1", "Node"), NULL, node) : NULL;
	if (lp_provision_waits(class) && !machine) {
		say(claims, claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding");
		return;
	}
	volume = lp_provision_find(claims->look, claim, lp_provision_waits(class) ? lp_cached_json(machine) : NULL, claims->taken,
	    claims->taken_count);
	if (volume) {
		claims->taken[claims->taken_count++] = volume;
		if (lp_text_same(lp_json_str(lp_cached_json(volume), "spec.claimRef.uid"), claim->uid))
			settle(claims, claim, volume);
		else
			promise(claims, volume, claim);
	} else if (lp_provision_makes(class) && lp_text_same(lp_json_str(lp_cached_json(claim), "spec.volumeMode"), "Block")) {
		say(claims, claim, "Warning", "ProvisioningFailed", LP_PROVISION_DRIVER " makes directories, not block devices");
	} else if (lp_provision_makes(class) && machine) {
		provision(claims, claim, class, node);
	} else if (lp_provision_makes(class)) {
		say(claims, claim, "Warning", "ProvisioningFailed", "configuration error, no node was specified");
	} else if (name && *name && !class) {
		say(claims, claim, "Warning", "ProvisioningFailed",
		    lp_arena_printf(claims->look->arena, "storageclass.storage.k8s.io \"%s\" not found", name));
	} else if (class && !lp_text_same(lp_json_str(lp_cached_json(class), "provisioner"), "kubernetes.io/no-provisioner")) {
		say(claims, claim, "Normal", "ExternalProvisioning",
		    lp_arena_printf(claims->look->arena, "waiting for a volume to be created by provisioner \"%s\"",
		        lp_json_str(lp_cached_json(class), "provisioner")));
	} else {
		say(claims, claim, "Normal", "FailedBinding",
		    "no persistent volumes available for this claim and no storage class is set");
	}
}

/* A claim that names its volume: by our own hand, or by the wish of whoever wrote it. */
static void
look_at_named(struct claims *claims, struct lp_cached *claim, const char *name)
{
	struct lp_cached *volume = lp_cache_find(claims->look->cache, lp_kind_find("v1", "PersistentVolume"), NULL, name);
	const struct lp_json *json = volume ? lp_cached_json(volume) : NULL;
	bool completed = lp_object_annotation(lp_cached_json(claim), LP_PROVISION_COMPLETED) != NULL;
	const char *owner = lp_json_str(json, "spec.claimRef.uid");

	if (completed && (!volume || !lp_text_same(owner, claim->uid))) {
		say(claims, claim, "Warning", "ClaimLost",
		    volume ? "Bound claim's PersistentVolume is bound to another claim. Data on the volume is lost!"
			   : "Bound claim has lost its PersistentVolume. Data on the volume is lost!");
		set_status(claims, claim, "Lost", NULL);
	} else if (!volume) {
		set_status(claims, claim, "Pending", NULL);
	} else if (!lp_text_same(owner, claim->uid)) {
		if (!lp_json_path(json, "spec.claimRef") || lp_provision_promised(json, claim))
			promise(claims, volume, claim);
		else
			say(claims, claim, "Warning", "FailedBinding",
			    lp_arena_printf(claims->look->arena, "volume \"%s\" already bound to a different claim.", name));
	} else if (!completed) {
		settle(claims, claim, volume);
	} else {
		set_status(claims, claim, "Bound", json);
	}
}

static void
let_go(struct claims *claims, struct lp_cached *claim)
{
	const struct lp_cached *user = user_of(claims, claim);
	struct lp_json *copy;

	if ((user && user->node) || !lp_object_has_finalizer(lp_cached_json(claim), LP_PROVISION_CLAIM_USED))
		return;
	copy = lp_object_without_finalizer(claims->look->arena, lp_cached_json(claim), LP_PROVISION_CLAIM_USED);
	if (copy)
		lp_writes_update(claims->writes, claim->kind, copy);
}

void
lp_claims_control(const struct lp_look *look, struct lp_writes *writes)
{
	struct claims claims = { .look = look, .writes = writes };
	size_t count;
	struct lp_cached *const *list;

	make_class(look, writes, "limpet-local", true);
	make_class(look, writes, "local-path", false);
	make_claims(&claims);
	list = lp_cache_list(look->cache, lp_kind_find("v1", "PersistentVolumeClaim"), NULL, &count);
	claims.taken = lp_arena_alloc(look->arena, (count + 1) * sizeof(*claims.taken));
	for (size_t i = 0; claims.taken && i < count; i++) {
		const char *name = lp_json_str(lp_cached_json(list[i]), "spec.volumeName");

		if (list[i]->deleting)
			let_go(&claims, list[i]);
		else if (name && *name)
			look_at_named(&claims, list[i], name);
		else
			find_volume(&claims, list[i]);
	}
}
