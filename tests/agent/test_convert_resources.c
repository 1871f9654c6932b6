#include "agent/convert/ceiling_pod.h"
#include "agent/convert/convert.h"

#include "tests/agent/facts.h"
#include "tests/harness.h"

#define MI (UINT64_C(1) << 20)

static struct lp_control_pod
convert(struct lp_test_facts *test, const char *pod)
{
	struct lp_control_pod out;
	struct lp_err err = { 0 };

	lp_test_facts(test, pod, NULL);
	CHECK_OK(lp_convert_pod(&test->arena, test->pod, test->pod_json, &test->facts, &out, &err), &err);
	return out;
}

#define POD(spec) "{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u\"},\"spec\":{" spec "}}"
#define C(name, resources) "{\"name\":\"" name "\",\"image\":\"i\",\"resources\":{" resources "}}"

TEST(a_pod_has_the_limits_of_its_containers_together)
{
	struct lp_test_facts test;
	struct lp_control_pod pod = convert(&test, POD("\"containers\":[" C("a", "\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"}") ","
	    C("b", "\"limits\":{\"cpu\":\"1\",\"memory\":\"32Mi\"},\"requests\":{\"cpu\":\"100m\",\"memory\":\"16Mi\"}") "]"));

	CHECK_INT(pod.limits.cpu_max_milli, 1500);
	CHECK_INT(pod.limits.memory_max_bytes, 96 * MI);
	CHECK_INT(pod.limits.cpu_request_milli, 600);
	CHECK_INT(pod.limits.pids_max, 2048);
	CHECK_INT(pod.containers[0].config.limits.memory_max_bytes, 64 * MI);
	CHECK_INT(pod.containers[0].config.limits.cpu_request_milli, 500);
	CHECK_INT(pod.containers[1].config.limits.cpu_request_milli, 100);
	lp_arena_fini(&test.arena);
}

