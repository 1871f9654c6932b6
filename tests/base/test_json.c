#include "tests/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/json.h"
#include "tests/fault.h"

static struct lp_err err;
static struct lp_arena arena;

static struct lp_json *
parse(const char *text)
{
	struct lp_json *value = NULL;

	if (!arena.max)
		lp_arena_init(&arena, 64 << 20);
	CHECK_OK(lp_json_parse(&arena, text, strlen(text), NULL, &value, &err), &err);
	return value;
}

static const char *
print(const struct lp_json *value)
{
	static struct lp_buf out;

	if (!out.max)
		lp_buf_init(&out, 1 << 20);
	lp_buf_reset(&out);
	CHECK_INT(lp_json_write(&out, value), 0);
	return lp_buf_text(&out);
}

static void
end(void)
{
	lp_arena_fini(&arena);
}

TEST(documents_print_as_they_were_read)
{
	static const char *const texts[] = { "null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "\"\"",
		"\"a\\\"b\\\\c\\n\"", "[]", "{}", "[1,[2,[3]],{\"a\":null}]", "{\"b\":1,\"a\":{\"c\":[true,false]}}", "1.5",
		"12345678901234567890", "1e400", "0.1000000000000000055511151231257827" };

	for (size_t i = 0; i < lp_count(texts); i++)
		CHECK_STR(print(parse(texts[i])), texts[i]);
	end();
}

TEST(white_space_and_escapes_are_read)
{
	CHECK_STR(print(parse(" \t\r\n{ \"a\" : [ 1 , 2 ] }\n")), "{\"a\":[1,2]}");
	CHECK_STR(lp_json_text(parse("\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\"")),
	          "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80/\b\f\n\r\t");
	end();
}

TEST(half_a_surrogate_pair_becomes_the_replacement_character)
{
	CHECK_STR(lp_json_text(parse("\"\\ud800\"")), "\xef\xbf\xbd");
	CHECK_STR(lp_json_text(parse("\"\\udc00\\ud800x\"")), "\xef\xbf\xbd\xef\xbf\xbdx");
	CHECK_STR(lp_json_text(parse("\"\\ud800\\u0041\"")), "\xef\xbf\xbd" "A");
	end();
}

TEST(what_is_no_json_is_refused_with_its_place)
{
	static const char *const bad[] = { "", " ", "nul", "tru", "+1", "01", "1.", ".5", "1e", "-", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}",
		"{\"a\":1,}", "{a:1}", "'a'", "\"", "\"\\x\"", "\"\\u12\"", "\"\n\"", "\"\\u0000\"",
		"[", "{", "]", "}", "1 2", "[1]x", "NaN", "Infinity", "\"\xff\"", "\"\xc0\x80\"", "\xef\xbb\xbf{}", "// x\n1", "[1/**/]" };
	struct lp_json *value;

	lp_arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < lp_count(bad); i++)
		if (lp_json_parse(&arena, bad[i], strlen(bad[i]), NULL, &value, &err) != -EINVAL)
			FAIL("accepted %s", bad[i]);
	CHECK_ERR(lp_json_parse(&arena, "{\n  \"a\": x\n}", 12, NULL, &value, &err), -EINVAL);
	CHECK_HAS(err.text, "line 2");
	CHECK_ERR(lp_json_parse(&arena, "\"a\0b\"", 5, NULL, &value, &err), -EINVAL);
	end();
}

TEST(depth_nodes_and_bytes_have_limits)
{
	struct lp_json_limits limits = { .depth = 10, .nodes = 20, .bytes = 100 };
	struct lp_json *value;
	char text[201];

	lp_arena_init(&arena, 1 << 20);
	memset(text, '[', 10);
	memset(text + 10, ']', 10);
	CHECK_OK(lp_json_parse(&arena, text, 20, &limits, &value, &err), &err);
	memset(text, '[', 11);
	memset(text + 11, ']', 11);
	CHECK_ERR(lp_json_parse(&arena, text, 22, &limits, &value, &err), -E2BIG);
	CHECK_OK(lp_json_parse(&arena, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 39, &limits, &value, &err), &err);
	CHECK_ERR(lp_json_parse(&arena, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 41, &limits, &value, &err), -E2BIG);
	memset(text, ' ', 200);
	text[199] = '1';
	CHECK_OK(lp_json_parse(&arena, text + 100, 100, &limits, &value, &err), &err);
	CHECK_ERR(lp_json_parse(&arena, text + 99, 101, &limits, &value, &err), -E2BIG);
	end();
}

TEST(a_million_brackets_do_not_use_up_the_stack)
{
	size_t len = 1000000;
	char *text = malloc(len);
	struct lp_json *value;

	CHECK(text != NULL);
	memset(text, '[', len);
	lp_arena_init(&arena, 64 << 20);
	CHECK_ERR(lp_json_parse(&arena, text, len, NULL, &value, &err), -E2BIG);
	free(text);
	end();
}

TEST(of_two_members_the_last_wins_and_is_marked)
{
	struct lp_json *value = parse("{\"a\":1,\"b\":2,\"a\":3}");

	CHECK_INT(lp_json_int(value, "a", 0), 3);
	CHECK(lp_json_get(value, "a")->duplicate);
	CHECK(!lp_json_get(value, "b")->duplicate);
	CHECK_INT(lp_json_count(value), 2);
	end();
}

