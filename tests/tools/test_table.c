#include "tools/verbs/table.h"

#include <string.h>

#include "tests/harness.h"

static struct lp_arena arena;
static struct lp_err err;

static const char server_table[] =
    "{\"columnDefinitions\":[{\"name\":\"Name\",\"priority\":0},{\"name\":\"Ready\",\"priority\":0},{\"name\":\"IP\",\"priority\":1}],\"rows\":["
    "{\"cells\":[\"web\",\"1/1\",\"10.0.0.1\"],\"object\":{\"metadata\":{\"namespace\":\"default\",\"labels\":{\"a\":\"b\"}}}},"
    "{\"cells\":[\"longer-name\",2,null],\"object\":{\"metadata\":{\"namespace\":\"kube\"}}}]}";

static void
check(const struct lp_table_look *look, const char *want)
{
	struct lp_table table = { 0 };
	lp_auto_buf struct lp_buf out;
	struct lp_json *json;

	lp_arena_fini(&arena);
	lp_arena_init(&arena, 1 << 20);
	lp_buf_init(&out, 1 << 16);
	CHECK_OK(lp_json_parse(&arena, server_table, strlen(server_table), NULL, &json, &err), &err);
	CHECK_OK(lp_table_from_server(&table, &arena, lp_json_get(json, "columnDefinitions"), lp_json_get(json, "rows"), look), NULL);
	CHECK_OK(lp_table_print(&table, &out), NULL);
	CHECK_STR(lp_buf_text(&out), want);
	lp_arena_fini(&arena);
}

TEST(columns_are_aligned_and_chosen)
{
	check(&(struct lp_table_look){ 0 }, "NAME          READY\nweb           1/1\nlonger-name   2\n");
	check(&(struct lp_table_look){ .wide = true, .no_headers = true }, "web           1/1   10.0.0.1\nlonger-name   2     <none>\n");
	check(&(struct lp_table_look){ .namespaces = true, .labels = true },
	    "NAMESPACE   NAME          READY   LABELS\ndefault     web           1/1     a=b\nkube        longer-name   2       <none>\n");
	check(&(struct lp_table_look){ .prefix = "pod/" }, "NAME              READY\npod/web           1/1\npod/longer-name   2\n");
}

TEST(a_table_keeps_its_widths_between_prints)
{
	struct lp_table table;
	lp_auto_buf struct lp_buf out;

	lp_arena_init(&arena, 1 << 20);
	lp_buf_init(&out, 1 << 16);
	lp_table_init(&table, &arena, 2);
	CHECK_OK(lp_table_add(&table, (const char *[]){ "a long cell", "x" }), NULL);
	CHECK_OK(lp_table_print(&table, &out), NULL);
	CHECK_OK(lp_table_add(&table, (const char *[]){ "b", "y" }), NULL);
	CHECK_OK(lp_table_print(&table, &out), NULL);
	CHECK_STR(out.data, "a long cell   x\nb             y\n");
	lp_arena_fini(&arena);
}

TEST(control_characters_do_not_reach_the_terminal)
{
	struct lp_table table;
	lp_auto_buf struct lp_buf out;

	lp_arena_init(&arena, 1 << 20);
	lp_buf_init(&out, 1 << 16);
	lp_table_init(&table, &arena, 1);
	CHECK_OK(lp_table_add(&table, (const char *[]){ "a\x1b]0;title\x07\n" }), NULL);
	CHECK_OK(lp_table_print(&table, &out), NULL);
	CHECK_STR(out.data, "a?]0;title??\n");
	lp_arena_fini(&arena);
}
