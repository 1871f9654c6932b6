#include "manager/change/change.h"

#include <errno.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/seam.h"
#include "manager/change/admit.h"
#include "manager/change/allocate.h"
#include "manager/change/decide.h"
#include "specs/object.h"
#include "specs/status.h"

enum {
	ARENA_MAX = 64 << 20,
	TEXT_MAX = 3 << 20,	/* of a stored object, as a request body */
	TRIES_MAX = 64,		/* lost races before the client hears of them */
};

struct lp_change *
lp_change_new(struct lp_manager *manager, enum lp_change_verb verb, const struct lp_kind *kind)
{
	struct lp_change *change = lp_seam.alloc(sizeof(*change));

	if (!change)
		return NULL;
	lp_arena_init(&change->arena, ARENA_MAX);
	change->manager = manager;
	change->verb = verb;
	change->kind = kind;
	change->namespace = change->name = change->subresource = "";
	change->grace_s = -1;
	return change;
}

void
lp_change_free(struct lp_change *change)
{
	if (!change)
		return;
	lp_allocate_release(change);
	lp_cached_unref(change->base);
	lp_cached_unref(change->result);
	lp_arena_fini(&change->arena);
	lp_arena_fini(&change->wish);
	free(change);
}

void
lp_change_warn(struct lp_change *change, const char *text)
{
	if (!change->warnings)
		change->warnings = lp_json_new(&change->arena, LP_JSON_ARRAY);
	lp_json_append(&change->arena, change->warnings, lp_json_new_str(&change->arena, text));
}

void
lp_change_remark(struct lp_change *change, const char *text)
{
	if (!change->remarks)
		change->remarks = lp_json_new(&change->arena, LP_JSON_ARRAY);
	lp_json_append(&change->arena, change->remarks, lp_json_new_str(&change->arena, text));
}

int
lp_change_refuse(struct lp_change *change, struct lp_json *status)
{
	change->status = status;
	return status ? -EINVAL : -ENOMEM;
}

static void
finish(struct lp_change *change, int64_t now_ms)
{
	if (!change->result && !change->status)
		change->status = lp_status_make(&change->arena, 500, NULL, "Internal error occurred: out of memory");
	lp_allocate_release(change);
	if (change->done)
		change->done(change, now_ms);
	lp_change_free(change);
}

static void
fail(struct lp_change *change, const struct lp_err *why, int64_t now_ms)
{
	bool full = why->code == -ENOSPC;

	change->status = lp_status_make(&change->arena, full ? 507 : 500, full ? "InsufficientStorage" : NULL,
	    lp_arena_printf(&change->arena, "Internal error occurred: %s", why->text));
	finish(change, now_ms);
}

static void decide(struct lp_change *change, int64_t now_ms);

/* The store has it: make it visible. What cannot be shown any more would be a lie from now on, so the manager starts anew. */
static void
publish(struct lp_change *change, struct lp_err *err)
{
	struct lp_cache *cache = change->manager->cache;

	if (change->write.verb == LP_STORE_DELETE) {
		lp_cache_remove(cache, change->kind, change->namespace, change->name, change->write.revision);
		change->removed = true;
		change->result = lp_cached_ref(change->base);
		return;
	}
	if (lp_cached_new(change->kind, change->write.text, change->write.len, change->write.revision, &change->result, err) < 0)
		return;
	change->created = !change->base;
	(void)lp_cache_put(cache, change->result, err);		/* err says it */
}

static void
stored(struct lp_store_write *write, int64_t now_ms)
{
	struct lp_change *change = lp_of(write, struct lp_change, write);
	struct lp_err err = { 0 };

	switch (write->rc) {
	case 0:
		publish(change, &err);
		if (err.code < 0) {
			lp_manager_fail(change->manager, &err);
			fail(change, &err, now_ms);
			return;
		}
		finish(change, now_ms);
		return;
	case -EEXIST:
	case -ENOENT:
	case -ESTALE:
		decide(change, now_ms);
		return;
	default:
		if (write->rc == -EIO)
			lp_manager_fail(change->manager, &write->err);
		fail(change, &write->err, now_ms);
	}
}

