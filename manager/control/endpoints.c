/*
 * manager/control/endpoints.c - pure: who answers for a service, as Endpoints and as EndpointSlices.
 *
 * Endpoints  of services with a selector are made here and carry MANAGED; those without are the user's (or services.c's)
 * Slices     of every service that has Endpoints, at most SLICE_MAX addresses each, named after the service and their place
 * Who        pods with an address that are not over; ready ones in `addresses`; one that is being deleted only in the slices
 */
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/map.h"
#include "base/text.h"
#include "manager/control/control.h"
#include "manager/look/place.h"
#include "specs/object.h"
#include "specs/selector.h"

#define MANAGED "endpoints.kubernetes.io/managed-by"
#define MANAGER "endpoint-controller"
#define SLICE_MANAGED "endpointslice.kubernetes.io/managed-by"
#define SLICE_MANAGER "endpointslice-controller.k8s.io"
#define SERVICE_NAME "kubernetes.io/service-name"
#define HEADLESS "service.kubernetes.io/headless"
#define SLICE_MAX 100

/* ---- subsets of one service */

/* The port of this pod that a service port means; 0 when the pod has no port of that name. */
static int64_t
target_port(const struct lp_json *pod, const struct lp_json *port)
{
	const struct lp_json *target = lp_json_get(port, "targetPort");
	const char *protocol = lp_json_str(port, "protocol");

	if (!target)
		return lp_json_int(port, "port", 0);
	if (target->type == LP_JSON_INT)
		return target->integer;
	lp_json_each(container, lp_json_path(pod, "spec.containers"))
		lp_json_each(own, lp_json_get(container, "ports")) {
			const char *of = lp_json_str(own, "protocol");

			if (lp_text_same(lp_json_str(own, "name"), lp_json_text(target)) &&
			    strcmp(of ? of : "TCP", protocol ? protocol : "TCP") == 0)
				return lp_json_int(own, "containerPort", 0);
		}
	return 0;
}

/* The ports of the service as this pod has them. */
static struct lp_json *
ports_of(struct lp_arena *arena, const struct lp_json *service, const struct lp_json *pod)
{
	struct lp_json *list = lp_json_new(arena, LP_JSON_ARRAY);

	lp_json_each(port, lp_json_path(service, "spec.ports")) {
		int64_t number = target_port(pod, port);
		const char *name = lp_json_str(port, "name"), *protocol = lp_json_str(port, "protocol");
		struct lp_json *entry;

		if (number == 0)
			continue;
		entry = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));
		if (name && *name)
			lp_json_set_str(arena, entry, "name", name);
		lp_json_set_int(arena, entry, "port", number);
		lp_json_set_str(arena, entry, "protocol", protocol ? protocol : "TCP");
	}
	return list;
}

static struct lp_json *
address_of(struct lp_arena *arena, const struct lp_cached *cached, const struct lp_json *pod, const char *service)
{
	struct lp_json *address = lp_json_new(arena, LP_JSON_OBJECT), *target;
	const char *hostname = lp_json_str(pod, "spec.hostname");

	lp_json_set_str(arena, address, "ip", lp_json_str(pod, "status.podIP"));
	if (hostname && *hostname && lp_text_same(lp_json_str(pod, "spec.subdomain"), service))
		lp_json_set_str(arena, address, "hostname", hostname);
	lp_json_set_str(arena, address, "nodeName", cached->node);
	target = lp_json_set_object(arena, address, "targetRef");
	lp_json_set_str(arena, target, "kind", "Pod");
	lp_json_set_str(arena, target, "namespace", cached->namespace);
	lp_json_set_str(arena, target, "name", cached->name);
	lp_json_set_str(arena, target, "uid", cached->uid);
	return address;
}

/* Puts the address where it belongs: into the subset with its ports, in the order of addresses. */
static void
add_address(struct lp_arena *arena, struct lp_json *subsets, struct lp_json *ports, const char *list_name,
    struct lp_json *address)
{
	struct lp_json *subset = NULL;

	lp_json_each(there, subsets) {
		const struct lp_json *own = lp_json_get(there, "ports");

		if ((!own && lp_json_count(ports) == 0) || (own && lp_json_equal(own, ports)))
			subset = there;
	}
	if (!subset) {
		subset = lp_json_append(arena, subsets, lp_json_new(arena, LP_JSON_OBJECT));
		if (lp_json_count(ports) > 0)
			lp_json_set(arena, subset, "ports", ports);
	}
	lp_json_append(arena, lp_json_need_array(arena, subset, list_name), address);
}

static bool
serves(const struct lp_cached *cached, const struct lp_json *pod)
{
	const char *ip = lp_json_str(pod, "status.podIP");

	return cached->node && ip && *ip && lp_place_active(pod);
}

/* ---- pods by one of their labels, made once per look: services then need not see every pod */

