#include "manager/change/admit.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/change/allocate.h"
#include "manager/look/provision.h"
#include "specs/object.h"
#include "specs/schema.h"
#include "specs/status.h"

static int
bad_request(struct lp_change *change, const char *message)
{
	return lp_change_refuse(change, lp_status_make(&change->arena, 400, NULL, message));
}

static bool
is_kind(const struct lp_change *change, const char *kind)
{
	return strcmp(change->kind->kind, kind) == 0;
}

/* ---- the body */

/* Warnings about ignored fields that the stored object has too were given when it was made. */
static bool
was_told(const struct lp_drop *before, const struct lp_dropped *row)
{
	if (row->kind != LP_DROP_IGNORED)
		return false;
	for (const struct lp_dropped *old = before->first; old; old = old->next)
		if (strcmp(old->text, row->text) == 0)
			return true;
	return false;
}

int
lp_admit_fields(struct lp_change *change, struct lp_json *object)
{
	struct lp_drop drop = { 0 }, before = { 0 };
	struct lp_err err = { 0 };
	const char *strict;

	if (lp_parse_shape(change->kind, object, &err) < 0)
		return bad_request(change, lp_arena_str(&change->arena, err.text));
	if (lp_drop_object(&change->arena, change->kind, object, &drop, &err) < 0)
		return lp_change_refuse(change, NULL);
	if (change->ours || change->strict == LP_CHANGE_IGNORE)
		return 0;
	strict = change->strict == LP_CHANGE_STRICT ? lp_drop_strict(&change->arena, &drop) : NULL;
	if (strict)
		return bad_request(change, lp_arena_printf(&change->arena, "%s in version \"%s\" cannot be handled as a %s: %s",
		    change->kind->kind, change->kind->version, change->kind->kind, strict));
	if (change->base && drop.first &&
	    lp_drop_object(&change->arena, change->kind, lp_json_copy(&change->arena, lp_cached_json(change->base)), &before, &err) < 0)
		return lp_change_refuse(change, NULL);
	for (const struct lp_dropped *row = drop.first; row; row = row->next)
		if (!was_told(&before, row))
			lp_change_warn(change, row->text);
	return 0;
}

/* kind and apiVersion may be missing (client-node leaves them out), but not be others. */
static int
check_type(struct lp_change *change)
{
	char text[LP_KIND_TEXT];
	const char *version = lp_kind_api_version(change->kind, text);
	const char *body_kind = lp_object_kind(change->body), *body_version = lp_object_api_version(change->body);

	if (*body_version && strcmp(body_version, version) != 0)
		return bad_request(change, lp_arena_printf(&change->arena,
		    "the API version in the data (%s) does not match the expected API version (%s)", body_version, version));
	if (*body_kind && strcmp(body_kind, change->kind->kind) != 0)
		return bad_request(change, lp_arena_printf(&change->arena,
		    "%s in version \"%s\" cannot be handled as a %s: the kinds differ", body_kind, version, change->kind->kind));
	lp_json_set_str(&change->arena, change->body, "kind", change->kind->kind);
	lp_json_set_str(&change->arena, change->body, "apiVersion", version);
	return 0;
}

static int
check_names(struct lp_change *change)
{
	const char *namespace = lp_object_namespace(change->body), *name = lp_object_name(change->body);

	if (change->kind->namespaced && *namespace && strcmp(namespace, change->namespace) != 0)
		return bad_request(change, "the namespace of the provided object does not match the namespace sent on the request");
	if (change->verb == LP_CHANGE_UPDATE && *name && strcmp(name, change->name) != 0)
		return bad_request(change, lp_arena_printf(&change->arena,
		    "the name of the object (%s) does not match the name on the URL (%s)", name, change->name));
	if (change->verb == LP_CHANGE_CREATE && *lp_object_resource_version(change->body) && !change->ours)
		return bad_request(change, "resourceVersion should not be set on objects to be created");
	return 0;
}

