/*
 * wire/cert.c - keys, requests and certificates over mbedTLS.
 */
#include "wire/cert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/seam.h"
#include "base/text.h"
#include "wire/mbed.h"

#define PEM_MAX     16384	/* one key, request or certificate */
#define DAY_MS      (INT64_C(86400) * 1000)
#define SERIAL_LEN  16
#define SANS_MAX    96

/* ---- keys */

void
lp_cert_key_free(struct lp_cert_key *key)
{
	if (!key)
		return;
	mbedtls_pk_free(&key->pk);
	free(key);
}

static void
key_drop(struct lp_cert_key **key)
{
	lp_cert_key_free(*key);
}
#define auto_key __attribute__((cleanup(key_drop)))

static struct lp_cert_key *
key_new(struct lp_err *err)
{
	struct lp_cert_key *key;

	if (lp_mbed_start(err) < 0)
		return NULL;
	key = lp_seam.alloc(sizeof(*key));
	if (!key) {
		(void)lp_err_set(err, -ENOMEM, "key");	/* the caller returns the code */
		return NULL;
	}
	mbedtls_pk_init(&key->pk);
	return key;
}

static bool
key_is_p256(const mbedtls_pk_context *pk)
{
	return mbedtls_pk_can_do(pk, MBEDTLS_PK_ECDSA) &&
	    mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*pk)) == MBEDTLS_ECP_DP_SECP256R1;
}

int
lp_cert_key_generate(struct lp_cert_key **out, struct lp_err *err)
{
	auto_key struct lp_cert_key *key = key_new(err);
	int rc;

	if (!key)
		return -ENOMEM;
	rc = mbedtls_pk_setup(&key->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	if (rc == 0)
		rc = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key->pk), lp_mbed_random, NULL);
	if (rc != 0)
		return lp_mbed_fail(err, -EIO, rc, "make a key");
	key->secret = true;
	*out = lp_take(&key);
	return 0;
}

int
lp_cert_key_load(const char *pem, struct lp_cert_key **out, struct lp_err *err)
{
	auto_key struct lp_cert_key *key = NULL;
	const unsigned char *text = (const unsigned char *)pem;
	size_t len = strnlen(pem, PEM_MAX);
	int rc;

	if (len == PEM_MAX)
		return lp_err_say(err, -EINVAL, "a key of more than %d bytes", PEM_MAX);
	key = key_new(err);
	if (!key)
		return -ENOMEM;
	if (strstr(pem, "PRIVATE KEY-----")) {
		rc = mbedtls_pk_parse_key(&key->pk, text, len + 1, NULL, 0, lp_mbed_random, NULL);
		key->secret = true;
	} else {
		rc = mbedtls_pk_parse_public_key(&key->pk, text, len + 1);
	}
	if (rc != 0)
		return lp_mbed_fail(err, -EINVAL, rc, "read a key");
	if (!key_is_p256(&key->pk))
		return lp_err_say(err, -EINVAL, "not an ECDSA P-256 key");
	*out = lp_take(&key);
	return 0;
}

bool
lp_cert_key_is_private(const struct lp_cert_key *key)
{
	return key->secret;
}

int
lp_cert_key_private_pem(const struct lp_cert_key *key, struct lp_buf *out, struct lp_err *err)
{
	unsigned char pem[1024];
	int rc;

	if (!key->secret)
		return lp_err_say(err, -EINVAL, "only the public half of the key is here");
	rc = mbedtls_pk_write_key_pem(&key->pk, pem, sizeof(pem));
	if (rc == 0)
		(void)lp_buf_str(out, (const char *)pem);	/* failure is sticky and returned below */
	mbedtls_platform_zeroize(pem, sizeof(pem));
	return rc ? lp_mbed_fail(err, -EIO, rc, "write a key") : out->failed ? lp_err_set(err, out->failed, "write a key") : 0;
}

int
lp_cert_key_public_pem(const struct lp_cert_key *key, struct lp_buf *out, struct lp_err *err)
{
	unsigned char pem[1024];
	int rc = mbedtls_pk_write_pubkey_pem(&key->pk, pem, sizeof(pem));

	if (rc != 0)
		return lp_mbed_fail(err, -EIO, rc, "write a public key");
	if (lp_buf_str(out, (const char *)pem) < 0)
		return lp_err_set(err, out->failed, "write a public key");
	return 0;
}

