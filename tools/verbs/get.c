/*
 * tools/verbs/get.c - `get`: the server prints the tables, we align them.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/context.h"
#include "tools/verbs/output.h"
#include "tools/verbs/resource.h"
#include "tools/verbs/table.h"

static struct {
	const char *output, *labels, *fields;
	bool all_namespaces, watch, watch_only, show_labels, no_headers, ignore_missing, show_kind;
} o;

static const struct lp_opt opts[] = {
	{ "output",         'o', LP_OPT_STR,  &o.output,         "FORMAT", "wide, yaml, json, name, jsonpath=TEMPLATE or custom-columns=SPEC" },
	{ "all-namespaces", 'A', LP_OPT_FLAG, &o.all_namespaces, NULL,     "objects of every namespace" },
	{ "selector",       'l', LP_OPT_STR,  &o.labels,         "LABELS", "only objects with these labels: a=b,c!=d,e in (x,y)" },
	{ "field-selector", 0,   LP_OPT_STR,  &o.fields,         "FIELDS", "only objects with these fields: status.phase=Running" },
	{ "watch",          'w', LP_OPT_FLAG, &o.watch,          NULL,     "go on and print every change" },
	{ "watch-only",     0,   LP_OPT_FLAG, &o.watch_only,     NULL,     "print changes only" },
	{ "show-labels",    0,   LP_OPT_FLAG, &o.show_labels,    NULL,     "a last column with all labels" },
	{ "show-kind",      0,   LP_OPT_FLAG, &o.show_kind,      NULL,     "names as kind/name" },
	{ "no-headers",     0,   LP_OPT_FLAG, &o.no_headers,     NULL,     "rows only" },
	{ "ignore-not-found", 0, LP_OPT_FLAG, &o.ignore_missing, NULL,     "what is not there is no error" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet get TYPE[,TYPE] [NAME...] [options]",
	"Shows objects: one line each, or whole with -o yaml.",
	"limpet get pods -o wide",
};

struct get {
	struct lp_context *ctx;
	struct lp_output how;
	struct lp_resources resources;
	struct lp_buf out;
	bool printed;			/* a table stands above: leave a line empty */
	bool failed;			/* something was not there; the rest was printed */
	const char *version;		/* resourceVersion to watch from */
	struct lp_table table;		/* of the watch */
	struct lp_json *columns;
};

static const char *
namespace_of(const struct get *g, const struct lp_kind *kind)
{
	return o.all_namespaces || !kind->namespaced ? NULL : g->ctx->namespace;
}

static const char *
path_of(struct get *g, const struct lp_resource *r, const char *more)
{
	struct lp_arena *arena = &g->ctx->arena;
	const char *query = more;

	if (!r->name && o.labels)
		query = lp_resource_query(arena, query, "labelSelector", o.labels);
	if (!r->name && o.fields)
		query = lp_resource_query(arena, query, "fieldSelector", o.fields);
	return lp_resource_path(arena, r->kind, namespace_of(g, r->kind), r->name, NULL, query);
}

/* A missing object is told at once and the others are still shown, as kubectl does. */
static int
forgive(struct get *g, int rc)
{
	if (rc == -ENOENT && o.ignore_missing) {
		g->ctx->message = NULL;
		return 0;
	}
	if (rc == -ENOENT && g->resources.count > 1) {
		(void)fprintf(stderr, "%s\n", g->ctx->message ? g->ctx->message : g->ctx->err.text);
		g->failed = true;
		return 0;
	}
	return rc;
}

static struct lp_table_look
look_of(struct get *g, const struct lp_kind *kind)
{
	bool prefix = g->resources.several_kinds || o.show_kind;

	return (struct lp_table_look){
		.wide = g->how.mode == LP_OUTPUT_WIDE,
		.namespaces = o.all_namespaces && kind->namespaced,
		.no_headers = o.no_headers,
		.labels = o.show_labels,
		.prefix = prefix ? lp_resource_title(&g->ctx->arena, kind, "") : NULL,
	};
}

/* The rows of one or several names of one kind become one table. */
static int
show_table(struct get *g, const struct lp_kind *kind, const struct lp_json *columns, const struct lp_json *rows)
{
	struct lp_table_look look = look_of(g, kind);
	struct lp_table table = { 0 };

	if (!lp_json_first(rows))
		return 0;
	if (lp_table_from_server(&table, &g->ctx->arena, columns, rows, &look) < 0)
		return lp_err_set(&g->ctx->err, -ENOMEM, "print");
	if (g->printed)
		(void)lp_buf_char(&g->out, '\n');
	g->printed = true;
	(void)lp_table_print(&table, &g->out);
	g->table = table;		/* a watch goes on in the same columns */
	return lp_output_flush(&g->out, &g->ctx->err);
}

