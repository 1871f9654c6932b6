/*
 * manager/sign.c - the authority's keys and certificates: made once, kept as state files, handed out (sign.h).
 *
 * Format  each state is JSON: {"certificate": PEM, "key": PEM} (the fleet key has no certificate); ticket keys are bytes
 */
#include "manager/sign.h"

#include <errno.h>
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
#include "manager/sign_state.h"
#include "specs/object.h"

enum { SCHEMA = 1, PEM_MAX = 256 << 10 };

#define DAY_MS INT64_C(86400000)
#define AUTHORITY_LIFE_MS (30 * 365 * DAY_MS)
#define OWN_LIFE_MS (10 * 365 * DAY_MS)		/* server and admin; made anew when less than a third is left */
#define TICKETS_CHECK_MS INT64_C(3600000)

/* ---- pairs of certificate and key */

static void
pair_fini(struct lp_sign_pair *pair)
{
	free(pair->certificate);
	free(pair->key_pem);
	lp_cert_key_free(pair->key);
	*pair = (struct lp_sign_pair){ 0 };
}

/* The PEM of a key, and the certificate's, as the pair's own. */
static int
pair_fill(struct lp_sign_pair *pair, struct lp_cert_key *key, const char *certificate, struct lp_err *err)
{
	lp_auto_buf struct lp_buf pem;

	lp_buf_init(&pem, PEM_MAX);
	if (lp_cert_key_private_pem(key, &pem, err) < 0)
		return err->code;
	pair->certificate = strdup(certificate);
	pair->key_pem = lp_buf_take(&pem, NULL);
	pair->key = key;
	return pair->certificate && pair->key_pem ? 0 : lp_err_set(err, -ENOMEM, "keep a key");
}

static int
pair_load(int dir_fd, const char *name, struct lp_sign_pair *out, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	const char *certificate, *key_pem;
	struct lp_cert_key *key;
	struct lp_json *json;
	int rc;

	lp_arena_init(&arena, PEM_MAX * 4);
	lp_buf_init(&text, PEM_MAX);
	rc = lp_state_read(dir_fd, name, SCHEMA, &text, NULL, err);
	if (rc < 0)
		return rc;
	if (lp_json_parse(&arena, lp_buf_text(&text), text.len, NULL, &json, err) < 0)
		return lp_err_wrap(err, "%s", name);
	certificate = lp_json_str(json, "certificate");
	key_pem = lp_json_str(json, "key");
	if (!certificate || !key_pem)
		return lp_err_say(err, -EINVAL, "%s has no certificate or no key", name);
	if (lp_cert_key_load(key_pem, &key, err) < 0)
		return lp_err_wrap(err, "%s", name);
	rc = pair_fill(out, key, certificate, err);
	if (rc < 0)
		pair_fini(out);
	return rc;
}

static int
pair_store(int dir_fd, const char *name, const struct lp_sign_pair *pair, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_json *json;

	lp_arena_init(&arena, PEM_MAX * 4);
	lp_buf_init(&text, PEM_MAX);
	json = lp_json_new(&arena, LP_JSON_OBJECT);
	lp_json_set_str(&arena, json, "certificate", pair->certificate);
	lp_json_set_str(&arena, json, "key", pair->key_pem);
	if (arena.failed || lp_json_write(&text, json) < 0)
		return lp_err_set(err, -ENOMEM, "write %s", name);
	return lp_state_write(dir_fd, name, SCHEMA, text.data, text.len, err);
}

/* ---- what is made at the first start */

