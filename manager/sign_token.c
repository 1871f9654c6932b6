/*
 * manager/sign_token.c - tokens: made, listed, used up, forgotten (sign_state.h).
 *
 * Shape   tokens/<id> is a state of JSON: {"type":"join"|"access","hash","created","expires" (ms since 1970),"uses","user","groups"}.
 *         The secret has 128 random bits, so a plain SHA-256 of it at rest gives nothing away
 * Used    a join token without uses left stays until a day after its end, so that who comes late hears what happened
 */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/state.h"
#include "base/text.h"
#include "manager/access.h"
#include "manager/sign_state.h"
#include "specs/status.h"

enum { SCHEMA = 1, RECORD_MAX = 16 << 10, SECRET_BYTES = 16, ID_BYTES = 6, USES_MAX = 100000, TOKENS_MAX = 10000 };

#define DEFAULT_TTL_S 3600
#define TTL_MAX_S (10 * 365 * INT64_C(86400))
#define REMEMBERED_MS INT64_C(86400000)

/* ---- records */

static int
read_record(struct lp_sign *sign, const char *id, struct lp_arena *arena, struct lp_json **out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, RECORD_MAX);
	rc = lp_state_read(sign->tokens_fd, id, SCHEMA, &text, NULL, err);
	return rc < 0 ? rc : lp_json_parse(arena, lp_buf_text(&text), text.len, NULL, out, err);
}

static int
write_record(struct lp_sign *sign, const char *id, const struct lp_json *record, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, RECORD_MAX);
	if (lp_json_write(&text, record) < 0)
		return lp_err_set(err, text.failed, "write token");
	return lp_state_write(sign->tokens_fd, id, SCHEMA, text.data, text.len, err);
}

/* "<prefix>.<id>.<secret>[.<more>]": the id, and the secret's digest in hex. */
static int
split(const char *token, const char *prefix, char out_id[static LP_SIGN_TOKEN_ID], char out_hash[static 2 * LP_DIGEST_BYTES + 1],
    const char **out_more)
{
	uint8_t id[ID_BYTES], digest[LP_DIGEST_BYTES];
	size_t len = strlen(prefix);
	const char *secret;

	if (strncmp(token, prefix, len) != 0 || token[len] != '.' || strlen(token) < len + 1 + 2 * ID_BYTES + 1)
		return -EINVAL;
	memcpy(out_id, token + len + 1, 2 * ID_BYTES);
	out_id[2 * ID_BYTES] = '\0';
	secret = token + len + 1 + 2 * ID_BYTES;
	if (lp_text_unhex(out_id, id, sizeof(id)) < 0 || *secret++ != '.')
		return -EINVAL;
	lp_digest(secret, strcspn(secret, "."), digest);
	lp_text_hex(digest, sizeof(digest), out_hash);
	*out_more = secret + strcspn(secret, ".");
	return 0;
}

/* The record whose secret this is. The same words for an unknown id and a wrong secret. */
static int
find(struct lp_sign *sign, const char *type, const char *id, const char *hash, struct lp_arena *arena, struct lp_json **out,
    struct lp_err *err)
{
	const char *has;
	int rc = read_record(sign, id, arena, out, err);

	if (rc == -ENOENT)
		return lp_err_say(err, -EACCES, "the token is not known to this manager");
	if (rc < 0)
		return rc;
	has = lp_json_str(*out, "hash");
	if (!has || strlen(has) != strlen(hash) || !lp_digest_same(has, hash, strlen(hash)) ||
	    !lp_text_same(lp_json_str(*out, "type"), type))
		return lp_err_say(err, -EACCES, "the token is not known to this manager");
	if (lp_json_int(*out, "expires", 0) <= lp_clock_trusted_ms())
		return lp_err_say(err, -EACCES, "the token has expired");
	return 0;
}

/* ---- joins under way: a use that is taken, but not yet written */

static size_t
reserved(struct lp_sign *sign, const char *id)
{
	return (size_t)(uintptr_t)lp_map_get(&sign->reserved, id);
}

