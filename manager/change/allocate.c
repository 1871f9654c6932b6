#include "manager/change/allocate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/map.h"
#include "base/seam.h"
#include "base/text.h"
#include "specs/object.h"

enum { KEY_TEXT = 48 };

/* Who has a value: a stored object, or a change under way, or both. */
struct holder {
	struct lp_change *change;	/* weak; the last one that took it; NULL none */
	char taking[LP_UUID_TEXT];	/* uid of the object that this change is about */
	char stored[LP_UUID_TEXT];	/* uid of the object; "" none */
};

struct lp_allocate {
	struct lp_manager *manager;
	uint32_t first_part;		/* parts of the pod range before this one are taken */
	struct lp_map held;		/* "ip 10.43.0.5", "port 30001", "cidr 10.42.3.0/24" -> struct holder */
	struct lp_cache_observer observer;
};

/* ---- the table */

static struct holder *
holder_need(struct lp_allocate *allocate, const char *key)
{
	struct holder *holder = lp_map_get(&allocate->held, key);

	if (holder)
		return holder;
	holder = lp_seam.alloc(sizeof(*holder));
	if (holder && lp_map_put(&allocate->held, key, holder, NULL) < 0) {
		free(holder);
		return NULL;
	}
	return holder;
}

static void
holder_check(struct lp_allocate *allocate, const char *key, struct holder *holder)
{
	if (holder->change || *holder->stored)
		return;
	lp_map_remove(&allocate->held, key);
	free(holder);
	if (strncmp(key, "cidr ", 5) == 0)
		allocate->first_part = 0;
}

/* Call fn with every value that a stored object holds. */
typedef int (*value_fn)(struct lp_allocate *allocate, const char *key, const char *uid);

static int
each_value(struct lp_allocate *allocate, struct lp_cached *object, value_fn fn)
{
	bool node = strcmp(object->kind->kind, "Node") == 0, service = strcmp(object->kind->kind, "Service") == 0;
	const struct lp_json *spec = node || service ? lp_json_get(lp_cached_json(object), "spec") : NULL;
	char key[KEY_TEXT];
	int rc = 0;

	if (node) {
		const char *cidr = lp_json_str(spec, "podCIDR");

		(void)snprintf(key, sizeof(key), "cidr %s", cidr ? cidr : "");
		return cidr ? fn(allocate, key, object->uid) : 0;
	}
	lp_json_each (ip, lp_json_get(spec, "clusterIPs")) {
		const char *text = lp_json_text(ip);

		(void)snprintf(key, sizeof(key), "ip %s", text ? text : "");
		if (text && strcmp(text, "None") != 0 && rc == 0)
			rc = fn(allocate, key, object->uid);
	}
	lp_json_each (port, lp_json_get(spec, "ports")) {
		int64_t number = lp_json_int(port, "nodePort", 0);

		(void)snprintf(key, sizeof(key), "port %d", (int)number);
		if (number > 0 && rc == 0)
			rc = fn(allocate, key, object->uid);
	}
	return rc;
}

static int
value_stored(struct lp_allocate *allocate, const char *key, const char *uid)
{
	struct holder *holder = holder_need(allocate, key);

	if (!holder)
		return -ENOMEM;
	(void)snprintf(holder->stored, sizeof(holder->stored), "%s", uid);
	return 0;
}

static int
value_gone(struct lp_allocate *allocate, const char *key, const char *uid)
{
	struct holder *holder = lp_map_get(&allocate->held, key);

	if (holder && strcmp(holder->stored, uid) == 0) {
		*holder->stored = '\0';
		holder_check(allocate, key, holder);
	}
	return 0;
}

static void
changed(struct lp_cache_observer *observer, const struct lp_cache_event *event)
{
	struct lp_allocate *allocate = lp_of(observer, struct lp_allocate, observer);
	struct lp_err err;

	if (event->old)
		(void)each_value(allocate, event->old, value_gone);	/* value_gone never fails */
	if (event->new && each_value(allocate, event->new, value_stored) < 0) {
		lp_err_set(&err, -ENOMEM, "remember addresses of %s", event->new->name);
		lp_manager_fail(allocate->manager, &err);
	}
}