int
lp_cert_key_spki(const struct lp_cert_key *key, uint8_t out[static LP_DIGEST_BYTES], struct lp_err *err)
{
	unsigned char der[256];
	int len = mbedtls_pk_write_pubkey_der(&key->pk, der, sizeof(der));	/* written at the buffer's end */

	if (len < 0)
		return lp_mbed_fail(err, -EIO, len, "write a public key");
	lp_digest(der + sizeof(der) - (size_t)len, (size_t)len, out);
	return 0;
}

/* ---- names */

/* What may stand in a CN or O: no character that the names' own syntax uses. */
static bool
name_is_plain(const char *text)
{
	if (!*text)
		return false;
	for (const char *c = text; *c; c++) {
		if (*c < ' ' || *c > '~' || strchr(",=+<>#;\"\\", *c))
			return false;
	}
	return text[0] != ' ' && text[strlen(text) - 1] != ' ';
}

static int
names_check(const char *name, const char *const *groups, struct lp_err *err)
{
	if (!name_is_plain(name) || strlen(name) >= LP_CERT_NAME)
		return lp_err_say(err, -EINVAL, "\"%.64s\" cannot be the name in a certificate", name);
	for (size_t i = 0; groups && groups[i]; i++) {
		if (i == LP_CERT_GROUPS || !name_is_plain(groups[i]) || strlen(groups[i]) >= LP_CERT_GROUP)
			return lp_err_say(err, -EINVAL, "\"%.64s\" cannot be a group in a certificate", groups[i]);
	}
	return 0;
}

static int
name_add(mbedtls_asn1_named_data **list, const char *oid, size_t oid_len, const char *text)
{
	size_t len = strlen(text);
	mbedtls_asn1_named_data *node = mbedtls_calloc(1, sizeof(*node));

	if (!node)
		return MBEDTLS_ERR_X509_ALLOC_FAILED;
	node->next = *list;
	*list = node;
	node->oid.p = mbedtls_calloc(1, oid_len);
	node->val.p = mbedtls_calloc(1, len);
	if (!node->oid.p || !node->val.p)
		return MBEDTLS_ERR_X509_ALLOC_FAILED;
	node->oid.tag = MBEDTLS_ASN1_OID;
	node->oid.len = oid_len;
	memcpy(node->oid.p, oid, oid_len);
	node->val.tag = MBEDTLS_ASN1_UTF8_STRING;
	node->val.len = len;
	memcpy(node->val.p, text, len);
	return 0;
}

/* Straight into the writer's list, which frees it: mbedTLS's own function keeps one O only. It is written back to front. */
static int
names_write(mbedtls_asn1_named_data **list, const char *name, const char *const *groups)
{
	int rc = name_add(list, MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN), name);

	for (size_t i = 0; rc == 0 && groups && groups[i]; i++)
		rc = name_add(list, MBEDTLS_OID_AT_ORGANIZATION, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_ORGANIZATION), groups[i]);
	return rc;
}

static int
name_read(const mbedtls_x509_name *name, struct lp_cert_identity *out, struct lp_err *err)
{
	for (; name; name = name->next) {
		const char *text = (const char *)name->val.p;
		size_t len = name->val.len;
		char *to;
		size_t size;

		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &name->oid) == 0) {
			to = out->name;
			size = sizeof(out->name);
			if (*to)
				return lp_err_say(err, -EINVAL, "the certificate has two common names");
		} else if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_ORGANIZATION, &name->oid) == 0) {
			if (out->group_count == LP_CERT_GROUPS)
				return lp_err_say(err, -EINVAL, "the certificate has more than %d groups", LP_CERT_GROUPS);
			to = out->groups[out->group_count++];
			size = sizeof(out->groups[0]);
		} else {
			continue;
		}
		if (len == 0 || len >= size || memchr(text, 0, len) || !lp_text_is_utf8(text, len))
			return lp_err_say(err, -EINVAL, "the certificate's name is too long or not text");
		memcpy(to, text, len);
		to[len] = 0;
	}
	return 0;
}

