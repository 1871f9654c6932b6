#include <stdio.h>
#include <string.h>

#include "manager/look/taint.h"
#include "specs/yaml.h"
#include "tests/harness.h"

static struct lp_json *
yaml(const char *text)
{
	static struct lp_arena arena;
	struct lp_json *documents = NULL;

	if (arena.max == 0)
		lp_arena_init(&arena, 16 << 20);
	CHECK_OK(lp_yaml_parse(&arena, text, strlen(text), NULL, &documents, NULL), NULL);
	return lp_json_first(documents);
}

static bool
bears(const char *toleration, const char *taint)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "{spec: {tolerations: [%s]}}", toleration);
	return lp_taint_tolerated(yaml(text), yaml(taint));
}

TEST(a_toleration_matches_by_key_value_and_effect)
{
	static const char taint[] = "{key: k, value: v, effect: NoSchedule}";

	CHECK(bears("{key: k, value: v, effect: NoSchedule}", taint));
	CHECK(bears("{key: k, operator: Equal, value: v}", taint));
	CHECK(bears("{key: k, operator: Exists}", taint));
	CHECK(bears("{operator: Exists}", taint));
	CHECK(bears("{key: k, value: w}, {key: k, value: v}", taint));
	CHECK(!bears("{key: k, value: w}", taint));
	CHECK(!bears("{key: k}", taint));
	CHECK(!bears("{key: j, operator: Exists}", taint));
	CHECK(!bears("{key: k, operator: Exists, effect: NoExecute}", taint));
	CHECK(!bears("", taint));
	CHECK(bears("{key: k}", "{key: k, effect: NoSchedule}"));
	CHECK(bears("{key: k, value: ''}", "{key: k, effect: NoSchedule}"));
}

TEST(the_shortest_time_counts_and_without_one_it_is_for_ever)
{
	static const char taint[] = "{key: k, effect: NoExecute}";

	CHECK_INT(lp_taint_borne_s(yaml("{}"), yaml(taint)), 0);
	CHECK_INT(lp_taint_borne_s(yaml("{spec: {tolerations: [{operator: Exists}]}}"), yaml(taint)), INT64_MAX);
	CHECK_INT(lp_taint_borne_s(yaml("{spec: {tolerations: [{operator: Exists, tolerationSeconds: 60}, {key: k, operator: Exists, tolerationSeconds: 30}]}}"),
	    yaml(taint)), 30);
	CHECK_INT(lp_taint_borne_s(yaml("{spec: {tolerations: [{operator: Exists, tolerationSeconds: -5}]}}"), yaml(taint)), 0);
}

TEST(the_first_hard_taint_that_is_not_borne_is_named)
{
	const struct lp_json *node = yaml("{spec: {taints: [{key: soft, effect: PreferNoSchedule}, {key: a, effect: NoSchedule}, {key: b, effect: NoExecute}]}}");

	CHECK_STR(lp_json_str(lp_taint_first(node, yaml("{}")), "key"), "a");
	CHECK_STR(lp_json_str(lp_taint_first(node, yaml("{spec: {tolerations: [{key: a, operator: Exists}]}}")), "key"), "b");
	CHECK(lp_taint_first(node, yaml("{spec: {tolerations: [{operator: Exists}]}}")) == NULL);
	CHECK(lp_taint_has(node, "b", "NoExecute") && !lp_taint_has(node, "b", "NoSchedule"));
}
