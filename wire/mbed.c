/*
 * wire/mbed.c - start-up, randomness and words of mbedTLS.
 */
#include "wire/mbed.h"

#include <errno.h>

#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <psa/crypto.h>

#include "base/seam.h"

int
lp_mbed_start(struct lp_err *err)
{
	/* It counts for itself: a second start does nothing. */
	if (psa_crypto_init() != PSA_SUCCESS)
		return lp_err_say(err, -EIO, "start the crypto library: no randomness");
	return 0;
}

int
lp_mbed_random(void *arg, unsigned char *out, size_t len)
{
	(void)arg;
	lp_random(out, len);
	return 0;
}

int
lp_mbed_fail(struct lp_err *err, int code, int rc, const char *what)
{
	char words[160];

	switch (rc) {
	case MBEDTLS_ERR_X509_ALLOC_FAILED:
	case MBEDTLS_ERR_PK_ALLOC_FAILED:
	case MBEDTLS_ERR_ECP_ALLOC_FAILED:
		code = -ENOMEM;
		break;
	}
	mbedtls_strerror(rc, words, sizeof(words));
	return lp_err_say(err, code, "%s: %s", what, words);
}
