#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/harness.h"
#include "tests/wire/certs.h"

#define DAY_MS (INT64_C(86400) * 1000)

struct pair {
	int fds[2];
	struct lp_tls *client, *server;
	int client_rc, server_rc;
	struct lp_err client_err, server_err;
};

static void
pair_open(struct pair *pair, struct lp_tls_config *client, struct lp_tls_config *server, const char *name)
{
	struct lp_err err = { 0 };

	memset(pair, 0, sizeof(*pair));
	certs_pair(pair->fds);
	CHECK_OK(lp_tls_new(client, pair->fds[0], name, &pair->client, &err), &err);
	CHECK_OK(lp_tls_new(server, pair->fds[1], NULL, &pair->server, &err), &err);
	pair->client_rc = pair->server_rc = -EAGAIN;
	for (int i = 0; i < 50 && (pair->client_rc == -EAGAIN || pair->server_rc == -EAGAIN); i++) {
		if (pair->client_rc == -EAGAIN)
			pair->client_rc = lp_tls_handshake(pair->client, &pair->client_err);
		if (pair->client_rc < 0 && pair->client_rc != -EAGAIN)
			shutdown(pair->fds[0], SHUT_WR);
		if (pair->server_rc == -EAGAIN)
			pair->server_rc = lp_tls_handshake(pair->server, &pair->server_err);
		if (pair->server_rc < 0 && pair->server_rc != -EAGAIN)
			shutdown(pair->fds[1], SHUT_WR);
	}
}

static void
pair_close(struct pair *pair)
{
	lp_tls_free(pair->client);
	lp_tls_free(pair->server);
	close(pair->fds[0]);
	close(pair->fds[1]);
}

/* One message each way; the first read on the client also takes its session tickets. */
static void
pair_talk(struct pair *pair)
{
	char got[64] = "";
	struct lp_err err = { 0 };
	ssize_t n = -EAGAIN;

	CHECK_INT(lp_tls_write(pair->client, "ping", 4, &err), 4);
	CHECK_INT(lp_tls_read(pair->server, got, sizeof(got), &err), 4);
	CHECK_MEM(got, "ping", 4);
	CHECK_INT(lp_tls_write(pair->server, "pong!", 5, &err), 5);
	for (int i = 0; i < 5 && n == -EAGAIN; i++)	/* a ticket is no data */
		n = lp_tls_read(pair->client, got, sizeof(got), &err);
	CHECK_INT(n, 5);
	CHECK_MEM(got, "pong!", 5);
}

TEST(both_sides_learn_who_the_other_is)
{
	const char *alpn[] = { "h2", "http/1.1", NULL };
	struct certs certs;
	struct pair pair;

	certs_make(&certs);
	struct lp_tls_config *server = certs_server(&certs, NULL, alpn), *client = certs_client(&certs, true, alpn);
	pair_open(&pair, client, server, "127.0.0.1");
	CHECK_OK(pair.client_rc, &pair.client_err);
	CHECK_OK(pair.server_rc, &pair.server_err);
	CHECK_STR(lp_tls_peer(pair.server)->name, "system:node:n1");
	CHECK_STR(lp_tls_peer(pair.server)->groups[0], "system:nodes");
	CHECK_STR(lp_tls_peer(pair.client)->name, "limpet-manager");
	CHECK_STR(lp_tls_alpn(pair.server), "h2");
	CHECK_STR(lp_tls_version(pair.server), "TLSv1.3");
	CHECK(!lp_tls_resumed(pair.server));
	pair_talk(&pair);
	pair_close(&pair);
	lp_tls_config_free(client);
	lp_tls_config_free(server);
	certs_free(&certs);
}

TEST(a_client_without_a_certificate_is_let_in_as_nobody)
{
	struct certs certs;
	struct pair pair;

	certs_make(&certs);
	struct lp_tls_config *server = certs_server(&certs, NULL, NULL), *client = certs_client(&certs, false, NULL);
	pair_open(&pair, client, server, "localhost");
	CHECK_OK(pair.client_rc, &pair.client_err);
	CHECK_OK(pair.server_rc, &pair.server_err);
	CHECK(lp_tls_peer(pair.server) == NULL);
	pair_talk(&pair);
	pair_close(&pair);
	lp_tls_config_free(client);
	lp_tls_config_free(server);
	certs_free(&certs);
}