static void
submit(struct lp_change *change, enum lp_store_verb verb, struct lp_json *object, int64_t now_ms)
{
	lp_auto_buf struct lp_buf text;
	struct lp_err err = { 0 };

	lp_buf_init(&text, TEXT_MAX);
	if (object && lp_cached_print(&change->arena, object, &text, &err) < 0) {
		fail(change, &err, now_ms);
		return;
	}
	change->write = (struct lp_store_write){
		.verb = verb,
		.key = lp_cache_key(&change->arena, change->kind, change->namespace, change->name),
		.text = object ? lp_arena_mem(&change->arena, text.data, text.len) : NULL,
		.len = text.len,
		.expect = change->base ? change->base->revision : LP_STORE_EXPECT_NONE,
		.done = stored,
	};
	if (change->arena.failed) {
		lp_err_set(&err, -ENOMEM, "write %s", change->kind->kind);
		fail(change, &err, now_ms);
		return;
	}
	lp_store_submit(change->manager->store, &change->write);
}

/* What would have been stored. */
static void
pretend(struct lp_change *change, struct lp_json *object, int64_t now_ms)
{
	lp_auto_buf struct lp_buf text;
	struct lp_err err = { 0 };
	int64_t revision = change->base ? change->base->revision : lp_cache_revision(change->manager->cache);

	lp_buf_init(&text, TEXT_MAX);
	if (lp_cached_print(&change->arena, object, &text, &err) < 0 ||
	    lp_cached_new(change->kind, text.data, text.len, revision, &change->result, &err) < 0) {
		fail(change, &err, now_ms);
		return;
	}
	change->created = !change->base;
	finish(change, now_ms);
}

/* A new object without a name gets a new one at each try. */
static void
look_up(struct lp_change *change)
{
	if (change->verb == LP_CHANGE_CREATE) {
		const char *prefix = lp_object_generate_name(change->body);
		uint8_t random[5];

		change->name = lp_object_name(change->body);
		if (!*change->name && *prefix) {
			lp_random(random, sizeof(random));
			change->name = lp_object_generate(&change->arena, prefix, random);
		}
		if (!change->name)
			change->name = "";		/* the arena is full: the check refuses an object without a name */
	}
	lp_cached_unref(change->base);
	change->base = *change->name ? lp_cached_ref(lp_cache_find(change->manager->cache, change->kind, change->namespace,
	    change->name)) : NULL;
}

static void
decide(struct lp_change *change, int64_t now_ms)
{
	int64_t wall_ms = lp_clock_trusted_ms();
	struct lp_json *object = NULL;
	enum lp_decide what;

	lp_allocate_release(change);
	lp_arena_fini(&change->arena);		/* of the try that lost a race */
	change->remarks = NULL;
	change->audit = NULL;
	look_up(change);
	if (change->tries++ >= TRIES_MAX) {
		change->status = lp_status_conflict(&change->arena, change->kind, change->name, NULL);
		finish(change, now_ms);
		return;
	}
	what = change->verb == LP_CHANGE_DELETE ? lp_retire(change, wall_ms, &object) : lp_decide(change, wall_ms, &object);
	switch (what) {
	case LP_DECIDE_REFUSE:
		finish(change, now_ms);
		return;
	case LP_DECIDE_KEEP:
		change->unchanged = true;
		change->result = lp_cached_ref(change->base);
		finish(change, now_ms);
		return;
	case LP_DECIDE_PUT:
		if (change->dry_run)
			pretend(change, object, now_ms);
		else
			submit(change, LP_STORE_PUT, object, now_ms);
		return;
	case LP_DECIDE_REMOVE:
		if (!change->dry_run) {
			submit(change, LP_STORE_DELETE, NULL, now_ms);
			return;
		}
		change->removed = true;
		change->result = lp_cached_ref(change->base);
		finish(change, now_ms);
		return;
	}
}

void
lp_change_start(struct lp_change *change, int64_t now_ms)
{
	if (change->verb != LP_CHANGE_DELETE && change->verb != LP_CHANGE_BIND && lp_admit_body(change) < 0) {
		finish(change, now_ms);
		return;
	}
	change->wish = change->arena;
	lp_arena_init(&change->arena, ARENA_MAX);
	decide(change, now_ms);
}
