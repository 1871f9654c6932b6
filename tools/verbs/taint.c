/*
 * tools/verbs/taint.c - `taint`, `cordon`, `uncordon`: what a node lets onto itself.
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
	bool all, overwrite;
} o;

static const struct lp_opt opts[] = {
	{ "overwrite", 0,   LP_OPT_FLAG, &o.overwrite, NULL,     "taint: change values that are there" },
	{ "selector",  'l', LP_OPT_STR,  &o.labels,    "LABELS", "all nodes with these labels" },
	{ "all",       0,   LP_OPT_FLAG, &o.all,       NULL,     "all nodes" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

typedef int (*change_fn)(struct lp_context *ctx, const struct lp_json *node, void *arg);

static const struct lp_kind *
node_kind(void)
{
	return lp_kind_find("v1", "Node");
}

/* The nodes that words or a selector name, one after the other. */
static int
each_node(struct lp_context *ctx, const char *const *names, int count, change_fn change, void *arg)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *answer;
	int rc = lp_context_connect(ctx), failed = 0;

	if (rc < 0)
		return rc;
	if (o.labels || o.all) {
		const char *query = o.labels ? lp_resource_query(arena, NULL, "labelSelector", o.labels) : NULL;

		rc = lp_context_get(ctx, lp_resource_path(arena, node_kind(), NULL, NULL, NULL, query), &answer);
		if (rc < 0)
			return rc;
		lp_json_each(node, lp_json_get(answer, "items")) {
			if (change(ctx, node, arg) < 0) {
				lp_context_tell(ctx);
				failed = 1;
			}
		}
		return failed;
	}
	for (int i = 0; i < count; i++) {
		rc = lp_context_get(ctx, lp_resource_path(arena, node_kind(), NULL, names[i], NULL, NULL), &answer);
		if (rc == 0)
			rc = change(ctx, answer, arg);
		if (rc < 0) {
			lp_context_tell(ctx);
			failed = 1;
		}
	}
	return failed;
}

static int
send_patch(struct lp_context *ctx, const struct lp_json *node, struct lp_json *patch)
{
	const char *path = lp_resource_path(&ctx->arena, node_kind(), NULL, lp_object_name(node), NULL, NULL);

	return lp_context_call(ctx, "PATCH", path, "application/merge-patch+json", patch, NULL);
}

/* ---- cordon */

static int
set_schedulable(struct lp_context *ctx, const struct lp_json *node, void *arg)
{
	bool want = *(bool *)arg, now = lp_json_bool(node, "spec.unschedulable", false);
	const char *word = want ? "cordoned" : "uncordoned";
	struct lp_json *patch = lp_json_new(&ctx->arena, LP_JSON_OBJECT), *spec = lp_json_set_object(&ctx->arena, patch, "spec");
	int rc = 0;

	if (want)
		(void)lp_json_set_bool(&ctx->arena, spec, "unschedulable", true);
	else
		(void)lp_json_set(&ctx->arena, spec, "unschedulable", lp_json_new(&ctx->arena, LP_JSON_NULL));
	if (want != now)
		rc = send_patch(ctx, node, patch);
	if (rc == 0)
		(void)printf("node/%s %s%s\n", lp_object_name(node), want == now ? "already " : "", word);
	return rc;
}

static int
set_all(struct lp_context *ctx, bool cordoned)
{
	const char *const *names = ctx->words;
	int count = ctx->count;

	if (count > 1 && lp_kind_by_word(names[0]) == node_kind()) {
		names++;
		count--;
	}
	if (!count && !o.labels && !o.all)
		return lp_context_usage(ctx, "a node's name is required");
	for (int i = 0; i < count; i++)
		if (lp_text_starts(names[i], "node/"))
			ctx->words[names - ctx->words + i] = names[i] + strlen("node/");
	return each_node(ctx, names, count, set_schedulable, &cordoned);
}

static int
cordon(struct lp_context *ctx)
{
	return set_all(ctx, true);
}

static int
uncordon(struct lp_context *ctx)
{
	return set_all(ctx, false);
}

/* ---- taint: KEY[=VALUE]:EFFECT to set, KEY[:EFFECT]- to remove */

struct wish {
	const char *key, *value, *effect;	/* value NULL: none; effect NULL: any */
	bool remove;
};

#define WISHES_MAX 32
struct wishes {
	struct wish items[WISHES_MAX];
	size_t count;
};

static int
parse_wish(struct lp_context *ctx, const char *word, struct wish *out)
{
	struct lp_arena *arena = &ctx->arena;
	size_t len = strlen(word);
	const char *colon, *equals;

	*out = (struct wish){ .remove = word[len - 1] == '-' };
	word = lp_arena_mem(arena, word, len - out->remove);
	colon = strrchr(word, ':');
	equals = strchr(word, '=');
	if (colon)
		out->effect = colon + 1;
	else if (!out->remove)
		return lp_context_usage(ctx, "invalid taint spec: %s, KEY=VALUE:EFFECT is expected", word);
	if (out->effect && strcmp(out->effect, "NoSchedule") != 0 && strcmp(out->effect, "PreferNoSchedule") != 0 &&
	    strcmp(out->effect, "NoExecute") != 0)
		return lp_context_fail(ctx, -EINVAL, "invalid taint effect: %s, unsupported taint effect", out->effect);
	if (equals && (!colon || equals < colon))
		out->value = lp_arena_mem(arena, equals + 1, colon ? (size_t)(colon - equals - 1) : strlen(equals + 1));
	out->key = lp_arena_mem(arena, word, strcspn(word, equals && (!colon || equals < colon) ? "=" : ":"));
	return out->key && *out->key ? 0 : lp_context_usage(ctx, "invalid taint spec: %s", word);
}

