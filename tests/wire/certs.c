#include "tests/wire/certs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "tests/harness.h"

#define YEAR_MS (INT64_C(365) * 86400 * 1000)

static char *
taken(struct lp_buf *buf)
{
	char *text = lp_buf_take(buf, NULL);

	CHECK(text != NULL);
	return text;
}

char *
certs_sign(const struct certs *certs, const struct lp_cert_key *key, const char *name, const char *group, uint32_t uses,
    int64_t not_before_ms, int64_t not_after_ms)
{
	const char *groups[] = { group, NULL };
	const char *sans[] = { "127.0.0.1", "localhost", LP_TLS_MANAGER_NAME, NULL };
	struct lp_cert_profile profile = { .name = name, .groups = group ? groups : NULL,
		.sans = uses & LP_CERT_SERVER ? sans : NULL, .uses = uses, .not_before_ms = not_before_ms, .not_after_ms = not_after_ms };
	struct lp_buf pem;
	struct lp_err err = { 0 };

	lp_buf_init(&pem, 65536);
	CHECK_OK(lp_cert_sign(certs->ca, certs->ca_key, key, &profile, &pem, &err), &err);
	return taken(&pem);
}

void
certs_make(struct certs *certs)
{
	int64_t end_ms = lp_clock_trusted_ms() + YEAR_MS;
	struct lp_err err = { 0 };
	struct lp_buf pem;

	memset(certs, 0, sizeof(*certs));
	lp_buf_init(&pem, 65536);
	CHECK_OK(lp_cert_key_generate(&certs->ca_key, &err), &err);
	CHECK_OK(lp_cert_key_generate(&certs->server_key, &err), &err);
	CHECK_OK(lp_cert_key_generate(&certs->node_key, &err), &err);
	CHECK_OK(lp_cert_ca(certs->ca_key, "limpet test authority", end_ms, &pem, &err), &err);
	certs->ca = taken(&pem);
	CHECK_OK(lp_cert_key_spki(certs->ca_key, certs->ca_spki, &err), &err);
	certs->server = certs_sign(certs, certs->server_key, "limpet-manager", NULL, LP_CERT_SERVER, 0, end_ms);
	certs->node = certs_sign(certs, certs->node_key, "system:node:n1", "system:nodes", LP_CERT_CLIENT, 0, end_ms);
	lp_buf_str(&pem, certs->server);
	lp_buf_str(&pem, certs->ca);
	certs->server_chain = taken(&pem);
	CHECK_OK(lp_cert_key_private_pem(certs->server_key, &pem, &err), &err);
	certs->server_secret = taken(&pem);
	CHECK_OK(lp_cert_key_private_pem(certs->node_key, &pem, &err), &err);
	certs->node_secret = taken(&pem);
}

void
certs_free(struct certs *certs)
{
	lp_cert_key_free(certs->ca_key);
	lp_cert_key_free(certs->server_key);
	lp_cert_key_free(certs->node_key);
	free(certs->ca);
	free(certs->server);
	free(certs->server_chain);
	free(certs->node);
	free(certs->server_secret);
	free(certs->node_secret);
}

struct lp_tls_config *
certs_server(const struct certs *certs, struct lp_tls_tickets *tickets, const char *const *alpn)
{
	struct lp_tls_server_opts opts = { .chain_pem = certs->server_chain, .key_pem = certs->server_secret, .ca_pem = certs->ca,
		.alpn = alpn, .tickets = tickets };
	struct lp_tls_config *config = NULL;
	struct lp_err err = { 0 };

	CHECK_OK(lp_tls_config_server(&config, &opts, &err), &err);
	return config;
}

struct lp_tls_config *
certs_client(const struct certs *certs, bool with_node, const char *const *alpn)
{
	struct lp_tls_client_opts opts = { .ca_pem = certs->ca, .alpn = alpn };
	struct lp_tls_config *config = NULL;
	struct lp_err err = { 0 };

	if (with_node) {
		opts.chain_pem = certs->node;
		opts.key_pem = certs->node_secret;
	}
	CHECK_OK(lp_tls_config_client(&config, &opts, &err), &err);
	return config;
}

void
certs_pair(int fds[2])
{
	CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}
