/*
 * manager/sign/sign_join.c - a device gets its certificate, and a new one before the old one is too old.
 *
 * Rule    a node's key is its identity: the Node object remembers it (annotation limpet.dev/key), another key with the same
 *         name is refused until the object is deleted, and a deleted object takes the device's rights away
 * Order   the token's use is taken first, durably; then the Node is made or claimed; then the certificate is signed.
 *         What fails on the way gives the use back
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "manager/change/change.h"
#include "manager/request/write.h"
#include "manager/sign/sign_inside.h"
#include "specs/object.h"

#define KEY_ANNOTATION "limpet.dev/key"
#define NODE_MS        (365 * LP_SIGN_DAY_MS)
#define PEM_MAX        (64u << 10)

/* What a join waits with while its Node is stored; in the request's arena. */
struct join {
	struct lp_cert_key *key;
	const char *node;
	char token[LP_SIGN_ID];
};

static int
node_sign(struct lp_sign *sign, const char *node, const struct lp_cert_key *key, struct lp_buf *out, struct lp_err *err)
{
	static const char *const groups[] = { "system:nodes", NULL };
	char name[LP_CERT_NAME];
	struct lp_cert_profile profile = { .name = name, .groups = groups, .uses = LP_CERT_CLIENT,
		.not_after_ms = lp_clock_trusted_ms() + NODE_MS };

	(void)snprintf(name, sizeof(name), "system:node:%s", node);
	return lp_cert_sign(sign->ca_pem, sign->ca_key, key, &profile, out, err);
}

static int
certificate_reply(struct lp_request *request, const char *node, const struct lp_cert_key *key, struct lp_err *err)
{
	struct lp_sign *sign = request->manager->sign;
	lp_auto_buf struct lp_buf pem;
	struct lp_json *answer;
	char time[LP_CLOCK_TEXT];
	int rc;

	lp_buf_init(&pem, PEM_MAX);
	rc = node_sign(sign, node, key, &pem, err);
	if (rc < 0)
		return rc;
	lp_clock_print(lp_clock_trusted_ms(), time);
	answer = lp_json_new(&request->arena, LP_JSON_OBJECT);
	lp_json_set_str(&request->arena, answer, "certificate", pem.data);
	lp_json_set_str(&request->arena, answer, "ca", sign->ca_pem);
	lp_json_set_str(&request->arena, answer, "fleetKey", sign->fleet_pem);
	lp_json_set_str(&request->arena, answer, "nodeName", node);
	lp_json_set_str(&request->arena, answer, "time", time);
	if (request->arena.failed)
		return lp_err_set(err, -ENOMEM, "certificate");
	lp_request_reply(request, 200, answer);
	return 0;
}

static struct lp_cached *
node_find(struct lp_manager *manager, const char *name)
{
	return lp_cache_find(manager->cache, lp_kind_find("v1", "Node"), NULL, name);
}

/* 0: the node is there with this key; -ENOENT: no such node; -ENOKEY: it has no key yet; -EKEYREJECTED: another key. */
static int
node_key_check(struct lp_cached *node, const uint8_t spki[static LP_DIGEST_BYTES])
{
	char want[LP_DIGEST_TEXT];
	const char *have;

	if (!node)
		return -ENOENT;
	have = lp_object_annotation(lp_cached_json(node), KEY_ANNOTATION);
	if (!have)
		return -ENOKEY;
	lp_digest_text(spki, want);
	return strcmp(have, want) == 0 ? 0 : -EKEYREJECTED;
}

bool
lp_sign_admit(void *arg, const struct lp_cert_identity *peer)
{
	struct lp_manager *manager = arg;

	if (!lp_text_starts(peer->name, "system:node:"))
		return true;
	return node_key_check(node_find(manager, peer->name + strlen("system:node:")), peer->spki) != -EKEYREJECTED;
}

int
lp_sign_check_node(struct lp_manager *manager, const struct lp_cert_identity *peer, struct lp_err *err)
{
	const char *name = peer->name + strlen("system:node:");
	int rc = lp_text_starts(peer->name, "system:node:") ? node_key_check(node_find(manager, name), peer->spki) : -ENOENT;

	if (rc == -ENOENT || rc == -ENOKEY)
		return lp_err_say(err, -EACCES, "node %s is not known here (it was deleted): join again with a new token", name);
	if (rc < 0)
		return lp_err_say(err, -EACCES, "node %s belongs to another key", name);
	return 0;
}

/* ---- join */

static void
refused(const struct lp_request *request, const char *why)
{
	static struct lp_log_limit limit;

	if (lp_log_allowed(&limit))
		lp_log(LP_LOG_WARN, "a device was not admitted", "remote=%s why=\"%s\"", request->call ? request->call->remote : "gone", why);
}

static void
join_end(struct lp_request *request, struct join *join, const struct lp_err *err, int code)
{
	struct lp_sign *sign = request->manager->sign;

	if (err) {
		lp_sign_token_give_back(sign, join->token);
		lp_request_fail(request, code, err);
		refused(request, err->text);
	} else {
		lp_log(LP_LOG_INFO, "a device joined", "node=%s token=%s", join->node, join->token);
	}
	lp_cert_key_free(join->key);
	join->key = NULL;
}

