#include "agent/convert/storage.h"

#include "tests/agent/facts.h"
#include "tests/harness.h"

#define MI (UINT64_C(1) << 20)

static const char pod_text[] = "{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u\"},\"spec\":{"
    "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{\"sizeLimit\":\"10Mi\"}},{\"name\":\"m\",\"emptyDir\":{\"medium\":\"Memory\",\"sizeLimit\":\"1Mi\"}}],"
    "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"resources\":{\"limits\":{\"ephemeral-storage\":\"20Mi\"}}},"
    "{\"name\":\"b\",\"image\":\"i\",\"resources\":{\"limits\":{\"ephemeral-storage\":\"30Mi\"}}}]}}";

TEST(each_limit_is_told_apart_in_the_kubelets_words)
{
	struct lp_test_facts test;
	struct lp_storage_use use[] = {
		{ LP_STORAGE_LAYER, "a", 10 * MI, 1 }, { LP_STORAGE_LOG, "a", 10 * MI, 1 }, { LP_STORAGE_LAYER, "b", 20 * MI, 1 },
		{ LP_STORAGE_VOLUME, "v", 10 * MI, 1 }, { LP_STORAGE_VOLUME, "m", 100 * MI, 1 },
	};
	char message[256] = "";

	lp_test_facts(&test, pod_text, NULL);
	CHECK(lp_storage_limited(test.pod));
	CHECK(!lp_storage_over(test.pod, use, 4, message, sizeof(message)));
	use[3].bytes++;
	CHECK(lp_storage_over(test.pod, use, 4, message, sizeof(message)));
	CHECK_STR(message, "Usage of EmptyDir volume \"v\" exceeds the limit \"10Mi\". ");
	use[3].bytes = 5 * MI;
	use[0].bytes++;
	CHECK(lp_storage_over(test.pod, use, 4, message, sizeof(message)));
	CHECK_STR(message, "Container a exceeded its local ephemeral storage limit \"20Mi\". ");
	use[2].bytes = 26 * MI;
	CHECK(lp_storage_over(test.pod, use, 4, message, sizeof(message)));
	CHECK_STR(message, "Pod ephemeral local storage usage exceeds the total limit of containers 50Mi. ");
	lp_arena_fini(&test.arena);
}

TEST(a_pod_without_limits_is_never_measured)
{
	struct lp_test_facts test;

	lp_test_facts(&test, "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"
	    "\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"resources\":{\"limits\":{\"memory\":\"1Gi\"}}}]}}", NULL);
	CHECK(!lp_storage_limited(test.pod));
	lp_arena_fini(&test.arena);
}

TEST(a_container_without_a_limit_has_the_ceilings)
{
	static struct lp_test_facts test;
	const struct lp_storage_use use[] = { { .kind = LP_STORAGE_LAYER, .name = "a", .bytes = 90 }, { .kind = LP_STORAGE_LOG, .name = "a", .bytes = 20 },
		{ .kind = LP_STORAGE_LAYER, .name = "b", .bytes = 200 }, { .kind = LP_STORAGE_VOLUME, .name = "v", .bytes = 9000 } };
	char message[256] = "";

	lp_test_facts(&test, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\"},"
	    "{\"name\":\"b\",\"image\":\"i\",\"resources\":{\"limits\":{\"ephemeral-storage\":\"250\"}}}]}}", NULL);
	CHECK(!lp_storage_over_most(test.pod, use, 4, 0, message, sizeof(message)));
	CHECK(!lp_storage_over_most(test.pod, use, 4, 300, message, sizeof(message)));
	CHECK(lp_storage_over_most(test.pod, use, 4, 100, message, sizeof(message)));
	CHECK_STR(message, "Container a exceeded the writable layer of 100 bytes that the ceiling of this node allows. ");
	/* its own limit is above the ceiling's */
	CHECK(lp_storage_over_most(test.pod, use + 2, 2, 150, message, sizeof(message)));
	CHECK_STR(message, "Container b exceeded the writable layer of 150 bytes that the ceiling of this node allows. ");
	CHECK(!lp_storage_over_most(test.pod, use + 2, 2, 250, message, sizeof(message)));
}

TEST(a_pod_that_names_no_limit_may_have_half_of_the_disk_in_its_writable_layers)
{
	const struct lp_storage_use use[] = { { .kind = LP_STORAGE_LAYER, .name = "a", .bytes = 300 }, { .kind = LP_STORAGE_LAYER, .name = "b", .bytes = 200 },
		{ .kind = LP_STORAGE_LOG, .name = "a", .bytes = 900 }, { .kind = LP_STORAGE_VOLUME, .name = "v", .bytes = 900 },
		{ .kind = LP_STORAGE_LAYER, .name = "c", .bytes = UINT64_MAX } };
	char message[256] = "";

	CHECK_INT(lp_storage_default_most(1000), 500);
	CHECK(!lp_storage_over_default(use, 4, lp_storage_default_most(1000), message, sizeof(message)));
	CHECK(!lp_storage_over_default(use, 4, 0, message, sizeof(message)));
	CHECK(lp_storage_over_default(use, 4, 499, message, sizeof(message)));
	CHECK_STR(message, "Pod writable layers usage exceeds 499 bytes, half of this node's disk. ");
	CHECK(lp_storage_over_default(use, 5, UINT64_MAX - 1, message, sizeof(message)));
}
