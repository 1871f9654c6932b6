#include <string.h>

#include "specs/object.h"
#include "specs/schema.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

#define POD(spec) "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: " spec "\n"
#define SERVICE(spec) "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: " spec "\n"

TEST(all_faults_of_a_pod_are_named_at_once)
{
	CHECK_STR(lp_docs_faults(POD("{restartPolicy: Maybe, containers: [{name: A_b, image: i, imagePullPolicy: Now, ports: [{containerPort: 0}]}, {name: b}]}")),
	    "spec.containers[0].name: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
	    "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
	    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')\n"
	    "spec.containers[0].ports[0].containerPort: Invalid value: 0: must be between 1 and 65535, inclusive\n"
	    "spec.containers[0].imagePullPolicy: Unsupported value: \"Now\": supported values: \"Always\", \"IfNotPresent\", \"Never\"\n"
	    "spec.containers[1].image: Required value\n"
	    "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"Never\", \"OnFailure\"\n");
}

TEST(a_pod_without_containers_is_refused)
{
	CHECK_STR(lp_docs_faults(POD("{}")), "spec.containers: Required value\n");
	CHECK_STR(lp_docs_faults("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"), "spec: Required value\n");
}

TEST(names_that_must_be_unique_are)
{
	CHECK_STR(lp_docs_faults(POD("{initContainers: [{name: a, image: i}], containers: [{name: a, image: i}, {name: b, image: i}, {name: b, image: i}]}")),
	    "spec.containers[0].name: Duplicate value: \"a\"\nspec.containers[2].name: Duplicate value: \"b\"\n");
	CHECK_STR(lp_docs_faults(POD("{volumes: [{name: v}, {name: v}], containers: [{name: a, image: i}]}")), "spec.volumes[1].name: Duplicate value: \"v\"\n");
	CHECK_STR(lp_docs_faults(POD("{containers: [{name: a, image: i, ports: [{name: p, containerPort: 1}, {name: p, containerPort: 2}]}]}")),
	    "spec.containers[0].ports[1].name: Duplicate value: \"p\"\n");
	CHECK_STR(lp_docs_faults(POD("{containers: [{name: a, image: i, ports: [{hostPort: 9, containerPort: 1}, {hostPort: 9, containerPort: 2}]}]}")),
	    "spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//9\"\n");
}

TEST(mounts_name_volumes_and_have_paths_of_their_own)
{
	CHECK_STR(lp_docs_faults(POD("{volumes: [{name: v}], containers: [{name: a, image: i, volumeMounts: [{name: v, mountPath: /x}, {name: w, mountPath: /x}]}]}")),
	    "spec.containers[0].volumeMounts[1].name: Not found: \"w\"\n"
	    "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/x\": must be unique\n");
}

TEST(a_volume_is_of_exactly_one_kind)
{
	CHECK_STR(lp_docs_faults(POD("{volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}], containers: [{name: a, image: i}]}")),
	    "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type\n");
	CHECK_STR(lp_docs_faults(POD("{volumes: [{name: v, hostPath: {path: /a/../b}}], containers: [{name: a, image: i}]}")),
	    "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'\n");
	CHECK_STR(lp_docs_faults(POD("{volumes: [{name: v, secret: {}}], containers: [{name: a, image: i}]}")),
	    "spec.volumes[0].secret.secretName: Required value\n");
}

TEST(environment_sources_are_checked)
{
	CHECK_STR(lp_docs_faults(POD("{containers: [{name: a, image: i, env: [{name: X, value: v, valueFrom: {fieldRef: {fieldPath: spec.nope}}}, {name: 'A=B'}]}]}")),
	    "spec.containers[0].env[0].valueFrom: Invalid value: may not be specified when `value` is not empty\n"
	    "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.nope\": error converting fieldPath: field label not supported\n"
	    "spec.containers[0].env[1].name: Invalid value: \"A=B\": a valid environment variable name must consist only of printable ASCII characters other than '='\n");
}

