#include "tools/verbs/wait.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/jsonpath.h"
#include "tools/verbs/resource.h"

/* ---- waiting */

struct waiting {
	lp_wait_fn fits;
	void *arg;
};

static int
look_at_event(void *arg, struct lp_arena *arena, struct lp_json *event)
{
	struct waiting *w = arg;
	const char *type = lp_json_str(event, "type");

	(void)arena;
	if (lp_text_same(type, "BOOKMARK"))
		return 0;
	return w->fits(w->arg, lp_text_same(type, "DELETED") ? NULL : lp_json_get(event, "object"));
}

int
lp_wait_until(struct lp_context *ctx, const struct lp_kind *kind, const char *namespace, const char *name, int64_t deadline_ms,
    lp_wait_fn fits, void *arg)
{
	struct lp_arena *arena = &ctx->arena;
	struct waiting w = { fits, arg };

	ctx->waiting = lp_resource_title(arena, kind, name);
	/* Once per watch: the server ends one now and then, and we look again from what is there. */
	for (;;) {
		struct lp_json *list = NULL;
		const char *query = lp_resource_query(arena, NULL, "fieldSelector", lp_arena_printf(arena, "metadata.name=%s", name));
		int rc = lp_context_get(ctx, lp_resource_path(arena, kind, namespace, NULL, NULL, query), &list);

		if (rc == 0)
			rc = fits(arg, lp_json_index(lp_json_get(list, "items"), 0));
		if (rc)
			return rc < 0 ? rc : 0;
		query = lp_resource_query(arena, query, "resourceVersion", lp_json_str(list, "metadata.resourceVersion") ?: "");
		query = lp_resource_query(arena, query, "watch", "true");
		rc = lp_context_watch(ctx, lp_resource_path(arena, kind, namespace, NULL, NULL, query), "application/json", deadline_ms,
		    look_at_event, &w);
		if (rc == -ESTALE)
			continue;
		if (rc)
			return rc < 0 ? rc : 0;
		if (deadline_ms && lp_clock_boot_ms() >= deadline_ms)
			return lp_err_say(&ctx->err, -ETIMEDOUT, "timed out");
	}
}

static int
is_gone(void *arg, const struct lp_json *object)
{
	const char *uid = arg;

	return !object || (uid && strcmp(lp_object_uid(object), uid) != 0);
}

int
lp_wait_gone(struct lp_context *ctx, const struct lp_kind *kind, const char *namespace, const char *name, const char *uid,
    int64_t deadline_ms)
{
	return lp_wait_until(ctx, kind, namespace, name, deadline_ms, is_gone, (void *)(uintptr_t)uid);
}

/* ---- the verb */

static struct {
	const char *condition, *labels;
	int64_t timeout_ms;
	bool all, all_namespaces;
} o = { .timeout_ms = 30000 };

