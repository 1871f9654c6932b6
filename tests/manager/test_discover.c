#include <stdio.h>
#include <string.h>

#include "tests/manager/api.h"

#define V2 "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#define BETA "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"

/* The row of a list whose member has this value. */
static const struct lp_json *
row(const struct lp_json *list, const char *key, const char *value)
{
	lp_json_each (one, list)
		if (lp_json_str(one, key) && strcmp(lp_json_str(one, key), value) == 0)
			return one;
	return NULL;
}

TEST(the_version_is_one_that_kubectl_can_read)
{
	struct answer answer;
	struct api api;

	api_start(&api);
	answer = api_get(&api, "/version");
	CHECK_STR(at(&answer, "major"), "1");
	CHECK_HAS(at(&answer, "gitVersion"), "v1.");
	CHECK_STR(api_get(&api, "/healthz").text, "ok");
	CHECK_STR(api_get(&api, "/readyz").text, "ok");
	api_stop(&api);
}

TEST(legacy_discovery_lists_groups_resources_and_subresources)
{
	struct answer answer;
	const struct lp_json *pods;
	struct api api;

	api_start(&api);
	answer = api_get(&api, "/api");
	CHECK_STR(at(&answer, "kind"), "APIVersions");
	answer = api_get(&api, "/apis");
	CHECK(row(lp_json_get(answer.json, "groups"), "name", "discovery.k8s.io") != NULL);
	CHECK_STR(lp_json_str(row(lp_json_get(answer.json, "groups"), "name", "discovery.k8s.io"), "preferredVersion.groupVersion"),
	    "discovery.k8s.io/v1");
	answer = api_get(&api, "/apis/discovery.k8s.io");
	CHECK_STR(at(&answer, "kind"), "APIGroup");
	answer = api_get(&api, "/api/v1");
	pods = row(lp_json_get(answer.json, "resources"), "name", "pods");
	CHECK_STR(lp_json_text(lp_json_first(lp_json_get(pods, "shortNames"))), "po");
	CHECK_INT(lp_json_count(lp_json_get(pods, "verbs")), 8);
	CHECK_STR(lp_json_str(row(lp_json_get(answer.json, "resources"), "name", "pods/eviction"), "group"), "policy");
	CHECK(row(lp_json_get(answer.json, "resources"), "name", "configmaps/status") == NULL);
	CHECK_INT(api_get(&api, "/apis/nonsense").status, 404);
	CHECK_INT(api_get(&api, "/apis/discovery.k8s.io/v9").status, 404);
	api_stop(&api);
}

TEST(aggregated_discovery_speaks_the_version_that_was_asked_for)
{
	struct answer answer;
	char header[256], tag[128];
	const char *etag;
	struct api api;

	api_start(&api);
	answer = api_ask(&api, "admin", "GET", "/apis", "Accept: " V2 "," BETA ",application/json\r\n", NULL);
	CHECK_STR(at(&answer, "apiVersion"), "apidiscovery.k8s.io/v2");
	CHECK_HAS(answer.head, V2);
	CHECK(row(lp_json_get(answer.json, "items"), "metadata.name", "coordination.k8s.io") != NULL);
	answer = api_ask(&api, "admin", "GET", "/api", "Accept: " BETA ",application/json\r\n", NULL);
	CHECK_STR(at(&answer, "apiVersion"), "apidiscovery.k8s.io/v2beta1");
	CHECK_HAS(answer.head, BETA);
	etag = strcasestr(answer.head, "etag: ");
	CHECK(etag != NULL);
	(void)snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(etag + 6, "\r"), etag + 6);
	(void)snprintf(header, sizeof(header), "Accept: " BETA "\r\nIf-None-Match: %s\r\n", tag);
	CHECK_INT(api_ask(&api, "admin", "GET", "/api", header, NULL).status, 304);
	api_stop(&api);
}

TEST(openapi_is_there_in_both_versions)
{
	struct answer answer;
	const char *path;
	struct api api;

	api_start(&api);
	answer = api_get(&api, "/openapi/v2");
	CHECK_INT(answer.status, 200);
	CHECK_HAS(answer.head, "application/octet-stream");
	CHECK_MEM(answer.text, "\x0a\x03" "2.0", 5);
	answer = api_get(&api, "/openapi/v3");
	path = lp_json_str(lp_json_get(lp_json_get(answer.json, "paths"), "apis/coordination.k8s.io/v1"), "serverRelativeURL");
	CHECK_HAS(path, "/openapi/v3/apis/coordination.k8s.io/v1?hash=");
	answer = api_get(&api, path);
	CHECK_INT(answer.status, 200);
	CHECK(lp_json_path(answer.json, "components.schemas") != NULL);
	CHECK_INT(api_get(&api, "/openapi/v3/apis/nonsense/v1").status, 404);
	api_stop(&api);
}

TEST(there_are_no_custom_kinds_and_that_is_said)
{
	struct answer answer;
	struct api api;

	api_start(&api);
	answer = api_get(&api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
	CHECK_INT(answer.status, 200);
	CHECK_INT(lp_json_count(lp_json_get(answer.json, "items")), 0);
	api_stop(&api);
}
