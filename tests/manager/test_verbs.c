#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/manager/api.h"

#define PODS "/api/v1/namespaces/default/pods"
#define MAPS "/api/v1/namespaces/default/configmaps"
#define SERVICES "/api/v1/namespaces/default/services"
#define NS "/api/v1/namespaces"

static const char pod_a[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"labels\":{\"app\":\"x\"}},"
    "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}";

static void
begin(struct api *api)
{
	struct answer answer;

	api_start(api);
	answer = api_get(api, NS "/default");
	if (answer.status == 404)
		CHECK_INT(api_post(api, NS, "{\"metadata\":{\"name\":\"default\"}}").status, 201);
}

static struct answer
make_map(struct api *api, const char *name, const char *value)
{
	char body[256];

	(void)snprintf(body, sizeof(body), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
	    "\"labels\":{\"v\":\"%s\"}},\"data\":{\"k\":\"%s\"}}", name, value, value);
	return api_post(api, MAPS, body);
}

TEST(a_created_object_comes_back_with_what_the_server_owns)
{
	struct answer made, got;
	struct api api;

	begin(&api);
	made = make_map(&api, "m", "1");
	CHECK_INT(made.status, 201);
	CHECK_STR(at(&made, "metadata.namespace"), "default");
	CHECK_INT(strlen(at(&made, "metadata.uid")), 36);
	CHECK_INT(strlen(at(&made, "metadata.creationTimestamp")), 20);
	got = api_get(&api, MAPS "/m");
	CHECK_INT(got.status, 200);
	CHECK_STR(at(&got, "data.k"), "1");
	CHECK_STR(at(&got, "metadata.resourceVersion"), at(&made, "metadata.resourceVersion"));
	CHECK_INT(api_delete(&api, MAPS "/m", NULL).status, 200);
	CHECK_INT(api_get(&api, MAPS "/m").status, 404);
	api_stop(&api);
}

TEST(what_was_acknowledged_is_there_after_a_restart_with_the_same_versions)
{
	struct answer before, after;
	char version[32];
	struct api api;

	begin(&api);
	before = make_map(&api, "m", "1");
	CHECK_INT(before.status, 201);
	(void)snprintf(version, sizeof(version), "%s", at(&before, "metadata.resourceVersion"));
	api_stop(&api);
	begin(&api);
	after = api_get(&api, MAPS "/m");
	CHECK_STR(at(&after, "metadata.resourceVersion"), version);
	api_stop(&api);
}

TEST(creating_twice_is_a_conflict_and_a_missing_namespace_is_named)
{
	struct answer answer;
	struct api api;

	begin(&api);
	CHECK_INT(make_map(&api, "m", "1").status, 201);
	answer = make_map(&api, "m", "1");
	CHECK_INT(answer.status, 409);
	CHECK_STR(at(&answer, "reason"), "AlreadyExists");
	CHECK_STR(at(&answer, "message"), "configmaps \"m\" already exists");
	answer = api_post(&api, "/api/v1/namespaces/nowhere/configmaps", "{\"metadata\":{\"name\":\"m\"}}");
	CHECK_INT(answer.status, 404);
	CHECK_STR(at(&answer, "message"), "namespaces \"nowhere\" not found");
	api_stop(&api);
}

TEST(an_update_from_an_old_version_is_refused)
{
	struct answer made, answer;
	char body[512];
	struct api api;

	begin(&api);
	made = make_map(&api, "m", "1");
	(void)snprintf(body, sizeof(body), "{\"metadata\":{\"name\":\"m\",\"resourceVersion\":\"%s\"},\"data\":{\"k\":\"2\"}}",
	    at(&made, "metadata.resourceVersion"));
	answer = api_put(&api, MAPS "/m", body);
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "data.k"), "2");
	CHECK_STR(at(&answer, "metadata.uid"), at(&made, "metadata.uid"));
	answer = api_put(&api, MAPS "/m", body);
	CHECK_INT(answer.status, 409);
	CHECK_STR(at(&answer, "reason"), "Conflict");
	CHECK_STR(at(&answer, "message"), "Operation cannot be fulfilled on configmaps \"m\": the object has been modified; "
	    "please apply your changes to the latest version and try again");
	api_stop(&api);
}