int
lp_admit_body(struct lp_change *change)
{
	int rc;

	if (change->verb == LP_CHANGE_PATCH) {
		bool list = change->patch == LP_CHANGE_JSON;

		if (!change->body || change->body->type != (list ? LP_JSON_ARRAY : LP_JSON_OBJECT))
			return bad_request(change, list ? "the patch must be a list of operations" : "the patch must be an object");
		return 0;
	}
	if (!change->body || change->body->type != LP_JSON_OBJECT)
		return bad_request(change, "the body of the request is not an object");
	rc = check_type(change);
	if (rc == 0)
		rc = lp_admit_fields(change, change->body);
	if (rc == 0) {
		(void)lp_json_need_object(&change->arena, change->body, "metadata");
		rc = check_names(change);
	}
	return rc;
}

/* ---- metadata that the server owns */

static void
stamp(struct lp_change *change, struct lp_json *object, int64_t wall_ms)
{
	static const char *const unwanted[] = { "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
		"managedFields", "generation" };
	struct lp_json *metadata = lp_json_need_object(&change->arena, object, "metadata");
	char time[LP_CLOCK_TEXT], uid[LP_UUID_TEXT];

	for (size_t i = 0; i < lp_count(unwanted); i++)
		(void)lp_json_remove(metadata, unwanted[i]);	/* usually not there */
	lp_clock_print(wall_ms / 1000 * 1000, time);
	lp_random_uuid(uid);
	if (*change->name)
		lp_json_set_str(&change->arena, metadata, "name", change->name);
	if (change->kind->namespaced)
		lp_json_set_str(&change->arena, metadata, "namespace", change->namespace);
	else
		(void)lp_json_remove(metadata, "namespace");
	lp_json_set_str(&change->arena, metadata, "uid", uid);
	lp_json_set_str(&change->arena, metadata, "creationTimestamp", time);
	if (change->kind->generation)
		lp_json_set_int(&change->arena, metadata, "generation", 1);
}

/* A member of `from` takes the place of that of `to`, or its absence does. */
static void
keep(struct lp_arena *arena, struct lp_json *to, const struct lp_json *from, const char *key)
{
	const struct lp_json *value = lp_json_get(from, key);

	if (value)
		lp_json_set(arena, to, key, lp_json_copy(arena, value));
	else
		(void)lp_json_remove(to, key);		/* absent in both is fine */
}

