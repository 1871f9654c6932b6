/*
 * wire/tls.c - TLS channels over mbedTLS.
 *
 * Theory  mbedTLS judges chains with the system's clock; ours is max(clock, floor), so a callback takes its judgement of
 *         time away and puts ours in its place, certificate by certificate. The same callback compares the pin of a
 *         joining device, and on a server ends the handshake when anything is left to object to.
 *         A TLS 1.3 session does not remember the client's certificate, so our tickets carry it. Writing and opening a
 *         ticket happen inside lp_tls_handshake() of one channel, which is `current` then. What a ticket said counts only
 *         if the handshake never came to ask for a certificate: otherwise it was not used to resume.
 */
#include "wire/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <mbedtls/net_sockets.h>
#include <mbedtls/pem.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>

#include "base/auto.h"
#include "base/seam.h"
#include "wire/mbed.h"
#include "wire/resolve.h"
#include "wire/tls_tickets.h"

#define ALPN_MAX 4
#define DER_MAX  4096		/* a client certificate that fits into a ticket */

struct lp_tls_config {
	uint32_t refs;				/* the owner's, and one for each channel */
	mbedtls_ssl_config conf;
	mbedtls_x509_crt chain, ca;
	mbedtls_pk_context key;
	const char *alpn[ALPN_MAX + 1];
	char alpn_text[ALPN_MAX][16];
	bool server, has_pin, has_session, anyone;
	uint8_t pin[LP_DIGEST_BYTES];
	mbedtls_ssl_session session;		/* client: the newest; see has_session */
	char session_name[256];			/* the server it is with: another name is another server */
	struct lp_tls_tickets *tickets;		/* weak; NULL: no resumption */
	struct lp_tls *current;			/* weak; whose handshake is running */
};

struct lp_tls {
	mbedtls_ssl_context ssl;
	struct lp_tls_config *config;		/* one reference */
	int fd;					/* not owned */
	uint32_t wants;
	size_t write_pending;			/* bytes mbedTLS has already sealed and wants offered again; 0: none */
	bool done, expired, pinned, asked;	/* asked: this handshake is a full one */
	uint32_t faults;			/* what the callback found on certificates above the leaf */
	struct lp_cert_identity *peer;		/* NULL when there is none */
	struct lp_buf der;			/* server: the peer's certificate, from the ticket or for the next one */
	struct lp_buf pinned_der;		/* the authority that matched the pin */
	struct lp_err refusal;			/* why the callback refused */
};

static const int suites[] = {
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	0,
};

/* ---- tickets, called from inside a handshake */

static int
ticket_write(void *arg, const mbedtls_ssl_session *session, unsigned char *start, const unsigned char *end, size_t *out_len,
    uint32_t *out_life_s)
{
	struct lp_tls_config *config = arg;
	struct lp_tls *tls = config->current;
	lp_auto_buf struct lp_buf plain = { 0 };
	size_t room = (size_t)(end - start), size = 0;
	char *to;

	if (!tls)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	if (session->MBEDTLS_PRIVATE(peer_cert)) {
		const mbedtls_x509_crt *crt = session->MBEDTLS_PRIVATE(peer_cert);

		lp_buf_reset(&tls->der);
		if (lp_buf_add(&tls->der, crt->raw.p, crt->raw.len) < 0)
			return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	}
	lp_buf_init(&plain, 16384);
	(void)lp_buf_u32(&plain, (uint32_t)tls->der.len);	/* sticky, checked below */
	(void)lp_buf_add(&plain, tls->der.data, tls->der.len);
	(void)mbedtls_ssl_session_save(session, NULL, 0, &size);	/* asks for the size */
	to = lp_buf_room(&plain, size);
	if (!to || mbedtls_ssl_session_save(session, (unsigned char *)to, size, &size) != 0)
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	lp_buf_added(&plain, size);
	if (plain.failed || room < plain.len + LP_TLS_TICKETS_EXTRA)
		return MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL;
	if (lp_tls_tickets_seal(config->tickets, plain.data, plain.len, start) < 0)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	*out_len = plain.len + LP_TLS_TICKETS_EXTRA;
	*out_life_s = LP_TLS_TICKETS_LIFE_S;
	return 0;
}