static int
sans_read(const mbedtls_x509_sequence *san, struct lp_cert_identity *out, struct lp_err *err)
{
	size_t len = 0;

	for (; san; san = san->next) {
		const mbedtls_x509_buf *raw = &san->buf;
		unsigned kind = raw->tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
		char text[256];

		if (!raw->p || (kind != MBEDTLS_X509_SAN_DNS_NAME && kind != MBEDTLS_X509_SAN_IP_ADDRESS))
			continue;
		if (kind == MBEDTLS_X509_SAN_DNS_NAME) {
			if (raw->len >= sizeof(text) - 4 || memchr(raw->p, 0, raw->len) || memchr(raw->p, ',', raw->len))
				return lp_err_say(err, -EINVAL, "the certificate's alternative names are too long or not names");
			(void)snprintf(text, sizeof(text), "DNS:%.*s", (int)raw->len, (const char *)raw->p);
		} else {
			char address[INET6_ADDRSTRLEN];

			if (!(raw->len == 4 && inet_ntop(AF_INET, raw->p, address, sizeof(address))) &&
			    !(raw->len == 16 && inet_ntop(AF_INET6, raw->p, address, sizeof(address))))
				return lp_err_say(err, -EINVAL, "the certificate's alternative address is no address");
			(void)snprintf(text, sizeof(text), "IP:%s", address);
		}
		if (len + strlen(text) + 2 > sizeof(out->sans))
			return 0;		/* they are shown, not judged: mbedTLS compares names */
		len += (size_t)snprintf(out->sans + len, sizeof(out->sans) - len, "%s%s", len ? "," : "", text);
	}
	return 0;
}

/* ---- reading */

static int64_t
time_read(const mbedtls_x509_time *t)
{
	char text[LP_CLOCK_TEXT];
	int64_t ms = 0;

	(void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ", t->year, t->mon, t->day, t->hour, t->min, t->sec);
	/* mbedTLS has checked the digits; what is no time at all ends in 1970 and thus has expired. */
	(void)lp_clock_parse(text, &ms);
	return ms;
}

int
lp_mbed_identity(const mbedtls_x509_crt *crt, struct lp_cert_identity *out, struct lp_err *err)
{
	struct lp_cert_identity id = { .uses = 0 };

	if (name_read(&crt->subject, &id, err) < 0 || sans_read(&crt->subject_alt_names, &id, err) < 0)
		return -EINVAL;
	if (crt->serial.len == 0 || crt->serial.len > (LP_CERT_SERIAL - 1) / 2)
		return lp_err_say(err, -EINVAL, "the certificate's serial has %zu bytes", crt->serial.len);
	lp_text_hex(crt->serial.p, crt->serial.len, id.serial);
	id.not_before_ms = time_read(&crt->valid_from);
	id.not_after_ms = time_read(&crt->valid_to);
	lp_digest(crt->pk_raw.p, crt->pk_raw.len, id.spki);
	for (const mbedtls_asn1_sequence *use = &crt->ext_key_usage; use && use->buf.p; use = use->next) {
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_CLIENT_AUTH, &use->buf) == 0)
			id.uses |= LP_CERT_CLIENT;
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_SERVER_AUTH, &use->buf) == 0)
			id.uses |= LP_CERT_SERVER;
	}
	id.ca = crt->MBEDTLS_PRIVATE(ca_istrue);
	*out = id;
	return 0;
}

int
lp_cert_read_der(const void *der, size_t len, struct lp_cert_identity *out, struct lp_err *err)
{
	mbedtls_x509_crt crt;
	int rc;

	if (lp_mbed_start(err) < 0)
		return -EIO;
	mbedtls_x509_crt_init(&crt);
	rc = mbedtls_x509_crt_parse_der(&crt, der, len);
	rc = rc ? lp_mbed_fail(err, -EINVAL, rc, "read a certificate") : lp_mbed_identity(&crt, out, err);
	mbedtls_x509_crt_free(&crt);
	return rc;
}