TEST(requests_do_not_exceed_limits_and_resources_have_known_names)
{
	CHECK_STR(lp_docs_faults(POD("{containers: [{name: a, image: i, resources: {limits: {cpu: 1, gpu: 1}, requests: {cpu: 2, gpu: 1, memory: -1}}}]}")),
	    "spec.containers[0].resources.limits[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully qualified\n"
	    "spec.containers[0].resources.requests[gpu]: Invalid value: \"gpu\": must be a standard resource type or fully qualified\n"
	    "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0\n"
	    "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1\n");
}

TEST(tolerations_and_requirements_make_sense)
{
	CHECK_HAS(lp_docs_faults(POD("{tolerations: [{value: v}], containers: [{name: a, image: i}]}")),
	    "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
	CHECK_HAS(lp_docs_faults(POD("{tolerations: [{key: k, operator: Exists, tolerationSeconds: 1}], containers: [{name: a, image: i}]}")),
	    "spec.tolerations[0].effect: Invalid value: effect must be 'NoExecute' when `tolerationSeconds` is set");
	CHECK_HAS(lp_docs_faults(POD("{affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
				     "[{matchExpressions: [{key: k, operator: In}]}]}}}, containers: [{name: a, image: i}]}")),
	    "values: Required value: must be specified when `operator` is 'In' or 'NotIn'");
}

TEST(services_have_ports_and_keep_their_type_s_rules)
{
	CHECK_STR(lp_docs_faults(SERVICE("{}")), "spec.ports: Required value\n");
	CHECK_STR(lp_docs_faults(SERVICE("{clusterIP: None}")), "");
	CHECK_STR(lp_docs_faults(SERVICE("{type: ExternalName}")), "spec.externalName: Required value\n");
	CHECK_STR(lp_docs_faults(SERVICE("{ports: [{port: 1}, {port: 1}]}")),
	    "spec.ports[0].name: Required value\nspec.ports[1].name: Required value\n"
	    "spec.ports[1]: Duplicate value: {\"port\":1,\"protocol\":\"TCP\",\"targetPort\":1}\n");
	CHECK_STR(lp_docs_faults(SERVICE("{ports: [{port: 1, nodePort: 30000}]}")),
	    "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n");
	CHECK_STR(lp_docs_faults(SERVICE("{type: Lamp, ports: [{port: 1}]}")),
	    "spec.type: Unsupported value: \"Lamp\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"\n");
	CHECK_HAS(lp_docs_faults("apiVersion: v1\nkind: Service\nmetadata: {name: 1a}\nspec: {ports: [{port: 1}]}\n"), "a DNS-1035 label must consist of");
}

TEST(labels_keys_and_sizes_are_checked)
{
	CHECK_STR(lp_docs_faults("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {'a b': x}\n"),
	    "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
	    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')\n");
	CHECK_HAS(lp_docs_faults("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {k: 'bad value'}}\n"), "metadata.labels: Invalid value: \"bad value\"");
	CHECK_HAS(lp_docs_faults(lp_arena_printf(lp_docs_arena(), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: \"%01048577d\"}\n", 0)),
	    "Too long: may not be more than 1048576 bytes");
	CHECK_STR(lp_docs_faults("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/tls\ndata: {tls.crt: YQ==}\n"),
	    "data[tls.key]: Required value\n");
	CHECK_HAS(lp_docs_faults("apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {taints: [{key: k, effect: NoSchedule}, {key: k, effect: NoSchedule}]}\n"),
	    "taints must be unique by key and effect pair");
}

static const char *
update(const char *from, const char *to)
{
	const struct lp_json *old = lp_docs_defaulted(from), *object = lp_docs_defaulted(to);
	struct lp_faults faults;

	lp_faults_init(&faults, lp_docs_arena());
	if (lp_check_update(lp_object_kind_of(old), object, old, &faults) == 0)
		return "";
	return lp_arena_printf(lp_docs_arena(), "%s: %s", faults.first->path, faults.first->message);
}

TEST(a_pod_may_change_its_image_and_gain_tolerations_only)
{
	static const char pod[] = POD("{containers: [{name: a, image: i}]}");

	CHECK_STR(update(pod, POD("{containers: [{name: a, image: i}]}")), "");
	CHECK_STR(update(pod, POD("{containers: [{name: a, image: j, imagePullPolicy: Always}]}")), "");
	CHECK_STR(update(pod, POD("{tolerations: [{operator: Exists}, {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}, "
				  "{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}], containers: [{name: a, image: i}]}")), "");
	CHECK_HAS(update(pod, POD("{tolerations: [{operator: Exists}], containers: [{name: a, image: i}]}")), "changed: spec.tolerations");
	CHECK_HAS(update(pod, POD("{containers: [{name: a, image: i, command: [x]}]}")), "spec: Forbidden: pod updates may not change fields other than");
	CHECK_HAS(update(pod, POD("{nodeName: n1, containers: [{name: a, image: i}]}")), "changed: spec.nodeName");
	CHECK_HAS(update(pod, POD("{containers: [{name: a, image: i}, {name: b, image: i}]}")), "changed: spec.containers");
}

#define NOTED(notes) "apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {" notes "}}\nspec: {containers: [{name: c, image: i}]}\n"
#define APPARMOR "container.apparmor.security.beta.kubernetes.io/c"

TEST(the_annotations_of_apparmor_are_as_fixed_as_its_fields)
{
	CHECK_STR(update(NOTED(APPARMOR ": unconfined, a: b"), NOTED(APPARMOR ": unconfined, a: c")), "");
	CHECK_STR(update(NOTED(APPARMOR ": localhost/x"), NOTED(APPARMOR ": unconfined")),
	    "metadata.annotations[" APPARMOR "]: Forbidden: may not remove or update AppArmor annotations");
	CHECK_STR(update(NOTED(APPARMOR ": localhost/x"), NOTED("")),
	    "metadata.annotations[" APPARMOR "]: Forbidden: may not remove or update AppArmor annotations");
	CHECK_STR(update(NOTED(""), NOTED(APPARMOR ": unconfined")), "metadata.annotations[" APPARMOR "]: Forbidden: may not add AppArmor annotations");
}

TEST(what_is_immutable_stays)
{
	CHECK_STR(update("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: x\n", "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"),
	    "type: Invalid value: \"Opaque\": field is immutable");
	CHECK_STR(update("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nimmutable: true\ndata: {a: b}\n",
	    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nimmutable: true\ndata: {a: c}\n"),
	    "data: Forbidden: field is immutable when `immutable` is set");
	CHECK_STR(update(SERVICE("{clusterIP: 10.43.0.9, ports: [{port: 1}]}"), SERVICE("{clusterIP: 10.43.0.8, ports: [{port: 1}]}")),
	    "spec.clusterIPs[0]: Invalid value: \"10.43.0.8\": may not change once set");
}

TEST(probes_and_hooks_say_only_what_can_be_done)
{
	CHECK_STR(lp_docs_faults(POD("{terminationGracePeriodSeconds: 5, containers: [{name: a, image: i, readinessProbe: {tcpSocket: {port: 1}, "
				     "terminationGracePeriodSeconds: 3}, livenessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 0}, "
				     "lifecycle: {preStop: {sleep: {seconds: 6}}}}]}")),
	    "spec.containers[0].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0\n"
	    "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 3: must not be set for readinessProbes\n"
	    "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 6: must be non-negative and less than terminationGracePeriodSeconds (5)\n");
	CHECK_STR(lp_docs_faults(POD("{containers: [{name: a, image: i, livenessProbe: {exec: {command: [x]}, successThreshold: 2}, startupProbe: {}}]}")),
	    "spec.containers[0].startupProbe: Required value: must specify a handler type\n"
	    "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1\n");
}

TEST(only_a_container_that_stays_has_probes)
{
	CHECK_STR(lp_docs_faults(POD("{initContainers: [{name: a, image: i, startupProbe: {tcpSocket: {port: 1}}}, {name: b, image: i, "
				     "restartPolicy: Always, startupProbe: {tcpSocket: {port: 1}}}, {name: c, image: i, restartPolicy: Never}], "
				     "containers: [{name: d, image: i, restartPolicy: Always}]}")),
	    "spec.initContainers[0].startupProbe: Forbidden: may not be set for init containers without restartPolicy=Always\n"
	    "spec.initContainers[2].restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"\n"
	    "spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers\n");
}
