#include "agent/link/enroll.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/opts.h"
#include "base/path.h"
#include "base/state.h"
#include "base/text.h"
#include "wire/cert.h"
#include "wire/client.h"
#include "wire/http.h"
#include "wire/tls.h"

enum { TOKEN_MAX = 512, TIMEOUT_MS = 30000, BODY_MAX = 64 << 10, WORDS_MAX = 32, SCHEMA = 1 };

int
lp_enroll_token(const char *token, struct lp_enroll_token *out, struct lp_err *err)
{
	const char *id = lp_text_starts(token, "lp1.") ? token + 4 : NULL;
	const char *secret = id ? strchr(id, '.') : NULL, *hash = secret ? strchr(secret + 1, '.') : NULL;

	if (!hash || secret == id || hash == secret + 1 || (size_t)(secret - id) >= sizeof(out->id) ||
	    lp_text_unhex(hash + 1, out->pin, sizeof(out->pin)) < 0)
		return lp_err_say(err, -EINVAL,
		    "this is no join token: it should read lp1.<id>.<secret>.<hash>; `limpet token create` on the manager prints one");
	memcpy(out->id, id, (size_t)(secret - id));
	out->id[secret - id] = '\0';
	return 0;
}

int
lp_enroll_hash(const char *ca_hash, const struct lp_enroll_token *token, struct lp_err *err)
{
	uint8_t wanted[LP_DIGEST_BYTES];
	const char *hex = lp_text_starts(ca_hash, "sha256:") ? ca_hash + 7 : ca_hash;

	if (lp_text_unhex(hex, wanted, sizeof(wanted)) < 0)
		return lp_err_say(err, -EINVAL, "--ca-hash %s is no SHA-256: it should read sha256:<64 hex digits>", ca_hash);
	if (!lp_digest_same(wanted, token->pin, sizeof(wanted)))
		return lp_err_say(err, -EKEYREJECTED,
		    "--ca-hash and the token name different certificate authorities: nothing was sent; ask for a new token");
	return 0;
}

/* ---- the exchange */

static int
request_pem(const struct lp_cert_key *key, const char *node, struct lp_buf *out, struct lp_err *err)
{
	static const char *const groups[] = { "system:nodes", NULL };
	char name[LP_CERT_NAME];

	(void)snprintf(name, sizeof(name), "system:node:%s", node);
	return lp_cert_request(key, name, groups, out, err);
}

static int
join_body(const struct lp_enroll_join *how, const char *csr, struct lp_buf *out, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_json *body;

	lp_arena_init(&arena, BODY_MAX);
	body = lp_json_new(&arena, LP_JSON_OBJECT);
	(void)lp_json_set_str(&arena, body, "token", how->token);
	(void)lp_json_set_str(&arena, body, "nodeName", how->name);
	(void)lp_json_set_str(&arena, body, "csr", csr);
	if (arena.failed || lp_json_write(out, body) < 0)
		return lp_err_set(err, -ENOMEM, "join");
	return 0;
}

static int
post(const struct lp_enroll_join *how, const struct lp_enroll_token *token, const struct lp_buf *body, struct lp_client_answer *answer,
    struct lp_err *err)
{
	static const char *const alpn[] = { "http/1.1", NULL };
	struct lp_http_url url;
	struct lp_tls_config *tls = NULL;
	int rc = lp_http_url(how->url, &url, err);

	if (rc < 0)
		return rc;
	if (!url.tls)
		return lp_err_say(err, -EINVAL, "%s is not an https:// address: a device joins over TLS only", how->url);
	rc = lp_tls_config_client(&tls, &(struct lp_tls_client_opts){ .pin = token->pin, .alpn = alpn }, err);
	if (rc == 0)
		rc = lp_client_fetch(&(struct lp_client_opts){ .host = url.host, .port = url.port, .tls = tls,
			.name = LP_TLS_MANAGER_NAME },
		    &(struct lp_client_request){ .method = "POST", .path = "/fleet/v1/join", .type = "application/json",
			.body = body->data, .len = body->len, .timeout_ms = TIMEOUT_MS }, answer, err);
	lp_tls_config_free(tls);
	if (rc == -EKEYREJECTED) {	/* only a handshake ends so, and the token is sent after it */
		struct lp_err why = *err;

		return lp_err_say(err, rc, "join %s: this is not the manager of the token, so nothing of the token was sent: %s", how->url, why.text);
	}
	return rc < 0 ? lp_err_wrap(err, "join %s", how->url) : 0;
}

