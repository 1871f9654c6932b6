/*
 * tools/verbs/label.c - `label` and `annotate`: the same verb over two members of metadata.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/context.h"
#include "tools/verbs/resource.h"

static struct {
	const char *labels;
	bool all, overwrite, list;
} o;

static const struct lp_opt opts[] = {
	{ "overwrite", 0,   LP_OPT_FLAG, &o.overwrite, NULL,     "change values that are there" },
	{ "selector",  'l', LP_OPT_STR,  &o.labels,    "LABELS", "all objects with these labels" },
	{ "all",       0,   LP_OPT_FLAG, &o.all,       NULL,     "all objects of the type" },
	{ "list",      0,   LP_OPT_FLAG, &o.list,      NULL,     "print what is there" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

struct labelling {
	struct lp_context *ctx;
	const char *member;		/* "labels", "annotations" */
	const char *done, *one;		/* "labeled", "label" */
	const char *const *changes;	/* KEY=VALUE, KEY- */
	int count;
	bool removes_only;
};

static bool
is_change(const char *word)
{
	size_t len = strlen(word);

	return strchr(word, '=') || (len > 1 && word[len - 1] == '-');
}

static const char *
key_of(struct labelling *l, const char *change)
{
	const char *equals = strchr(change, '=');
	size_t len = equals ? (size_t)(equals - change) : strlen(change) - 1;

	return lp_arena_mem(&l->ctx->arena, change, len);
}

/* A merge patch; *out_any says whether it changes anything. */
static int
make_patch(struct labelling *l, const struct lp_kind *kind, const struct lp_json *object, struct lp_json **out, bool *out_any)
{
	struct lp_arena *arena = &l->ctx->arena;
	struct lp_json *patch = lp_json_new(arena, LP_JSON_OBJECT);
	struct lp_json *members = lp_json_set_object(arena, lp_json_set_object(arena, patch, "metadata"), l->member);
	const struct lp_json *present = lp_json_get(lp_json_get(object, "metadata"), l->member);

	for (int i = 0; i < l->count; i++) {
		const char *key = key_of(l, l->changes[i]), *equals = strchr(l->changes[i], '=');
		const char *was = lp_json_text(lp_json_get(present, key));

		if (!equals) {
			if (was)
				(void)lp_json_set(arena, members, key, lp_json_new(arena, LP_JSON_NULL));
			else
				(void)printf("%s \"%s\" not found.\n", l->one, key);
			continue;
		}
		if (was && !strcmp(was, equals + 1))
			continue;
		if (was && !o.overwrite)
			return lp_context_fail(l->ctx, -EEXIST, "'%s' already has a value (%s), and --overwrite is false", key, was);
		(void)lp_json_set_str(arena, members, key, equals + 1);
	}
	(void)kind;
	*out = patch;
	*out_any = lp_json_first(members) != NULL;
	return arena->failed ? lp_err_set(&l->ctx->err, -ENOMEM, "%s", l->one) : 0;
}

static int
print_list(const struct labelling *l, const struct lp_json *object)
{
	lp_json_each(member, lp_json_get(lp_json_get(object, "metadata"), l->member))
		if (printf("%s=%s\n", member->key, lp_json_text(member) ?: "") < 0)
			return -EIO;
	return 0;
}

static int
change_one(struct labelling *l, const struct lp_kind *kind, const struct lp_json *object)
{
	struct lp_arena *arena = &l->ctx->arena;
	const char *namespace = kind->namespaced ? lp_object_namespace(object) : NULL, *name = lp_object_name(object);
	struct lp_json *patch;
	bool any;
	int rc;

	if (o.list)
		return print_list(l, object);
	rc = make_patch(l, kind, object, &patch, &any);
	if (rc == 0 && any)
		rc = lp_context_call(l->ctx, "PATCH", lp_resource_path(arena, kind, namespace, name, NULL, NULL), "application/merge-patch+json", patch,
		    NULL);
	if (rc < 0)
		return rc;
	(void)printf("%s %s\n", lp_resource_title(arena, kind, name), !any ? lp_arena_printf(arena, "not %s", l->done) : l->removes_only &&
	    !strcmp(l->one, "label") ? "unlabeled" : l->done);
	return 0;
}

static int
change_resource(struct labelling *l, const struct lp_resource *r)
{
	struct lp_arena *arena = &l->ctx->arena;
	const char *query = o.labels ? lp_resource_query(arena, NULL, "labelSelector", o.labels) : NULL;
	struct lp_json *answer;
	int rc;

	if (!r->name && !o.labels && !o.all)
		return lp_context_usage(l->ctx, "resource(s) were provided, but no name was specified");
	rc = lp_context_get(l->ctx, lp_resource_path(arena, r->kind, r->kind->namespaced ? l->ctx->namespace : NULL, r->name, NULL, query), &answer);
	if (rc < 0 || r->name)
		return rc < 0 ? rc : change_one(l, r->kind, answer);
	lp_json_each(item, lp_json_get(answer, "items")) {
		rc = change_one(l, r->kind, item);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
change_all(struct labelling *l)
{
	struct lp_context *ctx = l->ctx;
	struct lp_resources resources;
	int names = 0, failed = 0, rc;

	while (names < ctx->count && !is_change(ctx->words[names]))
		names++;
	l->changes = ctx->words + names;
	l->count = ctx->count - names;
	l->removes_only = l->count > 0;
	for (int i = 0; i < l->count; i++) {
		if (!is_change(l->changes[i]))
			return lp_context_usage(ctx, "all resources must be specified before %s changes: %s", l->one, l->changes[i]);
		l->removes_only &= strchr(l->changes[i], '=') == NULL;
	}
	if (!l->count && !o.list)
		return lp_context_usage(ctx, "at least one %s update is required", l->one);
	rc = lp_resource_parse(&ctx->arena, ctx->words, names, NULL, &resources, &ctx->err);
	if (rc == 0)
		rc = lp_context_connect(ctx);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < resources.count; i++) {
		rc = change_resource(l, &resources.items[i]);
		if (rc < 0) {
			lp_context_tell(ctx);
			failed = 1;
		}
	}
	return failed;
}

static int
label(struct lp_context *ctx)
{
	struct labelling l = { .ctx = ctx, .member = "labels", .done = "labeled", .one = "label" };

	return change_all(&l);
}

static int
annotate(struct lp_context *ctx)
{
	struct labelling l = { .ctx = ctx, .member = "annotations", .done = "annotated", .one = "annotation" };

	return change_all(&l);
}

int
lp_label_run(int argc, char **argv)
{
	static const struct lp_help help = {
		"limpet label TYPE NAME KEY=VALUE... KEY-... [options]",
		"Sets labels; a minus behind a key removes it.",
		"limpet label pod nodejs-app tier=web",
	};

	return lp_context_main(&help, opts, argc, argv, label);
}

int
lp_label_annotate(int argc, char **argv)
{
	static const struct lp_help help = {
		"limpet annotate TYPE NAME KEY=VALUE... KEY-... [options]",
		"Sets annotations; a minus behind a key removes it.",
		"limpet annotate pod nodejs-app note=hello",
	};

	return lp_context_main(&help, opts, argc, argv, annotate);
}
