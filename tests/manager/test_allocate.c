#include <string.h>

#include "tests/manager/api.h"

#define SERVICES "/api/v1/namespaces/default/services"

static struct api api;

TEST(a_service_keeps_its_address_and_ports_when_it_is_changed)
{
	struct answer first, second;

	api_start(&api);
	first = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80}]}}");
	CHECK_INT(first.status, 201);
	CHECK(lp_json_int(lp_json_index(lp_json_path(first.json, "spec.ports"), 0), "nodePort", 0) >= 30000);
	second = api_patch(&api, SERVICES "/web", "strategic", "{\"spec\":{\"ports\":[{\"port\":80,\"targetPort\":3000}]}}");
	CHECK_INT(second.status, 200);
	CHECK_STR(at(&second, "spec.clusterIP"), at(&first, "spec.clusterIP"));
	CHECK_INT(lp_json_int(lp_json_index(lp_json_path(second.json, "spec.ports"), 0), "nodePort", 0),
	    lp_json_int(lp_json_index(lp_json_path(first.json, "spec.ports"), 0), "nodePort", -1));
	api_stop(&api);
}

TEST(a_service_that_is_no_longer_seen_from_outside_loses_what_belongs_to_that)
{
	struct answer answer;

	api_start(&api);
	answer = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80}]}}");
	CHECK_STR(at(&answer, "spec.externalTrafficPolicy"), "Cluster");
	answer = api_patch(&api, SERVICES "/web", "strategic", "{\"spec\":{\"type\":\"ClusterIP\"}}");
	CHECK_INT(answer.status, 200);
	CHECK_STR(at(&answer, "spec.externalTrafficPolicy"), "");
	CHECK(lp_json_get(lp_json_index(lp_json_path(answer.json, "spec.ports"), 0), "nodePort") == NULL);
	answer = api_post(&api, SERVICES,
	    "{\"metadata\":{\"name\":\"odd\"},\"spec\":{\"type\":\"ClusterIP\",\"externalTrafficPolicy\":\"Local\",\"ports\":[{\"port\":80}]}}");
	CHECK_INT(answer.status, 422);
	CHECK_HAS(answer.text, "may only be set for externally-accessible services");
	api_stop(&api);
}

TEST(a_node_port_is_given_once)
{
	struct answer answer;

	api_start(&api);
	answer = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30123}]}}");
	CHECK_INT(answer.status, 201);
	answer = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30123}]}}");
	CHECK_INT(answer.status, 422);
	CHECK_HAS(answer.text, "provided port is already allocated");
	CHECK_INT(api_delete(&api, SERVICES "/a", NULL).status, 200);
	answer = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":30123}]}}");
	CHECK_INT(answer.status, 201);
	answer = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":80}]}}");
	CHECK_INT(answer.status, 422);
	CHECK_HAS(answer.text, "The range of valid ports is 30000-32767");
	api_stop(&api);
}

TEST(whoever_asks_for_another_family_is_told_what_they_get)
{
	struct answer answer;

	api_start(&api);
	answer = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"ipFamilyPolicy\":\"PreferDualStack\",\"ports\":[{\"port\":80}]}}");
	CHECK_INT(answer.status, 201);
	CHECK(!strstr(answer.head, "Warning"));
	answer = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"ipFamilies\":[\"IPv6\"],\"ports\":[{\"port\":80}]}}");
	CHECK_INT(answer.status, 201);
	CHECK_HAS(answer.head, "IPv6 is not configured on this cluster");
	answer = api_post(&api, SERVICES, "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"ipFamilyPolicy\":\"RequireDualStack\",\"ports\":[{\"port\":80}]}}");
	CHECK_INT(answer.status, 201);
	CHECK_HAS(answer.head, "IPv6 is not configured on this cluster");
	api_stop(&api);
}
