#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/manager/device.h"
#include "wire/streams.h"

#define PODS "/api/v1/namespaces/default/pods"
#define METRICS "/apis/metrics.k8s.io/v1beta1"

static struct fleet fleet;
static struct device device;
static size_t opens;			/* open lines seen so far */
static char uid[64];

struct stream_end {
	struct lp_client_call *call;
	bool over;
};

static void
begin(void)
{
	struct answer pod;

	fleet_start(&fleet);
	if (api_get(&fleet.api, "/api/v1/namespaces/default").status == 404)
		CHECK_INT(api_post(&fleet.api, "/api/v1/namespaces", "{\"metadata\":{\"name\":\"default\"}}").status, 201);
	device_init(&device, &fleet, "n1");
	CHECK_INT(device_join(&device, NULL), 200);
	pod = api_post(&fleet.api, PODS, "{\"metadata\":{\"name\":\"a\",\"labels\":{\"app\":\"x\"}},\"spec\":{\"nodeName\":\"n1\",\"containers\":["
	    "{\"name\":\"c\",\"image\":\"i:1\"}]}}");
	CHECK_INT(pod.status, 201);
	(void)snprintf(uid, sizeof(uid), "%s", at(&pod, "metadata.uid"));
	device_connect(&device);
	device_link(&device, NULL);
	CHECK(device_line(&device, "revision", 0, 2000) != NULL);
	opens = 0;
}

static void
end(void)
{
	device_free(&device);
	fleet_stop(&fleet);
}

static void
got_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	(void)call;
	(void)headers;
	(void)now_ms;
	CHECK_INT(status, 200);
}

static void
got_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	(void)call;
	(void)data;
	(void)len;
	(void)now_ms;
}

static void
got_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct stream_end *stream = lp_client_call_arg(call);

	(void)why;
	(void)now_ms;
	stream->over = true;
	stream->call = NULL;
}

static const struct lp_client_call_ops stream_ops = { .head = got_head, .data = got_data, .done = got_done };

/* The device answers the next question with this text, in two frames. */
static void
answer_stats(const char *text)
{
	struct lp_json *line = device_line(&device, "open", opens++, 3000);
	struct lp_client_request request = { .method = "POST", .streaming = true };
	struct stream_end stream = { 0 };
	size_t len = strlen(text), half = len / 2;
	struct lp_err err = { 0 };
	char path[128];

	CHECK(line != NULL);
	CHECK_STR(lp_json_str(line, "verb"), "stats");
	CHECK_STR(lp_json_str(line, "pod"), "n1");
	(void)snprintf(path, sizeof(path), "/fleet/v1/stream/%s", lp_json_str(line, "stream"));
	request.path = path;
	CHECK_OK(lp_client_start(device.client, &request, &stream_ops, &stream, &stream.call, &err), &err);
	for (int i = 0; i < 2; i++) {
		const char *part = i ? text + half : text;
		uint32_t size = (uint32_t)(i ? len - half : half);
		const uint8_t head[5] = { LP_STREAMS_STDOUT, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size };

		CHECK_OK(lp_client_write(stream.call, head, sizeof(head)), NULL);
		CHECK_OK(lp_client_write(stream.call, part, size), NULL);
	}
	lp_client_end(stream.call);
	FLEET_UNTIL(&fleet, stream.over);
}

/* A summary of node n1 with one pod. */
static const char *
summary(const char *pod, const char *pod_uid)
{
	static char text[1024];

	(void)snprintf(text, sizeof(text), "{\"windowMs\":1500,\"node\":{\"nodeName\":\"n1\",\"cpu\":{\"time\":\"2026-01-01T00:00:00Z\","
	    "\"usageNanoCores\":250000000},\"memory\":{\"workingSetBytes\":10485760}},\"pods\":[{\"podRef\":{\"name\":\"%s\",\"namespace\":\"default\","
	    "\"uid\":\"%s\"},\"containers\":[{\"name\":\"c\",\"cpu\":{\"usageNanoCores\":1234},\"memory\":{\"workingSetBytes\":4096}}]}]}", pod, pod_uid);
	return text;
}

static struct answer
ask(const char *path, const char *stats)
{
	int fd = api_begin(&fleet.api, "admin", "GET", path, NULL, NULL);

	if (stats)
		answer_stats(stats);
	return api_end(&fleet.api, fd);
}

