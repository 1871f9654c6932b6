#include <string.h>

#include "base/text.h"
#include "manager/look/taint.h"
#include "specs/object.h"
#include "tests/harness.h"
#include "tests/manager/objects.h"

#define NODE(name, ready) \
	"apiVersion: v1\nkind: Node\nmetadata: {name: " name "}\nstatus:\n  conditions: [{type: Ready, status: '" ready "'}]\n"

static struct lp_objects objects;

/* Looks and applies until nothing is wanted any more. */
static void
settle(void)
{
	for (int i = 0; i < 10; i++) {
		if (lp_objects_run(&objects, lp_nodes_control) == 0)
			return;
		lp_objects_apply(&objects);
	}
	FAIL("the node controller does not come to rest");
}

static const struct lp_json *
node(const char *name)
{
	return lp_objects_get(&objects, "node", "", name);
}

static void
pass(int64_t ms)
{
	objects.look.now_ms += ms;
	objects.look.wall_ms += ms;
}

TEST(a_node_that_is_heard_stays_as_it_is)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", "True"));
	CHECK_INT(lp_objects_run(&objects, lp_nodes_control), 0);
	CHECK_INT(objects.writes.due_ms, objects.seen_ms + 40000);
}

TEST(a_silent_node_becomes_unknown_and_unreachable_and_its_pods_not_ready)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", "True"));
	lp_objects_add(&objects, "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {nodeName: n1, containers: [{name: c, image: i}]}\n"
				 "status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}\n");
	pass(39999);
	CHECK_INT(lp_objects_run(&objects, lp_nodes_control), 0);
	pass(1);
	settle();
	CHECK_STR(lp_json_str(lp_object_condition(node("n1"), "Ready"), "status"), "Unknown");
	CHECK_STR(lp_json_str(lp_object_condition(node("n1"), "Ready"), "reason"), "NodeStatusUnknown");
	CHECK(lp_taint_has(node("n1"), "node.kubernetes.io/unreachable", "NoSchedule"));
	CHECK(lp_taint_has(node("n1"), "node.kubernetes.io/unreachable", "NoExecute"));
	CHECK(!lp_object_condition_true(lp_objects_get(&objects, "pod", "default", "p"), "Ready"));

	objects.seen_ms = objects.look.now_ms;
	lp_objects_add(&objects, NODE("n1", "True"));	/* its report */
	settle();
	CHECK(lp_json_path(node("n1"), "spec.taints") == NULL);
}

TEST(after_a_restart_of_the_manager_nodes_have_the_whole_time_to_come_back)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", "True"));
	objects.seen_ms = -1;
	objects.look.start_ms = objects.look.now_ms;
	pass(39999);
	CHECK_INT(lp_objects_run(&objects, lp_nodes_control), 0);
}

TEST(taints_of_others_are_kept)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec:\n  unschedulable: true\n"
				 "  taints: [{key: node-role.kubernetes.io/master, effect: NoSchedule}]\n"
				 "status:\n  conditions: [{type: Ready, status: 'False'}, {type: DiskPressure, status: 'True'}]\n");
	settle();
	CHECK(lp_taint_has(node("n1"), "node-role.kubernetes.io/master", "NoSchedule"));
	CHECK(lp_taint_has(node("n1"), "node.kubernetes.io/not-ready", "NoExecute"));
	CHECK(lp_taint_has(node("n1"), "node.kubernetes.io/unschedulable", "NoSchedule"));
	CHECK(lp_taint_has(node("n1"), "node.kubernetes.io/disk-pressure", "NoSchedule"));
	CHECK(!lp_taint_has(node("n1"), "node.kubernetes.io/unreachable", "NoSchedule"));
}

TEST(a_new_node_takes_no_pods_until_it_has_reported)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n");
	settle();
	CHECK(lp_taint_has(node("n1"), "node.kubernetes.io/not-ready", "NoSchedule"));
	CHECK(!lp_taint_has(node("n1"), "node.kubernetes.io/not-ready", "NoExecute"));
}

#define POD(name, more) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name more "}\nspec:\n  nodeName: n1\n  containers: [{name: c, image: i}]\n"
#define OWNED ", ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: r, uid: u, controller: true}]"

TEST(a_no_execute_taint_makes_pods_leave_when_their_time_is_over)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec:\n"
				 "  taints: [{key: k, effect: NoExecute, timeAdded: '2026-11-18T10:00:00Z'}]\n"
				 "status:\n  conditions: [{type: Ready, status: 'True'}]\n");
	lp_objects_add(&objects, POD("goes", ""));
	lp_objects_add(&objects, POD("stays", "") "  tolerations: [{key: k, operator: Exists}]\n");
	lp_objects_add(&objects, POD("waits", "") "  tolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 60}]\n");
	objects.look.wall_ms = 1794996000000;	/* 2026-11-18T10:00:00Z */
	lp_objects_run(&objects, lp_nodes_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "goes") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "stays") == NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "waits") == NULL);
	pass(30000);
	objects.seen_ms = objects.look.now_ms;
	lp_objects_run(&objects, lp_nodes_control);
	CHECK_INT(objects.writes.due_ms, objects.look.now_ms + 30000);
	pass(30000);
	objects.seen_ms = objects.look.now_ms;
	lp_objects_run(&objects, lp_nodes_control);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "waits") != NULL);
}

/* n1 is silent for long, n2 as `ready` says. */
static void
lose_n1(const char *ready)
{
	lp_objects_init(&objects);
	lp_objects_add(&objects, NODE("n1", "Unknown"));
	lp_objects_add(&objects, lp_arena_printf(&objects.arena, NODE("n2", "%s"), ready));
	lp_objects_add(&objects, POD("bare", ""));
	lp_objects_add(&objects, POD("owned", OWNED));
	settle();
	pass(301000);
	objects.seen_ms = objects.look.now_ms;
	lp_objects_run(&objects, lp_nodes_control);
}

TEST(a_dead_link_takes_only_pods_that_somebody_makes_anew)
{
	lose_n1("True");
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "owned") != NULL);
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "bare") == NULL);
}

TEST(a_manager_that_hears_nobody_takes_nothing)
{
	lose_n1("Unknown");
	CHECK(lp_objects_write(&objects, LP_WRITE_DELETE, "owned") == NULL);
}
