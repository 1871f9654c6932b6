#include "tests/harness.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"

TEST(numbers_are_strict)
{
	static const char *const bad[] = { "", "-", "+1", " 1", "1 ", "1x", "0x10", "--1", "1.0", "\t1" };
	uint64_t u = 7;
	int64_t i = 7;

	for (size_t n = 0; n < lp_count(bad); n++) {
		CHECK_ERR(lp_text_u64(bad[n], UINT64_MAX, &u), -EINVAL);
		CHECK_ERR(lp_text_i64(bad[n], INT64_MIN, INT64_MAX, &i), -EINVAL);
	}
	CHECK_INT(u, 7);
	CHECK_INT(i, 7);
	CHECK_ERR(lp_text_u64("-1", UINT64_MAX, &u), -EINVAL);
}

TEST(numbers_reach_their_limits_and_no_further)
{
	uint64_t u;
	int64_t i;

	CHECK_INT(lp_text_u64("18446744073709551615", UINT64_MAX, &u), 0);
	CHECK(u == UINT64_MAX);
	CHECK_ERR(lp_text_u64("18446744073709551616", UINT64_MAX, &u), -ERANGE);
	CHECK_ERR(lp_text_u64("99999999999999999999999", UINT64_MAX, &u), -ERANGE);
	CHECK_INT(lp_text_u64("65535", 65535, &u), 0);
	CHECK_ERR(lp_text_u64("65536", 65535, &u), -ERANGE);
	CHECK_INT(lp_text_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i), 0);
	CHECK(i == INT64_MIN);
	CHECK_INT(lp_text_i64("9223372036854775807", INT64_MIN, INT64_MAX, &i), 0);
	CHECK(i == INT64_MAX);
	CHECK_ERR(lp_text_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i), -ERANGE);
	CHECK_ERR(lp_text_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &i), -ERANGE);
	CHECK_ERR(lp_text_i64("-11", -10, 10, &i), -ERANGE);
}

TEST(durations_are_sums_of_units)
{
	int64_t ms;

	CHECK_INT(lp_text_duration_ms("90s", &ms), 0);
	CHECK_INT(ms, 90000);
	CHECK_INT(lp_text_duration_ms("1m30s", &ms), 0);
	CHECK_INT(ms, 90000);
	CHECK_INT(lp_text_duration_ms("500ms", &ms), 0);
	CHECK_INT(ms, 500);
	CHECK_INT(lp_text_duration_ms("2h", &ms), 0);
	CHECK_INT(ms, 7200000);
	CHECK_INT(lp_text_duration_ms("0", &ms) == 0 ? ms : 0, 0);
	CHECK(lp_text_duration_ms("", &ms) < 0);
	CHECK(lp_text_duration_ms("5", &ms) < 0);
	CHECK(lp_text_duration_ms("5x", &ms) < 0);
	CHECK(lp_text_duration_ms("s", &ms) < 0);
	CHECK(lp_text_duration_ms("9223372036854775807h", &ms) < 0);
}

TEST(ages_read_as_kubectl_prints_them)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ 0, "0s" }, { 45, "45s" }, { 119, "119s" }, { 120, "2m" }, { 192, "3m12s" }, { 599, "9m59s" }, { 600, "10m" },
		{ 3 * 3600 - 60, "179m" }, { 3 * 3600, "3h" }, { 3 * 3600 + 120, "3h2m" }, { 8 * 3600, "8h" },
		{ 47 * 3600, "47h" }, { 48 * 3600, "2d" }, { 51 * 3600, "2d3h" }, { 8 * 86400, "8d" }, { 8 * 86400 + 7200, "8d" },
		{ 2 * 365 * 86400, "2y" }, { -5, "<invalid>" },
	};
	char out[LP_TEXT_AGE];

	for (size_t i = 0; i < lp_count(rows); i++) {
		lp_text_age(rows[i].seconds, out);
		CHECK_STR(out, rows[i].text);
	}
}

