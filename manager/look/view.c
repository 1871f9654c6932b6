#include "manager/look/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/map.h"
#include "base/text.h"
#include "manager/look/provision.h"
#include "specs/object.h"

#define OBJECT_MAX (4 << 20)		/* bytes of one object's text */

/* Objects are gathered as a list, then sorted. */
struct entry {
	struct entry *next;
	struct lp_view_object object;
};

struct gather {
	const struct lp_cache *cache;
	struct lp_arena *arena;
	struct entry *first;
	size_t count;
	struct lp_map mentioned;	/* "ConfigMap/ns/name" and the like that are in the list */
	int failed;			/* 0 or a negative errno */
};

/* The object without what only the manager knows. */
static struct lp_json *
strip(struct lp_arena *arena, const struct lp_json *object)
{
	struct lp_json *copy = lp_json_copy(arena, object), *metadata = lp_json_get(copy, "metadata");

	lp_json_remove(copy, "status");
	lp_json_remove(metadata, "resourceVersion");
	lp_json_remove(metadata, "managedFields");
	return copy;
}

static void
add(struct gather *gather, struct lp_cached *cached)
{
	struct entry *entry = lp_arena_alloc(gather->arena, sizeof(*entry));
	struct lp_json *copy = strip(gather->arena, lp_cached_json(cached));
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, OBJECT_MAX);
	if (!entry || !copy) {
		gather->failed = -ENOMEM;
		return;
	}
	if (lp_json_write_sorted(&text, copy) < 0) {
		gather->failed = text.failed;
		return;
	}
	entry->object = (struct lp_view_object){ .kind = cached->kind->kind,
		.namespace = lp_arena_str(gather->arena, cached->namespace),
		.name = lp_arena_str(gather->arena, cached->name),
		.uid = lp_arena_str(gather->arena, cached->uid),
		.text = lp_arena_mem(gather->arena, text.data, text.len),
		.len = text.len };
	lp_digest_print(text.data, text.len, entry->object.digest);
	entry->next = gather->first;
	gather->first = entry;
	gather->count++;
}

/* An object that a pod names; each once. One that does not exist is the node's to complain about. */
static void
mention(struct gather *gather, const char *kind_name, const char *namespace, const char *name)
{
	const struct lp_kind *kind = lp_kind_find("v1", kind_name);
	const char *key;
	struct lp_cached *cached;

	if (!name || !*name)
		return;
	key = lp_arena_printf(gather->arena, "%s/%s/%s", kind_name, namespace, name);
	if (!key) {
		gather->failed = -ENOMEM;
		return;
	}
	if (lp_map_get(&gather->mentioned, key))
		return;
	cached = lp_cache_find(gather->cache, kind, namespace, name);
	if (!cached)
		return;
	if (lp_map_put(&gather->mentioned, key, cached, NULL) < 0)
		gather->failed = -ENOMEM;
	else
		add(gather, cached);
}

static void
mention_by_containers(struct gather *gather, const char *namespace, const struct lp_json *containers)
{
	lp_json_each(container, containers) {
		lp_json_each(env, lp_json_get(container, "env")) {
			mention(gather, "ConfigMap", namespace, lp_json_str(env, "valueFrom.configMapKeyRef.name"));
			mention(gather, "Secret", namespace, lp_json_str(env, "valueFrom.secretKeyRef.name"));
		}
		lp_json_each(source, lp_json_get(container, "envFrom")) {
			mention(gather, "ConfigMap", namespace, lp_json_str(source, "configMapRef.name"));
			mention(gather, "Secret", namespace, lp_json_str(source, "secretRef.name"));
		}
	}
}

/* A claim and the volume behind it. */
static void
mention_claim(struct gather *gather, const char *namespace, const char *name)
{
	struct lp_cached *claim = name ? lp_cache_find(gather->cache, lp_kind_find("v1", "PersistentVolumeClaim"), namespace, name) : NULL;

	if (!claim)
		return;
	mention(gather, "PersistentVolumeClaim", namespace, name);
	mention(gather, "PersistentVolume", "", lp_json_str(lp_cached_json(claim), "spec.volumeName"));
}