static int
make_authority(struct lp_sign *sign, struct lp_err *err)
{
	lp_auto_buf struct lp_buf pem;
	struct lp_cert_key *key;
	char name[32], random[9];
	uint8_t bytes[4];
	int rc;

	lp_buf_init(&pem, PEM_MAX);
	lp_random(bytes, sizeof(bytes));
	lp_text_hex(bytes, sizeof(bytes), random);
	(void)snprintf(name, sizeof(name), "limpet-ca-%s", random);
	rc = lp_cert_key_generate(&key, err);
	if (rc < 0)
		return rc;
	rc = lp_cert_ca(key, name, lp_clock_trusted_ms() + AUTHORITY_LIFE_MS, &pem, err);
	if (rc < 0) {
		lp_cert_key_free(key);
		return rc;
	}
	rc = pair_fill(&sign->authority, key, lp_buf_text(&pem), err);
	return rc < 0 ? rc : pair_store(sign->dir_fd, "authority", &sign->authority, err);
}

static int
make_fleet_key(struct lp_sign *sign, struct lp_err *err)
{
	struct lp_cert_key *key;
	int rc = lp_cert_key_generate(&key, err);

	if (rc == 0)
		rc = pair_fill(&sign->fleet, key, "", err);
	return rc < 0 ? rc : pair_store(sign->dir_fd, "fleet", &sign->fleet, err);
}

int
lp_sign_certificate(struct lp_sign *sign, const struct lp_cert_key *subject, const struct lp_cert_profile *profile,
    struct lp_buf *out, struct lp_err *err)
{
	return lp_cert_sign(sign->authority.certificate, sign->authority.key, subject, profile, out, err);
}

static int
make_own(struct lp_sign *sign, const char *file, const struct lp_cert_profile *profile, struct lp_sign_pair *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf pem;
	struct lp_cert_key *key;
	int rc;

	lp_buf_init(&pem, PEM_MAX);
	rc = lp_cert_key_generate(&key, err);
	if (rc < 0)
		return rc;
	rc = lp_sign_certificate(sign, key, profile, &pem, err);
	if (rc < 0) {
		lp_cert_key_free(key);
		return rc;
	}
	pair_fini(out);
	rc = pair_fill(out, key, lp_buf_text(&pem), err);
	return rc < 0 ? rc : pair_store(sign->dir_fd, file, out, err);
}

/* "DNS:a,IP:10.0.0.1" holds this name or address? */
static bool
has_name(const char *sans, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = sans; *at;) {
		size_t part = strcspn(at, ",");
		const char *colon = memchr(at, ':', part);

		if (colon && part - (size_t)(colon + 1 - at) == len && strncmp(colon + 1, name, len) == 0)
			return true;
		at += part + (at[part] == ',');
	}
	return false;
}

/* Is it still what a new one would be, and young enough? */
static bool
still_good(const struct lp_sign_pair *pair, const struct lp_cert_profile *profile)
{
	struct lp_cert_identity identity;
	struct lp_err err;

	if (!pair->certificate || lp_cert_read(pair->certificate, &identity, &err) < 0)
		return false;
	if (identity.not_after_ms - lp_clock_trusted_ms() < OWN_LIFE_MS / 3)
		return false;
	for (size_t i = 0; profile->sans && profile->sans[i]; i++)
		if (!has_name(identity.sans, profile->sans[i]))
			return false;
	return true;
}

static int
need_own(struct lp_sign *sign, const char *file, const struct lp_cert_profile *profile, struct lp_sign_pair *out, struct lp_err *err)
{
	int rc = pair_load(sign->dir_fd, file, out, err);

	if (rc < 0 && rc != -ENOENT && rc != -EBADMSG)
		return rc;
	if (still_good(out, profile))
		return 0;
	return make_own(sign, file, profile, out, err);
}

static int
open_authority(struct lp_sign *sign, struct lp_err *err)
{
	int rc = pair_load(sign->dir_fd, "authority", &sign->authority, err);

	/* a damaged authority is not replaced: every device would be lost with it */
	if (rc == -ENOENT)
		rc = make_authority(sign, err);
	if (rc < 0)
		return lp_err_wrap(err, "certificate authority");
	rc = pair_load(sign->dir_fd, "fleet", &sign->fleet, err);
	if (rc == -ENOENT)
		rc = make_fleet_key(sign, err);
	if (rc < 0)
		return lp_err_wrap(err, "fleet key");
	return lp_cert_key_spki(sign->authority.key, sign->spki, err);
}

