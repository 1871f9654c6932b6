/*
 * manager/sign/sign.c - the authority's keys and certificates: made once, kept in state files, renewed in time.
 *
 * Files   ca/authority {"certificate","key"}, ca/fleet {"key"}, ca/admin and ca/server {"certificate","key"}, ca/tickets (bytes).
 *         Only a file that was never there is made: one that cannot be read stops the start, because a new authority would
 *         lock every device out
 */
#include "manager/sign/sign_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/state.h"
#include "base/text.h"
#include "specs/object.h"
#include "wire/server.h"

#define SCHEMA       1
#define FILE_MAX     (256u << 10)
#define AUTHORITY_MS (20 * 365 * LP_SIGN_DAY_MS)
#define ADMIN_MS     (5 * 365 * LP_SIGN_DAY_MS)
#define SERVER_MS    (365 * LP_SIGN_DAY_MS)
#define LOOK_MS      (INT64_C(3600) * 1000)

/* ---- files of a certificate and a key */

static char *
member(const struct lp_json *doc, const char *name)
{
	const char *text = lp_json_str(doc, name);

	return text ? strdup(text) : NULL;
}

/* -ENOENT when it was never made. */
static int
pair_read(struct lp_sign *sign, const char *name, char **out_certificate, char **out_key, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_json *doc;
	int rc;

	lp_arena_init(&arena, 4 * FILE_MAX);
	lp_buf_init(&text, FILE_MAX);
	rc = lp_state_read(sign->ca_fd, name, SCHEMA, &text, NULL, err);
	if (rc < 0)
		return rc;
	rc = lp_json_parse(&arena, lp_buf_text(&text), text.len, NULL, &doc, err);
	if (rc < 0)
		return lp_err_wrap(err, "ca/%s", name);
	*out_key = member(doc, "key");
	if (out_certificate)
		*out_certificate = member(doc, "certificate");
	if (!*out_key || (out_certificate && !*out_certificate))
		return lp_err_say(err, -EBADMSG, "ca/%s lacks a member", name);
	return 0;
}

static int
pair_write(struct lp_sign *sign, const char *name, const char *certificate, const char *key, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_json *doc;

	lp_arena_init(&arena, 4 * FILE_MAX);
	lp_buf_init(&text, FILE_MAX);
	doc = lp_json_new(&arena, LP_JSON_OBJECT);
	if (certificate)
		lp_json_set_str(&arena, doc, "certificate", certificate);
	lp_json_set_str(&arena, doc, "key", key);
	if (arena.failed || lp_json_write(&text, doc) < 0)
		return lp_err_set(err, -ENOMEM, "ca/%s", name);
	return lp_state_write(sign->ca_fd, name, SCHEMA, text.data, text.len, err);
}

static int
private_text(const struct lp_cert_key *key, char **out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf pem;
	int rc;

	lp_buf_init(&pem, FILE_MAX);
	rc = lp_cert_key_private_pem(key, &pem, err);
	if (rc < 0)
		return rc;
	*out = lp_buf_take(&pem, NULL);
	return *out ? 0 : lp_err_set(err, -ENOMEM, "key");
}

/* ---- what is made */

static int
authority_make(struct lp_sign *sign, struct lp_err *err)
{
	lp_auto_buf struct lp_buf pem;
	lp_auto_free char *secret = NULL;
	int rc;

	lp_buf_init(&pem, FILE_MAX);
	rc = lp_cert_key_generate(&sign->ca_key, err);
	if (rc == 0)
		rc = lp_cert_ca(sign->ca_key, "limpet fleet", lp_clock_trusted_ms() + AUTHORITY_MS, &pem, err);
	if (rc == 0)
		rc = private_text(sign->ca_key, &secret, err);
	if (rc == 0)
		rc = pair_write(sign, "authority", pem.data, secret, err);
	if (rc == 0 && !(sign->ca_pem = lp_buf_take(&pem, NULL)))
		rc = lp_err_set(err, -ENOMEM, "authority");
	return rc;
}

