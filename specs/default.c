/*
 * specs/default.c - what Kubernetes fills in.
 *
 * A row's own default first; then, by schema, the defaults that depend on other fields. Quantities get their canonical form,
 * empty lists and maps go, as in a document that the API server gives back.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/quantity.h"
#include "specs/schema.h"

static void
set_preset(
    struct lp_arena *arena, struct lp_json *object, const char *name, const struct lp_field *field, const char *preset)
{
	int64_t number;

	switch ((enum lp_type)field->type) {
	case LP_TYPE_OBJECT:
		lp_json_set_object(arena, object, name);
		return;
	case LP_TYPE_INT32:
	case LP_TYPE_INT64:
		if (lp_text_i64(preset, INT64_MIN, INT64_MAX, &number) == 0)
			lp_json_set_int(arena, object, name, number);
		return;
	case LP_TYPE_BOOL:
		lp_json_set_bool(arena, object, name, strcmp(preset, "true") == 0);
		return;
	case LP_TYPE_STRING:
	case LP_TYPE_BYTES:
	case LP_TYPE_TIME:
	case LP_TYPE_MICROTIME:
	case LP_TYPE_QUANTITY:
	case LP_TYPE_INTSTR:
	case LP_TYPE_DOUBLE:
	case LP_TYPE_ANY:
		lp_json_set_str(arena, object, name, preset);
		return;
	}
}

static void
set_missing(struct lp_arena *arena, struct lp_json *object, const char *key, const char *text)
{
	const struct lp_json *old = lp_json_get(object, key);

	if (!old || (old->type == LP_JSON_STRING && old->len == 0))
		lp_json_set_str(arena, object, key, text);
}

/* A quantity in its canonical form, in place. */
static void
canonical_quantity(struct lp_arena *arena, struct lp_json *value)
{
	char text[LP_QUANTITY_TEXT];
	struct lp_quantity quantity;
	const char *was = value->type == LP_JSON_INT ? lp_arena_printf(arena, "%" PRId64, value->integer) : value->text;
	struct lp_json *fresh;

	if ((value->type != LP_JSON_STRING && value->type != LP_JSON_INT && value->type != LP_JSON_DOUBLE) ||
	    lp_quantity_parse(was, &quantity) < 0)
		return;			/* lp_parse_shape has the words for this */
	lp_quantity_print(&quantity, text);
	if (value->type == LP_JSON_STRING && strcmp(value->text, text) == 0)
		return;
	fresh = lp_json_new_str(arena, text);
	if (!fresh)
		return;
	value->type = LP_JSON_STRING;
	value->text = fresh->text;
	value->len = fresh->len;
}

/* ---- defaults that depend on other fields */

/* "Always" for the tag latest or none, else "IfNotPresent". */
static void
default_pull_policy(struct lp_arena *arena, struct lp_json *container)
{
	const char *image = lp_json_str(container, "image");
	const char *slash, *colon;

	if (!image || !*image || lp_json_str(container, "imagePullPolicy"))
		return;
	if (strchr(image, '@')) {
		lp_json_set_str(arena, container, "imagePullPolicy", "IfNotPresent");
		return;
	}
	slash = strrchr(image, '/');
	colon = strrchr(slash ? slash : image, ':');
	lp_json_set_str(
	    arena, container, "imagePullPolicy", !colon || strcmp(colon, ":latest") == 0 ? "Always" : "IfNotPresent");
}

/* What is limited but not requested is requested. */
static void
default_requests(struct lp_arena *arena, struct lp_json *container)
{
	struct lp_json *resources = lp_json_get(container, "resources"), *requests;

	lp_json_each(limit, lp_json_get(resources, "limits")) {
		requests = lp_json_need_object(arena, resources, "requests");
		if (!lp_json_get(requests, limit->key))
			lp_json_set(arena, requests, limit->key, lp_json_copy(arena, limit));
	}
}

