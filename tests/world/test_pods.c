/*
 * The first stories: pods find their way, links break, machines lose power, managers come and go.
 */
#include <string.h>

#include "specs/object.h"
#include "tests/harness.h"
#include "tests/world.h"

#define POD(name, spec) \
	"apiVersion: v1\nkind: Pod\nmetadata: {name: " name ", labels: {app: " name "}}\nspec: {containers: [{name: main, image: 'i:1'}]" spec "}\n"
#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

TEST(a_pod_is_placed_started_and_reported_running)
{
	struct lp_world *world = lp_world_new(1, 2);

	lp_world_apply(world, POD("web", ""));
	CHECK_STR(lp_world_text(world, "pod", "web", "spec.nodeName"), "n1");
	lp_world_pass(world, 2 * SECOND);
	CHECK_STR(lp_world_text(world, "pod", "web", "status.phase"), "Running");
	CHECK(lp_world_is(world, "pod", "web", "Ready"));
	CHECK(lp_world_runs(world, "n1", "web"));
	CHECK_INT(lp_world_starts(world, "web"), 1);
	lp_world_check_agreement(world);
	lp_world_free(world);
}

TEST(a_service_finds_the_pod_that_runs)
{
	struct lp_world *world = lp_world_new(2, 1);
	const struct lp_json *address;

	lp_world_apply(world,
	    "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: "
	    "80}]}\n---\n" POD("web", ""));
	lp_world_pass(world, 2 * SECOND);
	address = lp_json_index(
	    lp_json_get(lp_json_index(lp_json_get(lp_world_get(world, "ep", "web"), "subsets"), 0), "addresses"), 0);
	CHECK_STR(lp_json_str(address, "ip"), lp_world_text(world, "pod", "web", "status.podIP"));
	lp_world_exit(world, "web", 1);		/* restarted at once */
	lp_world_pass(world, 2 * SECOND);
	CHECK_INT(lp_world_starts(world, "web"), 2);
	CHECK_INT(
	    lp_json_int(lp_json_index(lp_json_path(lp_world_get(world, "pod", "web"), "status.containerStatuses"), 0),
	        "restartCount", 0),
	    1);
	lp_world_free(world);
}

TEST(the_tutorial_pod_waits_for_its_taint_to_go)
{
	struct lp_world *world = lp_world_new(3, 1);

	lp_world_apply(world,
	    "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {taints: [{key: node-role.kubernetes.io/master, "
	    "effect: NoSchedule}]}\n");
	lp_world_apply(world, POD("web", ""));
	lp_world_pass(world, 10 * SECOND);
	CHECK_STR(lp_world_text(world, "pod", "web", "status.phase"), "Pending");
	CHECK_HAS(lp_json_str(lp_object_condition(lp_world_get(world, "pod", "web"), "PodScheduled"), "message"),
	    "0/1 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/master: }.");
	lp_world_apply(world, "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {taints: []}\n");
	lp_world_pass(world, 2 * SECOND);
	CHECK(lp_world_is(world, "pod", "web", "Ready"));
	lp_world_free(world);
}

TEST(a_deleted_pod_goes_when_its_node_says_so)
{
	struct lp_world *world = lp_world_new(4, 1);

	lp_world_apply(world, POD("web", ""));
	lp_world_pass(world, 2 * SECOND);
	lp_world_cut(world, "n1", true);
	lp_world_delete(world, "pod", "web");
	lp_world_pass(world, 10 * MINUTE);
	CHECK(lp_object_deleting(lp_world_get(world, "pod", "web")));
	CHECK(lp_world_runs(world, "n1", "web"));	/* it has not heard */
	lp_world_cut(world, "n1", false);
	lp_world_pass(world, 2 * MINUTE);
	CHECK(lp_world_get(world, "pod", "web") == NULL);
	CHECK(!lp_world_runs(world, "n1", "web"));
	lp_world_check_agreement(world);
	lp_world_free(world);
}

TEST(a_dead_link_changes_nothing_on_the_device)
{
	struct lp_world *world = lp_world_new(5, 2);

	lp_world_apply(world, POD("web", ", nodeName: n1"));
	lp_world_pass(world, 2 * SECOND);
	lp_world_cut(world, "n1", true);
	lp_world_pass(world, 2 * MINUTE);
	CHECK_STR(lp_json_str(lp_object_condition(lp_world_get(world, "node", "n1"), "Ready"), "status"), "Unknown");
	CHECK(!lp_world_is(world, "pod", "web", "Ready"));
	lp_world_pass(world, 24 * HOUR);
	CHECK(lp_world_runs(world, "n1", "web"));
	lp_world_cut(world, "n1", false);
	lp_world_pass(world, 2 * MINUTE);
	CHECK(lp_world_is(world, "node", "n1", "Ready"));
	CHECK(lp_world_is(world, "pod", "web", "Ready"));
	CHECK(lp_json_path(lp_world_get(world, "node", "n1"), "spec.taints") == NULL);
	CHECK_INT(lp_world_starts(world, "web"), 1);
	lp_world_free(world);
}

