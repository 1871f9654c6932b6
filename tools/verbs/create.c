/*
 * tools/verbs/create.c - `create -f`, `create namespace|configmap|secret generic NAME`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/all.h"
#include "tools/verbs/files.h"
#include "tools/verbs/output.h"
#include "tools/verbs/resource.h"

#define VALUE_MAX ((size_t)1 << 20)

static struct {
	struct lp_opt_list files, literals, from_files;
	const char *dry_run, *output, *type;
} o;

static const struct lp_opt opts[] = {
	{ "filename",     'f', LP_OPT_LIST,     &o.files,      "FILE",      "a file, a folder, or - for standard input; may be given again" },
	{ "from-literal", 0,   LP_OPT_LIST,     &o.literals,   "KEY=VALUE", "configmap, secret: one entry; may be given again" },
	{ "from-file",    0,   LP_OPT_LIST,     &o.from_files, "[KEY=]FILE", "configmap, secret: one entry with a file's content" },
	{ "type",         0,   LP_OPT_STR,      &o.type,       "TYPE",      "secret generic: its type (default Opaque)" },
	{ "dry-run",      0,   LP_OPT_STR_BARE, &o.dry_run,    "none|server|client", "say what would be done: by the server, or here" },
	{ "output",       'o', LP_OPT_STR,      &o.output,     "FORMAT",    "yaml, json, name or jsonpath=TEMPLATE instead of a sentence" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet create -f FILE | namespace NAME | configmap NAME | secret generic NAME [options]",
	"Makes new objects; what is there already is an error.",
	"limpet create configmap web --from-literal=colour=blue",
};

static int
tell(struct lp_context *ctx, const struct lp_kind *kind, const struct lp_json *result)
{
	const char *dry = o.dry_run ? (!strcmp(o.dry_run, "server") ? " (server dry run)" : !strcmp(o.dry_run, "client") ? " (dry run)" : "") : "";
	lp_auto_buf struct lp_buf out = { 0 };
	struct lp_output how;
	int rc = lp_output_parse(o.output, &how, &ctx->err);

	lp_buf_init(&out, (size_t)64 << 20);
	if (rc == 0 && how.mode != LP_OUTPUT_TABLE && how.mode != LP_OUTPUT_WIDE)
		rc = lp_output_print(&how, &ctx->arena, result, &out, &ctx->err);
	else if (rc == 0)
		rc = lp_buf_printf(&out, "%s created%s\n", lp_resource_title(&ctx->arena, kind, lp_object_name(result)), dry);
	return rc < 0 ? rc : lp_output_flush(&out, &ctx->err);
}

static int
post(struct lp_context *ctx, const struct lp_kind *kind, const char *namespace, struct lp_json *object, const char *source)
{
	const char *query = "fieldManager=kubectl-create&fieldValidation=Strict";
	struct lp_json *result = object;
	int rc = 0;

	(void)lp_json_remove(lp_json_get(object, "metadata"), "resourceVersion");	/* of where the file came from */
	if (o.dry_run && !strcmp(o.dry_run, "server"))
		query = lp_resource_query(&ctx->arena, query, "dryRun", "All");
	if (!o.dry_run || strcmp(o.dry_run, "client") != 0)
		rc = lp_context_call(ctx, "POST", lp_resource_path(&ctx->arena, kind, namespace, NULL, NULL, query), NULL, object, &result);
	if (rc < 0)
		return source ? lp_context_during(ctx, rc, "error when creating \"%s\"", source) : rc;
	return tell(ctx, kind, result);
}

static int
create_files(struct lp_context *ctx)
{
	struct lp_files files;
	int rc = lp_files_read(ctx, &o.files, &files), failures = 0;

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < files.count; i++) {
		struct lp_file_object *item = &files.items[i];

		if (item->namespace)
			(void)lp_json_set_str(&ctx->arena, lp_json_need_object(&ctx->arena, item->object, "metadata"), "namespace", item->namespace);
		rc = post(ctx, item->kind, item->namespace, item->object, item->source);
		if (rc < 0) {
			lp_context_tell(ctx);
			failures = 1;
		}
	}
	return failures;
}

/* ---- entries of configmaps and secrets */

