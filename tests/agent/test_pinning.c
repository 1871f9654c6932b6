#include "agent/pod/pinning.h"

#include <errno.h>

#include "tests/agent/facts.h"
#include "tests/harness.h"

static struct lp_cpus
set(const char *text)
{
	struct lp_cpus cpus = { { 0 } };

	CHECK_INT(lp_pinning_parse(text, &cpus), 0);
	return cpus;
}

TEST(sets_are_written_as_the_kernel_writes_them)
{
	static const char *const texts[] = { "", "0", "0-3", "0-3,5", "1,3,5", "62-65,200", "0-255" };
	struct lp_cpus cpus;
	char text[LP_PINNING_TEXT];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cpus = set(texts[i]);
		lp_pinning_print(&cpus, text);
		CHECK_STR(text, texts[i]);
	}
	CHECK_INT(lp_pinning_parse("3-1", &cpus), -EINVAL);
	CHECK_INT(lp_pinning_parse("256", &cpus), -EINVAL);
	CHECK_INT(lp_pinning_parse("1;2", &cpus), -EINVAL);
	CHECK_INT(lp_pinning_parse("-1", &cpus), -EINVAL);
	cpus = set("0-3,5");
	CHECK_INT(lp_pinning_count(&cpus), 5);
}

TEST(the_highest_cpus_are_taken_and_one_stays_for_all_others)
{
	struct lp_cpus pool = set("0-3"), out, rest;
	char text[LP_PINNING_TEXT];

	CHECK_INT(lp_pinning_take(&pool, 2, &out), 0);
	lp_pinning_print(&out, text);
	CHECK_STR(text, "2-3");
	lp_pinning_remove(&pool, &out);
	CHECK(!lp_pinning_meet(&pool, &out));
	CHECK_INT(lp_pinning_take(&pool, 2, &rest), -ENOSPC);
	CHECK_INT(lp_pinning_take(&pool, 1, &rest), 0);
	lp_pinning_add(&out, &rest);
	lp_pinning_print(&out, text);
	CHECK_STR(text, "1-3");
}

TEST(whole_cpus_of_guaranteed_pods_or_of_annotated_ones_are_their_own)
{
	struct lp_test_facts test;

	lp_test_facts(&test, "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{\"containers\":["
	    "{\"name\":\"a\",\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Mi\"}}},"
	    "{\"name\":\"b\",\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"1500m\",\"memory\":\"1Mi\"}}}]}}", NULL);
	CHECK_INT(lp_pinning_wants(test.pod, test.pod->spec->containers.items[0], true, false), 2);
	CHECK_INT(lp_pinning_wants(test.pod, test.pod->spec->containers.items[0], false, false), 0);
	CHECK_INT(lp_pinning_wants(test.pod, test.pod->spec->containers.items[0], false, true), 2);
	CHECK_INT(lp_pinning_wants(test.pod, test.pod->spec->containers.items[1], true, true), 0);
	lp_arena_fini(&test.arena);
	lp_test_facts(&test, "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{\"containers\":["
	    "{\"name\":\"a\",\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"2\"},\"requests\":{\"cpu\":\"1\"}}}]}}", NULL);
	CHECK_INT(lp_pinning_wants(test.pod, test.pod->spec->containers.items[0], true, true), 0);
	lp_arena_fini(&test.arena);
}
