#include <string.h>

#include "base/text.h"
#include "manager/look/place.h"
#include "specs/object.h"
#include "tests/harness.h"
#include "tests/manager/objects.h"

#define NODE(name, more) \
	"apiVersion: v1\nkind: Node\nmetadata:\n  name: " name "\n  labels: {kubernetes.io/os: linux, disk: " name "}\n" \
	"status:\n  allocatable: {cpu: '2', memory: 1Gi, pods: '10'}\n  conditions: [{type: Ready, status: 'True'}]\n" more
#define POD(name, spec) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name ", labels: {app: " name "}}\nspec:\n  containers: [{name: c, image: i}]\n" spec

static struct lp_objects objects;

/* The message of the FailedScheduling event; NULL when the pod was placed. */
static const char *
refusal(const char *pod)
{
	const struct lp_write *write;

	lp_objects_run(&objects, lp_place_control);
	write = lp_objects_write(&objects, LP_WRITE_EVENT, pod);
	if (!write || strcmp(write->reason, "FailedScheduling") != 0)
		return NULL;
	CHECK_STR(write->type, "Warning");
	CHECK_STR(write->component, "default-scheduler");
	CHECK(lp_objects_write(&objects, LP_WRITE_PATCH_STATUS, pod) != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, pod) == NULL);
	return write->message;
}

TEST(a_pod_goes_to_the_only_node_and_an_event_says_so)
{
	const struct lp_write *write;

	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", ""));
	lp_objects_add(&objects, POD("web", ""));
	CHECK_INT(lp_objects_run(&objects, lp_place_control), 2);
	write = lp_objects_write(&objects, LP_WRITE_BIND, "web");
	CHECK(write != NULL);
	CHECK_STR(write->node, "n1");
	CHECK_STR(write->uid, "uid-pod-web");
	write = lp_objects_write(&objects, LP_WRITE_EVENT, "web");
	CHECK_STR(write->message, "Successfully assigned default/web to n1");
	lp_objects_apply(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_place_control), 0);
}

TEST(without_nodes_the_event_says_that_there_are_none)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, POD("web", ""));
	CHECK_STR(refusal("web"), "no nodes available to schedule pods");
}

TEST(an_untolerated_taint_is_named_and_said_once)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", "spec:\n  taints: [{key: node-role.kubernetes.io/master, effect: NoSchedule}]\n"));
	lp_objects_add(&objects, POD("web", ""));
	CHECK_STR(refusal("web"), "0/1 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }. "
				  "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.");
	lp_objects_apply(&objects);
	CHECK_STR(lp_json_str(lp_object_condition(lp_objects_get(&objects, "pod", "default", "web"), "PodScheduled"), "reason"), "Unschedulable");
	CHECK_INT(lp_objects_run(&objects, lp_place_control), 0);

	lp_objects_add(&objects, NODE("n1", ""));
	lp_objects_run(&objects, lp_place_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "web") != NULL);
}

TEST(a_toleration_lets_the_pod_onto_the_tainted_node)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", "spec:\n  taints: [{key: k, value: v, effect: NoSchedule}]\n"));
	lp_objects_add(&objects, POD("exists", "  tolerations: [{key: k, operator: Exists}]\n"));
	lp_objects_add(&objects, POD("equal", "  tolerations: [{key: k, value: v, effect: NoSchedule}]\n"));
	lp_objects_add(&objects, POD("other", "  tolerations: [{key: k, value: w, effect: NoSchedule}]\n"));
	lp_objects_add(&objects, POD("all", "  tolerations: [{operator: Exists}]\n"));
	lp_objects_run(&objects, lp_place_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "exists") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "equal") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "all") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "other") == NULL);
}

TEST(every_reason_is_counted_and_they_are_sorted)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", "spec: {unschedulable: true}\n"));
	lp_objects_add(&objects, NODE("n2", "spec:\n  taints: [{key: k, effect: NoExecute}]\n"));
	lp_objects_add(&objects, NODE("n3", ""));
	lp_objects_add(&objects, NODE("n4", ""));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: big}\nspec:\n  containers:\n  - name: c\n    image: i\n"
				 "    resources: {requests: {cpu: '3', memory: 2Gi}}\n");
	CHECK_STR(refusal("big"),
	    "0/4 nodes are available: 1 node(s) had untolerated taint {k: }, 1 node(s) were unschedulable, 2 Insufficient cpu, "
	    "2 Insufficient memory. preemption: 0/4 nodes are available: 2 No preemption victims found for incoming pod, "
	    "2 Preemption is not helpful for scheduling.");
}

TEST(selectors_and_required_affinity_choose_the_node)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", ""));
	lp_objects_add(&objects, NODE("n2", ""));
	lp_objects_add(&objects, POD("picky", "  nodeSelector: {disk: n2}\n"));
	lp_objects_add(&objects, POD("affine", "  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
				 "[{matchExpressions: [{key: disk, operator: In, values: [n1]}]}]}}}\n"));
	lp_objects_add(&objects, POD("named", "  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: "
				 "[{matchFields: [{key: metadata.name, operator: In, values: [n2]}]}]}}}\n"));
	lp_objects_add(&objects, POD("lost", "  nodeSelector: {disk: n3}\n"));
	lp_objects_run(&objects, lp_place_control);
	CHECK_STR(lp_objects_write(&objects, LP_WRITE_BIND, "picky")->node, "n2");
	CHECK_STR(lp_objects_write(&objects, LP_WRITE_BIND, "affine")->node, "n1");
	CHECK_STR(lp_objects_write(&objects, LP_WRITE_BIND, "named")->node, "n2");
	CHECK_HAS(lp_objects_write(&objects, LP_WRITE_EVENT, "lost")->message, "2 node(s) didn't match Pod's node affinity/selector.");
}

