#include "tools/verbs/threeway.h"

#include <string.h>

#include "specs/patch.h"
#include "tests/harness.h"

static struct lp_arena arena;
static struct lp_err err;

static struct lp_json *
parse(const char *text)
{
	struct lp_json *json = NULL;

	if (text)
		CHECK_OK(lp_json_parse(&arena, text, strlen(text), NULL, &json, &err), &err);
	return json;
}

/* The patch must be `want`, and the strategic merge of it must give `result` (NULL: not checked). */
static void
check(enum lp_schema_id schema, const char *original, const char *modified, const char *current, const char *want, const char *result)
{
	lp_auto_buf struct lp_buf text;
	struct lp_json *patch, *merged;

	lp_arena_fini(&arena);
	lp_arena_init(&arena, 1 << 22);
	lp_buf_init(&text, 1 << 16);
	patch = lp_threeway_patch(&arena, schema, parse(original), parse(modified), parse(current));
	CHECK(patch != NULL);
	CHECK_OK(lp_json_write(&text, patch), NULL);
	CHECK_STR(text.data, want);
	if (!result)
		return;
	CHECK_OK(lp_patch_strategic(&arena, schema, parse(current), patch, &merged, &err), &err);
	lp_buf_reset(&text);
	CHECK_OK(lp_json_write_sorted(&text, merged), NULL);
	merged = parse(result);
	lp_auto_buf struct lp_buf wanted;
	lp_buf_init(&wanted, 1 << 16);
	CHECK_OK(lp_json_write_sorted(&wanted, merged), NULL);
	CHECK_STR(text.data, wanted.data);
}

#define META "\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":"

TEST(nothing_to_do_is_an_empty_patch)
{
	check(LP_SCHEMA_pod, "{" META "{\"name\":\"a\"}}", "{" META "{\"name\":\"a\"}}",
	    "{" META "{\"name\":\"a\",\"uid\":\"1\"},\"status\":{}}", "{}", NULL);
}

TEST(wanted_is_set_unwanted_removed_and_the_rest_left_alone)
{
	check(LP_SCHEMA_pod, "{\"metadata\":{\"labels\":{\"old\":\"1\",\"same\":\"1\"}}}", "{\"metadata\":{\"labels\":{\"same\":\"1\",\"new\":\"2\"}}}",
	    "{\"metadata\":{\"labels\":{\"old\":\"1\",\"same\":\"1\",\"others\":\"3\"}}}",
	    "{\"metadata\":{\"labels\":{\"new\":\"2\",\"old\":null}}}",
	    "{\"metadata\":{\"labels\":{\"same\":\"1\",\"others\":\"3\",\"new\":\"2\"}}}");
}

TEST(containers_merge_by_name_and_env_by_name)
{
	check(LP_SCHEMA_pod,
	    "{\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"a\",\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}]}]}}",
	    "{\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"a\",\"env\":[{\"name\":\"B\",\"value\":\"3\"}]}]}}",
	    "{\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"a\",\"imagePullPolicy\":\"Always\",\"env\":[{\"name\":\"A\",\"value\":\"1\"},"
	    "{\"name\":\"B\",\"value\":\"2\"}]}]}}",
	    "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"web\"}],\"containers\":[{\"$setElementOrder/env\":[{\"name\":\"B\"}],"
	    "\"env\":[{\"value\":\"3\",\"name\":\"B\"},{\"$patch\":\"delete\",\"name\":\"A\"}],\"name\":\"web\"}]}}",
	    "{\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"a\",\"imagePullPolicy\":\"Always\",\"env\":[{\"name\":\"B\",\"value\":\"3\"}]}]}}");
}

TEST(a_port_that_the_server_completed_is_not_sent_again)
{
	check(LP_SCHEMA_service, "{\"spec\":{\"ports\":[{\"port\":80}]}}", "{\"spec\":{\"ports\":[{\"port\":80}]}}",
	    "{\"spec\":{\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":80,\"nodePort\":30100}]}}", "{}", NULL);
}

TEST(whole_lists_are_replaced_when_they_differ)
{
	check(LP_SCHEMA_pod, NULL, "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}", "{\"spec\":{\"tolerations\":[{\"key\":\"b\"}]}}",
	    "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}", "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}");
	/* the server's additions to an element are no difference, a removal from it is one */
	check(LP_SCHEMA_pod, "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}", "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}",
	    "{\"spec\":{\"tolerations\":[{\"key\":\"a\",\"operator\":\"Equal\"}]}}", "{}", NULL);
	check(LP_SCHEMA_pod, "{\"spec\":{\"tolerations\":[{\"key\":\"a\",\"value\":\"v\"}]}}", "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}",
	    "{\"spec\":{\"tolerations\":[{\"key\":\"a\",\"value\":\"v\"}]}}", "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}",
	    "{\"spec\":{\"tolerations\":[{\"key\":\"a\"}]}}");
}

TEST(finalizers_merge_as_a_set)
{
	check(LP_SCHEMA_pod, "{\"metadata\":{\"finalizers\":[\"x/a\",\"x/b\"]}}", "{\"metadata\":{\"finalizers\":[\"x/a\",\"x/c\"]}}",
	    "{\"metadata\":{\"finalizers\":[\"x/a\",\"x/b\",\"x/other\"]}}",
	    "{\"metadata\":{\"finalizers\":[\"x/c\"],\"$deleteFromPrimitiveList/finalizers\":[\"x/b\"]}}", NULL);
}
