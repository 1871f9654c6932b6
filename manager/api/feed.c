#include "manager/api/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/api/filter.h"

enum {
	QUEUE_HIGH = 256 << 10,		/* bytes waiting for a client before its feed rests */
	BOOKMARK_MS = 60000,
	LIFE_MIN_MS = 1800000,		/* of a watch whose client did not say: a random time up to twice this */
};

struct feed {
	struct lp_list link;
	struct lp_request *request;
	struct lp_filter filter;
	enum lp_filter_form form;
	enum lp_print_include include;
	bool columns_told;		/* Table: only the first event carries them */
	bool bookmarks;
	bool initial_bookmark;		/* owed: the one that ends the initial events */
	bool over;			/* finished; waits for gone() */

	int64_t told;			/* everything up to this revision was told */
	struct lp_cached **initial;	/* objects still to be told as ADDED, from initial_at; references */
	size_t initial_count, initial_at;
	struct lp_timer end_timer, bookmark_timer;
};

struct lp_feeds {
	struct lp_manager *manager;
	struct lp_list feeds;
	struct lp_cache_observer observer;
	struct lp_defer pump;
};

/* ---- writing one event */

static void
write_json(struct lp_buf *out, struct lp_arena *arena, const struct lp_json *value)
{
	if (!value || arena->failed)
		out->failed = -ENOMEM;
	else
		lp_json_write(out, value);
}

/* The parsed object with another resourceVersion, for rows and partial objects. */
static const struct lp_json *
as_of(struct lp_arena *arena, struct lp_cached *object, int64_t revision)
{
	struct lp_json *copy;

	if (object->revision == revision)
		return lp_cached_json(object);
	copy = lp_json_copy(arena, lp_cached_json(object));
	lp_json_set_str(arena, lp_json_get(copy, "metadata"), "resourceVersion", lp_arena_printf(arena, "%" PRId64, revision));
	return copy;
}

static void
write_table(struct feed *feed, struct lp_buf *out, struct lp_cached *object, int64_t revision)
{
	lp_auto_arena struct lp_arena arena;

	lp_arena_init(&arena, 64 << 20);
	lp_buf_printf(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"resourceVersion\":\"%" PRId64
	    "\"},\"columnDefinitions\":", revision);
	if (feed->columns_told)
		lp_buf_str(out, "null");
	else
		write_json(out, &arena, lp_print_columns(&arena, feed->filter.kind));
	feed->columns_told = true;
	lp_buf_str(out, ",\"rows\":[");
	write_json(out, &arena, lp_print_row(&arena, feed->filter.kind, as_of(&arena, object, revision), feed->include,
	    lp_clock_wall_ms()));
	lp_buf_str(out, "]}");
}

/* False: the client cannot be told any more. */
static bool
send(struct feed *feed, struct lp_buf *line)
{
	if (lp_buf_str(line, "}\n") < 0 || lp_http_write(feed->request->call, line->data, line->len) < 0) {
		feed->over = true;
		lp_http_abort(feed->request->call);
		return false;
	}
	return true;
}

static bool
send_event(struct feed *feed, const char *type, struct lp_cached *object, int64_t revision)
{
	lp_auto_buf struct lp_buf line;

	lp_buf_init(&line, 64 << 20);
	lp_buf_printf(&line, "{\"type\":\"%s\",\"object\":", type);
	switch (feed->form) {
	case LP_FILTER_PLAIN:
		lp_cached_print_as(object, revision, &line);
		break;
	case LP_FILTER_TABLE:
		write_table(feed, &line, object, revision);
		break;
	case LP_FILTER_PARTIAL: {
		lp_auto_arena struct lp_arena arena;

		lp_arena_init(&arena, 64 << 20);
		write_json(&line, &arena, lp_print_partial(&arena, as_of(&arena, object, revision)));
		break;
	}
	}
	return send(feed, &line);
}

static bool
send_bookmark(struct feed *feed, bool initial_end)
{
	const struct lp_kind *kind = feed->filter.kind;
	char version[LP_KIND_TEXT];
	lp_auto_buf struct lp_buf line;

	lp_buf_init(&line, 4096);
	lp_buf_printf(&line, "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{"
	    "\"resourceVersion\":\"%" PRId64 "\"%s}}", kind->kind, lp_kind_api_version(kind, version), feed->told,
	    initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : ",\"creationTimestamp\":null");
	return send(feed, &line);
}

static void
finish(struct feed *feed)
{
	feed->over = true;
	lp_http_finish(feed->request->call);
}

/* An event that says why, and the end. */
static void
expire(struct feed *feed)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf line;

	lp_arena_init(&arena, 64 << 10);
	lp_buf_init(&line, 16 << 10);
	lp_buf_str(&line, "{\"type\":\"ERROR\",\"object\":");
	write_json(&line, &arena, lp_status_make(&arena, 410, "Expired", lp_arena_printf(&arena,
	    "too old resource version: %" PRId64 " (%" PRId64 ")", feed->told,
	    lp_cache_history_floor(feed->request->manager->cache))));
	if (send(feed, &line))
		finish(feed);
}

