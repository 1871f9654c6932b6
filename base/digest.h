/*
 * base/digest.h - SHA-256 (mbedcrypto) and CRC32C; signatures are a callback that wire/ provides.
 */
#ifndef LP_BASE_DIGEST_H
#define LP_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LP_DIGEST_BYTES 32
#define LP_DIGEST_TEXT 72		/* "sha256:" + 64 hex digits + NUL */

struct lp_digest_state {
	_Alignas(16) unsigned char opaque[256];
};

void lp_digest_start(struct lp_digest_state *state);
void lp_digest_add(struct lp_digest_state *state, const void *data, size_t len);
void lp_digest_end(struct lp_digest_state *state, uint8_t out[static LP_DIGEST_BYTES]);

void lp_digest(const void *data, size_t len, uint8_t out[static LP_DIGEST_BYTES]);
/* "sha256:<hex>" of data. */
void lp_digest_print(const void *data, size_t len, char out[static LP_DIGEST_TEXT]);
void lp_digest_text(const uint8_t digest[static LP_DIGEST_BYTES], char out[static LP_DIGEST_TEXT]);
/* Strictly "sha256:" and 64 lower-case hex digits; -EINVAL. out may be NULL. */
int lp_digest_parse(const char *text, uint8_t *out);

uint32_t lp_digest_crc32c(uint32_t seed, const void *data, size_t len);

/* Equal? Takes the same time wherever they differ. */
bool lp_digest_same(const void *a, const void *b, size_t len);

/* Sign / verify over bytes: implemented in wire/cert.c, handed to rooms that may not see mbedTLS. */
typedef int (*lp_verify_fn)(void *arg, const void *data, size_t len, const void *signature, size_t signature_len, struct lp_err *err);

#endif
