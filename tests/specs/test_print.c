#include <string.h>

#include "specs/object.h"
#include "specs/print.h"
#include "tests/harness.h"
#include "tests/specs/docs.h"

#define NOW 1795169000000		/* 2026-11-20T10:03:20Z */

static const char *
cells(const char *yaml)
{
	const struct lp_json *object = lp_docs_yaml(yaml);
	const struct lp_kind *kind = lp_object_kind_of(object);
	const struct lp_json *row = lp_print_cells(lp_docs_arena(), kind, object, NOW);

	CHECK_INT(lp_json_count(row), lp_json_count(lp_print_columns(lp_docs_arena(), kind)));
	return lp_docs_text(row);
}

#define POD(status) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: p, creationTimestamp: '2026-11-20T10:00:00Z'}\n" \
	"spec: {nodeName: n1, containers: [{name: a}, {name: b}]}\nstatus: " status "\n"

TEST(a_running_pod_is_printed_as_kubectl_expects)
{
	CHECK_STR(cells(POD("{phase: Running, podIP: 10.42.0.5, containerStatuses: [{name: a, ready: true, restartCount: 0, state: {running: {}}}, "
			    "{name: b, ready: true, restartCount: 3, state: {running: {}}, lastState: {terminated: {finishedAt: '2026-11-20T10:01:20Z'}}}]}")),
	    "[\"p\",\"2/2\",\"Running\",\"3 (2m ago)\",\"3m20s\",\"10.42.0.5\",\"n1\",\"<none>\",\"<none>\"]");
}

static const char *
status_of(const char *yaml)
{
	return lp_print_pod_status(lp_docs_arena(), lp_docs_yaml(yaml));
}

#define INIT(status) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {initContainers: [{name: i}, {name: j}], containers: [{name: a}]}\nstatus: " status "\n"

TEST(the_status_of_a_pod_follows_kubernetes_rules)
{
	CHECK_STR(status_of(POD("{phase: Pending}")), "Pending");
	CHECK_STR(status_of(POD("{phase: Failed, reason: Evicted}")), "Evicted");
	CHECK_STR(status_of(POD("{phase: Running, containerStatuses: [{state: {waiting: {reason: CrashLoopBackOff}}}, {state: {running: {}}, ready: true}]}")),
	    "CrashLoopBackOff");
	CHECK_STR(status_of(POD("{phase: Running, containerStatuses: [{state: {terminated: {exitCode: 137, signal: 9}}}]}")), "Signal:9");
	CHECK_STR(status_of(POD("{phase: Running, containerStatuses: [{state: {terminated: {exitCode: 3}}}]}")), "ExitCode:3");
	CHECK_STR(status_of(POD("{phase: Succeeded, containerStatuses: [{state: {terminated: {exitCode: 0, reason: Completed}}}]}")), "Completed");
	CHECK_STR(status_of(POD("{phase: Running, conditions: [{type: Ready, status: 'False'}], containerStatuses: "
				"[{state: {terminated: {exitCode: 0, reason: Completed}}}, {state: {running: {}}, ready: true}]}")), "NotReady");
	CHECK_STR(status_of(INIT("{phase: Pending, initContainerStatuses: [{name: i, state: {terminated: {exitCode: 0}}}, {name: j, state: {running: {}}}]}")),
	    "Init:1/2");
	CHECK_STR(status_of(INIT("{phase: Pending, initContainerStatuses: [{name: i, state: {terminated: {exitCode: 2}}}]}")), "Init:ExitCode:2");
	CHECK_STR(status_of(INIT("{phase: Pending, initContainerStatuses: [{name: i, state: {terminated: {exitCode: 1, reason: Error}}}]}")), "Init:Error");
	CHECK_STR(status_of(INIT("{phase: Pending, initContainerStatuses: [{name: i, state: {waiting: {reason: ImagePullBackOff}}}]}")), "Init:ImagePullBackOff");
	CHECK_STR(status_of(INIT("{phase: Pending, initContainerStatuses: [{name: i, state: {waiting: {reason: PodInitializing}}}]}")), "Init:0/2");
	CHECK_STR(status_of("apiVersion: v1\nkind: Pod\nmetadata: {name: p, deletionTimestamp: '2026-11-20T10:00:00Z'}\nstatus: {phase: Running}\n"), "Terminating");
	CHECK_STR(status_of("apiVersion: v1\nkind: Pod\nmetadata: {name: p, deletionTimestamp: '2026-11-20T10:00:00Z'}\nstatus: {phase: Running, reason: NodeLost}\n"),
	    "Unknown");
	CHECK_STR(status_of("apiVersion: v1\nkind: Pod\nmetadata: {name: p, deletionTimestamp: '2026-11-20T10:00:00Z'}\nstatus: {phase: Failed}\n"), "Failed");
}

TEST(services_of_every_type_are_printed)
{
	CHECK_STR(cells("apiVersion: v1\nkind: Service\nmetadata: {name: s, creationTimestamp: '2026-11-20T10:03:00Z'}\n"
			"spec: {type: NodePort, clusterIP: 10.43.0.7, selector: {b: c, a: b}, ports: [{port: 80, nodePort: 30001, protocol: TCP}, {port: 53, protocol: UDP}]}\n"),
	    "[\"s\",\"NodePort\",\"10.43.0.7\",\"<none>\",\"80:30001/TCP,53/UDP\",\"20s\",\"a=b,b=c\"]");
	CHECK_STR(cells("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: LoadBalancer, clusterIP: None}\n"),
	    "[\"s\",\"LoadBalancer\",\"None\",\"<pending>\",\"<none>\",\"<unknown>\",\"<none>\"]");
	CHECK_STR(cells("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {type: ExternalName, externalName: example.org}\n"),
	    "[\"s\",\"ExternalName\",\"<none>\",\"example.org\",\"<none>\",\"<unknown>\",\"<none>\"]");
}

