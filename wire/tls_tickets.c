/*
 * wire/tls_tickets.c - a server's ticket keys: the present one and the one before.
 */
#include "wire/tls_tickets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>

#include "base/clock.h"
#include "base/seam.h"

#define MAGIC "LTK1"
#define ID_LEN 4
#define NONCE_LEN 12
#define TAG_LEN 16
#define HEAD_LEN (ID_LEN + NONCE_LEN)

struct key {
	uint8_t id[ID_LEN];
	uint8_t secret[32];
	int64_t made_ms;		/* wall clock; 0 when there is none */
};

struct lp_tls_tickets {
	struct key keys[2];		/* present, former */
};

static void
key_make(struct key *key, int64_t wall_ms)
{
	lp_random(key->id, sizeof(key->id));
	lp_random(key->secret, sizeof(key->secret));
	key->made_ms = wall_ms > 0 ? wall_ms : 1;
}

int
lp_tls_tickets_new(struct lp_tls_tickets **out, struct lp_err *err)
{
	struct lp_tls_tickets *tickets = lp_seam.alloc(sizeof(*tickets));

	if (!tickets)
		return lp_err_set(err, -ENOMEM, "ticket keys");
	key_make(&tickets->keys[0], lp_clock_wall_ms());
	*out = tickets;
	return 0;
}

void
lp_tls_tickets_free(struct lp_tls_tickets *tickets)
{
	if (!tickets)
		return;
	mbedtls_platform_zeroize(tickets, sizeof(*tickets));
	free(tickets);
}

int
lp_tls_tickets_save(const struct lp_tls_tickets *tickets, struct lp_buf *out)
{
	(void)lp_buf_str(out, MAGIC);	/* sticky, returned at the end */
	for (size_t i = 0; i < 2; i++) {
		(void)lp_buf_add(out, tickets->keys[i].id, ID_LEN);
		(void)lp_buf_add(out, tickets->keys[i].secret, sizeof(tickets->keys[i].secret));
		(void)lp_buf_u64(out, (uint64_t)tickets->keys[i].made_ms);
	}
	return out->failed;
}

int
lp_tls_tickets_load(struct lp_tls_tickets *tickets, const void *data, size_t len, struct lp_err *err)
{
	const uint8_t *at = data;
	struct key keys[2];

	if (len != strlen(MAGIC) + 2 * (ID_LEN + sizeof(keys[0].secret) + 8) || memcmp(at, MAGIC, strlen(MAGIC)) != 0)
		return lp_err_say(err, -EINVAL, "not a file of ticket keys");
	at += strlen(MAGIC);
	for (size_t i = 0; i < 2; i++) {
		uint64_t made = 0;

		memcpy(keys[i].id, at, ID_LEN);
		memcpy(keys[i].secret, at + ID_LEN, sizeof(keys[i].secret));
		at += ID_LEN + sizeof(keys[i].secret);
		for (size_t b = 0; b < 8; b++)
			made = made << 8 | *at++;
		keys[i].made_ms = (int64_t)made;
	}
	memcpy(tickets->keys, keys, sizeof(keys));
	mbedtls_platform_zeroize(keys, sizeof(keys));
	return 0;
}

bool
lp_tls_tickets_rotate(struct lp_tls_tickets *tickets, int64_t wall_ms)
{
	int64_t age_ms = wall_ms - tickets->keys[0].made_ms;

	/* A clock that jumped back makes the age negative: a new key is the safe answer. */
	if (age_ms >= 0 && age_ms < INT64_C(1000) * LP_TLS_TICKETS_LIFE_S)
		return false;
	tickets->keys[1] = tickets->keys[0];
	key_make(&tickets->keys[0], wall_ms);
	return true;
}

int
lp_tls_tickets_seal(struct lp_tls_tickets *tickets, const void *data, size_t len, unsigned char *out)
{
	const struct key *key = &tickets->keys[0];
	mbedtls_gcm_context gcm;
	int rc;

	memcpy(out, key->id, ID_LEN);
	lp_random(out + ID_LEN, NONCE_LEN);
	mbedtls_gcm_init(&gcm);
	rc = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key->secret, 256);
	if (rc == 0)
		rc = mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, len, out + ID_LEN, NONCE_LEN, out, ID_LEN, data,
		    out + HEAD_LEN, TAG_LEN, out + HEAD_LEN + len);
	mbedtls_gcm_free(&gcm);
	return rc ? -EIO : 0;
}

int
lp_tls_tickets_open(struct lp_tls_tickets *tickets, unsigned char *data, size_t len, size_t *out_len)
{
	const struct key *key = NULL;
	mbedtls_gcm_context gcm;
	size_t inner;
	int rc;

	if (len < LP_TLS_TICKETS_EXTRA)
		return -EKEYREJECTED;
	for (size_t i = 0; i < 2 && !key; i++) {
		if (tickets->keys[i].made_ms && memcmp(tickets->keys[i].id, data, ID_LEN) == 0)
			key = &tickets->keys[i];
	}
	if (!key)
		return -EKEYREJECTED;
	inner = len - LP_TLS_TICKETS_EXTRA;
	mbedtls_gcm_init(&gcm);
	rc = mbedtls_gcm_setkey(&gcm, MBEDTLS_CIPHER_ID_AES, key->secret, 256);
	if (rc == 0)
		rc = mbedtls_gcm_auth_decrypt(&gcm, inner, data + ID_LEN, NONCE_LEN, data, ID_LEN, data + HEAD_LEN + inner, TAG_LEN,
		    data + HEAD_LEN, data + HEAD_LEN);
	mbedtls_gcm_free(&gcm);
	if (rc != 0)
		return -EKEYREJECTED;
	*out_len = inner;
	return 0;
}
