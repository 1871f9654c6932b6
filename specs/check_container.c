#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/check_hooks.h"
#include "specs/quantity.h"

static bool
is_empty(const struct lp_json *value)
{
	return !value || ((value->type == LP_JSON_STRING || value->type == LP_JSON_ARRAY) && value->len == 0);
}

/* ---- environment */

/* Fields of the pod that env may refer to; a trailing [ takes a key. */
static bool
is_env_field(const char *path)
{
	static const char *const fields[] = {
		"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
		"status.hostIPs", "status.podIP", "status.podIPs",
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i], path) == 0)
			return true;
	return (lp_text_starts(path, "metadata.labels['") || lp_text_starts(path, "metadata.annotations['")) &&
	    lp_text_ends(path, "']");
}

static void
check_env(const struct lp_json *env, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *source = lp_json_get(env, "valueFrom"),
	                     *field = lp_json_path(env, "valueFrom.fieldRef.fieldPath");
	struct lp_trail here = { .up = trail, .name = "valueFrom" }, ref = { .up = &here, .name = "fieldRef" };

	if (!source)
		return;
	if (lp_json_count(source) == 0)
		lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, NULL,
		    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
	if (lp_json_count(source) > 1)
		lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, NULL,
		    "may not have more than one field specified at a time");
	if (!is_empty(lp_json_get(env, "value")))
		lp_check_fault(
		    faults, &here, NULL, LP_FAULT_INVALID, NULL, "may not be specified when `value` is not empty");
	if (!is_empty(field) && !is_env_field(lp_json_text(field)))
		lp_check_fault(faults, &ref, "fieldPath", LP_FAULT_INVALID, field,
		    "error converting fieldPath: field label not supported");
}

static void
check_env_from(const struct lp_json *source, const struct lp_trail *trail, struct lp_faults *faults)
{
	bool map = lp_json_get(source, "configMapRef"), secret = lp_json_get(source, "secretRef");

	if (!map && !secret)
		lp_check_fault(
		    faults, trail, NULL, LP_FAULT_INVALID, NULL, "must specify one of: `configMapRef` or `secretRef`");
	if (map && secret)
		lp_check_fault(faults, trail, NULL, LP_FAULT_INVALID, NULL,
		    "may not have more than one field specified at a time");
}

/* A reference by name without the name. */
static void
check_reference(const struct lp_json *reference, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (is_empty(lp_json_get(reference, "name")))
		lp_check_fault(faults, trail, "name", LP_FAULT_REQUIRED, NULL, NULL);
}

/* ---- resources */

static bool
is_resource_name(const char *name)
{
	return strcmp(name, "cpu") == 0 || strcmp(name, "memory") == 0 || strcmp(name, "ephemeral-storage") == 0 ||
	    lp_text_starts(name, "hugepages-") || strchr(name, '/');
}

static void
check_amounts(const struct lp_json *amounts, const struct lp_trail *trail, struct lp_faults *faults)
{
	lp_json_each(amount, amounts) {
		struct lp_trail here = { .up = trail, .key = amount->key };
		struct lp_quantity quantity;

		if (!is_resource_name(amount->key)) {
			struct lp_json name = {
				.type = LP_JSON_STRING, .text = amount->key, .len = (uint32_t)strlen(amount->key)
			};

			lp_check_fault(faults, &here, NULL, LP_FAULT_INVALID, &name,
			    "must be a standard resource type or fully qualified");
		}
		if (lp_quantity_parse(lp_json_text(amount), &quantity) == 0 && quantity.units < 0)
			lp_check_fault(
			    faults, &here, NULL, LP_FAULT_INVALID, amount, "must be greater than or equal to 0");
	}
}

static void
check_resources(const struct lp_json *resources, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *limits = lp_json_get(resources, "limits"), *requests = lp_json_get(resources, "requests");
	struct lp_trail of_limits = { .up = trail, .name = "limits" },
	                of_requests = { .up = trail, .name = "requests" };

	check_amounts(limits, &of_limits, faults);
	check_amounts(requests, &of_requests, faults);
	lp_json_each(request, requests) {
		const struct lp_json *limit = lp_json_get(limits, request->key);
		struct lp_quantity most, least;
		const char *why;

		if (!limit || lp_quantity_parse(lp_json_text(limit), &most) < 0 ||
		    lp_quantity_parse(lp_json_text(request), &least) < 0 || lp_quantity_compare(&least, &most) <= 0)
			continue;
		why = lp_arena_printf(
		    faults->arena, "must be less than or equal to %s limit of %s", request->key, limit->text);
		lp_check_fault(faults, &of_requests, NULL, LP_FAULT_INVALID, request, why);
	}
}

/* ---- probes */

static void
check_handler(const struct lp_json *handler, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const kinds[] = { "exec", "httpGet", "tcpSocket", "grpc", "sleep" };
	size_t count = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (lp_json_get(handler, kinds[i]) && ++count > 1)
			lp_check_fault(faults, trail, kinds[i], LP_FAULT_FORBIDDEN, NULL,
			    "may not specify more than 1 handler type");
	if (count == 0)
		lp_check_fault(faults, trail, NULL, LP_FAULT_REQUIRED, NULL, "must specify a handler type");
}

static void
check_container(const struct lp_json *container, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const probes[] = { "livenessProbe", "startupProbe" };
	const struct lp_json *image = lp_json_get(container, "image"), *ports = lp_json_get(container, "ports");
	struct lp_trail list = { .up = trail, .name = "ports" }, element = { .up = &list };
	const char *text = lp_json_text(image);

	if (text && *text &&
	    (text[0] == ' ' || text[0] == '\t' || text[image->len - 1] == ' ' || text[image->len - 1] == '\t'))
		lp_check_fault(
		    faults, trail, "image", LP_FAULT_INVALID, image, "must not have leading or trailing whitespace");
	lp_json_each(port, ports) {
		const char *name = lp_json_str(port, "name");

		for (const struct lp_json *other = lp_json_first(ports); name && *name && other != port;
		     other = other->next)
			if (lp_text_same(lp_json_str(other, "name"), name)) {
				lp_check_fault(
				    faults, &element, "name", LP_FAULT_DUPLICATE, lp_json_get(port, "name"), NULL);
				break;
			}
		element.index++;
	}
	for (size_t i = 0; i < 2; i++) {
		const struct lp_json *probe = lp_json_get(container, probes[i]);
		struct lp_trail here = { .up = trail, .name = probes[i] };

		if (probe && lp_json_int(probe, "successThreshold", 1) != 1)
			lp_check_fault(faults, &here, "successThreshold", LP_FAULT_INVALID,
			    lp_json_get(probe, "successThreshold"), "must be 1");
	}
}

void
lp_check_container_object(
    enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (schema == LP_SCHEMA_env_var)
		check_env(object, trail, faults);
	else if (schema == LP_SCHEMA_env_from_source)
		check_env_from(object, trail, faults);
	else if (schema == LP_SCHEMA_configmap_key || schema == LP_SCHEMA_secret_key_selector ||
	    schema == LP_SCHEMA_configmap_env || schema == LP_SCHEMA_secret_env_source)
		check_reference(object, trail, faults);
	else if (schema == LP_SCHEMA_resource_requirements)
		check_resources(object, trail, faults);
	else if (schema == LP_SCHEMA_probe || schema == LP_SCHEMA_lifecycle_handler)
		check_handler(object, trail, faults);
	else if (schema == LP_SCHEMA_container)
		check_container(object, trail, faults);
}