struct labelled {
	struct labelled *next;
	struct lp_cached *pod;
};

/* Ends of a list of pods that share a label. */
struct bucket {
	struct labelled *first, *last;
};

static void
index_label(struct lp_arena *arena, struct lp_map *index, struct lp_cached *cached, const char *key, const char *value)
{
	const char *name = lp_arena_printf(arena, "%s/%s=%s", cached->namespace, key, value);
	struct bucket *bucket = name ? lp_map_get(index, name) : NULL;
	struct labelled *entry = lp_arena_alloc(arena, sizeof(*entry));

	if (!name || !entry)
		return;			/* the arena has failed: the look is thrown away */
	entry->pod = cached;
	if (!bucket) {
		bucket = lp_arena_alloc(arena, sizeof(*bucket));
		if (!bucket || lp_map_put(index, name, bucket, NULL) < 0) {
			arena->failed = true;
			return;
		}
		bucket->first = entry;
	} else {
		bucket->last->next = entry;
	}
	bucket->last = entry;
}

static void
index_pods(const struct lp_look *look, struct lp_map *index)
{
	size_t count;
	struct lp_cached *const *pods = lp_cache_list(look->cache, lp_kind_find("v1", "Pod"), NULL, &count);

	for (size_t i = 0; i < count; i++) {
		const struct lp_json *pod = pods[i]->node ? lp_cached_json(pods[i]) : NULL;

		if (pod && serves(pods[i], pod))
			lp_json_each(label, lp_object_labels(pod))
				if (label->type == LP_JSON_STRING)
					index_label(look->arena, index, pods[i], label->key, label->text);
	}
}

/* What the selector of the service finds; pods that are being deleted stand under "terminating". */
static struct lp_json *
find_subsets(const struct lp_look *look, const struct lp_map *index, const struct lp_cached *cached,
    const struct lp_json *service)
{
	struct lp_json *subsets = lp_json_new(look->arena, LP_JSON_ARRAY);
	const struct lp_json *first = lp_json_first(lp_json_path(service, "spec.selector"));
	const char *name = lp_arena_printf(
	    look->arena, "%s/%s=%s", cached->namespace, first->key, lp_json_text(first) ? lp_json_text(first) : "");
	const struct bucket *bucket = name ? lp_map_get(index, name) : NULL;
	bool unready_too = lp_json_bool(service, "spec.publishNotReadyAddresses", false);
	struct lp_selector selector;

	if (lp_selector_map(look->arena, lp_json_path(service, "spec.selector"), &selector, NULL) < 0)
		return subsets;
	for (const struct labelled *entry = bucket ? bucket->first : NULL; entry; entry = entry->next) {
		const struct lp_json *pod = lp_cached_json(entry->pod);
		const char *list;

		if (!pod || !lp_selector_match_labels(&selector, lp_object_labels(pod)))
			continue;
		list = unready_too || lp_object_condition_true(pod, "Ready") ? "addresses" : "notReadyAddresses";
		if (entry->pod->deleting)
			list = "terminating";
		add_address(look->arena, subsets, ports_of(look->arena, service, pod), list,
		    address_of(look->arena, entry->pod, pod, cached->name));
	}
	return subsets;
}

/* ---- Endpoints */

static struct lp_json *
without_terminating(struct lp_arena *arena, const struct lp_json *subsets)
{
	struct lp_json *copy = lp_json_copy(arena, subsets), *next;

	for (struct lp_json *subset = lp_json_first(copy); subset; subset = next) {
		next = subset->next;
		lp_json_remove(subset, "terminating");
		if (!lp_json_get(subset, "addresses") && !lp_json_get(subset, "notReadyAddresses"))
			lp_json_remove_child(copy, subset);
	}
	return copy;
}

static struct lp_json *
labels_for(struct lp_arena *arena, const struct lp_json *service)
{
	struct lp_json *labels = lp_json_copy(arena, lp_object_labels(service));

	if (!labels)
		labels = lp_json_new(arena, LP_JSON_OBJECT);
	lp_json_set_str(arena, labels, MANAGED, MANAGER);
	if (lp_text_same(lp_json_str(service, "spec.clusterIP"), "None"))
		lp_json_set_str(arena, labels, HEADLESS, "");
	return labels;
}

static bool
same(const struct lp_json *a, const struct lp_json *b)
{
	if (lp_json_count(a) == 0 && lp_json_count(b) == 0)
		return true;
	return a && b && lp_json_equal(a, b);
}