static void
default_container(struct lp_arena *arena, struct lp_json *container)
{
	default_pull_policy(arena, container);
	default_requests(arena, container);
}

static void
default_volume(struct lp_arena *arena, struct lp_json *volume)
{
	lp_json_each(child, volume)
		if (strcmp(child->key, "name") != 0)
			return;
	lp_json_set_object(arena, volume, "emptyDir");
}

static void
default_pod_spec(struct lp_arena *arena, struct lp_json *spec)
{
	static const char *const lists[] = { "containers", "initContainers" };
	const char *account = lp_json_str(spec, "serviceAccountName"), *old = lp_json_str(spec, "serviceAccount");

	if (account && *account)
		lp_json_set_str(arena, spec, "serviceAccount", account);
	else if (old && *old)
		lp_json_set_str(arena, spec, "serviceAccountName", old);
	if (!lp_json_bool(spec, "hostNetwork", false))
		return;
	for (size_t i = 0; i < 2; i++)
		lp_json_each(container, lp_json_get(spec, lists[i]))
			lp_json_each(port, lp_json_get(container, "ports"))
				if (lp_json_int(port, "hostPort", 0) == 0 && lp_json_get(port, "containerPort"))
					lp_json_set_int(arena, port, "hostPort", lp_json_int(port, "containerPort", 0));
}

static void
default_toleration(struct lp_arena *arena, struct lp_json *spec, const char *key)
{
	struct lp_json *list, *entry;

	lp_json_each(toleration, lp_json_get(spec, "tolerations")) {
		const char *effect = lp_json_str(toleration, "effect"), *of = lp_json_str(toleration, "key");

		if ((!effect || !*effect || strcmp(effect, "NoExecute") == 0) && (!of || !*of || strcmp(of, key) == 0))
			return;
	}
	list = lp_json_need_array(arena, spec, "tolerations");
	entry = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, entry, "key", key);
	lp_json_set_str(arena, entry, "operator", "Exists");
	lp_json_set_str(arena, entry, "effect", "NoExecute");
	lp_json_set_int(arena, entry, "tolerationSeconds", 300);
}