TEST(a_server_with_another_name_is_refused)
{
	struct certs certs;
	struct pair pair;

	certs_make(&certs);
	struct lp_tls_config *server = certs_server(&certs, NULL, NULL), *client = certs_client(&certs, false, NULL);
	pair_open(&pair, client, server, "10.9.9.9");
	CHECK_INT(pair.client_rc, -EKEYREJECTED);
	CHECK_HAS(pair.client_err.text, "another name");
	CHECK(pair.server_rc < 0);
	pair_close(&pair);
	lp_tls_config_free(client);
	lp_tls_config_free(server);
	certs_free(&certs);
}

TEST(a_client_cannot_be_made_without_a_name_or_somebody_to_trust)
{
	struct certs certs;
	struct lp_tls_config *config = NULL;
	struct lp_tls *tls = NULL;
	struct lp_tls_client_opts opts = { .ca_pem = NULL };
	struct lp_err err;

	certs_make(&certs);
	CHECK_ERR(lp_tls_config_client(&config, &opts, &err), -EINVAL);
	struct lp_tls_config *client = certs_client(&certs, false, NULL);
	CHECK_ERR(lp_tls_new(client, 0, NULL, &tls, &err), -EINVAL);
	lp_tls_config_free(client);
	certs_free(&certs);
}

TEST(certificates_of_another_authority_are_refused_on_both_sides)
{
	struct certs certs, other;
	struct pair pair;

	certs_make(&certs);
	certs_make(&other);
	struct lp_tls_config *server = certs_server(&certs, NULL, NULL);
	struct lp_tls_config *stranger = certs_client(&other, false, NULL);
	pair_open(&pair, stranger, server, "localhost");
	CHECK_INT(pair.client_rc, -EKEYREJECTED);
	pair_close(&pair);

	/* Trusts our server, but its own certificate is from elsewhere. */
	struct lp_tls_client_opts opts = { .ca_pem = certs.ca, .chain_pem = other.node, .key_pem = other.node_secret };
	struct lp_tls_config *forger = NULL;
	struct lp_err err = { 0 };
	CHECK_OK(lp_tls_config_client(&forger, &opts, &err), &err);
	pair_open(&pair, forger, server, "localhost");
	CHECK_INT(pair.server_rc, -EKEYREJECTED);
	CHECK_HAS(pair.server_err.text, "not signed by the authority");
	pair_close(&pair);
	lp_tls_config_free(forger);
	lp_tls_config_free(stranger);
	lp_tls_config_free(server);
	certs_free(&other);
	certs_free(&certs);
}

static void
client_with(const struct certs *certs, const char *chain, struct lp_tls_config *server, struct pair *pair)
{
	struct lp_tls_client_opts opts = { .ca_pem = certs->ca, .chain_pem = chain, .key_pem = certs->node_secret };
	struct lp_tls_config *client = NULL;
	struct lp_err err = { 0 };

	CHECK_OK(lp_tls_config_client(&client, &opts, &err), &err);
	pair_open(pair, client, server, "localhost");
	lp_tls_free(pair->client);
	pair->client = NULL;
	lp_tls_config_free(client);
}