static int
set_reserved(struct lp_sign *sign, const char *id, size_t count)
{
	if (count > 0)
		return lp_map_put(&sign->reserved, id, (void *)(uintptr_t)count, NULL);
	(void)lp_map_remove(&sign->reserved, id);	/* a number, nothing to free */
	return 0;
}

int
lp_sign_token_reserve(struct lp_sign *sign, const char *token, char out_id[static LP_SIGN_TOKEN_ID], struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	char hash[2 * LP_DIGEST_BYTES + 1];
	const char *more;
	struct lp_json *record;
	int rc;

	lp_arena_init(&arena, RECORD_MAX * 4);
	if (split(token, "lp1", out_id, hash, &more) < 0)
		return lp_err_say(err, -EACCES, "this is no join token");
	rc = find(sign, "join", out_id, hash, &arena, &record, err);
	if (rc < 0)
		return rc;
	if (lp_json_int(record, "uses", 0) <= (int64_t)reserved(sign, out_id))
		return lp_err_say(err, -EACCES, "the token was used already");
	if (set_reserved(sign, out_id, reserved(sign, out_id) + 1) < 0)
		return lp_err_set(err, -ENOMEM, "take the token");
	return 0;
}

void
lp_sign_token_release(struct lp_sign *sign, const char *id)
{
	if (reserved(sign, id) > 0)
		(void)set_reserved(sign, id, reserved(sign, id) - 1);	/* a smaller number needs no memory */
}

int
lp_sign_token_use(struct lp_sign *sign, const char *id, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_json *record;
	int rc;

	lp_arena_init(&arena, RECORD_MAX * 4);
	lp_sign_token_release(sign, id);
	rc = read_record(sign, id, &arena, &record, err);
	if (rc == -ENOENT)
		return lp_err_say(err, -EACCES, "the token was deleted meanwhile");
	if (rc < 0)
		return rc;
	if (lp_json_int(record, "uses", 0) <= 0)
		return lp_err_say(err, -EACCES, "the token was used already");
	lp_json_set_int(&arena, record, "uses", lp_json_int(record, "uses", 0) - 1);
	return arena.failed ? lp_err_set(err, -ENOMEM, "use the token") : write_record(sign, id, record, err);
}

int
lp_sign_bearer(struct lp_sign *sign, const char *token, struct lp_arena *arena, struct lp_user *out)
{
	char id[LP_SIGN_TOKEN_ID], hash[2 * LP_DIGEST_BYTES + 1];
	struct lp_json *record;
	const char *more;

	if (split(token, "lpa", id, hash, &more) < 0 || *more || find(sign, "access", id, hash, arena, &record, NULL) < 0)
		return -EACCES;
	out->name = lp_json_str(record, "user");
	lp_json_each (group, lp_json_get(record, "groups"))
		if (lp_json_text(group) && out->group_count < LP_ACCESS_GROUPS)
			out->groups[out->group_count++] = lp_json_text(group);
	return out->name ? 0 : -EACCES;
}

/* ---- the handler */

static void
refuse(struct lp_request *request, int code, const char *message)
{
	lp_request_refuse(request, lp_status_make(&request->arena, code, NULL, message));
}

struct listing {
	struct lp_request *request;
	struct lp_json *items;
	size_t count;
};

static bool
is_id(const char *name)
{
	uint8_t id[ID_BYTES];

	return strlen(name) == 2 * ID_BYTES && lp_text_unhex(name, id, sizeof(id)) == 0;
}

static void
set_time(struct lp_arena *arena, struct lp_json *row, const char *key, int64_t ms)
{
	char text[LP_CLOCK_TEXT];

	lp_clock_print(ms, text);
	lp_json_set_str(arena, row, key, text);
}

