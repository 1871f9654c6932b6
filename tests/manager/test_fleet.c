#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "manager/fleet/fleet.h"
#include "tests/manager/device.h"

#define PODS "/api/v1/namespaces/default/pods"

static void
begin(struct fleet *fleet, struct device *device)
{
	fleet_start(fleet);
	if (api_get(&fleet->api, "/api/v1/namespaces/default").status == 404)
		CHECK_INT(api_post(&fleet->api, "/api/v1/namespaces", "{\"metadata\":{\"name\":\"default\"}}").status, 201);
	device_init(device, fleet, "n1");
	CHECK_INT(device_join(device, NULL), 200);
	api_settle(&fleet->api);
	device_connect(device);
}

static void
end(struct fleet *fleet, struct device *device)
{
	device_free(device);
	fleet_stop(fleet);
}

/* A pod on a node; returns its uid. */
static const char *
make_pod(struct fleet *fleet, const char *name, const char *node)
{
	char body[512];
	struct answer answer;

	snprintf(body, sizeof(body), "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\"},\"spec\":{\"nodeName\":\"%s\","
	    "\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"env\":[{\"name\":\"X\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"m\",\"key\":\"k\"}}}]}]}}",
	    name, node);
	answer = api_post(&fleet->api, PODS, body);
	CHECK_INT(answer.status, 201);
	return at(&answer, "metadata.uid");
}

/* The revision inside a line, after its signature and digests were checked. */
static struct lp_json *
revision_of(struct device *device, const struct lp_json *line)
{
	const char *text = lp_json_str(line, "revision"), *signature = lp_json_str(line, "signature");
	struct lp_cert_key *key = NULL;
	struct lp_json *revision = NULL;
	char digest[LP_DIGEST_TEXT];
	struct lp_buf raw;
	struct lp_err err = { 0 };

	CHECK(text && signature);
	lp_digest_print(text, strlen(text), digest);
	CHECK_STR(lp_json_str(line, "digest"), digest);
	lp_buf_init(&raw, 256);
	CHECK_OK(lp_text_base64_decode(&raw, signature, strlen(signature)), NULL);
	CHECK_OK(lp_cert_key_load(device->fleet_key, &key, &err), &err);
	CHECK_OK(lp_cert_verify_bytes(key, text, strlen(text), raw.data, raw.len, &err), &err);
	lp_json_each(object, lp_json_get(line, "objects")) {
		lp_digest_print(lp_json_text(object), strlen(lp_json_text(object)), digest);
		CHECK_STR(object->key, digest);
	}
	CHECK_OK(lp_json_parse(&device->fleet->api.arena, text, strlen(text), NULL, &revision, &err), &err);
	CHECK_STR(lp_json_str(revision, "node"), device->name);
	lp_cert_key_free(key);
	lp_buf_fini(&raw);
	return revision;
}

static bool
mentions(const struct lp_json *revision, const char *kind, const char *name)
{
	lp_json_each(object, lp_json_get(revision, "objects")) {
		if (strcmp(lp_json_str(object, "kind"), kind) == 0 && strcmp(lp_json_str(object, "name"), name) == 0)
			return true;
	}
	return false;
}

TEST(a_link_begins_with_the_time_and_the_signed_view)
{
	struct fleet fleet;
	struct device device;
	struct lp_json *line, *revision;

	begin(&fleet, &device);
	CHECK_INT(api_post(&fleet.api, "/api/v1/namespaces/default/configmaps", "{\"metadata\":{\"name\":\"m\"},\"data\":{\"k\":\"v\"}}").status, 201);
	CHECK_INT(api_post(&fleet.api, "/api/v1/namespaces/default/configmaps", "{\"metadata\":{\"name\":\"other\"},\"data\":{\"k\":\"v\"}}").status, 201);
	make_pod(&fleet, "mine", "n1");
	make_pod(&fleet, "theirs", "n2");
	api_settle(&fleet.api);
	device_link(&device, NULL);
	CHECK_INT(device.link.status, 200);
	CHECK(device_line(&device, "time", 0, 2000) != NULL);
	line = device_line(&device, "revision", 0, 2000);
	CHECK(line != NULL);
	revision = revision_of(&device, line);
	CHECK(mentions(revision, "Pod", "mine"));
	CHECK(!mentions(revision, "Pod", "theirs"));
	CHECK(mentions(revision, "ConfigMap", "m"));
	CHECK(!mentions(revision, "ConfigMap", "other"));
	CHECK(mentions(revision, "Node", "n1"));
	CHECK_INT(lp_json_count(lp_json_get(line, "objects")), lp_json_count(lp_json_get(revision, "objects")));
	CHECK(device_line(&device, "peers", 0, 2000) != NULL);
	end(&fleet, &device);
}

