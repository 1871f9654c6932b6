#include <stdio.h>
#include <string.h>

#include "tests/manager/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

static void
make(struct api *api, const char *name, const char *owner, const char *uid)
{
	char body[512];

	(void)snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"%s\"%s%s%s%s%s}}", name,
	    owner ? ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"" : "", owner ? owner : "",
	    owner ? "\",\"uid\":\"" : "", owner ? uid : "", owner ? "\"}]" : "");
	CHECK_INT(api_post(api, MAPS, body).status, 201);
}

/* The owner, and a child of it. */
static void
family(struct api *api, char uid[static 64])
{
	struct answer answer;

	api_start(api);
	make(api, "owner", NULL, NULL);
	answer = api_get(api, MAPS "/owner");
	(void)snprintf(uid, 64, "%s", at(&answer, "metadata.uid"));
	make(api, "child", "owner", uid);
	api_settle(api);
	CHECK_INT(api_get(api, MAPS "/child").status, 200);
}

static void
wait_gone(struct api *api, const char *path)
{
	for (int64_t deadline = 0; api_get(api, path).status != 404;)
		CHECK(lp_test_wait(&deadline, 10000));
}

TEST(a_child_goes_after_its_owner)
{
	char uid[64];
	struct api api;

	family(&api, uid);
	CHECK_INT(api_delete(&api, MAPS "/owner", "{\"propagationPolicy\":\"Background\"}").status, 200);
	CHECK_INT(api_get(&api, MAPS "/owner").status, 404);
	wait_gone(&api, MAPS "/child");
	api_stop(&api);
}

TEST(in_the_foreground_the_owner_waits_for_its_child)
{
	struct answer answer;
	char uid[64];
	struct api api;

	family(&api, uid);
	CHECK_INT(api_patch(&api, MAPS "/child", "merge", "{\"metadata\":{\"finalizers\":[\"x.org/a\"]}}").status, 200);
	answer = api_delete(&api, MAPS "/owner", "{\"propagationPolicy\":\"Foreground\"}");
	CHECK_STR(at(&answer, "kind"), "ConfigMap");
	CHECK_STR(lp_json_text(lp_json_first(lp_json_path(answer.json, "metadata.finalizers"))), "foregroundDeletion");
	api_settle(&api);
	answer = api_get(&api, MAPS "/child");
	CHECK_INT(strlen(at(&answer, "metadata.deletionTimestamp")), 20);
	CHECK_INT(api_get(&api, MAPS "/owner").status, 200);
	CHECK_INT(api_patch(&api, MAPS "/child", "merge", "{\"metadata\":{\"finalizers\":null}}").status, 200);
	wait_gone(&api, MAPS "/owner");
	CHECK_INT(api_get(&api, MAPS "/child").status, 404);
	api_stop(&api);
}

TEST(an_orphan_stays_and_knows_no_owner)
{
	struct answer answer;
	char uid[64];
	struct api api;

	family(&api, uid);
	CHECK_INT(api_delete(&api, MAPS "/owner", "{\"propagationPolicy\":\"Orphan\"}").status, 200);
	wait_gone(&api, MAPS "/owner");
	api_settle(&api);
	answer = api_get(&api, MAPS "/child");
	CHECK_INT(answer.status, 200);
	CHECK(lp_json_path(answer.json, "metadata.ownerReferences") == NULL);
	api_stop(&api);
}

TEST(who_owns_nothing_goes_at_once_whatever_was_asked)
{
	struct api api;

	api_start(&api);
	make(&api, "alone", NULL, NULL);
	CHECK_INT(api_delete(&api, MAPS "/alone", "{\"propagationPolicy\":\"Foreground\"}").status, 200);
	CHECK_INT(api_get(&api, MAPS "/alone").status, 404);
	api_stop(&api);
}

TEST(a_new_owner_of_the_same_name_is_another)
{
	struct api api;

	api_start(&api);
	make(&api, "owner", NULL, NULL);
	make(&api, "stranger", "owner", "another-uid");
	wait_gone(&api, MAPS "/stranger");
	CHECK_INT(api_get(&api, MAPS "/owner").status, 200);
	api_stop(&api);
}

TEST(an_owner_of_an_unknown_kind_counts_as_there)
{
	struct api api;

	api_start(&api);
	CHECK_INT(api_post(&api, MAPS, "{\"metadata\":{\"name\":\"kept\",\"ownerReferences\":[{\"apiVersion\":\"example.org/v1\","
	    "\"kind\":\"Thing\",\"name\":\"t\",\"uid\":\"u\"}]}}").status, 201);
	make(&api, "other", NULL, NULL);
	api_settle(&api);
	CHECK_INT(api_get(&api, MAPS "/kept").status, 200);
	api_stop(&api);
}