static int
ticket_parse(void *arg, mbedtls_ssl_session *session, unsigned char *data, size_t len)
{
	struct lp_tls_config *config = arg;
	struct lp_tls *tls = config->current;
	unsigned char *plain;
	size_t size, der_len;

	if (!tls || lp_tls_tickets_open(config->tickets, data, len, &size) < 0)
		return MBEDTLS_ERR_SSL_INVALID_MAC;
	plain = data + 16;
	if (size < 4)
		return MBEDTLS_ERR_SSL_INVALID_MAC;
	der_len = (size_t)plain[0] << 24 | (size_t)plain[1] << 16 | (size_t)plain[2] << 8 | plain[3];
	if (der_len > size - 4)
		return MBEDTLS_ERR_SSL_INVALID_MAC;
	lp_buf_reset(&tls->der);
	if (lp_buf_add(&tls->der, plain + 4, der_len) < 0)
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	return mbedtls_ssl_session_load(session, plain + 4 + der_len, size - 4 - der_len);
}

/* ---- configurations */

static struct lp_tls_config *
config_new(bool server, struct lp_err *err)
{
	struct lp_tls_config *config;

	if (lp_mbed_start(err) < 0)
		return NULL;
	config = lp_seam.alloc(sizeof(*config));
	if (!config) {
		(void)lp_err_set(err, -ENOMEM, "TLS configuration");	/* the caller returns the code */
		return NULL;
	}
	config->refs = 1;
	config->server = server;
	mbedtls_ssl_config_init(&config->conf);
	mbedtls_x509_crt_init(&config->chain);
	mbedtls_x509_crt_init(&config->ca);
	mbedtls_pk_init(&config->key);
	mbedtls_ssl_session_init(&config->session);
	return config;
}

void
lp_tls_config_free(struct lp_tls_config *config)
{
	if (!config || --config->refs > 0)
		return;
	mbedtls_ssl_session_free(&config->session);
	mbedtls_ssl_config_free(&config->conf);
	mbedtls_x509_crt_free(&config->chain);
	mbedtls_x509_crt_free(&config->ca);
	mbedtls_pk_free(&config->key);
	free(config);
}

static void
config_drop(struct lp_tls_config **config)
{
	lp_tls_config_free(*config);
}
#define auto_config __attribute__((cleanup(config_drop)))

static int
config_alpn(struct lp_tls_config *config, const char *const *alpn, struct lp_err *err)
{
	size_t count = 0;

	if (!alpn || !alpn[0])
		return 0;
	for (; alpn[count]; count++) {
		if (count == ALPN_MAX || strlen(alpn[count]) >= sizeof(config->alpn_text[0]))
			return lp_err_say(err, -EINVAL, "too many protocols");
		memcpy(config->alpn_text[count], alpn[count], strlen(alpn[count]) + 1);
		config->alpn[count] = config->alpn_text[count];
	}
	if (mbedtls_ssl_conf_alpn_protocols(&config->conf, config->alpn) != 0)
		return lp_err_say(err, -EINVAL, "a protocol name that TLS cannot carry");
	return 0;
}