TEST(labels_are_those_of_the_rfcs)
{
	char label[65];

	CHECK(lp_text_is_dns_label("a") && lp_text_is_dns_label("a-1") && lp_text_is_dns_label("1a"));
	CHECK(!lp_text_is_dns_label("") && !lp_text_is_dns_label("-a") && !lp_text_is_dns_label("a-"));
	CHECK(!lp_text_is_dns_label("A") && !lp_text_is_dns_label("a.b") && !lp_text_is_dns_label("a_b"));
	CHECK(!lp_text_is_dns_label("a\n") && !lp_text_is_dns_label("\xc3\xa9"));
	memset(label, 'a', sizeof(label));
	label[63] = '\0';
	CHECK(lp_text_is_dns_label(label));
	label[63] = 'a';
	label[64] = '\0';
	CHECK(!lp_text_is_dns_label(label));
	CHECK(lp_text_is_dns_subdomain("a.b-c.d") && !lp_text_is_dns_subdomain("a..b") && !lp_text_is_dns_subdomain(".a"));
	CHECK(!lp_text_is_dns_subdomain("a.") && !lp_text_is_dns_subdomain(""));
	CHECK(lp_text_is_dns1035_label("a1") && !lp_text_is_dns1035_label("1a"));
}

TEST(base64_goes_there_and_back)
{
	lp_auto_buf struct lp_buf text, back;
	unsigned char data[256];

	for (int i = 0; i < 256; i++)
		data[i] = (unsigned char)i;
	lp_buf_init(&text, 1000);
	lp_buf_init(&back, 1000);
	for (size_t len = 0; len <= 256; len++) {
		lp_buf_reset(&text);
		lp_buf_reset(&back);
		CHECK_INT(lp_text_base64_encode(&text, data, len), 0);
		CHECK_INT(lp_text_base64_decode(&back, lp_buf_text(&text), text.len), 0);
		CHECK_INT(back.len, len);
		CHECK_MEM(lp_buf_text(&back), data, len);
		lp_buf_reset(&text);
		lp_buf_reset(&back);
		CHECK_INT(lp_text_base64url_encode(&text, data, len), 0);
		CHECK(!strpbrk(lp_buf_text(&text), "+/="));
		CHECK_INT(lp_text_base64url_decode(&back, lp_buf_text(&text), text.len), 0);
		CHECK_INT(back.len, len);
		CHECK_MEM(lp_buf_text(&back), data, len);
	}
}

TEST(base64_that_is_none_is_refused)
{
	static const char *const bad[] = { "A", "AB", "ABC", "AB=C", "ABCD=", "====", "A===", "AB*D", "ABC=ABC=" };
	lp_auto_buf struct lp_buf out;

	lp_buf_init(&out, 100);
	for (size_t i = 0; i < lp_count(bad); i++) {
		lp_buf_reset(&out);
		CHECK(lp_text_base64_decode(&out, bad[i], strlen(bad[i])) < 0);
	}
	lp_buf_reset(&out);
	CHECK_INT(lp_text_base64_decode(&out, "aGVs\nbG8=", 9), 0);
	CHECK_STR(out.data, "hello");
}

TEST(hex_goes_there_and_back_and_is_strict)
{
	unsigned char data[3] = { 0x00, 0xa5, 0xff }, back[3];
	char text[7];

	lp_text_hex(data, 3, text);
	CHECK_STR(text, "00a5ff");
	CHECK_INT(lp_text_unhex(text, back, 3), 0);
	CHECK_MEM(back, data, 3);
	CHECK(lp_text_unhex("00a5f", back, 3) < 0);
	CHECK(lp_text_unhex("00a5fff", back, 3) < 0);
	CHECK(lp_text_unhex("00a5fg", back, 3) < 0);
}

TEST(addresses_are_strict)
{
	static const char *const bad[] = { "", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4", "1.2.3.4 ", " 1.2.3.4", "a.b.c.d",
		"1..2.3", "1.2.3.", "01.2.3.4", "1.2.3.4/8" };
	char text[LP_TEXT_IPV4];
	uint32_t addr;
	uint8_t prefix;

	CHECK_INT(lp_text_ipv4("10.42.0.255", &addr), 0);
	CHECK_INT(addr, 0x0a2a00ff);
	lp_text_ipv4_print(addr, text);
	CHECK_STR(text, "10.42.0.255");
	for (size_t i = 0; i < lp_count(bad); i++)
		CHECK(lp_text_ipv4(bad[i], &addr) < 0);
	CHECK_INT(lp_text_cidr4("10.42.0.0/16", &addr, &prefix), 0);
	CHECK_INT(addr, 0x0a2a0000);
	CHECK_INT(prefix, 16);
	CHECK_INT(lp_text_cidr4("0.0.0.0/0", &addr, &prefix), 0);
	CHECK(lp_text_cidr4("10.42.0.1/16", &addr, &prefix) < 0);
	CHECK(lp_text_cidr4("10.42.0.0/33", &addr, &prefix) < 0);
	CHECK(lp_text_cidr4("10.42.0.0", &addr, &prefix) < 0);
	CHECK(lp_text_cidr4("10.42.0.0/", &addr, &prefix) < 0);
}

