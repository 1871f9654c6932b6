/*
 * manager/sign/sign_token.c - tokens: made, listed, used, deleted; their secrets are hashed at rest.
 *
 * Forms   lp1.<id>.<secret>.<SHA-256 of the authority's public key info>  a device joins with it, so many times
 *         lpu.<id>.<secret>                                               a person or program, as a bearer token
 * Files   tokens/<id>, a state file: {"hash","expires","uses","user","groups"}
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/state.h"
#include "base/text.h"
#include "manager/request/write.h"
#include "manager/sign/sign_inside.h"

#define SCHEMA     1
#define FILE_MAX   (16u << 10)
#define TOKENS_MAX 10000
#define ID_BYTES   4
#define SECRET_LEN 32			/* hex digits of 128 bits */
#define TTL_MAX_S  (INT64_C(10) * 365 * 86400)
#define USES_MAX   1000000
#define KEEP_MS    (7 * LP_SIGN_DAY_MS)	/* an expired token's file */

/* ---- files */

static struct lp_json *
token_json(struct lp_arena *arena, const struct lp_sign_token *token)
{
	struct lp_json *doc = lp_json_new(arena, LP_JSON_OBJECT);
	char time[LP_CLOCK_TEXT];

	lp_clock_print(token->expires_ms, time);
	lp_json_set_str(arena, doc, "id", token->id);
	lp_json_set_str(arena, doc, "expires", time);
	if (*token->user) {
		struct lp_json *groups = lp_json_set_array(arena, doc, "groups");

		lp_json_set_str(arena, doc, "user", token->user);
		for (size_t i = 0; i < token->group_count; i++)
			lp_json_append(arena, groups, lp_json_new_str(arena, token->groups[i]));
	} else {
		lp_json_set_int(arena, doc, "uses", token->uses);
	}
	return doc;
}

static int
token_store(struct lp_sign *sign, const struct lp_sign_token *token, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_json *doc;
	char hash[LP_DIGEST_TEXT];

	lp_arena_init(&arena, 4 * FILE_MAX);
	lp_buf_init(&text, FILE_MAX);
	doc = token_json(&arena, token);
	lp_digest_text(token->hash, hash);
	lp_json_set_str(&arena, doc, "hash", hash);
	if (arena.failed || lp_json_write(&text, doc) < 0)
		return lp_err_set(err, -ENOMEM, "token");
	return lp_state_write(sign->tokens_fd, token->id, SCHEMA, text.data, text.len, err);
}

static bool
is_id(const char *text, size_t len)
{
	return len == 2 * ID_BYTES && strspn(text, "0123456789abcdef") >= len;
}

static void
groups_read(struct lp_sign_token *token, const struct lp_json *groups)
{
	lp_json_each(group, groups) {
		const char *text = lp_json_text(group);

		if (text && token->group_count < LP_ACCESS_GROUPS && strlen(text) < sizeof(token->groups[0]))
			memcpy(token->groups[token->group_count++], text, strlen(text) + 1);
	}
}

static int
token_load(void *arg, const char *name)
{
	struct lp_sign *sign = arg;
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	lp_auto_free struct lp_sign_token *token = NULL;
	struct lp_json *doc = NULL;
	struct lp_err err = { 0 };
	const char *expires, *hash;

	if (!is_id(name, strlen(name)))
		return 0;		/* an older generation of a state file */
	lp_arena_init(&arena, 4 * FILE_MAX);
	lp_buf_init(&text, FILE_MAX);
	token = lp_seam.alloc(sizeof(*token));
	if (!token)
		return -ENOMEM;
	if (lp_state_read(sign->tokens_fd, name, SCHEMA, &text, NULL, &err) < 0 ||
	    lp_json_parse(&arena, lp_buf_text(&text), text.len, NULL, &doc, &err) < 0) {
		lp_log(LP_LOG_WARN, "a token cannot be read, it admits nobody", "id=%s why=\"%s\"", name, err.text);
		return 0;
	}
	expires = lp_json_str(doc, "expires");
	hash = lp_json_str(doc, "hash");
	memcpy(token->id, name, strlen(name) + 1);
	(void)snprintf(token->user, sizeof(token->user), "%s", lp_json_str(doc, "user") ? lp_json_str(doc, "user") : "");
	groups_read(token, lp_json_get(doc, "groups"));
	token->uses = lp_json_int(doc, "uses", 0);
	if (!expires || !hash || lp_clock_parse(expires, &token->expires_ms) < 0 || lp_digest_parse(hash, token->hash) < 0) {
		lp_log(LP_LOG_WARN, "a token cannot be read, it admits nobody", "id=%s why=\"a member is missing\"", name);
		return 0;
	}
	lp_list_append(&sign->tokens, &token->link);
	token = NULL;
	return ++sign->token_count > TOKENS_MAX ? -E2BIG : 0;
}

int
lp_sign_tokens_load(struct lp_sign *sign, struct lp_err *err)
{
	int rc = lp_path_each(sign->tokens_fd, token_load, sign, err);

	return rc < 0 ? lp_err_set(err, rc, "read tokens") : 0;
}

