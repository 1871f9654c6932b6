#include <string.h>

#include "specs/object.h"
#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

#define POD(spec) "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: " spec "\n"

TEST(a_bare_pod_gets_what_kubernetes_fills_in)
{
	const struct lp_json *pod = lp_docs_defaulted(POD("{containers: [{name: a, image: nginx, ports: [{containerPort: 80}]}]}"));

	CHECK_STR(lp_docs_text(lp_json_get(pod, "spec")),
	    "{\"containers\":[{\"name\":\"a\",\"image\":\"nginx\",\"ports\":[{\"containerPort\":80,\"protocol\":\"TCP\"}],"
	    "\"resources\":{},\"terminationMessagePath\":\"/dev/termination-log\",\"terminationMessagePolicy\":\"File\",\"imagePullPolicy\":\"Always\"}],"
	    "\"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":30,\"dnsPolicy\":\"ClusterFirst\",\"securityContext\":{},"
	    "\"schedulerName\":\"default-scheduler\",\"serviceAccountName\":\"default\",\"serviceAccount\":\"default\","
	    "\"enableServiceLinks\":true,\"priority\":0,\"preemptionPolicy\":\"PreemptLowerPriority\",\"tolerations\":["
	    "{\"key\":\"node.kubernetes.io/not-ready\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300},"
	    "{\"key\":\"node.kubernetes.io/unreachable\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300}]}");
	CHECK_STR(lp_docs_text(lp_json_get(pod, "status")), "{\"phase\":\"Pending\",\"qosClass\":\"BestEffort\"}");
}

TEST(defaults_twice_are_defaults_once)
{
	static const char *const documents[] = {
		POD("{hostNetwork: true, volumes: [{name: v}], containers: [{name: a, image: 'x:1', resources: {limits: {cpu: 1000m}}}]}"),
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: LoadBalancer, sessionAffinity: ClientIP, ports: [{port: 1}]}\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n",
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
	};

	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
		struct lp_json *object = lp_docs_defaulted(documents[i]), *once = lp_json_copy(lp_docs_arena(), object);

		CHECK_OK(lp_default_object(lp_docs_arena(), lp_object_kind_of(object), object, NULL), NULL);
		CHECK(lp_json_equal(once, object));
	}
}

static const char *
pull_policy(const char *image)
{
	const struct lp_json *pod = lp_docs_defaulted(lp_arena_printf(lp_docs_arena(), POD("{containers: [{name: a, image: '%s'}]}"), image));

	return lp_json_str(lp_json_index(lp_json_path(pod, "spec.containers"), 0), "imagePullPolicy");
}

TEST(the_tag_decides_the_pull_policy)
{
	CHECK_STR(pull_policy("nginx"), "Always");
	CHECK_STR(pull_policy("nginx:latest"), "Always");
	CHECK_STR(pull_policy("nginx:1.25"), "IfNotPresent");
	CHECK_STR(pull_policy("host:5000/nginx"), "Always");
	CHECK_STR(pull_policy("host:5000/nginx:1"), "IfNotPresent");
	CHECK_STR(pull_policy("nginx@sha256:0123"), "IfNotPresent");
}

static const char *
quality(const char *resources)
{
	return lp_json_str(lp_docs_defaulted(lp_arena_printf(lp_docs_arena(), POD("{containers: [{name: a, image: i, resources: %s}]}"), resources)),
	    "status.qosClass");
}

TEST(limits_become_requests_and_decide_the_quality_class)
{
	const struct lp_json *pod = lp_docs_defaulted(POD("{containers: [{name: a, image: i, resources: {limits: {cpu: 1000m, memory: 1024Ki}}}]}"));

	CHECK_STR(lp_docs_text(lp_json_get(lp_json_index(lp_json_path(pod, "spec.containers"), 0), "resources")),
	    "{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"},\"requests\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}}");
	CHECK_STR(quality("{limits: {cpu: 1, memory: 1Gi}}"), "Guaranteed");
	CHECK_STR(quality("{limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}"), "Burstable");
	CHECK_STR(quality("{requests: {cpu: 500m}}"), "Burstable");
	CHECK_STR(quality("{}"), "BestEffort");
}

TEST(host_network_publishes_container_ports_and_tolerations_are_not_doubled)
{
	const struct lp_json *pod = lp_docs_defaulted(POD("{hostNetwork: true, tolerations: [{operator: Exists}], "
							  "containers: [{name: a, image: i, ports: [{containerPort: 80}]}]}"));

	CHECK_INT(lp_json_int(lp_json_index(lp_json_get(lp_json_index(lp_json_path(pod, "spec.containers"), 0), "ports"), 0), "hostPort", 0), 80);
	CHECK_INT(lp_json_count(lp_json_path(pod, "spec.tolerations")), 1);
}

TEST(empty_lists_and_maps_go_and_empty_objects_stay)
{
	const struct lp_json *pod = lp_docs_defaulted(POD("{nodeSelector: {}, volumes: [{name: a, emptyDir: {}}], imagePullSecrets: [], "
							  "containers: [{name: a, image: i, env: []}]}"));

	CHECK(lp_json_path(pod, "spec.nodeSelector") == NULL);
	CHECK(lp_json_path(pod, "spec.imagePullSecrets") == NULL);
	CHECK_STR(lp_docs_text(lp_json_path(pod, "spec.volumes")), "[{\"name\":\"a\",\"emptyDir\":{}}]");
}

TEST(services_get_target_ports_policies_and_families)
{
	CHECK_STR(lp_docs_text(lp_docs_defaulted("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
						 "spec: {type: NodePort, ports: [{port: 80}, {name: b, port: 81, targetPort: main}]}\n")),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"type\":\"NodePort\",\"ports\":["
	    "{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":80},{\"name\":\"b\",\"port\":81,\"targetPort\":\"main\",\"protocol\":\"TCP\"}],"
	    "\"sessionAffinity\":\"None\",\"externalTrafficPolicy\":\"Cluster\",\"ipFamilies\":[\"IPv4\"],\"ipFamilyPolicy\":\"SingleStack\","
	    "\"internalTrafficPolicy\":\"Cluster\"},\"status\":{\"loadBalancer\":{}}}");
	CHECK(lp_json_path(lp_docs_defaulted("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {type: ExternalName, externalName: b}\n"),
	    "spec.ipFamilies") == NULL);
}

TEST(string_data_of_a_secret_becomes_data)
{
	CHECK_STR(lp_docs_text(lp_docs_defaulted("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {x: YQ==, z: Yg==}\nstringData: {x: hello}\n")),
	    "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"a\"},\"data\":{\"x\":\"aGVsbG8=\",\"z\":\"Yg==\"},\"type\":\"Opaque\"}");
}

TEST(a_namespace_is_active_until_it_goes)
{
	CHECK_STR(lp_docs_text(lp_json_get(lp_docs_defaulted("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"), "spec")), "{\"finalizers\":[\"kubernetes\"]}");
	CHECK(lp_json_get(lp_docs_defaulted("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, deletionTimestamp: '2026-01-01T00:00:00Z'}\n"), "spec") == NULL);
}
