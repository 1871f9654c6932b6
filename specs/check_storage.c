#include <string.h>

#include "base/text.h"
#include "specs/check_hooks.h"
#include "specs/kinds.h"

static bool
is_empty(const struct lp_json *value)
{
	return !value || ((value->type == LP_JSON_STRING || value->type == LP_JSON_ARRAY) && value->len == 0);
}

/* ---- volumes and claims */

static void
check_volume_spec(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const sources[] = { "hostPath", "nfs", "local", "csi" };
	size_t count = 0;

	if (!lp_json_get(lp_json_get(spec, "capacity"), "storage"))
		lp_check_fault(faults, trail, "capacity", LP_FAULT_REQUIRED, NULL, NULL);
	if (is_empty(lp_json_get(spec, "accessModes")))
		lp_check_fault(faults, trail, "accessModes", LP_FAULT_REQUIRED, NULL, NULL);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (lp_json_get(spec, sources[i]) && ++count > 1)
			lp_check_fault(faults, trail, sources[i], LP_FAULT_FORBIDDEN, NULL, "may not specify more than 1 volume type");
	if (count == 0)
		lp_check_fault(faults, trail, NULL, LP_FAULT_REQUIRED, NULL, "must specify a volume type");
	if (lp_json_get(spec, "local") && !lp_json_path(spec, "nodeAffinity.required"))
		lp_check_fault(faults, trail, "nodeAffinity", LP_FAULT_REQUIRED, NULL, "Local volume requires node affinity");
}

static void
check_claim_spec(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (is_empty(lp_json_get(spec, "accessModes")))
		lp_check_fault(faults, trail, "accessModes", LP_FAULT_REQUIRED, NULL, "at least 1 access mode is required");
	if (!lp_json_get(lp_json_path(spec, "resources.requests"), "storage"))
		lp_check_fault(faults, trail, "resources[storage]", LP_FAULT_REQUIRED, NULL, NULL);
}

/* ---- mounts */

static void
check_mount(const struct lp_json *mount, bool privileged, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *propagation = lp_json_get(mount, "mountPropagation");
	const char *recursive = lp_json_str(mount, "recursiveReadOnly");

	if (!is_empty(lp_json_get(mount, "subPath")) && !is_empty(lp_json_get(mount, "subPathExpr")))
		lp_check_fault(faults, trail, "subPathExpr", LP_FAULT_INVALID, lp_json_get(mount, "subPathExpr"),
		    "subPathExpr and subPath are mutually exclusive");
	if (lp_text_same(lp_json_text(propagation), "Bidirectional") && !privileged)
		lp_check_fault(faults, trail, "mountPropagation", LP_FAULT_FORBIDDEN, NULL,
		    "Bidirectional mount propagation is available only to privileged containers");
	if (!recursive || strcmp(recursive, "Disabled") == 0)
		return;
	if (!lp_json_bool(mount, "readOnly", false))
		lp_check_fault(faults, trail, "recursiveReadOnly", LP_FAULT_FORBIDDEN, NULL,
		    "may only be specified when readOnly is true");
	if (propagation && !lp_text_same(lp_json_text(propagation), "None"))
		lp_check_fault(faults, trail, "recursiveReadOnly", LP_FAULT_FORBIDDEN, NULL,
		    "may only be specified when mountPropagation is None or not specified");
}

static void
check_mounts(const struct lp_json *container, const struct lp_trail *trail, struct lp_faults *faults)
{
	struct lp_trail list = { .up = trail, .name = "volumeMounts" }, element = { .up = &list };
	bool privileged = lp_json_bool(container, "securityContext.privileged", false);

	lp_json_each(mount, lp_json_get(container, "volumeMounts")) {
		check_mount(mount, privileged, &element, faults);
		element.index++;
	}
}

void
lp_check_storage_object(
    enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (schema == LP_SCHEMA_persistent_volume_spec)
		check_volume_spec(object, trail, faults);
	else if (schema == LP_SCHEMA_persistent_volume_claim_spec)
		check_claim_spec(object, trail, faults);
	else if (schema == LP_SCHEMA_container)
		check_mounts(object, trail, faults);
}

/* ---- updates */

static bool
same(const struct lp_json *a, const struct lp_json *b)
{
	return (!a && !b) || (a && b && lp_json_equal(a, b));
}

/* A claim may be given its volume; all that it asks for stays: no class of ours can resize. */
static void
check_claim_update(const struct lp_json *claim, const struct lp_json *old, struct lp_faults *faults)
{
	const struct lp_json *spec = lp_json_get(claim, "spec"), *before = lp_json_get(old, "spec");
	bool changed = false, bound = !is_empty(lp_json_get(before, "volumeName"));

	if (!same(lp_json_get(spec, "resources"), lp_json_get(before, "resources"))) {
		if (bound)
			lp_faults_add(faults, LP_FAULT_FORBIDDEN, "spec.resources.requests", NULL,
			    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize");
		else
			changed = true;
	}
	lp_json_each(member, spec)
		if (strcmp(member->key, "resources") != 0)
			changed |= !same(member, lp_json_get(before, member->key)) &&
			    !(strcmp(member->key, "volumeName") == 0 && is_empty(lp_json_get(before, "volumeName")));
	lp_json_each(member, before)
		changed |= strcmp(member->key, "resources") != 0 && !lp_json_get(spec, member->key);
	if (changed)
		lp_faults_add(faults, LP_FAULT_FORBIDDEN, "spec", NULL,
		    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims");
}

/* What a volume is does not change; whose it is, and what becomes of it, may. */
static void
check_volume_update(const struct lp_json *volume, const struct lp_json *old, struct lp_faults *faults)
{
	static const char *const sources[] = { "hostPath", "nfs", "local", "csi" };

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (!same(lp_json_get(lp_json_get(volume, "spec"), sources[i]), lp_json_get(lp_json_get(old, "spec"), sources[i]))) {
			lp_faults_add(faults, LP_FAULT_FORBIDDEN, "spec.persistentvolumesource", NULL,
			    "spec.persistentvolumesource is immutable after creation");
			return;
		}
}

static void
check_class_update(const struct lp_json *object, const struct lp_json *old, struct lp_faults *faults)
{
	static const char *const fixed[] = { "provisioner", "parameters", "reclaimPolicy", "volumeBindingMode" };

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (!same(lp_json_get(object, fixed[i]), lp_json_get(old, fixed[i])))
			lp_faults_add(faults, LP_FAULT_FORBIDDEN, fixed[i], NULL,
			    lp_arena_printf(faults->arena, "updates to %s are forbidden.", fixed[i]));
}

void
lp_check_storage_update(enum lp_schema_id schema, const struct lp_json *object, const struct lp_json *old, struct lp_faults *faults)
{
	if (schema == LP_SCHEMA_persistent_volume_claim)
		check_claim_update(object, old, faults);
	else if (schema == LP_SCHEMA_persistent_volume)
		check_volume_update(object, old, faults);
	else if (schema == LP_SCHEMA_storage_class)
		check_class_update(object, old, faults);
}