TEST(requests_of_pods_placed_in_the_same_look_count)
{
	static const char *const pods[] = { "a", "b", "c" };

	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", ""));
	for (size_t i = 0; i < 3; i++)
		lp_objects_add(&objects, lp_arena_printf(&objects.arena,
		    "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  containers:\n  - name: c\n    image: i\n"
		    "    resources: {requests: {cpu: 900m}}\n", pods[i]));
	lp_objects_run(&objects, lp_place_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "a") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "b") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "c") == NULL);
	CHECK_HAS(lp_objects_write(&objects, LP_WRITE_EVENT, "c")->message, "1 Insufficient cpu");
}

TEST(init_containers_count_by_the_largest_and_finished_pods_not_at_all)
{
	struct lp_place_request request;

	lp_objects_init(&objects);
	lp_objects_add(&objects,
	    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  nodeName: n1\n"
	    "  initContainers: [{name: i, image: i, resources: {requests: {cpu: '2'}}}, {name: j, image: i, resources: {requests: {cpu: '1'}}}]\n"
	    "  containers: [{name: a, image: i, resources: {requests: {cpu: 500m, memory: 1Mi}}}, {name: b, image: i, resources: {requests: {cpu: 600m}}}]\n"
	    "status: {phase: Succeeded}\n");
	lp_place_request(lp_objects_get(&objects, "pod", "default", "p"), &request);
	CHECK_INT(request.count, 2);
	CHECK_STR(request.name[0], "cpu");
	CHECK_INT(lp_quantity_milli(&request.amount[0]), 2000);
	CHECK_INT(lp_quantity_value(&request.amount[1]), 1 << 20);

	lp_objects_add(&objects, NODE("n1", ""));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: q}\nspec:\n  containers:\n  - {name: c, image: i, resources: {requests: {cpu: '2'}}}\n");
	lp_objects_run(&objects, lp_place_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "q") != NULL);
}

TEST(sidecars_count_with_the_containers_and_with_the_init_containers_after_them)
{
	struct lp_place_request request;

	lp_objects_init(&objects);
	lp_objects_add(&objects,
	    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
	    "  initContainers: [{name: s, image: i, restartPolicy: Always, resources: {requests: {cpu: 300m}}}, {name: i, image: i, resources: {requests: {cpu: '1'}}},"
	    " {name: t, image: i, restartPolicy: Always, resources: {requests: {cpu: 100m}}}]\n"
	    "  containers: [{name: a, image: i, resources: {requests: {cpu: 500m, example.com/dongle: '2'}}}]\n");
	lp_place_request(lp_objects_get(&objects, "pod", "default", "p"), &request);
	CHECK_STR(request.name[0], "cpu");
	CHECK_INT(lp_quantity_milli(&request.amount[0]), 1300);
	CHECK_STR(request.name[1], "example.com/dongle");
	CHECK_INT(lp_quantity_value(&request.amount[1]), 2);
}

TEST(a_taken_host_port_keeps_the_second_pod_away)
{
	static const char port[] = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  containers:\n"
				   "  - {name: c, image: i, ports: [{containerPort: 80, hostPort: 8080}]}\n";

	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", ""));
	lp_objects_add(&objects, lp_arena_printf(&objects.arena, port, "one"));
	lp_objects_add(&objects, lp_arena_printf(&objects.arena, port, "two"));
	lp_objects_run(&objects, lp_place_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_BIND, "one") != NULL);
	CHECK_HAS(lp_objects_write(&objects, LP_WRITE_EVENT, "two")->message, "1 node(s) didn't have free ports for the requested pod ports");
	lp_objects_apply(&objects);
	CHECK_INT(lp_objects_run(&objects, lp_place_control), 0);
}

TEST(pods_alike_are_spread_over_the_nodes)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", ""));
	lp_objects_add(&objects, NODE("n2", ""));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: x}}\nspec:\n  containers: [{name: c, image: i}]\n"
				 "---\napiVersion: v1\nkind: Pod\nmetadata: {name: b, labels: {app: x}}\nspec:\n  containers: [{name: c, image: i}]\n");
	lp_objects_run(&objects, lp_place_control);
	CHECK_STR(lp_objects_write(&objects, LP_WRITE_BIND, "a")->node, "n1");
	CHECK_STR(lp_objects_write(&objects, LP_WRITE_BIND, "b")->node, "n2");
}

TEST(a_node_that_is_not_ready_takes_nothing_even_before_it_is_tainted)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n");
	lp_objects_add(&objects, POD("web", ""));
	CHECK_HAS(refusal("web"), "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }");
}

TEST(pods_of_other_schedulers_and_dying_pods_are_left_alone)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", ""));
	lp_objects_add(&objects, POD("theirs", "  schedulerName: mine\n"));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: dying, deletionTimestamp: '2026-01-01T00:00:00Z'}\n"
				 "spec: {containers: [{name: c, image: i}]}\n");
	CHECK_INT(lp_objects_run(&objects, lp_place_control), 0);
}