static int
authority_open(struct lp_sign *sign, struct lp_err *err)
{
	lp_auto_free char *secret = NULL;
	int rc = pair_read(sign, "authority", &sign->ca_pem, &secret, err);

	if (rc == -ENOENT)
		rc = authority_make(sign, err);
	else if (rc == 0)
		rc = lp_cert_key_load(secret, &sign->ca_key, err);
	if (rc == 0)
		rc = lp_cert_key_spki(sign->ca_key, sign->ca_spki, err);
	return rc < 0 ? lp_err_wrap(err, "certificate authority") : 0;
}

static int
fleet_open(struct lp_sign *sign, struct lp_err *err)
{
	lp_auto_buf struct lp_buf pem;
	lp_auto_free char *secret = NULL;
	int rc = pair_read(sign, "fleet", NULL, &secret, err);

	lp_buf_init(&pem, FILE_MAX);
	if (rc == -ENOENT) {
		rc = lp_cert_key_generate(&sign->fleet_key, err);
		if (rc == 0)
			rc = private_text(sign->fleet_key, &secret, err);
		if (rc == 0)
			rc = pair_write(sign, "fleet", NULL, secret, err);
	} else if (rc == 0) {
		rc = lp_cert_key_load(secret, &sign->fleet_key, err);
	}
	if (rc == 0)
		rc = lp_cert_key_public_pem(sign->fleet_key, &pem, err);
	if (rc == 0 && !(sign->fleet_pem = lp_buf_take(&pem, NULL)))
		rc = lp_err_set(err, -ENOMEM, "fleet key");
	return rc < 0 ? lp_err_wrap(err, "fleet key") : 0;
}

/* A certificate of our own, with a new key. */
static int
own_make(struct lp_sign *sign, const char *file, const struct lp_cert_profile *profile, char **out_pem, char **out_key, struct lp_err *err)
{
	lp_auto_buf struct lp_buf pem;
	struct lp_cert_key *key = NULL;
	int rc = lp_cert_key_generate(&key, err);

	lp_buf_init(&pem, FILE_MAX);
	free(*out_pem);
	free(*out_key);
	*out_pem = *out_key = NULL;
	if (rc == 0)
		rc = lp_cert_sign(sign->ca_pem, sign->ca_key, key, profile, &pem, err);
	if (rc == 0)
		rc = private_text(key, out_key, err);
	if (rc == 0)
		rc = pair_write(sign, file, pem.data, *out_key, err);
	if (rc == 0 && !(*out_pem = lp_buf_take(&pem, NULL)))
		rc = lp_err_set(err, -ENOMEM, "certificate");
	lp_cert_key_free(key);
	return rc;
}

/* Two thirds of its life are over, or it is not the one we would make. */
static bool
is_due(const char *pem, const char *const *names)
{
	struct lp_cert_identity id;
	int64_t now_ms = lp_clock_trusted_ms();

	if (lp_cert_read(pem, &id, NULL) < 0 || now_ms > id.not_before_ms + (id.not_after_ms - id.not_before_ms) / 3 * 2)
		return true;
	for (; names && *names; names++) {
		if (!lp_cert_covers(pem, *names))
			return true;
	}
	return false;
}

static int
admin_open(struct lp_sign *sign, struct lp_err *err)
{
	static const char *const groups[] = { "system:masters", NULL };
	struct lp_cert_profile profile = { .name = "limpet-admin", .groups = groups, .uses = LP_CERT_CLIENT,
		.not_after_ms = lp_clock_trusted_ms() + ADMIN_MS };
	int rc = pair_read(sign, "admin", &sign->admin_pem, &sign->admin_key_pem, err);

	if (rc == -ENOENT || (rc == 0 && is_due(sign->admin_pem, NULL)))
		rc = own_make(sign, "admin", &profile, &sign->admin_pem, &sign->admin_key_pem, err);
	return rc < 0 ? lp_err_wrap(err, "administrator's certificate") : 0;
}

static int
server_make(struct lp_sign *sign, struct lp_err *err)
{
	struct lp_cert_profile profile = { .name = "limpet-manager", .sans = (const char *const *)sign->names, .uses = LP_CERT_SERVER,
		.not_after_ms = lp_clock_trusted_ms() + SERVER_MS };

	return own_make(sign, "server", &profile, &sign->server_pem, &sign->server_key_pem, err);
}

