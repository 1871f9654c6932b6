/*
 * wire/mbed.h - what cert.c and tls.c share of mbedTLS; nobody else includes it.
 */
#ifndef LP_WIRE_MBED_H
#define LP_WIRE_MBED_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "base/err.h"
#include "wire/cert.h"

struct lp_cert_key {
	mbedtls_pk_context pk;
	bool secret;		/* the private half is there */
};

/* Start the library (once per process). */
int lp_mbed_start(struct lp_err *err);

/* Randomness in the shape that mbedTLS wants. */
int lp_mbed_random(void *arg, unsigned char *out, size_t len);

/* "<what>: <mbedTLS's words>" with our own code; -ENOMEM when that is what it was. Returns the code. */
int lp_mbed_fail(struct lp_err *err, int code, int rc, const char *what);

/* What a parsed certificate says. */
int lp_mbed_identity(const mbedtls_x509_crt *crt, struct lp_cert_identity *out, struct lp_err *err);

#endif