static int
config_load(struct lp_tls_config *config, const char *chain_pem, const char *key_pem, const char *ca_pem, struct lp_err *err)
{
	int rc;

	if (ca_pem) {
		rc = mbedtls_x509_crt_parse(&config->ca, (const unsigned char *)ca_pem, strlen(ca_pem) + 1);
		if (rc != 0)
			return lp_mbed_fail(err, -EINVAL, rc < 0 ? rc : MBEDTLS_ERR_X509_INVALID_FORMAT, "read the authority");
	}
	if (!chain_pem)
		return 0;
	rc = mbedtls_x509_crt_parse(&config->chain, (const unsigned char *)chain_pem, strlen(chain_pem) + 1);
	if (rc != 0)
		return lp_mbed_fail(err, -EINVAL, rc < 0 ? rc : MBEDTLS_ERR_X509_INVALID_FORMAT, "read the certificate");
	rc = mbedtls_pk_parse_key(&config->key, (const unsigned char *)key_pem, strlen(key_pem) + 1, NULL, 0, lp_mbed_random, NULL);
	if (rc != 0)
		return lp_mbed_fail(err, -EINVAL, rc, "read the key");
	if (mbedtls_pk_check_pair(&config->chain.pk, &config->key, lp_mbed_random, NULL) != 0)
		return lp_err_say(err, -EKEYREJECTED, "the key does not belong to the certificate");
	rc = mbedtls_ssl_conf_own_cert(&config->conf, &config->chain, &config->key);
	return rc ? lp_mbed_fail(err, -EINVAL, rc, "use the certificate") : 0;
}

