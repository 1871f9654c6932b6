/*
 * agent/link/enroll.h - first key, first certificate, renewal.
 *
 * Order   the token names the authority by the SHA-256 of its public key info: the handshake is given up when the server's
 *         chain does not lead there, so that not one byte of the token leaves the device before (TRUST.md rule 17)
 * Source  DESIGN.md section 8; paths and bodies: POST /fleet/v1/join, POST /fleet/v1/renew
 */
#ifndef LP_AGENT_ENROLL_H
#define LP_AGENT_ENROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/node/identity.h"
#include "base/digest.h"
#include "base/buf.h"
#include "base/err.h"

struct lp_enroll_token {
	char id[64];
	uint8_t pin[LP_DIGEST_BYTES];
};

/* "lp1.<id>.<secret>.<64 hex digits>". -EINVAL "this is no join token". */
int lp_enroll_token(const char *token, struct lp_enroll_token *out, struct lp_err *err);

/* "sha256:H" or "H" against the token's. -EKEYREJECTED when they differ. */
int lp_enroll_hash(const char *ca_hash, const struct lp_enroll_token *token, struct lp_err *err);

struct lp_enroll_join {
	const char *url;		/* https://host:port */
	const char *token;
	const char *ca_hash;		/* NULL: the token's is enough */
	const char *name;		/* of the node */
};

/* Blocks. Makes the key, gets the certificate, checks both against each other, stores the identity below node_fd. */
int lp_enroll_join(int node_fd, const struct lp_enroll_join *how, struct lp_err *err);

/* The request of a renewal, and its answer: a new leaf for the same key. `out` gets a complete new identity. */
int lp_enroll_renew_body(const struct lp_identity *identity, struct lp_buf *out, struct lp_err *err);
int lp_enroll_renewed(const struct lp_identity *identity, const char *answer, size_t len, struct lp_identity *out, struct lp_err *err);

/* When to renew: two thirds of the leaf's life. Wall ms. */
int lp_enroll_due(const struct lp_identity *identity, int64_t *out_ms, struct lp_err *err);

/* The verb `limpet join`. Returns the exit status. */
int lp_enroll_main(int argc, char **argv);

#endif
