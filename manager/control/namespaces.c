/*
 * manager/control/namespaces.c - pure: the namespaces that are always there, and how one goes.
 *
 * A namespace that is Terminating loses its contents (pods with their own grace), then its finalizers; then it is gone.
 */
#include <string.h>

#include "manager/control/control.h"
#include "specs/object.h"

static const char *const defaults[] = { "default", "kube-system", "kube-public", "kube-node-lease" };

static void
make_defaults(const struct lp_look *look, struct lp_writes *writes, const struct lp_kind *kind)
{
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		struct lp_json *namespace;

		if (lp_cache_find(look->cache, kind, NULL, defaults[i]))
			continue;
		namespace = lp_object_new(look->arena, kind, NULL, defaults[i]);
		if (namespace)
			lp_writes_create(writes, kind, namespace);
	}
}

/* Deletes what is in the namespace; how many objects are still there. */
static size_t
empty(const struct lp_look *look, struct lp_writes *writes, const char *name)
{
	const struct lp_kind *kind;
	size_t left = 0;

	for (size_t k = 0; (kind = lp_kind_at(k)); k++) {
		struct lp_cached *const *objects;
		size_t count;

		if (!kind->namespaced || (kind->verbs & LP_KIND_LOCAL))
			continue;
		objects = lp_cache_list(look->cache, kind, name, &count);
		left += count;
		for (size_t i = 0; i < count; i++)
			if (!objects[i]->deleting)
				lp_writes_delete(writes, objects[i], -1);
	}
	return left;
}

static void
finish(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *namespace)
{
	struct lp_json *copy = lp_json_copy(look->arena, lp_cached_json(namespace));

	if (!copy || lp_json_count(lp_json_path(copy, "spec.finalizers")) == 0)
		return;
	lp_json_remove(lp_json_get(copy, "spec"), "finalizers");
	lp_writes_update(writes, namespace->kind, copy);
}

void
lp_namespaces_control(const struct lp_look *look, struct lp_writes *writes)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Namespace");
	struct lp_cached *const *namespaces;
	size_t count;

	make_defaults(look, writes, kind);
	namespaces = lp_cache_list(look->cache, kind, NULL, &count);
	for (size_t i = 0; i < count; i++)
		if (namespaces[i]->deleting && empty(look, writes, namespaces[i]->name) == 0)
			finish(look, writes, namespaces[i]);
}
