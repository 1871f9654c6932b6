#include "manager/control/control.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/seam.h"
#include "manager/change/manager_state.h"
#include "manager/look/place.h"

enum {
	LOOK_ARENA_MAX = 1 << 30,
	LOOK_GAP_MS = 5,		/* between two looks: a burst of changes is looked at together */
	LOOK_SHARE = 4,			/* and at least this many times what the last look took */
	LOOK_GAP_MAX_MS = 1000,
	REST_MS = 5000,			/* after changes: parsed objects are forgotten, memory goes back */
	LOOK_RETRY_MS = 1000,		/* after a look that ran out of memory */
};

/* The order matters only for speed: what one decides, the next look of another sees. */
static const struct lp_controller controllers[] = {
	{ "namespaces", lp_namespaces_control },
	{ "nodes",      lp_nodes_control },
	{ "place",      lp_place_control },
	{ "claims",     lp_claims_control },
	{ "volumes",    lp_volumes_control },
	{ "services",   lp_services_control },
	{ "endpoints",  lp_endpoints_control },
	{ "podgc",      lp_podgc_control },
	{ "owners",     lp_owners_control },
	{ "events",     lp_events_control },
};

struct lp_control {
	struct lp_manager *manager;
	struct lp_cache_observer observer;
	struct lp_defer defer;
	struct lp_timer timer;
	bool wanted;			/* look when the writes under way are over */
	size_t under_way;		/* batches of writes of the last look */
	int64_t looked_ms;		/* boot time of the last look */
	int64_t gap_ms;			/* until the next one */
	struct lp_timer rest_timer;
	bool resting;			/* nothing was parsed since the last rest */
};

static void look_soon(struct lp_control *control);

static void
written(void *arg, size_t failed, const struct lp_err *err, int64_t now_ms)
{
	struct lp_control *control = arg;
	static struct lp_log_limit limit;

	(void)now_ms;			/* the next look has its own time */
	if (failed > 0 && lp_log_allowed(&limit))
		lp_log(LP_LOG_WARN, "a controller's write was refused, the next look decides anew", "writes=%zu why=\"%s\"", failed,
		    err->text);
	if (--control->under_way == 0 && control->wanted)
		look_soon(control);
}

static int64_t
never_seen(void *arg, const char *node)
{
	(void)arg;			/* nobody listens to nodes here */
	(void)node;
	return -1;
}

/* Run every controller; what they want is written in their order. Returns when to look again. */
static int64_t
run_all(struct lp_control *control, int64_t now_ms)
{
	struct lp_manager *manager = control->manager;
	int64_t due_ms = INT64_MAX;

	for (size_t i = 0; i < lp_count(controllers); i++) {
		lp_auto_arena struct lp_arena arena;
		struct lp_writes writes;
		struct lp_err err;
		struct lp_look look = {
			.cache = manager->cache, .settings = &manager->settings, .now_ms = now_ms, .wall_ms = lp_clock_trusted_ms(),
			.start_ms = manager->start_ms, .arena = &arena,
			.seen_ms = manager->seen_ms ? manager->seen_ms : never_seen, .seen_arg = manager->seen_arg,
		};

		lp_arena_init(&arena, LOOK_ARENA_MAX);
		lp_writes_init(&writes, &arena);
		writes.looking = true;
		controllers[i].run(&look, &writes);
		if (arena.failed) {
			lp_log(LP_LOG_ERROR, "a controller ran out of memory, will retry", "controller=%s", controllers[i].name);
			due_ms = now_ms + LOOK_RETRY_MS;
			continue;
		}
		if (writes.due_ms < due_ms)
			due_ms = writes.due_ms;
		if (writes.count == 0)
			continue;
		control->under_way++;
		if (lp_writes_submit(manager, &writes, written, control, &err) < 0) {
			control->under_way--;
			lp_log(LP_LOG_ERROR, "a controller's writes could not be started, will retry", "controller=%s why=\"%s\"",
			    controllers[i].name, err.text);
			due_ms = now_ms + LOOK_RETRY_MS;
		}
	}
	return due_ms;
}

