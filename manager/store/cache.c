#include "manager/store/cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/map.h"
#include "base/seam.h"

/* Pointers that grow; objects of a kind (ordered, counted) or of an index value (neither). */
struct shelf {
	struct lp_cached **items;
	size_t count, size;
};

struct lp_cache {
	struct lp_map kinds;		/* plural.group -> struct shelf */
	struct lp_map indexes[LP_CACHE_INDEXES];	/* value -> struct shelf */
	struct lp_list observers;
	int64_t revision, floor;

	struct lp_cache_event *ring;	/* `ring_size` places, oldest at ring_first */
	size_t ring_size, ring_first, ring_count;
	size_t ring_bytes, ring_bytes_max;
};

/* ---- shelves */

static int
shelf_insert(struct shelf *shelf, size_t at, struct lp_cached *object)
{
	if (shelf->count == shelf->size) {
		size_t size = shelf->size ? shelf->size * 2 : 4;
		struct lp_cached **items = lp_seam.grow(shelf->items, size * sizeof(*items));

		if (!items)
			return -ENOMEM;
		shelf->items = items;
		shelf->size = size;
	}
	memmove(shelf->items + at + 1, shelf->items + at, (shelf->count - at) * sizeof(*shelf->items));
	shelf->items[at] = object;
	shelf->count++;
	return 0;
}

static void
shelf_remove(struct shelf *shelf, size_t at)
{
	shelf->count--;
	memmove(shelf->items + at, shelf->items + at + 1, (shelf->count - at) * sizeof(*shelf->items));
}

static void
shelf_free(struct shelf *shelf)
{
	free(shelf->items);
	free(shelf);
}

static struct shelf *
shelf_need(struct lp_map *map, const char *key)
{
	struct shelf *shelf = lp_map_get(map, key);

	if (shelf)
		return shelf;
	shelf = lp_seam.alloc(sizeof(*shelf));
	if (shelf && lp_map_put(map, key, shelf, NULL) < 0) {
		free(shelf);
		return NULL;
	}
	return shelf;
}

static int
compare(const struct lp_cached *object, const char *namespace, const char *name)
{
	int order = strcmp(object->namespace, namespace);

	return order ? order : strcmp(object->name, name);
}

