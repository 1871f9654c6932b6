/*
 * manager/store/cache.h - all objects in memory, indexed, and their recent history.
 *
 * Shape   objects (cached.h) of a kind stand in one array ordered by namespace, then name
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
#include "manager/store/cached.h"
#include "specs/kind.h"

struct lp_cache;

/* One change. created: old NULL; deleted: new NULL (the watch event then carries `old` with `revision`). */
struct lp_cache_event {
	int64_t revision;
	struct lp_cached *old, *new;
};

/* Told of every change, in order of revisions, after the cache has it. */
struct lp_cache_observer {
	struct lp_list link;
	void (*changed)(struct lp_cache_observer *observer, const struct lp_cache_event *event);
};

int lp_cache_new(size_t history_bytes, size_t history_count, struct lp_cache **out, struct lp_err *err);
void lp_cache_free(struct lp_cache *cache);

void lp_cache_observe(struct lp_cache *cache, struct lp_cache_observer *observer);
void lp_cache_unobserve(struct lp_cache_observer *observer);

/* ---- read */

/* The revision of the last change. */
int64_t lp_cache_revision(const struct lp_cache *cache);

/* NULL when there is none. namespace NULL or "" for cluster-scoped kinds. */
struct lp_cached *lp_cache_find(const struct lp_cache *cache, const struct lp_kind *kind, const char *namespace,
    const char *name);

/* Objects of a kind in order; namespace NULL: all. The array is valid until the next change. */
struct lp_cached *const *lp_cache_list(const struct lp_cache *cache, const struct lp_kind *kind, const char *namespace,
    size_t *out_count);

/* Objects by an indexed value, in no order. The array is valid until the next change. */
struct lp_cached *const *lp_cache_indexed(const struct lp_cache *cache, enum lp_cache_index index, const char *value,
    size_t *out_count);

/* Give the memory of all parsed forms back; nobody may hold a pointer into one, so from a timer of its own. */
void lp_cache_forget_json(struct lp_cache *cache);

/* ---- change; called from store done() only */

/* Put the object in (the cache takes its own reference) and tell the observers. */
int lp_cache_put(struct lp_cache *cache, struct lp_cached *object, struct lp_err *err);

/* Take it out at `revision`. Nothing happens when it is not there, but the revision counts. */
void lp_cache_remove(struct lp_cache *cache, const struct lp_kind *kind, const char *namespace, const char *name,
    int64_t revision);

/* While loading: put without history and observers; then the revision, and old history, oldest first. */
int lp_cache_load(struct lp_cache *cache, struct lp_cached *object, struct lp_err *err);
void lp_cache_loaded(struct lp_cache *cache, int64_t revision, int64_t history_floor);
void lp_cache_load_event(struct lp_cache *cache, const struct lp_cache_event *event);

/* ---- history */

/* Changes after this revision can be told completely; below it the answer is 410. */
int64_t lp_cache_history_floor(const struct lp_cache *cache);

/* The first remembered change with a revision above `revision`; NULL when there is none. Valid until the next change. */
const struct lp_cache_event *lp_cache_after(const struct lp_cache *cache, int64_t revision);

/* ---- keys of the store */

/* "<group or core>/<plural>/<namespace>/<name>" in the arena; NULL without memory. */
const char *lp_cache_key(struct lp_arena *arena, const struct lp_kind *kind, const char *namespace, const char *name);

/* The kind of a key, its namespace and name as parts of the key; NULL for a kind that this version does not know. */
const struct lp_kind *lp_cache_key_kind(struct lp_arena *arena, const char *key, const char **out_namespace,
    const char **out_name);

#endif
