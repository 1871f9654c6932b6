#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/check_hooks.h"
#include "specs/podsecurity.h"
#include "specs/schema.h"

static const char *const container_lists[] = { "initContainers", "containers" };

static bool
is_empty(const struct lp_json *value)
{
	return !value || ((value->type == LP_JSON_STRING || value->type == LP_JSON_ARRAY) && value->len == 0);
}

/* Does an earlier element of the list say the same under `key`? */
static bool
stood_before(const struct lp_json *list, const struct lp_json *element, const char *key)
{
	const char *text = lp_json_str(element, key);

	for (const struct lp_json *other = lp_json_first(list); text && *text && other != element; other = other->next)
		if (lp_text_same(lp_json_str(other, key), text))
			return true;
	return false;
}

/* Names of containers are unique over both lists. */
static void
check_names(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	for (size_t i = 0; i < 2; i++) {
		const struct lp_json *list = lp_json_get(spec, container_lists[i]);
		struct lp_trail here = { .up = trail, .name = container_lists[i] }, element = { .up = &here };

		lp_json_each(container, list) {
			bool twice = stood_before(list, container, "name");

			lp_json_each(init, i == 1 ? lp_json_get(spec, "initContainers") : NULL)
				twice |= lp_json_str(init, "name") &&
				    lp_text_same(lp_json_str(init, "name"), lp_json_str(container, "name"));
			if (twice)
				lp_check_fault(
				    faults, &element, "name", LP_FAULT_DUPLICATE, lp_json_get(container, "name"), NULL);
			element.index++;
		}
	}
}

/* Two ports of the pod on the same port of the host. */
static void
check_host_ports(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *list = lp_json_get(spec, "containers");
	bool host_network = lp_json_bool(spec, "hostNetwork", false);
	struct lp_json *seen = lp_json_new(faults->arena, LP_JSON_ARRAY);
	struct lp_trail here = { .up = trail, .name = "containers" }, element = { .up = &here };

	lp_json_each(container, list) {
		struct lp_trail ports = { .up = &element, .name = "ports" }, at = { .up = &ports };

		lp_json_each(port, lp_json_get(container, "ports")) {
			int64_t number = lp_json_int(port, "hostPort", 0);
			const char *protocol = lp_json_str(port, "protocol"), *ip = lp_json_str(port, "hostIP");
			struct lp_json *entry = lp_json_new_str(faults->arena,
			    lp_arena_printf(faults->arena, "%s/%s/%lld", protocol ? protocol : "TCP", ip ? ip : "",
			        (long long)number));

			if (number > 0 && entry) {
				lp_json_each(other, seen)
					if (lp_json_equal(other, entry))
						lp_check_fault(
						    faults, &at, "hostPort", LP_FAULT_DUPLICATE, entry, NULL);
				lp_json_append(faults->arena, seen, entry);
			}
			if (host_network && number > 0 && number != lp_json_int(port, "containerPort", number))
				lp_check_fault(faults, &at, "containerPort", LP_FAULT_INVALID,
				    lp_json_get(port, "containerPort"),
				    "must match `hostPort` when `hostNetwork` is true");
			at.index++;
		}
		element.index++;
	}
}

static bool
has_volume(const struct lp_json *spec, const char *name)
{
	lp_json_each(volume, lp_json_get(spec, "volumes"))
		if (lp_text_same(lp_json_str(volume, "name"), name))
			return true;
	return false;
}

static void
check_mounts(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	for (size_t i = 0; i < 2; i++) {
		struct lp_trail here = { .up = trail, .name = container_lists[i] }, element = { .up = &here };

		lp_json_each(container, lp_json_get(spec, container_lists[i])) {
			const struct lp_json *mounts = lp_json_get(container, "volumeMounts");
			struct lp_trail list = { .up = &element, .name = "volumeMounts" }, at = { .up = &list };

			lp_json_each(mount, mounts) {
				const struct lp_json *name = lp_json_get(mount, "name");

				if (!is_empty(name) && !has_volume(spec, lp_json_text(name)))
					lp_check_fault(faults, &at, "name", LP_FAULT_NOT_FOUND, name, NULL);
				if (stood_before(mounts, mount, "mountPath"))
					lp_check_fault(faults, &at, "mountPath", LP_FAULT_INVALID,
					    lp_json_get(mount, "mountPath"), "must be unique");
				at.index++;
			}
			element.index++;
		}
	}
}