TEST(an_expired_device_comes_in_marked_and_an_early_one_does_not)
{
	int64_t now_ms = lp_clock_trusted_ms();
	struct certs certs;
	struct pair pair;
	char *expired, *early, *wrong;

	certs_make(&certs);
	struct lp_tls_config *server = certs_server(&certs, NULL, NULL);
	expired = certs_sign(&certs, certs.node_key, "system:node:n1", "system:nodes", LP_CERT_CLIENT, now_ms - 9 * DAY_MS,
	    now_ms - DAY_MS);
	client_with(&certs, expired, server, &pair);
	CHECK_OK(pair.server_rc, &pair.server_err);
	CHECK(lp_tls_peer(pair.server)->expired);
	pair_close(&pair);

	early = certs_sign(&certs, certs.node_key, "system:node:n1", "system:nodes", LP_CERT_CLIENT, now_ms + DAY_MS,
	    now_ms + 9 * DAY_MS);
	client_with(&certs, early, server, &pair);
	CHECK_INT(pair.server_rc, -EKEYREJECTED);
	pair_close(&pair);

	/* A server's certificate is no client's. */
	wrong = certs_sign(&certs, certs.node_key, "system:node:n1", "system:nodes", LP_CERT_SERVER, 0, now_ms + 9 * DAY_MS);
	client_with(&certs, wrong, server, &pair);
	CHECK_INT(pair.server_rc, -EKEYREJECTED);
	pair_close(&pair);
	free(expired);
	free(early);
	free(wrong);
	lp_tls_config_free(server);
	certs_free(&certs);
}

TEST(a_joining_device_knows_its_manager_by_the_authoritys_key_alone)
{
	struct certs certs;
	struct pair pair;
	uint8_t wrong[LP_DIGEST_BYTES];
	struct lp_tls_config *client = NULL;
	struct lp_cert_identity id;
	struct lp_buf pem;
	struct lp_err err = { 0 };

	certs_make(&certs);
	struct lp_tls_config *server = certs_server(&certs, NULL, NULL);
	struct lp_tls_client_opts opts = { .pin = certs.ca_spki };
	CHECK_OK(lp_tls_config_client(&client, &opts, &err), &err);
	pair_open(&pair, client, server, LP_TLS_MANAGER_NAME);
	CHECK_OK(pair.client_rc, &pair.client_err);
	CHECK_OK(pair.server_rc, &pair.server_err);
	lp_buf_init(&pem, 65536);
	CHECK_OK(lp_tls_pinned_ca(pair.client, &pem, &err), &err);
	CHECK_OK(lp_cert_read(pem.data, &id, &err), &err);
	CHECK(id.ca);
	CHECK_MEM(id.spki, certs.ca_spki, LP_DIGEST_BYTES);
	lp_buf_fini(&pem);
	pair_talk(&pair);
	pair_close(&pair);
	lp_tls_config_free(client);

	memcpy(wrong, certs.ca_spki, sizeof(wrong));
	wrong[31] ^= 1;
	opts.pin = wrong;
	CHECK_OK(lp_tls_config_client(&client, &opts, &err), &err);
	pair_open(&pair, client, server, LP_TLS_MANAGER_NAME);
	CHECK_INT(pair.client_rc, -EKEYREJECTED);
	CHECK_HAS(pair.client_err.text, "not the one that was named");
	pair_close(&pair);
	lp_tls_config_free(client);
	lp_tls_config_free(server);
	certs_free(&certs);
}

TEST(a_pin_of_the_leaf_is_not_enough)
{
	struct certs certs;
	struct pair pair;
	struct lp_tls_config *client = NULL;
	struct lp_err err = { 0 };
	uint8_t leaf[LP_DIGEST_BYTES];

	certs_make(&certs);
	struct lp_tls_config *server = certs_server(&certs, NULL, NULL);
	CHECK_OK(lp_cert_key_spki(certs.server_key, leaf, &err), &err);
	struct lp_tls_client_opts opts = { .pin = leaf };
	CHECK_OK(lp_tls_config_client(&client, &opts, &err), &err);
	pair_open(&pair, client, server, LP_TLS_MANAGER_NAME);
	CHECK_INT(pair.client_rc, -EKEYREJECTED);
	pair_close(&pair);
	lp_tls_config_free(client);
	lp_tls_config_free(server);
	certs_free(&certs);
}