/* The first PEM block of that kind as DER. */
static int
pem_to_der(const char *pem, const char *kind, struct lp_buf *out, struct lp_err *err)
{
	mbedtls_pem_context context;
	char begin[64], end[64];
	size_t used, size;
	const unsigned char *der;
	int rc;

	if (strnlen(pem, PEM_MAX) == PEM_MAX)
		return lp_err_say(err, -EINVAL, "a %s of more than %d bytes", kind, PEM_MAX);
	(void)snprintf(begin, sizeof(begin), "-----BEGIN %s-----", kind);
	(void)snprintf(end, sizeof(end), "-----END %s-----", kind);
	mbedtls_pem_init(&context);
	rc = mbedtls_pem_read_buffer(&context, begin, end, (const unsigned char *)pem, NULL, 0, &used);
	if (rc != 0) {
		rc = lp_mbed_fail(err, -EINVAL, rc, "read PEM");
	} else {
		der = mbedtls_pem_get_buffer(&context, &size);
		if (lp_buf_add(out, der, size) < 0)
			rc = lp_err_set(err, out->failed, "read PEM");
	}
	mbedtls_pem_free(&context);
	return rc;
}

int
lp_cert_read(const char *pem, struct lp_cert_identity *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf der = { 0 };
	const char *first = strstr(pem, "-----BEGIN CERTIFICATE-----");
	int rc;

	lp_buf_init(&der, PEM_MAX);
	if (!first)
		return lp_err_say(err, -EINVAL, "no certificate in the text");
	/* A chain may be long: look at its first block only. */
	lp_auto_free char *block = strndup(first, PEM_MAX - 1);
	if (!block)
		return lp_err_set(err, -ENOMEM, "read a certificate");
	rc = pem_to_der(block, "CERTIFICATE", &der, err);
	return rc < 0 ? rc : lp_cert_read_der(der.data, der.len, out, err);
}

static bool
san_is(const mbedtls_x509_buf *raw, const char *name)
{
	unsigned kind = raw->tag & MBEDTLS_ASN1_TAG_VALUE_MASK;
	uint8_t address[16];

	if (kind == MBEDTLS_X509_SAN_DNS_NAME)
		return raw->len == strlen(name) && strncasecmp((const char *)raw->p, name, raw->len) == 0;
	return kind == MBEDTLS_X509_SAN_IP_ADDRESS && inet_pton(raw->len == 4 ? AF_INET : AF_INET6, name, address) == 1 &&
	    memcmp(address, raw->p, raw->len) == 0;
}

bool
lp_cert_covers(const char *pem, const char *name)
{
	mbedtls_x509_crt crt;
	bool found = false;

	if (lp_mbed_start(NULL) < 0)
		return false;
	mbedtls_x509_crt_init(&crt);
	if (mbedtls_x509_crt_parse(&crt, (const unsigned char *)pem, strlen(pem) + 1) == 0) {
		for (const mbedtls_x509_sequence *san = &crt.subject_alt_names; san && san->buf.p && !found; san = san->next)
			found = san_is(&san->buf, name);
	}
	mbedtls_x509_crt_free(&crt);
	return found;
}

int
lp_cert_check_time(int64_t not_before_ms, int64_t not_after_ms, struct lp_err *err)
{
	int64_t wall_ms = lp_clock_wall_ms(), trusted_ms = lp_clock_trusted_ms();
	char when[LP_CLOCK_TEXT], now[LP_CLOCK_TEXT];

	lp_clock_print(trusted_ms, now);
	if (not_after_ms < trusted_ms) {
		lp_clock_print(not_after_ms, when);
		return lp_err_say(err, -EKEYEXPIRED, "the certificate expired at %s (now %s)", when, now);
	}
	/* A clock below the floor is known to be wrong, so a beginning after it proves nothing. */
	if (wall_ms >= lp_clock_floor_ms() && not_before_ms > trusted_ms) {
		lp_clock_print(not_before_ms, when);
		return lp_err_say(err, -EKEYEXPIRED, "the certificate begins at %s (now %s)", when, now);
	}
	return 0;
}

/* ---- requests */

