/*
 * manager/control/podgc.c - pure: pods that nobody will ever finish.
 *
 * Orphans     bound to a node that does not exist: gone when they are being deleted, else once they are QUARANTINE old
 * Unscheduled being deleted before they had a node: nobody has to be asked
 * Over        of pods that succeeded or failed, the OVER_MAX youngest stay
 */
#include <stdlib.h>

#include "base/text.h"
#include "manager/control/control.h"
#include "manager/look/place.h"
#include "specs/object.h"

#define QUARANTINE_MS 40000
#define OVER_MAX 12500

struct over {
	struct lp_cached *pod;
	int64_t created_ms;
};

static int
oldest_first(const void *a, const void *b)
{
	const struct over *left = a, *right = b;

	return (left->created_ms > right->created_ms) - (left->created_ms < right->created_ms);
}

static void
look_at_orphan(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *pod)
{
	int64_t left_ms = lp_object_created_ms(lp_cached_json(pod)) + QUARANTINE_MS - look->wall_ms;

	if (pod->deleting || left_ms <= 0)
		lp_writes_delete(writes, pod, 0);
	else
		lp_writes_look_again(writes, look->now_ms + (left_ms < QUARANTINE_MS ? left_ms : QUARANTINE_MS));
}

void
lp_podgc_control(const struct lp_look *look, struct lp_writes *writes)
{
	const struct lp_kind *node_kind = lp_kind_find("v1", "Node");
	size_t count, over_count = 0;
	struct lp_cached *const *pods = lp_cache_list(look->cache, lp_kind_find("v1", "Pod"), NULL, &count);
	struct over *over = count > OVER_MAX ? lp_arena_alloc(look->arena, count * sizeof(*over)) : NULL;

	for (size_t i = 0; i < count; i++) {
		if (pods[i]->node && !lp_cache_find(look->cache, node_kind, NULL, pods[i]->node))
			look_at_orphan(look, writes, pods[i]);
		else if (!pods[i]->node && pods[i]->deleting)
			lp_writes_delete(writes, pods[i], 0);
		else if (over && !pods[i]->deleting && !lp_place_active(lp_cached_json(pods[i])))
			over[over_count++] = (struct over){ pods[i], lp_object_created_ms(lp_cached_json(pods[i])) };
	}
	if (over_count <= OVER_MAX)
		return;
	qsort(over, over_count, sizeof(*over), oldest_first);
	for (size_t i = 0; i < over_count - OVER_MAX; i++)
		lp_writes_delete(writes, over[i].pod, 0);
}
