/*
 * wire/cert.h - keys, signing requests, certificates, and what a certificate says about its holder.
 *
 * Shape   ECDSA P-256 everywhere; everything outside memory is PEM; serials are 16 random bytes, shown as lower-case hex
 * Time    validity is judged at max(wall clock, floor); while the wall clock is below the floor notBefore is waived
 *         (TRUST.md rule 16); issued certificates begin one day early
 * Errors  -EINVAL not what it should be, -EKEYREJECTED a signature or a key does not fit, -EKEYEXPIRED, -ENOMEM
 */
#ifndef LP_WIRE_CERT_H
#define LP_WIRE_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"

#define LP_CERT_NAME   256
#define LP_CERT_GROUPS 8
#define LP_CERT_GROUP  128
#define LP_CERT_SANS   512
#define LP_CERT_SERIAL 41	/* hex digits of at most 20 bytes, and the NUL */

#define LP_CERT_CLIENT 1u	/* extended key usages that we know */
#define LP_CERT_SERVER 2u

/* What a certificate says. Plain bytes: copy it freely. */
struct lp_cert_identity {
	char name[LP_CERT_NAME];			/* CN; "" when absent */
	char groups[LP_CERT_GROUPS][LP_CERT_GROUP];	/* each O */
	size_t group_count;
	char sans[LP_CERT_SANS];			/* "DNS:a,IP:10.0.0.1"; "" when none; as many as fit */
	char serial[LP_CERT_SERIAL];
	int64_t not_before_ms, not_after_ms;		/* since 1970 */
	uint8_t spki[LP_DIGEST_BYTES];			/* SHA-256 of the public key info */
	uint32_t uses;					/* LP_CERT_CLIENT | LP_CERT_SERVER; 0 when it names none */
	bool ca;
	bool expired;					/* set by tls.c: past notAfter, good for renewing only */
};

/* What to write into a certificate. */
struct lp_cert_profile {
	const char *name;		/* CN */
	const char *const *groups;	/* O, NULL-terminated; NULL for none */
	const char *const *sans;	/* names and IPv4/IPv6 addresses, NULL-terminated; NULL for none */
	uint32_t uses;
	int64_t not_before_ms;		/* 0: one day before the trusted time */
	int64_t not_after_ms;
};

struct lp_cert_key;			/* a private key with its public half, or a public key alone */

int lp_cert_key_generate(struct lp_cert_key **out, struct lp_err *err);
/* Private ("PRIVATE KEY", "EC PRIVATE KEY") or public ("PUBLIC KEY") PEM. */
int lp_cert_key_load(const char *pem, struct lp_cert_key **out, struct lp_err *err);
void lp_cert_key_free(struct lp_cert_key *key);
bool lp_cert_key_is_private(const struct lp_cert_key *key);
int lp_cert_key_private_pem(const struct lp_cert_key *key, struct lp_buf *out, struct lp_err *err);
int lp_cert_key_public_pem(const struct lp_cert_key *key, struct lp_buf *out, struct lp_err *err);
/* SHA-256 of its public key info: what a token's last part and `--ca-hash` carry. */
int lp_cert_key_spki(const struct lp_cert_key *key, uint8_t out[static LP_DIGEST_BYTES], struct lp_err *err);

/* A signing request (PKCS #10), and back: its name and groups go to *out, the proven public key to *out_key. */
int lp_cert_request(const struct lp_cert_key *key, const char *name, const char *const *groups, struct lp_buf *out,
    struct lp_err *err);
int lp_cert_request_read(const char *pem, struct lp_cert_identity *out, struct lp_cert_key **out_key, struct lp_err *err);

/* A self-signed certificate authority. */
int lp_cert_ca(const struct lp_cert_key *key, const char *name, int64_t not_after_ms, struct lp_buf *out, struct lp_err *err);

/* A certificate for `subject`, signed by the authority. PEM of the leaf alone is added to out. */
int lp_cert_sign(const char *ca_pem, const struct lp_cert_key *ca_key, const struct lp_cert_key *subject,
    const struct lp_cert_profile *profile, struct lp_buf *out, struct lp_err *err);

/* What the first certificate of a PEM text (or one in DER) says. Trust and time are not judged. */
int lp_cert_read(const char *pem, struct lp_cert_identity *out, struct lp_err *err);
int lp_cert_read_der(const void *der, size_t len, struct lp_cert_identity *out, struct lp_err *err);

/* Is the certificate for this DNS name or address (by its alternative names)? */
bool lp_cert_covers(const char *pem, const char *name);

/* 0, or -EKEYEXPIRED: past its end, or not begun (the words say which). */
int lp_cert_check_time(int64_t not_before_ms, int64_t not_after_ms, struct lp_err *err);

/* Sign bytes (ECDSA over SHA-256, DER), and verify; for revisions, by the fleet key. */
int lp_cert_sign_bytes(const struct lp_cert_key *key, const void *data, size_t len, struct lp_buf *out, struct lp_err *err);
int lp_cert_verify_bytes(const struct lp_cert_key *key, const void *data, size_t len, const void *signature,
    size_t signature_len, struct lp_err *err);
/* The same as an lp_verify_fn; arg is a struct lp_cert_key *. */
int lp_cert_verify(void *arg, const void *data, size_t len, const void *signature, size_t signature_len, struct lp_err *err);

#endif