/* Items from `first` on that have the same kind; returns how many through *out_count. */
static int
get_tables(struct get *g, size_t first, size_t *out_count)
{
	const struct lp_kind *kind = g->resources.items[first].kind;
	struct lp_arena *arena = &g->ctx->arena;
	struct lp_json *rows = lp_json_new(arena, LP_JSON_ARRAY), *columns = NULL, *table, *next;
	size_t i = first;

	for (; i < g->resources.count && g->resources.items[i].kind == kind; i++) {
		int rc = lp_context_get_table(g->ctx, path_of(g, &g->resources.items[i], NULL), &table);

		rc = rc < 0 ? forgive(g, rc) : 1;
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		if (!lp_json_get(table, "columnDefinitions"))
			return lp_err_say(&g->ctx->err, -EIO, "the server did not answer with a table");
		columns = lp_json_get(table, "columnDefinitions");
		g->version = lp_json_str(table, "metadata.resourceVersion");
		for (struct lp_json *row = lp_json_first(lp_json_get(table, "rows")); row; row = next) {
			next = row->next;
			(void)lp_json_append(arena, rows, lp_json_copy(arena, row));
			if (g->resources.items[i].name)
				g->version = lp_object_resource_version(lp_json_get(row, "object"));
		}
	}
	*out_count = i - first;
	g->columns = columns;
	if (arena->failed)
		return lp_err_set(&g->ctx->err, -ENOMEM, "read the answer");
	return o.watch_only ? 0 : show_table(g, kind, columns, rows);
}

static void
say_nothing_found(const struct get *g)
{
	bool namespaced = false;

	for (size_t i = 0; i < g->resources.count; i++)
		namespaced |= g->resources.items[i].kind->namespaced;
	if (namespaced && !o.all_namespaces)
		(void)fprintf(stderr, "No resources found in %s namespace.\n", g->ctx->namespace);
	else
		(void)fprintf(stderr, "No resources found\n");
}

static int
show_tables(struct get *g)
{
	for (size_t i = 0, done = 0; i < g->resources.count; i += done) {
		int rc = get_tables(g, i, &done);

		if (rc < 0)
			return rc;
	}
	if (!g->printed && !g->failed && !o.ignore_missing && !o.watch && !o.watch_only)
		say_nothing_found(g);
	return 0;
}

/* ---- whole objects */

static void
add_items(struct get *g, const struct lp_kind *kind, struct lp_json *list, struct lp_json *answer)
{
	struct lp_arena *arena = &g->ctx->arena;
	char version[LP_KIND_TEXT];

	lp_json_each(item, lp_json_get(answer, "items")) {
		struct lp_json *copy = lp_json_new(arena, LP_JSON_OBJECT);

		(void)lp_json_set_str(arena, copy, "apiVersion", lp_kind_api_version(kind, version));
		(void)lp_json_set_str(arena, copy, "kind", kind->kind);
		lp_json_each(member, item)
			(void)lp_json_set(arena, copy, member->key, lp_json_copy(arena, member));
		(void)lp_json_append(arena, list, copy);
	}
}

static int
show_objects(struct get *g)
{
	struct lp_arena *arena = &g->ctx->arena;
	struct lp_json *list = lp_json_new(arena, LP_JSON_OBJECT), *items, *answer = NULL;
	int rc;

	(void)lp_json_set_str(arena, list, "apiVersion", "v1");
	(void)lp_json_set_str(arena, list, "kind", "List");
	items = lp_json_set_array(arena, list, "items");
	(void)lp_json_set_str(arena, lp_json_set_object(arena, list, "metadata"), "resourceVersion", "");
	for (size_t i = 0; i < g->resources.count; i++) {
		const struct lp_resource *r = &g->resources.items[i];

		rc = lp_context_get(g->ctx, path_of(g, r, NULL), &answer);
		rc = rc < 0 ? forgive(g, rc) : 1;
		if (rc < 0)
			return rc;
		if (rc == 0)
			continue;
		g->version = lp_object_resource_version(answer);
		if (r->name && g->resources.count == 1)
			list = answer;
		else if (r->name)
			(void)lp_json_append(arena, items, lp_json_copy(arena, answer));
		else
			add_items(g, r->kind, items, answer);
	}
	if (arena->failed)
		return lp_err_set(&g->ctx->err, -ENOMEM, "read the answer");
	if (o.ignore_missing && list != answer && !lp_json_first(items))
		return 0;
	if (g->how.mode == LP_OUTPUT_NAME && list != answer && !lp_json_first(items))
		return 0;
	rc = lp_output_print(&g->how, arena, list, &g->out, &g->ctx->err);
	return rc < 0 ? rc : lp_output_flush(&g->out, &g->ctx->err);
}