static void
keep_metadata(struct lp_change *change, struct lp_json *object, const struct lp_json *old)
{
	static const char *const kept[] = { "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "generation", "generateName", "resourceVersion" };
	struct lp_json *metadata = lp_json_need_object(&change->arena, object, "metadata");

	for (size_t i = 0; i < lp_count(kept); i++)
		keep(&change->arena, metadata, lp_json_get(old, "metadata"), kept[i]);
	(void)lp_json_remove(metadata, "managedFields");	/* not kept here */
	(void)lp_json_remove(metadata, "selfLink");
}

/* ---- kinds with something of their own */

/* A claim or a volume goes only when nobody uses it; a claim that names no class gets the default one. */
static void
prepare_storage(struct lp_change *change, struct lp_json *object)
{
	bool claim = is_kind(change, "PersistentVolumeClaim");
	const char *finalizer = claim ? LP_PROVISION_CLAIM_USED : LP_PROVISION_VOLUME_USED;
	const char *class = claim ? lp_provision_default_class(change->manager->cache) : NULL;
	struct lp_json *metadata = lp_json_need_object(&change->arena, object, "metadata"), *spec = lp_json_get(object, "spec");

	if (!lp_object_has_finalizer(object, finalizer))
		lp_json_append(&change->arena, lp_json_need_array(&change->arena, metadata, "finalizers"),
		    lp_json_new_str(&change->arena, finalizer));
	if (class && spec && !lp_json_get(spec, "storageClassName"))
		lp_json_set_str(&change->arena, spec, "storageClassName", class);
}

/* What a client may not decide at creation. A node comes with its status; nobody else does. */
static void
prepare(struct lp_change *change, struct lp_json *object)
{
	if (is_kind(change, "Node") && !change->ours)
		(void)lp_json_remove(lp_json_path(object, "metadata.annotations"), LP_ADMIT_NODE_KEY);	/* usually not there */
	if (is_kind(change, "PersistentVolumeClaim") || is_kind(change, "PersistentVolume"))
		prepare_storage(change, object);
	if ((change->kind->verbs & LP_KIND_STATUS) && !is_kind(change, "Node") && !change->ours)
		(void)lp_json_remove(object, "status");		/* usually not there */
}

static int
allocate(struct lp_change *change, struct lp_json *object, const struct lp_json *old, struct lp_faults *faults)
{
	if (is_kind(change, "Service"))
		return lp_allocate_service(change, object, old, faults);
	if (is_kind(change, "Node"))
		return lp_allocate_node(change, object, faults);
	return 0;
}

/* The namespace must be there, and not on its way out. */
static int
check_namespace(struct lp_change *change)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Namespace");
	struct lp_cached *namespace;
	struct lp_json *status;

	if (!change->kind->namespaced)
		return 0;
	namespace = lp_cache_find(change->manager->cache, kind, NULL, change->namespace);
	if (!namespace)
		return lp_change_refuse(change, lp_status_not_found(&change->arena, kind, change->namespace));
	if (!namespace->deleting)
		return 0;
	status = lp_status_forbidden(&change->arena, change->kind, change->name,
	    lp_arena_printf(&change->arena, "unable to create new content in namespace %s because it is being terminated",
	    change->namespace));
	if (status)
		lp_status_cause(&change->arena, status, "NamespaceTerminating",
		    lp_arena_printf(&change->arena, "namespace %s is being terminated", change->namespace), "metadata.namespace");
	return lp_change_refuse(change, status);
}

static int
verdict(struct lp_change *change, const struct lp_faults *faults)
{
	if (faults->count > 0)
		return lp_change_refuse(change, lp_status_invalid(&change->arena, change->kind, change->name, faults));
	return change->arena.failed ? lp_change_refuse(change, NULL) : 0;
}

int
lp_admit_create(struct lp_change *change, struct lp_json *object, int64_t wall_ms)
{
	struct lp_faults faults;
	struct lp_err err;

	lp_faults_init(&faults, &change->arena);
	stamp(change, object, wall_ms);
	prepare(change, object);
	if (lp_default_object(&change->arena, change->kind, object, &err) < 0 || allocate(change, object, NULL, &faults) < 0)
		return lp_change_refuse(change, NULL);
	(void)lp_check_create(change->kind, object, &faults);	/* its result is in faults */
	lp_admit_security_labels(change, object, NULL, &faults);
	if (verdict(change, &faults) < 0 || check_namespace(change) < 0)
		return -EINVAL;
	return lp_admit_security(change, object, NULL);
}

/* ---- update */

/* What stands outside metadata and status: a change of it is a new generation. */
static bool
same_wish(const struct lp_json *a, const struct lp_json *b)
{
	const struct lp_json *pair[2][2] = { { a, b }, { b, a } };

	for (size_t i = 0; i < 2; i++)
		lp_json_each (member, pair[i][0]) {
			const struct lp_json *other = lp_json_get(pair[i][1], member->key);

			if (strcmp(member->key, "metadata") == 0 || strcmp(member->key, "status") == 0)
				continue;
			if (!other || !lp_json_equal(member, other))
				return false;
		}
	return true;
}

static void
count_generation(struct lp_change *change, struct lp_json *object, const struct lp_json *old)
{
	if (change->kind->generation && !same_wish(object, old))
		lp_json_set_int(&change->arena, lp_json_get(object, "metadata"), "generation",
		    lp_json_int(old, "metadata.generation", 0) + 1);
}