TEST(an_update_that_changes_nothing_keeps_the_version)
{
	struct answer made, answer;
	struct api api;

	begin(&api);
	made = make_map(&api, "m", "1");
	answer = api_put(&api, MAPS "/m", "{\"metadata\":{\"name\":\"m\",\"labels\":{\"v\":\"1\"}},\"data\":{\"k\":\"1\"}}");
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "metadata.resourceVersion"), at(&made, "metadata.resourceVersion"));
	api_stop(&api);
}

TEST(the_three_patches_do_what_they_say)
{
	struct answer answer;
	struct api api;

	begin(&api);
	CHECK_INT(make_map(&api, "m", "1").status, 201);
	answer = api_patch(&api, MAPS "/m", "merge", "{\"data\":{\"b\":\"2\",\"k\":null}}");
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "data.b"), "2");
	CHECK_STR(at(&answer, "data.k"), "");
	answer = api_patch(&api, MAPS "/m", "json", "[{\"op\":\"replace\",\"path\":\"/data/b\",\"value\":\"3\"}]");
	CHECK_STR(at(&answer, "data.b"), "3");
	answer = api_patch(&api, MAPS "/m", "json", "[{\"op\":\"test\",\"path\":\"/data/b\",\"value\":\"9\"}]");
	CHECK_INT(answer.status, 422);
	answer = api_patch(&api, MAPS "/m", "strategic", "{\"metadata\":{\"finalizers\":[\"x.org/a\"]}}");
	CHECK_INT(answer.status, 200);
	answer = api_ask(&api, "admin", "PATCH", MAPS "/m", "Content-Type: application/json\r\n", "{}");
	CHECK_INT(answer.status, 415);
	answer = api_patch(&api, MAPS "/m", "merge", "{\"metadata\":{\"name\":\"other\"}}");
	CHECK_INT(answer.status, 400);
	api_stop(&api);
}

TEST(finalizers_hold_an_object_until_they_are_gone)
{
	struct answer answer;
	struct api api;

	begin(&api);
	CHECK_INT(make_map(&api, "m", "1").status, 201);
	CHECK_INT(api_patch(&api, MAPS "/m", "merge", "{\"metadata\":{\"finalizers\":[\"x.org/a\"]}}").status, 200);
	answer = api_delete(&api, MAPS "/m", NULL);
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "kind"), "ConfigMap");
	CHECK_INT(strlen(at(&answer, "metadata.deletionTimestamp")), 20);
	CHECK_INT(api_patch(&api, MAPS "/m", "merge", "{\"metadata\":{\"finalizers\":null}}").status, 200);
	CHECK_INT(api_get(&api, MAPS "/m").status, 404);
	api_stop(&api);
}

TEST(a_pod_that_runs_on_a_node_gets_its_grace)
{
	struct answer answer;
	struct api api;

	begin(&api);
	CHECK_INT(api_post(&api, "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}").status, 201);
	CHECK_INT(api_post(&api, PODS, pod_a).status, 201);
	answer = api_post(&api, PODS "/a/binding", "{\"target\":{\"kind\":\"Node\",\"name\":\"n1\"}}");
	CHECK_INT(answer.status, 201);
	answer = api_post(&api, PODS "/a/binding", "{\"target\":{\"kind\":\"Node\",\"name\":\"n2\"}}");
	CHECK_INT(answer.status, 409);
	answer = api_delete(&api, PODS "/a", "{\"propagationPolicy\":\"Background\"}");
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "metadata.deletionGracePeriodSeconds"), "30");
	CHECK_STR(at(&answer, "spec.nodeName"), "n1");
	answer = api_delete(&api, PODS "/a", "{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"other\"}}");
	CHECK_INT(answer.status, 409);
	CHECK_INT(api_delete(&api, PODS "/a", "{\"gracePeriodSeconds\":0}").status, 200);
	CHECK_INT(api_get(&api, PODS "/a").status, 404);
	api_stop(&api);
}

TEST(a_pod_without_a_node_goes_at_once)
{
	struct api api;

	begin(&api);
	CHECK_INT(api_post(&api, PODS, pod_a).status, 201);
	CHECK_INT(api_delete(&api, PODS "/a", NULL).status, 200);
	CHECK_INT(api_get(&api, PODS "/a").status, 404);
	api_stop(&api);
}

