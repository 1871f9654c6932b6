#include "tools/verbs/jsonpath.h"

#include <errno.h>
#include <string.h>

#include "tests/harness.h"

static struct lp_arena arena;
static struct lp_err err;

static const char document[] =
    "{\"kind\":\"List\",\"items\":["
    "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x.y/z\":\"v\"}},\"spec\":{\"n\":3,\"on\":true},"
    "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"Other\",\"status\":\"False\"}]}},"
    "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"n\":12}},"
    "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"n\":1}}]}";

/* What a template prints over the document; "error: ..." when it is refused. */
static const char *
print(const char *template)
{
	static struct lp_buf out;
	struct lp_json *root;

	lp_arena_fini(&arena);
	lp_arena_init(&arena, 1 << 20);
	lp_buf_fini(&out);
	lp_buf_init(&out, 1 << 16);
	CHECK_OK(lp_json_parse(&arena, document, strlen(document), NULL, &root, &err), &err);
	if (lp_jsonpath_print(template, root, &out, &err) < 0)
		return "refused";
	return lp_buf_text(&out);
}

TEST(paths_find_what_they_name)
{
	CHECK_STR(print("{.kind}"), "List");
	CHECK_STR(print(".kind"), "List");
	CHECK_STR(print("{$.kind}"), "List");
	CHECK_STR(print("{.items[0].metadata.name}"), "a");
	CHECK_STR(print("{.items[-1].metadata.name}"), "c");
	CHECK_STR(print("{.items[*].metadata.name}"), "a b c");
	CHECK_STR(print("{.items[1:].metadata.name}"), "b c");
	CHECK_STR(print("{.items[0:2].metadata.name}"), "a b");
	CHECK_STR(print("{.items[0].metadata.labels.x\\.y/z}"), "v");
	CHECK_STR(print("{.items[0].metadata.labels['x.y/z']}"), "v");
	CHECK_STR(print("{.items[0].spec.n}-{.items[0].spec.on}"), "3-true");
	CHECK_STR(print("{..name}"), "a b c");
	CHECK_STR(print("{.items[1].spec}"), "{\"n\":12}");
	CHECK_STR(print("{.nothing.at.all}"), "");
	CHECK_STR(print("{.items[9].x}"), "");
	CHECK_STR(print("text only {.kind} here"), "text only List here");
}

TEST(filters_choose)
{
	CHECK_STR(print("{.items[?(@.metadata.name==\"b\")].spec.n}"), "12");
	CHECK_STR(print("{.items[?(@.spec.n>2)].metadata.name}"), "a b");
	CHECK_STR(print("{.items[?(@.spec.n<=3)].metadata.name}"), "a c");
	CHECK_STR(print("{.items[?(@.metadata.name!='a')].metadata.name}"), "b c");
	CHECK_STR(print("{.items[?(@.status)].metadata.name}"), "a");
	CHECK_STR(print("{.items[*].status.conditions[?(@.type==\"Ready\")].status}"), "True");
}

TEST(ranges_repeat_their_body)
{
	CHECK_STR(print("{range .items[*]}{.metadata.name}{\"\\t\"}{.spec.n}{\"\\n\"}{end}!"), "a\t3\nb\t12\nc\t1\n!");
	CHECK_STR(print("{range .items[*]}{.metadata.name}:{range .status.conditions[*]}{.type},{end};{end}"), "a:Ready,Other,;b:;c:;");
}

TEST(what_is_no_template_is_refused)
{
	static const char *const wrong[] = { "{.kind", "{range .items[*]}{.x}", "{end}", "{.items[}", "{.items[a]}", "{.items[?(@.x=1)]}",
		"{.items[?(@.x]}", "{kind}" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		CHECK_STR(print(wrong[i]), "refused");
}