/* ---- watching */

static int
show_change(void *arg, struct lp_arena *arena, struct lp_json *event)
{
	struct get *g = arg;
	struct lp_json *object = lp_json_get(event, "object");
	const struct lp_kind *kind = g->resources.items[0].kind;
	struct lp_table_look look = look_of(g, kind);
	int rc;

	if (lp_text_same(lp_json_str(event, "type"), "BOOKMARK"))
		return 0;
	if (g->how.mode != LP_OUTPUT_TABLE && g->how.mode != LP_OUTPUT_WIDE) {
		rc = lp_output_print(&g->how, arena, object, &g->out, &g->ctx->err);
		if (rc == 0 && g->how.mode == LP_OUTPUT_YAML)
			rc = lp_buf_str(&g->out, "---\n");
	} else {
		if (lp_json_first(lp_json_get(object, "columnDefinitions")))
			g->columns = lp_json_copy(&g->ctx->arena, lp_json_get(object, "columnDefinitions"));
		look.no_headers = look.no_headers || g->printed;
		g->printed = true;
		rc = lp_table_from_server(&g->table, arena, g->columns, lp_json_get(object, "rows"), &look);
		if (rc == 0)
			rc = lp_table_print(&g->table, &g->out);
	}
	if (rc == 0)
		rc = lp_output_flush(&g->out, &g->ctx->err);
	(void)fflush(stdout);		/* a closed pipe shows at the next write */
	return rc;
}

static int
watch(struct get *g)
{
	const struct lp_resource *r = &g->resources.items[0];
	struct lp_resource all = { r->kind, NULL };
	struct lp_arena *arena = &g->ctx->arena;
	bool table = g->how.mode == LP_OUTPUT_TABLE || g->how.mode == LP_OUTPUT_WIDE;
	const char *query = lp_resource_query(arena, "watch=true", "resourceVersion", g->version ? g->version : "0");

	if (g->resources.count != 1)
		return lp_context_usage(g->ctx, "watch is only supported on individual resources and resource collections");
	if (r->name)
		query = lp_resource_query(arena, query, "fieldSelector", lp_arena_printf(arena, "metadata.name=%s", r->name));
	return lp_context_watch(g->ctx, path_of(g, &all, query), table ? LP_CONTEXT_TABLE : "application/json", 0, show_change, g);
}

static int
get(struct lp_context *ctx)
{
	struct get g = { .ctx = ctx };
	int rc = lp_output_parse(o.output, &g.how, &ctx->err);
	bool table = g.how.mode == LP_OUTPUT_TABLE || g.how.mode == LP_OUTPUT_WIDE;

	if (rc == 0)
		rc = lp_resource_parse(&ctx->arena, ctx->words, ctx->count, NULL, &g.resources, &ctx->err);
	if (rc < 0) {
		ctx->usage = ctx->count == 0;
		return rc;
	}
	if (g.resources.items[0].name && (o.labels || o.fields))
		return lp_context_usage(ctx, "selectors may not be specified when a name is given");
	if (g.resources.items[0].name && o.all_namespaces && g.resources.items[0].kind->namespaced)
		return lp_context_usage(ctx, "a resource cannot be retrieved by name across all namespaces");
	rc = lp_context_connect(ctx);
	if (rc < 0)
		return rc;
	lp_buf_init(&g.out, (size_t)256 << 20);
	rc = table ? show_tables(&g) : o.watch_only ? 0 : show_objects(&g);
	if (rc == 0 && (o.watch || o.watch_only)) {
		(void)fflush(stdout);	/* what is there is shown before we wait; a closed pipe shows at the next write */
		rc = watch(&g);
	}
	lp_buf_fini(&g.out);
	return rc < 0 ? rc : g.failed;
}

int
lp_get_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, get);
}