/* What came back must be for our key, our name, by the authority that the token named. */
static int
check_answer(const struct lp_identity *identity, const struct lp_cert_key *key, const uint8_t *pin, struct lp_err *err)
{
	struct lp_cert_identity leaf, ca;
	uint8_t ours[LP_DIGEST_BYTES];
	int rc = lp_cert_read(identity->certificate, &leaf, err);

	if (rc == 0)
		rc = lp_cert_read(identity->ca, &ca, err);
	if (rc == 0)
		rc = lp_cert_key_spki(key, ours, err);
	if (rc < 0)
		return rc;
	if (pin && !lp_digest_same(ca.spki, pin, sizeof(ca.spki)))
		return lp_err_say(err, -EKEYREJECTED, "the manager sent another certificate authority than the token names");
	if (!lp_digest_same(leaf.spki, ours, sizeof(ours)))
		return lp_err_say(err, -EKEYREJECTED, "the manager sent a certificate for another key");
	return lp_cert_check_time(leaf.not_before_ms, leaf.not_after_ms, err);
}

static int
read_answer(const char *text, size_t len, struct lp_identity *out, struct lp_err *err)
{
	struct lp_json *doc;
	const char *time;
	int64_t now_ms;
	int rc = lp_json_parse(&out->arena, text, len, NULL, &doc, err);

	if (rc < 0)
		return lp_err_wrap(err, "the manager's answer");
	out->certificate = lp_json_str(doc, "certificate");
	out->ca = lp_json_str(doc, "ca");
	out->fleet_key = lp_json_str(doc, "fleetKey");
	out->name = lp_json_str(doc, "nodeName");
	if (!out->certificate || !out->ca || !out->fleet_key || !out->name)
		return lp_err_say(err, -EPROTO, "the manager's answer holds no certificate");
	/* An authenticated peer's word on the time: a board without a clock starts from here (TRUST.md rule 16). */
	time = lp_json_str(doc, "time");
	if (time && lp_clock_parse(time, &now_ms) == 0)
		lp_clock_raise_floor(now_ms);
	return 0;
}

/* The message of a Kubernetes Status, or the number. */
static int
refused(const struct lp_client_answer *answer, const char *what, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_json *doc = NULL;
	const char *message = NULL;

	lp_arena_init(&arena, BODY_MAX);
	if (lp_json_parse(&arena, lp_buf_text(&answer->body), answer->body.len, NULL, &doc, NULL) == 0)
		message = lp_json_str(doc, "message");
	return lp_err_say(err, -EACCES, "%s: the manager refused: %s (HTTP %d)", what, message ? message : "no reason given", answer->status);
}

/*
 * The key of this device, stored before anything is sent: when an answer gets lost on the way, the manager knows the name by
 * this key, and the next try is welcome with it.
 */
static int
joining_key(int node_fd, struct lp_cert_key **out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf pem = { 0 };
	int rc;

	lp_buf_init(&pem, BODY_MAX);
	rc = lp_state_read(node_fd, "joining", SCHEMA, &pem, NULL, err);
	if (rc == 0)
		return lp_cert_key_load(lp_buf_text(&pem), out, err);
	if (rc != -ENOENT)
		return rc;
	lp_err_clear(err);
	rc = lp_cert_key_generate(out, err);
	if (rc == 0)
		rc = lp_cert_key_private_pem(*out, &pem, err);
	return rc < 0 ? rc : lp_state_write(node_fd, "joining", SCHEMA, pem.data, pem.len, err);
}

/* Could the manager have heard us without our hearing the answer? */
static bool
is_lost(int rc)
{
	return rc == -ECONNRESET || rc == -ETIMEDOUT || rc == -EPIPE || rc == -EIO;
}