static int
open_own(struct lp_sign *sign, const struct lp_sign_opts *opts, struct lp_err *err)
{
	static const char *const masters[] = { "system:masters", NULL };
	struct lp_cert_profile server = { .name = "limpet-manager", .sans = opts->names, .uses = LP_CERT_SERVER,
		.not_after_ms = lp_clock_trusted_ms() + OWN_LIFE_MS };
	struct lp_cert_profile admin = { .name = "admin", .groups = masters, .uses = LP_CERT_CLIENT,
		.not_after_ms = lp_clock_trusted_ms() + OWN_LIFE_MS };

	if (need_own(sign, "server", &server, &sign->server, err) < 0)
		return lp_err_wrap(err, "server certificate");
	if (need_own(sign, "admin", &admin, &sign->admin, err) < 0)
		return lp_err_wrap(err, "admin certificate");
	return 0;
}

/* ---- ticket keys */

static int
save_tickets(struct lp_sign *sign, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;

	lp_buf_init(&bytes, 64 << 10);
	if (lp_tls_tickets_save(sign->tickets, &bytes) < 0)
		return lp_err_set(err, -ENOMEM, "save ticket keys");
	return lp_state_write(sign->dir_fd, "tickets", SCHEMA, bytes.data, bytes.len, err);
}

static void
rotate_due(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_sign *sign = lp_of(timer, struct lp_sign, tickets_timer);
	struct lp_err err;

	if (lp_tls_tickets_rotate(sign->tickets, lp_clock_wall_ms()) && save_tickets(sign, &err) < 0)
		lp_log(LP_LOG_WARN, "new ticket keys could not be saved, devices shake hands anew after a restart", "why=\"%s\"", err.text);
	if (lp_timer_start(sign->manager->loop, timer, now_ms + TICKETS_CHECK_MS, rotate_due) < 0)
		lp_log(LP_LOG_WARN, "no memory for a timer, ticket keys stay as they are", "");
}

static int
open_tickets(struct lp_sign *sign, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;
	struct lp_err why;
	int rc;

	lp_buf_init(&bytes, 64 << 10);
	rc = lp_tls_tickets_new(&sign->tickets, err);
	if (rc < 0)
		return rc;
	/* without the old keys devices do one full handshake each: nothing is lost */
	if (lp_state_read(sign->dir_fd, "tickets", SCHEMA, &bytes, NULL, &why) < 0 ||
	    lp_tls_tickets_load(sign->tickets, bytes.data, bytes.len, &why) < 0) {
		rc = save_tickets(sign, err);
		if (rc < 0)
			return rc;
	}
	return lp_timer_start(sign->manager->loop, &sign->tickets_timer, lp_loop_now(sign->manager->loop) + TICKETS_CHECK_MS, rotate_due);
}

/* ---- the listener */

static int
open_tls(struct lp_sign *sign, struct lp_err *err)
{
	static const char *const protocols[] = { "h2", "http/1.1", NULL };
	lp_auto_buf struct lp_buf chain;
	struct lp_tls_server_opts opts = { .key_pem = sign->server.key_pem, .ca_pem = sign->authority.certificate, .alpn = protocols,
		.tickets = sign->tickets };

	lp_buf_init(&chain, PEM_MAX);
	lp_buf_str(&chain, sign->server.certificate);
	if (lp_buf_str(&chain, sign->authority.certificate) < 0)
		return lp_err_set(err, chain.failed, "make the server's chain");
	opts.chain_pem = chain.data;
	return lp_tls_config_server(&sign->tls, &opts, err);
}

struct lp_tls_config *
lp_sign_tls(struct lp_sign *sign)
{
	return sign->tls;
}