static void
write_endpoints(
    const struct lp_look *look, struct lp_writes *writes, struct lp_cached *service, const struct lp_json *subsets)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Endpoints");
	struct lp_cached *cached = lp_cache_find(look->cache, kind, service->namespace, service->name);
	const struct lp_json *old = cached ? lp_cached_json(cached) : NULL;
	struct lp_json *labels = labels_for(look->arena, lp_cached_json(service));
	struct lp_json *wanted = without_terminating(look->arena, subsets), *object;

	if (cached && cached->deleting)
		return;
	if (old && same(lp_json_get(old, "subsets"), wanted) && same(lp_object_labels(old), labels))
		return;
	object =
	    old ? lp_json_copy(look->arena, old) : lp_object_new(look->arena, kind, service->namespace, service->name);
	if (!object)
		return;
	lp_json_set(look->arena, lp_json_need_object(look->arena, object, "metadata"), "labels", labels);
	lp_json_remove(object, "subsets");
	if (lp_json_count(wanted) > 0)
		lp_json_set(look->arena, object, "subsets", wanted);
	if (old)
		lp_writes_update(writes, kind, object);
	else
		lp_writes_create(writes, kind, object);
}

/* ---- EndpointSlices */

/* Slices that a service should have, one after the other. */
struct slices {
	const struct lp_look *look;
	struct lp_writes *writes;
	const struct lp_cached *service;
	const struct lp_json *object;	/* of the service */
	struct lp_json *endpoints;	/* of the slice under construction; NULL when none is */
	const struct lp_json *ports;
	size_t count;			/* of slices finished */
};

static const char *
slice_name(const struct slices *slices, size_t index)
{
	uint8_t bytes[5];
	uint64_t mixed = 1469598103934665603u + index;

	for (const char *c = slices->service->uid; *c; c++)
		mixed = (mixed ^ (uint8_t)*c) * 1099511628211u;
	mixed = (mixed ^ index) * 1099511628211u;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(mixed >> (8 * i + 8));
	return lp_object_generate(
	    slices->look->arena, lp_arena_printf(slices->look->arena, "%s-", slices->service->name), bytes);
}

static void
finish_slice(struct slices *slices)
{
	const struct lp_kind *kind = lp_kind_find("discovery.k8s.io/v1", "EndpointSlice");
	struct lp_arena *arena = slices->look->arena;
	const char *name = slice_name(slices, slices->count);
	struct lp_cached *cached =
	    name ? lp_cache_find(slices->look->cache, kind, slices->service->namespace, name) : NULL;
	const struct lp_json *old = cached ? lp_cached_json(cached) : NULL;
	struct lp_json *object, *labels, *ports = lp_json_new(arena, LP_JSON_ARRAY);

	slices->count++;
	lp_json_each(port, slices->ports) {
		struct lp_json *copy = lp_json_append(arena, ports, lp_json_copy(arena, port));

		if (!lp_json_get(copy, "name"))
			lp_json_set_str(arena, copy, "name", "");
	}
	if (!name || (cached && cached->deleting) ||
	    (old && same(lp_json_get(old, "endpoints"), slices->endpoints) && same(lp_json_get(old, "ports"), ports)))
		return;
	object = old ? lp_json_copy(arena, old) : lp_object_new(arena, kind, slices->service->namespace, name);
	if (!object)
		return;
	labels = lp_json_need_object(arena, lp_json_need_object(arena, object, "metadata"), "labels");
	lp_json_set_str(arena, labels, SERVICE_NAME, slices->service->name);
	lp_json_set_str(arena, labels, SLICE_MANAGED, SLICE_MANAGER);
	if (!lp_json_path(object, "metadata.ownerReferences"))
		lp_json_append(arena, lp_json_set_array(arena, lp_json_get(object, "metadata"), "ownerReferences"),
		    lp_object_owner(arena, slices->object));
	lp_json_set_str(arena, object, "addressType", "IPv4");
	lp_json_set(arena, object, "endpoints", slices->endpoints);
	lp_json_set(arena, object, "ports", ports);
	if (old)
		lp_writes_update(slices->writes, kind, object);
	else
		lp_writes_create(slices->writes, kind, object);
}

