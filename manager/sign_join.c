/*
 * manager/sign_join.c - a device's first certificate, and every next one (sign.h).
 *
 * Order   token, name and request are looked at; the Node object is made, or its key annotation compared; the token is used up;
 *         only then the certificate is signed and sent. A crash in between costs at most a token
 * Same    a name that another key holds is refused until its Node object is deleted; the same key may join again
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "manager/change.h"
#include "manager/sign_state.h"
#include "specs/object.h"
#include "specs/status.h"

enum { PEM_MAX = 64 << 10 };

/* A leaf is short: it is renewed at two thirds, and an expired one may still renew. */
#define LEAF_LIFE_MS (90 * INT64_C(86400000))

struct join {
	struct lp_request *request;
	char token_id[LP_SIGN_TOKEN_ID];	/* "" for a renewal */
	const char *name;
	struct lp_cert_key *key;		/* the device's public half */
	uint8_t spki[LP_DIGEST_BYTES];
};

static void
refuse(struct lp_request *request, int code, const char *message)
{
	static struct lp_log_limit limit;

	if (lp_log_allowed(&limit))
		lp_log(LP_LOG_WARN, "a device was refused", "path=%s from=%s why=\"%s\"", request->asked.path ? request->asked.path : "",
		    request->call ? request->call->remote : "gone", message);
	lp_request_refuse(request, lp_status_make(&request->arena, code, NULL, message));
}

static int
code_of(int rc)
{
	return rc == -EACCES ? 401 : rc == -EINVAL || rc == -EKEYREJECTED ? 400 : 500;
}

/* The answer to both: certificate, authority, fleet key, time. */
static void
answer(struct lp_request *request, const char *name, const struct lp_cert_key *key)
{
	static const char *const groups[] = { "system:nodes", NULL };
	struct lp_sign *sign = request->manager->sign;
	struct lp_arena *arena = &request->arena;
	struct lp_cert_profile profile = { .name = lp_arena_printf(arena, "system:node:%s", name), .groups = groups,
		.uses = LP_CERT_CLIENT, .not_after_ms = lp_clock_trusted_ms() + LEAF_LIFE_MS };
	lp_auto_buf struct lp_buf chain;
	lp_auto_buf struct lp_buf fleet;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT);
	char time[LP_CLOCK_TEXT];
	struct lp_err err = { 0 };

	lp_buf_init(&chain, PEM_MAX);
	lp_buf_init(&fleet, PEM_MAX);
	if (!profile.name || lp_sign_certificate(sign, key, &profile, &chain, &err) < 0 ||
	    lp_buf_str(&chain, sign->authority.certificate) < 0 || lp_cert_key_public_pem(sign->fleet.key, &fleet, &err) < 0) {
		refuse(request, 500, err.text);
		return;
	}
	lp_clock_print(lp_clock_trusted_ms(), time);
	lp_json_set_str(arena, json, "certificate", chain.data);
	lp_json_set_str(arena, json, "ca", sign->authority.certificate);
	lp_json_set_str(arena, json, "fleetKey", fleet.data);
	lp_json_set_str(arena, json, "nodeName", name);
	lp_json_set_str(arena, json, "time", time);
	lp_request_reply(request, 200, json);
}

static struct lp_json *
read_json(struct lp_request *request)
{
	struct lp_json *body;
	struct lp_err err;

	if (lp_json_parse(&request->arena, lp_buf_text(&request->call->body), request->call->body.len, NULL, &body, &err) < 0) {
		refuse(request, 400, err.text);
		return NULL;
	}
	return body;
}

/* ---- join */

static void
join_free(struct join *join)
{
	struct lp_request *request = join->request;

	lp_cert_key_free(join->key);
	lp_request_release(request);	/* the join lives in its arena */
}

static void
finish_join(struct join *join)
{
	struct lp_request *request = join->request;
	struct lp_err err;
	int rc = lp_sign_token_use(request->manager->sign, join->token_id, &err);

	if (rc < 0)
		refuse(request, code_of(rc), err.text);
	else
		answer(request, join->name, join->key);
	if (rc == 0)
		lp_log(LP_LOG_INFO, "a device joined", "node=%s token=%s", join->name, join->token_id);
	join_free(join);
}

static void
give_up(struct join *join, int code, const char *message)
{
	lp_sign_token_release(join->request->manager->sign, join->token_id);
	refuse(join->request, code, message);
	join_free(join);
}

/* Is the Node there with this key? Or made by somebody else, and still without one? */
static void
node_there(struct join *join)
{
	struct lp_manager *manager = join->request->manager;

	if (lp_sign_node_has_key(manager, join->name, join->spki))
		finish_join(join);
	else
		give_up(join, 409, lp_arena_printf(&join->request->arena, "a node named %s with another key has joined before; "
		    "delete its Node object to give the name away", join->name));
}