TEST(status_and_object_change_through_their_own_doors)
{
	struct answer answer;
	struct api api;

	begin(&api);
	CHECK_INT(api_post(&api, PODS, pod_a).status, 201);
	answer = api_patch(&api, PODS "/a", "merge", "{\"status\":{\"phase\":\"Running\"}}");
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "status.phase"), "Pending");
	answer = api_patch(&api, PODS "/a/status", "merge", "{\"status\":{\"phase\":\"Running\"},\"spec\":{\"hostname\":\"h\"}}");
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "status.phase"), "Running");
	CHECK_STR(at(&answer, "spec.hostname"), "");
	api_stop(&api);
}

TEST(an_invalid_object_is_refused_with_every_fault)
{
	struct answer answer;
	struct api api;

	begin(&api);
	answer = api_post(&api, PODS, "{\"metadata\":{\"name\":\"Bad_Name\"},\"spec\":{\"containers\":[{\"name\":\"c\"}]}}");
	CHECK_INT(answer.status, 422);
	CHECK_STR(at(&answer, "reason"), "Invalid");
	CHECK_STR(at(&answer, "details.kind"), "Pod");
	CHECK(lp_json_count(lp_json_path(answer.json, "details.causes")) >= 2);
	answer = api_post(&api, PODS, "{\"kind\":\"Service\"}");
	CHECK_INT(answer.status, 400);
	answer = api_post(&api, PODS, "{nonsense");
	CHECK_INT(answer.status, 400);
	api_stop(&api);
}

TEST(unknown_fields_are_warned_about_or_refused)
{
	static const char body[] = "{\"metadata\":{\"name\":\"m\"},\"dataa\":{\"k\":\"1\"}}";
	struct answer answer;
	struct api api;

	begin(&api);
	answer = api_post(&api, MAPS "?fieldValidation=Strict", body);
	CHECK_INT(answer.status, 400);
	CHECK_STR(at(&answer, "message"),
	    "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dataa\"");
	answer = api_post(&api, MAPS, body);
	CHECK_INT(answer.status, 201);
	CHECK_HAS(answer.head, "299 - \"unknown field \\\"dataa\\\"\"");
	answer = api_put(&api, MAPS "/m?fieldValidation=Ignore", body);
	CHECK_INT(answer.status, 200);
	CHECK(strstr(answer.head, "299 -") == NULL);
	api_stop(&api);
}

TEST(a_dry_run_stores_nothing)
{
	struct answer answer;
	struct api api;

	begin(&api);
	answer = api_post(&api, MAPS "?dryRun=All", "{\"metadata\":{\"name\":\"m\"}}");
	CHECK_INT(answer.status, 201);
	CHECK_INT(strlen(at(&answer, "metadata.uid")), 36);
	CHECK_INT(api_get(&api, MAPS "/m").status, 404);
	CHECK_INT(make_map(&api, "m", "1").status, 201);
	CHECK_INT(api_delete(&api, MAPS "/m?dryRun=All", NULL).status, 200);
	CHECK_INT(api_get(&api, MAPS "/m").status, 200);
	api_stop(&api);
}

TEST(generated_names_differ)
{
	struct answer one, two;
	struct api api;

	begin(&api);
	one = api_post(&api, MAPS, "{\"metadata\":{\"generateName\":\"m-\"}}");
	two = api_post(&api, MAPS, "{\"metadata\":{\"generateName\":\"m-\"}}");
	CHECK_INT(one.status, 201);
	CHECK_INT(two.status, 201);
	CHECK_INT(strlen(at(&one, "metadata.name")), 7);
	CHECK(strcmp(at(&one, "metadata.name"), at(&two, "metadata.name")) != 0);
	api_stop(&api);
}

TEST(lists_select_and_page_under_one_version)
{
	struct answer first, second, answer;
	char path[512];
	struct api api;

	begin(&api);
	for (int i = 0; i < 5; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "m%d", i);
		CHECK_INT(make_map(&api, name, i % 2 ? "odd" : "even").status, 201);
	}
	answer = api_get(&api, MAPS "?labelSelector=v%3Dodd");
	CHECK_INT(lp_json_count(lp_json_path(answer.json, "items")), 2);
	answer = api_get(&api, MAPS "?fieldSelector=metadata.name%3Dm3");
	CHECK_INT(lp_json_count(lp_json_path(answer.json, "items")), 1);
	CHECK_INT(api_get(&api, MAPS "?fieldSelector=spec.nonsense%3D1").status, 400);
	first = api_get(&api, MAPS "?limit=2");
	CHECK_INT(lp_json_count(lp_json_path(first.json, "items")), 2);
	CHECK_STR(at(&first, "metadata.remainingItemCount"), "3");
	CHECK_INT(make_map(&api, "m9", "late").status, 201);
	(void)snprintf(path, sizeof(path), MAPS "?limit=2&continue=%s", at(&first, "metadata.continue"));
	second = api_get(&api, path);
	CHECK_STR(at(&second, "metadata.resourceVersion"), at(&first, "metadata.resourceVersion"));
	CHECK_STR(lp_json_str(lp_json_index(lp_json_path(second.json, "items"), 0), "metadata.name"), "m2");
	CHECK_INT(api_get(&api, MAPS "?continue=nonsense").status, 400);
	api_stop(&api);
}