static void
check_volume_names(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *list = lp_json_get(spec, "volumes");
	struct lp_trail here = { .up = trail, .name = "volumes" }, element = { .up = &here };

	lp_json_each(volume, list) {
		if (stood_before(list, volume, "name"))
			lp_check_fault(faults, &element, "name", LP_FAULT_DUPLICATE, lp_json_get(volume, "name"), NULL);
		element.index++;
	}
}

static void
check_spec(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	check_names(spec, trail, faults);
	check_host_ports(spec, trail, faults);
	check_volume_names(spec, trail, faults);
	check_mounts(spec, trail, faults);
	lp_check_probes(spec, trail, faults);
	if (lp_text_same(lp_json_str(spec, "dnsPolicy"), "None") &&
	    is_empty(lp_json_path(spec, "dnsConfig.nameservers"))) {
		struct lp_trail config = { .up = trail, .name = "dnsConfig" };

		lp_check_fault(faults, lp_json_get(spec, "dnsConfig") ? &config : trail,
		    lp_json_get(spec, "dnsConfig") ? "nameservers" : "dnsConfig", LP_FAULT_REQUIRED, NULL,
		    lp_json_get(spec, "dnsConfig") ? "must provide at least one DNS nameserver when `dnsPolicy` is None"
		                                   : "must provide `dnsConfig` when `dnsPolicy` is None");
	}
}

/* Exactly one kind of volume. */
static void
check_volume(const struct lp_json *volume, const struct lp_trail *trail, struct lp_faults *faults)
{
	size_t count = 0;

	lp_json_each(child, volume)
		if (strcmp(child->key, "name") != 0 && ++count > 1)
			lp_check_fault(faults, trail, child->key, LP_FAULT_FORBIDDEN, NULL,
			    "may not specify more than 1 volume type");
	if (count == 0)
		lp_check_fault(faults, trail, NULL, LP_FAULT_REQUIRED, NULL, "must specify a volume type");
	if (lp_json_get(volume, "secret") && is_empty(lp_json_path(volume, "secret.secretName"))) {
		struct lp_trail secret = { .up = trail, .name = "secret" };

		lp_check_fault(faults, &secret, "secretName", LP_FAULT_REQUIRED, NULL, NULL);
	}
	if (lp_json_get(volume, "configMap") && is_empty(lp_json_path(volume, "configMap.name"))) {
		struct lp_trail map = { .up = trail, .name = "configMap" };

		lp_check_fault(faults, &map, "name", LP_FAULT_REQUIRED, NULL, NULL);
	}
}

