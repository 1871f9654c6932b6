/*
 * tools/verbs/info.c - `cluster-info`, `version`, `api-resources`.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/yaml.h"
#include "tools/verbs/all.h"
#include "tools/verbs/context.h"
#include "tools/verbs/output.h"
#include "tools/verbs/table.h"

static struct {
	bool client, no_headers, short_form;
	const char *output, *namespaced, *group;
} o;

static const struct lp_opt no_opts[] = { { NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL } };

/* ---- cluster-info */

static int
cluster(struct lp_context *ctx)
{
	struct lp_client_answer answer = { 0 };
	int rc = lp_context_fetch(ctx, "/healthz", "*/*", &answer);

	lp_client_answer_fini(&answer);
	if (rc < 0)
		return rc;
	(void)printf("limpet manager is running at %s\n", ctx->url);
	(void)printf("\nTo look around, use 'limpet get nodes' and 'limpet get pods -A'.\n");
	return 0;
}

int
lp_info_cluster(int argc, char **argv)
{
	static const struct lp_help help = { "limpet cluster-info [options]", "Says where the manager answers.", "limpet cluster-info" };

	return lp_context_main(&help, no_opts, argc, argv, cluster);
}

/* ---- version */

static const struct lp_opt version_opts[] = {
	{ "client", 0,   LP_OPT_FLAG, &o.client,     NULL,     "this program's version only" },
	{ "short",  0,   LP_OPT_FLAG, &o.short_form, NULL,     "accepted; the output is short already" },
	{ "output", 'o', LP_OPT_STR,  &o.output,     "FORMAT", "yaml or json" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static int
version(struct lp_context *ctx)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *all = lp_json_new(arena, LP_JSON_OBJECT), *server = NULL;
	lp_auto_buf struct lp_buf out = { 0 };
	struct lp_output how;
	int rc = lp_output_parse(o.output, &how, &ctx->err), answered = 0;

	if (rc < 0)
		return rc;
	(void)lp_json_set_str(arena, lp_json_set_object(arena, all, "clientVersion"), "gitVersion", "v" LP_VERSION);
	if (how.mode == LP_OUTPUT_TABLE)
		(void)printf("Client Version: v%s\n", LP_VERSION);
	if (!o.client)
		answered = lp_context_get(ctx, "/version", &server);
	if (server)
		(void)lp_json_set(arena, all, "serverVersion", lp_json_copy(arena, server));
	lp_buf_init(&out, (size_t)1 << 20);
	if (how.mode != LP_OUTPUT_TABLE)
		rc = lp_output_print(&how, arena, all, &out, &ctx->err);
	else if (server)
		rc = lp_buf_printf(&out, "Server Version: %s\n", lp_json_str(server, "gitVersion") ?: "");
	if (rc == 0)
		rc = lp_output_flush(&out, &ctx->err);
	return rc < 0 ? rc : answered;
}

int
lp_info_version(int argc, char **argv)
{
	static const struct lp_help help = { "limpet version [options]", "This program's version and the manager's.", "limpet version" };

	return lp_context_main(&help, version_opts, argc, argv, version);
}

/* ---- api-resources: from the server's own discovery */

static const struct lp_opt resource_opts[] = {
	{ "no-headers", 0,   LP_OPT_FLAG,     &o.no_headers, NULL,         "rows only" },
	{ "output",     'o', LP_OPT_STR,      &o.output,     "FORMAT",     "wide or name" },
	{ "namespaced", 0,   LP_OPT_STR_BARE, &o.namespaced, "true|false", "only kinds that live in namespaces, or only others" },
	{ "api-group",  0,   LP_OPT_STR,      &o.group,      "GROUP",      "only kinds of this group" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

struct listing {
	struct lp_context *ctx;
	struct lp_table table;
	bool wide, names;
};

static const char *
join(struct lp_arena *arena, const struct lp_json *list)
{
	const char *text = "";

	lp_json_each(item, list)
		text = lp_arena_printf(arena, "%s%s%s", text, *text ? "," : "", lp_json_text(item) ?: "");
	return text;
}

static int
add_resource(struct listing *l, const char *version, const struct lp_json *resource)
{
	struct lp_arena *arena = &l->ctx->arena;
	const char *name = lp_json_str(resource, "name"), *slash = strchr(version, '/');
	bool namespaced = lp_json_bool(resource, "namespaced", false);
	const char *cells[6];

	if (!name || strchr(name, '/') || !lp_json_first(lp_json_get(resource, "verbs")))
		return 0;
	if (o.namespaced && namespaced != (!*o.namespaced || !strcmp(o.namespaced, "true")))
		return 0;
	if (l->names) {
		(void)printf("%s%s%.*s\n", name, slash ? "." : "", slash ? (int)(slash - version) : 0, version);
		return 0;
	}
	cells[0] = name;
	cells[1] = join(arena, lp_json_get(resource, "shortNames"));
	cells[2] = version;
	cells[3] = namespaced ? "true" : "false";
	cells[4] = lp_json_str(resource, "kind");
	cells[5] = l->wide ? join(arena, lp_json_get(resource, "verbs")) : "";
	return lp_table_add(&l->table, cells) < 0 ? lp_err_set(&l->ctx->err, -ENOMEM, "list kinds") : 0;
}

static int
add_version(struct listing *l, const char *path, const char *version)
{
	const char *slash = strchr(version, '/');
	struct lp_json *list = NULL;
	int rc;

	if (o.group && (slash ? strlen(o.group) != (size_t)(slash - version) || strncmp(o.group, version, strlen(o.group)) != 0 : *o.group != '\0'))
		return 0;
	rc = lp_context_get(l->ctx, path, &list);
	lp_json_each(resource, lp_json_get(list, "resources"))
		if (rc == 0)
			rc = add_resource(l, version, resource);
	return rc;
}

static int
resources(struct lp_context *ctx)
{
	static const char *const heads[] = { "NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", "VERBS" };
	struct listing l = { .ctx = ctx };
	struct lp_json *groups = NULL;
	lp_auto_buf struct lp_buf out = { 0 };
	int rc;

	l.wide = o.output && !strcmp(o.output, "wide");
	l.names = o.output && !strcmp(o.output, "name");
	if (o.output && !l.wide && !l.names)
		return lp_context_usage(ctx, "--output %s is not available", o.output);
	lp_table_init(&l.table, &ctx->arena, l.wide ? 6 : 5);
	rc = o.no_headers || l.names ? 0 : lp_table_add(&l.table, heads);
	if (rc == 0)
		rc = add_version(&l, "/api/v1", "v1");
	if (rc == 0)
		rc = lp_context_get(ctx, "/apis", &groups);
	lp_json_each(group, lp_json_get(groups, "groups")) {
		const char *version = lp_json_str(group, "preferredVersion.groupVersion");

		if (rc == 0 && version)
			rc = add_version(&l, lp_arena_printf(&ctx->arena, "/apis/%s", version), version);
	}
	lp_buf_init(&out, (size_t)1 << 20);
	if (rc == 0)
		rc = lp_table_print(&l.table, &out);
	return rc < 0 ? rc : lp_output_flush(&out, &ctx->err);
}

int
lp_info_resources(int argc, char **argv)
{
	static const struct lp_help help = { "limpet api-resources [options]", "The kinds of objects there are.", "limpet api-resources -o wide" };

	return lp_context_main(&help, resource_opts, argc, argv, resources);
}