int
lp_cert_request(const struct lp_cert_key *key, const char *name, const char *const *groups, struct lp_buf *out, struct lp_err *err)
{
	mbedtls_x509write_csr csr;
	unsigned char pem[4096];
	int rc = names_check(name, groups, err);

	if (rc < 0)
		return rc;
	mbedtls_x509write_csr_init(&csr);
	mbedtls_x509write_csr_set_md_alg(&csr, MBEDTLS_MD_SHA256);
	mbedtls_x509write_csr_set_key(&csr, (mbedtls_pk_context *)&key->pk);
	rc = names_write(&csr.MBEDTLS_PRIVATE(subject), name, groups);
	if (rc == 0)
		rc = mbedtls_x509write_csr_pem(&csr, pem, sizeof(pem), lp_mbed_random, NULL);
	mbedtls_x509write_csr_free(&csr);
	if (rc != 0)
		return lp_mbed_fail(err, -EIO, rc, "write a signing request");
	return lp_buf_str(out, (const char *)pem) < 0 ? lp_err_set(err, out->failed, "write a signing request") : 0;
}

/* mbedTLS parses the request's signature but leaves its check to us: it proves that the sender has the key. */
static int
request_prove(mbedtls_x509_csr *csr, struct lp_err *err)
{
	uint8_t hash[LP_DIGEST_BYTES];

	if (csr->MBEDTLS_PRIVATE(sig_md) != MBEDTLS_MD_SHA256 || !key_is_p256(&csr->pk))
		return lp_err_say(err, -EINVAL, "the signing request is not ECDSA P-256 with SHA-256");
	lp_digest(csr->cri.p, csr->cri.len, hash);
	if (mbedtls_pk_verify(&csr->pk, MBEDTLS_MD_SHA256, hash, sizeof(hash), csr->MBEDTLS_PRIVATE(sig).p,
	    csr->MBEDTLS_PRIVATE(sig).len) != 0)
		return lp_err_say(err, -EKEYREJECTED, "the signing request is not signed by its own key");
	return 0;
}

static int
request_take(mbedtls_x509_csr *csr, struct lp_cert_identity *out, struct lp_cert_key **out_key, struct lp_err *err)
{
	auto_key struct lp_cert_key *key = NULL;
	struct lp_cert_identity id = { .uses = 0 };
	unsigned char der[256];
	int rc, len;

	rc = request_prove(csr, err);
	if (rc < 0)
		return rc;
	rc = name_read(&csr->subject, &id, err);
	if (rc < 0)
		return rc;
	key = key_new(err);
	if (!key)
		return -ENOMEM;
	len = mbedtls_pk_write_pubkey_der(&csr->pk, der, sizeof(der));
	rc = len < 0 ? len : mbedtls_pk_parse_public_key(&key->pk, der + sizeof(der) - len, (size_t)len);
	if (rc != 0)
		return lp_mbed_fail(err, -EINVAL, rc, "read the request's key");
	rc = lp_cert_key_spki(key, id.spki, err);
	if (rc < 0)
		return rc;
	*out = id;
	*out_key = lp_take(&key);
	return 0;
}

int
lp_cert_request_read(const char *pem, struct lp_cert_identity *out, struct lp_cert_key **out_key, struct lp_err *err)
{
	mbedtls_x509_csr csr;
	size_t len = strnlen(pem, PEM_MAX);
	int rc;

	if (len == PEM_MAX)
		return lp_err_say(err, -EINVAL, "a signing request of more than %d bytes", PEM_MAX);
	if (lp_mbed_start(err) < 0)
		return -EIO;
	mbedtls_x509_csr_init(&csr);
	rc = mbedtls_x509_csr_parse(&csr, (const unsigned char *)pem, len + 1);
	rc = rc ? lp_mbed_fail(err, -EINVAL, rc, "read a signing request") : request_take(&csr, out, out_key, err);
	mbedtls_x509_csr_free(&csr);
	return rc;
}

/* ---- signing */

/* "20261120080000", as mbedTLS wants it. */
static void
time_write(int64_t ms, char out[static 15])
{
	char text[LP_CLOCK_TEXT];
	size_t len = 0;

	lp_clock_print(ms, text);	/* 2026-11-20T08:00:00Z */
	for (const char *c = text; *c && len < 14; c++) {
		if (*c >= '0' && *c <= '9')
			out[len++] = *c;
	}
	out[len] = 0;
}

struct sans {
	mbedtls_x509_san_list list[SANS_MAX];
	mbedtls_x509_san_list *first;		/* the last one: mbedTLS writes them back to front */
	uint8_t address[SANS_MAX][16];
};