static void
node_stored(struct lp_change *change, int64_t now_ms)
{
	struct lp_request *request = change->arg;
	struct join *join = request->own;
	const char *words = lp_json_str(change->status, "message");
	struct lp_err err = { 0 };

	(void)now_ms;
	if (change->status) {
		(void)lp_err_say(&err, -EIO, "%s", words ? words : "the node was not stored");	/* answered below */
		join_end(request, join, &err, (int)lp_json_int(change->status, "code", 500));
	} else if (certificate_reply(request, join->node, join->key, &err) < 0) {
		join_end(request, join, &err, 500);
	} else {
		join_end(request, join, NULL, 0);
	}
	lp_request_release(request);
}

/* A new Node, or the key for one that an operator made before. */
static struct lp_change *
node_change(struct lp_request *request, struct lp_cached *there, const char *name, const char *key)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Node");
	struct lp_change *change = lp_change_new(request->manager, there ? LP_CHANGE_PATCH : LP_CHANGE_CREATE, kind);
	struct lp_json *node, *metadata;

	if (!change)
		return NULL;
	change->name = lp_arena_str(&change->arena, name);
	node = there ? lp_json_new(&change->arena, LP_JSON_OBJECT) : lp_object_new(&change->arena, kind, "", name);
	metadata = lp_json_need_object(&change->arena, node, "metadata");
	lp_json_set_str(&change->arena, lp_json_set_object(&change->arena, metadata, "annotations"), KEY_ANNOTATION, key);
	if (!there) {
		struct lp_json *labels = lp_json_set_object(&change->arena, metadata, "labels");

		lp_json_set_str(&change->arena, labels, "kubernetes.io/hostname", name);
		lp_json_set_str(&change->arena, labels, "kubernetes.io/os", "linux");
		lp_json_set_object(&change->arena, node, "spec");
	} else {
		change->uid = lp_arena_str(&change->arena, there->uid);
	}
	change->body = node;
	change->ours = true;
	if (change->arena.failed) {
		lp_change_free(change);
		return NULL;
	}
	return change;
}

static void
join_go(struct lp_request *request, struct join *join, const uint8_t *spki)
{
	struct lp_cached *there = node_find(request->manager, join->node);
	struct lp_change *change;
	char key[LP_DIGEST_TEXT];
	struct lp_err err = { 0 };
	int rc = node_key_check(there, spki);

	if (rc == -EKEYREJECTED) {
		(void)lp_err_say(&err, -EEXIST, "node %s belongs to another device: delete the node object first, or choose another name", join->node);
		join_end(request, join, &err, 409);
		return;
	}
	if (rc == 0) {
		if (certificate_reply(request, join->node, join->key, &err) < 0)
			join_end(request, join, &err, 500);
		else
			join_end(request, join, NULL, 0);
		return;
	}
	lp_digest_text(spki, key);
	change = node_change(request, there, join->node, key);
	if (!change) {
		(void)lp_err_set(&err, -ENOMEM, "join");	/* answered */
		join_end(request, join, &err, 500);
		return;
	}
	change->done = node_stored;
	change->arg = request;
	request->own = join;
	lp_request_hold(request);
	lp_change_start(change, request->now_ms);
}

void
lp_sign_join(struct lp_request *request)
{
	struct join *join = lp_arena_alloc(&request->arena, sizeof(*join));
	struct lp_cert_identity asked;
	struct lp_json *body = NULL;
	const char *token, *csr;
	struct lp_err err = { 0 };
	int rc;

	if (lp_write_body(request, &body) < 0)
		return;
	token = lp_json_str(body, "token");
	csr = lp_json_str(body, "csr");
	if (!join || !token || !csr || !lp_json_str(body, "nodeName")) {
		lp_request_refuse(request, lp_status_make(&request->arena, 400, NULL, "token, nodeName and csr are required"));
		return;
	}
	join->node = lp_json_str(body, "nodeName");
	if (!lp_text_is_dns_subdomain(join->node) || strlen(join->node) > 200) {
		lp_request_refuse(request, lp_status_make(&request->arena, 400, NULL, "nodeName is not a DNS name"));
		return;
	}
	rc = lp_sign_token_use(request->manager->sign, token, join->token, &err);
	if (rc < 0) {
		lp_request_fail(request, rc == -EACCES ? 403 : 500, &err);
		refused(request, err.text);
		return;
	}
	if (lp_cert_request_read(csr, &asked, &join->key, &err) < 0) {
		join_end(request, join, &err, 400);
		return;
	}
	join_go(request, join, asked.spki);
}

/* ---- renew */

void
lp_sign_renew(struct lp_request *request)
{
	struct lp_cert_identity asked;
	struct lp_cert_key *key = NULL;
	struct lp_json *body = NULL;
	const char *csr;
	struct lp_err err = { 0 };
	int rc = lp_sign_check_node(request->manager, request->call->peer, &err);

	if (rc < 0) {
		lp_request_fail(request, 403, &err);
		return;
	}
	if (lp_write_body(request, &body) < 0)
		return;
	csr = lp_json_str(body, "csr");
	rc = csr ? lp_cert_request_read(csr, &asked, &key, &err) : lp_err_say(&err, -EINVAL, "csr is required");
	/* The key is the identity: only the holder of the node's own key gets a new certificate for it. */
	if (rc == 0 && !lp_digest_same(asked.spki, request->call->peer->spki, LP_DIGEST_BYTES))
		rc = lp_err_say(&err, -EINVAL, "the signing request is for another key than the connection's");
	if (rc == 0)
		rc = certificate_reply(request, request->user.node, key, &err);
	if (rc < 0)
		lp_request_fail(request, rc == -EINVAL || rc == -EKEYREJECTED ? 400 : 500, &err);
	lp_cert_key_free(key);
}