static int
server_open(struct lp_sign *sign, struct lp_err *err)
{
	int rc = pair_read(sign, "server", &sign->server_pem, &sign->server_key_pem, err);

	if (rc == -ENOENT || (rc == 0 && is_due(sign->server_pem, (const char *const *)sign->names)))
		rc = server_make(sign, err);
	return rc < 0 ? lp_err_wrap(err, "server certificate") : 0;
}

/* ---- TLS */

static int
tickets_save(struct lp_sign *sign, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;

	lp_buf_init(&bytes, 4096);
	if (lp_tls_tickets_save(sign->tickets, &bytes) < 0)
		return lp_err_set(err, -ENOMEM, "ticket keys");
	return lp_state_write(sign->ca_fd, "tickets", SCHEMA, bytes.data, bytes.len, err);
}

static int
tickets_open(struct lp_sign *sign, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;
	int rc = lp_tls_tickets_new(&sign->tickets, err);

	lp_buf_init(&bytes, 4096);
	/* Ticket keys that cannot be read cost full handshakes, nothing else: make new ones. */
	if (rc == 0 && (lp_state_read(sign->ca_fd, "tickets", SCHEMA, &bytes, NULL, err) < 0 ||
	    lp_tls_tickets_load(sign->tickets, lp_buf_text(&bytes), bytes.len, err) < 0 ||
	    lp_tls_tickets_rotate(sign->tickets, lp_clock_wall_ms())))
		rc = tickets_save(sign, err);
	return rc;
}

static int
tls_make(struct lp_sign *sign, struct lp_err *err)
{
	static const char *const alpn[] = { "h2", "http/1.1", NULL };
	lp_auto_buf struct lp_buf chain;
	struct lp_tls_server_opts opts = { .key_pem = sign->server_key_pem, .ca_pem = sign->ca_pem, .alpn = alpn,
		.tickets = sign->tickets };
	struct lp_tls_config *tls = NULL;
	int rc;

	lp_buf_init(&chain, FILE_MAX);
	(void)lp_buf_str(&chain, sign->server_pem);	/* sticky */
	if (lp_buf_str(&chain, sign->ca_pem) < 0)
		return lp_err_set(err, -ENOMEM, "TLS");
	opts.chain_pem = chain.data;
	rc = lp_tls_config_server(&tls, &opts, err);
	if (rc < 0)
		return rc;
	lp_tls_config_free(sign->tls);
	sign->tls = tls;
	if (sign->manager->server)
		lp_server_set_tls(sign->manager->server, tls);
	return 0;
}

/* Once an hour: new ticket keys each day, a new server certificate when two thirds of its life are over. */
static void
look(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_sign *sign = lp_of(timer, struct lp_sign, daily);
	struct lp_err err = { 0 };

	if (lp_tls_tickets_rotate(sign->tickets, lp_clock_wall_ms()) && tickets_save(sign, &err) < 0)
		lp_log(LP_LOG_WARN, "ticket keys were not stored, resumption ends with this process", "why=\"%s\"", err.text);
	if (is_due(sign->server_pem, (const char *const *)sign->names) && (server_make(sign, &err) < 0 || tls_make(sign, &err) < 0))
		lp_log(LP_LOG_ERROR, "server certificate was not renewed, will try again", "why=\"%s\"", err.text);
	(void)lp_timer_start(sign->manager->loop, timer, now_ms + LOOK_MS, look);	/* the timer has its place already */
}

/* ---- life */

static int
names_copy(struct lp_sign *sign, const char *const *names, struct lp_err *err)
{
	size_t count = 0;

	while (names && names[count])
		count++;
	sign->names = lp_seam.alloc((count + 2) * sizeof(*sign->names));
	if (!sign->names)
		return lp_err_set(err, -ENOMEM, "names");
	for (size_t i = 0; i <= count; i++) {
		sign->names[i] = strdup(i < count ? names[i] : LP_TLS_MANAGER_NAME);
		if (!sign->names[i])
			return lp_err_set(err, -ENOMEM, "names");
	}
	return 0;
}