/* Which key speaks for a node is decided at join alone. */
static void
keep_key(struct lp_change *change, struct lp_json *object, const struct lp_json *old)
{
	const char *key = lp_object_annotation(old, LP_ADMIT_NODE_KEY);
	struct lp_json *metadata = lp_json_need_object(&change->arena, object, "metadata");

	if (key)
		lp_json_set_str(&change->arena, lp_json_need_object(&change->arena, metadata, "annotations"), LP_ADMIT_NODE_KEY, key);
	else if (!change->ours)
		(void)lp_json_remove(lp_json_get(metadata, "annotations"), LP_ADMIT_NODE_KEY);	/* usually not there */
}

/* Metadata that a client may write, but not by /resize. */
static const char *const own_words[] = { "labels", "annotations", "finalizers", "ownerReferences" };

/* /status changes the status (and labels and annotations), the object itself everything else. */
static void
keep_half(struct lp_change *change, struct lp_json *object, const struct lp_json *old)
{
	if (is_kind(change, "Node"))
		keep_key(change, object, old);
	if (strcmp(change->subresource, "status") == 0) {
		lp_json_each (member, old)
			if (strcmp(member->key, "status") != 0 && strcmp(member->key, "metadata") != 0)
				keep(&change->arena, object, old, member->key);
		for (struct lp_json *member = lp_json_first(object), *next; member; member = next) {
			next = member->next;
			if (!lp_json_get(old, member->key) && strcmp(member->key, "status") != 0)
				(void)lp_json_remove_child(object, member);	/* it is one */
		}
		if (change->ours) {
			struct lp_json *metadata = lp_json_need_object(&change->arena, object, "metadata");

			keep(&change->arena, metadata, lp_json_get(old, "metadata"), "labels");
			keep(&change->arena, metadata, lp_json_get(old, "metadata"), "annotations");
		}
		for (size_t i = 0; i < 2; i++)
			keep(&change->arena, lp_json_need_object(&change->arena, object, "metadata"), lp_json_get(old, "metadata"),
			    i ? "finalizers" : "ownerReferences");
		return;
	}
	if (change->kind->verbs & LP_KIND_STATUS)
		keep(&change->arena, object, old, "status");
	if (strcmp(change->subresource, "resize") == 0)
		for (size_t i = 0; i < lp_count(own_words); i++)
			keep(&change->arena, lp_json_need_object(&change->arena, object, "metadata"), lp_json_get(old, "metadata"), own_words[i]);
	if (is_kind(change, "Namespace") && strcmp(change->subresource, "finalize") != 0 && !change->ours)
		keep(&change->arena, lp_json_need_object(&change->arena, object, "spec"), lp_json_get(old, "spec"), "finalizers");
	if (is_kind(change, "Node") && !lp_json_path(object, "spec.podCIDR")) {
		struct lp_json *spec = lp_json_need_object(&change->arena, object, "spec");

		keep(&change->arena, spec, lp_json_get(old, "spec"), "podCIDR");
		keep(&change->arena, spec, lp_json_get(old, "spec"), "podCIDRs");
	}
}

int
lp_admit_update(struct lp_change *change, struct lp_json *object, const struct lp_json *old)
{
	struct lp_faults faults;
	struct lp_err err;

	lp_faults_init(&faults, &change->arena);
	keep_metadata(change, object, old);
	keep_half(change, object, old);
	if (lp_default_object(&change->arena, change->kind, object, &err) < 0 ||
	    (!*change->subresource && allocate(change, object, old, &faults) < 0))
		return lp_change_refuse(change, NULL);
	if (strcmp(change->subresource, "resize") == 0)
		(void)lp_check_resize(object, old, &faults);	/* its result is in faults */
	else
		(void)lp_check_update(change->kind, object, old, &faults);	/* likewise */
	lp_admit_security_labels(change, object, old, &faults);
	if (verdict(change, &faults) < 0 || lp_admit_security(change, object, old) < 0)
		return -EINVAL;
	count_generation(change, object, old);
	return change->arena.failed ? lp_change_refuse(change, NULL) : 0;
}