/* ---- pumping */

static bool
rests(const struct feed *feed)
{
	return feed->over || lp_http_queued(feed->request->call) > QUEUE_HIGH;
}

static void
drop_initial(struct feed *feed)
{
	while (feed->initial_at < feed->initial_count)
		lp_cached_unref(feed->initial[feed->initial_at++]);
	free(feed->initial);
	feed->initial = NULL;
	feed->initial_count = feed->initial_at = 0;
}

static void
pump_initial(struct feed *feed)
{
	while (feed->initial_at < feed->initial_count && !rests(feed)) {
		struct lp_cached *object = feed->initial[feed->initial_at++];
		bool sent = send_event(feed, "ADDED", object, object->revision);

		lp_cached_unref(object);
		if (!sent)
			return;
	}
	if (feed->initial && feed->initial_at == feed->initial_count)
		drop_initial(feed);
	if (!feed->initial && feed->initial_bookmark && !rests(feed)) {
		feed->initial_bookmark = false;
		(void)send_bookmark(feed, true);	/* a failure has ended the feed */
	}
}

/* Entering is ADDED, leaving DELETED, staying MODIFIED. */
static bool
tell(struct feed *feed, const struct lp_cache_event *event)
{
	bool before = event->old && lp_filter_match(&feed->filter, event->old);
	bool after = event->new && lp_filter_match(&feed->filter, event->new);

	if (after)
		return send_event(feed, before ? "MODIFIED" : "ADDED", event->new, event->revision);
	return !before || send_event(feed, "DELETED", event->old, event->revision);
}

static void
pump(struct feed *feed)
{
	const struct lp_cache *cache = feed->request->manager->cache;
	const struct lp_cache_event *event;

	if (rests(feed))
		return;
	pump_initial(feed);
	if (feed->initial || feed->initial_bookmark)
		return;
	if (!feed->over && feed->told < lp_cache_history_floor(cache)) {
		expire(feed);
		return;
	}
	while (!rests(feed) && (event = lp_cache_after(cache, feed->told)) != NULL) {
		if (!tell(feed, event))
			return;
		feed->told = event->revision;
	}
}

static void
pump_all(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_feeds *feeds = lp_of(defer, struct lp_feeds, pump);

	(void)now_ms;			/* events have no time */
	lp_list_each(link, &feeds->feeds)
		pump(lp_of(link, struct feed, link));
}

static void
changed(struct lp_cache_observer *observer, const struct lp_cache_event *event)
{
	struct lp_feeds *feeds = lp_of(observer, struct lp_feeds, observer);

	(void)event;			/* the history has it */
	if (!lp_list_empty(&feeds->feeds))
		lp_loop_defer(feeds->manager->loop, &feeds->pump, pump_all);
}

/* ---- one feed's life */

static void
feed_free(struct feed *feed)
{
	lp_list_remove(&feed->link);
	lp_timer_stop(&feed->end_timer);
	lp_timer_stop(&feed->bookmark_timer);
	drop_initial(feed);
	free(feed);
}

static void
call_room(struct lp_request *request, int64_t now_ms)
{
	(void)now_ms;			/* events have no time */
	pump(request->own);
}

static void
call_gone(struct lp_request *request, int64_t now_ms)
{
	(void)now_ms;			/* nothing is left to be timed */
	feed_free(request->own);
}

static const struct lp_request_hooks feed_hooks = { .room = call_room, .gone = call_gone };

static void
ended(struct lp_timer *timer, int64_t now_ms)
{
	struct feed *feed = lp_of(timer, struct feed, end_timer);

	(void)now_ms;			/* its time has come */
	pump(feed);
	if (feed->over)
		return;
	if (feed->bookmarks && !rests(feed) && !send_bookmark(feed, false))
		return;
	finish(feed);
}

static void
bookmark_due(struct lp_timer *timer, int64_t now_ms)
{
	struct feed *feed = lp_of(timer, struct feed, bookmark_timer);

	pump(feed);
	if (feed->over || (!rests(feed) && !feed->initial && !send_bookmark(feed, false)))
		return;
	/* without memory for the timer there are no more bookmarks, which are a courtesy */
	(void)lp_timer_start(feed->request->manager->loop, timer, now_ms + BOOKMARK_MS, bookmark_due);
}

static int
take_initial(struct feed *feed)
{
	struct lp_request *request = feed->request;
	size_t count;
	struct lp_cached **list = lp_filter_list(&feed->filter, request->manager->cache, &request->arena, &count);

	feed->initial = lp_seam.alloc((count + 1) * sizeof(struct lp_cached *));
	if (!feed->initial || request->arena.failed)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		feed->initial[i] = lp_cached_ref(list[i]);
	feed->initial_count = count;
	return 0;
}