int
lp_enroll_join(int node_fd, const struct lp_enroll_join *how, struct lp_err *err)
{
	lp_auto_buf struct lp_buf csr, body, key_pem;
	struct lp_client_answer answer = { 0 };
	struct lp_enroll_token token;
	struct lp_identity identity;
	struct lp_cert_key *key = NULL;
	int rc;

	lp_buf_init(&csr, BODY_MAX);
	lp_buf_init(&body, BODY_MAX);
	lp_buf_init(&key_pem, BODY_MAX);
	lp_identity_init(&identity);
	rc = lp_enroll_token(how->token, &token, err);
	if (rc == 0 && how->ca_hash)
		rc = lp_enroll_hash(how->ca_hash, &token, err);
	if (rc == 0)
		rc = joining_key(node_fd, &key, err);
	if (rc == 0)
		rc = request_pem(key, how->name, &csr, err);
	if (rc == 0)
		rc = join_body(how, lp_buf_text(&csr), &body, err);
	if (rc == 0)
		rc = post(how, &token, &body, &answer, err);
	if (rc == 0 && answer.status != 200)
		rc = refused(&answer, "join", err);
	if (rc == 0)
		rc = read_answer(lp_buf_text(&answer.body), answer.body.len, &identity, err);
	if (rc == 0)
		rc = check_answer(&identity, key, token.pin, err);
	if (rc == 0)
		rc = lp_cert_key_private_pem(key, &key_pem, err);
	if (rc == 0) {
		identity.key = lp_buf_text(&key_pem);
		identity.url = how->url;
		rc = lp_identity_store(node_fd, &identity, err);
	}
	/* Joined, or refused: only an answer that got lost leaves the key for the next try. */
	if (!is_lost(rc) && lp_state_remove(node_fd, "joining", rc == 0 ? err : NULL) < 0 && rc == 0)
		rc = err ? err->code : -EIO;
	lp_client_answer_fini(&answer);
	lp_cert_key_free(key);
	lp_identity_fini(&identity);
	return rc;
}

/* ---- renewal */

int
lp_enroll_renew_body(const struct lp_identity *identity, struct lp_buf *out, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf csr;
	struct lp_cert_key *key = NULL;
	struct lp_json *body;
	int rc = lp_cert_key_load(identity->key, &key, err);

	lp_arena_init(&arena, BODY_MAX);
	lp_buf_init(&csr, BODY_MAX);
	if (rc == 0)
		rc = request_pem(key, identity->name, &csr, err);
	lp_cert_key_free(key);
	if (rc < 0)
		return rc;
	body = lp_json_new(&arena, LP_JSON_OBJECT);
	(void)lp_json_set_str(&arena, body, "csr", lp_buf_text(&csr));
	if (arena.failed || lp_json_write(out, body) < 0)
		return lp_err_set(err, -ENOMEM, "renew");
	return 0;
}

int
lp_enroll_renewed(const struct lp_identity *identity, const char *answer, size_t len, struct lp_identity *out, struct lp_err *err)
{
	struct lp_cert_key *key = NULL;
	int rc = lp_cert_key_load(identity->key, &key, err);

	if (rc == 0)
		rc = read_answer(answer, len, out, err);
	if (rc == 0 && strcmp(out->name, identity->name) != 0)
		rc = lp_err_say(err, -EKEYREJECTED, "the manager renewed node %s, this is %s", out->name, identity->name);
	if (rc == 0)
		rc = check_answer(out, key, NULL, err);
	lp_cert_key_free(key);
	if (rc < 0)
		return rc;
	out->url = lp_arena_str(&out->arena, identity->url);
	out->key = lp_arena_str(&out->arena, identity->key);
	/* The fleet key is pinned at join: a renewal does not move it. */
	out->fleet_key = lp_arena_str(&out->arena, identity->fleet_key);
	return out->arena.failed ? lp_err_set(err, -ENOMEM, "renew") : 0;
}

int
lp_enroll_due(const struct lp_identity *identity, int64_t *out_ms, struct lp_err *err)
{
	struct lp_cert_identity leaf;
	int rc = lp_cert_read(identity->certificate, &leaf, err);

	if (rc == 0)
		*out_ms = leaf.not_before_ms + (leaf.not_after_ms - leaf.not_before_ms) / 3 * 2;
	return rc;
}

