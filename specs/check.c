/*
 * specs/check.c - is the object what Kubernetes would accept? Every fault at once.
 *
 * The rows say what is required and name a rule for single values; hooks (check_pod.c, check_container.c, check_security.c, check_service.c, check_storage.c)
 * look at what hangs together.
 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "specs/check_hooks.h"
#include "specs/object.h"
#include "specs/rule.h"
#include "specs/schema.h"

#define DATA_MAX (1 << 20)		/* bytes of a ConfigMap's or Secret's values */

void
lp_check_fault(struct lp_faults *faults, const struct lp_trail *trail, const char *name, enum lp_fault_reason reason,
    const struct lp_json *value, const char *detail)
{
	struct lp_trail here = { .up = trail, .name = name };

	lp_faults_add(faults, reason, lp_trail_text(faults->arena, name ? &here : trail), value, detail);
}

static bool
is_missing(const struct lp_json *value)
{
	return !value || ((value->type == LP_JSON_STRING || value->type == LP_JSON_ARRAY) && value->len == 0);
}

static void check_members(
    enum lp_schema_id id, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults);

static void
check_value(
    const struct lp_field *field, const struct lp_json *value, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (field->rule != LP_RULE_NONE)
		lp_rule_check(field->rule, lp_trail_text(faults->arena, trail), value, faults);
	if (field->type == LP_TYPE_OBJECT)
		check_members(field->schema, value, trail, faults);
}

static void
check_field(
    const struct lp_field *field, const struct lp_json *value, const struct lp_trail *trail, struct lp_faults *faults)
{
	struct lp_trail element = { .up = trail };

	if (field->shape != LP_SHAPE_LIST) {
		check_value(field, value, trail, faults);
		return;
	}
	lp_json_each(child, value) {
		check_value(field, child, &element, faults);
		element.index++;
	}
}

static void
check_members(
    enum lp_schema_id id, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults)
{
	struct lp_schema schema = lp_schema_get(id);

	if (faults->count > LP_FAULTS_MAX)
		return;			/* enough to refuse it */
	for (size_t i = 0; i < schema.count; i++) {
		const struct lp_field *field = &schema.fields[i];
		const char *name = lp_schema_field_name(&schema, field);
		const struct lp_json *value = lp_json_get(object, name);
		struct lp_trail here = { .up = trail, .name = name };

		if ((field->flags & LP_REQUIRED) && is_missing(value))
			lp_check_fault(faults, &here, NULL, LP_FAULT_REQUIRED, NULL, NULL);
		else if (value && strcmp(name, "status") != 0)
			check_field(field, value, &here, faults);
	}
	lp_check_pod_object(id, object, trail, faults);
	lp_check_container_object(id, object, trail, faults);
	lp_check_security_object(id, object, trail, faults);
	lp_check_service_object(id, object, trail, faults);
	lp_check_storage_object(id, object, trail, faults);
	lp_check_bounds_object(id, object, trail, faults);
}

/* ---- whole objects */

static void
check_metadata(const struct lp_kind *kind, const struct lp_json *object, struct lp_faults *faults)
{
	const struct lp_json *name = lp_json_path(object, "metadata.name");
	const struct lp_json *prefix = lp_json_path(object, "metadata.generateName");
	const char *why;

	if (is_missing(name)) {
		if (is_missing(prefix))
			lp_faults_add(
			    faults, LP_FAULT_REQUIRED, "metadata.name", NULL, "name or generateName is required");
		return;
	}
	why = name->type == LP_JSON_STRING ? lp_rule_bad_name(kind, name->text) : NULL;
	if (why)
		lp_faults_add(faults, LP_FAULT_INVALID, "metadata.name", name, why);
}

static size_t
values_size(const struct lp_json *map, bool encoded)
{
	size_t total = 0;

	lp_json_each(entry, map)
		total += encoded ? (size_t)entry->len / 4 * 3 : entry->len;
	return total;
}

static void
check_data(const struct lp_json *object, bool secret, struct lp_faults *faults)
{
	const struct lp_json *data = lp_json_get(object, "data"), *binary = lp_json_get(object, "binaryData");

	lp_json_each(entry, secret ? NULL : binary)
		if (lp_json_get(data, entry->key))
			lp_faults_add(faults, LP_FAULT_INVALID, lp_arena_printf(faults->arena, "data[%s]", entry->key),
			    NULL, "duplicate of key present in binaryData");
	if (values_size(data, secret) + values_size(binary, true) > DATA_MAX)
		lp_faults_add(
		    faults, LP_FAULT_TOO_LONG, secret ? "data" : "", NULL, "may not be more than 1048576 bytes");
}

/* Types of secrets that must have certain keys. */
static void
check_secret_type(const struct lp_json *secret, struct lp_faults *faults)
{
	static const struct {
		char type[40], key[24];
	} wanted[] = {
		{ "kubernetes.io/tls", "tls.crt" },
		{ "kubernetes.io/tls", "tls.key" },
		{ "kubernetes.io/dockerconfigjson", ".dockerconfigjson" },
		{ "kubernetes.io/dockercfg", ".dockercfg" },
		{ "kubernetes.io/ssh-auth", "ssh-privatekey" },
	};
	const char *type = lp_json_str(secret, "type");
	const struct lp_json *data = lp_json_get(secret, "data");

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (lp_text_same(type, wanted[i].type) && !lp_json_get(data, wanted[i].key))
			lp_faults_add(faults, LP_FAULT_REQUIRED,
			    lp_arena_printf(faults->arena, "data[%s]", wanted[i].key), NULL, NULL);
	if (lp_text_same(type, "kubernetes.io/basic-auth") && !lp_json_get(data, "username") &&
	    !lp_json_get(data, "password"))
		lp_faults_add(faults, LP_FAULT_REQUIRED, "data[username]", NULL, NULL);
}

