/*
 * tools/verbs/apply.c - `apply -f`: create what is not there, patch what is, leave alone what others set.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/files.h"
#include "tools/verbs/output.h"
#include "tools/verbs/resource.h"
#include "tools/verbs/threeway.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"
#define STRATEGIC "application/strategic-merge-patch+json"

static struct {
	struct lp_opt_list files;
	const char *dry_run, *output, *validate;
} o;

static const struct lp_opt opts[] = {
	{ "filename", 'f', LP_OPT_LIST,     &o.files,    "FILE", "a file, a folder, or - for standard input; may be given again" },
	{ "dry-run",  0,   LP_OPT_STR_BARE, &o.dry_run,  "none|server|client", "say what would be done: by the server, or here" },
	{ "validate", 0,   LP_OPT_STR_BARE, &o.validate, "strict|warn|ignore", "what to do about unknown fields (default strict)" },
	{ "output",   'o', LP_OPT_STR,      &o.output,   "FORMAT", "yaml, json, name or jsonpath=TEMPLATE instead of a sentence" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet apply -f FILE [options]",
	"Makes the cluster hold what the files say; what was applied before and is no longer in them is removed.",
	"limpet apply -f nodejs-app.yaml",
};

struct apply {
	struct lp_context *ctx;
	struct lp_output how;
	const char *query;
	bool dry_here, dry;
};

/* The object with what it says itself in its own annotation. */
static struct lp_json *
with_annotation(struct lp_arena *arena, const struct lp_json *object)
{
	struct lp_json *copy = lp_json_copy(arena, object), *notes;
	lp_auto_buf struct lp_buf text;

	notes = lp_json_need_object(arena, lp_json_need_object(arena, copy, "metadata"), "annotations");
	(void)lp_json_remove(notes, LAST_APPLIED);
	lp_buf_init(&text, (size_t)8 << 20);
	(void)lp_json_write_sorted(&text, copy);
	if (lp_buf_char(&text, '\n') < 0)
		return NULL;
	(void)lp_json_set_str(arena, notes, LAST_APPLIED, text.data);
	return arena->failed ? NULL : copy;
}

static int
tell(struct apply *a, const struct lp_file_object *item, const struct lp_json *result, const char *done)
{
	lp_auto_buf struct lp_buf out;
	int rc;

	lp_buf_init(&out, (size_t)64 << 20);
	if (a->how.mode != LP_OUTPUT_TABLE && a->how.mode != LP_OUTPUT_WIDE)
		rc = lp_output_print(&a->how, &a->ctx->arena, result, &out, &a->ctx->err);
	else
		rc = lp_buf_printf(&out, "%s %s%s\n", lp_resource_title(&a->ctx->arena, item->kind, lp_object_name(result)), done,
		    a->dry_here ? " (dry run)" : a->dry ? " (server dry run)" : "");
	return rc < 0 ? rc : lp_output_flush(&out, &a->ctx->err);
}

static int
create(struct apply *a, const struct lp_file_object *item, struct lp_json *modified)
{
	struct lp_json *result = modified;
	const char *path = lp_resource_path(&a->ctx->arena, item->kind, item->namespace, NULL, NULL, a->query);
	int rc;

	(void)lp_json_remove(lp_json_get(modified, "metadata"), "resourceVersion");	/* of where the file came from */
	rc = a->dry_here ? 0 : lp_context_call(a->ctx, "POST", path, NULL, modified, &result);

	if (rc < 0)
		return lp_context_during(a->ctx, rc, "error when creating \"%s\"", item->source);
	return tell(a, item, result, "created");
}

/* What was last applied, or NULL. */
static struct lp_json *
read_original(struct apply *a, const struct lp_file_object *item, const struct lp_json *current)
{
	const char *text = lp_object_annotation(current, LAST_APPLIED);
	struct lp_json *original = NULL;

	if (!text) {
		(void)fprintf(stderr, "Warning: resource %s/%s is missing the %s annotation which is required by limpet apply. It will be "
		    "patched automatically.\n", item->kind->plural, item->name, LAST_APPLIED);
		return NULL;
	}
	if (lp_json_parse(&a->ctx->arena, text, strlen(text), NULL, &original, NULL) < 0) {
		(void)fprintf(stderr, "Warning: the %s annotation of %s/%s is not readable: nothing is removed.\n", LAST_APPLIED, item->kind->plural,
		    item->name);
		return NULL;
	}
	return original;
}

