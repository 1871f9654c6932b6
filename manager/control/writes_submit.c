/*
 * manager/control/writes_submit.c - how writes are carried out (control.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/change/change.h"
#include "manager/control/control.h"
#include "specs/object.h"

/* The same event of a look within this time is not counted: a controller that looks often must not write often. */
#define EVENT_QUIET_MS 60000

/* So many different events of one object; more of the same reason are told as one. Whoever has new words each time (a broken
 * or a hostile device) must not fill the store. */
#define EVENTS_MAX 50
#define COMBINED "(combined from similar events): "

struct batch {
	size_t waiting, failed;
	struct lp_err err;
	lp_writes_done_fn done;
	void *arg;
};

static void
batch_step(struct batch *batch, int64_t now_ms)
{
	if (--batch->waiting > 0)
		return;
	if (batch->done)
		batch->done(batch->arg, batch->failed, &batch->err, now_ms);
	free(batch);
}

static void
changed(struct lp_change *change, int64_t now_ms)
{
	struct batch *batch = change->arg;
	int64_t code = change->status ? lp_json_int(change->status, "code", 500) : 0;

	/* gone, there already, or changed meanwhile: a later look sees it; so does creating in a namespace that is going */
	if (change->status && code != 404 && code != 409 && code != 403) {
		const char *message = lp_json_str(change->status, "message");

		if (batch->failed++ == 0)
			lp_err_say(&batch->err, code == 422 || code == 400 ? -EINVAL : -EIO, "%s", message ? message : "refused");
	}
	batch_step(batch, now_ms);
}

static void
start(struct batch *batch, struct lp_change *change, int64_t now_ms)
{
	change->ours = true;
	change->done = changed;
	change->arg = batch;
	batch->waiting++;
	lp_change_start(change, now_ms);
}

/* A change with everything copied that the write refers to. */
static struct lp_change *
change_of(struct lp_manager *manager, const struct lp_write *write, enum lp_change_verb verb, const char *subresource)
{
	struct lp_change *change = lp_change_new(manager, verb, write->kind);

	if (!change)
		return NULL;
	change->subresource = subresource;
	change->namespace = lp_arena_str(&change->arena, write->namespace);
	change->name = lp_arena_str(&change->arena, write->name);
	change->uid = write->uid ? lp_arena_str(&change->arena, write->uid) : NULL;
	change->grace_s = write->grace_s;
	change->node = write->node ? lp_arena_str(&change->arena, write->node) : NULL;
	change->body = write->object ? lp_json_copy(&change->arena, write->object) : NULL;
	if (change->arena.failed) {
		lp_change_free(change);
		return NULL;
	}
	return change;
}

/* ---- events */

static bool
similar_event(struct lp_cached *cached, const struct lp_write *write)
{
	const struct lp_json *event = lp_cached_json(cached);
	const char *host = lp_json_str(event, "source.host");

	return lp_text_same(lp_json_str(event, "reason"), write->reason) && lp_text_same(lp_json_str(event, "type"), write->type) &&
	    lp_text_same(lp_json_str(event, "source.component"), write->component) && lp_text_same(host ? host : "",
	    write->host ? write->host : "");
}

static bool
same_event(struct lp_cached *cached, const struct lp_write *write)
{
	return similar_event(cached, write) && lp_text_same(lp_json_str(lp_cached_json(cached), "message"), write->message);
}

/* kubectl asks for the events of a node by its name as uid, as kubelets write them. */
static const char *
regarding_uid(const struct lp_write *write)
{
	return strcmp(lp_object_kind(write->object), "Node") == 0 ? lp_object_name(write->object) : lp_object_uid(write->object);
}

/* The event that is to be counted up; NULL: it is a new one. *out_full: there are too many for a new one. */
static struct lp_cached *
find_event(struct lp_manager *manager, const struct lp_write *write, bool *out_full)
{
	struct lp_cached *const *events;
	size_t count;

	events = lp_cache_indexed(manager->cache, LP_CACHE_BY_INVOLVED, regarding_uid(write), &count);
	for (size_t i = 0; i < count; i++)
		if (same_event(events[i], write))
			return events[i];
	*out_full = count >= EVENTS_MAX;
	for (size_t i = 0; *out_full && i < count; i++)
		if (similar_event(events[i], write))
			return events[i];
	return NULL;
}