TEST(nodes_show_readiness_roles_and_addresses)
{
	CHECK_STR(cells("apiVersion: v1\nkind: Node\nmetadata: {name: e, labels: {node-role.kubernetes.io/worker: '', node-role.kubernetes.io/master: ''}}\n"
			"spec: {unschedulable: true}\nstatus: {conditions: [{type: Ready, status: 'True'}], addresses: [{type: InternalIP, address: 1.2.3.4}], "
			"nodeInfo: {kubeletVersion: v1.32.0, osImage: Debian, kernelVersion: 6.1, containerRuntimeVersion: 'limpet://0.1'}}\n"),
	    "[\"e\",\"Ready,SchedulingDisabled\",\"master,worker\",\"<unknown>\",\"v1.32.0\",\"1.2.3.4\",\"<none>\",\"Debian\",\"<unknown>\",\"limpet://0.1\"]");
	CHECK_HAS(cells("apiVersion: v1\nkind: Node\nmetadata: {name: e}\nstatus: {conditions: [{type: Ready, status: Unknown}]}\n"), "\"NotReady\"");
}

TEST(events_name_their_object_and_how_often)
{
	CHECK_STR(cells("apiVersion: v1\nkind: Event\nmetadata: {name: p.1}\ninvolvedObject: {kind: Pod, name: p, fieldPath: 'spec.containers{a}'}\n"
			"reason: Started\nmessage: Started container a\ntype: Normal\ncount: 2\nsource: {component: kubelet, host: n1}\n"
			"firstTimestamp: '2026-11-20T10:00:00Z'\nlastTimestamp: '2026-11-20T10:03:10Z'\n"),
	    "[\"10s\",\"Normal\",\"Started\",\"pod/p\",\"spec.containers{a}\",\"kubelet, n1\",\"Started container a\",\"3m20s\",2,\"p.1\"]");
}

TEST(the_simple_kinds_count_what_they_hold)
{
	CHECK_STR(cells("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\nbinaryData: {c: ZA==}\n"), "[\"c\",2,\"<unknown>\"]");
	CHECK_STR(cells("apiVersion: v1\nkind: Secret\nmetadata: {name: c}\ntype: Opaque\n"), "[\"c\",\"Opaque\",0,\"<unknown>\"]");
	CHECK_STR(cells("apiVersion: v1\nkind: Namespace\nmetadata: {name: c}\nstatus: {phase: Active}\n"), "[\"c\",\"Active\",\"<unknown>\"]");
	CHECK_STR(cells("apiVersion: v1\nkind: Endpoints\nmetadata: {name: c}\nsubsets: [{addresses: [{ip: 1.1.1.1}, {ip: 1.1.1.2}], ports: [{port: 80}, {port: 81}]}]\n"),
	    "[\"c\",\"1.1.1.1:80,1.1.1.2:80,1.1.1.1:81 + 1 more...\",\"<unknown>\"]");
	CHECK_STR(cells("apiVersion: v1\nkind: Endpoints\nmetadata: {name: c}\n"), "[\"c\",\"<none>\",\"<unknown>\"]");
	CHECK_STR(cells("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: c}\naddressType: IPv4\nports: [{port: 80}]\nendpoints: [{addresses: [1.1.1.1]}]\n"),
	    "[\"c\",\"IPv4\",\"80\",\"1.1.1.1\",\"<unknown>\"]");
	CHECK_STR(cells("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: c}\nspec: {holderIdentity: h}\n"), "[\"c\",\"h\",\"<unknown>\"]");
}

TEST(rows_carry_metadata_with_a_kind)
{
	const struct lp_json *object = lp_docs_yaml("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n");

	CHECK_STR(lp_docs_text(lp_print_row(lp_docs_arena(), lp_kind_by_word("cm"), object, LP_PRINT_METADATA, NOW)),
	    "{\"cells\":[\"c\",0,\"<unknown>\"],\"object\":{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"name\":\"c\"}}}");
	CHECK(lp_json_get(lp_print_row(lp_docs_arena(), lp_kind_by_word("cm"), object, LP_PRINT_NONE, NOW), "object") == NULL);
}

TEST(storage_is_printed_as_kubectl_expects)
{
	CHECK_STR(cells("apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v, creationTimestamp: '2026-11-20T10:00:00Z'}\n"
			"spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteMany, ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, "
			"storageClassName: s, volumeMode: Filesystem, claimRef: {namespace: ns, name: c}}\nstatus: {phase: Bound}\n"),
	    "[\"v\",\"1Gi\",\"RWO,RWX\",\"Retain\",\"Bound\",\"ns/c\",\"s\",\"<unset>\",\"\",\"3m20s\",\"Filesystem\"]");
	CHECK_STR(cells("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c, creationTimestamp: '2026-11-20T10:00:00Z'}\n"
			"spec: {volumeName: v, storageClassName: s, volumeMode: Filesystem}\n"
			"status: {phase: Bound, capacity: {storage: 1Gi}, accessModes: [ReadWriteOncePod]}\n"),
	    "[\"c\",\"Bound\",\"v\",\"1Gi\",\"RWOP\",\"s\",\"<unset>\",\"3m20s\",\"Filesystem\"]");
	CHECK_STR(cells("apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: s, creationTimestamp: '2026-11-20T10:00:00Z', "
			"annotations: {storageclass.kubernetes.io/is-default-class: 'true'}}\nprovisioner: p\nreclaimPolicy: Delete\n"
			"volumeBindingMode: Immediate\n"),
	    "[\"s (default)\",\"p\",\"Delete\",\"Immediate\",\"false\",\"3m20s\"]");
}
