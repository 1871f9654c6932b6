#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "specs/podsecurity.h"
#include "tests/manager/api.h"

#define NAMESPACES "/api/v1/namespaces"
#define PODS NAMESPACES "/shop/pods"
#define POD(name, context) "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"," \
			   "\"securityContext\":" context "}]}}"
#define GOOD "{\"allowPrivilegeEscalation\":false,\"runAsNonRoot\":true,\"capabilities\":{\"drop\":[\"ALL\"]},\"seccompProfile\":" \
	     "{\"type\":\"RuntimeDefault\"}}"

static struct api api;

static struct answer
make_namespace(const char *labels)
{
	return api_post(&api, NAMESPACES, lp_arena_printf(&api.arena, "{\"metadata\":{\"name\":\"shop\",\"labels\":{%s}}}", labels));
}

TEST(a_pod_beyond_the_level_of_its_namespace_is_forbidden_in_kubernetes_words)
{
	struct answer answer;

	api_start(&api);
	CHECK_INT(make_namespace("\"pod-security.kubernetes.io/enforce\":\"restricted\"").status, 201);
	answer = api_post(&api, PODS, POD("x", "{}"));
	CHECK_INT(answer.status, 403);
	CHECK_STR(at(&answer, "message"), "pods \"x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false "
	    "(container \"c\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set "
	    "securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set "
	    "securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to "
	    "\"RuntimeDefault\" or \"Localhost\")");
	CHECK_STR(at(&answer, "reason"), "Forbidden");
	CHECK_INT(api_get(&api, PODS "/x").status, 404);
	answer = api_post(&api, PODS, POD("x", GOOD));
	CHECK_INT(answer.status, 201);
	CHECK(!strstr(answer.head, "Warning"));
	api_stop(&api);
}

TEST(the_warn_level_warns)
{
	struct answer answer;

	api_start(&api);
	CHECK_INT(make_namespace("\"pod-security.kubernetes.io/warn\":\"baseline\",\"pod-security.kubernetes.io/warn-version\":\"v1.30\"").status, 201);
	answer = api_post(&api, PODS, POD("x", "{\"privileged\":true}"));
	CHECK_INT(answer.status, 201);
	CHECK_HAS(answer.head, "299 - \"would violate PodSecurity \\\"baseline:v1.30\\\": privileged (container \\\"c\\\" must not set "
			       "securityContext.privileged=true)\"");
	answer = api_patch(&api, PODS "/x", "merge", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}");
	CHECK_INT(answer.status, 200);
	CHECK(!strstr(answer.head, "would violate"));	/* nothing changed that matters */
	answer = api_patch(&api, PODS "/x", "strategic", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"j\"}]}}");
	CHECK_INT(answer.status, 200);
	CHECK_HAS(answer.head, "would violate");
	api_stop(&api);
}

TEST(a_changed_image_is_judged_anew)
{
	struct answer answer;

	api_start(&api);
	CHECK_INT(make_namespace("").status, 201);
	CHECK_INT(api_post(&api, PODS, POD("x", "{\"privileged\":true}")).status, 201);
	answer = api_patch(&api, NAMESPACES "/shop", "merge", "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"baseline\"}}}");
	CHECK_INT(answer.status, 200);
	CHECK_INT(api_patch(&api, PODS "/x", "merge", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}").status, 200);
	answer = api_patch(&api, PODS "/x", "strategic", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"j\"}]}}");
	CHECK_INT(answer.status, 403);
	CHECK_HAS(at(&answer, "message"), "violates PodSecurity \"baseline:latest\"");
	CHECK_INT(api_delete(&api, PODS "/x", NULL).status, 200);
	api_stop(&api);
}

TEST(a_stricter_label_warns_of_the_pods_that_are_there)
{
	struct answer answer;

	api_start(&api);
	CHECK_INT(make_namespace("").status, 201);
	CHECK_INT(api_post(&api, PODS, POD("b", "{\"privileged\":true}")).status, 201);
	CHECK_INT(api_post(&api, PODS, POD("a", "{\"privileged\":true}")).status, 201);
	CHECK_INT(api_post(&api, PODS, POD("c", "{\"capabilities\":{\"add\":[\"NET_ADMIN\"]}}")).status, 201);
	CHECK_INT(api_post(&api, PODS, POD("d", "{}")).status, 201);
	answer = api_patch(&api, NAMESPACES "/shop", "merge", "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"baseline\"}}}");
	CHECK_INT(answer.status, 200);
	CHECK_HAS(answer.head, "existing pods in namespace \\\"shop\\\" violate the new PodSecurity enforce level \\\"baseline:latest\\\"");
	CHECK_HAS(answer.head, "a (and 1 other pod): privileged");
	CHECK_HAS(answer.head, "c: non-default capabilities");
	answer = api_patch(&api, NAMESPACES "/shop", "merge", "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/enforce\":\"privileged\"}}}");
	CHECK(!strstr(answer.head, "existing pods"));
	api_stop(&api);
}

TEST(labels_that_cannot_be_read_are_refused)
{
	struct answer answer;

	api_start(&api);
	answer = make_namespace("\"pod-security.kubernetes.io/enforce\":\"strict\"");
	CHECK_INT(answer.status, 422);
	CHECK_HAS(at(&answer, "message"), "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, "
					  "baseline, restricted");
	CHECK_INT(make_namespace("").status, 201);
	CHECK_INT(api_patch(&api, NAMESPACES "/shop", "merge", "{\"metadata\":{\"labels\":{\"pod-security.kubernetes.io/warn-version\":\"v2\"}}}").status, 422);
	api_stop(&api);
}

TEST(the_managers_own_level_holds_where_no_label_says_one)
{
	struct answer answer;

	api_start(&api);
	api.manager.settings.pod_security = LP_PODSECURITY_BASELINE;
	CHECK_INT(make_namespace("").status, 201);
	answer = api_post(&api, PODS, POD("x", "{\"privileged\":true}"));
	CHECK_INT(answer.status, 403);
	CHECK_INT(api_post(&api, PODS, POD("y", "{}")).status, 201);
	api_stop(&api);
}

TEST(a_dry_run_is_judged_too)
{
	api_start(&api);
	CHECK_INT(make_namespace("\"pod-security.kubernetes.io/enforce\":\"baseline\"").status, 201);
	CHECK_INT(api_post(&api, PODS "?dryRun=All", POD("x", "{\"privileged\":true}")).status, 403);
	api_stop(&api);
}