static void
check_event(const struct lp_json *event, struct lp_faults *faults)
{
	const struct lp_json *of = lp_json_path(event, "involvedObject.namespace");
	const char *own = lp_object_namespace(event);

	if (!is_missing(of) && !lp_text_same(lp_json_text(of), own))
		lp_faults_add(
		    faults, LP_FAULT_INVALID, "involvedObject.namespace", of, "does not match event.namespace");
}

static void
check_taints(const struct lp_json *node, struct lp_faults *faults)
{
	const struct lp_json *taints = lp_json_path(node, "spec.taints");
	size_t index = 0;

	lp_json_each(taint, taints) {
		for (const struct lp_json *other = lp_json_first(taints); other != taint; other = other->next)
			if (lp_text_same(lp_json_str(other, "key"), lp_json_str(taint, "key")) &&
			    lp_text_same(lp_json_str(other, "effect"), lp_json_str(taint, "effect"))) {
				lp_faults_add(faults, LP_FAULT_DUPLICATE,
				    lp_arena_printf(faults->arena, "metadata.taints[%zu]", index), taint,
				    "taints must be unique by key and effect pair");
				break;
			}
		index++;
	}
}

static void
check_object(const struct lp_kind *kind, const struct lp_json *object, struct lp_faults *faults)
{
	check_metadata(kind, object, faults);
	check_members(kind->schema, object, NULL, faults);
	if (kind->schema == LP_SCHEMA_configmap || kind->schema == LP_SCHEMA_secret)
		check_data(object, kind->schema == LP_SCHEMA_secret, faults);
	if (kind->schema == LP_SCHEMA_secret)
		check_secret_type(object, faults);
	if (kind->schema == LP_SCHEMA_event)
		check_event(object, faults);
	if (kind->schema == LP_SCHEMA_node)
		check_taints(object, faults);
}

int
lp_check_create(const struct lp_kind *kind, const struct lp_json *object, struct lp_faults *faults)
{
	check_object(kind, object, faults);
	return faults->count > 0 ? -EINVAL : 0;
}

/* ---- updates */

static bool
same(const struct lp_json *a, const struct lp_json *b)
{
	return (!a && !b) || (a && b && lp_json_equal(a, b));
}

static void
must_stay(const struct lp_json *object, const struct lp_json *old, const char *path, struct lp_faults *faults)
{
	const struct lp_json *value = lp_json_path(object, path), *before = lp_json_path(old, path);

	if (before && !same(value, before))
		lp_faults_add(faults, LP_FAULT_INVALID, path, value, "field is immutable");
}

/* ConfigMaps and Secrets that say `immutable: true`. */
static void
check_immutable(const struct lp_json *object, const struct lp_json *old, struct lp_faults *faults)
{
	static const char *const fields[] = { "data", "binaryData" };

	if (!lp_json_bool(old, "immutable", false))
		return;
	if (!lp_json_bool(object, "immutable", false))
		lp_faults_add(
		    faults, LP_FAULT_FORBIDDEN, "immutable", NULL, "field is immutable when `immutable` is set");
	for (size_t i = 0; i < 2; i++)
		if (!same(lp_json_get(object, fields[i]), lp_json_get(old, fields[i])))
			lp_faults_add(
			    faults, LP_FAULT_FORBIDDEN, fields[i], NULL, "field is immutable when `immutable` is set");
}

int
lp_check_resize(const struct lp_json *pod, const struct lp_json *old, struct lp_faults *faults)
{
	check_object(lp_kind_find("v1", "Pod"), pod, faults);
	lp_check_pod_resize(pod, old, faults);
	return faults->count > 0 ? -EINVAL : 0;
}

int
lp_check_update(
    const struct lp_kind *kind, const struct lp_json *object, const struct lp_json *old, struct lp_faults *faults)
{
	check_object(kind, object, faults);
	must_stay(object, old, "metadata.name", faults);
	must_stay(object, old, "metadata.namespace", faults);
	must_stay(object, old, "metadata.uid", faults);
	if (kind->schema == LP_SCHEMA_pod)
		lp_check_pod_update(object, old, faults);
	if (kind->schema == LP_SCHEMA_service)
		lp_check_service_update(object, old, faults);
	lp_check_storage_update(kind->schema, object, old, faults);
	if (kind->schema == LP_SCHEMA_secret)
		must_stay(object, old, "type", faults);
	if (kind->schema == LP_SCHEMA_secret || kind->schema == LP_SCHEMA_configmap)
		check_immutable(object, old, faults);
	if (kind->schema == LP_SCHEMA_endpoint_slice)
		must_stay(object, old, "addressType", faults);
	if (kind->schema == LP_SCHEMA_node) {
		must_stay(object, old, "spec.podCIDR", faults);
		must_stay(object, old, "spec.providerID", faults);
	}
	return faults->count > 0 ? -EINVAL : 0;
}
