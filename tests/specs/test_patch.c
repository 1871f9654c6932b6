#include <errno.h>
#include <string.h>

#include "specs/patch.h"
#include "tests/harness.h"

static struct lp_arena arena;

static struct lp_json *
json(const char *text)
{
	struct lp_json *value = NULL;
	struct lp_err err = { 0 };

	if (arena.max == 0)
		lp_arena_init(&arena, 64 << 20);
	CHECK_OK(lp_json_parse(&arena, text, strlen(text), NULL, &value, &err), &err);
	return value;
}

static const char *
text_of(const struct lp_json *value)
{
	lp_auto_buf struct lp_buf buf = { 0 };

	lp_buf_init(&buf, 1 << 20);
	CHECK_INT(lp_json_write(&buf, value), 0);
	return lp_arena_str(&arena, lp_buf_text(&buf));
}

typedef int (*patch_fn)(const struct lp_json *target, const struct lp_json *patch, struct lp_json **out, struct lp_err *err);

static int
merge(const struct lp_json *target, const struct lp_json *patch, struct lp_json **out, struct lp_err *err)
{
	return lp_patch_merge(&arena, target, patch, out, err);
}

static int
operations(const struct lp_json *target, const struct lp_json *patch, struct lp_json **out, struct lp_err *err)
{
	return lp_patch_json(&arena, target, patch, out, err);
}

static int
strategic_pod(const struct lp_json *target, const struct lp_json *patch, struct lp_json **out, struct lp_err *err)
{
	return lp_patch_strategic(&arena, LP_SCHEMA_pod, target, patch, out, err);
}

static void
check(patch_fn patch_with, const char *target, const char *patch, const char *want)
{
	struct lp_json *before = json(target), *out = NULL;
	struct lp_err err = { 0 };

	CHECK_OK(patch_with(before, json(patch), &out, &err), &err);
	CHECK_STR(text_of(out), want);
	CHECK_STR(text_of(before), target);
}

static void
refused(patch_fn patch_with, const char *target, const char *patch, int code)
{
	struct lp_json *out = NULL;
	struct lp_err err = { 0 };

	CHECK_ERR(patch_with(json(target), json(patch), &out, &err), code);
	CHECK(out == NULL);
	CHECK(err.text[0] != '\0');
}

/* The table of RFC 7386, appendix A, as far as an API object can be its target. */
TEST(merge_patches_do_what_the_rfc_lists)
{
	check(merge, "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
	check(merge, "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}");
	check(merge, "{\"a\":\"b\"}", "{\"a\":null}", "{}");
	check(merge, "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}");
	check(merge, "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}");
	check(merge, "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}");
	check(merge, "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}");
	check(merge, "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}");
	check(merge, "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}");
	check(merge, "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}");
	check(merge, "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}");
	refused(merge, "{}", "[]", -EINVAL);
}

TEST(json_patches_add_remove_replace_move_copy_and_test)
{
	check(operations, "{\"foo\":\"bar\"}", "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]", "{\"foo\":\"bar\",\"baz\":\"qux\"}");
	check(operations, "{\"foo\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":2}]", "{\"foo\":[1,2,3]}");
	check(operations, "{\"foo\":[1]}", "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":2}]", "{\"foo\":[1,2]}");
	check(operations, "{\"foo\":[]}", "[{\"op\":\"add\",\"path\":\"/foo/0\",\"value\":2}]", "{\"foo\":[2]}");
	check(operations, "{\"foo\":[1,2,3]}", "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]", "{\"foo\":[1,3]}");
	check(operations, "{\"foo\":[1,2,3]}", "[{\"op\":\"replace\",\"path\":\"/foo/2\",\"value\":4}]", "{\"foo\":[1,2,4]}");
	check(operations, "{\"a\":{\"b\":1},\"c\":{}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c/d\"}]", "{\"a\":{},\"c\":{\"d\":1}}");
	check(operations, "{\"a\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/2\"}]", "{\"a\":[2,3,1]}");
	check(operations, "{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"}]", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}");
	check(operations, "{\"a/b\":1,\"m~n\":2}", "[{\"op\":\"remove\",\"path\":\"/a~1b\"},{\"op\":\"replace\",\"path\":\"/m~0n\",\"value\":3}]",
	    "{\"m~n\":3}");
	check(operations, "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}");
	check(operations, "{\"a\":[1,2]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[1,2]},{\"op\":\"remove\",\"path\":\"/a\"}]", "{}");
}

