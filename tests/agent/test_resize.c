#include "agent/pod/resize.h"

#include <string.h>

#include "specs/schema.h"
#include "tests/harness.h"

static struct lp_arena arena;

static struct lp_json *
parse(const char *json)
{
	struct lp_json *out = NULL;

	if (!arena.max)
		lp_arena_init(&arena, 1 << 20);
	CHECK_INT(lp_json_parse(&arena, json, strlen(json), NULL, &out, NULL), 0);
	return out;
}

#define POD(image, resources) "{\"kind\":\"Pod\",\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"" resources "}]}}"

TEST(cpu_and_memory_are_all_that_changes_in_place)
{
	const struct lp_json *old = parse(POD("i", ",\"resources\":{\"limits\":{\"cpu\":\"1\"}}"));
	const struct lp_json *now = parse(POD("i", ",\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1\"}}"));
	const struct lp_json *image = parse(POD("other", ",\"resources\":{\"limits\":{\"cpu\":\"2\"}}"));

	CHECK(lp_resize_differs(old, now));
	CHECK(lp_json_equal(lp_resize_without(&arena, old, now), old));
	CHECK(!lp_json_equal(lp_resize_without(&arena, old, image), old));
	CHECK_INT(lp_compare_objects(LP_SCHEMA_pod, old, lp_resize_without(&arena, old, now), NULL), LP_APPLY_NONE);
}

TEST(the_same_amounts_are_no_change)
{
	const struct lp_json *a = parse(POD("i", ",\"resources\":{\"limits\":{\"cpu\":\"1\",\"ephemeral-storage\":\"1Gi\"}}"));
	const struct lp_json *b = parse(POD("i", ",\"resources\":{\"limits\":{\"cpu\":\"1\",\"ephemeral-storage\":\"2Gi\"}}"));

	CHECK(!lp_resize_differs(a, a));
	CHECK(!lp_resize_differs(a, b));
	CHECK(!lp_json_equal(lp_resize_without(&arena, a, b), a));
}

TEST(a_container_that_had_no_resources_gets_and_loses_them)
{
	const struct lp_json *bare = parse(POD("i", "")), *sized = parse(POD("i", ",\"resources\":{\"requests\":{\"memory\":\"1Gi\"}}"));

	CHECK(lp_resize_differs(bare, sized));
	CHECK(lp_json_equal(lp_resize_without(&arena, bare, sized), bare));
	CHECK(lp_json_equal(lp_resize_without(&arena, sized, bare), sized));
}