int
lp_sign_new(struct lp_manager *manager, const struct lp_sign_opts *opts, struct lp_sign **out, struct lp_err *err)
{
	struct lp_sign *sign = lp_seam.alloc(sizeof(*sign));
	int rc;

	if (!sign)
		return lp_err_set(err, -ENOMEM, "certificate authority");
	sign->manager = manager;
	sign->ca_fd = sign->tokens_fd = -1;
	lp_list_init(&sign->tokens);
	rc = lp_path_mkdirs(manager->data_fd, "ca", 0700, &sign->ca_fd, err);
	if (rc == 0)
		rc = lp_path_mkdirs(manager->data_fd, "tokens", 0700, &sign->tokens_fd, err);
	if (rc == 0)
		rc = names_copy(sign, opts->names, err);
	if (rc == 0)
		rc = authority_open(sign, err);
	if (rc == 0)
		rc = fleet_open(sign, err);
	if (rc == 0)
		rc = admin_open(sign, err);
	if (rc == 0)
		rc = server_open(sign, err);
	if (rc == 0)
		rc = tickets_open(sign, err);
	if (rc == 0)
		rc = lp_sign_tokens_load(sign, err);
	if (rc == 0)
		rc = tls_make(sign, err);
	if (rc == 0 && lp_timer_start(manager->loop, &sign->daily, lp_loop_now(manager->loop) + LOOK_MS, look) < 0)
		rc = lp_err_set(err, -ENOMEM, "certificate authority");
	if (rc < 0) {
		lp_sign_free(sign);
		return rc;
	}
	manager->sign = *out = sign;
	manager->bearer = lp_sign_token_bearer;
	return 0;
}

void
lp_sign_free(struct lp_sign *sign)
{
	if (!sign)
		return;
	lp_timer_stop(&sign->daily);
	lp_sign_tokens_fini(sign);
	lp_tls_config_free(sign->tls);
	lp_tls_tickets_free(sign->tickets);
	lp_cert_key_free(sign->ca_key);
	lp_cert_key_free(sign->fleet_key);
	for (size_t i = 0; sign->names && sign->names[i]; i++)
		free(sign->names[i]);
	free(sign->names);
	free(sign->ca_pem);
	free(sign->fleet_pem);
	free(sign->admin_pem);
	free(sign->admin_key_pem);
	free(sign->server_pem);
	free(sign->server_key_pem);
	lp_close(&sign->ca_fd);
	lp_close(&sign->tokens_fd);
	if (sign->manager->sign == sign) {
		sign->manager->sign = NULL;
		sign->manager->bearer = NULL;
	}
	free(sign);
}

struct lp_tls_config *
lp_sign_tls(struct lp_sign *sign)
{
	return sign->tls;
}

int
lp_sign_bytes(struct lp_sign *sign, const void *data, size_t len, struct lp_buf *out, struct lp_err *err)
{
	return lp_cert_sign_bytes(sign->fleet_key, data, len, out, err);
}

/* ---- the administrator's kubeconfig */

static void
base64_line(struct lp_buf *out, const char *key, const char *text)
{
	(void)lp_buf_printf(out, "    %s: ", key);	/* sticky, checked by the caller */
	(void)lp_text_base64_encode(out, text, strlen(text));
	(void)lp_buf_char(out, '\n');
}

int
lp_sign_kubeconfig(struct lp_sign *sign, const char *url, struct lp_buf *out, struct lp_err *err)
{
	(void)lp_buf_printf(out, "apiVersion: v1\nkind: Config\nclusters:\n- name: limpet\n  cluster:\n    server: %s\n", url);	/* sticky */
	base64_line(out, "certificate-authority-data", sign->ca_pem);
	(void)lp_buf_str(out, "users:\n- name: limpet-admin\n  user:\n");
	base64_line(out, "client-certificate-data", sign->admin_pem);
	base64_line(out, "client-key-data", sign->admin_key_pem);
	(void)lp_buf_str(out, "contexts:\n- name: limpet\n  context:\n    cluster: limpet\n    user: limpet-admin\ncurrent-context: limpet\n");
	return out->failed ? lp_err_set(err, out->failed, "kubeconfig") : 0;
}