/* Volumes that are going and whose directory is on this node. */
static void
mention_leaving(struct gather *gather, const struct lp_json *node)
{
	size_t count;
	struct lp_cached *const *list = lp_cache_list(gather->cache, lp_kind_find("v1", "PersistentVolume"), NULL, &count);

	for (size_t i = 0; i < count; i++)
		if (list[i]->deleting && lp_object_has_finalizer(lp_cached_json(list[i]), LP_PROVISION_DIRECTORY) &&
		    lp_provision_reaches(gather->arena, lp_cached_json(list[i]), node))
			mention(gather, "PersistentVolume", "", list[i]->name);
}

static void
mention_by_pod(struct gather *gather, const char *namespace, const struct lp_json *pod)
{
	const struct lp_json *spec = lp_json_get(pod, "spec");

	lp_json_each(volume, lp_json_get(spec, "volumes")) {
		mention(gather, "ConfigMap", namespace, lp_json_str(volume, "configMap.name"));
		mention(gather, "Secret", namespace, lp_json_str(volume, "secret.secretName"));
		mention_claim(gather, namespace, lp_provision_claim_name(gather->arena, pod, volume));
		lp_json_each(source, lp_json_path(volume, "projected.sources")) {
			mention(gather, "ConfigMap", namespace, lp_json_str(source, "configMap.name"));
			mention(gather, "Secret", namespace, lp_json_str(source, "secret.name"));
		}
	}
	lp_json_each(reference, lp_json_get(spec, "imagePullSecrets"))
		mention(gather, "Secret", namespace, lp_json_str(reference, "name"));
	mention_by_containers(gather, namespace, lp_json_get(spec, "initContainers"));
	mention_by_containers(gather, namespace, lp_json_get(spec, "containers"));
}

static int
compare_objects(const void *a, const void *b)
{
	const struct lp_view_object *left = *(const struct lp_view_object *const *)a,
	                            *right = *(const struct lp_view_object *const *)b;
	int order = strcmp(left->kind, right->kind);

	if (order == 0)
		order = strcmp(left->namespace, right->namespace);
	return order != 0 ? order : strcmp(left->name, right->name);
}

/* The gathered list as a sorted array. */
static int
finish(struct gather *gather, struct lp_view *out)
{
	size_t at = 0;

	if (gather->failed == 0 && gather->arena->failed)
		gather->failed = -ENOMEM;
	if (gather->failed < 0)
		return gather->failed;
	out->objects = lp_arena_alloc(gather->arena, (gather->count + 1) * sizeof(*out->objects));
	if (!out->objects)
		return -ENOMEM;
	for (const struct entry *entry = gather->first; entry; entry = entry->next)
		out->objects[at++] = &entry->object;
	out->count = at;
	qsort(out->objects, at, sizeof(*out->objects), compare_objects);
	return 0;
}

int
lp_view_node(
    const struct lp_cache *cache, const char *node, struct lp_arena *arena, struct lp_view *out, struct lp_err *err)
{
	struct gather gather = { .cache = cache, .arena = arena };
	struct lp_cached *machine = lp_cache_find(cache, lp_kind_find("v1", "Node"), NULL, node);
	struct lp_cached *const *list;
	const char *cidr;
	size_t count;
	int rc;

	if (!machine)
		return lp_err_say(err, -ENOENT, "nodes \"%s\" not found", node);
	lp_map_init(&gather.mentioned);
	add(&gather, machine);
	list = lp_cache_list(cache, lp_kind_find("v1", "Service"), NULL, &count);
	for (size_t i = 0; i < count; i++)
		add(&gather, list[i]);
	list = lp_cache_indexed(cache, LP_CACHE_BY_NODE, node, &count);
	for (size_t i = 0; i < count; i++) {
		add(&gather, list[i]);
		mention_by_pod(&gather, list[i]->namespace, lp_cached_json(list[i]));
	}
	mention_leaving(&gather, lp_cached_json(machine));
	lp_map_fini(&gather.mentioned);

	cidr = lp_json_str(lp_cached_json(machine), "spec.podCIDR");
	*out = (struct lp_view){ .node = lp_arena_str(arena, node), .pod_cidr = lp_arena_str(arena, cidr ? cidr : "") };
	rc = finish(&gather, out);
	return rc < 0 ? lp_err_set(err, rc, "view of node %s", node) : 0;
}