static void
add_endpoint(struct slices *slices, const struct lp_json *address, bool ready, bool terminating)
{
	struct lp_arena *arena = slices->look->arena;
	struct lp_json *endpoint, *conditions;
	static const char *const copied[] = { "hostname", "nodeName", "targetRef" };

	if (slices->endpoints && slices->endpoints->len >= SLICE_MAX) {
		finish_slice(slices);
		slices->endpoints = NULL;
	}
	if (!slices->endpoints)
		slices->endpoints = lp_json_new(arena, LP_JSON_ARRAY);
	endpoint = lp_json_append(arena, slices->endpoints, lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_append(
	    arena, lp_json_set_array(arena, endpoint, "addresses"), lp_json_new_str(arena, lp_json_str(address, "ip")));
	conditions = lp_json_set_object(arena, endpoint, "conditions");
	lp_json_set_bool(arena, conditions, "ready", ready && !terminating);
	lp_json_set_bool(arena, conditions, "serving", ready);
	lp_json_set_bool(arena, conditions, "terminating", terminating);
	for (size_t i = 0; i < lp_count(copied); i++) {
		const struct lp_json *value = lp_json_get(address, copied[i]);

		if (value)
			lp_json_set(arena, endpoint, copied[i], lp_json_copy(arena, value));
	}
}

/* Slices beyond those that are needed go. */
static void
remove_rest(const struct slices *slices)
{
	const struct lp_kind *kind = lp_kind_find("discovery.k8s.io/v1", "EndpointSlice");
	size_t count;
	struct lp_cached *const *owned =
	    lp_cache_indexed(slices->look->cache, LP_CACHE_BY_OWNER, slices->service->uid, &count);

	for (size_t i = 0; i < count; i++) {
		bool needed = owned[i]->kind != kind || owned[i]->deleting;

		for (size_t index = 0; !needed && index < slices->count; index++)
			needed = lp_text_same(slice_name(slices, index), owned[i]->name);
		if (!needed)
			lp_writes_delete(slices->writes, owned[i], 0);
	}
}

static void
write_slices(const struct lp_look *look, struct lp_writes *writes, const struct lp_cached *service,
    const struct lp_json *object, const struct lp_json *subsets)
{
	struct slices slices = { .look = look, .writes = writes, .service = service, .object = object };

	lp_json_each(subset, subsets) {
		slices.endpoints = NULL;
		slices.ports = lp_json_get(subset, "ports");
		lp_json_each(address, lp_json_get(subset, "addresses"))
			add_endpoint(&slices, address, true, false);
		lp_json_each(address, lp_json_get(subset, "notReadyAddresses"))
			add_endpoint(&slices, address, false, false);
		lp_json_each(address, lp_json_get(subset, "terminating"))
			add_endpoint(&slices, address, true, true);
		if (slices.endpoints)
			finish_slice(&slices);
	}
	if (slices.count == 0) {
		slices.endpoints = lp_json_new(look->arena, LP_JSON_ARRAY);
		slices.ports = NULL;
		finish_slice(&slices);
	}
	remove_rest(&slices);
}

/* ---- all services */

static void
one_service(const struct lp_look *look, struct lp_writes *writes, const struct lp_map *index, struct lp_cached *cached)
{
	const struct lp_json *service = lp_cached_json(cached), *subsets;
	struct lp_cached *by_hand;

	if (cached->deleting || !service || lp_text_same(lp_json_str(service, "spec.type"), "ExternalName"))
		return;
	if (lp_json_count(lp_json_path(service, "spec.selector")) > 0) {
		subsets = find_subsets(look, index, cached, service);
		write_endpoints(look, writes, cached, subsets);
		write_slices(look, writes, cached, service, subsets);
		return;
	}
	by_hand = lp_cache_find(look->cache, lp_kind_find("v1", "Endpoints"), cached->namespace, cached->name);
	if (by_hand)
		write_slices(look, writes, cached, service, lp_json_get(lp_cached_json(by_hand), "subsets"));
}

/* Is there a service that these Endpoints or this slice belong to? */
static bool
has_service(const struct lp_look *look, const char *namespace, const char *name)
{
	return name && lp_cache_find(look->cache, lp_kind_find("v1", "Service"), namespace, name);
}

static void
remove_orphans(const struct lp_look *look, struct lp_writes *writes)
{
	size_t count;
	struct lp_cached *const *list = lp_cache_list(look->cache, lp_kind_find("v1", "Endpoints"), NULL, &count);

	for (size_t i = 0; i < count; i++)
		if (!list[i]->deleting && !has_service(look, list[i]->namespace, list[i]->name) &&
		    lp_text_same(lp_object_label(lp_cached_json(list[i]), MANAGED), MANAGER))
			lp_writes_delete(writes, list[i], 0);
	list = lp_cache_list(look->cache, lp_kind_find("discovery.k8s.io/v1", "EndpointSlice"), NULL, &count);
	for (size_t i = 0; i < count; i++) {
		const struct lp_json *slice = list[i]->deleting ? NULL : lp_cached_json(list[i]);

		if (lp_text_same(lp_object_label(slice, SLICE_MANAGED), SLICE_MANAGER) &&
		    !has_service(look, list[i]->namespace, lp_object_label(slice, SERVICE_NAME)))
			lp_writes_delete(writes, list[i], 0);
	}
}

void
lp_endpoints_control(const struct lp_look *look, struct lp_writes *writes)
{
	struct lp_map index;
	size_t count;
	struct lp_cached *const *services = lp_cache_list(look->cache, lp_kind_find("v1", "Service"), NULL, &count);

	lp_map_init(&index);
	index_pods(look, &index);
	for (size_t i = 0; i < count; i++)
		one_service(look, writes, &index, services[i]);
	lp_map_fini(&index);
	remove_orphans(look, writes);
}