TEST(walking_finds_what_is_there_and_nothing_else)
{
	struct lp_json *value = parse("{\"metadata\":{\"name\":\"web\",\"n\":5,\"on\":true},\"list\":[1,2,3]}");
	int sum = 0;

	CHECK_STR(lp_json_str(value, "metadata.name"), "web");
	CHECK_INT(lp_json_int(value, "metadata.n", 0), 5);
	CHECK(lp_json_bool(value, "metadata.on", false));
	CHECK(lp_json_str(value, "metadata.n") == NULL);
	CHECK(lp_json_str(value, "metadata.none") == NULL);
	CHECK(lp_json_str(value, "list.name") == NULL);
	CHECK_INT(lp_json_int(value, "metadata.name", 7), 7);
	CHECK(lp_json_get(NULL, "a") == NULL);
	CHECK(lp_json_path(NULL, "a.b") == NULL);
	lp_json_each(child, lp_json_get(value, "list"))
		sum += (int)child->integer;
	CHECK_INT(sum, 6);
	CHECK_INT(lp_json_index(lp_json_get(value, "list"), 2)->integer, 3);
	CHECK(lp_json_index(lp_json_get(value, "list"), 3) == NULL);
	end();
}

TEST(what_is_built_prints)
{
	struct lp_json *object, *list;

	lp_arena_init(&arena, 1 << 20);
	object = lp_json_new(&arena, LP_JSON_OBJECT);
	(void)lp_json_set_str(&arena, object, "a", "x");
	(void)lp_json_set_int(&arena, object, "b", -5);
	(void)lp_json_set_bool(&arena, object, "c", true);
	list = lp_json_need_array(&arena, object, "d");
	(void)lp_json_append(&arena, list, lp_json_new_str(&arena, NULL));
	CHECK(lp_json_need_array(&arena, object, "d") == list);
	(void)lp_json_set_str(&arena, object, "a", "y");
	CHECK_STR(print(object), "{\"a\":\"y\",\"b\":-5,\"c\":true,\"d\":[null]}");
	CHECK(lp_json_remove(object, "b"));
	CHECK(!lp_json_remove(object, "b"));
	CHECK(lp_json_remove_child(object, list));
	CHECK_STR(print(object), "{\"a\":\"y\",\"c\":true}");
	CHECK(lp_json_remove(object, "a") && lp_json_remove(object, "c"));
	CHECK_STR(print(object), "{}");
	(void)lp_json_set_int(&arena, object, "z", 1);
	CHECK_STR(print(object), "{\"z\":1}");
	CHECK(!arena.failed);
	end();
}

TEST(a_copy_shares_nothing)
{
	struct lp_json *value = parse("{\"a\":[1,{\"b\":\"c\"}]}"), *copy = lp_json_copy(&arena, value);

	CHECK(lp_json_equal(value, copy));
	(void)lp_json_set_str(&arena, lp_json_index(lp_json_get(copy, "a"), 1), "b", "changed");
	CHECK(!lp_json_equal(value, copy));
	CHECK_STR(print(value), "{\"a\":[1,{\"b\":\"c\"}]}");
	end();
}

TEST(equality_ignores_the_order_of_members_only)
{
	CHECK(lp_json_equal(parse("{\"a\":1,\"b\":[1,2]}"), parse("{\"b\":[1,2],\"a\":1}")));
	CHECK(!lp_json_equal(parse("[1,2]"), parse("[2,1]")));
	CHECK(!lp_json_equal(parse("1"), parse("1.0")));
	CHECK(!lp_json_equal(parse("{\"a\":1}"), parse("{\"a\":1,\"b\":1}")));
	CHECK(!lp_json_equal(parse("\"1\""), parse("1")));
	end();
}

TEST(sorted_output_does_not_depend_on_the_order_of_members)
{
	lp_auto_buf struct lp_buf a, b;

	lp_buf_init(&a, 1000);
	lp_buf_init(&b, 1000);
	CHECK_INT(lp_json_write_sorted(&a, parse("{\"b\":{\"y\":1,\"x\":2},\"a\":[{\"d\":1,\"c\":2}]}")), 0);
	CHECK_INT(lp_json_write_sorted(&b, parse("{\"a\":[{\"c\":2,\"d\":1}],\"b\":{\"x\":2,\"y\":1}}")), 0);
	CHECK_STR(a.data, "{\"a\":[{\"c\":2,\"d\":1}],\"b\":{\"x\":2,\"y\":1}}");
	CHECK_STR(b.data, a.data);
	end();
}

TEST(pretty_output_is_indented)
{
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, 1000);
	CHECK_INT(lp_json_write_pretty(&out, parse("{\"a\":[1],\"b\":{},\"c\":[]}"), 4), 0);
	CHECK_STR(out.data, "{\n    \"a\": [\n        1\n    ],\n    \"b\": {},\n    \"c\": []\n}");
	end();
}

TEST(without_memory_parsing_fails_and_says_so)
{
	static const char text[] = "{\"a\":[1,2,3,{\"b\":\"a long string that is copied\"}],\"c\":{\"d\":1.5}}";

	LP_FAULT_EACH(LP_FAULT_ALLOC, -ENOMEM) {
		struct lp_arena own;
		struct lp_json *value = NULL;
		int rc;

		lp_arena_init(&own, 1 << 20);
		rc = lp_json_parse(&own, text, sizeof(text) - 1, NULL, &value, &err);
		CHECK_INT(rc, lp_fault_hit() ? -ENOMEM : 0);
		lp_arena_fini(&own);
	}
}

TEST(a_full_arena_makes_builders_return_null_and_go_on)
{
	struct lp_arena own;
	struct lp_json *object;

	lp_arena_init(&own, 300);
	object = lp_json_new(&own, LP_JSON_OBJECT);
	for (int i = 0; i < 20; i++) {
		struct lp_json *list = lp_json_set_array(&own, object, "list");

		(void)lp_json_append(&own, list, lp_json_new_int(&own, i));
		(void)lp_json_set_str(&own, lp_json_set_object(&own, object, "o"), "k", "a value");
	}
	CHECK(own.failed);
	lp_arena_fini(&own);
}