static int
sans_write(struct sans *sans, const char *const *names, struct lp_err *err)
{
	for (size_t i = 0; names[i]; i++) {
		mbedtls_x509_subject_alternative_name *san;
		size_t len = 0;

		if (i == SANS_MAX)
			return lp_err_say(err, -EINVAL, "more than %d alternative names", SANS_MAX);
		san = &sans->list[i].node;
		if (inet_pton(AF_INET, names[i], sans->address[i]) == 1)
			len = 4;
		else if (inet_pton(AF_INET6, names[i], sans->address[i]) == 1)
			len = 16;
		if (len) {
			san->type = MBEDTLS_X509_SAN_IP_ADDRESS;
			san->san.unstructured_name.p = sans->address[i];
			san->san.unstructured_name.len = len;
		} else {
			if (!lp_text_is_dns_subdomain(names[i]))
				return lp_err_say(err, -EINVAL, "\"%.64s\" is neither an address nor a DNS name", names[i]);
			san->type = MBEDTLS_X509_SAN_DNS_NAME;
			san->san.unstructured_name.p = (unsigned char *)(uintptr_t)names[i];
			san->san.unstructured_name.len = strlen(names[i]);
		}
		sans->list[i].next = sans->first;
		sans->first = &sans->list[i];
	}
	return 0;
}

static int
extensions_write(mbedtls_x509write_cert *crt, const struct lp_cert_profile *profile, struct sans *sans)
{
	mbedtls_asn1_sequence uses[2] = { { .next = NULL } };
	size_t count = 0;
	int rc;

	rc = mbedtls_x509write_crt_set_basic_constraints(crt, 0, -1);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_key_usage(crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
	if (profile->uses & LP_CERT_CLIENT) {
		uses[count].buf.p = (unsigned char *)(uintptr_t)MBEDTLS_OID_CLIENT_AUTH;
		uses[count++].buf.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH);
	}
	if (profile->uses & LP_CERT_SERVER) {
		uses[count].buf.p = (unsigned char *)(uintptr_t)MBEDTLS_OID_SERVER_AUTH;
		uses[count++].buf.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH);
	}
	for (size_t i = 0; i < count; i++) {
		uses[i].buf.tag = MBEDTLS_ASN1_OID;
		uses[i].next = i + 1 < count ? &uses[i + 1] : NULL;
	}
	if (rc == 0 && count)
		rc = mbedtls_x509write_crt_set_ext_key_usage(crt, uses);
	if (rc == 0 && profile->sans && profile->sans[0])
		rc = mbedtls_x509write_crt_set_subject_alternative_name(crt, sans->first);
	return rc;
}

/* What the authority's own certificate and those of others have in common. */
static int
crt_begin(mbedtls_x509write_cert *crt, int64_t from_ms, int64_t to_ms)
{
	unsigned char serial[SERIAL_LEN];
	char from[15], to[15];
	int rc;

	lp_random(serial, sizeof(serial));
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);	/* positive, and always 16 bytes long */
	time_write(from_ms, from);
	time_write(to_ms, to);
	mbedtls_x509write_crt_set_version(crt, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(crt, MBEDTLS_MD_SHA256);
	rc = mbedtls_x509write_crt_set_serial_raw(crt, serial, sizeof(serial));
	return rc ? rc : mbedtls_x509write_crt_set_validity(crt, from, to);
}

static int
crt_end(mbedtls_x509write_cert *crt, struct lp_buf *out, int rc, struct lp_err *err)
{
	unsigned char pem[8192];

	if (rc == 0)
		rc = mbedtls_x509write_crt_set_subject_key_identifier(crt);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_authority_key_identifier(crt);
	if (rc == 0)
		rc = mbedtls_x509write_crt_pem(crt, pem, sizeof(pem), lp_mbed_random, NULL);
	mbedtls_x509write_crt_free(crt);
	if (rc != 0)
		return lp_mbed_fail(err, -EIO, rc, "write a certificate");
	return lp_buf_str(out, (const char *)pem) < 0 ? lp_err_set(err, out->failed, "write a certificate") : 0;
}