bool
lp_view_same(const struct lp_view *a, const struct lp_view *b)
{
	if (a->count != b->count || strcmp(a->pod_cidr, b->pod_cidr) != 0)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct lp_view_object *x = a->objects[i], *y = b->objects[i];

		if (compare_objects(&x, &y) != 0 || strcmp(x->uid, y->uid) != 0 || strcmp(x->digest, y->digest) != 0)
			return false;
	}
	return true;
}

static void
write_cidr(struct lp_buf *out, const char *key, uint32_t net, uint8_t prefix)
{
	char text[LP_TEXT_IPV4];

	lp_text_ipv4_print(net, text);
	lp_buf_printf(out, ",\"%s\":\"%s/%u\"", key, text, prefix);
}

/* `"key":"text"` behind a comma or the opening brace. */
static void
write_member(struct lp_buf *out, char before, const char *key, const char *text)
{
	lp_buf_printf(out, "%c\"%s\":", before, key);
	lp_json_write_string(out, text, strlen(text));
}

int
lp_view_revision(
    const struct lp_view *view, const struct lp_settings *settings, int64_t number, int64_t wall_ms, struct lp_buf *out)
{
	char time[LP_CLOCK_TEXT];

	lp_clock_print(wall_ms, time);
	lp_buf_str(out, "{\"kind\":\"NodeRevision\",\"apiVersion\":\"fleet.limpet.dev/v1\"");
	write_member(out, ',', "node", view->node);
	lp_buf_printf(out, ",\"number\":%lld", (long long)number);
	write_member(out, ',', "time", time);
	write_member(out, ',', "podCIDR", view->pod_cidr);
	write_cidr(out, "clusterCIDR", settings->pod_net, settings->pod_prefix);
	write_cidr(out, "serviceCIDR", settings->service_net, settings->service_prefix);
	write_member(out, ',', "clusterDomain", settings->cluster_domain);
	lp_buf_str(out, ",\"objects\":[");
	for (size_t i = 0; i < view->count; i++) {
		const struct lp_view_object *object = view->objects[i];

		if (i > 0)
			lp_buf_char(out, ',');
		write_member(out, '{', "kind", object->kind);
		write_member(out, ',', "namespace", object->namespace);
		write_member(out, ',', "name", object->name);
		write_member(out, ',', "uid", object->uid);
		write_member(out, ',', "digest", object->digest);
		lp_buf_char(out, '}');
	}
	lp_buf_str(out, "]}");
	return out->failed;
}

/* ---- peers */

static const char *
address_of(const struct lp_json *node)
{
	lp_json_each(address, lp_json_path(node, "status.addresses"))
		if (lp_text_same(lp_json_str(address, "type"), "InternalIP"))
			return lp_json_str(address, "address");
	return NULL;
}

static void
add_nodes(const struct lp_cache *cache, const char *self, struct lp_arena *arena, struct lp_json *list)
{
	size_t count;
	struct lp_cached *const *nodes = lp_cache_list(cache, lp_kind_find("v1", "Node"), NULL, &count);

	for (size_t i = 0; i < count; i++) {
		const struct lp_json *node = strcmp(nodes[i]->name, self) == 0 ? NULL : lp_cached_json(nodes[i]);
		const char *address = address_of(node), *cidr = lp_json_str(node, "spec.podCIDR");
		struct lp_json *peer;

		if (!address || !cidr)
			continue;		/* cannot be reached yet */
		peer = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));
		lp_json_set_str(arena, peer, "name", nodes[i]->name);
		lp_json_set_str(arena, peer, "address", address);
		lp_json_set_str(arena, peer, "podCIDR", cidr);
	}
}