static int
patch(struct apply *a, const struct lp_file_object *item, const struct lp_json *modified, struct lp_json *current)
{
	struct lp_arena *arena = &a->ctx->arena;
	const char *path = lp_resource_path(arena, item->kind, item->namespace, item->name, NULL, a->query);
	struct lp_json *change, *result = current;
	bool same;
	int rc;

	change = lp_threeway_patch(arena, (enum lp_schema_id)item->kind->schema, read_original(a, item, current), modified, current);
	if (!change || !path)
		return lp_err_set(&a->ctx->err, -ENOMEM, "compare");
	if (!lp_json_first(change))
		return tell(a, item, current, "unchanged");
	rc = a->dry_here ? 0 : lp_context_call(a->ctx, "PATCH", path, STRATEGIC, change, &result);
	if (rc < 0)
		return lp_context_during(a->ctx, rc, "error when applying patch to \"%s\"", item->source);
	same = !a->dry_here && !a->dry && lp_text_same(lp_object_resource_version(result), lp_object_resource_version(current));
	return tell(a, item, result, same ? "unchanged" : "configured");
}

static int
apply_one(struct apply *a, const struct lp_file_object *item)
{
	struct lp_arena *arena = &a->ctx->arena;
	struct lp_json *modified = with_annotation(arena, item->object), *current = NULL;
	int rc;

	if (!*item->name)
		return lp_context_fail(a->ctx, -EINVAL, "from %s: cannot use generate name with apply", lp_object_generate_name(item->object));
	if (!modified)
		return lp_err_set(&a->ctx->err, -ENOMEM, "read %.100s", item->source);
	if (item->namespace)
		(void)lp_json_set_str(arena, lp_json_get(modified, "metadata"), "namespace", item->namespace);
	rc = lp_context_get(a->ctx, lp_resource_path(arena, item->kind, item->namespace, item->name, NULL, NULL), &current);
	if (rc == -ENOENT) {
		a->ctx->message = NULL;
		return create(a, item, modified);
	}
	if (rc < 0)
		return lp_context_during(a->ctx, rc, "error when retrieving current configuration from \"%s\"", item->source);
	return patch(a, item, modified, current);
}

static int
read_options(struct apply *a)
{
	const char *level = !o.validate || !*o.validate || !strcmp(o.validate, "true") || !strcmp(o.validate, "strict") ? "Strict" :
	    !strcmp(o.validate, "warn") ? "Warn" : !strcmp(o.validate, "ignore") || !strcmp(o.validate, "false") ? "Ignore" : NULL;

	if (!o.files.count)
		return lp_context_usage(a->ctx, "must specify one of -f and -k");
	if (a->ctx->count)
		return lp_context_usage(a->ctx, "Unexpected args: %s", a->ctx->words[0]);
	if (!level)
		return lp_context_usage(a->ctx, "invalid --validate value \"%s\"; must be \"strict\", \"warn\" or \"ignore\"", o.validate);
	a->query = lp_resource_query(&a->ctx->arena, "fieldManager=kubectl-client-side-apply", "fieldValidation", level);
	if (!o.dry_run || !strcmp(o.dry_run, "none"))
		return lp_output_parse(o.output, &a->how, &a->ctx->err);
	if (!strcmp(o.dry_run, "client"))
		a->dry_here = true;
	else if (strcmp(o.dry_run, "server") != 0)
		return lp_context_usage(a->ctx, "Invalid dry-run value (%s). Must be \"none\", \"server\", or \"client\".", o.dry_run);
	else
		a->query = lp_resource_query(&a->ctx->arena, a->query, "dryRun", "All");
	a->dry = true;
	return lp_output_parse(o.output, &a->how, &a->ctx->err);
}

static int
apply(struct lp_context *ctx)
{
	struct apply a = { .ctx = ctx };
	struct lp_files files;
	int rc = read_options(&a), failures = 0;

	if (rc == 0)
		rc = lp_files_read(ctx, &o.files, &files);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < files.count; i++) {
		rc = apply_one(&a, &files.items[i]);
		if (rc < 0) {
			lp_context_tell(ctx);
			failures = 1;
		}
	}
	return failures;
}

int
lp_apply_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, apply);
}