static int
config_common(struct lp_tls_config *config, struct lp_err *err)
{
	mbedtls_ssl_config *conf = &config->conf;
	int rc = mbedtls_ssl_config_defaults(conf, config->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
	    MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

	if (rc != 0)
		return lp_mbed_fail(err, -EIO, rc, "TLS configuration");
	mbedtls_ssl_conf_rng(conf, lp_mbed_random, NULL);
	mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_ciphersuites(conf, suites);
	mbedtls_ssl_conf_renegotiation(conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
	return 0;
}

int
lp_tls_config_server(struct lp_tls_config **out, const struct lp_tls_server_opts *opts, struct lp_err *err)
{
	auto_config struct lp_tls_config *config = config_new(true, err);
	int rc;

	if (!config)
		return -ENOMEM;
	rc = config_common(config, err);
	if (rc == 0)
		rc = config_load(config, opts->chain_pem, opts->key_pem, opts->ca_pem, err);
	if (rc == 0)
		rc = config_alpn(config, opts->alpn, err);
	if (rc < 0)
		return rc;
	if (opts->ca_pem)
		mbedtls_ssl_conf_ca_chain(&config->conf, &config->ca, NULL);
	mbedtls_ssl_conf_authmode(&config->conf, opts->ca_pem ? MBEDTLS_SSL_VERIFY_OPTIONAL : MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_cert_req_ca_list(&config->conf, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
	mbedtls_ssl_conf_preference_order(&config->conf, MBEDTLS_SSL_SRV_CIPHERSUITE_ORDER_CLIENT);
	if (opts->tickets) {
		config->tickets = opts->tickets;
		mbedtls_ssl_conf_session_tickets_cb(&config->conf, ticket_write, ticket_parse, config);
		mbedtls_ssl_conf_new_session_tickets(&config->conf, 1);
	} else {
		mbedtls_ssl_conf_session_tickets(&config->conf, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	}
	*out = lp_take(&config);
	return 0;
}

int
lp_tls_config_client(struct lp_tls_config **out, const struct lp_tls_client_opts *opts, struct lp_err *err)
{
	auto_config struct lp_tls_config *config = NULL;
	int rc;

	if (opts->anyone ? opts->ca_pem || opts->pin : !opts->ca_pem == !opts->pin)
		return lp_err_say(err, -EINVAL, "a client trusts either an authority or a pin");
	config = config_new(false, err);
	if (!config)
		return -ENOMEM;
	rc = config_common(config, err);
	if (rc == 0)
		rc = config_load(config, opts->chain_pem, opts->key_pem, opts->ca_pem, err);
	if (rc == 0)
		rc = config_alpn(config, opts->alpn, err);
	if (rc < 0)
		return rc;
	config->anyone = opts->anyone;
	if (opts->anyone) {
		mbedtls_ssl_conf_authmode(&config->conf, MBEDTLS_SSL_VERIFY_NONE);
		mbedtls_ssl_conf_session_tickets(&config->conf, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	} else if (opts->pin) {
		/* mbedTLS has nobody to trust, so it may only advise; the callback decides, and refuses all else. */
		config->has_pin = true;
		memcpy(config->pin, opts->pin, sizeof(config->pin));
		mbedtls_ssl_conf_authmode(&config->conf, MBEDTLS_SSL_VERIFY_OPTIONAL);
		mbedtls_ssl_conf_session_tickets(&config->conf, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	} else {
		mbedtls_ssl_conf_ca_chain(&config->conf, &config->ca, NULL);
		mbedtls_ssl_conf_authmode(&config->conf, MBEDTLS_SSL_VERIFY_REQUIRED);
		mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(&config->conf,
		    MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
	}
	*out = lp_take(&config);
	return 0;
}

/* ---- judging certificates */

static const struct {
	uint32_t flag;
	const char *words;
} faults[] = {
	{ MBEDTLS_X509_BADCERT_NOT_TRUSTED,  "it is not signed by the authority we trust" },
	{ MBEDTLS_X509_BADCERT_CN_MISMATCH,  "it is for another name" },
	{ MBEDTLS_X509_BADCERT_EXPIRED,      "it has expired or has not begun" },
	{ MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "it is for another use" },
	{ MBEDTLS_X509_BADCERT_KEY_USAGE,    "it is for another use" },
	{ MBEDTLS_X509_BADCERT_BAD_KEY,      "its key is too weak" },
	{ MBEDTLS_X509_BADCERT_MISSING,      "there is none" },
};

static const char *
fault_words(uint32_t flags)
{
	for (size_t i = 0; i < lp_count(faults); i++) {
		if (flags & faults[i].flag)
			return faults[i].words;
	}
	return "it does not hold";
}

/*
 * In TLS 1.3 a server judges after its own Finished, and must seal an alert with keys that mbedTLS puts in place only when the
 * handshake is over: sent at once, no client can read it. Then it is sent when that is so, before anything else is done.
 */
static bool
refused_later(const struct lp_tls *tls)
{
	return tls->config->server && mbedtls_ssl_get_version_number(&tls->ssl) == MBEDTLS_SSL_VERSION_TLS1_3;
}

/* mbedTLS calls this for each certificate of the chain, the leaf (depth 0) last. */
static int
judge(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct lp_tls *tls = arg;
	struct lp_cert_identity id;
	struct lp_err why;

	*flags &= ~(uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE);
	if (lp_mbed_identity(crt, &id, &tls->refusal) < 0)
		return MBEDTLS_ERR_X509_FATAL_ERROR;
	if (lp_cert_check_time(id.not_before_ms, id.not_after_ms, &why) < 0) {
		/* An expired device may come in to renew. The one judged here is recorded below, when the handshake is over. */
		if (!tls->config->server || depth > 0 || lp_cert_check_time(0, id.not_after_ms, NULL) == 0) {
			tls->refusal = why;
			*flags |= MBEDTLS_X509_BADCERT_EXPIRED;
		}
	}
	if (tls->config->has_pin && depth > 0 && id.ca && lp_digest_same(id.spki, tls->config->pin, LP_DIGEST_BYTES)) {
		*flags &= ~(uint32_t)MBEDTLS_X509_BADCERT_NOT_TRUSTED;
		tls->pinned = true;
		lp_buf_reset(&tls->pinned_der);
		if (lp_buf_add(&tls->pinned_der, crt->raw.p, crt->raw.len) < 0)
			return MBEDTLS_ERR_X509_ALLOC_FAILED;
	}
	tls->faults |= *flags;
	if (depth == 0 && (tls->faults || (tls->config->has_pin && !tls->pinned))) {
		if (tls->refusal.code == 0)
			(void)lp_err_say(&tls->refusal, -EKEYREJECTED, "%s", tls->config->has_pin && !tls->pinned ?
			    "its authority is not the one that was named" : fault_words(tls->faults));
		return refused_later(tls) ? 0 : MBEDTLS_ERR_X509_FATAL_ERROR;
	}
	return 0;
}

/* ---- one channel */

static int
bio_send(void *arg, const unsigned char *data, size_t len)
{
	struct lp_tls *tls = arg;
	ssize_t n = send(tls->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN || errno == EINTR)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	return errno == EPIPE || errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_SEND_FAILED;
}

static int
bio_recv(void *arg, unsigned char *data, size_t len)
{
	struct lp_tls *tls = arg;
	ssize_t n = recv(tls->fd, data, len, MSG_DONTWAIT);

	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN || errno == EINTR)
		return MBEDTLS_ERR_SSL_WANT_READ;
	return errno == ECONNRESET ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_RECV_FAILED;
}

int
lp_tls_new(struct lp_tls_config *config, int fd, const char *name, struct lp_tls **out, struct lp_err *err)
{
	struct lp_resolve_address literal;
	struct lp_tls *tls;
	int rc;

	if (!config->server && (!name || !*name))
		return lp_err_say(err, -EINVAL, "a TLS client must know whom it expects");
	tls = lp_seam.alloc(sizeof(*tls));
	if (!tls)
		return lp_err_set(err, -ENOMEM, "TLS channel");
	tls->config = config;
	config->refs++;
	tls->fd = fd;
	tls->wants = config->server ? EPOLLIN : EPOLLOUT;
	lp_buf_init(&tls->der, DER_MAX);
	lp_buf_init(&tls->pinned_der, DER_MAX);
	mbedtls_ssl_init(&tls->ssl);
	rc = mbedtls_ssl_setup(&tls->ssl, &config->conf);
	if (rc == 0 && !config->server)		/* an address is no server name to ask for */
		rc = mbedtls_ssl_set_hostname(&tls->ssl, config->anyone && lp_resolve_literal(name, 0, &literal) == 0 ? NULL : name);
	if (rc == 0 && config->has_session && strcmp(config->session_name, name) == 0 &&
	    mbedtls_ssl_set_session(&tls->ssl, &config->session) != 0) {
		/* A session that the library will not take again is not worth an error: the handshake is a full one. */
		mbedtls_ssl_session_free(&config->session);
		mbedtls_ssl_session_init(&config->session);
		config->has_session = false;
	}
	if (rc != 0) {
		lp_tls_free(tls);
		return lp_mbed_fail(err, -ENOMEM, rc, "TLS channel");
	}
	if (!config->anyone)
		mbedtls_ssl_set_verify(&tls->ssl, judge, tls);
	mbedtls_ssl_set_bio(&tls->ssl, tls, bio_send, bio_recv, NULL);
	*out = tls;
	return 0;
}

void
lp_tls_free(struct lp_tls *tls)
{
	if (!tls)
		return;
	mbedtls_ssl_free(&tls->ssl);
	lp_buf_fini(&tls->der);
	lp_buf_fini(&tls->pinned_der);
	free(tls->peer);
	lp_tls_config_free(tls->config);
	free(tls);
}

/* Keep the newest session for the next channel to the same server. */
static void
session_keep(struct lp_tls *tls)
{
	struct lp_tls_config *config = tls->config;
	mbedtls_ssl_session session;

	mbedtls_ssl_session_init(&session);
	if (mbedtls_ssl_get_session(&tls->ssl, &session) == 0) {
		mbedtls_ssl_session_free(&config->session);
		config->session = session;
		config->has_session = snprintf(config->session_name, sizeof(config->session_name), "%s",
		    mbedtls_ssl_get_hostname(&tls->ssl)) < (int)sizeof(config->session_name);
	} else {
		mbedtls_ssl_session_free(&session);
	}
}

static int
peer_take(struct lp_tls *tls, struct lp_err *err)
{
	const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&tls->ssl);
	bool from_ticket = tls->config->server && !tls->asked && !crt && tls->der.len;
	int rc;

	if ((!crt && !from_ticket) || tls->config->anyone) {
		lp_buf_fini(&tls->der);
		lp_buf_init(&tls->der, DER_MAX);
		return 0;
	}
	tls->peer = lp_seam.alloc(sizeof(*tls->peer));
	if (!tls->peer)
		return lp_err_set(err, -ENOMEM, "the peer's identity");
	rc = crt ? lp_mbed_identity(crt, tls->peer, err) : lp_cert_read_der(tls->der.data, tls->der.len, tls->peer, err);
	if (rc < 0)
		return rc;
	if (!(tls->peer->uses & (tls->config->server ? LP_CERT_CLIENT : LP_CERT_SERVER)))
		return lp_err_say(err, -EKEYREJECTED, "the peer's certificate is refused: it is for another use");
	/* Also for a ticket that outlived the certificate in it. */
	tls->peer->expired = lp_cert_check_time(tls->peer->not_before_ms, tls->peer->not_after_ms, NULL) < 0;
	lp_buf_fini(&tls->der);
	lp_buf_init(&tls->der, DER_MAX);
	return 0;
}

/* What mbedTLS said, in our terms. */
static int
fail(struct lp_tls *tls, int rc, const char *what, struct lp_err *err)
{
	switch (rc) {
	case MBEDTLS_ERR_SSL_WANT_READ:
		tls->wants = EPOLLIN;
		return -EAGAIN;
	case MBEDTLS_ERR_SSL_WANT_WRITE:
		tls->wants = EPOLLOUT;
		return -EAGAIN;
	case MBEDTLS_ERR_SSL_CONN_EOF:
	case MBEDTLS_ERR_NET_CONN_RESET:
		return lp_err_say(err, -ECONNRESET, "%s: the peer closed the connection", what);
	case MBEDTLS_ERR_SSL_ALLOC_FAILED:
		return lp_err_set(err, -ENOMEM, "%s", what);
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		return lp_err_say(err, -EPROTO, "%s: the peer refused it (alert %d)", what, tls->ssl.MBEDTLS_PRIVATE(in_msg) ?
		    tls->ssl.MBEDTLS_PRIVATE(in_msg)[1] : 0);
	case MBEDTLS_ERR_SSL_INVALID_RECORD:
		if (!tls->done)
			return lp_err_say(err, -EPROTO, "%s: the peer does not speak TLS", what);
		return lp_mbed_fail(err, -EPROTO, rc, what);
	default:
		return lp_mbed_fail(err, -EPROTO, rc, what);
	}
}

int
lp_tls_handshake(struct lp_tls *tls, struct lp_err *err)
{
	int rc = 0;

	if (tls->done)
		return 0;
	tls->config->current = tls;
	while (rc == 0 && !mbedtls_ssl_is_handshake_over(&tls->ssl)) {
		if (tls->ssl.MBEDTLS_PRIVATE(state) == MBEDTLS_SSL_CERTIFICATE_REQUEST)
			tls->asked = true;
		rc = mbedtls_ssl_handshake_step(&tls->ssl);
	}
	if (rc == 0 && tls->refusal.code && refused_later(tls))
		(void)mbedtls_ssl_send_alert_message(&tls->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, tls->faults & MBEDTLS_X509_BADCERT_EXPIRED ?
		    MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED : MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA);	/* a courtesy */
	else if (rc == 0)
		rc = mbedtls_ssl_handshake(&tls->ssl);	/* TLS 1.3 servers: send the tickets while the channel is current */
	tls->config->current = NULL;
	if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
		return fail(tls, rc, "handshake", err);
	if (tls->refusal.code)
		return lp_err_say(err, -EKEYREJECTED, "the peer's certificate is refused: %s", tls->refusal.text);
	if (rc != 0)
		return fail(tls, rc, "handshake", err);
	if (!tls->config->server && tls->asked && !mbedtls_ssl_get_peer_cert(&tls->ssl))
		return lp_err_say(err, -EKEYREJECTED, "the server gave no certificate");
	if (tls->config->has_pin && !tls->pinned)
		return lp_err_say(err, -EKEYREJECTED, "the peer's certificate is refused: its authority is not the one that was named");
	rc = peer_take(tls, err);
	if (rc < 0)
		return rc;
	if (!tls->config->server && !tls->config->has_pin && mbedtls_ssl_get_version_number(&tls->ssl) == MBEDTLS_SSL_VERSION_TLS1_2)
		session_keep(tls);
	tls->done = true;
	return 0;
}

ssize_t
lp_tls_read(struct lp_tls *tls, void *data, size_t len, struct lp_err *err)
{
	for (;;) {
		int rc = mbedtls_ssl_read(&tls->ssl, data, len);

		if (rc > 0)
			return rc;
		if (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
			session_keep(tls);
			continue;
		}
		if (rc == 0 || rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
			return 0;
		return fail(tls, rc, "read", err);
	}
}

ssize_t
lp_tls_write(struct lp_tls *tls, const void *data, size_t len, struct lp_err *err)
{
	int rc;

	/* After WANT_WRITE mbedTLS has sealed a record of these bytes already and counts what it is offered: the same again. */
	if (tls->write_pending)
		len = tls->write_pending;
	/* A ticket of which a read saw only the first part is finished by whoever comes next. */
	while ((rc = mbedtls_ssl_write(&tls->ssl, data, len)) == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
		session_keep(tls);
	if (rc == MBEDTLS_ERR_SSL_WANT_WRITE) {
		tls->write_pending = len;
		return fail(tls, rc, "write", err);
	}
	tls->write_pending = 0;
	return rc >= 0 ? rc : fail(tls, rc, "write", err);
}

void
lp_tls_finish(struct lp_tls *tls)
{
	if (tls->done)
		(void)mbedtls_ssl_close_notify(&tls->ssl);	/* a peer that is gone will not miss it */
}

uint32_t
lp_tls_wants(const struct lp_tls *tls)
{
	return tls->wants;
}

size_t
lp_tls_pending(const struct lp_tls *tls)
{
	return mbedtls_ssl_get_bytes_avail(&tls->ssl) || mbedtls_ssl_check_pending(&tls->ssl);
}

const char *
lp_tls_alpn(const struct lp_tls *tls)
{
	return mbedtls_ssl_get_alpn_protocol(&tls->ssl);
}

const struct lp_cert_identity *
lp_tls_peer(const struct lp_tls *tls)
{
	return tls->peer;
}

bool
lp_tls_resumed(const struct lp_tls *tls)
{
	return tls->done && !tls->asked;
}

const char *
lp_tls_version(const struct lp_tls *tls)
{
	return mbedtls_ssl_get_version(&tls->ssl);
}

int
lp_tls_pinned_ca(const struct lp_tls *tls, struct lp_buf *out, struct lp_err *err)
{
	unsigned char pem[2 * DER_MAX];
	size_t len = 0;
	int rc;

	if (!tls->done || !tls->pinned)
		return lp_err_say(err, -ENOENT, "no authority was pinned");
	rc = mbedtls_pem_write_buffer("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n",
	    (const unsigned char *)tls->pinned_der.data, tls->pinned_der.len, pem, sizeof(pem), &len);
	if (rc != 0)
		return lp_mbed_fail(err, -EIO, rc, "write the authority");
	return lp_buf_str(out, (const char *)pem) < 0 ? lp_err_set(err, out->failed, "write the authority") : 0;
}