static int
add_entry(struct lp_context *ctx, struct lp_json *object, bool secret, const char *key, const char *value, size_t len)
{
	struct lp_arena *arena = &ctx->arena;
	bool binary = secret || !lp_text_is_utf8(value, len) || memchr(value, '\0', len);
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, 2 * VALUE_MAX);
	if (binary && lp_text_base64_encode(&text, value, len) < 0)
		return lp_err_set(&ctx->err, -ENOMEM, "read %.100s", key);
	if (!binary && lp_buf_add(&text, value, len) < 0)
		return lp_err_set(&ctx->err, -ENOMEM, "read %.100s", key);
	struct lp_json *data = lp_json_need_object(arena, object, binary && !secret ? "binaryData" : "data");

	if (lp_json_get(data, key))
		return lp_context_fail(ctx, -EEXIST, "cannot add key \"%s\", another key by that name already exists", key);
	(void)lp_json_set_str(arena, data, key, lp_buf_text(&text));
	return 0;
}

static int
add_literal(struct lp_context *ctx, struct lp_json *object, bool secret, const char *word)
{
	const char *equals = strchr(word, '=');

	if (!equals || equals == word)
		return lp_context_usage(ctx, "invalid literal source %s, expected key=value", word);
	return add_entry(ctx, object, secret, lp_arena_mem(&ctx->arena, word, (size_t)(equals - word)), equals + 1, strlen(equals + 1));
}

static int
add_file(struct lp_context *ctx, struct lp_json *object, bool secret, const char *word)
{
	const char *equals = strchr(word, '='), *path = equals ? equals + 1 : word, *slash = strrchr(path, '/');
	const char *key = equals ? lp_arena_mem(&ctx->arena, word, (size_t)(equals - word)) : slash ? slash + 1 : path;
	lp_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	lp_auto_buf struct lp_buf text = { 0 };
	int rc;

	lp_buf_init(&text, VALUE_MAX);
	if (fd < 0)
		return lp_err_set(&ctx->err, -errno, "error reading %.150s", path);
	rc = lp_path_read_fd(fd, &text, &ctx->err);
	return rc < 0 ? rc : add_entry(ctx, object, secret, key, lp_buf_text(&text), text.len);
}

static int
create_named(struct lp_context *ctx)
{
	bool secret = !strcmp(ctx->words[0], "secret");
	const char *name = ctx->words[secret ? 2 : 1];
	const struct lp_kind *kind = lp_kind_by_word(ctx->words[0]);
	struct lp_json *object;
	const char *namespace;
	int rc = lp_context_connect(ctx);

	if (rc < 0)
		return rc;
	namespace = kind->namespaced ? ctx->namespace : NULL;
	object = lp_object_new(&ctx->arena, kind, namespace ? namespace : "", name);
	if (!object)
		return lp_err_set(&ctx->err, -ENOMEM, "create");
	if (secret)
		(void)lp_json_set_str(&ctx->arena, object, "type", o.type ? o.type : "Opaque");
	for (size_t i = 0; i < o.literals.count && rc == 0; i++)
		rc = add_literal(ctx, object, secret, o.literals.items[i]);
	for (size_t i = 0; i < o.from_files.count && rc == 0; i++)
		rc = add_file(ctx, object, secret, o.from_files.items[i]);
	return rc < 0 ? rc : post(ctx, kind, namespace, object, NULL);
}

static int
create(struct lp_context *ctx)
{
	static const char *const words[] = { "namespace", "ns", "configmap", "cm", "secret" };

	if (o.dry_run && strcmp(o.dry_run, "none") != 0 && strcmp(o.dry_run, "client") != 0 && strcmp(o.dry_run, "server") != 0)
		return lp_context_usage(ctx, "Invalid dry-run value (%s). Must be \"none\", \"server\", or \"client\".", o.dry_run);
	if (o.files.count)
		return ctx->count ? lp_context_usage(ctx, "Unexpected args: %s", ctx->words[0]) : create_files(ctx);
	if (ctx->count == 0)
		return lp_context_usage(ctx, "must specify -f or a kind and a name");
	for (size_t i = 0; i < lp_count(words); i++) {
		bool secret = !strcmp(ctx->words[0], "secret");

		if (strcmp(ctx->words[0], words[i]) != 0)
			continue;
		if (secret && (ctx->count < 2 || strcmp(ctx->words[1], "generic") != 0))
			return lp_context_usage(ctx, "create secret knows the type generic only");
		if (ctx->count != (secret ? 3 : 2))
			return lp_context_usage(ctx, "exactly one NAME is required, got %d", ctx->count - (secret ? 2 : 1));
		return create_named(ctx);
	}
	return lp_context_usage(ctx, "unknown kind \"%s\": namespace, configmap, secret generic, or -f FILE", ctx->words[0]);
}

int
lp_create_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, create);
}