TEST(json_patches_that_do_not_fit_are_told_from_malformed_ones)
{
	refused(operations, "{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]", -ENOENT);
	refused(operations, "{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", -ENOENT);
	refused(operations, "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":2}]", -ENOENT);
	refused(operations, "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/2\",\"value\":2}]", -ENOENT);
	refused(operations, "{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/01\",\"value\":2}]", -ENOENT);
	refused(operations, "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":2}]", -ENOENT);
	refused(operations, "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"a\",\"value\":2}]", -EINVAL);
	refused(operations, "{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\"}]", -EINVAL);
	refused(operations, "{\"a\":1}", "[{\"op\":\"jump\",\"path\":\"/a\"}]", -EINVAL);
	refused(operations, "{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", -EINVAL);
	refused(operations, "{\"a\":1}", "{}", -EINVAL);
}

TEST(strategic_patches_join_lists_by_their_key)
{
	/* What kubectl apply sends when env A is removed and B changed. */
	check(strategic_pod,
	    "{\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"i\",\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}]}]}}",
	    "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"web\"}],\"containers\":[{\"$setElementOrder/env\":[{\"name\":\"B\"}],"
	    "\"env\":[{\"name\":\"B\",\"value\":\"3\"},{\"$patch\":\"delete\",\"name\":\"A\"}],\"name\":\"web\"}]}}",
	    "{\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"i\",\"env\":[{\"name\":\"B\",\"value\":\"3\"}]}]}}");
	check(strategic_pod, "{\"spec\":{\"containers\":[{\"name\":\"a\",\"args\":[\"x\",\"y\"]}]}}",
	    "{\"spec\":{\"containers\":[{\"name\":\"a\",\"args\":[\"z\"]}]}}", "{\"spec\":{\"containers\":[{\"name\":\"a\",\"args\":[\"z\"]}]}}");
}

TEST(a_new_element_stands_before_those_that_the_patch_does_not_name)
{
	check(strategic_pod, "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}", "{\"spec\":{\"containers\":[{\"name\":\"c\"}]}}",
	    "{\"spec\":{\"containers\":[{\"name\":\"c\"},{\"name\":\"a\"},{\"name\":\"b\"}]}}");
	check(strategic_pod, "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
	    "{\"spec\":{\"$setElementOrder/containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}",
	    "{\"spec\":{\"containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}}");
}

TEST(strategic_directives_delete_replace_and_retain)
{
	check(strategic_pod, "{\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
	    "{\"spec\":{\"containers\":[{\"$patch\":\"replace\"},{\"name\":\"c\"}]}}", "{\"spec\":{\"containers\":[{\"name\":\"c\"}]}}");
	check(strategic_pod, "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}}",
	    "{\"metadata\":{\"labels\":{\"$patch\":\"replace\",\"c\":\"3\"}}}", "{\"metadata\":{\"labels\":{\"c\":\"3\"}}}");
	check(strategic_pod, "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
	    "{\"spec\":{\"volumes\":[{\"$retainKeys\":[\"name\",\"hostPath\"],\"name\":\"v\",\"hostPath\":{\"path\":\"/x\"}}]}}",
	    "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/x\"}}]}}");
	check(strategic_pod, "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}", "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a\"]}}",
	    "{\"metadata\":{\"finalizers\":[\"b\"]}}");
	check(strategic_pod, "{\"metadata\":{\"finalizers\":[\"a\"]}}", "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
	    "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}");
	check(strategic_pod, "{\"spec\":{\"nodeName\":\"n\",\"hostname\":\"h\"}}", "{\"spec\":{\"hostname\":null}}", "{\"spec\":{\"nodeName\":\"n\"}}");
	check(strategic_pod, "{\"spec\":{}}", "{\"spec\":{\"containers\":[{\"$patch\":\"delete\",\"name\":\"x\"},{\"name\":\"y\",\"env\":null}]}}",
	    "{\"spec\":{\"containers\":[{\"name\":\"y\"}]}}");
	refused(strategic_pod, "{\"spec\":{\"containers\":[]}}", "{\"spec\":{\"containers\":[{\"image\":\"x\"}]}}", -EINVAL);
	refused(strategic_pod, "{\"spec\":{}}", "{\"spec\":{\"$patch\":\"burn\"}}", -EINVAL);
}
