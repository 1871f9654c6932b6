#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/seam.h"
#include "manager/control/control.h"
#include "specs/object.h"
#include "tests/manager/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define EVENTS "/api/v1/namespaces/default/events"

static size_t done_failed, done_count;

static void
done(void *arg, size_t failed, const struct lp_err *err, int64_t now_ms)
{
	(void)arg;
	(void)err;
	(void)now_ms;
	done_failed += failed;
	done_count++;
}

/* Carry out the writes and wait for their end. */
static void
submit(struct api *api, const struct lp_writes *writes)
{
	size_t before = done_count;
	struct lp_err err;

	CHECK_OK(lp_writes_submit(&api->manager, writes, done, NULL, &err), &err);
	for (int i = 0; done_count == before; i++) {
		CHECK(i < 1000);
		CHECK_OK(lp_loop_turn(api->loop, 10, &err), &err);
	}
}

static int64_t shift_ms;
static int64_t (*real_wall)(void);

static int64_t
shifted_wall(void)
{
	return real_wall() + shift_ms;
}

static size_t
count_events(struct api *api, struct answer *out)
{
	*out = api_get(api, EVENTS);
	return lp_json_count(lp_json_get(out->json, "items"));
}

static struct lp_cached *
map_m(struct api *api)
{
	return lp_cache_find(api->manager.cache, lp_kind_find("v1", "ConfigMap"), "default", "m");
}

TEST(a_cluster_begins_with_its_namespaces_and_its_own_service)
{
	struct answer answer;
	struct api api;

	api_start(&api);
	CHECK_INT(api_get(&api, "/api/v1/namespaces/default").status, 200);
	CHECK_INT(api_get(&api, "/api/v1/namespaces/kube-system").status, 200);
	answer = api_get(&api, "/api/v1/namespaces/default/services/kubernetes");
	CHECK_STR(at(&answer, "spec.clusterIP"), "10.43.0.1");
	CHECK_INT(api_delete(&api, "/api/v1/namespaces/default", NULL).status, 403);
	api_stop(&api);
}

TEST(a_deleted_namespace_takes_its_contents_along)
{
	struct api api;

	api_start(&api);
	CHECK_INT(api_post(&api, "/api/v1/namespaces", "{\"metadata\":{\"name\":\"x\"}}").status, 201);
	CHECK_INT(api_post(&api, "/api/v1/namespaces/x/configmaps", "{\"metadata\":{\"name\":\"m\"}}").status, 201);
	CHECK_INT(api_delete(&api, "/api/v1/namespaces/x", NULL).status, 200);
	for (int i = 0; api_get(&api, "/api/v1/namespaces/x").status != 404; i++)
		CHECK(i < 1000);
	CHECK_INT(api_get(&api, "/api/v1/namespaces/x/configmaps/m").status, 404);
	api_stop(&api);
}

TEST(an_event_that_repeats_is_counted_and_not_too_often)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_writes writes;
	struct answer answer;
	struct api api;

	api_start(&api);
	real_wall = lp_seam.wall_ms;
	lp_seam.wall_ms = shifted_wall;
	lp_arena_init(&arena, 1 << 20);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"}}").status, 201);
	for (int i = 0; i < 3; i++) {
		lp_writes_init(&writes, &arena);
		writes.looking = true;
		lp_writes_event(&writes, map_m(&api), "tester", "Warning", "Odd", "it is odd");
		submit(&api, &writes);
		CHECK_INT(count_events(&api, &answer), 1);
		CHECK_INT(lp_json_int(lp_json_first(lp_json_get(answer.json, "items")), "count", 0), 1);
	}
	shift_ms = 61000;
	lp_writes_init(&writes, &arena);
	writes.looking = true;
	lp_writes_event(&writes, map_m(&api), "tester", "Warning", "Odd", "it is odd");
	lp_writes_event(&writes, map_m(&api), "tester", "Warning", "Odd", "it is very odd");
	submit(&api, &writes);
	lp_writes_init(&writes, &arena);	/* what a device says is counted each time */
	lp_writes_event(&writes, map_m(&api), "tester", "Warning", "Odd", "it is odd");
	submit(&api, &writes);
	CHECK_INT(count_events(&api, &answer), 2);
	CHECK_INT(lp_json_int(lp_json_first(lp_json_get(answer.json, "items")), "count", 0) +
	    lp_json_int(lp_json_index(lp_json_get(answer.json, "items"), 1), "count", 0), 4);
	CHECK_INT(done_failed, 0);
	api_stop(&api);
	lp_seam.wall_ms = real_wall;
}