TEST(a_change_comes_as_a_difference_and_only_to_whom_it_concerns)
{
	struct fleet fleet;
	struct device device;
	struct lp_json *first, *second, *revision;

	begin(&fleet, &device);
	device_link(&device, NULL);
	first = device_line(&device, "revision", 0, 2000);
	CHECK(first != NULL);
	make_pod(&fleet, "theirs", "n2");
	CHECK(device_line(&device, "revision", 1, 600) == NULL);
	make_pod(&fleet, "mine", "n1");
	second = device_line(&device, "revision", 1, 2000);
	CHECK(second != NULL);
	revision = revision_of(&device, second);
	CHECK(mentions(revision, "Pod", "mine"));
	CHECK_INT(lp_json_count(lp_json_get(second, "objects")), 1);
	CHECK(lp_json_int(revision, "number", 0) > lp_json_int(revision_of(&device, first), "number", 0));

	/* What the node itself reports changes nothing of what it must be. */
	CHECK_INT(device_report(&device, "{\"node\":{\"status\":{\"capacity\":{\"cpu\":\"2\"}}}}"), 200);
	CHECK(device_line(&device, "revision", 2, 600) == NULL);
	end(&fleet, &device);
}

TEST(a_device_that_has_it_is_sent_nothing_and_one_that_has_not_is_sent_all)
{
	struct fleet fleet;
	struct device device;
	struct lp_json *line;
	char have[LP_DIGEST_TEXT];

	begin(&fleet, &device);
	make_pod(&fleet, "a", "n1");
	device_link(&device, NULL);
	line = device_line(&device, "revision", 0, 2000);
	snprintf(have, sizeof(have), "%s", lp_json_str(line, "digest"));
	device_drop(&device);
	device_connect(&device);
	device_link(&device, have);
	CHECK(device_line(&device, "peers", 0, 2000) != NULL);
	CHECK(device_line(&device, "revision", 0, 300) == NULL);

	/* A change while it was away: the difference to what it has. */
	device_drop(&device);
	make_pod(&fleet, "b", "n1");
	device_connect(&device);
	device_link(&device, have);
	line = device_line(&device, "revision", 0, 2000);
	CHECK_INT(lp_json_count(lp_json_get(line, "objects")), 1);

	device_drop(&device);
	device_connect(&device);
	device_link(&device, "sha256:something-else");
	line = device_line(&device, "revision", 0, 2000);
	CHECK(lp_json_count(lp_json_get(line, "objects")) > 1);
	end(&fleet, &device);
}

TEST(the_newest_link_of_a_node_wins)
{
	struct fleet fleet;
	struct device device, twin;

	begin(&fleet, &device);
	device_link(&device, NULL);
	CHECK(device_line(&device, "revision", 0, 2000) != NULL);
	twin = device;
	memset(&twin.link, 0, sizeof(twin.link));
	twin.tls = NULL;
	device_connect(&twin);
	device_link(&twin, NULL);
	CHECK(device_line(&twin, "revision", 0, 2000) != NULL);
	CHECK(device_line(&device, "goodbye", 0, 2000) != NULL);
	FLEET_UNTIL(&fleet, device.link.over);
	CHECK_INT(device.link.err.code, 0);
	make_pod(&fleet, "a", "n1");
	CHECK(device_line(&twin, "revision", 1, 2000) != NULL);
	device_drop(&twin);
	lp_tls_config_free(twin.tls);
	end(&fleet, &device);
}

