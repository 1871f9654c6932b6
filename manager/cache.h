/*
 * manager/cache.h - all objects in memory, indexed, and their recent history.
 *
 * Shape   an object is immutable and counted: its text (compact JSON, with resourceVersion) is the truth, the parsed form is
 *         made when first asked for. Objects of a kind stand in one array ordered by namespace, then name
 * Rule    only lp_cache_put/remove change it, and only store done() calls those; readers in the same turn of the loop need
 *         no reference, whoever keeps a pointer longer takes one
 * History a ring of changes (old and new object) bounded in bytes and number; watches start from it, 410 when it is too short
 */
#ifndef LP_MANAGER_CACHE_H
#define LP_MANAGER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/list.h"
#include "specs/kinds.h"

struct lp_cache;

struct lp_object {
	uint32_t refs;
	uint32_t len;			/* of text */
	const struct lp_kind *kind;
	int64_t revision;
	const char *namespace;		/* "" for cluster-scoped kinds */
	const char *name;
	const char *uid;
	const char *node;		/* Pod: spec.nodeName, NULL when not bound; else NULL */
	bool deleting;			/* has a deletionTimestamp */
	const char *text;		/* NUL-terminated; begins {"kind":…,"apiVersion":…,"metadata":{ */
	struct lp_json *json;		/* NULL until lp_object_json() */
	struct lp_arena arena;		/* owns json and the strings above */
};

/*
 * Make an object from stored text (without resourceVersion) and its revision; one reference is the caller's.
 * -EINVAL text that is no such object, -ENOMEM.
 */
int lp_object_new(const struct lp_kind *kind, const char *text, size_t len, int64_t revision, struct lp_object **out,
    struct lp_err *err);
struct lp_object *lp_object_ref(struct lp_object *object);
void lp_object_unref(struct lp_object *object);		/* NULL is allowed */

/* The parsed form; read only; lives as long as the object. NULL without memory. */
const struct lp_json *lp_object_json(struct lp_object *object);

/* One change. created: old NULL; deleted: new NULL (the watch event then carries `old` with `revision`). */
struct lp_change_event {
	int64_t revision;
	struct lp_object *old, *new;
};

/* Told of every change, in order of revisions, after the cache has it. */
struct lp_cache_observer {
	struct lp_list link;
	void (*changed)(struct lp_cache_observer *observer, const struct lp_change_event *event);
};

int lp_cache_new(size_t history_bytes, size_t history_count, struct lp_cache **out, struct lp_err *err);
void lp_cache_free(struct lp_cache *cache);

void lp_cache_observe(struct lp_cache *cache, struct lp_cache_observer *observer);
void lp_cache_unobserve(struct lp_cache_observer *observer);

/* ---- read */

/* The revision of the last change. */
int64_t lp_cache_revision(const struct lp_cache *cache);

/* NULL when there is none. namespace NULL or "" for cluster-scoped kinds. */
struct lp_object *lp_cache_find(const struct lp_cache *cache, const struct lp_kind *kind, const char *namespace,
    const char *name);

/* Objects of a kind in order; namespace NULL: all. The array is valid until the next change. */
struct lp_object *const *lp_cache_list(const struct lp_cache *cache, const struct lp_kind *kind, const char *namespace,
    size_t *out_count);

enum lp_cache_index {
	LP_CACHE_BY_NODE,	/* Pods by spec.nodeName */
	LP_CACHE_BY_OWNER,	/* anything by the uid in each of its ownerReferences */
	LP_CACHE_BY_INVOLVED,	/* Events by involvedObject.uid */
	LP_CACHE_BY_INVOLVED_NAME,	/* Events by "<involvedObject.namespace>/<involvedObject.name>" */
};

/* Objects by an indexed value, in no order. The array is valid until the next change. */
struct lp_object *const *lp_cache_indexed(const struct lp_cache *cache, enum lp_cache_index index, const char *value,
    size_t *out_count);

/* ---- change; called from store done() only */

/* Put the object in (the cache takes its own reference) and tell the observers. */
int lp_cache_put(struct lp_cache *cache, struct lp_object *object, struct lp_err *err);

/* Take it out at `revision`. 0 when it was not there. */
int lp_cache_remove(struct lp_cache *cache, const struct lp_kind *kind, const char *namespace, const char *name,
    int64_t revision, struct lp_err *err);

/* While loading: put without history and observers; then the revision, and old history, oldest first. */
int lp_cache_load(struct lp_cache *cache, struct lp_object *object, struct lp_err *err);
void lp_cache_loaded(struct lp_cache *cache, int64_t revision, int64_t history_floor);
int lp_cache_load_event(struct lp_cache *cache, const struct lp_change_event *event, struct lp_err *err);

/* ---- history */

/* Changes after this revision can be told completely; below it the answer is 410. */
int64_t lp_cache_history_floor(const struct lp_cache *cache);

/* The first remembered change with a revision above `revision`; NULL when there is none. Valid until the next change. */
const struct lp_change_event *lp_cache_after(const struct lp_cache *cache, int64_t revision);

/* ---- keys of the store */

/* "<group or core>/<plural>/<namespace>/<name>" in the arena; NULL without memory. */
const char *lp_cache_key(struct lp_arena *arena, const struct lp_kind *kind, const char *namespace, const char *name);

/* The kind of a key, its namespace and name as parts of the key; NULL for a kind that this version does not know. */
const struct lp_kind *lp_cache_key_kind(struct lp_arena *arena, const char *key, const char **out_namespace,
    const char **out_name);

#endif