/* Take a value for this change of the object `uid`. False: another object has it. */
static bool
take(struct lp_change *change, const char *key, const char *uid)
{
	struct lp_allocate *allocate = change->manager->allocate;
	struct lp_change_taken *taken;
	struct holder *holder = lp_map_get(&allocate->held, key);

	if (holder && ((*holder->stored && strcmp(holder->stored, uid) != 0) ||
	    (holder->change && strcmp(holder->taking, uid) != 0)))
		return false;
	if (holder && holder->change == change)
		return true;
	taken = lp_arena_alloc(&change->arena, sizeof(*taken));
	holder = holder_need(allocate, key);
	if (!taken || !holder || !(taken->key = lp_arena_str(&change->arena, key))) {
		change->arena.failed = true;	/* the change ends with "out of memory" */
		if (holder)
			holder_check(allocate, key, holder);
		return true;
	}
	holder->change = change;
	(void)snprintf(holder->taking, sizeof(holder->taking), "%s", uid);
	taken->next = change->taken;
	change->taken = taken;
	return true;
}

void
lp_allocate_release(struct lp_change *change)
{
	struct lp_allocate *allocate = change->manager->allocate;

	for (struct lp_change_taken *taken = change->taken; taken; taken = taken->next) {
		struct holder *holder = lp_map_get(&allocate->held, taken->key);

		if (holder && holder->change == change) {
			holder->change = NULL;
			holder_check(allocate, taken->key, holder);
		}
	}
	change->taken = NULL;
}

/* ---- services */

/* Where the search begins: the same name tends to get the same value. */
static uint32_t
start_at(const struct lp_change *change, uint32_t range)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "%s/%s", change->namespace, change->name);
	return range ? lp_map_hash(text, strlen(text)) % range : 0;
}

static bool
find_address(struct lp_change *change, const char *uid, char out[static LP_TEXT_IPV4])
{
	const struct lp_settings *settings = &change->manager->settings;
	uint32_t size = settings->service_prefix >= 31 ? 0 : (UINT32_C(1) << (32 - settings->service_prefix)) - 2;
	uint32_t start = start_at(change, size);
	char key[KEY_TEXT];

	for (uint32_t i = 0; i < size; i++) {
		uint32_t offset = 1 + (start + i) % size;

		if (offset == 1 || offset == 10)
			continue;
		lp_text_ipv4_print(settings->service_net + offset, out);
		(void)snprintf(key, sizeof(key), "ip %s", out);
		if (take(change, key, uid))
			return true;
	}
	return false;
}

static bool
in_service_range(const struct lp_settings *settings, const char *text)
{
	uint32_t address, mask = settings->service_prefix ? ~UINT32_C(0) << (32 - settings->service_prefix) : 0;

	return lp_text_ipv4(text, &address) == 0 && (address & mask) == settings->service_net &&
	    address != settings->service_net && address != (settings->service_net | ~mask);
}

static void
set_address(struct lp_change *change, struct lp_json *spec, const char *address)
{
	lp_json_set_str(&change->arena, spec, "clusterIP", address);
	lp_json_append(&change->arena, lp_json_set_array(&change->arena, spec, "clusterIPs"),
	    lp_json_new_str(&change->arena, address));
}

static void
address_of(struct lp_change *change, struct lp_json *spec, const struct lp_json *old, const char *uid, struct lp_faults *faults)
{
	const char *address = lp_json_str(spec, "clusterIP");
	char text[LP_TEXT_IPV4], key[KEY_TEXT];

	if (!address || !*address)
		address = lp_json_text(lp_json_index(lp_json_get(spec, "clusterIPs"), 0));
	if ((!address || !*address) && old)
		address = lp_json_str(old, "spec.clusterIP");
	if (!address || !*address) {
		if (find_address(change, uid, text))
			set_address(change, spec, text);
		else
			lp_faults_add(faults, LP_FAULT_INVALID, "spec.clusterIPs", NULL, "failed to allocate a serviceIP: range is full");
		return;
	}
	set_address(change, spec, lp_arena_str(&change->arena, address));
	if (strcmp(address, "None") == 0)
		return;
	(void)snprintf(key, sizeof(key), "ip %s", address);
	if (!in_service_range(&change->manager->settings, address))
		lp_faults_add(faults, LP_FAULT_INVALID, "spec.clusterIPs", lp_json_get(spec, "clusterIPs"), lp_arena_printf(&change->arena,
		    "failed to allocate IP %s: the provided network does not match the current range", address));
	else if (!take(change, key, uid))
		lp_faults_add(faults, LP_FAULT_INVALID, "spec.clusterIPs", lp_json_get(spec, "clusterIPs"), lp_arena_printf(&change->arena,
		    "failed to allocate IP %s: provided IP is already allocated", address));
}

