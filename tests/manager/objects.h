/*
 * tests/manager/objects.h - a cache of objects written as YAML, and what a controller wants to do with it.
 */
#ifndef LP_TESTS_MANAGER_OBJECTS_H
#define LP_TESTS_MANAGER_OBJECTS_H

#include "manager/control/control.h"
#include "manager/store/cache.h"

struct lp_objects {
	struct lp_cache *cache;
	struct lp_arena arena;
	struct lp_settings settings;
	struct lp_look look;
	struct lp_writes writes;
	int64_t revision;
	int64_t seen_ms;		/* of every node */
};

void lp_objects_init(struct lp_objects *objects);

/* Adds (or replaces) the documents; uids are made from the names where they are absent. Defaults are filled in. */
void lp_objects_add(struct lp_objects *objects, const char *yaml);
void lp_objects_remove(struct lp_objects *objects, const char *kind, const char *namespace, const char *name);

/* Runs the controller on what is there; the writes stand in objects->writes. Returns how many there are. */
size_t lp_objects_run(struct lp_objects *objects, lp_control_fn run);

/* Carries the writes out as the manager would (without admission), so that a second run should want nothing. */
void lp_objects_apply(struct lp_objects *objects);

/* The first write of this verb for this name; NULL when there is none. */
const struct lp_write *lp_objects_write(const struct lp_objects *objects, enum lp_write_verb verb, const char *name);

/* The object as it stands in the cache; fails the test when it is not there. */
const struct lp_json *lp_objects_get(const struct lp_objects *objects, const char *kind, const char *namespace, const char *name);

#endif
