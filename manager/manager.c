#include "manager/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/seam.h"
#include "manager/api/feed.h"
#include "manager/change/allocate.h"
#include "manager/control/control.h"

enum {
	HISTORY_BYTES = 8 << 20,	/* of replaced objects that are kept for watches */
	HISTORY_COUNT = 8192,
};

/* ---- reading the store back */

struct loading {
	struct lp_manager *manager;
	struct lp_arena arena;
	struct lp_map later;		/* key -> what stood there after the event that is read now, or &nothing */
	struct lp_cache_event *events;	/* newest first */
	size_t count, size;
	size_t unknown;			/* objects of kinds that this version does not know */
};

static struct lp_cached nothing;	/* marks a key without an object */

static int
load_object(void *arg, const char *key, const char *text, size_t len, int64_t revision, struct lp_err *err)
{
	struct loading *loading = arg;
	const char *namespace, *name;
	const struct lp_kind *kind = lp_cache_key_kind(&loading->arena, key, &namespace, &name);
	struct lp_cached *object;
	int rc;

	if (loading->arena.failed)
		return lp_err_set(err, -ENOMEM, "read %s", key);
	if (!kind) {
		loading->unknown++;
		return 0;
	}
	if (lp_cached_new(kind, text, len, revision, &object, err) < 0)
		return lp_err_wrap(err, "read %s", key);
	lp_cached_forget_json(object);
	rc = lp_cache_load(loading->manager->cache, object, err);
	lp_cached_unref(object);
	return rc;
}

static int
add_event(struct loading *loading, const struct lp_cache_event *event, struct lp_err *err)
{
	if (loading->count == loading->size) {
		size_t size = loading->size ? loading->size * 2 : 64;
		struct lp_cache_event *events = lp_seam.grow(loading->events, size * sizeof(*events));

		if (!events)
			return lp_err_set(err, -ENOMEM, "read history");
		loading->events = events;
		loading->size = size;
	}
	loading->events[loading->count++] = *event;
	return 0;
}

/* Newest first: what stood there afterwards is known, what stood there before comes with the event. */
static int
load_event(void *arg, int64_t revision, const char *key, const char *old_text, size_t old_len, int64_t old_revision,
    struct lp_err *err)
{
	struct loading *loading = arg;
	const char *namespace, *name;
	const struct lp_kind *kind = lp_cache_key_kind(&loading->arena, key, &namespace, &name);
	struct lp_cache_event event = { .revision = revision };
	struct lp_cached *after;

	if (loading->arena.failed)
		return lp_err_set(err, -ENOMEM, "read history");
	if (!kind)
		return add_event(loading, &event, err);
	after = lp_map_get(&loading->later, key);
	if (!after)
		after = lp_cache_find(loading->manager->cache, kind, namespace, name);
	event.new = after == &nothing ? NULL : lp_cached_ref(after);
	if (old_text && lp_cached_new(kind, old_text, old_len, old_revision, &event.old, err) < 0) {
		lp_cached_unref(event.new);
		return lp_err_wrap(err, "read history of %s", key);
	}
	if (event.old)
		lp_cached_forget_json(event.old);
	if (lp_map_put(&loading->later, key, event.old ? event.old : &nothing, NULL) < 0) {
		lp_cached_unref(event.old);
		lp_cached_unref(event.new);
		return lp_err_set(err, -ENOMEM, "read history");
	}
	return add_event(loading, &event, err);
}

/* The history ends where an event was about a kind that is not known any more. */
static size_t
known_events(const struct loading *loading)
{
	size_t count = 0;

	while (count < loading->count && (loading->events[count].old || loading->events[count].new))
		count++;
	return count;
}

static int
load(struct lp_manager *manager, struct lp_err *err)
{
	struct loading loading = { .manager = manager };
	struct lp_store_reader reader = { .arg = &loading, .object = load_object, .event = load_event };
	int64_t revision = 0;
	size_t known;
	int rc;

	lp_arena_init(&loading.arena, 1 << 30);
	rc = lp_store_load(manager->store, &reader, &revision, err);
	known = known_events(&loading);
	if (rc == 0) {
		lp_cache_loaded(manager->cache, revision, known ? loading.events[known - 1].revision - 1 : revision);
		for (size_t i = known; i-- > 0;)
			lp_cache_load_event(manager->cache, &loading.events[i]);
	}
	for (size_t i = 0; i < loading.count; i++) {
		lp_cached_unref(loading.events[i].old);
		lp_cached_unref(loading.events[i].new);
	}
	if (rc == 0 && loading.unknown > 0)
		lp_log(LP_LOG_WARN, "the store has objects of kinds that this version does not know, they stay there", "objects=%zu",
		    loading.unknown);
	free(loading.events);
	lp_map_fini(&loading.later);
	lp_arena_fini(&loading.arena);
	return rc;
}

/* ---- start and stop */

void
lp_manager_defaults(struct lp_settings *settings)
{
	*settings = (struct lp_settings){
		.pod_net = 10u << 24 | 42u << 16, .pod_prefix = 16,
		.service_net = 10u << 24 | 43u << 16, .service_prefix = 16,
		.node_prefix = 24,
		.port_first = 30000, .port_last = 32767,
		.cluster_domain = "cluster.local",
		.api_address = "", .api_port = 6443,
		.node_grace_ms = 40000,
	};
}

int
lp_manager_start(struct lp_manager *manager, struct lp_loop *loop, struct lp_store *store,
    const struct lp_settings *settings, struct lp_err *err)
{
	manager->loop = loop;
	manager->store = store;
	manager->settings = *settings;
	manager->start_ms = lp_clock_boot_ms();
	if (lp_cache_new(HISTORY_BYTES, HISTORY_COUNT, &manager->cache, err) < 0 || load(manager, err) < 0 ||
	    lp_allocate_new(manager, &manager->allocate, err) < 0 || lp_feeds_new(manager, &manager->feeds, err) < 0 ||
	    lp_control_new(manager, &manager->control, err) < 0) {
		lp_manager_stop(manager);
		return err ? err->code : -EIO;
	}
	return 0;
}

void
lp_manager_stop(struct lp_manager *manager)
{
	/* the store finishes what is queued, and those changes still need everything else */
	lp_store_close(manager->store);
	manager->store = NULL;
	lp_control_free(manager->control);
	manager->control = NULL;
	lp_feeds_free(manager->feeds);
	lp_allocate_free(manager->allocate);
	lp_cache_free(manager->cache);
	manager->feeds = NULL;
	manager->allocate = NULL;
	manager->cache = NULL;
}