TEST(a_listening_address_is_host_and_port)
{
	char host[32];
	uint16_t port;

	CHECK_INT(lp_text_host_port("127.0.0.1:6443", host, sizeof(host), &port), 0);
	CHECK_STR(host, "127.0.0.1");
	CHECK_INT(port, 6443);
	CHECK_INT(lp_text_host_port(":80", host, sizeof(host), &port), 0);
	CHECK_STR(host, "");
	CHECK_INT(lp_text_host_port("[::1]:80", host, sizeof(host), &port), 0);
	CHECK_STR(host, "::1");
	CHECK(lp_text_host_port("host", host, sizeof(host), &port) < 0);
	CHECK(lp_text_host_port("host:", host, sizeof(host), &port) < 0);
	CHECK(lp_text_host_port("host:70000", host, sizeof(host), &port) < 0);
	CHECK(lp_text_host_port("::1:80", host, sizeof(host), &port) < 0);
	CHECK(lp_text_host_port("a-name-that-is-longer-than-the-room-for-it:80", host, sizeof(host), &port) < 0);
}

TEST(words_of_the_kernels_lines_are_counted_from_0)
{
	size_t len = 0;
	uint64_t n = 0;
	const char *line = "  a\tbcd 42 4294967295 -1 99999999999999999999999\nnext 7";

	CHECK(lp_text_word(line, 0, &len) == line + 2);
	CHECK_INT(len, 1);
	CHECK(lp_text_word(line, 1, &len) == line + 4);
	CHECK_INT(len, 3);
	CHECK(lp_text_word(line, 6, &len) == NULL);	/* a line ends */
	CHECK(lp_text_word("", 0, &len) == NULL);
	CHECK_INT(lp_text_word_u64(line, 2, UINT32_MAX, &n), 0);
	CHECK_INT(n, 42);
	CHECK_INT(lp_text_word_u64(line, 3, UINT32_MAX, &n), 0);
	CHECK_INT(n, UINT32_MAX);
	CHECK_INT(lp_text_word_u64(line, 3, 1, &n), -ERANGE);
	CHECK_INT(lp_text_word_u64(line, 1, 1, &n), -EINVAL);
	CHECK_INT(lp_text_word_u64(line, 4, 1, &n), -EINVAL);
	CHECK_INT(lp_text_word_u64(line, 5, UINT64_MAX, &n), -ERANGE);
	CHECK_INT(lp_text_word_u64(line, 6, 1, &n), -EINVAL);
}

TEST(utf8_is_the_rfcs)
{
	CHECK(lp_text_is_utf8("", 0));
	CHECK(lp_text_is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
	CHECK(!lp_text_is_utf8("\xc0\x80", 2));		/* not the shortest form */
	CHECK(!lp_text_is_utf8("\xe0\x80\x80", 3));
	CHECK(!lp_text_is_utf8("\xed\xa0\x80", 3));	/* a surrogate */
	CHECK(!lp_text_is_utf8("\xf4\x90\x80\x80", 4));	/* past U+10FFFF */
	CHECK(!lp_text_is_utf8("\xff", 1));
	CHECK(!lp_text_is_utf8("\xe2\x82", 2));		/* cut */
	CHECK(!lp_text_is_utf8("\x80", 1));
}

TEST(comparing_accepts_nothing)
{
	CHECK(lp_text_same(NULL, NULL) && lp_text_same("a", "a"));
	CHECK(!lp_text_same(NULL, "") && !lp_text_same("a", NULL) && !lp_text_same("a", "b"));
	CHECK(lp_text_starts("abc", "ab") && !lp_text_starts("a", "ab"));
	CHECK(lp_text_ends("abc", "bc") && !lp_text_ends("c", "bc"));
}

TEST(bytes_that_are_no_text_become_question_marks_and_the_rest_stays)
{
	char text[] = "a\xff\xc3\xa9\xe2\x82 \xf0\x9f\x98\x80\xed\xa0\x80\xc3", fine[] = "caf\xc3\xa9";

	lp_text_make_utf8(text, sizeof(text) - 1);
	CHECK_STR(text, "a?\xc3\xa9?? \xf0\x9f\x98\x80????");
	CHECK(lp_text_is_utf8(text, sizeof(text) - 1));
	lp_text_make_utf8(fine, sizeof(fine) - 1);
	CHECK_STR(fine, "caf\xc3\xa9");
}
