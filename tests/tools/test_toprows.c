#include "tools/verbs/toprows.h"

#include <errno.h>
#include <string.h>

#include "tests/harness.h"

static const char text[] =
    "[{\"node\":{\"nodeName\":\"n1\",\"cpu\":{\"usageNanoCores\":1500000000},\"memory\":{\"workingSetBytes\":1073741824},"
    "\"fs\":{\"usedBytes\":50,\"capacityBytes\":200},\"rlimit\":{\"curproc\":99}},\"pods\":["
    "{\"podRef\":{\"namespace\":\"a\",\"name\":\"p1\"},\"cpu\":{\"usageNanoCores\":1},\"memory\":{\"workingSetBytes\":9},"
    "\"network\":{\"rxBytes\":5},\"containers\":[{\"name\":\"c1\",\"memory\":{\"workingSetBytes\":4}},{\"name\":\"c2\",\"memory\":{\"workingSetBytes\":5}}]},"
    "{\"podRef\":{\"namespace\":\"b\",\"name\":\"p2\"},\"cpu\":{\"usageNanoCores\":7},\"memory\":{\"workingSetBytes\":3},\"containers\":[]}]}]";
static const char nodes_text[] = "[{\"metadata\":{\"name\":\"n1\"},\"status\":{\"allocatable\":{\"cpu\":\"3\",\"memory\":\"2Gi\"}}}]";

static struct lp_arena arena;

static struct lp_json *
parse(const char *json)
{
	struct lp_json *out = NULL;

	CHECK_INT(lp_json_parse(&arena, json, strlen(json), NULL, &out, NULL), 0);
	return out;
}

TEST(pods_are_read_of_one_namespace_or_all_and_sorted)
{
	size_t count;
	struct lp_toprow *rows;

	lp_arena_init(&arena, 1 << 20);
	rows = lp_toprows_read(&arena, LP_TOPROWS_PODS, parse(text), NULL, NULL, &count);
	CHECK_INT(count, 2);
	lp_toprows_sort(rows, count, LP_TOPROWS_BY_CPU);
	CHECK_STR(rows[0].pod, "p2");
	lp_toprows_sort(rows, count, LP_TOPROWS_BY_MEMORY);
	CHECK_STR(rows[0].pod, "p1");
	CHECK(rows[0].net);
	CHECK(!rows[1].net);
	rows = lp_toprows_read(&arena, LP_TOPROWS_PODS, parse(text), NULL, "b", &count);
	CHECK_INT(count, 1);
	rows = lp_toprows_read(&arena, LP_TOPROWS_CONTAINERS, parse(text), NULL, "a", &count);
	CHECK_INT(count, 2);
	lp_toprows_sort(rows, count, LP_TOPROWS_BY_MEMORY);
	CHECK_STR(rows[0].container, "c2");
	lp_arena_fini(&arena);
}

TEST(nodes_are_measured_against_what_they_offer)
{
	char share[LP_TOPROWS_TEXT];
	struct lp_toprow *rows;
	size_t count;

	lp_arena_init(&arena, 1 << 20);
	rows = lp_toprows_read(&arena, LP_TOPROWS_NODES, parse(text), parse(nodes_text), NULL, &count);
	CHECK_INT(count, 1);
	CHECK_INT(rows[0].pods, 2);
	CHECK_INT(rows[0].pids, 99);
	lp_toprows_share(rows[0].nanocores / 1000000, rows[0].cpu_milli, share);
	CHECK_STR(share, "50%");
	lp_toprows_share(rows[0].memory_bytes, rows[0].memory_most, share);
	CHECK_STR(share, "50%");
	lp_toprows_share(1, 0, share);
	CHECK_STR(share, "-");
	lp_arena_fini(&arena);
}

TEST(amounts_are_short_and_honest)
{
	char out[LP_TOPROWS_TEXT];
	enum lp_toprows_by by;

	lp_toprows_cpu(1, out);
	CHECK_STR(out, "1m");
	lp_toprows_cpu(2500000000, out);
	CHECK_STR(out, "2500m");
	lp_toprows_bytes(2048, out);
	CHECK_STR(out, "2Ki");
	lp_toprows_bytes(1536 * 1024, out);
	CHECK_STR(out, "1.5Mi");
	lp_toprows_bytes(INT64_C(300) << 30, out);
	CHECK_STR(out, "300Gi");
	CHECK_INT(lp_toprows_by("memory", &by), 0);
	CHECK_INT(by, LP_TOPROWS_BY_MEMORY);
	CHECK_INT(lp_toprows_by("size", &by), -EINVAL);
}