TEST(a_resumed_session_still_knows_the_device_also_after_a_restart)
{
	struct certs certs;
	struct pair pair;
	struct lp_tls_tickets *tickets = NULL, *again = NULL;
	struct lp_buf saved;
	struct lp_err err = { 0 };

	certs_make(&certs);
	CHECK_OK(lp_tls_tickets_new(&tickets, &err), &err);
	struct lp_tls_config *server = certs_server(&certs, tickets, NULL), *client = certs_client(&certs, true, NULL);
	pair_open(&pair, client, server, "localhost");
	CHECK_OK(pair.server_rc, &pair.server_err);
	CHECK(!lp_tls_resumed(pair.server));
	pair_talk(&pair);
	pair_close(&pair);

	for (int i = 0; i < 3; i++) {
		pair_open(&pair, client, server, "localhost");
		CHECK_OK(pair.client_rc, &pair.client_err);
		CHECK_OK(pair.server_rc, &pair.server_err);
		CHECK(lp_tls_resumed(pair.server));
		CHECK(lp_tls_resumed(pair.client));
		CHECK_STR(lp_tls_peer(pair.server)->name, "system:node:n1");
		pair_talk(&pair);
		pair_close(&pair);
	}

	lp_buf_init(&saved, 4096);
	CHECK_OK(lp_tls_tickets_save(tickets, &saved), NULL);
	lp_tls_config_free(server);
	CHECK_OK(lp_tls_tickets_new(&again, &err), &err);
	CHECK_OK(lp_tls_tickets_load(again, saved.data, saved.len, &err), &err);
	server = certs_server(&certs, again, NULL);
	pair_open(&pair, client, server, "localhost");
	CHECK(lp_tls_resumed(pair.server));
	CHECK_STR(lp_tls_peer(pair.server)->name, "system:node:n1");
	pair_talk(&pair);
	pair_close(&pair);

	/* One rotation keeps the former key, two do not. */
	CHECK(!lp_tls_tickets_rotate(again, lp_clock_wall_ms()));
	CHECK(lp_tls_tickets_rotate(again, lp_clock_wall_ms() + 2 * DAY_MS));
	CHECK(lp_tls_tickets_rotate(again, lp_clock_wall_ms() + 4 * DAY_MS));
	pair_open(&pair, client, server, "localhost");
	CHECK_OK(pair.server_rc, &pair.server_err);
	CHECK(!lp_tls_resumed(pair.server));
	CHECK_STR(lp_tls_peer(pair.server)->name, "system:node:n1");
	pair_close(&pair);
	lp_buf_fini(&saved);
	lp_tls_config_free(client);
	lp_tls_config_free(server);
	lp_tls_tickets_free(tickets);
	lp_tls_tickets_free(again);
	certs_free(&certs);
}

TEST(a_ticket_of_a_nobody_resumes_a_nobody)
{
	struct certs certs;
	struct pair pair;
	struct lp_tls_tickets *tickets = NULL;
	struct lp_err err = { 0 };

	certs_make(&certs);
	CHECK_OK(lp_tls_tickets_new(&tickets, &err), &err);
	struct lp_tls_config *server = certs_server(&certs, tickets, NULL), *client = certs_client(&certs, false, NULL);
	for (int i = 0; i < 2; i++) {
		pair_open(&pair, client, server, "localhost");
		CHECK_OK(pair.server_rc, &pair.server_err);
		CHECK_INT(lp_tls_resumed(pair.server), i);
		CHECK(lp_tls_peer(pair.server) == NULL);
		pair_talk(&pair);
		pair_close(&pair);
	}
	lp_tls_config_free(client);
	lp_tls_config_free(server);
	lp_tls_tickets_free(tickets);
	certs_free(&certs);
}

TEST(noise_instead_of_a_handshake_is_an_error_not_a_wait)
{
	struct certs certs;
	struct lp_tls *tls = NULL;
	struct lp_err err = { 0 };
	int fds[2];

	certs_make(&certs);
	struct lp_tls_config *server = certs_server(&certs, NULL, NULL);
	certs_pair(fds);
	CHECK_OK(lp_tls_new(server, fds[1], NULL, &tls, &err), &err);
	CHECK_ERR(lp_tls_handshake(tls, &err), -EAGAIN);
	CHECK_INT(write(fds[0], "GET / HTTP/1.1\r\n\r\n", 18), 18);
	CHECK_ERR(lp_tls_handshake(tls, &err), -EPROTO);
	lp_tls_free(tls);
	close(fds[0]);
	close(fds[1]);
	lp_tls_config_free(server);
	certs_free(&certs);
}