/* Once more: count and lastTimestamp. NULL without memory, or when it was told a moment ago (*out_quiet). */
static struct lp_change *
repeat_event(struct lp_manager *manager, struct lp_cached *old, const struct lp_write *write, bool looking, bool *out_quiet)
{
	const struct lp_json *event = lp_cached_json(old);
	const char *last = lp_json_str(event, "lastTimestamp");
	int64_t now_ms = lp_clock_trusted_ms(), last_ms = 0;
	struct lp_change *change;
	char time[LP_CLOCK_TEXT];

	*out_quiet = looking && last && lp_clock_parse(last, &last_ms) == 0 && now_ms - last_ms < EVENT_QUIET_MS;
	if (*out_quiet)
		return NULL;
	change = lp_change_new(manager, LP_CHANGE_PATCH, old->kind);
	if (!change)
		return NULL;
	lp_clock_print(now_ms / 1000 * 1000, time);
	change->namespace = lp_arena_str(&change->arena, old->namespace);
	change->name = lp_arena_str(&change->arena, old->name);
	change->body = lp_json_new(&change->arena, LP_JSON_OBJECT);
	lp_json_set_int(&change->arena, change->body, "count", lp_json_int(event, "count", 1) + 1);
	lp_json_set_str(&change->arena, change->body, "lastTimestamp", time);
	if (!same_event(old, write))
		lp_json_set_str(&change->arena, change->body, "message", lp_arena_printf(&change->arena, COMBINED "%s", write->message));
	return change;
}

/* Nanoseconds, as Kubernetes names events: lists sort by name, and so events stand in the order in which they came. */
static uint64_t
event_stamp(void)
{
	static uint64_t last;
	uint64_t stamp = (uint64_t)lp_clock_trusted_ms() * 1000000;

	last = stamp > last ? stamp : last + 1;
	return last;
}

static struct lp_change *
new_event(struct lp_manager *manager, const struct lp_write *write)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Event");
	struct lp_change *change = lp_change_new(manager, LP_CHANGE_CREATE, kind);
	const char *namespace = *write->namespace ? write->namespace : "default";
	struct lp_json *event, *source;
	char time[LP_CLOCK_TEXT];

	if (!change)
		return NULL;
	lp_clock_print(lp_clock_trusted_ms() / 1000 * 1000, time);
	change->namespace = lp_arena_str(&change->arena, namespace);
	event = lp_object_new(&change->arena, kind, namespace, lp_arena_printf(&change->arena, "%.230s.%016" PRIx64, write->name,
	    event_stamp()));
	lp_json_set(&change->arena, event, "involvedObject", lp_object_reference(&change->arena, write->object));
	lp_json_set_str(&change->arena, lp_json_get(event, "involvedObject"), "uid", regarding_uid(write));
	lp_json_set_str(&change->arena, event, "reason", write->reason);
	lp_json_set_str(&change->arena, event, "message", write->message);
	lp_json_set_str(&change->arena, event, "type", write->type);
	source = lp_json_set_object(&change->arena, event, "source");
	lp_json_set_str(&change->arena, source, "component", write->component);
	if (write->host)
		lp_json_set_str(&change->arena, source, "host", write->host);
	lp_json_set_str(&change->arena, event, "reportingComponent", write->component);
	lp_json_set_str(&change->arena, event, "reportingInstance", write->host ? write->host : "");
	lp_json_set_str(&change->arena, event, "firstTimestamp", time);
	lp_json_set_str(&change->arena, event, "lastTimestamp", time);
	lp_json_set_int(&change->arena, event, "count", 1);
	change->body = event;
	return change;
}

/* ---- one write */

static struct lp_change *
change_for(struct lp_manager *manager, const struct lp_write *write, bool looking, bool *out_quiet)
{
	*out_quiet = false;
	switch (write->verb) {
	case LP_WRITE_CREATE:
		return change_of(manager, write, LP_CHANGE_CREATE, "");
	case LP_WRITE_UPDATE:
		return change_of(manager, write, LP_CHANGE_UPDATE, "");
	case LP_WRITE_STATUS:
		return change_of(manager, write, LP_CHANGE_UPDATE, "status");
	case LP_WRITE_PATCH:
		return change_of(manager, write, LP_CHANGE_PATCH, "");
	case LP_WRITE_PATCH_STATUS:
		return change_of(manager, write, LP_CHANGE_PATCH, "status");
	case LP_WRITE_DELETE:
		return change_of(manager, write, LP_CHANGE_DELETE, "");
	case LP_WRITE_BIND:
		return change_of(manager, write, LP_CHANGE_BIND, "");
	case LP_WRITE_EVENT: {
		bool full = false;
		struct lp_cached *old = find_event(manager, write, &full);

		*out_quiet = full && !old;
		return old ? repeat_event(manager, old, write, looking, out_quiet) : full ? NULL : new_event(manager, write);
	}
	}
	return NULL;
}

int
lp_writes_submit(struct lp_manager *manager, const struct lp_writes *writes, lp_writes_done_fn done, void *arg,
    struct lp_err *err)
{
	int64_t now_ms = lp_loop_now(manager->loop);
	struct batch *batch = lp_seam.alloc(sizeof(*batch));

	if (!batch)
		return lp_err_set(err, -ENOMEM, "carry out writes");
	*batch = (struct batch){ .waiting = 1, .done = done, .arg = arg };
	for (const struct lp_write *write = writes->first; write; write = write->next) {
		bool quiet;
		struct lp_change *change = change_for(manager, write, writes->looking, &quiet);

		if (change)
			start(batch, change, now_ms);
		else if (!quiet && batch->failed++ == 0)
			lp_err_set(&batch->err, -ENOMEM, "carry out writes");
	}
	batch_step(batch, now_ms);
	return 0;
}