TEST(a_device_boots_to_full_service_without_its_manager)
{
	struct lp_world *world = lp_world_new(6, 1);

	lp_world_apply(world, POD("a", "") "---\n" POD("b", ""));
	lp_world_pass(world, 2 * SECOND);
	lp_world_stop_manager(world);
	lp_world_power(world, "n1", false);
	lp_world_pass(world, 10 * SECOND);
	CHECK(!lp_world_runs(world, "n1", "a"));
	lp_world_power(world, "n1", true);
	lp_world_pass(world, 5 * SECOND);
	CHECK(lp_world_runs(world, "n1", "a") && lp_world_runs(world, "n1", "b"));
	lp_world_pass(world, HOUR);
	lp_world_start_manager(world);
	lp_world_pass(world, 2 * MINUTE);
	CHECK_INT(lp_world_starts(world, "a"), 2);	/* before the cut and after it, not once more */
	lp_world_check_agreement(world);
	lp_world_free(world);
}

TEST(pods_outlive_a_hundred_agents)
{
	struct lp_world *world = lp_world_new(7, 1);

	lp_world_apply(world, POD("a", "") "---\n" POD("b", ""));
	lp_world_pass(world, 2 * SECOND);
	for (int i = 0; i < 100; i++) {
		lp_world_agent(world, "n1", false);
		lp_world_pass(world, lp_world_chance(world, 3000));
		lp_world_agent(world, "n1", true);
		lp_world_pass(world, lp_world_chance(world, 3000));
	}
	lp_world_pass(world, MINUTE);
	CHECK_INT(lp_world_starts(world, "a"), 1);
	CHECK_INT(lp_world_starts(world, "b"), 1);
	lp_world_check_agreement(world);
	lp_world_free(world);
}

TEST(a_crashing_container_is_restarted_more_and_more_slowly)
{
	struct lp_world *world = lp_world_new(8, 1);

	lp_world_apply(world, POD("web", ""));
	for (int i = 0; i < 3600; i++) {
		lp_world_pass(world, SECOND);
		lp_world_exit(world, "web", 1);
	}
	/* at once, then after 10, 20, 40, 80, 160 s, then every 300 s */
	CHECK(lp_world_starts(world, "web") >= 15 && lp_world_starts(world, "web") <= 18);
	lp_world_free(world);
}

TEST(an_idle_fleet_stores_no_revisions)
{
	struct lp_world *world = lp_world_new(9, 3);
	unsigned stored;

	lp_world_apply(world, POD("a", "") "---\n" POD("b", "") "---\n" POD("c", ""));
	lp_world_pass(world, MINUTE);
	stored = lp_world_stored(world);
	lp_world_pass(world, 24 * HOUR);
	CHECK_INT(lp_world_stored(world), stored);
	lp_world_check_agreement(world);
	lp_world_free(world);
}

/* Everything at once, for a simulated week; then peace, and all must be as if nothing had been. */
static void
bad_week(uint64_t seed)
{
	static const char *const names[] = { "n1", "n2", "n3" };
	struct lp_world *world = lp_world_new(seed, 3);
	bool manager = true, power[3] = { true, true, true };

	lp_world_apply(
	    world, POD("a", ", nodeName: n1") "---\n" POD("b", ", nodeName: n2") "---\n" POD("c", ", nodeName: n3"));
	lp_world_pass(world, MINUTE);
	lp_world_wires(world, 50);
	for (int hour = 0; hour < 24 * 7; hour++) {
		uint32_t device = lp_world_chance(world, 3), what = lp_world_chance(world, 8);

		if (what < 2)
			lp_world_cut(world, names[device], what == 0);
		else if (what == 2)
			lp_world_power(world, names[device], power[device] = !power[device]);
		else if (what == 3 && power[device])
			lp_world_agent(world, names[device], lp_world_chance(world, 2));
		else if (what == 4 && manager)
			lp_world_stop_manager(world), manager = false;
		else if (what == 5 && !manager)
			lp_world_start_manager(world), manager = true;
		else if (what == 6)
			lp_world_exit(world, "a", 3);
		lp_world_pass(world, HOUR / 2 + lp_world_chance(world, HOUR));
	}
	lp_world_wires(world, 0);
	if (!manager)
		lp_world_start_manager(world);
	for (size_t i = 0; i < 3; i++) {
		lp_world_cut(world, names[i], false);
		lp_world_power(world, names[i], true);
	}
	lp_world_pass(world, 10 * MINUTE);
	lp_world_check_agreement(world);
	for (size_t i = 0; i < 3; i++)
		CHECK(lp_world_is(world, "node", names[i], "Ready"));
	CHECK(lp_world_runs(world, "n1", "a") && lp_world_runs(world, "n2", "b") && lp_world_runs(world, "n3", "c"));
	lp_world_free(world);
}

TEST(a_bad_week_leaves_no_trace)
{
	for (uint64_t seed = 1; seed <= 5; seed++)
		bad_week(seed);
}
