#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/seam.h"
#include "tests/harness.h"
#include "tests/wire/certs.h"

#define DAY_MS (INT64_C(86400) * 1000)

TEST(a_key_survives_its_own_text)
{
	struct lp_cert_key *key = NULL, *again = NULL, *public = NULL;
	uint8_t one[LP_DIGEST_BYTES], two[LP_DIGEST_BYTES];
	struct lp_buf pem;
	struct lp_err err = { 0 };

	lp_buf_init(&pem, 4096);
	CHECK_OK(lp_cert_key_generate(&key, &err), &err);
	CHECK_OK(lp_cert_key_private_pem(key, &pem, &err), &err);
	CHECK_OK(lp_cert_key_load(pem.data, &again, &err), &err);
	CHECK(lp_cert_key_is_private(again));
	CHECK_OK(lp_cert_key_spki(key, one, &err), &err);
	CHECK_OK(lp_cert_key_spki(again, two, &err), &err);
	CHECK_MEM(one, two, sizeof(one));
	lp_buf_reset(&pem);
	CHECK_OK(lp_cert_key_public_pem(key, &pem, &err), &err);
	CHECK_OK(lp_cert_key_load(pem.data, &public, &err), &err);
	CHECK(!lp_cert_key_is_private(public));
	CHECK_OK(lp_cert_key_spki(public, two, &err), &err);
	CHECK_MEM(one, two, sizeof(one));
	CHECK_ERR(lp_cert_key_private_pem(public, &pem, &err), -EINVAL);
	lp_cert_key_free(key);
	lp_cert_key_free(again);
	lp_cert_key_free(public);
	lp_buf_fini(&pem);
}

