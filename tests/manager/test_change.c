/*
 * tests/manager/test_change.c - many changes at once: what is decided from an old state is decided again, and nobody is lost.
 */
#include <stdio.h>
#include <string.h>

#include "tests/manager/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define SERVICES "/api/v1/namespaces/default/services"
#define JSON "Content-Type: application/json\r\n"
#define MERGE "Content-Type: application/merge-patch+json\r\n"
#define MANY 20

struct tally {
	int created, ok, conflict, invalid, other;
};

/* All of them are sent before the first is answered. */
static struct tally
race(struct api *api, const char *method, const char *path, const char *headers, const char *format)
{
	struct tally tally = { 0 };
	char body[512];
	int fds[MANY];

	for (int i = 0; i < MANY; i++) {
		(void)snprintf(body, sizeof(body), format, i, i);
		fds[i] = api_begin(api, "admin", method, path, headers, body);
	}
	for (int i = 0; i < MANY; i++) {
		int status = api_end(api, fds[i]).status;

		tally.created += status == 201;
		tally.ok += status == 200;
		tally.conflict += status == 409;
		tally.invalid += status == 422;
		tally.other += status != 200 && status != 201 && status != 409 && status != 422;
	}
	return tally;
}

TEST(of_many_creations_of_one_name_one_wins)
{
	struct tally tally;
	struct api api;

	api_start(&api);
	tally = race(&api, "POST", MAPS, JSON, "{\"metadata\":{\"name\":\"m\"},\"data\":{\"k%d\":\"%d\"}}");
	CHECK_INT(tally.created, 1);
	CHECK_INT(tally.conflict, MANY - 1);
	api_stop(&api);
}

TEST(many_patches_of_one_object_all_arrive)
{
	struct answer answer;
	struct tally tally;
	struct api api;

	api_start(&api);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"}}").status, 201);
	tally = race(&api, "PATCH", MAPS "/m", MERGE, "{\"data\":{\"k%d\":\"%d\"}}");
	CHECK_INT(tally.ok, MANY);
	answer = api_get(&api, MAPS "/m");
	CHECK_INT(lp_json_count(lp_json_get(answer.json, "data")), MANY);
	api_stop(&api);
}

TEST(of_many_updates_from_one_version_one_wins)
{
	struct answer made;
	struct tally tally;
	char format[256];
	struct api api;

	api_start(&api);
	made = api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"}}");
	CHECK_INT(made.status, 201);
	(void)snprintf(format, sizeof(format), "{\"metadata\":{\"name\":\"m\",\"resourceVersion\":\"%s\"},\"data\":{\"k%%d\":\"%%d\"}}",
	    at(&made, "metadata.resourceVersion"));
	tally = race(&api, "PUT", MAPS "/m", JSON, format);
	CHECK_INT(tally.ok, 1);
	CHECK_INT(tally.conflict, MANY - 1);
	api_stop(&api);
}

TEST(of_many_services_that_want_one_port_one_gets_it)
{
	struct tally tally;
	struct api api;

	api_start(&api);
	tally = race(&api, "POST", SERVICES, JSON,
	    "{\"metadata\":{\"name\":\"s%d\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30100,\"targetPort\":8%d}]}}");
	CHECK_INT(tally.created, 1);
	CHECK_INT(tally.invalid, MANY - 1);
	api_stop(&api);
}

TEST(many_services_at_once_share_no_address)
{
	struct answer answer;
	struct tally tally;
	struct api api;

	api_start(&api);
	tally = race(&api, "POST", SERVICES, JSON,
	    "{\"metadata\":{\"name\":\"s%d\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"targetPort\":8%d}]}}");
	CHECK_INT(tally.created, MANY);
	answer = api_get(&api, SERVICES);
	lp_json_each (one, lp_json_get(answer.json, "items"))
		lp_json_each (other, lp_json_get(answer.json, "items")) {
			if (one == other)
				continue;
			CHECK(strcmp(lp_json_str(one, "spec.clusterIP"), lp_json_str(other, "spec.clusterIP")) != 0);
			CHECK(lp_json_int(lp_json_first(lp_json_path(one, "spec.ports")), "nodePort", 0) !=
			    lp_json_int(lp_json_first(lp_json_path(other, "spec.ports")), "nodePort", -1));
		}
	api_stop(&api);
}

TEST(a_delete_among_patches_is_final)
{
	int fds[MANY], gone = 0;
	struct api api;

	api_start(&api);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"m\"}}").status, 201);
	for (int i = 0; i < MANY; i++) {
		char body[64];

		(void)snprintf(body, sizeof(body), "{\"data\":{\"k\":\"%d\"}}", i);
		fds[i] = i == 10 ? api_begin(&api, "admin", "DELETE", MAPS "/m", NULL, NULL) :
		    api_begin(&api, "admin", "PATCH", MAPS "/m", MERGE, body);
	}
	for (int i = 0; i < MANY; i++) {
		int status = api_end(&api, fds[i]).status;

		CHECK(status == 200 || status == 404);
		gone += status == 404;
	}
	CHECK(gone > 0);
	CHECK_INT(api_get(&api, MAPS "/m").status, 404);
	api_stop(&api);
}

TEST(a_client_that_leaves_at_any_moment_harms_nobody)
{
	struct api api;

	api_start(&api);
	for (int i = 0; i < 8; i++) {
		char body[64];
		int fd;

		(void)snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"m%d\"}}", i);
		fd = api_begin(&api, "admin", "POST", MAPS, JSON, body);
		for (int k = 0; k < i; k++)
			CHECK_OK(lp_loop_turn(api.loop, 1, NULL), NULL);
		close(fd);
	}
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"last\"}}").status, 201);
	CHECK_INT(api_get(&api, MAPS "/m7").status, 200);
	api_stop(&api);
}

TEST(what_is_under_way_when_the_manager_stops_is_stored_or_refused_and_freed)
{
	struct api api;
	int fds[MANY];

	api_start(&api);
	for (int i = 0; i < MANY; i++) {
		char body[64];

		(void)snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"m%d\"}}", i % 7);
		fds[i] = api_begin(&api, "admin", "POST", MAPS, JSON, body);
	}
	CHECK_OK(lp_loop_turn(api.loop, 0, NULL), NULL);
	api_stop(&api);
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
}