/* ---- limpet join */

static int
read_token(const char *file, char out[TOKEN_MAX], struct lp_err *err)
{
	lp_auto_file FILE *in = strcmp(file, "-") == 0 ? NULL : fopen(file, "re");
	FILE *from = strcmp(file, "-") == 0 ? stdin : in;

	if (!from)
		return lp_err_set(err, -errno, "open %s", file);
	if (!fgets(out, TOKEN_MAX, from))
		return lp_err_say(err, -EINVAL, "%s holds no token", file);
	out[strcspn(out, " \t\r\n")] = '\0';
	return 0;
}

static int
join(const char *url, const char *data_dir, struct lp_enroll_join *how, struct lp_err *err)
{
	lp_auto_fd int data_fd = -1;
	lp_auto_fd int node_fd = -1;
	struct lp_identity present;
	char host[256] = "";
	int rc;

	how->url = url;
	if (!how->name) {
		if (gethostname(host, sizeof(host) - 1) < 0)
			return lp_err_set(err, -errno, "ask for the host name");
		how->name = host;
	}
	if (!lp_text_is_dns_subdomain(how->name))
		return lp_err_say(err, -EINVAL, "\"%s\" is no node name (lower case letters, digits, '-' and '.'): use --node-name", how->name);
	rc = lp_path_root(data_dir, true, &data_fd, err);
	if (rc == 0)
		rc = lp_path_mkdirs(data_fd, "node", 0700, &node_fd, err);
	if (rc < 0)
		return rc;
	lp_identity_init(&present);
	if (lp_identity_load(node_fd, &present, NULL) == 0)
		rc = lp_err_say(err, -EEXIST, "this device is already node %s of %s: remove %s/node to join anew", present.name, present.url,
		    data_dir);
	lp_identity_fini(&present);
	if (rc == 0)
		rc = lp_enroll_join(node_fd, how, err);
	if (rc == 0)
		(void)printf("joined %s as node %s; start it with: limpet agent --data-dir %s\n", url, how->name, data_dir);
	return rc;
}

int
lp_enroll_main(int argc, char **argv)
{
	const char *data_dir = "/var/lib/limpet", *token_file = NULL, *rest[WORDS_MAX];
	struct lp_enroll_join how = { 0 };
	char token[TOKEN_MAX];
	bool help = false;
	const struct lp_opt opts[] = {
		{ "data-dir", 'd', LP_OPT_STR, &data_dir, "DIR", "where this device keeps its state (default /var/lib/limpet)" },
		{ "token", 't', LP_OPT_STR, &how.token, "TOKEN", "what `limpet token create` printed" },
		{ "token-file", 0, LP_OPT_STR, &token_file, "FILE", "read the token from a file, or from standard input with -" },
		{ "ca-hash", 0, LP_OPT_STR, &how.ca_hash, "sha256:H", "the manager's certificate authority, if known by another way; must match the token" },
		{ "node-name", 0, LP_OPT_STR, &how.name, "NAME", "name of this node (default: its host name)" },
		{ "help", 'h', LP_OPT_FLAG, &help, NULL, "show this help" },
		{ 0 },
	};
	struct lp_err err = { 0 };
	int words, rc;

	if (argc > WORDS_MAX)
		argc = WORDS_MAX;
	rc = lp_opts_parse(opts, argc - 1, argv + 1, rest, &words, NULL, &err);
	if (rc == 0 && help) {
		lp_opts_help("limpet join URL [options]", "Enrol this device: make its key, have the manager sign its certificate.", opts,
		    "limpet join https://192.168.1.10:6443 --token-file token.txt");
		return 0;
	}
	if (rc == 0 && (words != 1 || (!how.token && !token_file)))
		rc = lp_err_say(&err, -EINVAL, "join needs the manager's URL and --token or --token-file; see limpet join --help");
	if (rc < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		return 2;
	}
	if (token_file) {
		rc = read_token(token_file, token, &err);
		how.token = token;
	}
	if (rc == 0)
		rc = join(rest[0], data_dir, &how, &err);
	if (rc < 0)
		(void)fprintf(stderr, "error: %s\n", err.text);
	return rc < 0 ? 1 : 0;
}