static bool
fits(const struct wish *wish, const struct lp_json *taint)
{
	return lp_text_same(lp_json_str(taint, "key"), wish->key) && (!wish->effect || lp_text_same(lp_json_str(taint, "effect"), wish->effect));
}

static void
add_taint(struct lp_arena *arena, struct lp_json *taints, const struct wish *wish)
{
	struct lp_json *taint = lp_json_append(arena, taints, lp_json_new(arena, LP_JSON_OBJECT));

	(void)lp_json_set_str(arena, taint, "key", wish->key);
	if (wish->value && *wish->value)
		(void)lp_json_set_str(arena, taint, "value", wish->value);
	(void)lp_json_set_str(arena, taint, "effect", wish->effect);
}

/* Change the list by one wish: 1 changed, 0 as it was, or an error. */
static int
grant(struct lp_context *ctx, struct lp_json *taints, const struct wish *wish, const char *node)
{
	struct lp_json *next;
	bool found = false;

	for (struct lp_json *taint = lp_json_first(taints); taint; taint = next) {
		next = taint->next;
		if (!fits(wish, taint))
			continue;
		found = true;
		if (!wish->remove && lp_text_same(lp_json_str(taint, "value") ?: "", wish->value ?: ""))
			return 0;
		if (!wish->remove && !o.overwrite)
			return lp_context_fail(ctx, -EEXIST, "node %s already has %s taint(s) with same effect(s) and --overwrite is false", node, wish->key);
		(void)lp_json_remove_child(taints, taint);
	}
	if (wish->remove)
		return found ? 1 : lp_context_fail(ctx, -ENOENT, "taint \"%s%s%s\" not found", wish->key, wish->effect ? ":" : "",
		    wish->effect ?: "");
	add_taint(&ctx->arena, taints, wish);
	return 1;
}

static int
taint_node(struct lp_context *ctx, const struct lp_json *node, void *arg)
{
	const struct wishes *wishes = arg;
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *patch = lp_json_new(arena, LP_JSON_OBJECT), *metadata = lp_json_set_object(arena, patch, "metadata");
	struct lp_json *spec = lp_json_set_object(arena, patch, "spec"), *taints;
	bool removed = true, changed = false;
	int rc = 0;

	/* The list is replaced whole: only if nobody changed it meanwhile. */
	(void)lp_json_set_str(arena, metadata, "resourceVersion", lp_object_resource_version(node));
	taints = lp_json_path(node, "spec.taints") ? lp_json_set(arena, spec, "taints", lp_json_copy(arena, lp_json_path(node, "spec.taints"))) :
	    lp_json_set_array(arena, spec, "taints");
	for (size_t i = 0; i < wishes->count && rc >= 0; i++) {
		rc = grant(ctx, taints, &wishes->items[i], lp_object_name(node));
		changed |= rc > 0;
		removed &= wishes->items[i].remove;
	}
	if (rc < 0)
		return rc;
	if (!lp_json_first(taints))
		(void)lp_json_set(arena, spec, "taints", lp_json_new(arena, LP_JSON_NULL));
	rc = changed ? send_patch(ctx, node, patch) : 0;
	if (rc == 0)
		(void)printf("node/%s %s\n", lp_object_name(node), !changed ? "not tainted" : removed ? "untainted" : "tainted");
	return rc;
}

static int
taint(struct lp_context *ctx)
{
	struct wishes wishes = { .count = 0 };
	int first = 0, names = 0, rc;

	if (ctx->count && lp_kind_by_word(ctx->words[0]) == node_kind())
		first = 1;
	for (int i = first; i < ctx->count; i++) {
		size_t len = strlen(ctx->words[i]);
		bool change = strchr(ctx->words[i], ':') || strchr(ctx->words[i], '=') || (len && ctx->words[i][len - 1] == '-');

		if (!change && wishes.count == 0) {
			names++;
			continue;
		}
		if (wishes.count == WISHES_MAX)
			return lp_context_usage(ctx, "more than %d taints", WISHES_MAX);
		rc = parse_wish(ctx, ctx->words[i], &wishes.items[wishes.count++]);
		if (rc < 0)
			return rc;
	}
	if (!wishes.count)
		return lp_context_usage(ctx, "at least one taint update is required");
	if (!names && !o.labels && !o.all)
		return lp_context_usage(ctx, "a node's name is required");
	return each_node(ctx, ctx->words + first, names, taint_node, &wishes);
}

int
lp_taint_run(int argc, char **argv)
{
	static const struct lp_help help = {
		"limpet taint node NAME KEY=VALUE:EFFECT... KEY:EFFECT-... [options]",
		"Sets taints of nodes; a minus at the end removes one. Effects: NoSchedule, PreferNoSchedule, NoExecute.",
		"limpet taint node n1 node-role.kubernetes.io/master=:NoSchedule",
	};

	return lp_context_main(&help, opts, argc, argv, taint);
}

int
lp_taint_cordon(int argc, char **argv)
{
	static const struct lp_help help = { "limpet cordon NODE... [options]", "Lets no new pods onto a node.", "limpet cordon n1" };

	return lp_context_main(&help, opts, argc, argv, cordon);
}

int
lp_taint_uncordon(int argc, char **argv)
{
	static const struct lp_help help = { "limpet uncordon NODE... [options]", "Lets pods onto a node again.", "limpet uncordon n1" };

	return lp_context_main(&help, opts, argc, argv, uncordon);
}
