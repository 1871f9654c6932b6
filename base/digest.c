#include "base/digest.h"

#include <assert.h>
#include <errno.h>
#include <mbedtls/sha256.h>
#include <mbedtls/version.h>
#include <string.h>

#include "base/text.h"

/* mbedTLS 2.28 names the functions that can fail *_ret; 3.x dropped the others. */
#if MBEDTLS_VERSION_MAJOR < 3
#define mbedtls_sha256_starts mbedtls_sha256_starts_ret
#define mbedtls_sha256_update mbedtls_sha256_update_ret
#define mbedtls_sha256_finish mbedtls_sha256_finish_ret
#endif

static mbedtls_sha256_context *
context(struct lp_digest_state *state)
{
	_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(state->opaque), "the state holds mbedTLS's context");
	return (mbedtls_sha256_context *)(void *)state->opaque;
}

/* In software SHA-256 cannot fail; with hardware that can, a wrong digest must never be used. */
static void
must(int rc)
{
	assert(rc == 0);
	(void)rc;
}

void
lp_digest_start(struct lp_digest_state *state)
{
	mbedtls_sha256_init(context(state));
	must(mbedtls_sha256_starts(context(state), 0));
}

void
lp_digest_add(struct lp_digest_state *state, const void *data, size_t len)
{
	must(mbedtls_sha256_update(context(state), data, len));
}

void
lp_digest_end(struct lp_digest_state *state, uint8_t out[static LP_DIGEST_BYTES])
{
	must(mbedtls_sha256_finish(context(state), out));
	mbedtls_sha256_free(context(state));
}

void
lp_digest(const void *data, size_t len, uint8_t out[static LP_DIGEST_BYTES])
{
	struct lp_digest_state state;

	lp_digest_start(&state);
	lp_digest_add(&state, data, len);
	lp_digest_end(&state, out);
}

void
lp_digest_text(const uint8_t digest[static LP_DIGEST_BYTES], char out[static LP_DIGEST_TEXT])
{
	memcpy(out, "sha256:", 7);
	lp_text_hex(digest, LP_DIGEST_BYTES, out + 7);
}

void
lp_digest_print(const void *data, size_t len, char out[static LP_DIGEST_TEXT])
{
	uint8_t digest[LP_DIGEST_BYTES];

	lp_digest(data, len, digest);
	lp_digest_text(digest, out);
}

int
lp_digest_parse(const char *text, uint8_t *out)
{
	uint8_t digest[LP_DIGEST_BYTES];

	if (!lp_text_starts(text, "sha256:") || strspn(text + 7, "0123456789abcdef") != 64)
		return -EINVAL;
	if (lp_text_unhex(text + 7, digest, sizeof(digest)) < 0)
		return -EINVAL;
	if (out)
		memcpy(out, digest, sizeof(digest));
	return 0;
}

/* Castagnoli polynomial, reflected (RFC 3720, appendix B.4). State files are small: bit by bit is enough. */
uint32_t
lp_digest_crc32c(uint32_t seed, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint32_t crc = ~seed;

	for (size_t i = 0; i < len; i++) {
		crc ^= at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & (0u - (crc & 1u)));
	}
	return ~crc;
}

bool
lp_digest_same(const void *a, const void *b, size_t len)
{
	const volatile uint8_t *left = a, *right = b;
	uint8_t differ = 0;

	for (size_t i = 0; i < len; i++)
		differ |= left[i] ^ right[i];
	return differ == 0;
}