static void
timer_due(struct lp_timer *timer, int64_t now_ms)
{
	(void)now_ms;			/* the look has its own */
	look_soon(lp_of(timer, struct lp_control, timer));
}

/* Looking often at much must not be all that the manager does. */
static void
set_gap(struct lp_control *control, int64_t took_ms)
{
	control->gap_ms = took_ms * LOOK_SHARE;
	if (control->gap_ms < LOOK_GAP_MS)
		control->gap_ms = LOOK_GAP_MS;
	if (control->gap_ms > LOOK_GAP_MAX_MS)
		control->gap_ms = LOOK_GAP_MAX_MS;
}

static void
rest(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_control *control = lp_of(timer, struct lp_control, rest_timer);

	(void)now_ms;			/* its time has come */
	control->resting = true;
	lp_cache_forget_json(control->manager->cache);
	(void)malloc_trim(0);		/* 0 only says that there was nothing to give back */
}

static void
rest_later(struct lp_control *control, int64_t now_ms)
{
	/* without memory for the timer the next look tries again */
	if (control->resting && lp_timer_start(control->manager->loop, &control->rest_timer, now_ms + REST_MS, rest) == 0)
		control->resting = false;
}

static void
look(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_control *control = lp_of(defer, struct lp_control, defer);
	struct lp_loop *loop = control->manager->loop;
	int64_t due_ms;

	if (control->under_way > 0)
		return;			/* written() comes back here */
	if (now_ms < control->looked_ms + control->gap_ms) {
		if (lp_timer_start(loop, &control->timer, control->looked_ms + control->gap_ms, timer_due) == 0)
			return;
		/* no memory for a timer: look at once */
	}
	control->wanted = false;
	control->looked_ms = now_ms;
	lp_timer_stop(&control->timer);
	/* keeps written() from looking again while the others still have to decide */
	control->under_way++;
	due_ms = run_all(control, now_ms);
	control->under_way--;
	rest_later(control, now_ms);
	set_gap(control, lp_clock_boot_ms() - now_ms);
	if (due_ms < INT64_MAX && lp_timer_start(loop, &control->timer, due_ms, timer_due) < 0)
		lp_log(LP_LOG_ERROR, "no memory for a controller's timer, the next change will be looked at", "");
	if (control->wanted && control->under_way == 0)
		look_soon(control);
}

static void
look_soon(struct lp_control *control)
{
	control->wanted = true;
	if (control->under_way == 0)
		lp_loop_defer(control->manager->loop, &control->defer, look);
}

static void
changed(struct lp_cache_observer *observer, const struct lp_cache_event *event)
{
	(void)event;			/* whatever it was: look again */
	look_soon(lp_of(observer, struct lp_control, observer));
}

void
lp_control_look(struct lp_control *control)
{
	look_soon(control);
}

bool
lp_control_busy(const struct lp_control *control)
{
	return control->wanted || control->under_way > 0;
}

int
lp_control_new(struct lp_manager *manager, struct lp_control **out, struct lp_err *err)
{
	struct lp_control *control = lp_seam.alloc(sizeof(*control));

	if (!control)
		return lp_err_set(err, -ENOMEM, "make controllers");
	control->manager = manager;
	control->looked_ms = INT64_MIN / 2;
	control->resting = true;
	control->observer.changed = changed;
	lp_cache_observe(manager->cache, &control->observer);
	look_soon(control);
	*out = control;
	return 0;
}

void
lp_control_free(struct lp_control *control)
{
	if (!control)
		return;
	lp_cache_unobserve(&control->observer);
	lp_timer_stop(&control->timer);
	lp_timer_stop(&control->rest_timer);
	lp_defer_cancel(&control->defer);
	free(control);
}