/* One record without its hash. */
static int
list_one(void *arg, const char *name)
{
	struct listing *listing = arg;
	struct lp_arena *arena = &listing->request->arena;
	struct lp_json *record, *row;

	if (!is_id(name) || read_record(listing->request->manager->sign, name, arena, &record, NULL) < 0)
		return 0;		/* another generation of the same state, or one that was deleted just now */
	listing->count++;
	if (!listing->items)
		return 0;
	row = lp_json_append(arena, listing->items, lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, row, "id", name);
	lp_json_set_str(arena, row, "type", lp_json_str(record, "type"));
	lp_json_set_int(arena, row, "uses", lp_json_int(record, "uses", 0));
	set_time(arena, row, "created", lp_json_int(record, "created", 0));
	set_time(arena, row, "expires", lp_json_int(record, "expires", 0));
	lp_json_set_bool(arena, row, "expired", lp_json_int(record, "expires", 0) <= lp_clock_trusted_ms());
	if (lp_json_str(record, "user"))
		lp_json_set_str(arena, row, "user", lp_json_str(record, "user"));
	return 0;
}

static void
list_tokens(struct lp_request *request)
{
	struct lp_json *json = lp_json_new(&request->arena, LP_JSON_OBJECT);
	struct listing listing = { .request = request };
	struct lp_err err;

	lp_json_set_str(&request->arena, json, "kind", "TokenList");
	lp_json_set_str(&request->arena, json, "apiVersion", "fleet.limpet.dev/v1");
	listing.items = lp_json_set_array(&request->arena, json, "items");
	if (lp_path_each(request->manager->sign->tokens_fd, list_one, &listing, &err) < 0)
		lp_request_fail(request, 500, &err);
	else
		lp_request_reply(request, 200, json);
}

/* Forget what has been over for a day. */
static int
forget_one(void *arg, const char *name)
{
	struct lp_sign *sign = arg;
	lp_auto_arena struct lp_arena arena;
	struct lp_json *record;

	lp_arena_init(&arena, RECORD_MAX * 4);
	if (is_id(name) && read_record(sign, name, &arena, &record, NULL) == 0 &&
	    lp_json_int(record, "expires", 0) + REMEMBERED_MS < lp_clock_trusted_ms())
		(void)lp_state_remove(sign->tokens_fd, name, NULL);	/* the next token tries again */
	return 0;
}

struct wish {
	int64_t ttl_s, uses;
	const char *user;		/* NULL: a join token */
	const struct lp_json *groups;
};

static int
read_wish(struct lp_request *request, struct wish *out)
{
	struct lp_http_call *call = request->call;
	struct lp_json *body = NULL;
	struct lp_err err;

	if (call->body.len > 0 && lp_json_parse(&request->arena, call->body.data, call->body.len, NULL, &body, &err) < 0) {
		lp_request_fail(request, 400, &err);
		return -EINVAL;
	}
	*out = (struct wish){ .ttl_s = lp_json_int(body, "ttlSeconds", DEFAULT_TTL_S), .uses = lp_json_int(body, "uses", 1),
		.user = lp_json_str(body, "user"), .groups = lp_json_get(body, "groups") };
	if (out->ttl_s < 1 || out->ttl_s > TTL_MAX_S || out->uses < 1 || out->uses > USES_MAX) {
		refuse(request, 400, "ttlSeconds must be between 1 and 10 years, uses between 1 and 100000");
		return -EINVAL;
	}
	if (out->user && (!*out->user || lp_text_starts(out->user, "system:node:"))) {
		refuse(request, 400, "user: a name that is not a node's is needed");
		return -EINVAL;
	}
	return 0;
}

static struct lp_json *
make_record(struct lp_arena *arena, const struct wish *wish, const char *secret)
{
	struct lp_json *record = lp_json_new(arena, LP_JSON_OBJECT);
	uint8_t digest[LP_DIGEST_BYTES];
	char hash[2 * LP_DIGEST_BYTES + 1];

	lp_digest(secret, strlen(secret), digest);
	lp_text_hex(digest, sizeof(digest), hash);
	lp_json_set_str(arena, record, "type", wish->user ? "access" : "join");
	lp_json_set_str(arena, record, "hash", hash);
	lp_json_set_int(arena, record, "created", lp_clock_trusted_ms());
	lp_json_set_int(arena, record, "expires", lp_clock_trusted_ms() + wish->ttl_s * 1000);
	lp_json_set_int(arena, record, "uses", wish->uses);
	if (wish->user)
		lp_json_set_str(arena, record, "user", wish->user);
	if (wish->user && wish->groups && wish->groups->type == LP_JSON_ARRAY)
		lp_json_set(arena, record, "groups", lp_json_copy(arena, wish->groups));
	return record;
}

