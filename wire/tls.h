/*
 * wire/tls.h - an authenticated channel over a non-blocking descriptor; with cert.c the only user of mbedTLS.
 *
 * Rules   TLS 1.2 and 1.3, ECDHE with AEAD; a client always verifies, and always against an expected name (but for `anyone`); a server
 *         verifies a certificate when one is given, and refuses the handshake when it is bad; both check the
 *         extended key usage themselves (TRUST.md rule 15)
 * Expired a server lets an expired client certificate in, marked `expired`: its holder may renew and nothing else
 * Resume  tickets are sealed with keys that the owner keeps across restarts; they carry the client's certificate, so the
 *         identity after a resumption is the one that was proven, and the owner can look its serial up again
 * Errors  -EAGAIN wait for lp_tls_wants(), -EKEYREJECTED the peer is not who it should be, -EPROTO, -ECONNRESET, -ENOMEM
 */
#ifndef LP_WIRE_TLS_H
#define LP_WIRE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/cert.h"

/* Stands in every manager's certificate beside its addresses; a device expects it however it reached the manager. */
#define LP_TLS_MANAGER_NAME "manager.limpet.internal"

struct lp_tls;			/* one channel */
struct lp_tls_config;		/* what many channels share; they keep it alive */
struct lp_tls_tickets;		/* a server's ticket keys */

struct lp_tls_server_opts {
	const char *chain_pem;			/* the leaf, then the authority (a joining device compares it) */
	const char *key_pem;
	const char *ca_pem;			/* for client certificates; NULL: none are asked for */
	const char *const *alpn;		/* NULL-terminated, best first; NULL: none */
	struct lp_tls_tickets *tickets;		/* weak; NULL: no resumption */
};

struct lp_tls_client_opts {
	const char *ca_pem;			/* whom to trust; or */
	const uint8_t *pin;			/* SHA-256 of the public key info of an authority in the presented chain */
	const char *chain_pem, *key_pem;	/* our certificate; both NULL: none */
	const char *const *alpn;
	bool anyone;				/* instead of both: nobody is verified. Only to see that someone answers, never to trust him */
};

int lp_tls_config_server(struct lp_tls_config **out, const struct lp_tls_server_opts *opts, struct lp_err *err);
/* Remembers the newest session, so that the next channel resumes it: one configuration per server. */
int lp_tls_config_client(struct lp_tls_config **out, const struct lp_tls_client_opts *opts, struct lp_err *err);
void lp_tls_config_free(struct lp_tls_config *config);

int lp_tls_tickets_new(struct lp_tls_tickets **out, struct lp_err *err);
void lp_tls_tickets_free(struct lp_tls_tickets *tickets);
/* The keys as bytes for a state file (secret), and back; -EINVAL when the bytes are not ours. */
int lp_tls_tickets_save(const struct lp_tls_tickets *tickets, struct lp_buf *out);
int lp_tls_tickets_load(struct lp_tls_tickets *tickets, const void *data, size_t len, struct lp_err *err);
/* A new key when the present one is a day old (the former one is still accepted for a day). True: save them again. */
bool lp_tls_tickets_rotate(struct lp_tls_tickets *tickets, int64_t wall_ms);

/* A channel over fd, which stays the caller's. `name` is the DNS name or address the server's certificate must carry;
 * NULL on servers only. */
int lp_tls_new(struct lp_tls_config *config, int fd, const char *name, struct lp_tls **out, struct lp_err *err);
void lp_tls_free(struct lp_tls *tls);

/* 0 when done, -EAGAIN, or why not. The peer's identity is checked before this returns 0. */
int lp_tls_handshake(struct lp_tls *tls, struct lp_err *err);
/* Bytes; 0 at the peer's orderly end; -EAGAIN. */
ssize_t lp_tls_read(struct lp_tls *tls, void *data, size_t len, struct lp_err *err);
/* Bytes taken, at least 1; -EAGAIN: offer the same bytes again. */
ssize_t lp_tls_write(struct lp_tls *tls, const void *data, size_t len, struct lp_err *err);
/* Say goodbye, as far as the socket takes it now. */
void lp_tls_finish(struct lp_tls *tls);
/* EPOLLIN or EPOLLOUT: what the last -EAGAIN waits for. */
uint32_t lp_tls_wants(const struct lp_tls *tls);
/* Bytes that are decrypted and wait to be read. */
size_t lp_tls_pending(const struct lp_tls *tls);

/* After the handshake. The protocol is NULL when none was agreed, the peer NULL when it gave no certificate. */
const char *lp_tls_alpn(const struct lp_tls *tls);
const struct lp_cert_identity *lp_tls_peer(const struct lp_tls *tls);
bool lp_tls_resumed(const struct lp_tls *tls);
const char *lp_tls_version(const struct lp_tls *tls);

/* The authority in the server's chain that matched the pin, as PEM; only after a pinned handshake. -ENOENT. */
int lp_tls_pinned_ca(const struct lp_tls *tls, struct lp_buf *out, struct lp_err *err);

#endif
