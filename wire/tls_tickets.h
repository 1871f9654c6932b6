/*
 * wire/tls_tickets.h - sealing and opening session tickets; used by tls.c only.
 *
 * Format  key id (4), nonce (12), AES-256-GCM of the payload, tag (16); the key id is authenticated too
 */
#ifndef LP_WIRE_TLS_TICKETS_H
#define LP_WIRE_TLS_TICKETS_H

#include "base/err.h"
#include "wire/tls.h"

#define LP_TLS_TICKETS_EXTRA  32	/* bytes that sealing adds */
#define LP_TLS_TICKETS_LIFE_S 86400

/* `out` has room for len + LP_TLS_TICKETS_EXTRA. */
int lp_tls_tickets_seal(struct lp_tls_tickets *tickets, const void *data, size_t len, unsigned char *out);
/* In place: the payload is at data + 16, its length in *out_len. -EKEYREJECTED when it is not ours. */
int lp_tls_tickets_open(struct lp_tls_tickets *tickets, unsigned char *data, size_t len, size_t *out_len);

#endif