/* ---- the handler */

static int
refuse_match(struct lp_request *request, const char *detail)
{
	struct lp_json *status = lp_status_make(&request->arena, 422, "Invalid", lp_arena_printf(&request->arena,
	    "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: %s", detail));

	if (status) {
		struct lp_json *details = lp_json_need_object(&request->arena, status, "details");

		lp_json_set_str(&request->arena, details, "group", "meta.k8s.io");
		lp_json_set_str(&request->arena, details, "kind", "ListOptions");
		lp_status_cause(&request->arena, status, "FieldValueForbidden", lp_arena_printf(&request->arena, "Forbidden: %s", detail),
		    "resourceVersionMatch");
	}
	lp_request_refuse(request, status);
	return -EINVAL;
}

/* Where it begins: *out_told, and whether the present objects come first. */
static int
read_start(struct lp_request *request, int64_t *out_told, bool *out_initial, bool *out_initial_bookmark)
{
	const char *version = lp_request_query(request, "resourceVersion");
	const char *match = lp_request_query(request, "resourceVersionMatch");
	bool streaming = lp_request_query_bool(request, "sendInitialEvents");
	int64_t wanted = 0;
	struct lp_err err;

	if (version && *version && lp_text_i64(version, 0, INT64_MAX, &wanted) < 0) {
		lp_err_say(&err, -EINVAL, "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax",
		    version, version);
		lp_request_fail(request, 400, &err);
		return -EINVAL;
	}
	if (streaming && !lp_text_same(match, "NotOlderThan"))
		return refuse_match(request, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
	if (streaming && !lp_request_query_bool(request, "allowWatchBookmarks"))
		return refuse_match(request, "sendInitialEvents requires allowWatchBookmarks");
	if (!streaming && match && *match)
		return refuse_match(request, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
	*out_initial = streaming || wanted == 0;
	*out_initial_bookmark = streaming;
	*out_told = *out_initial ? lp_cache_revision(request->manager->cache) : wanted;
	return 0;
}

static int
start_timers(struct feed *feed)
{
	struct lp_request *request = feed->request;
	int64_t timeout_s = lp_request_query_int(request, "timeoutSeconds", 0), life_ms = lp_clock_seconds_ms(timeout_s);
	uint32_t random;
	int rc;

	if (timeout_s <= 0 || timeout_s > 86400) {
		lp_random(&random, sizeof(random));
		life_ms = LIFE_MIN_MS + random % LIFE_MIN_MS;
	}
	rc = lp_timer_start(request->manager->loop, &feed->end_timer, request->now_ms + life_ms, ended);
	if (rc == 0 && feed->bookmarks)
		rc = lp_timer_start(request->manager->loop, &feed->bookmark_timer, request->now_ms + BOOKMARK_MS, bookmark_due);
	return rc;
}

void
lp_feed_watch(struct lp_request *request)
{
	struct feed *feed = lp_seam.alloc(sizeof(*feed));
	bool initial;

	if (!feed) {
		lp_request_refuse(request, NULL);
		return;
	}
	feed->request = request;
	feed->include = lp_filter_include(request);
	feed->bookmarks = lp_request_query_bool(request, "allowWatchBookmarks");
	if (lp_filter_accept(request, &feed->form) < 0 || lp_filter_read(request, &feed->filter) < 0 ||
	    read_start(request, &feed->told, &initial, &feed->initial_bookmark) < 0) {
		free(feed);
		return;
	}
	if ((initial && take_initial(feed) < 0) || start_timers(feed) < 0 ||
	    lp_http_start(request->call, 200, "application/json") < 0) {
		lp_request_refuse(request, NULL);
		feed_free(feed);
		return;
	}
	request->hooks = &feed_hooks;
	request->own = feed;
	lp_list_append(&request->manager->feeds->feeds, &feed->link);
	pump(feed);
}

int
lp_feeds_new(struct lp_manager *manager, struct lp_feeds **out, struct lp_err *err)
{
	struct lp_feeds *feeds = lp_seam.alloc(sizeof(*feeds));

	if (!feeds)
		return lp_err_set(err, -ENOMEM, "make watch feeds");
	feeds->manager = manager;
	lp_list_init(&feeds->feeds);
	feeds->observer.changed = changed;
	lp_cache_observe(manager->cache, &feeds->observer);
	*out = feeds;
	return 0;
}

void
lp_feeds_free(struct lp_feeds *feeds)
{
	if (!feeds)
		return;
	lp_cache_unobserve(&feeds->observer);
	lp_defer_cancel(&feeds->pump);
	lp_list_each(link, &feeds->feeds)
		lp_list_remove(link);		/* each is freed by its own call */
	free(feeds);
}