static void
answer_new(struct lp_request *request, const struct wish *wish, const char *id, const char *secret, const struct lp_json *record)
{
	const struct lp_settings *settings = &request->manager->settings;
	const char *host = *settings->api_address ? settings->api_address : "127.0.0.1";
	struct lp_arena *arena = &request->arena;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT);
	char spki[LP_DIGEST_TEXT];

	lp_digest_text(request->manager->sign->spki, spki);
	lp_json_set_str(arena, json, "kind", "Token");
	lp_json_set_str(arena, json, "apiVersion", "fleet.limpet.dev/v1");
	lp_json_set_str(arena, json, "id", id);
	lp_json_set_str(arena, json, "type", lp_json_str(record, "type"));
	lp_json_set_str(arena, json, "token", wish->user ? lp_arena_printf(arena, "lpa.%s.%s", id, secret) :
	    lp_arena_printf(arena, "lp1.%s.%s.%s", id, secret, spki + strlen("sha256:")));
	lp_json_set_str(arena, json, "caHash", spki);
	lp_json_set_str(arena, json, "server", lp_arena_printf(arena, strchr(host, ':') ? "https://[%s]:%u" : "https://%s:%u", host,
	    settings->api_port));
	lp_json_set_int(arena, json, "uses", wish->uses);
	set_time(arena, json, "expires", lp_json_int(record, "expires", 0));
	lp_request_reply(request, 201, json);
}

static void
create_token(struct lp_request *request)
{
	struct lp_sign *sign = request->manager->sign;
	uint8_t id_bytes[ID_BYTES], secret_bytes[SECRET_BYTES];
	char id[2 * ID_BYTES + 1], secret[2 * SECRET_BYTES + 1];
	struct listing listing = { .request = request };
	struct lp_json *record;
	struct wish wish;
	struct lp_err err;

	if (read_wish(request, &wish) < 0)
		return;
	if (lp_path_each(sign->tokens_fd, forget_one, sign, &err) < 0 || lp_path_each(sign->tokens_fd, list_one, &listing, &err) < 0) {
		lp_request_fail(request, 500, &err);
		return;
	}
	if (listing.count >= TOKENS_MAX) {
		refuse(request, 429, "there are too many tokens, delete some");
		return;
	}
	lp_random(id_bytes, sizeof(id_bytes));
	lp_random(secret_bytes, sizeof(secret_bytes));
	lp_text_hex(id_bytes, sizeof(id_bytes), id);
	lp_text_hex(secret_bytes, sizeof(secret_bytes), secret);
	record = make_record(&request->arena, &wish, secret);
	if (request->arena.failed || write_record(sign, id, record, &err) < 0) {
		if (request->arena.failed)
			lp_err_set(&err, -ENOMEM, "make a token");
		lp_request_fail(request, 500, &err);
		return;
	}
	answer_new(request, &wish, id, secret, record);
	explicit_bzero(secret, sizeof(secret));
}

static void
delete_token(struct lp_request *request)
{
	struct lp_sign *sign = request->manager->sign;
	struct lp_json *record;
	struct lp_err err;

	if (!is_id(request->tail) || read_record(sign, request->tail, &request->arena, &record, NULL) < 0) {
		refuse(request, 404, "there is no such token");
		return;
	}
	if (lp_state_remove(sign->tokens_fd, request->tail, &err) < 0)
		lp_request_fail(request, 500, &err);
	else
		lp_request_reply(request, 200, lp_status_make(&request->arena, 200, NULL, ""));
}

void
lp_sign_tokens(struct lp_request *request)
{
	if (strcmp(request->asked.verb, "post") == 0)
		create_token(request);
	else if (strcmp(request->asked.verb, "delete") == 0)
		delete_token(request);
	else
		list_tokens(request);
}