static void
add_address(struct lp_arena *arena, struct lp_json *list, const struct lp_json *address, const struct lp_json *ports,
    bool ready)
{
	struct lp_json *entry = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));
	struct lp_json *copies = lp_json_new(arena, LP_JSON_ARRAY);
	const char *ip = lp_json_str(address, "ip"), *pod = lp_json_str(address, "targetRef.name"),
	           *host = lp_json_str(address, "hostname");

	lp_json_set_str(arena, entry, "ip", ip ? ip : "");
	lp_json_set_str(arena, entry, "pod", pod ? pod : "");
	lp_json_set_str(arena, entry, "hostname", host ? host : "");
	lp_json_set_bool(arena, entry, "ready", ready);
	lp_json_each(port, ports) {
		const char *name = lp_json_str(port, "name"), *protocol = lp_json_str(port, "protocol");
		struct lp_json *copy = lp_json_append(arena, copies, lp_json_new(arena, LP_JSON_OBJECT));

		lp_json_set_str(arena, copy, "name", name ? name : "");
		lp_json_set_int(arena, copy, "port", lp_json_int(port, "port", 0));
		lp_json_set_str(arena, copy, "protocol", protocol ? protocol : "TCP");
	}
	lp_json_set(arena, entry, "ports", copies);
}

/* The group of addresses of a service on one node, made when it is the first. */
static struct lp_json *
group_for(struct lp_arena *arena, struct lp_json *groups, struct lp_map *by_node, const struct lp_cached *service,
    const char *node)
{
	struct lp_json *list = lp_map_get(by_node, node), *group;

	if (list)
		return list;
	group = lp_json_append(arena, groups, lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, group, "namespace", service->namespace);
	lp_json_set_str(arena, group, "service", service->name);
	lp_json_set_str(arena, group, "node", node);
	list = lp_json_set_array(arena, group, "addresses");
	if (list && lp_map_put(by_node, node, list, NULL) < 0)
		arena->failed = true;
	return list;
}

static void
add_endpoints(struct lp_cached *cached, const char *self, struct lp_arena *arena, struct lp_json *groups)
{
	static const char *const lists[] = { "addresses", "notReadyAddresses" };
	struct lp_map by_node;

	lp_map_init(&by_node);
	lp_json_each(subset, lp_json_get(lp_cached_json(cached), "subsets"))
		for (size_t i = 0; i < 2; i++)
			lp_json_each(address, lp_json_get(subset, lists[i])) {
				const char *node = lp_json_str(address, "nodeName");

				if (node && strcmp(node, self) == 0)
					continue;	/* the node itself knows best */
				add_address(arena, group_for(arena, groups, &by_node, cached, node ? node : ""),
				    address, lp_json_get(subset, "ports"), i == 0);
			}
	lp_map_fini(&by_node);
}

int
lp_view_peers(
    const struct lp_cache *cache, const char *node, struct lp_arena *arena, struct lp_buf *out, struct lp_err *err)
{
	struct lp_json *line = lp_json_new(arena, LP_JSON_OBJECT), *groups;
	struct lp_cached *const *list;
	size_t count;

	lp_json_set_str(arena, line, "type", "peers");
	add_nodes(cache, node, arena, lp_json_set_array(arena, line, "nodes"));
	groups = lp_json_set_array(arena, line, "endpoints");
	list = lp_cache_list(cache, lp_kind_find("v1", "Endpoints"), NULL, &count);
	for (size_t i = 0; i < count; i++)
		add_endpoints(list[i], node, arena, groups);
	if (arena->failed || !line)
		return lp_err_set(err, -ENOMEM, "peers of node %s", node);
	return lp_json_write(out, line) < 0 ? lp_err_set(err, out->failed, "peers of node %s", node) : 0;
}
