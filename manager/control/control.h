/*
 * manager/control/control.h - controllers: pure functions over the cached objects and a time, and the glue that runs them.
 *
 * Pure    a controller sees a `look` and returns writes; it has no clock, no log, no effect, and may be run at any moment
 * Glue    a change of the objects or a due time means "look again" (debounced to one run per turn); the writes go through
 *         the same admission and store as everybody's; a write that lost a race is dropped, the next look decides anew
 */
#ifndef LP_MANAGER_CONTROL_H
#define LP_MANAGER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "manager/look/look.h"
#include "manager/look/writes.h"

struct lp_manager;

/* One controller: a row of the table in control.c. Returns nothing: what it could not do is in arena->failed. */
typedef void (*lp_control_fn)(const struct lp_look *look, struct lp_writes *writes);

struct lp_controller {
	const char *name;
	lp_control_fn run;
};

/* <name>.c, each one function; the table in control.c names them, and the scheduler (look/place.h). */
void lp_endpoints_control(const struct lp_look *look, struct lp_writes *writes);
void lp_nodes_control(const struct lp_look *look, struct lp_writes *writes);
void lp_namespaces_control(const struct lp_look *look, struct lp_writes *writes);
void lp_podgc_control(const struct lp_look *look, struct lp_writes *writes);
void lp_services_control(const struct lp_look *look, struct lp_writes *writes);
void lp_owners_control(const struct lp_look *look, struct lp_writes *writes);
void lp_claims_control(const struct lp_look *look, struct lp_writes *writes);
void lp_volumes_control(const struct lp_look *look, struct lp_writes *writes);
void lp_events_control(const struct lp_look *look, struct lp_writes *writes);		/* forgets old events */

/* ---- glue */

/*
 * writes_submit.c: carry the writes out (fleet_report.c does it with what a node reports). Everything is copied before this
 * returns. done (may be NULL) is called once, after the last one is stored or refused; failed counts the refused ones, err is
 * the first of them. An object that is gone is no failure.
 */
typedef void (*lp_writes_done_fn)(void *arg, size_t failed, const struct lp_err *err, int64_t now_ms);
int lp_writes_submit(struct lp_manager *manager, const struct lp_writes *writes, lp_writes_done_fn done, void *arg,
    struct lp_err *err);

struct lp_control;

int lp_control_new(struct lp_manager *manager, struct lp_control **out, struct lp_err *err);
void lp_control_free(struct lp_control *control);

/* Is a look due, or are writes of one under way? (Tests wait for rest.) */
bool lp_control_busy(const struct lp_control *control);

/* Something outside the objects changed (a node was heard again or fell silent): look again at the end of this turn. */
void lp_control_look(struct lp_control *control);

#endif
