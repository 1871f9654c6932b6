#include <string.h>

#include "tests/manager/api.h"

#define PODS "/api/v1/namespaces/default/pods"

static struct api api;

TEST(a_field_that_is_ignored_is_warned_about_when_it_comes_and_not_with_every_patch)
{
	struct answer answer;

	api_start(&api);
	answer = api_post(&api, PODS, "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"imagePullSecrets\":[{\"name\":\"s\"}],"
				      "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
	CHECK_INT(answer.status, 201);
	CHECK_HAS(answer.head, "spec.imagePullSecrets: accepted, but limpet does not act on it");
	answer = api_patch(&api, PODS "/p", "merge", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}");
	CHECK_INT(answer.status, 200);
	CHECK(!strstr(answer.head, "Warning"));
	answer = api_patch(&api, PODS "/p", "merge", "{\"metadata\":{\"labels\":{\"a\":\"c\"}},\"colour\":\"red\"}");
	CHECK_HAS(answer.head, "unknown field");
	api_stop(&api);
}

TEST(a_claim_without_a_class_gets_the_default_one_and_is_protected)
{
	static const char claims[] = "/api/v1/namespaces/default/persistentvolumeclaims";
	struct answer answer;

	api_start(&api);
	answer = api_post(&api, claims, "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}");
	CHECK_INT(answer.status, 201);
	CHECK_STR(lp_json_str(answer.json, "spec.storageClassName"), "limpet-local");
	CHECK_STR(lp_json_text(lp_json_index(lp_json_path(answer.json, "metadata.finalizers"), 0)), "kubernetes.io/pvc-protection");
	CHECK_STR(lp_json_str(answer.json, "status.phase"), "Pending");
	answer = api_post(&api, claims, "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"storageClassName\":\"\",\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}");
	CHECK_INT(answer.status, 201);
	CHECK_STR(lp_json_str(answer.json, "spec.storageClassName"), "");
	api_stop(&api);
}