TEST(a_table_has_columns_and_rows_with_metadata)
{
	struct answer answer;
	struct api api;

	begin(&api);
	CHECK_INT(api_post(&api, PODS, pod_a).status, 201);
	answer = api_ask(&api, "admin", "GET", PODS, "Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\r\n", NULL);
	CHECK_STR(at(&answer, "kind"), "Table");
	CHECK_STR(lp_json_str(lp_json_index(lp_json_path(answer.json, "columnDefinitions"), 0), "name"), "Name");
	CHECK_STR(lp_json_text(lp_json_index(lp_json_get(lp_json_index(lp_json_path(answer.json, "rows"), 0), "cells"), 2)), "Pending");
	CHECK_STR(lp_json_str(lp_json_index(lp_json_path(answer.json, "rows"), 0), "object.kind"), "PartialObjectMetadata");
	answer = api_ask(&api, "admin", "GET", PODS "/a", "Accept: application/vnd.kubernetes.protobuf\r\n", NULL);
	CHECK_INT(answer.status, 406);
	api_stop(&api);
}

TEST(services_get_addresses_and_ports_that_nobody_else_has)
{
	static const char body[] = "{\"metadata\":{\"generateName\":\"s-\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80}]}}";
	struct answer one, two, answer;
	char again[256];
	struct api api;

	begin(&api);
	one = api_post(&api, SERVICES, body);
	two = api_post(&api, SERVICES, body);
	CHECK_INT(one.status, 201);
	CHECK_INT(two.status, 201);
	CHECK(strncmp(at(&one, "spec.clusterIP"), "10.43.", 6) == 0);
	CHECK(strcmp(at(&one, "spec.clusterIP"), at(&two, "spec.clusterIP")) != 0);
	(void)snprintf(again, sizeof(again), "{\"metadata\":{\"name\":\"t\"},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"port\":80}]}}",
	    at(&one, "spec.clusterIP"));
	answer = api_post(&api, SERVICES, again);
	CHECK_INT(answer.status, 422);
	CHECK_HAS(at(&answer, "message"), "provided IP is already allocated");
	answer = api_post(&api, SERVICES,
	    "{\"metadata\":{\"name\":\"u\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":99}]}}");
	CHECK_INT(answer.status, 422);
	CHECK_HAS(at(&answer, "message"), "The range of valid ports is 30000-32767");
	CHECK_INT(api_post(&api, SERVICES,
	    "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}}").status, 201);
	api_stop(&api);
}

TEST(a_freed_node_port_can_be_had_again)
{
	static const char body[] = "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30001}]}}";
	static const char other[] = "{\"metadata\":{\"name\":\"t\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30001}]}}";
	struct api api;

	begin(&api);
	CHECK_INT(api_post(&api, SERVICES, body).status, 201);
	CHECK_INT(api_post(&api, SERVICES, other).status, 422);
	CHECK_INT(api_delete(&api, SERVICES "/s", NULL).status, 200);
	CHECK_INT(api_post(&api, SERVICES, other).status, 201);
	api_stop(&api);
}

TEST(a_node_gets_a_part_of_the_pod_range_and_keeps_it)
{
	struct answer one, two, answer;
	struct api api;

	begin(&api);
	one = api_post(&api, "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}");
	two = api_post(&api, "/api/v1/nodes", "{\"metadata\":{\"name\":\"n2\"}}");
	CHECK_STR(at(&one, "spec.podCIDR"), "10.42.0.0/24");
	CHECK_STR(at(&two, "spec.podCIDR"), "10.42.1.0/24");
	answer = api_put(&api, "/api/v1/nodes/n1", "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"a\":\"b\"}},\"spec\":{}}");
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "spec.podCIDR"), "10.42.0.0/24");
	api_stop(&api);
}

