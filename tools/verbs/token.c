/*
 * tools/verbs/token.c - `token create|list|delete`: what lets a new device in, once and for a while.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "tools/verbs/all.h"
#include "tools/verbs/context.h"
#include "tools/verbs/output.h"
#include "tools/verbs/resource.h"
#include "tools/verbs/table.h"

#define TOKENS "/fleet/v1/tokens"

static struct {
	int64_t ttl_ms, uses;
	const char *user, *url;
	struct lp_opt_list groups;
	bool bare;
} o = { .ttl_ms = 3600000, .uses = 1 };

static const struct lp_opt opts[] = {
	{ "ttl",        0, LP_OPT_DURATION, &o.ttl_ms, "TIME",  "create: how long it may be used (default 1h)" },
	{ "uses",       0, LP_OPT_INT,      &o.uses,   "COUNT", "create: how many devices may use it (default 1)" },
	{ "user",       0, LP_OPT_STR,      &o.user,   "NAME",  "create: a bearer token for this person instead of a join token" },
	{ "group",      0, LP_OPT_LIST,     &o.groups, "NAME",  "create --user: a group of that person; may be given again" },
	{ "url",        0, LP_OPT_STR,      &o.url,    "URL",   "create: the manager's address as devices see it (default: as we do)" },
	{ "token-only", 0, LP_OPT_FLAG,     &o.bare,   NULL,    "create: print the token alone" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

static const struct lp_help help = {
	"limpet token create | list | delete ID... [options]",
	"Join tokens. `create` prints the line to run on the new device; the token carries the hash of the manager's authority.",
	"limpet token create --ttl 15m",
};

static int
create(struct lp_context *ctx)
{
	struct lp_arena *arena = &ctx->arena;
	struct lp_json *body = lp_json_new(arena, LP_JSON_OBJECT), *answer, *groups;
	const char *token;
	int rc;

	(void)lp_json_set_int(arena, body, "ttlSeconds", o.ttl_ms / 1000);
	if (o.user) {
		(void)lp_json_set_str(arena, body, "user", o.user);
		groups = lp_json_set_array(arena, body, "groups");
		for (size_t i = 0; i < o.groups.count; i++)
			(void)lp_json_append(arena, groups, lp_json_new_str(arena, o.groups.items[i]));
	} else {
		(void)lp_json_set_int(arena, body, "uses", o.uses);
	}
	rc = lp_context_call(ctx, "POST", TOKENS, NULL, body, &answer);
	if (rc < 0)
		return rc;
	token = lp_json_str(answer, "token");
	if (!token)
		return lp_err_say(&ctx->err, -EIO, "the server's answer has no token");
	if (o.bare || o.user)
		(void)printf("%s\n", token);
	else
		(void)printf("limpet join %s --token %s\n", o.url ? o.url : ctx->url, token);
	return 0;
}

static int
list(struct lp_context *ctx)
{
	static const char *const heads[] = { "ID", "USES", "USER", "EXPIRES" };
	struct lp_table table;
	struct lp_json *answer = NULL;
	lp_auto_buf struct lp_buf out = { 0 };
	int rc = lp_context_get(ctx, TOKENS, &answer);

	if (rc < 0)
		return rc;
	lp_table_init(&table, &ctx->arena, lp_count(heads));
	rc = lp_table_add(&table, heads);
	lp_json_each(token, lp_json_get(answer, "items")) {
		const char *expires = lp_json_str(token, "expires"), *user = lp_json_str(token, "user");
		char age[LP_TEXT_AGE] = "";
		int64_t when_ms;

		if (expires && lp_clock_parse(expires, &when_ms) == 0 && when_ms > lp_clock_wall_ms())
			lp_text_age((when_ms - lp_clock_wall_ms()) / 1000, age);
		const char *cells[] = {
			lp_json_str(token, "id"),
			user ? "-" : lp_arena_printf(&ctx->arena, "%" PRId64, lp_json_int(token, "uses", 0)),
			user ? user : "-",
			*age ? lp_arena_printf(&ctx->arena, "in %s", age) : "expired",
		};
		if (rc == 0)
			rc = lp_table_add(&table, cells);
	}
	lp_buf_init(&out, (size_t)16 << 20);
	if (rc == 0)
		rc = lp_table_print(&table, &out);
	return rc < 0 ? lp_err_set(&ctx->err, rc, "list tokens") : lp_output_flush(&out, &ctx->err);
}

static int
delete(struct lp_context *ctx)
{
	int failed = 0;

	if (ctx->count < 2)
		return lp_context_usage(ctx, "token delete takes at least one ID");
	for (int i = 1; i < ctx->count; i++) {
		lp_auto_buf struct lp_buf path = { 0 };
		const char *dot;
		int rc;

		/* A whole join token is fine too: its second part is the id. */
		dot = lp_text_starts(ctx->words[i], "lp1.") || lp_text_starts(ctx->words[i], "lpu.") ? ctx->words[i] + 4 : ctx->words[i];
		lp_buf_init(&path, 4096);
		(void)lp_buf_str(&path, TOKENS "/");
		(void)lp_http_escape(&path, lp_arena_mem(&ctx->arena, dot, strcspn(dot, ".")));
		rc = path.failed ? lp_err_set(&ctx->err, path.failed, "token") : lp_context_call(ctx, "DELETE", path.data, NULL, NULL, NULL);
		if (rc < 0) {
			lp_context_tell(ctx);
			failed = 1;
		} else {
			(void)printf("token \"%.*s\" deleted\n", (int)strcspn(dot, "."), dot);
		}
	}
	return failed;
}

static int
token(struct lp_context *ctx)
{
	const char *word = ctx->count ? ctx->words[0] : "";

	if (!strcmp(word, "create"))
		return ctx->count == 1 ? create(ctx) : lp_context_usage(ctx, "token create takes no words");
	if (!strcmp(word, "list") || !strcmp(word, "ls"))
		return ctx->count == 1 ? list(ctx) : lp_context_usage(ctx, "token list takes no words");
	if (!strcmp(word, "delete") || !strcmp(word, "rm"))
		return delete(ctx);
	return lp_context_usage(ctx, "token needs a command: create, list or delete");
}

int
lp_token_run(int argc, char **argv)
{
	return lp_context_main(&help, opts, argc, argv, token);
}