/* Does the node object name this key? Whose node was deleted, or given to another key, is out. */
bool
lp_sign_node_has_key(struct lp_manager *manager, const char *name, const uint8_t spki[static LP_DIGEST_BYTES])
{
	struct lp_cached *node = lp_cache_find(manager->cache, lp_kind_find("v1", "Node"), NULL, name);
	const char *has = node ? lp_object_annotation(lp_cached_json(node), LP_SIGN_KEY_ANNOTATION) : NULL;
	char text[LP_DIGEST_TEXT];

	lp_digest_text(spki, text);
	return has && strcmp(has, text) == 0;
}

bool
lp_sign_admit(void *arg, const struct lp_cert_identity *peer)
{
	if (!lp_text_starts(peer->name, "system:node:"))
		return true;
	return lp_sign_node_has_key(arg, peer->name + strlen("system:node:"), peer->spki);
}

int
lp_sign_bytes(struct lp_sign *sign, const void *data, size_t len, struct lp_buf *out, struct lp_err *err)
{
	return lp_cert_sign_bytes(sign->fleet.key, data, len, out, err);
}

/* ---- kubeconfig */

static void
add_base64(struct lp_buf *out, const char *key, const char *pem)
{
	lp_buf_printf(out, "    %s: ", key);
	lp_text_base64_encode(out, pem, strlen(pem));
	lp_buf_char(out, '\n');
}

int
lp_sign_kubeconfig(struct lp_sign *sign, const char *url, struct lp_buf *out, struct lp_err *err)
{
	lp_buf_str(out, "apiVersion: v1\nkind: Config\nclusters:\n- name: limpet\n  cluster:\n");
	add_base64(out, "certificate-authority-data", sign->authority.certificate);
	lp_buf_printf(out, "    server: %s\ncontexts:\n- name: limpet\n  context:\n    cluster: limpet\n    user: admin\n"
	    "current-context: limpet\npreferences: {}\nusers:\n- name: admin\n  user:\n", url);
	add_base64(out, "client-certificate-data", sign->admin.certificate);
	add_base64(out, "client-key-data", sign->admin.key_pem);
	return out->failed ? lp_err_set(err, out->failed, "make a kubeconfig") : 0;
}

/* ---- new and free */

static int
open_all(struct lp_sign *sign, const struct lp_sign_opts *opts, struct lp_err *err)
{
	int rc = lp_path_mkdirs(sign->manager->data_fd, "ca", 0700, &sign->dir_fd, err);

	if (rc == 0)
		rc = lp_path_mkdirs(sign->manager->data_fd, "tokens", 0700, &sign->tokens_fd, err);
	if (rc == 0)
		rc = open_authority(sign, err);
	if (rc == 0)
		rc = open_own(sign, opts, err);
	if (rc == 0)
		rc = open_tickets(sign, err);
	return rc == 0 ? open_tls(sign, err) : rc;
}

int
lp_sign_new(struct lp_manager *manager, const struct lp_sign_opts *opts, struct lp_sign **out, struct lp_err *err)
{
	struct lp_sign *sign = lp_seam.alloc(sizeof(*sign));
	int rc;

	if (!sign)
		return lp_err_set(err, -ENOMEM, "open the authority");
	sign->manager = manager;
	sign->dir_fd = sign->tokens_fd = -1;
	rc = open_all(sign, opts, err);
	if (rc < 0) {
		lp_sign_free(sign);
		return rc;
	}
	manager->sign = *out = sign;
	manager->bearer = lp_sign_bearer;
	return 0;
}

void
lp_sign_free(struct lp_sign *sign)
{
	if (!sign)
		return;
	lp_timer_stop(&sign->tickets_timer);
	lp_tls_config_free(sign->tls);
	if (sign->tickets)
		lp_tls_tickets_free(sign->tickets);
	pair_fini(&sign->authority);
	pair_fini(&sign->fleet);
	pair_fini(&sign->server);
	pair_fini(&sign->admin);
	lp_map_fini(&sign->reserved);
	lp_close(&sign->dir_fd);
	lp_close(&sign->tokens_fd);
	free(sign);
}