TEST(many_are_deleted_by_a_selector)
{
	struct answer answer;
	struct api api;

	begin(&api);
	CHECK_INT(make_map(&api, "a", "x").status, 201);
	CHECK_INT(make_map(&api, "b", "x").status, 201);
	CHECK_INT(make_map(&api, "c", "y").status, 201);
	CHECK_INT(api_delete(&api, MAPS "?labelSelector=v%3Dx", NULL).status, 200);
	answer = api_get(&api, MAPS);
	CHECK_INT(lp_json_count(lp_json_path(answer.json, "items")), 1);
	api_stop(&api);
}

TEST(eviction_is_a_delete)
{
	struct api api;

	begin(&api);
	CHECK_INT(api_post(&api, PODS, pod_a).status, 201);
	CHECK_INT(api_post(&api, PODS "/a/eviction", "{\"kind\":\"Eviction\",\"apiVersion\":\"policy/v1\",\"metadata\":{\"name\":\"a\"}}").status, 201);
	CHECK_INT(api_get(&api, PODS "/a").status, 404);
	api_stop(&api);
}

TEST(strangers_nodes_and_bad_tokens_are_told_so)
{
	struct answer answer;
	struct api api;

	begin(&api);
	CHECK_INT(api_ask(&api, NULL, "GET", "/version", NULL, NULL).status, 200);
	CHECK_INT(api_ask(&api, NULL, "GET", "/healthz", NULL, NULL).status, 200);
	answer = api_ask(&api, NULL, "GET", PODS, NULL, NULL);
	CHECK_INT(answer.status, 401);
	CHECK_STR(at(&answer, "reason"), "Unauthorized");
	CHECK_INT(api_ask(&api, "wrong", "GET", PODS, NULL, NULL).status, 401);
	answer = api_ask(&api, "jane", "GET", PODS, NULL, NULL);
	CHECK_INT(answer.status, 403);
	CHECK_STR(at(&answer, "message"),
	    "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"");
	CHECK_INT(api_post(&api, "/api/v1/nodes", "{\"metadata\":{\"name\":\"n1\"}}").status, 201);
	CHECK_INT(api_post(&api, PODS, pod_a).status, 201);
	CHECK_INT(api_post(&api, PODS "/a/binding", "{\"target\":{\"name\":\"n1\"}}").status, 201);
	CHECK_INT(api_ask(&api, "system:node:n1", "GET", PODS "/a", NULL, NULL).status, 200);
	CHECK_INT(api_ask(&api, "system:node:n2", "GET", PODS "/a", NULL, NULL).status, 403);
	CHECK_INT(api_ask(&api, "system:node:n1", "DELETE", PODS "/a", NULL, NULL).status, 403);
	CHECK_INT(api_ask(&api, "system:node:n1", "GET", "/api/v1/namespaces/default/secrets/s", NULL, NULL).status, 403);
	CHECK_INT(api_ask(&api, "jane", "GET", "/fleet/v1/link", NULL, NULL).status, 403);
	api_stop(&api);
}

TEST(what_is_not_there_is_404_and_what_may_not_be_asked_405)
{
	struct answer answer;
	struct api api;

	begin(&api);
	answer = api_get(&api, "/api/v1/namespaces/default/nonsense");
	CHECK_INT(answer.status, 404);
	CHECK_STR(at(&answer, "message"), "the server could not find the requested resource");
	CHECK_INT(api_get(&api, "/apis/nonsense/v1/things").status, 404);
	CHECK_INT(api_get(&api, PODS "/a/nonsense").status, 404);
	CHECK_INT(api_post(&api, PODS "/a", "{}").status, 405);
	CHECK_INT(api_put(&api, PODS, "{}").status, 405);
	CHECK_INT(api_get(&api, "/api/v1/namespaces/default/nodes").status, 404);
	CHECK_INT(api_ask(&api, "admin", "POST", MAPS, "Content-Type: application/vnd.kubernetes.protobuf\r\n", "k8s").status, 400);
	CHECK_INT(api_ask(&api, "admin", "POST", MAPS, "Content-Type: text/plain\r\n", "hello").status, 415);
	CHECK_INT(api_ask(&api, "admin", "POST", MAPS, "Content-Type: application/yaml\r\n", "metadata:\n  name: yam\n").status, 201);
	api_stop(&api);
}