static void
token_forget(struct lp_sign *sign, struct lp_sign_token *token)
{
	lp_list_remove(&token->link);
	sign->token_count--;
	free(token);
}

void
lp_sign_tokens_fini(struct lp_sign *sign)
{
	while (!lp_list_empty(&sign->tokens))
		token_forget(sign, lp_of(lp_list_first(&sign->tokens), struct lp_sign_token, link));
}

static int
token_remove(struct lp_sign *sign, struct lp_sign_token *token, struct lp_err *err)
{
	int rc = lp_state_remove(sign->tokens_fd, token->id, err);

	if (rc == 0)
		token_forget(sign, token);
	return rc;
}

/* ---- using */

static struct lp_sign_token *
token_find(struct lp_sign *sign, const char *id, size_t len)
{
	if (!is_id(id, len))
		return NULL;
	lp_list_each(link, &sign->tokens) {
		struct lp_sign_token *token = lp_of(link, struct lp_sign_token, link);

		if (memcmp(token->id, id, len) == 0)
			return token;
	}
	return NULL;
}

/* The token of "<prefix>.<id>.<secret>[.<rest>]" whose secret fits. */
static struct lp_sign_token *
token_match(struct lp_sign *sign, const char *text, const char *prefix, const char **out_rest)
{
	size_t before = strlen(prefix), len;
	const char *id = text + before, *secret;
	struct lp_sign_token *token;
	uint8_t hash[LP_DIGEST_BYTES];

	if (!lp_text_starts(text, prefix))
		return NULL;
	len = strcspn(id, ".");
	if (id[len] != '.')
		return NULL;
	secret = id + len + 1;
	token = token_find(sign, id, len);
	len = strcspn(secret, ".");
	if (!token || len != SECRET_LEN)
		return NULL;
	lp_digest(secret, len, hash);
	if (!lp_digest_same(hash, token->hash, sizeof(hash)))
		return NULL;
	*out_rest = secret + len;
	return token;
}

static bool
is_expired(const struct lp_sign_token *token, int64_t longer_than_ms)
{
	return token->expires_ms <= lp_clock_trusted_ms() - longer_than_ms;
}

/* What is wrong is told only to who knows the secret; for all others the token is unknown. */
int
lp_sign_token_use(struct lp_sign *sign, const char *text, char out_id[static LP_SIGN_ID], struct lp_err *err)
{
	const char *rest = "";
	struct lp_sign_token *token = token_match(sign, text, "lp1.", &rest);
	int rc;

	if (!token || *token->user)
		return lp_err_say(err, -EACCES, "the token is unknown here (mistyped, deleted or of another manager): ask for a new one (limpet token create)");
	if (token->uses <= 0)
		return lp_err_say(err, -EACCES, "the token was used already: ask for a new one (limpet token create)");
	if (is_expired(token, 0)) {
		char when[LP_CLOCK_TEXT];

		lp_clock_print(token->expires_ms, when);
		return lp_err_say(err, -EACCES, "the token expired at %s: ask for a new one (limpet token create)", when);
	}
	token->uses--;
	/* A used-up token stays in its file, so that it can be given back, be listed, and be known when it comes again. */
	rc = token_store(sign, token, err);
	if (rc < 0) {
		token->uses++;
		return rc;
	}
	memcpy(out_id, token->id, LP_SIGN_ID);
	return 0;
}

void
lp_sign_token_give_back(struct lp_sign *sign, const char *id)
{
	struct lp_sign_token *token = token_find(sign, id, strlen(id));
	struct lp_err err;

	if (!token)
		return;
	token->uses++;
	if (token_store(sign, token, &err) < 0)
		lp_log(LP_LOG_WARN, "a token's use was not given back on disk", "id=%s why=\"%s\"", id, err.text);
}

int
lp_sign_token_bearer(struct lp_sign *sign, const char *text, struct lp_arena *arena, struct lp_user *out)
{
	const char *rest = "";
	struct lp_sign_token *token = token_match(sign, text, "lpu.", &rest);

	if (!token || !*token->user || *rest || is_expired(token, 0))
		return -EACCES;
	out->name = lp_arena_str(arena, token->user);
	out->group_count = 0;
	for (size_t i = 0; i < token->group_count; i++)
		out->groups[out->group_count++] = lp_arena_str(arena, token->groups[i]);
	return arena->failed ? -EACCES : 0;
}

/* ---- the API */

/* Kept for a while, so that whoever comes late with one is told so; not when they stand in the way of new ones. */
static void
expired_remove(struct lp_sign *sign)
{
	int64_t keep_ms = sign->token_count < TOKENS_MAX ? KEEP_MS : 0;
	struct lp_err err;

	lp_list_each(link, &sign->tokens) {
		struct lp_sign_token *token = lp_of(link, struct lp_sign_token, link);

		if (is_expired(token, keep_ms) && token_remove(sign, token, &err) < 0)
			lp_log(LP_LOG_WARN, "an expired token was not removed", "why=\"%s\"", err.text);
	}
}