TEST(what_is_no_key_is_refused)
{
	struct lp_cert_key *key = NULL;
	struct lp_err err;
	char *huge = malloc(20001);

	memset(huge, 'A', 20000);
	huge[20000] = 0;
	CHECK_ERR(lp_cert_key_load("", &key, &err), -EINVAL);
	CHECK_ERR(lp_cert_key_load("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &key, &err), -EINVAL);
	CHECK_ERR(lp_cert_key_load(huge, &key, &err), -EINVAL);
	/* A key on another curve (secp384r1). */
	CHECK_ERR(lp_cert_key_load("-----BEGIN PUBLIC KEY-----\n"
	    "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEqofKIr6LBTeOscce8yCtdG4dO2KLp5uY\n"
	    "WfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3NhfeSpYmLG9dnpi/kpLcKfj0Hb0omhR8\n"
	    "6doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f\n-----END PUBLIC KEY-----\n", &key, &err), -EINVAL);
	free(huge);
}

TEST(a_request_tells_its_name_and_proves_its_key)
{
	const char *groups[] = { "system:nodes", "edge", NULL };
	struct lp_cert_key *key = NULL, *proven = NULL;
	struct lp_cert_identity id;
	uint8_t spki[LP_DIGEST_BYTES];
	struct lp_buf pem;
	struct lp_err err = { 0 };

	lp_buf_init(&pem, 8192);
	CHECK_OK(lp_cert_key_generate(&key, &err), &err);
	CHECK_OK(lp_cert_request(key, "system:node:n1", groups, &pem, &err), &err);
	CHECK_OK(lp_cert_request_read(pem.data, &id, &proven, &err), &err);
	CHECK_STR(id.name, "system:node:n1");
	CHECK_INT(id.group_count, 2);
	CHECK_STR(id.groups[1], "edge");
	CHECK_OK(lp_cert_key_spki(key, spki, &err), &err);
	CHECK_MEM(id.spki, spki, sizeof(spki));
	lp_cert_key_free(proven);

	/* One letter of the signature changed (the signature is at the end). */
	char *end = strstr(pem.data, "\n-----END") - 8;
	*end = *end == 'A' ? 'B' : 'A';
	CHECK(lp_cert_request_read(pem.data, &id, &proven, &err) < 0);
	CHECK(lp_cert_request_read("nonsense", &id, &proven, &err) < 0);
	lp_cert_key_free(key);
	lp_buf_fini(&pem);
}

TEST(names_that_would_be_read_otherwise_are_not_written)
{
	static const char *const bad[] = { "", "a,CN=system:masters", "a=b", "a+b", "a\nb", " a", "a ", "\xc3\xa9", "a\\b", "#1", NULL };
	struct lp_cert_key *key = NULL;
	struct lp_buf pem;
	struct lp_err err = { 0 };

	lp_buf_init(&pem, 8192);
	CHECK_OK(lp_cert_key_generate(&key, &err), &err);
	for (size_t i = 0; bad[i]; i++) {
		const char *groups[] = { bad[i], NULL };

		CHECK_ERR(lp_cert_request(key, bad[i], NULL, &pem, &err), -EINVAL);
		CHECK_ERR(lp_cert_request(key, "a", groups, &pem, &err), -EINVAL);
	}
	lp_cert_key_free(key);
	lp_buf_fini(&pem);
}

TEST(a_certificate_says_what_its_profile_said)
{
	const char *groups[] = { "system:masters", NULL };
	const char *sans[] = { "example.org", "10.1.2.3", "fd00::7", NULL };
	struct lp_cert_profile profile = { .name = "someone", .groups = groups, .sans = sans, .uses = LP_CERT_CLIENT | LP_CERT_SERVER,
		.not_after_ms = INT64_C(1900000000000) };
	struct lp_cert_identity id;
	struct certs certs;
	struct lp_buf pem;
	struct lp_err err = { 0 };

	certs_make(&certs);
	lp_buf_init(&pem, 8192);
	CHECK_OK(lp_cert_sign(certs.ca, certs.ca_key, certs.node_key, &profile, &pem, &err), &err);
	CHECK_OK(lp_cert_read(pem.data, &id, &err), &err);
	CHECK_STR(id.name, "someone");
	CHECK_STR(id.groups[0], "system:masters");
	CHECK_STR(id.sans, "DNS:example.org,IP:10.1.2.3,IP:fd00::7");
	CHECK_INT(id.uses, LP_CERT_CLIENT | LP_CERT_SERVER);
	CHECK_INT(id.not_after_ms, INT64_C(1900000000000));
	CHECK_INT(strlen(id.serial), 32);
	CHECK(!id.ca);
	/* Begins a day early, give or take the seconds of this test. */
	CHECK(lp_clock_trusted_ms() - id.not_before_ms >= DAY_MS && lp_clock_trusted_ms() - id.not_before_ms < DAY_MS + 60000);
	CHECK(lp_cert_covers(pem.data, "EXAMPLE.org"));
	CHECK(lp_cert_covers(pem.data, "10.1.2.3"));
	CHECK(lp_cert_covers(pem.data, "fd00::7"));
	CHECK(!lp_cert_covers(pem.data, "10.1.2.4"));
	CHECK(!lp_cert_covers(pem.data, "example.com"));
	CHECK_OK(lp_cert_read(certs.ca, &id, &err), &err);
	CHECK(id.ca);
	CHECK_MEM(id.spki, certs.ca_spki, LP_DIGEST_BYTES);

	/* Only an authority with its private key signs. */
	CHECK_ERR(lp_cert_sign(certs.node, certs.node_key, certs.node_key, &profile, &pem, &err), -EINVAL);
	const char *nameless[] = { "not a name", NULL };
	profile.sans = nameless;
	CHECK_ERR(lp_cert_sign(certs.ca, certs.ca_key, certs.node_key, &profile, &pem, &err), -EINVAL);
	certs_free(&certs);
	lp_buf_fini(&pem);
}

static int64_t fake_ms;
static int64_t
fake_wall(void)
{
	return fake_ms;
}

TEST(validity_is_judged_at_the_clock_or_the_floor_whichever_is_later)
{
	int64_t (*real)(void) = lp_seam.wall_ms;
	int64_t floor_ms = lp_clock_trusted_ms() + 1000 * DAY_MS;
	struct lp_err err;

	lp_clock_raise_floor(floor_ms);
	lp_seam.wall_ms = fake_wall;

	/* A clock in 1970: what begins in the future cannot be doubted, what ended before the floor has ended. */
	fake_ms = 0;
	CHECK_OK(lp_cert_check_time(floor_ms + DAY_MS, floor_ms + 2 * DAY_MS, &err), &err);
	CHECK_ERR(lp_cert_check_time(0, floor_ms - 1, &err), -EKEYEXPIRED);
	CHECK_OK(lp_cert_check_time(0, floor_ms + 1, &err), &err);
	/* A clock past the floor is believed in both directions. */
	fake_ms = floor_ms + 10 * DAY_MS;
	CHECK_ERR(lp_cert_check_time(fake_ms + 1, fake_ms + DAY_MS, &err), -EKEYEXPIRED);
	CHECK_HAS(err.text, "begins");
	CHECK_ERR(lp_cert_check_time(0, fake_ms - 1, &err), -EKEYEXPIRED);
	CHECK_HAS(err.text, "expired");
	CHECK_OK(lp_cert_check_time(fake_ms - 1, fake_ms + 1, &err), &err);
	lp_seam.wall_ms = real;
}

TEST(a_signature_holds_for_its_bytes_and_its_key_only)
{
	struct lp_cert_key *key = NULL, *other = NULL;
	struct lp_buf signature;
	struct lp_err err = { 0 };

	lp_buf_init(&signature, 256);
	CHECK_OK(lp_cert_key_generate(&key, &err), &err);
	CHECK_OK(lp_cert_key_generate(&other, &err), &err);
	CHECK_OK(lp_cert_sign_bytes(key, "revision", 8, &signature, &err), &err);
	CHECK_OK(lp_cert_verify_bytes(key, "revision", 8, signature.data, signature.len, &err), &err);
	CHECK_OK(lp_cert_verify(key, "revision", 8, signature.data, signature.len, &err), &err);
	CHECK_ERR(lp_cert_verify_bytes(key, "revisiom", 8, signature.data, signature.len, &err), -EKEYREJECTED);
	CHECK_ERR(lp_cert_verify_bytes(other, "revision", 8, signature.data, signature.len, &err), -EKEYREJECTED);
	CHECK_ERR(lp_cert_verify_bytes(key, "revision", 8, "", 0, &err), -EKEYREJECTED);
	lp_cert_key_free(key);
	lp_cert_key_free(other);
	lp_buf_fini(&signature);
}