/* The node port that the stored service has for the same port and protocol; 0 none. */
static int64_t
old_port(const struct lp_json *old, const struct lp_json *port)
{
	lp_json_each (one, lp_json_path(old, "spec.ports"))
		if (lp_json_int(one, "port", 0) == lp_json_int(port, "port", -1) &&
		    lp_text_same(lp_json_str(one, "protocol"), lp_json_str(port, "protocol")))
			return lp_json_int(one, "nodePort", 0);
	return 0;
}

static bool
find_port(struct lp_change *change, const char *uid, int64_t *out)
{
	const struct lp_settings *settings = &change->manager->settings;
	uint32_t size = (uint32_t)(settings->port_last - settings->port_first) + 1, start = start_at(change, size);
	char key[KEY_TEXT];

	for (uint32_t i = 0; i < size; i++) {
		*out = settings->port_first + (start + i) % size;
		(void)snprintf(key, sizeof(key), "port %d", (int)*out);
		/* one that this very change took already belongs to another of its ports */
		if (!lp_map_get(&change->manager->allocate->held, key) && take(change, key, uid))
			return true;
	}
	return false;
}

static void
port_of(struct lp_change *change, struct lp_json *port, size_t index, const struct lp_json *old, const char *uid,
    struct lp_faults *faults)
{
	const struct lp_settings *settings = &change->manager->settings;
	const char *path = lp_arena_printf(&change->arena, "spec.ports[%zu].nodePort", index);
	int64_t number = lp_json_int(port, "nodePort", 0);
	char key[KEY_TEXT];

	if (number == 0)
		number = old_port(old, port);
	if (number == 0 && !find_port(change, uid, &number)) {
		lp_faults_add(faults, LP_FAULT_INVALID, path, NULL, "failed to allocate a nodePort: range is full");
		return;
	}
	lp_json_set_int(&change->arena, port, "nodePort", number);
	(void)snprintf(key, sizeof(key), "port %d", (int)number);
	if (number < settings->port_first || number > settings->port_last)
		lp_faults_add(faults, LP_FAULT_INVALID, path, lp_json_get(port, "nodePort"), lp_arena_printf(&change->arena,
		    "provided port is not in the valid range. The range of valid ports is %u-%u", settings->port_first,
		    settings->port_last));
	else if (!take(change, key, uid))
		lp_faults_add(faults, LP_FAULT_INVALID, path, lp_json_get(port, "nodePort"), "provided port is already allocated");
}

/* Services have IPv4 addresses here; whoever asks for others is told what they get. */
static void
check_families(struct lp_change *change, const struct lp_json *spec)
{
	bool six = lp_text_same(lp_json_str(spec, "ipFamilyPolicy"), "RequireDualStack");

	lp_json_each (family, lp_json_get(spec, "ipFamilies"))
		six |= lp_text_same(lp_json_text(family), "IPv6");
	if (six && !change->ours)
		lp_change_warn(change, "spec.ipFamilies: IPv6 is not configured on this cluster, the service gets an IPv4 address");
}

/* What only services seen from outside have goes with the type, unless the wish itself names it: that is a fault. */
static void
forget_outside(struct lp_json *spec, const struct lp_json *old)
{
	static const char *const fields[] = { "externalTrafficPolicy", "allocateLoadBalancerNodePorts", "healthCheckNodePort" };

	for (size_t i = 0; i < lp_count(fields); i++) {
		const struct lp_json *before = lp_json_get(lp_json_get(old, "spec"), fields[i]), *now = lp_json_get(spec, fields[i]);

		if (before && now && lp_json_equal(before, now))
			(void)lp_json_remove(spec, fields[i]);
	}
}