static void
node_made(struct lp_change *change, int64_t now_ms)
{
	struct join *join = change->arg;
	const char *message = lp_json_str(change->status, "message");

	(void)now_ms;			/* nothing here depends on it */
	if (!change->status || lp_json_int(change->status, "code", 500) == 409)
		node_there(join);
	else
		give_up(join, (int)lp_json_int(change->status, "code", 500), message ? message : "the Node object could not be made");
}

static struct lp_json *
node_object(struct lp_arena *arena, const struct join *join)
{
	struct lp_json *node = lp_object_new(arena, lp_kind_find("v1", "Node"), "", join->name), *metadata;
	char text[LP_DIGEST_TEXT];

	lp_digest_text(join->spki, text);
	metadata = lp_json_get(node, "metadata");
	lp_json_set_str(arena, lp_json_set_object(arena, metadata, "annotations"), LP_SIGN_KEY_ANNOTATION, text);
	lp_json_set_str(arena, lp_json_set_object(arena, metadata, "labels"), "kubernetes.io/hostname", join->name);
	return node;
}

/* A Node object that an operator wrote beforehand takes the first key that joins under its name. */
static void
make_node(struct join *join)
{
	struct lp_request *request = join->request;
	struct lp_manager *manager = request->manager;
	const struct lp_kind *kind = lp_kind_find("v1", "Node");
	struct lp_cached *there = lp_cache_find(manager->cache, kind, NULL, join->name);
	bool keyless = there && !lp_object_annotation(lp_cached_json(there), LP_SIGN_KEY_ANNOTATION);
	struct lp_change *change;

	if (there && !keyless) {
		node_there(join);
		return;
	}
	change = lp_change_new(manager, keyless ? LP_CHANGE_PATCH : LP_CHANGE_CREATE, kind);
	if (!change) {
		give_up(join, 500, "out of memory");
		return;
	}
	change->name = join->name;
	change->uid = keyless ? there->uid : NULL;
	change->body = node_object(&change->arena, join);
	change->ours = true;
	change->done = node_made;
	change->arg = join;
	if (keyless)
		(void)lp_json_remove(lp_json_get(change->body, "metadata"), "labels");	/* the operator's stay */
	lp_change_start(change, request->now_ms);
}

void
lp_sign_join(struct lp_request *request)
{
	struct join *join = lp_arena_alloc(&request->arena, sizeof(*join));
	struct lp_json *body = read_json(request);
	const char *token = lp_json_str(body, "token"), *csr = lp_json_str(body, "csr");
	struct lp_cert_identity identity;
	struct lp_err err = { 0 };
	int rc;

	if (!body)
		return;
	if (!join || !token || !csr) {
		refuse(request, 400, "token, nodeName and csr are needed");
		return;
	}
	join->request = request;
	join->name = lp_json_str(body, "nodeName");
	if (!join->name || !lp_text_is_dns_subdomain(join->name)) {
		refuse(request, 400, "nodeName: a lowercase DNS name is needed");
		return;
	}
	rc = lp_cert_request_read(csr, &identity, &join->key, &err);
	if (rc < 0) {
		refuse(request, 400, err.text);
		return;
	}
	rc = lp_cert_key_spki(join->key, join->spki, &err);
	if (rc == 0)
		rc = lp_sign_token_reserve(request->manager->sign, token, join->token_id, &err);
	if (rc < 0) {
		lp_cert_key_free(join->key);
		refuse(request, code_of(rc), err.text);
		return;
	}
	lp_request_hold(request);
	make_node(join);
}

/* ---- renew */

void
lp_sign_renew(struct lp_request *request)
{
	const struct lp_cert_identity *peer = request->call->peer;
	struct lp_json *body = read_json(request);
	const char *csr = lp_json_str(body, "csr");
	struct lp_cert_identity identity;
	uint8_t spki[LP_DIGEST_BYTES];
	struct lp_cert_key *key = NULL;
	struct lp_err err = { 0 };

	if (!body)
		return;
	if (!csr || !peer || !request->user.node) {
		refuse(request, 400, "csr, and a node's certificate on the connection, are needed");
		return;
	}
	if (!lp_sign_node_has_key(request->manager, request->user.node, peer->spki)) {
		refuse(request, 403, "this key speaks for no node any more");
		return;
	}
	if (lp_cert_request_read(csr, &identity, &key, &err) < 0 || lp_cert_key_spki(key, spki, &err) < 0)
		refuse(request, 400, err.text);
	else if (!lp_digest_same(spki, peer->spki, sizeof(spki)))
		refuse(request, 403, "the request is for another key than the connection's");
	else
		answer(request, request->user.node, key);
	lp_cert_key_free(key);
}