int
lp_cert_ca(const struct lp_cert_key *key, const char *name, int64_t not_after_ms, struct lp_buf *out, struct lp_err *err)
{
	mbedtls_x509write_cert crt;
	mbedtls_pk_context *pk = (mbedtls_pk_context *)&key->pk;	/* mbedTLS has no const here, and writes nothing */
	int rc = names_check(name, NULL, err);

	if (rc < 0)
		return rc;
	mbedtls_x509write_crt_init(&crt);
	mbedtls_x509write_crt_set_subject_key(&crt, pk);
	mbedtls_x509write_crt_set_issuer_key(&crt, pk);
	rc = crt_begin(&crt, lp_clock_trusted_ms() - DAY_MS, not_after_ms);
	if (rc == 0)
		rc = names_write(&crt.MBEDTLS_PRIVATE(subject), name, NULL);
	if (rc == 0)
		rc = names_write(&crt.MBEDTLS_PRIVATE(issuer), name, NULL);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_basic_constraints(&crt, 1, 0);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_key_usage(&crt, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN);
	return crt_end(&crt, out, rc, err);
}

int
lp_cert_sign(const char *ca_pem, const struct lp_cert_key *ca_key, const struct lp_cert_key *subject_key,
    const struct lp_cert_profile *profile, struct lp_buf *out, struct lp_err *err)
{
	struct lp_cert_identity ca;
	struct sans sans = { .list = { { .next = NULL } } };
	mbedtls_x509write_cert crt;
	int64_t from_ms = profile->not_before_ms ? profile->not_before_ms : lp_clock_trusted_ms() - DAY_MS;
	int rc;

	rc = lp_cert_read(ca_pem, &ca, err);
	if (rc < 0)
		return rc;
	if (!ca.ca || !ca_key->secret)
		return lp_err_say(err, -EINVAL, "not an authority with its private key");
	if (names_check(ca.name, NULL, err) < 0 || names_check(profile->name, profile->groups, err) < 0 ||
	    (profile->sans && sans_write(&sans, profile->sans, err) < 0))
		return -EINVAL;

	mbedtls_x509write_crt_init(&crt);
	mbedtls_x509write_crt_set_subject_key(&crt, (mbedtls_pk_context *)&subject_key->pk);
	mbedtls_x509write_crt_set_issuer_key(&crt, (mbedtls_pk_context *)&ca_key->pk);
	rc = crt_begin(&crt, from_ms, profile->not_after_ms);
	if (rc == 0)
		rc = names_write(&crt.MBEDTLS_PRIVATE(subject), profile->name, profile->groups);
	if (rc == 0)
		rc = names_write(&crt.MBEDTLS_PRIVATE(issuer), ca.name, NULL);
	if (rc == 0)
		rc = extensions_write(&crt, profile, &sans);
	return crt_end(&crt, out, rc, err);
}

/* ---- signatures over bytes */

int
lp_cert_sign_bytes(const struct lp_cert_key *key, const void *data, size_t len, struct lp_buf *out, struct lp_err *err)
{
	uint8_t hash[LP_DIGEST_BYTES];
	unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	size_t size = 0;
	int rc;

	if (!key->secret)
		return lp_err_say(err, -EINVAL, "only the public half of the key is here");
	lp_digest(data, len, hash);
	rc = mbedtls_pk_sign((mbedtls_pk_context *)&key->pk, MBEDTLS_MD_SHA256, hash, sizeof(hash), signature, sizeof(signature),
	    &size, lp_mbed_random, NULL);
	if (rc != 0)
		return lp_mbed_fail(err, -EIO, rc, "sign");
	return lp_buf_add(out, signature, size) < 0 ? lp_err_set(err, out->failed, "sign") : 0;
}

int
lp_cert_verify_bytes(const struct lp_cert_key *key, const void *data, size_t len, const void *signature, size_t signature_len,
    struct lp_err *err)
{
	uint8_t hash[LP_DIGEST_BYTES];

	lp_digest(data, len, hash);
	if (mbedtls_pk_verify((mbedtls_pk_context *)&key->pk, MBEDTLS_MD_SHA256, hash, sizeof(hash), signature, signature_len) != 0)
		return lp_err_say(err, -EKEYREJECTED, "the signature does not fit the key");
	return 0;
}

int
lp_cert_verify(void *arg, const void *data, size_t len, const void *signature, size_t signature_len, struct lp_err *err)
{
	return lp_cert_verify_bytes(arg, data, len, signature, signature_len, err);
}