TEST(a_node_reports_its_own_pods_and_nobody_elses)
{
	struct fleet fleet;
	struct device device;
	struct answer answer;
	const char *mine, *theirs;
	char body[1024];

	begin(&fleet, &device);
	mine = make_pod(&fleet, "mine", "n1");
	theirs = make_pod(&fleet, "theirs", "n2");
	snprintf(body, sizeof(body), "{\"pods\":[{\"namespace\":\"default\",\"name\":\"mine\",\"uid\":\"%s\",\"status\":{\"phase\":\"Failed\"}},"
	    "{\"namespace\":\"default\",\"name\":\"theirs\",\"uid\":\"%s\",\"status\":{\"phase\":\"Failed\"}}]}", mine, theirs);
	CHECK_INT(device_report(&device, body), 403);
	snprintf(body, sizeof(body), "{\"pods\":[{\"namespace\":\"default\",\"name\":\"mine\",\"uid\":\"%s\",\"status\":{\"phase\":\"Running\"}},"
	    "{\"namespace\":\"default\",\"name\":\"none\",\"uid\":\"x\",\"status\":{\"phase\":\"Failed\"}},{},7]}", mine);
	CHECK_INT(device_report(&device, body), 200);
	answer = api_get(&fleet.api, PODS "/mine");
	CHECK_STR(at(&answer, "status.phase"), "Running");
	answer = api_get(&fleet.api, PODS "/theirs");
	CHECK_STR(at(&answer, "status.phase"), "Pending");

	/* A former pod of the same name: its uid is another. */
	CHECK_INT(device_report(&device, "{\"pods\":[{\"namespace\":\"default\",\"name\":\"mine\",\"uid\":\"old\",\"status\":{\"phase\":\"Failed\"}}]}"), 200);
	answer = api_get(&fleet.api, PODS "/mine");
	CHECK_STR(at(&answer, "status.phase"), "Running");
	CHECK_INT(device_report(&device, "nonsense"), 400);
	end(&fleet, &device);
}

TEST(a_pod_that_ended_goes_only_when_it_was_deleted)
{
	struct fleet fleet;
	struct device device;
	const char *uid;
	char body[256];

	begin(&fleet, &device);
	uid = make_pod(&fleet, "a", "n1");
	snprintf(body, sizeof(body), "{\"gone\":[{\"namespace\":\"default\",\"name\":\"a\",\"uid\":\"%s\"}]}", uid);
	CHECK_INT(device_report(&device, body), 200);
	CHECK_INT(api_get(&fleet.api, PODS "/a").status, 200);
	CHECK_INT(api_delete(&fleet.api, PODS "/a", NULL).status, 200);
	CHECK_INT(api_get(&fleet.api, PODS "/a").status, 200);
	CHECK_INT(device_report(&device, body), 200);
	CHECK_INT(api_get(&fleet.api, PODS "/a").status, 404);
	end(&fleet, &device);
}

TEST(a_node_labels_its_hardware_and_not_its_rank)
{
	struct fleet fleet;
	struct device device;
	struct answer answer;
	const struct lp_json *labels;

	begin(&fleet, &device);
	CHECK_INT(device_report(&device, "{\"node\":{\"labels\":{\"kubernetes.io/arch\":\"arm64\",\"feature.limpet.dev/gpio\":\"true\","
	    "\"node-role.kubernetes.io/control-plane\":\"\",\"zone\":\"safe\"},\"status\":{\"capacity\":{\"cpu\":\"4\"}}},"
	    "\"events\":[{\"involvedObject\":{\"kind\":\"Node\",\"name\":\"n1\"},\"type\":\"Warning\",\"reason\":\"Hot\",\"message\":\"85 C\"}]}"), 200);
	answer = api_get(&fleet.api, "/api/v1/nodes/n1");
	labels = lp_json_path(answer.json, "metadata.labels");
	CHECK_STR(lp_json_text(lp_json_get(labels, "kubernetes.io/arch")), "arm64");
	CHECK_STR(lp_json_text(lp_json_get(labels, "feature.limpet.dev/gpio")), "true");
	CHECK_STR(lp_json_text(lp_json_get(labels, "kubernetes.io/hostname")), "n1");
	CHECK(lp_json_get(labels, "zone") == NULL);
	CHECK(lp_json_get(labels, "node-role.kubernetes.io/control-plane") == NULL);
	CHECK_STR(at(&answer, "status.capacity.cpu"), "4");
	answer = api_get(&fleet.api, "/api/v1/events?fieldSelector=reason%3DHot");
	CHECK_INT(lp_json_count(lp_json_get(answer.json, "items")), 1);
	end(&fleet, &device);
}

