/*
 * tests/wire/certs.h - an authority, a server and a device for the tests of wire/.
 */
#ifndef LP_TESTS_WIRE_CERTS_H
#define LP_TESTS_WIRE_CERTS_H

#include "wire/tls.h"

struct certs {
	struct lp_cert_key *ca_key, *server_key, *node_key;
	char *ca, *server, *server_chain, *node;		/* PEM */
	char *server_secret, *node_secret;
	uint8_t ca_spki[LP_DIGEST_BYTES];
};

/* Everything, or the test fails. The server is for 127.0.0.1, localhost and the manager's name; the device is n1. */
void certs_make(struct certs *certs);
void certs_free(struct certs *certs);
/* One more certificate by the authority. */
char *certs_sign(const struct certs *certs, const struct lp_cert_key *key, const char *name, const char *group, uint32_t uses,
    int64_t not_before_ms, int64_t not_after_ms);

/* Configurations over them; tickets may be NULL. */
struct lp_tls_config *certs_server(const struct certs *certs, struct lp_tls_tickets *tickets, const char *const *alpn);
struct lp_tls_config *certs_client(const struct certs *certs, bool with_node, const char *const *alpn);

/* A pair of connected, non-blocking sockets. */
void certs_pair(int fds[2]);

#endif
