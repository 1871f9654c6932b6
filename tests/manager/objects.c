#include "tests/manager/objects.h"

#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/patch.h"
#include "specs/schema.h"
#include "specs/yaml.h"
#include "tests/harness.h"

static int64_t
seen(void *arg, const char *node)
{
	(void)node;			/* all nodes were heard at the same time */
	return ((struct lp_objects *)arg)->seen_ms;
}

void
lp_objects_init(struct lp_objects *objects)
{
	struct lp_err err = { 0 };

	*objects = (struct lp_objects){ 0 };
	lp_arena_init(&objects->arena, 256 << 20);
	CHECK_OK(lp_cache_new(1 << 20, 1000, &objects->cache, &err), &err);
	objects->settings = (struct lp_settings){ .pod_net = 0x0a2a0000, .service_net = 0x0a2b0000, .pod_prefix = 16, .service_prefix = 16,
		.node_prefix = 24, .port_first = 30000, .port_last = 32767, .cluster_domain = "cluster.local",
		.api_address = "192.168.1.2", .api_port = 6443, .node_grace_ms = 40000 };
	objects->look = (struct lp_look){ .cache = objects->cache, .settings = &objects->settings, .now_ms = 1000000,
		.wall_ms = 1795000000000, .start_ms = 0, .arena = &objects->arena, .seen_ms = seen, .seen_arg = objects };
	objects->seen_ms = objects->look.now_ms;
}

static void
put(struct lp_objects *objects, const struct lp_kind *kind, struct lp_json *object)
{
	struct lp_json *metadata = lp_json_need_object(&objects->arena, object, "metadata");
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_cached *cached = NULL;
	struct lp_err err = { 0 };

	if (!*lp_object_uid(object))
		lp_json_set_str(&objects->arena, metadata, "uid", lp_arena_printf(&objects->arena, "uid-%s-%s", kind->singular,
		    lp_object_name(object)));
	if (kind->namespaced && !*lp_object_namespace(object))
		lp_json_set_str(&objects->arena, metadata, "namespace", "default");
	CHECK_OK(lp_default_object(&objects->arena, kind, object, &err), &err);
	lp_buf_init(&text, 4 << 20);
	CHECK_OK(lp_cached_print(&objects->arena, object, &text, &err), &err);
	CHECK_OK(lp_cached_new(kind, text.data, text.len, ++objects->revision, &cached, &err), &err);
	CHECK_OK(lp_cache_put(objects->cache, cached, &err), &err);
	lp_cached_unref(cached);
}

void
lp_objects_add(struct lp_objects *objects, const char *yaml)
{
	struct lp_json *documents = NULL;
	struct lp_err err = { 0 };

	CHECK_OK(lp_yaml_parse(&objects->arena, yaml, strlen(yaml), NULL, &documents, &err), &err);
	lp_json_each(document, documents) {
		const struct lp_kind *kind = lp_object_kind_of(document);

		CHECK(kind != NULL);
		CHECK_OK(lp_parse_shape(kind, document, &err), &err);
		put(objects, kind, lp_json_copy(&objects->arena, document));	/* which is taken apart */
	}
}

void
lp_objects_remove(struct lp_objects *objects, const char *kind, const char *namespace, const char *name)
{
	lp_cache_remove(objects->cache, lp_kind_by_word(kind), namespace, name, ++objects->revision);
}

size_t
lp_objects_run(struct lp_objects *objects, lp_control_fn run)
{
	lp_writes_init(&objects->writes, &objects->arena);
	run(&objects->look, &objects->writes);
	CHECK(!objects->arena.failed);
	return objects->writes.count;
}

/* The cached object as a document of its own that can be changed. */
static struct lp_json *
taken(struct lp_objects *objects, const struct lp_write *write)
{
	struct lp_cached *cached = lp_cache_find(objects->cache, write->kind, write->namespace, write->name);

	return cached ? lp_json_copy(&objects->arena, lp_cached_json(cached)) : NULL;
}

static void
patch(struct lp_objects *objects, const struct lp_write *write)
{
	struct lp_json *object = taken(objects, write), *result = NULL;
	struct lp_err err = { 0 };

	if (!object)
		return;
	CHECK_OK(lp_patch_merge(&objects->arena, object, write->object, &result, &err), &err);
	put(objects, write->kind, result);
}

static void
apply(struct lp_objects *objects, const struct lp_write *write)
{
	struct lp_json *object;

	switch (write->verb) {
	case LP_WRITE_CREATE:
		CHECK(!lp_cache_find(objects->cache, write->kind, write->namespace, write->name));
		put(objects, write->kind, lp_json_copy(&objects->arena, write->object));
		return;
	case LP_WRITE_UPDATE:
	case LP_WRITE_STATUS:
		put(objects, write->kind, lp_json_copy(&objects->arena, write->object));
		return;
	case LP_WRITE_DELETE:
		lp_cache_remove(objects->cache, write->kind, write->namespace, write->name, ++objects->revision);
		return;
	case LP_WRITE_PATCH:
	case LP_WRITE_PATCH_STATUS:
		patch(objects, write);
		return;
	case LP_WRITE_BIND:
		object = taken(objects, write);
		CHECK(object != NULL);
		lp_json_set_str(&objects->arena, lp_json_get(object, "spec"), "nodeName", write->node);
		put(objects, write->kind, object);
		return;
	case LP_WRITE_EVENT:
		return;
	}
}

void
lp_objects_apply(struct lp_objects *objects)
{
	for (const struct lp_write *write = objects->writes.first; write; write = write->next)
		apply(objects, write);
}

const struct lp_write *
lp_objects_write(const struct lp_objects *objects, enum lp_write_verb verb, const char *name)
{
	for (const struct lp_write *write = objects->writes.first; write; write = write->next)
		if (write->verb == verb && strcmp(write->name, name) == 0)
			return write;
	return NULL;
}

const struct lp_json *
lp_objects_get(const struct lp_objects *objects, const char *kind, const char *namespace, const char *name)
{
	struct lp_cached *cached = lp_cache_find(objects->cache, lp_kind_by_word(kind), namespace, name);

	if (!cached)
		FAIL("there is no %s %s/%s", kind, namespace, name);
	return lp_cached_json(cached);
}