static const struct lp_opt opts[] = {
	{ "for",            0,   LP_OPT_STR,      &o.condition,      "WHAT",   "condition=NAME[=VALUE], delete, create, or jsonpath={PATH}=VALUE" },
	{ "timeout",        0,   LP_OPT_DURATION, &o.timeout_ms,     "TIME",   "give up after this (default 30s, 0 asks once, negative: a week)" },
	{ "selector",       'l', LP_OPT_STR,      &o.labels,         "LABELS", "all objects with these labels" },
	{ "all",            0,   LP_OPT_FLAG,     &o.all,            NULL,     "all objects of the type" },
	{ "all-namespaces", 'A', LP_OPT_FLAG,     &o.all_namespaces, NULL,     "of every namespace" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet wait --for=WHAT TYPE/NAME... [options]",
	"Waits until objects are as they should be.",
	"limpet wait --for=condition=Ready pod/nodejs-app --timeout=60s",
};

enum goal { GOAL_CONDITION, GOAL_DELETE, GOAL_CREATE, GOAL_PATH };

struct wish {
	struct lp_context *ctx;
	enum goal goal;
	const char *name, *value;	/* condition and its status; path and its value */
	const struct lp_kind *kind;
	const char *object;		/* name, for messages */
};

static int
path_value(void *arg, const struct lp_json *value)
{
	return lp_jsonpath_value(arg, value);
}

static bool
condition_fits(const struct wish *wish, const struct lp_json *object)
{
	lp_json_each(condition, lp_json_path(object, "status.conditions")) {
		const char *type = lp_json_str(condition, "type"), *status = lp_json_str(condition, "status");

		if (type && status && !strcasecmp(type, wish->name))
			return !strcasecmp(status, wish->value);
	}
	return false;
}

static int
fits(void *arg, const struct lp_json *object)
{
	struct wish *wish = arg;
	lp_auto_buf struct lp_buf text = { 0 };
	int rc;

	if (wish->goal == GOAL_DELETE)
		return object == NULL;
	if (wish->goal == GOAL_CREATE)
		return object != NULL;
	if (!object)
		return lp_context_fail(wish->ctx, -ENOENT, "Error from server (NotFound): %s%s%s \"%s\" not found", wish->kind->plural,
		    *wish->kind->group ? "." : "", wish->kind->group, wish->object);
	if (wish->goal == GOAL_CONDITION)
		return condition_fits(wish, object);
	lp_buf_init(&text, 65536);
	rc = lp_jsonpath_each(wish->name, object, path_value, &text, &wish->ctx->err);
	return rc < 0 ? rc : wish->value ? !strcmp(lp_buf_text(&text), wish->value) : text.len > 0;
}

static int
parse_goal(struct wish *wish)
{
	const char *text = o.condition, *equals;

	if (!text)
		return lp_context_usage(wish->ctx, "--for is required: condition=NAME, delete, create or jsonpath={PATH}=VALUE");
	if (!strcmp(text, "delete") || !strcmp(text, "create")) {
		wish->goal = text[0] == 'd' ? GOAL_DELETE : GOAL_CREATE;
		return 0;
	}
	if (lp_text_starts(text, "condition=")) {
		text += strlen("condition=");
		equals = strchr(text, '=');
		wish->goal = GOAL_CONDITION;
		wish->name = equals ? lp_arena_mem(&wish->ctx->arena, text, (size_t)(equals - text)) : text;
		wish->value = equals ? equals + 1 : "True";
		return 0;
	}
	if (lp_text_starts(text, "jsonpath=")) {
		const char *end;

		text += strlen("jsonpath=");
		end = strrchr(text, '}');
		wish->goal = GOAL_PATH;
		wish->name = end ? lp_arena_mem(&wish->ctx->arena, text, (size_t)(end + 1 - text)) : text;
		wish->value = end && end[1] == '=' ? end + 2 : NULL;
		return 0;
	}
	return lp_context_usage(wish->ctx, "unrecognized condition: \"%s\"", text);
}

static int
wait_one(struct wish *wish, const char *namespace, const char *name, int64_t deadline_ms)
{
	struct lp_context *ctx = wish->ctx;
	int rc;

	wish->object = name;
	rc = lp_wait_until(ctx, wish->kind, namespace, name, deadline_ms, fits, wish);
	if (rc == -ETIMEDOUT)
		return lp_context_fail(ctx, rc, "timed out waiting for the condition on %s/%s", wish->kind->plural, name);
	if (rc < 0)
		return rc;
	(void)printf("%s condition met\n", lp_resource_title(&ctx->arena, wish->kind, name));
	return 0;
}

static int
wait_listed(struct wish *wish, int64_t deadline_ms)
{
	struct lp_arena *arena = &wish->ctx->arena;
	const char *query = o.labels ? lp_resource_query(arena, NULL, "labelSelector", o.labels) : NULL;
	const char *namespace = o.all_namespaces ? NULL : wish->ctx->namespace;
	struct lp_json *list;
	int rc = lp_context_get(wish->ctx, lp_resource_path(arena, wish->kind, namespace, NULL, NULL, query), &list), failed = 0;

	if (rc < 0)
		return rc;
	if (!lp_json_first(lp_json_get(list, "items")))
		return wish->goal == GOAL_DELETE ? 0 : lp_context_fail(wish->ctx, -ENOENT, "no matching resources found");
	lp_json_each(item, lp_json_get(list, "items")) {
		rc = wait_one(wish, wish->kind->namespaced ? lp_object_namespace(item) : NULL, lp_object_name(item), deadline_ms);
		if (rc < 0) {
			lp_context_tell(wish->ctx);
			failed = 1;
		}
	}
	return failed;
}

static int
wait_verb(struct lp_context *ctx)
{
	struct wish wish = { .ctx = ctx };
	struct lp_resources resources;
	int64_t deadline_ms;
	int rc = parse_goal(&wish), failed = 0;

	if (rc == 0)
		rc = lp_resource_parse(&ctx->arena, ctx->words, ctx->count, NULL, &resources, &ctx->err);
	if (rc == 0)
		rc = lp_context_connect(ctx);
	if (rc < 0)
		return rc;
	deadline_ms = lp_clock_boot_ms() + (o.timeout_ms < 0 ? INT64_C(604800000) : o.timeout_ms ? o.timeout_ms : 1);
	for (size_t i = 0; i < resources.count; i++) {
		const struct lp_resource *r = &resources.items[i];

		wish.kind = r->kind;
		if (!r->name && !o.labels && !o.all)
			return lp_context_usage(ctx, "name, label selector, or --all flag required");
		rc = r->name ? wait_one(&wish, r->kind->namespaced ? ctx->namespace : NULL, r->name, deadline_ms) : wait_listed(&wish, deadline_ms);
		if (rc < 0)
			lp_context_tell(ctx);
		failed |= rc != 0;
	}
	return failed;
}

int
lp_wait_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, wait_verb);
}