TEST(whoever_has_new_words_each_time_does_not_fill_the_store)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_writes writes;
	struct answer answer;
	struct api api;

	api_start(&api);
	lp_arena_init(&arena, 1 << 20);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"}}").status, 201);
	for (int i = 0; i < 120; i++) {
		lp_writes_init(&writes, &arena);
		lp_writes_event(&writes, map_m(&api), "tester", "Warning", i % 2 ? "Odd" : "Even", lp_arena_printf(&arena, "odd %d", i));
		submit(&api, &writes);
	}
	lp_writes_init(&writes, &arena);
	lp_writes_event(&writes, map_m(&api), "tester", "Warning", "Another", "a third reason");
	submit(&api, &writes);
	CHECK_INT(count_events(&api, &answer), 50);
	CHECK_INT(done_failed, 0);
	api_stop(&api);
}

TEST(events_are_forgotten_after_an_hour)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_writes writes;
	struct answer answer;
	struct api api;

	api_start(&api);
	real_wall = lp_seam.wall_ms;
	lp_seam.wall_ms = shifted_wall;
	lp_arena_init(&arena, 1 << 20);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"}}").status, 201);
	lp_writes_init(&writes, &arena);
	lp_writes_event(&writes, map_m(&api), "tester", "Normal", "Odd", "it is odd");
	submit(&api, &writes);
	CHECK_INT(count_events(&api, &answer), 1);
	shift_ms = 3601000;
	lp_control_look(api.manager.control);
	for (int i = 0; count_events(&api, &answer) > 0; i++)
		CHECK(i < 1000);
	api_stop(&api);
	lp_seam.wall_ms = real_wall;
}

TEST(writes_of_what_is_gone_are_no_failure_and_bad_ones_are)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_writes writes;
	struct lp_json *patch;
	struct api api;

	api_start(&api);
	lp_arena_init(&arena, 1 << 20);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"}}").status, 201);
	lp_writes_init(&writes, &arena);
	patch = lp_json_new(&arena, LP_JSON_OBJECT);
	lp_json_set_str(&arena, lp_json_set_object(&arena, patch, "data"), "k", "1");
	lp_writes_merge(&writes, lp_kind_find("v1", "ConfigMap"), "default", "missing", NULL, patch, false);
	lp_writes_merge(&writes, lp_kind_find("v1", "ConfigMap"), "default", "m", "another-uid", patch, false);
	lp_writes_merge(&writes, lp_kind_find("v1", "ConfigMap"), "default", "m", NULL, patch, false);
	submit(&api, &writes);
	CHECK_INT(done_failed, 0);
	CHECK_STR(lp_json_str(lp_cached_json(map_m(&api)), "data.k"), "1");
	lp_writes_init(&writes, &arena);
	patch = lp_json_new(&arena, LP_JSON_OBJECT);
	lp_json_set_int(&arena, patch, "data", 7);
	lp_writes_merge(&writes, lp_kind_find("v1", "ConfigMap"), "default", "m", NULL, patch, false);
	submit(&api, &writes);
	CHECK_INT(done_failed, 1);
	api_stop(&api);
}

TEST(what_was_parsed_is_forgotten_and_can_be_had_again)
{
	struct api api;

	api_start(&api);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"},\"data\":{\"k\":\"v\"}}").status, 201);
	CHECK_STR(lp_json_str(lp_cached_json(map_m(&api)), "data.k"), "v");
	lp_cache_forget_json(api.manager.cache);
	CHECK(map_m(&api)->parsed == NULL);
	CHECK_STR(lp_json_str(lp_cached_json(map_m(&api)), "data.k"), "v");
	api_stop(&api);
}