TEST(a_pod_with_one_unlimited_container_is_unlimited)
{
	struct lp_test_facts test;
	struct lp_control_pod pod =
	    convert(&test, POD("\"containers\":[" C("a", "\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"}") "," C("b", "") "]"));

	CHECK_INT(pod.limits.cpu_max_milli, 0);
	CHECK_INT(pod.limits.memory_max_bytes, 0);
	CHECK_INT(pod.limits.cpu_request_milli, 500);
	lp_arena_fini(&test.arena);
}

TEST(an_init_container_counts_with_the_sidecars_before_it_and_only_if_it_is_more)
{
	struct lp_test_facts test;
	struct lp_control_pod pod = convert(&test, POD("\"initContainers\":[{\"name\":\"s\",\"image\":\"i\",\"restartPolicy\":\"Always\","
	    "\"resources\":{\"requests\":{\"cpu\":\"100m\"}}}," C("i", "\"requests\":{\"cpu\":\"700m\"}") "],"
	    "\"containers\":[" C("a", "\"requests\":{\"cpu\":\"200m\"}") "]"));

	CHECK_INT(pod.limits.cpu_request_milli, 800);
	CHECK_INT(lp_convert_sum(test.pod, false, "cpu", NULL), 800);
	lp_arena_fini(&test.arena);
}

TEST(a_pod_that_asks_for_nothing_yields_to_all_others)
{
	struct lp_test_facts test;
	struct lp_control_pod pod = convert(&test, POD("\"containers\":[" C("a", "") "]"));

	CHECK_INT(pod.limits.cpu_weight, 1);
	CHECK_INT(pod.limits.pids_max, 1024);
	CHECK_INT(pod.containers[0].config.process.oom_score_adj, 1000);
	lp_arena_fini(&test.arena);
}

TEST(scores_for_the_oom_killer_are_the_kubelets)
{
	struct lp_test_facts test;
	struct lp_control_pod pod;

	lp_test_facts(&test, POD("\"initContainers\":[{\"name\":\"s\",\"image\":\"i\",\"restartPolicy\":\"Always\"}],"
	    "\"containers\":[" C("a", "\"requests\":{\"memory\":\"256Mi\"}") "," C("b", "\"requests\":{\"memory\":\"1Gi\"}") "," C("c", "") "]"), NULL);
	test.facts.memory_bytes = 1024 * (int64_t)MI;
	test.facts.may_protect = true;
	CHECK_INT(lp_convert_pod(&test.arena, test.pod, test.pod_json, &test.facts, &pod, NULL), 0);
	CHECK_INT(pod.containers[0].config.process.oom_score_adj, 3);	/* as its neediest neighbour */
	CHECK_INT(pod.containers[1].config.process.oom_score_adj, 750);
	CHECK_INT(pod.containers[2].config.process.oom_score_adj, 3);
	CHECK_INT(pod.containers[3].config.process.oom_score_adj, 999);
	lp_arena_fini(&test.arena);
}

TEST(huge_pages_limit_the_container_and_the_pod)
{
	struct lp_test_facts test;
	struct lp_control_pod pod = convert(&test, POD("\"containers\":[" C("a", "\"limits\":{\"hugepages-2Mi\":\"8Mi\",\"memory\":\"64Mi\"}")
	    "," C("b", "\"limits\":{\"hugepages-2Mi\":\"4Mi\",\"memory\":\"64Mi\"}") "]"));

	CHECK_INT(pod.containers[0].config.limits.huge_count, 1);
	CHECK_STR(pod.containers[0].config.limits.huge[0].page, "2MB");
	CHECK_INT(pod.containers[0].config.limits.huge[0].bytes, 8 * MI);
	CHECK_INT(pod.limits.huge_count, 1);
	CHECK_INT(pod.limits.huge[0].bytes, 12 * MI);
	lp_arena_fini(&test.arena);
}

TEST(memory_qos_protects_requests_and_slows_down_before_the_limit)
{
	struct lp_test_facts test;
	struct lp_control_pod pod;

	lp_test_facts(&test, POD("\"containers\":[" C("a", "\"requests\":{\"memory\":\"100Mi\"},\"limits\":{\"memory\":\"200Mi\"}") "]"), NULL);
	test.facts.memory_qos = true;
	CHECK_INT(lp_convert_pod(&test.arena, test.pod, test.pod_json, &test.facts, &pod, NULL), 0);
	CHECK_INT(pod.containers[0].config.limits.memory_min_bytes, 100 * MI);
	CHECK_INT(pod.containers[0].config.limits.memory_high_bytes, 190 * MI);
	CHECK_INT(pod.limits.memory_min_bytes, 100 * MI);
	lp_arena_fini(&test.arena);
}

TEST(what_the_owner_of_the_node_allows_holds_for_the_limits_whenever_they_are_made)
{
	struct lp_ceiling ceiling;
	struct lp_test_facts test;
	struct lp_cgroup_limits all, one;

	lp_ceiling_none(&ceiling);
	ceiling.pod_memory_bytes = 64 * (int64_t)MI;
	ceiling.pod_cpu_milli = 250;
	ceiling.max_processes = 10;
	lp_test_facts(&test, POD("\"containers\":[" C("a", "\"limits\":{\"memory\":\"32Mi\"}") "," C("b", "") "]"), NULL);
	test.facts.ceiling = &ceiling;
	CHECK_INT(lp_convert_pod_limits(&test.arena, test.pod, &test.facts, &all), 0);
	CHECK_INT(all.memory_max_bytes, 64 * MI);
	CHECK_INT(all.cpu_max_milli, 250);
	CHECK_INT(lp_convert_limits(&test.arena, test.pod, test.pod->spec->containers.items[0], &test.facts, &one), 0);
	CHECK_INT(one.pids_max, 10);
	CHECK_INT(one.memory_max_bytes, 32 * MI);
	lp_arena_fini(&test.arena);
}

TEST(amounts_that_do_not_fit_are_not_small)
{
	struct lp_ceiling ceiling;
	struct lp_test_facts test;
	struct lp_err err = { 0 };
	bool all;

	lp_test_facts(&test, POD("\"containers\":[" C("a", "\"limits\":{\"memory\":\"5Ei\",\"cpu\":\"5E\"}") "," C("b", "\"limits\":{\"memory\":\"5Ei\",\"cpu\":\"5E\"}")
	    "]"), NULL);
	CHECK(lp_convert_sum(test.pod, true, "memory", &all) == INT64_MAX);
	CHECK(lp_convert_sum(test.pod, false, "cpu", NULL) == INT64_MAX);
	lp_ceiling_none(&ceiling);
	ceiling.pod_memory_bytes = 64 * (int64_t)MI;
	CHECK_STR(lp_ceiling_pod_refuses(&ceiling, test.pod, 0, &err), "NodeCeiling");
	lp_test_facts(&test, POD("\"containers\":[" C("a", "\"limits\":{\"memory\":\"-5Ei\"}") "," C("b", "\"limits\":{\"memory\":\"1Gi\"}") "]"), NULL);
	CHECK_INT(lp_convert_sum(test.pod, true, "memory", &all), 1 << 30);
	CHECK(!all);
	lp_arena_fini(&test.arena);
}