/* The place of the first object that is not before (namespace, name). */
static size_t
shelf_find(const struct shelf *shelf, const char *namespace, const char *name)
{
	size_t low = 0, high = shelf->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(shelf->items[middle], namespace, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#define KIND_TEXT 160

static const char *
kind_text(const struct lp_kind *kind, char out[static KIND_TEXT])
{
	(void)snprintf(out, KIND_TEXT, "%s.%s", kind->plural, kind->group);	/* our own tables: never that long */
	return out;
}

static struct shelf *
shelf_of(const struct lp_cache *cache, const struct lp_kind *kind)
{
	char text[KIND_TEXT];

	return lp_map_get(&cache->kinds, kind_text(kind, text));
}

/* ---- indexes */

static int
index_add(struct lp_cache *cache, struct lp_cached *object)
{
	for (uint32_t i = 0; i < object->value_count; i++) {
		const struct lp_cached_value *value = &object->values[i];
		struct shelf *shelf = shelf_need(&cache->indexes[value->index], value->value);

		if (!shelf || shelf_insert(shelf, shelf->count, object) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void
index_remove(struct lp_cache *cache, const struct lp_cached *object)
{
	for (uint32_t i = 0; i < object->value_count; i++) {
		const struct lp_cached_value *value = &object->values[i];
		struct shelf *shelf = lp_map_get(&cache->indexes[value->index], value->value);

		for (size_t at = 0; shelf && at < shelf->count; at++)
			if (shelf->items[at] == object) {
				shelf_remove(shelf, at);
				break;
			}
		if (shelf && shelf->count == 0) {
			lp_map_remove(&cache->indexes[value->index], value->value);
			shelf_free(shelf);
		}
	}
}

/* ---- history */

static size_t
event_bytes(const struct lp_cache_event *event)
{
	/* the new object is counted when it becomes somebody's old one */
	return event->old ? event->old->len : 0;
}

static void
ring_drop(struct lp_cache *cache)
{
	struct lp_cache_event *event = &cache->ring[cache->ring_first];

	cache->floor = event->revision;
	cache->ring_bytes -= event_bytes(event);
	lp_cached_unref(event->old);
	lp_cached_unref(event->new);
	cache->ring_first = (cache->ring_first + 1) % cache->ring_size;
	cache->ring_count--;
}

/* Takes over the references of the event. */
static void
ring_add(struct lp_cache *cache, const struct lp_cache_event *event)
{
	if (cache->ring_count == cache->ring_size)
		ring_drop(cache);
	cache->ring[(cache->ring_first + cache->ring_count) % cache->ring_size] = *event;
	cache->ring_count++;
	cache->ring_bytes += event_bytes(event);
	while (cache->ring_bytes > cache->ring_bytes_max && cache->ring_count > 1)
		ring_drop(cache);
}

/* ---- new and free */

int
lp_cache_new(size_t history_bytes, size_t history_count, struct lp_cache **out, struct lp_err *err)
{
	struct lp_cache *cache = lp_seam.alloc(sizeof(*cache));

	if (cache)
		cache->ring = lp_seam.alloc(history_count * sizeof(*cache->ring));
	if (!cache || !cache->ring) {
		free(cache);
		return lp_err_set(err, -ENOMEM, "make cache");
	}
	cache->ring_size = history_count;
	cache->ring_bytes_max = history_bytes;
	lp_list_init(&cache->observers);
	*out = cache;
	return 0;
}

static void
free_shelves(struct lp_map *map, bool owning)
{
	size_t pos = 0;
	const char *key;
	void *value;

	while (lp_map_next(map, &pos, &key, &value)) {
		struct shelf *shelf = value;

		for (size_t i = 0; owning && i < shelf->count; i++)
			lp_cached_unref(shelf->items[i]);
		shelf_free(shelf);
	}
	lp_map_fini(map);
}

void
lp_cache_free(struct lp_cache *cache)
{
	if (!cache)
		return;
	while (cache->ring_count > 0)
		ring_drop(cache);
	free(cache->ring);
	for (size_t i = 0; i < LP_CACHE_INDEXES; i++)
		free_shelves(&cache->indexes[i], false);
	free_shelves(&cache->kinds, true);
	free(cache);
}

void
lp_cache_observe(struct lp_cache *cache, struct lp_cache_observer *observer)
{
	lp_list_append(&cache->observers, &observer->link);
}

void
lp_cache_unobserve(struct lp_cache_observer *observer)
{
	lp_list_remove(&observer->link);
}

static void
tell(struct lp_cache *cache, const struct lp_cache_event *event)
{
	lp_list_each(link, &cache->observers) {
		struct lp_cache_observer *observer = lp_of(link, struct lp_cache_observer, link);

		observer->changed(observer, event);
	}
}

/* ---- read */

int64_t
lp_cache_revision(const struct lp_cache *cache)
{
	return cache->revision;
}

struct lp_cached *
lp_cache_find(const struct lp_cache *cache, const struct lp_kind *kind, const char *namespace, const char *name)
{
	const struct shelf *shelf = shelf_of(cache, kind);
	size_t at;

	if (!shelf)
		return NULL;
	if (!namespace)
		namespace = "";
	at = shelf_find(shelf, namespace, name);
	return at < shelf->count && compare(shelf->items[at], namespace, name) == 0 ? shelf->items[at] : NULL;
}

struct lp_cached *const *
lp_cache_list(const struct lp_cache *cache, const struct lp_kind *kind, const char *namespace, size_t *out_count)
{
	const struct shelf *shelf = shelf_of(cache, kind);
	size_t first = 0, end;

	*out_count = 0;
	if (!shelf)
		return NULL;
	end = shelf->count;
	if (namespace) {
		first = shelf_find(shelf, namespace, "");
		for (end = first; end < shelf->count && strcmp(shelf->items[end]->namespace, namespace) == 0;)
			end++;
	}
	*out_count = end - first;
	return shelf->items + first;
}

struct lp_cached *const *
lp_cache_indexed(const struct lp_cache *cache, enum lp_cache_index index, const char *value, size_t *out_count)
{
	const struct shelf *shelf = lp_map_get(&cache->indexes[index], value);

	*out_count = shelf ? shelf->count : 0;
	return shelf ? shelf->items : NULL;
}

void
lp_cache_forget_json(struct lp_cache *cache)
{
	size_t pos = 0;
	const char *key;
	void *value;

	while (lp_map_next(&cache->kinds, &pos, &key, &value)) {
		struct shelf *shelf = value;

		for (size_t i = 0; i < shelf->count; i++)
			if (shelf->items[i]->parsed)
				lp_cached_forget_json(shelf->items[i]);
	}
	for (size_t i = 0; i < cache->ring_count; i++) {
		const struct lp_cache_event *event = &cache->ring[(cache->ring_first + i) % cache->ring_size];

		if (event->old && event->old->parsed)
			lp_cached_forget_json(event->old);
		if (event->new && event->new->parsed)
			lp_cached_forget_json(event->new);
	}
}

/* ---- change */

/* The new object takes the place of the old one, or a new place; *out_old keeps the cache's reference. */
static int
replace(struct lp_cache *cache, struct lp_cached *object, struct lp_cached **out_old, struct lp_err *err)
{
	char text[KIND_TEXT];
	struct shelf *shelf = shelf_need(&cache->kinds, kind_text(object->kind, text));
	struct lp_cached *old = NULL;
	size_t at;

	if (!shelf)
		return lp_err_set(err, -ENOMEM, "keep %s %s", object->kind->kind, object->name);
	at = shelf_find(shelf, object->namespace, object->name);
	if (at < shelf->count && compare(shelf->items[at], object->namespace, object->name) == 0) {
		old = shelf->items[at];
		index_remove(cache, old);
		shelf->items[at] = object;
	} else if (shelf_insert(shelf, at, object) < 0) {
		return lp_err_set(err, -ENOMEM, "keep %s %s", object->kind->kind, object->name);
	}
	lp_cached_ref(object);
	*out_old = old;
	if (index_add(cache, object) < 0)
		return lp_err_set(err, -ENOMEM, "index %s %s", object->kind->kind, object->name);
	return 0;
}

int
lp_cache_put(struct lp_cache *cache, struct lp_cached *object, struct lp_err *err)
{
	struct lp_cache_event event = { .revision = object->revision, .new = object };
	int rc = replace(cache, object, &event.old, err);

	if (rc < 0) {
		lp_cached_unref(event.old);
		return rc;
	}
	cache->revision = object->revision;
	lp_cached_ref(object);
	ring_add(cache, &event);
	tell(cache, &event);
	return 0;
}

void
lp_cache_remove(struct lp_cache *cache, const struct lp_kind *kind, const char *namespace, const char *name,
    int64_t revision)
{
	struct shelf *shelf = shelf_of(cache, kind);
	struct lp_cache_event event = { .revision = revision };
	size_t at;

	cache->revision = revision;
	event.old = lp_cache_find(cache, kind, namespace, name);
	if (!event.old)
		return;
	at = shelf_find(shelf, event.old->namespace, event.old->name);
	index_remove(cache, event.old);
	shelf_remove(shelf, at);
	ring_add(cache, &event);
	tell(cache, &event);
}

int
lp_cache_load(struct lp_cache *cache, struct lp_cached *object, struct lp_err *err)
{
	struct lp_cached *old = NULL;
	int rc = replace(cache, object, &old, err);

	lp_cached_unref(old);
	return rc;
}

void
lp_cache_loaded(struct lp_cache *cache, int64_t revision, int64_t history_floor)
{
	cache->revision = revision;
	cache->floor = history_floor;
}

void
lp_cache_load_event(struct lp_cache *cache, const struct lp_cache_event *event)
{
	lp_cached_ref(event->old);
	lp_cached_ref(event->new);
	ring_add(cache, event);
}

/* ---- history */

int64_t
lp_cache_history_floor(const struct lp_cache *cache)
{
	return cache->floor;
}

const struct lp_cache_event *
lp_cache_after(const struct lp_cache *cache, int64_t revision)
{
	size_t low = 0, high = cache->ring_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (cache->ring[(cache->ring_first + middle) % cache->ring_size].revision <= revision)
			low = middle + 1;
		else
			high = middle;
	}
	return low < cache->ring_count ? &cache->ring[(cache->ring_first + low) % cache->ring_size] : NULL;
}

/* ---- keys of the store */

const char *
lp_cache_key(struct lp_arena *arena, const struct lp_kind *kind, const char *namespace, const char *name)
{
	return lp_arena_printf(arena, "%s/%s/%s/%s", *kind->group ? kind->group : "core", kind->plural,
	    namespace ? namespace : "", name);
}

/* The kind that the API serves under this name, whatever its version. */
static const struct lp_kind *
kind_by_key(const char *group, const char *plural)
{
	const struct lp_kind *kind;

	for (size_t i = 0; (kind = lp_kind_at(i)) != NULL; i++)
		if (strcmp(kind->group, group) == 0 && strcmp(kind->plural, plural) == 0 && !(kind->verbs & LP_KIND_LOCAL))
			return kind;
	return NULL;
}

const struct lp_kind *
lp_cache_key_kind(struct lp_arena *arena, const char *key, const char **out_namespace, const char **out_name)
{
	char *copy = lp_arena_str(arena, key);
	char *parts[4];

	for (size_t i = 0; i < lp_count(parts); i++) {
		parts[i] = copy ? strsep(&copy, "/") : NULL;
		if (!parts[i])
			return NULL;
	}
	*out_namespace = parts[2];
	*out_name = parts[3];
	return kind_by_key(strcmp(parts[0], "core") == 0 ? "" : parts[0], parts[1]);
}