static void
check_toleration(const struct lp_json *toleration, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *operator = lp_json_get(toleration, "operator");
	bool exists = lp_text_same(lp_json_text(operator), "Exists");

	if (is_empty(lp_json_get(toleration, "key")) && !exists)
		lp_check_fault(faults, trail, "operator", LP_FAULT_INVALID, operator,
		    "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
	if (exists && !is_empty(lp_json_get(toleration, "value")))
		lp_check_fault(faults, trail, "operator", LP_FAULT_INVALID, toleration,
		    "value must be empty when `operator` is 'Exists'");
	if (lp_json_get(toleration, "tolerationSeconds") &&
	    !lp_text_same(lp_json_str(toleration, "effect"), "NoExecute"))
		lp_check_fault(faults, trail, "effect", LP_FAULT_INVALID, lp_json_get(toleration, "effect"),
		    "effect must be 'NoExecute' when `tolerationSeconds` is set");
}

/* Requirements of node selectors and label selectors. */
static void
check_requirement(const struct lp_json *requirement, const struct lp_trail *trail, struct lp_faults *faults)
{
	const char *operator = lp_json_str(requirement, "operator");
	size_t count = lp_json_count(lp_json_get(requirement, "values"));
	bool set = lp_text_same(operator, "In") || lp_text_same(operator, "NotIn");
	bool none = lp_text_same(operator, "Exists") || lp_text_same(operator, "DoesNotExist");

	if (set && count == 0)
		lp_check_fault(faults, trail, "values", LP_FAULT_REQUIRED, NULL,
		    "must be specified when `operator` is 'In' or 'NotIn'");
	if (none && count > 0)
		lp_check_fault(faults, trail, "values", LP_FAULT_FORBIDDEN, NULL,
		    "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
	if ((lp_text_same(operator, "Gt") || lp_text_same(operator, "Lt")) && count != 1)
		lp_check_fault(faults, trail, "values", LP_FAULT_REQUIRED, NULL,
		    "must be specified single value when `operator` is 'Lt' or 'Gt'");
}

void
lp_check_pod_object(
    enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (schema == LP_SCHEMA_pod_spec)
		check_spec(object, trail, faults);
	else if (schema == LP_SCHEMA_volume)
		check_volume(object, trail, faults);
	else if (schema == LP_SCHEMA_toleration)
		check_toleration(object, trail, faults);
	else if (schema == LP_SCHEMA_node_selector_requirement || schema == LP_SCHEMA_label_selector_requirement)
		check_requirement(object, trail, faults);
}

/* ---- what may change once the pod exists */

static bool
same(const struct lp_json *a, const struct lp_json *b)
{
	return (!a && !b) || (a && b && lp_json_equal(a, b));
}

/* Containers may change their image, nothing else. */
static bool
same_containers(const struct lp_json *list, const struct lp_json *old)
{
	struct lp_schema schema = lp_schema_get(LP_SCHEMA_container);
	const struct lp_json *b = lp_json_first(old);

	if (lp_json_count(list) != lp_json_count(old))
		return false;
	for (const struct lp_json *a = lp_json_first(list); a && b; a = a->next, b = b->next)
		for (size_t i = 0; i < schema.count; i++) {
			const char *name = lp_schema_field_name(&schema, &schema.fields[i]);

			if (strcmp(name, "image") != 0 && !same(lp_json_get(a, name), lp_json_get(b, name)))
				return false;
		}
	return true;
}

/* Every old toleration must still be there. */
static bool
only_added(const struct lp_json *list, const struct lp_json *old)
{
	lp_json_each(before, old) {
		bool found = false;

		lp_json_each(now, list)
			found |= lp_json_equal(now, before);
		if (!found)
			return false;
	}
	return true;
}

/* The annotations that name AppArmor profiles are as fixed as the fields that took their place. */
static void
check_notes_update(const struct lp_json *notes, const struct lp_json *old, struct lp_faults *faults)
{
	static const char path[] = "metadata.annotations[%s]";

	lp_json_each(before, old)
		if (lp_text_starts(before->key, LP_PODSECURITY_APPARMOR) && !same(lp_json_get(notes, before->key), before))
			lp_faults_add(faults, LP_FAULT_FORBIDDEN, lp_arena_printf(faults->arena, path, before->key), NULL,
			    "may not remove or update AppArmor annotations");
	lp_json_each(note, notes)
		if (lp_text_starts(note->key, LP_PODSECURITY_APPARMOR) && !lp_json_get(old, note->key))
			lp_faults_add(faults, LP_FAULT_FORBIDDEN, lp_arena_printf(faults->arena, path, note->key), NULL,
			    "may not add AppArmor annotations");
}

void
lp_check_pod_update(const struct lp_json *pod, const struct lp_json *old, struct lp_faults *faults)
{
	static const char words[] = "pod updates may not change fields other than `spec.containers[*].image`,"
				    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
				    "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
				    "previously negative)";
	struct lp_schema schema = lp_schema_get(LP_SCHEMA_pod_spec);
	const struct lp_json *spec = lp_json_get(pod, "spec"), *before = lp_json_get(old, "spec");

	check_notes_update(lp_json_path(pod, "metadata.annotations"), lp_json_path(old, "metadata.annotations"), faults);
	lp_check_deadline_update(spec, before, faults);
	for (size_t i = 0; i < schema.count; i++) {
		const struct lp_field *field = &schema.fields[i];
		const char *name = lp_schema_field_name(&schema, field);
		const struct lp_json *a = lp_json_get(spec, name), *b = lp_json_get(before, name);
		bool ok = same(a, b);

		if (!ok && field->schema == LP_SCHEMA_container)
			ok = same_containers(a, b);
		else if (!ok && strcmp(name, "tolerations") == 0)
			ok = only_added(a, b);
		else if (!ok && strcmp(name, "terminationGracePeriodSeconds") == 0)
			ok = lp_json_int(before, name, 0) < 0 && lp_json_int(spec, name, 0) == 1;
		else if (!ok)
			ok = !(field->flags & LP_FIXED);
		if (!ok) {
			const char *detail = lp_arena_printf(faults->arena, "%s; changed: spec.%s", words, name);

			lp_faults_add(faults, LP_FAULT_FORBIDDEN, "spec", NULL, detail ? detail : words);
			return;
		}
	}
}