static void
tokens_list(struct lp_request *request)
{
	struct lp_sign *sign = request->manager->sign;
	struct lp_json *list = lp_json_new(&request->arena, LP_JSON_OBJECT), *items;

	lp_json_set_str(&request->arena, list, "kind", "TokenList");
	lp_json_set_str(&request->arena, list, "apiVersion", "fleet.limpet.dev/v1");
	items = lp_json_set_array(&request->arena, list, "items");
	lp_list_each(link, &sign->tokens)
		lp_json_append(&request->arena, items, token_json(&request->arena, lp_of(link, struct lp_sign_token, link)));
	lp_request_reply(request, 200, list);
}

static int
token_fill(struct lp_sign_token *token, const struct lp_json *body, struct lp_err *err)
{
	int64_t ttl_s = lp_json_int(body, "ttlSeconds", 3600);
	const char *user = lp_json_str(body, "user");

	token->uses = lp_json_int(body, "uses", 1);
	if (ttl_s < 1 || ttl_s > TTL_MAX_S)
		return lp_err_say(err, -EINVAL, "ttlSeconds must be between 1 and %" PRId64, TTL_MAX_S);
	if (token->uses < 1 || token->uses > USES_MAX)
		return lp_err_say(err, -EINVAL, "uses must be between 1 and %d", USES_MAX);
	if (user && (!*user || strlen(user) >= sizeof(token->user) || lp_text_starts(user, "system:node:")))
		return lp_err_say(err, -EINVAL, "user is empty, too long, or a node's name");
	if (user)
		memcpy(token->user, user, strlen(user) + 1);
	groups_read(token, lp_json_get(body, "groups"));
	if (token->group_count != lp_json_count(lp_json_get(body, "groups")))
		return lp_err_say(err, -EINVAL, "groups has more than %d names, or too long ones", LP_ACCESS_GROUPS);
	/* Whole seconds, as it is printed and stored: a token that is listed as expired is. */
	token->expires_ms = ((lp_clock_trusted_ms() + 999) / 1000 + ttl_s) * 1000;
	return 0;
}

static void
token_answer(struct lp_request *request, const struct lp_sign_token *token, const char *secret)
{
	struct lp_json *answer = token_json(&request->arena, token);
	char spki[2 * LP_DIGEST_BYTES + 1], hash[LP_DIGEST_TEXT];

	lp_text_hex(request->manager->sign->ca_spki, LP_DIGEST_BYTES, spki);
	lp_digest_text(request->manager->sign->ca_spki, hash);
	lp_json_set_str(&request->arena, answer, "kind", "Token");
	lp_json_set_str(&request->arena, answer, "apiVersion", "fleet.limpet.dev/v1");
	lp_json_set_str(&request->arena, answer, "token", *token->user ? lp_arena_printf(&request->arena, "lpu.%s.%s", token->id, secret) :
	    lp_arena_printf(&request->arena, "lp1.%s.%s.%s", token->id, secret, spki));
	lp_json_set_str(&request->arena, answer, "caHash", hash);
	lp_request_reply(request, 201, answer);
}

static void
tokens_create(struct lp_request *request)
{
	struct lp_sign *sign = request->manager->sign;
	lp_auto_free struct lp_sign_token *token = lp_seam.alloc(sizeof(*token));
	uint8_t id[ID_BYTES], random[SECRET_LEN / 2];
	char secret[SECRET_LEN + 1];
	struct lp_json *body = NULL;
	struct lp_err err = { 0 };

	if (lp_write_body(request, &body) < 0)
		return;
	if (!token) {
		lp_request_refuse(request, NULL);
		return;
	}
	expired_remove(sign);
	if (sign->token_count >= TOKENS_MAX) {
		lp_request_refuse(request, lp_status_make(&request->arena, 429, NULL, "too many tokens: delete some first"));
		return;
	}
	do {
		lp_random(id, sizeof(id));
		lp_text_hex(id, sizeof(id), token->id);
	} while (token_find(sign, token->id, strlen(token->id)));
	lp_random(random, sizeof(random));
	lp_text_hex(random, sizeof(random), secret);
	lp_digest(secret, SECRET_LEN, token->hash);
	if (token_fill(token, body, &err) < 0) {
		lp_request_fail(request, 400, &err);
		return;
	}
	if (token_store(sign, token, &err) < 0) {
		lp_request_fail(request, 500, &err);
		return;
	}
	token_answer(request, token, secret);
	lp_list_append(&sign->tokens, &token->link);
	sign->token_count++;
	token = NULL;
}

void
lp_sign_tokens(struct lp_request *request)
{
	struct lp_sign *sign = request->manager->sign;
	struct lp_sign_token *token;
	struct lp_err err = { 0 };

	if (strcmp(request->call->method, "GET") == 0) {
		tokens_list(request);
		return;
	}
	if (strcmp(request->call->method, "POST") == 0) {
		tokens_create(request);
		return;
	}
	token = token_find(sign, request->tail, strlen(request->tail));
	if (!token)
		lp_request_refuse(request, lp_status_make(&request->arena, 404, NULL, "there is no token of this id"));
	else if (token_remove(sign, token, &err) < 0)
		lp_request_fail(request, 500, &err);
	else
		lp_request_reply(request, 200, lp_status_make(&request->arena, 200, NULL, ""));
}
