#include "tools/verbs/output.h"

#include <errno.h>
#include <string.h>

#include "tests/harness.h"

static struct lp_arena arena;
static struct lp_err err;

static const char list[] = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}},"
			   "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"b\"}}]}";
static const char pod[] = "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"labels\":{\"on\":\"yes\"}}}";

static void
check(const char *format, const char *document, const char *want)
{
	lp_auto_buf struct lp_buf out;
	struct lp_output how;
	struct lp_json *json;

	lp_arena_fini(&arena);
	lp_arena_init(&arena, 1 << 20);
	lp_buf_init(&out, 1 << 16);
	CHECK_OK(lp_json_parse(&arena, document, strlen(document), NULL, &json, &err), &err);
	CHECK_OK(lp_output_parse(format, &how, &err), &err);
	CHECK_OK(lp_output_print(&how, &arena, json, &out, &err), &err);
	CHECK_STR(lp_buf_text(&out), want);
	lp_arena_fini(&arena);
}

TEST(objects_print_in_every_format)
{
	check("name", pod, "pod/a\n");
	check("name", list, "pod/a\nservice/b\n");
	check("yaml", pod, "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    \"on\": \"yes\"\n  name: a\n");
	check("jsonpath={.metadata.name}", pod, "a");
	check("jsonpath={.items[*].kind}", list, "Pod Service");
	check("custom-columns=KIND:.kind,NAME:.metadata.name,NO:.spec.x", list, "KIND      NAME   NO\nPod       a      <none>\nService   b      <none>\n");
	check("json", "{\"kind\":\"Pod\",\"a\":[1]}", "{\n    \"kind\": \"Pod\",\n    \"a\": [\n        1\n    ]\n}\n");
}

TEST(unknown_formats_are_refused_by_name)
{
	struct lp_output how;

	CHECK_ERR(lp_output_parse("xml", &how, &err), -EINVAL);
	CHECK_HAS(err.text, "\"xml\"");
	CHECK_ERR(lp_output_parse("yaml=x", &how, &err), -EINVAL);
	CHECK_OK(lp_output_parse(NULL, &how, &err), &err);
	CHECK_INT(how.mode, LP_OUTPUT_TABLE);
	CHECK_OK(lp_output_parse("wide", &how, &err), &err);
	CHECK_INT(how.mode, LP_OUTPUT_WIDE);
}
