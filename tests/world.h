/*
 * tests/world.h - a manager and n devices in one process: fake clock, wires that break, machines that lose power.
 *
 * Real    the manager's core (store, cache, admission, controllers, views, the judging of reports); of a device what decides:
 *         accepting revisions, pod plan, keeper plan and restart delays, statuses, back-off of the link
 * Played  the bytes between them (objects are handed over after a delay, or not at all), containers (a state and an exit)
 * Time    moves only in lp_world_pass; a step ends when the manager has nothing left to store
 * Chance  all of it comes from the seed: the same seed is the same story
 */
#ifndef LP_TESTS_WORLD_H
#define LP_TESTS_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct lp_world;

/* Devices are called n1, n2 ... They join at once. */
struct lp_world *lp_world_new(uint64_t seed, size_t devices);
void lp_world_free(struct lp_world *world);

/* ---- what an operator does */

/* Creates the documents, or merges them into what is there. Fails the test when one is refused. */
void lp_world_apply(struct lp_world *world, const char *yaml);
void lp_world_delete(struct lp_world *world, const char *kind, const char *name);
/* As stored; NULL when there is none. Valid until time passes. namespace is default for namespaced kinds. */
const struct lp_json *lp_world_get(struct lp_world *world, const char *kind, const char *name);
/* Member of an object as text; "" when object or member are absent. */
const char *lp_world_text(struct lp_world *world, const char *kind, const char *name, const char *path);
/* Is the condition of the object "True"? */
bool lp_world_is(struct lp_world *world, const char *kind, const char *name, const char *condition);

/* ---- what happens */

void lp_world_pass(struct lp_world *world, int64_t ms);
int64_t lp_world_now(const struct lp_world *world);
/* A number below `below`, of this world's chance. */
uint32_t lp_world_chance(struct lp_world *world, uint32_t below);

/* Of 1000 messages so many break their link on the way (0: none). */
void lp_world_wires(struct lp_world *world, unsigned losses);
/* Nothing passes between the device and the manager. */
void lp_world_cut(struct lp_world *world, const char *device, bool cut);
/* kill -9 of the agent: keepers and containers go on without it. */
void lp_world_agent(struct lp_world *world, const char *device, bool alive);
/* Power: everything stops; what is on the disk is there when it comes back. */
void lp_world_power(struct lp_world *world, const char *device, bool on);
void lp_world_stop_manager(struct lp_world *world);
void lp_world_start_manager(struct lp_world *world);
/* The main container of the pod ends by itself. */
void lp_world_exit(struct lp_world *world, const char *pod, int code);

/* ---- what is true on the devices, whatever the manager thinks */

bool lp_world_runs(const struct lp_world *world, const char *device, const char *pod);
/* Containers started for this pod on all devices since the world began. */
unsigned lp_world_starts(const struct lp_world *world, const char *pod);
/* Revisions that devices stored: an idle fleet stores none. */
unsigned lp_world_stored(const struct lp_world *world);

/* Fails the test unless manager and devices agree: every bound pod runs where it should and only there, and says so. */
void lp_world_check_agreement(struct lp_world *world);

#endif
