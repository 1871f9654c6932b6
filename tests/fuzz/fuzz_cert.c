/*
 * tests/fuzz/fuzz_cert.c - certificates (DER) and signing requests (PEM): whatever is read has terminated names within bounds.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(const struct lp_cert_identity *id)
{
	assert(memchr(id->name, 0, sizeof(id->name)) && memchr(id->sans, 0, sizeof(id->sans)) && memchr(id->serial, 0, sizeof(id->serial)));
	assert(id->group_count <= LP_CERT_GROUPS);
	for (size_t i = 0; i < id->group_count; i++)
		assert(memchr(id->groups[i], 0, sizeof(id->groups[i])));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lp_cert_identity id;
	struct lp_cert_key *key = NULL;
	char *text = malloc(len + 1);

	if (!text)
		return 0;
	memcpy(text, data, len);
	text[len] = 0;
	if (lp_cert_read_der(data, len, &id, NULL) == 0)
		check(&id);
	if (lp_cert_read(text, &id, NULL) == 0)
		check(&id);
	if (lp_cert_request_read(text, &id, &key, NULL) == 0) {
		check(&id);
		lp_cert_key_free(key);
	}
	key = NULL;
	if (lp_cert_key_load(text, &key, NULL) == 0)
		lp_cert_key_free(key);
	free(text);
	return 0;
}