TEST(metrics_of_pods_are_asked_of_their_nodes)
{
	struct answer list;

	begin();
	list = ask(METRICS "/pods", summary("a", uid));
	CHECK_INT(list.status, 200);
	CHECK_STR(at(&list, "kind"), "PodMetricsList");
	CHECK_INT(lp_json_count(lp_json_get(list.json, "items")), 1);
	list.json = lp_json_first(lp_json_get(list.json, "items"));
	CHECK_STR(at(&list, "metadata.name"), "a");
	CHECK_STR(at(&list, "metadata.labels.app"), "x");
	CHECK_STR(at(&list, "window"), "1.500s");
	list.json = lp_json_first(lp_json_get(list.json, "containers"));
	CHECK_STR(at(&list, "usage.cpu"), "1234n");
	CHECK_STR(at(&list, "usage.memory"), "4Ki");
	list = ask(METRICS "/namespaces/default/pods/a", summary("a", uid));
	CHECK_STR(at(&list, "kind"), "PodMetrics");
	list = ask(METRICS "/namespaces/default/pods?labelSelector=app%3Dother", summary("a", uid));
	CHECK_INT(lp_json_count(lp_json_get(list.json, "items")), 0);
	end();
}

TEST(a_node_cannot_speak_of_pods_that_are_not_its_own)
{
	struct answer list;

	begin();
	list = ask(METRICS "/pods", summary("a", "another-uid"));
	CHECK_INT(list.status, 200);
	CHECK_INT(lp_json_count(lp_json_get(list.json, "items")), 0);
	list = ask(METRICS "/pods", summary("foreign", uid));
	CHECK_INT(lp_json_count(lp_json_get(list.json, "items")), 0);
	end();
}

TEST(a_node_cannot_speak_for_another)
{
	static const char other[] = "{\"windowMs\":1500,\"node\":{\"nodeName\":\"n2\",\"cpu\":{\"usageNanoCores\":1}},\"pods\":[{\"podRef\":{\"name\":\"b\","
	    "\"namespace\":\"default\",\"uid\":\"%s\"},\"containers\":[{\"name\":\"c\",\"cpu\":{\"usageNanoCores\":1}}]}]}";
	struct answer answer;
	char text[512];

	begin();
	CHECK_INT(api_post(&fleet.api, "/api/v1/nodes", "{\"metadata\":{\"name\":\"n2\"}}").status, 201);
	answer = api_post(&fleet.api, PODS, "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"nodeName\":\"n2\",\"containers\":[{\"name\":\"c\",\"image\":\"i:1\"}]}}");
	(void)snprintf(text, sizeof(text), other, at(&answer, "metadata.uid"));
	answer = ask(METRICS "/pods", text);
	CHECK_INT(lp_json_count(lp_json_get(answer.json, "items")), 0);
	answer = ask(METRICS "/nodes", text);
	CHECK_INT(lp_json_count(lp_json_get(answer.json, "items")), 0);
	CHECK_INT(ask("/api/v1/nodes/n1/proxy/stats/summary", text).status, 503);
	end();
}

TEST(metrics_of_nodes_and_their_whole_summary)
{
	struct answer list;

	begin();
	list = ask(METRICS "/nodes/n1", summary("a", uid));
	CHECK_STR(at(&list, "kind"), "NodeMetrics");
	CHECK_STR(at(&list, "usage.cpu"), "250000000n");
	CHECK_STR(at(&list, "usage.memory"), "10240Ki");
	list = ask("/api/v1/nodes/n1/proxy/stats/summary", summary("a", uid));
	CHECK_STR(at(&list, "node.nodeName"), "n1");
	list = ask("/fleet/v1/stats", summary("a", uid));
	CHECK_INT(lp_json_count(lp_json_get(list.json, "items")), 1);
	list = ask("/fleet/v1/stats", "no json");
	CHECK_INT(lp_json_count(lp_json_get(list.json, "items")), 0);
	end();
}

TEST(who_is_not_connected_is_left_out)
{
	struct answer list;

	begin();
	device_drop(&device);
	FLEET_UNTIL(&fleet, api_get(&fleet.api, "/api/v1/nodes/n1/proxy/stats/summary").status == 503);
	list = ask(METRICS "/nodes", NULL);
	CHECK_INT(list.status, 200);
	CHECK_INT(lp_json_count(lp_json_get(list.json, "items")), 0);
	CHECK_INT(ask(METRICS "/nodes/n1", NULL).status, 404);
	CHECK_INT(ask(METRICS "/namespaces/default/pods/none", NULL).status, 404);
	CHECK_INT(ask("/api/v1/nodes/none/proxy/stats/summary", NULL).status, 404);
	end();
}

TEST(metrics_are_read_only_and_not_for_everybody)
{
	begin();
	CHECK_INT(api_delete(&fleet.api, METRICS "/nodes/n1", NULL).status, 405);
	CHECK_INT(api_ask(&fleet.api, NULL, "GET", METRICS "/nodes", NULL, NULL).status, 401);
	CHECK_INT(api_ask(&fleet.api, "somebody", "GET", "/fleet/v1/stats", NULL, NULL).status, 403);
	end();
}
