#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/manager/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

static void
begin(struct api *api)
{
	api_start(api);
	if (api_get(api, "/api/v1/namespaces/default").status == 404)
		CHECK_INT(api_post(api, "/api/v1/namespaces", "{\"metadata\":{\"name\":\"default\"}}").status, 201);
}

static struct answer
make_map(struct api *api, const char *name, const char *label)
{
	char body[256];

	(void)snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"l\":\"%s\"}}}", name, label);
	return api_post(api, MAPS, body);
}

/* The n-th line of a stream, parsed. */
static struct lp_json *
line(struct api *api, struct stream *stream, size_t index)
{
	const char *text = api_lines(api, stream, index + 1);
	struct lp_json *json;
	struct lp_err err;

	while (index-- > 0) {
		text = strchr(text, '\n');
		CHECK(text != NULL);
		text++;
	}
	CHECK_OK(lp_json_parse(&api->arena, text, strcspn(text, "\n"), NULL, &json, &err), &err);
	return json;
}

static void
check_event(const struct lp_json *event, const char *type, const char *name)
{
	CHECK_STR(lp_json_str(event, "type"), type);
	CHECK_STR(lp_json_str(event, "object.metadata.name"), name);
}

TEST(a_watch_without_version_tells_what_is_there_and_then_what_changes)
{
	struct stream stream;
	struct answer gone;
	struct api api;

	begin(&api);
	CHECK_INT(make_map(&api, "a", "x").status, 201);
	api_watch(&api, &stream, MAPS "?watch=1");
	check_event(line(&api, &stream, 0), "ADDED", "a");
	CHECK_INT(make_map(&api, "b", "x").status, 201);
	check_event(line(&api, &stream, 1), "ADDED", "b");
	CHECK_INT(api_patch(&api, MAPS "/a", "merge", "{\"data\":{\"k\":\"1\"}}").status, 200);
	check_event(line(&api, &stream, 2), "MODIFIED", "a");
	gone = api_get(&api, MAPS "/b");
	CHECK_INT(api_delete(&api, MAPS "/b", NULL).status, 200);
	check_event(line(&api, &stream, 3), "DELETED", "b");
	CHECK(strcmp(lp_json_str(line(&api, &stream, 3), "object.metadata.resourceVersion"), at(&gone, "metadata.resourceVersion")) != 0);
	api_watch_end(&api, &stream);
	api_stop(&api);
}

TEST(a_watch_from_a_version_tells_everything_after_it_even_across_a_restart)
{
	struct stream stream;
	struct answer made;
	char path[128];
	struct api api;

	begin(&api);
	made = make_map(&api, "a", "x");
	(void)snprintf(path, sizeof(path), MAPS "?watch=true&resourceVersion=%s", at(&made, "metadata.resourceVersion"));
	CHECK_INT(api_patch(&api, MAPS "/a", "merge", "{\"data\":{\"k\":\"1\"}}").status, 200);
	CHECK_INT(make_map(&api, "b", "x").status, 201);
	CHECK_INT(api_delete(&api, MAPS "/a", NULL).status, 200);
	api_stop(&api);
	begin(&api);
	api_watch(&api, &stream, path);
	check_event(line(&api, &stream, 0), "MODIFIED", "a");
	check_event(line(&api, &stream, 1), "ADDED", "b");
	check_event(line(&api, &stream, 2), "DELETED", "a");
	api_watch_end(&api, &stream);
	api_stop(&api);
}

TEST(a_version_that_is_too_old_gets_410_and_the_end)
{
	struct stream stream;
	struct api api;

	begin(&api);
	for (int i = 0; i < 1100; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "m%d", i);
		CHECK_INT(make_map(&api, name, "x").status, 201);
	}
	api_stop(&api);
	begin(&api);
	api_watch(&api, &stream, MAPS "?watch=true&resourceVersion=3");
	CHECK_STR(lp_json_str(line(&api, &stream, 0), "type"), "ERROR");
	CHECK_INT(lp_json_int(line(&api, &stream, 0), "object.code", 0), 410);
	CHECK_STR(lp_json_str(line(&api, &stream, 0), "object.reason"), "Expired");
	(void)api_lines(&api, &stream, 2);
	CHECK(stream.ended);
	api_watch_end(&api, &stream);
	api_stop(&api);
}

TEST(entering_and_leaving_a_selection_are_added_and_deleted)
{
	struct stream stream;
	struct api api;

	begin(&api);
	CHECK_INT(make_map(&api, "a", "out").status, 201);
	api_watch(&api, &stream, MAPS "?watch=true&labelSelector=l%3Din");
	(void)api_lines(&api, &stream, 0);
	CHECK_INT(api_patch(&api, MAPS "/a", "merge", "{\"metadata\":{\"labels\":{\"l\":\"in\"}}}").status, 200);
	check_event(line(&api, &stream, 0), "ADDED", "a");
	CHECK_INT(api_patch(&api, MAPS "/a", "merge", "{\"metadata\":{\"labels\":{\"l\":\"out\"}}}").status, 200);
	check_event(line(&api, &stream, 1), "DELETED", "a");
	CHECK_STR(lp_json_str(line(&api, &stream, 1), "object.metadata.labels.l"), "in");
	api_watch_end(&api, &stream);
	api_stop(&api);
}

TEST(a_streaming_list_ends_its_first_part_with_a_bookmark)
{
	struct stream stream;
	struct api api;

	begin(&api);
	CHECK_INT(make_map(&api, "a", "x").status, 201);
	api_watch(&api, &stream, MAPS "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
	check_event(line(&api, &stream, 0), "ADDED", "a");
	CHECK_STR(lp_json_str(line(&api, &stream, 1), "type"), "BOOKMARK");
	CHECK_STR(lp_json_text(lp_json_get(lp_json_path(line(&api, &stream, 1), "object.metadata.annotations"),
	    "k8s.io/initial-events-end")), "true");
	CHECK_INT(make_map(&api, "b", "x").status, 201);
	check_event(line(&api, &stream, 2), "ADDED", "b");
	api_watch_end(&api, &stream);
	CHECK_INT(api_get(&api, MAPS "?watch=true&sendInitialEvents=true").status, 422);
	api_stop(&api);
}

TEST(a_watch_ends_at_its_timeout_with_a_bookmark)
{
	struct stream stream;
	const char *text;
	struct api api;

	begin(&api);
	api_watch(&api, &stream, MAPS "?watch=true&resourceVersion=1&timeoutSeconds=1&allowWatchBookmarks=true");
	text = api_lines(&api, &stream, 99);
	CHECK(stream.ended);
	CHECK_HAS(text, "BOOKMARK");
	api_watch_end(&api, &stream);
	api_stop(&api);
}
