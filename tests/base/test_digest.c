#include "tests/harness.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/digest.h"

TEST(sha256_is_that_of_the_standard)
{
	char text[LP_DIGEST_TEXT];

	lp_digest_print("", 0, text);
	CHECK_STR(text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	lp_digest_print("abc", 3, text);
	CHECK_STR(text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(a_digest_in_pieces_is_the_same)
{
	unsigned char data[1000], whole[LP_DIGEST_BYTES], pieces[LP_DIGEST_BYTES];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 7);
	lp_digest(data, sizeof(data), whole);
	for (size_t step = 1; step < 200; step += 13) {
		struct lp_digest_state state;

		lp_digest_start(&state);
		for (size_t at = 0; at < sizeof(data); at += step)
			lp_digest_add(&state, data + at, sizeof(data) - at < step ? sizeof(data) - at : step);
		lp_digest_end(&state, pieces);
		CHECK_MEM(pieces, whole, sizeof(whole));
	}
}

TEST(only_a_whole_digest_in_lower_case_is_one)
{
	static const char good[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	static const char *const bad[] = { "", "sha256:", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad0",
		"sha256:../../../../etc/passwd0000000000000000000000000000000000000000000",
		"sha512:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" };
	uint8_t bytes[LP_DIGEST_BYTES];
	char text[LP_DIGEST_TEXT];

	CHECK_INT(lp_digest_parse(good, bytes), 0);
	CHECK_INT(lp_digest_parse(good, NULL), 0);
	lp_digest_text(bytes, text);
	CHECK_STR(text, good);
	for (size_t i = 0; i < lp_count(bad); i++)
		CHECK_ERR(lp_digest_parse(bad[i], bytes), -EINVAL);
}

TEST(crc32c_is_castagnolis)
{
	unsigned char zeros[32] = { 0 };

	CHECK_INT(lp_digest_crc32c(0, "123456789", 9), 0xe3069283);
	CHECK_INT(lp_digest_crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	CHECK_INT(lp_digest_crc32c(lp_digest_crc32c(0, "12345", 5), "6789", 4), 0xe3069283);
}

TEST(comparing_sees_every_bit)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	CHECK(lp_digest_same(a, b, sizeof(a)));
	for (size_t bit = 0; bit < 256; bit++) {
		b[bit / 8] ^= (unsigned char)(1 << bit % 8);
		CHECK(!lp_digest_same(a, b, sizeof(a)));
		b[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}