TEST(extended_resources_that_an_operator_gave_a_node_outlive_its_reports)
{
	struct fleet fleet;
	struct device device;
	struct answer answer;

	begin(&fleet, &device);
	CHECK_INT(device_report(&device, "{\"node\":{\"status\":{\"capacity\":{\"cpu\":\"4\"},\"allocatable\":{\"cpu\":\"4\"}}}}"), 200);
	CHECK_INT(api_patch(&fleet.api, "/api/v1/nodes/n1/status", "merge", "{\"status\":{\"capacity\":{\"example.com/dongle\":\"2\"},"
	    "\"allocatable\":{\"example.com/dongle\":\"2\"}}}").status, 200);
	CHECK_INT(device_report(&device, "{\"node\":{\"status\":{\"capacity\":{\"cpu\":\"8\"},\"allocatable\":{\"cpu\":\"8\"}}}}"), 200);
	answer = api_get(&fleet.api, "/api/v1/nodes/n1");
	CHECK_STR(at(&answer, "status.capacity.cpu"), "8");
	CHECK_STR(lp_json_text(lp_json_get(lp_json_path(answer.json, "status.capacity"), "example.com/dongle")), "2");
	CHECK_STR(lp_json_text(lp_json_get(lp_json_path(answer.json, "status.allocatable"), "example.com/dongle")), "2");
	end(&fleet, &device);
}

TEST(liveness_is_what_the_connection_heard)
{
	struct fleet fleet;
	struct device device;
	struct lp_manager *manager;
	int64_t seen;

	begin(&fleet, &device);
	manager = &fleet.api.manager;
	CHECK_INT(manager->seen_ms(manager->seen_arg, "n1"), -1);
	CHECK_INT(manager->seen_ms(manager->seen_arg, "unknown"), -1);
	device_link(&device, NULL);
	seen = manager->seen_ms(manager->seen_arg, "n1");
	CHECK(seen > 0);
	for (int64_t deadline = 0; lp_test_wait(&deadline, 30);)
		CHECK_OK(lp_loop_turn(fleet.api.loop, 1, NULL), NULL);
	CHECK_OK(lp_client_ping(device.client), NULL);
	FLEET_UNTIL(&fleet, manager->seen_ms(manager->seen_arg, "n1") > seen);
	seen = manager->seen_ms(manager->seen_arg, "n1");
	device_drop(&device);
	FLEET_UNTIL(&fleet, manager->seen_ms(manager->seen_arg, "n1") >= seen);
	end(&fleet, &device);
}

TEST(a_manager_that_ends_says_when_to_come_back)
{
	struct fleet fleet;
	struct device device;
	struct lp_json *line;

	begin(&fleet, &device);
	device_link(&device, NULL);
	CHECK(device_line(&device, "revision", 0, 2000) != NULL);
	lp_fleet_goodbye(fleet.api.manager.links);
	line = device_line(&device, "goodbye", 0, 2000);
	CHECK(line != NULL);
	CHECK(lp_json_int(line, "retryAfterMs", 0) >= 500);
	FLEET_UNTIL(&fleet, device.link.over);
	CHECK_INT(device.link.err.code, 0);
	end(&fleet, &device);
}