int
lp_allocate_service(struct lp_change *change, struct lp_json *service, const struct lp_json *old, struct lp_faults *faults)
{
	struct lp_json *spec = lp_json_get(service, "spec");
	const char *type = lp_json_str(spec, "type"), *uid = lp_object_uid(service);
	bool outside = lp_text_same(type, "NodePort") || lp_text_same(type, "LoadBalancer");
	size_t index = 0;

	if (!spec || spec->type != LP_JSON_OBJECT)
		return 0;		/* the check says what is missing */
	check_families(change, spec);
	if (outside || lp_text_same(type, "ClusterIP"))
		address_of(change, spec, old, uid, faults);
	else if (lp_text_same(type, "ExternalName")) {
		(void)lp_json_remove(spec, "clusterIP");	/* usually not there */
		(void)lp_json_remove(spec, "clusterIPs");
	}
	if (!outside && old)
		forget_outside(spec, old);
	lp_json_each (port, lp_json_get(spec, "ports")) {
		if (outside)
			port_of(change, port, index++, old, uid, faults);
		else if (old && lp_json_int(port, "nodePort", 0) == old_port(old, port))
			(void)lp_json_remove(port, "nodePort");		/* left over from a former NodePort */
	}
	return change->arena.failed ? -ENOMEM : 0;
}

/* ---- nodes */

int
lp_allocate_node(struct lp_change *change, struct lp_json *node, struct lp_faults *faults)
{
	const struct lp_settings *settings = &change->manager->settings;
	struct lp_json *spec = lp_json_need_object(&change->arena, node, "spec");
	const char *cidr = lp_json_str(spec, "podCIDR"), *uid = lp_object_uid(node);
	struct lp_allocate *allocate = change->manager->allocate;
	uint32_t count = UINT32_C(1) << (settings->node_prefix - settings->pod_prefix);
	char key[KEY_TEXT], address[LP_TEXT_IPV4];

	if (cidr && *cidr) {
		(void)snprintf(key, sizeof(key), "cidr %s", cidr);
		if (!take(change, key, uid))
			lp_faults_add(faults, LP_FAULT_INVALID, "spec.podCIDR", lp_json_get(spec, "podCIDR"), "belongs to another node");
		return 0;
	}
	for (uint32_t i = allocate->first_part; i < count; i++) {
		lp_text_ipv4_print(settings->pod_net + (i << (32 - settings->node_prefix)), address);
		(void)snprintf(key, sizeof(key), "cidr %s/%u", address, settings->node_prefix);
		if (!take(change, key, uid))
			continue;
		allocate->first_part = i + 1;
		lp_json_set_str(&change->arena, spec, "podCIDR", key + 5);
		lp_json_append(&change->arena, lp_json_set_array(&change->arena, spec, "podCIDRs"),
		    lp_json_new_str(&change->arena, key + 5));
		return change->arena.failed ? -ENOMEM : 0;
	}
	lp_faults_add(faults, LP_FAULT_INVALID, "spec.podCIDR", NULL, "the pod range has no part left for another node");
	return 0;
}

/* ---- new and free */

int
lp_allocate_new(struct lp_manager *manager, struct lp_allocate **out, struct lp_err *err)
{
	static const char *const kinds[] = { "Service", "Node" };
	struct lp_allocate *allocate = lp_seam.alloc(sizeof(*allocate));
	int rc = allocate ? 0 : -ENOMEM;

	if (!allocate)
		return lp_err_set(err, -ENOMEM, "make the table of addresses");
	allocate->manager = manager;
	allocate->observer.changed = changed;
	for (size_t k = 0; k < lp_count(kinds); k++) {
		size_t count;
		struct lp_cached *const *objects = lp_cache_list(manager->cache, lp_kind_find("v1", kinds[k]), NULL, &count);

		for (size_t i = 0; i < count && rc == 0; i++)
			rc = each_value(allocate, objects[i], value_stored);
	}
	lp_cache_observe(manager->cache, &allocate->observer);
	if (rc < 0) {
		lp_allocate_free(allocate);
		return lp_err_set(err, rc, "make the table of addresses");
	}
	*out = allocate;
	return 0;
}

void
lp_allocate_free(struct lp_allocate *allocate)
{
	size_t pos = 0;
	const char *key;
	void *value;

	if (!allocate)
		return;
	lp_cache_unobserve(&allocate->observer);
	while (lp_map_next(&allocate->held, &pos, &key, &value))
		free(value);
	lp_map_fini(&allocate->held);
	free(allocate);
}