const char *
lp_default_quality(const struct lp_json *spec)
{
	static const char *const lists[] = { "initContainers", "containers" };
	static const char *const names[] = { "cpu", "memory" };
	bool guaranteed = true, named = false;

	for (size_t i = 0; i < 2; i++)
		lp_json_each(container, lp_json_get(spec, lists[i]))
			for (size_t r = 0; r < 2; r++) {
				const struct lp_json *limit =
				    lp_json_get(lp_json_path(container, "resources.limits"), names[r]);
				const struct lp_json *request =
				    lp_json_get(lp_json_path(container, "resources.requests"), names[r]);

				named |= limit || request;
				guaranteed &= limit && (!request || lp_json_equal(limit, request));
			}
	return !named ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

static void
default_pod(struct lp_arena *arena, struct lp_json *pod)
{
	struct lp_json *spec = lp_json_get(pod, "spec"), *status;

	if (!spec || spec->type != LP_JSON_OBJECT)
		return;
	set_missing(arena, spec, "serviceAccountName", "default");
	set_missing(arena, spec, "serviceAccount", lp_json_str(spec, "serviceAccountName"));
	if (!lp_json_get(spec, "enableServiceLinks"))
		lp_json_set_bool(arena, spec, "enableServiceLinks", true);
	if (!lp_json_get(spec, "priority"))
		lp_json_set_int(arena, spec, "priority", 0);
	set_missing(arena, spec, "preemptionPolicy", "PreemptLowerPriority");
	default_toleration(arena, spec, "node.kubernetes.io/not-ready");
	default_toleration(arena, spec, "node.kubernetes.io/unreachable");
	status = lp_json_need_object(arena, pod, "status");
	set_missing(arena, status, "phase", "Pending");
	set_missing(arena, status, "qosClass", lp_default_quality(spec));
}

static void
default_service_families(struct lp_arena *arena, struct lp_json *spec)
{
	if (!lp_json_get(spec, "ipFamilies"))
		lp_json_append(arena, lp_json_set_array(arena, spec, "ipFamilies"), lp_json_new_str(arena, "IPv4"));
	set_missing(arena, spec, "ipFamilyPolicy", "SingleStack");
	set_missing(arena, spec, "internalTrafficPolicy", "Cluster");
}

static void
default_service_spec(struct lp_arena *arena, struct lp_json *spec)
{
	const char *type = lp_json_str(spec, "type"), *affinity = lp_json_str(spec, "sessionAffinity");
	bool outside = lp_text_same(type, "NodePort") || lp_text_same(type, "LoadBalancer");

	if (outside)
		set_missing(arena, spec, "externalTrafficPolicy", "Cluster");
	if (lp_text_same(type, "LoadBalancer") && !lp_json_get(spec, "allocateLoadBalancerNodePorts"))
		lp_json_set_bool(arena, spec, "allocateLoadBalancerNodePorts", true);
	if (outside || lp_text_same(type, "ClusterIP"))
		default_service_families(arena, spec);
	if (lp_text_same(affinity, "ClientIP") && !lp_json_path(spec, "sessionAffinityConfig.clientIP.timeoutSeconds"))
		lp_json_set_int(arena,
		    lp_json_need_object(arena, lp_json_need_object(arena, spec, "sessionAffinityConfig"), "clientIP"),
		    "timeoutSeconds", 10800);
	else if (lp_text_same(affinity, "None"))
		lp_json_remove(spec, "sessionAffinityConfig");
	lp_json_each(port, lp_json_get(spec, "ports")) {
		const struct lp_json *target = lp_json_get(port, "targetPort");
		bool empty = target && ((target->type == LP_JSON_INT && target->integer == 0) ||
		    (target->type == LP_JSON_STRING && target->len == 0));

		if ((!target || empty) && lp_json_get(port, "port"))
			lp_json_set_int(arena, port, "targetPort", lp_json_int(port, "port", 0));
		if (port->type == LP_JSON_OBJECT && lp_json_get(port, "nodePort") &&
		    lp_json_int(port, "nodePort", 1) == 0)
			lp_json_remove(port, "nodePort");
	}
}

/* stringData is a way to write data: encode it and forget it. */
static void
default_secret(struct lp_arena *arena, struct lp_json *secret)
{
	struct lp_json *data;

	lp_json_each(entry, lp_json_get(secret, "stringData")) {
		lp_auto_buf struct lp_buf text = { 0 };

		if (entry->type != LP_JSON_STRING)
			continue;
		lp_buf_init(&text, 4 << 20);
		if (lp_text_base64_encode(&text, entry->text, entry->len) < 0) {
			arena->failed = true;
			return;
		}
		data = lp_json_need_object(arena, secret, "data");
		lp_json_set_str(arena, data, entry->key, lp_buf_text(&text));
	}
	lp_json_remove(secret, "stringData");
}

static void
default_namespace(struct lp_arena *arena, struct lp_json *namespace)
{
	struct lp_json *spec, *labels;

	if (*lp_object_name(namespace)) {
		labels = lp_json_need_object(arena, lp_json_need_object(arena, namespace, "metadata"), "labels");
		set_missing(arena, labels, "kubernetes.io/metadata.name", lp_object_name(namespace));
	}
	if (lp_object_deleting(namespace))
		return;			/* what is being deleted may lose its finalizers */
	spec = lp_json_need_object(arena, namespace, "spec");
	if (!lp_json_get(spec, "finalizers"))
		lp_json_append(
		    arena, lp_json_set_array(arena, spec, "finalizers"), lp_json_new_str(arena, "kubernetes"));
	set_missing(arena, lp_json_need_object(arena, namespace, "status"), "phase", "Active");
}

static void
set_absent(struct lp_arena *arena, struct lp_json *object, const char *key)
{
	if (!lp_json_get(object, key))
		lp_json_set_str(arena, object, key, "");
}

static void
default_schema(struct lp_arena *arena, enum lp_schema_id id, struct lp_json *object)
{
	if (id == LP_SCHEMA_container || id == LP_SCHEMA_ephemeral_container)
		default_container(arena, object);
	else if (id == LP_SCHEMA_volume)
		default_volume(arena, object);
	else if (id == LP_SCHEMA_pod_spec)
		default_pod_spec(arena, object);
	else if (id == LP_SCHEMA_pod)
		default_pod(arena, object);
	else if (id == LP_SCHEMA_service_spec)
		default_service_spec(arena, object);
	else if (id == LP_SCHEMA_service)
		lp_json_need_object(arena, lp_json_need_object(arena, object, "status"), "loadBalancer");
	else if (id == LP_SCHEMA_secret)
		default_secret(arena, object);
	else if (id == LP_SCHEMA_namespace)
		default_namespace(arena, object);
	else if (id == LP_SCHEMA_persistent_volume || id == LP_SCHEMA_persistent_volume_claim)
		set_missing(arena, lp_json_need_object(arena, object, "status"), "phase", "Pending");
	else if (id == LP_SCHEMA_host_path)
		set_absent(arena, object, "type");
	else if (id == LP_SCHEMA_slice_port)
		set_absent(arena, object, "name");
	else if (id == LP_SCHEMA_grpc_action)
		set_absent(arena, object, "service");
}

/* ---- the walk */

static void default_members(struct lp_arena *arena, enum lp_schema_id id, struct lp_json *object);

static void
default_field(struct lp_arena *arena, const struct lp_field *field, struct lp_json *value)
{
	if (field->shape == LP_SHAPE_ONE && field->type == LP_TYPE_OBJECT) {
		default_members(arena, field->schema, value);
	} else if (field->shape == LP_SHAPE_LIST && field->type == LP_TYPE_OBJECT) {
		lp_json_each(child, value)
			default_members(arena, field->schema, child);
	} else if (field->type == LP_TYPE_QUANTITY) {
		if (field->shape == LP_SHAPE_ONE)
			canonical_quantity(arena, value);
		lp_json_each(child, field->shape == LP_SHAPE_ONE ? NULL : value)
			canonical_quantity(arena, child);
	}
}

static void
default_members(struct lp_arena *arena, enum lp_schema_id id, struct lp_json *object)
{
	struct lp_schema schema = lp_schema_get(id);
	struct lp_json *next;

	if (!object || object->type != LP_JSON_OBJECT)
		return;
	for (struct lp_json *child = lp_json_first(object); child; child = next) {
		const struct lp_field *field = lp_schema_find(&schema, child->key);

		next = child->next;
		if (!field)
			continue;
		if (field->shape != LP_SHAPE_ONE && (child->type == LP_JSON_ARRAY || child->type == LP_JSON_OBJECT) &&
		    child->len == 0)
			lp_json_remove_child(object, child);
		else
			default_field(arena, field, child);
	}
	for (size_t i = 0; i < schema.count; i++) {
		const char *preset = lp_schema_field_preset(&schema, &schema.fields[i]);
		const char *name = lp_schema_field_name(&schema, &schema.fields[i]);
		const struct lp_json *old = *preset ? lp_json_get(object, name) : NULL;

		if (*preset && (!old || (old->type == LP_JSON_STRING && old->len == 0)))
			set_preset(arena, object, name, &schema.fields[i], preset);
	}
	default_schema(arena, id, object);
}

int
lp_default_object(struct lp_arena *arena, const struct lp_kind *kind, struct lp_json *object, struct lp_err *err)
{
	default_members(arena, kind->schema, object);
	return arena->failed ? lp_err_set(err, -ENOMEM, "fill in defaults") : 0;
}
