#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "netbridge/dns_name.h"
#include "tests/harness.h"

TEST(a_name_written_reads_back)
{
	static const char *const names[] = { "", "a", "web.default.svc.cluster.local", "_http._tcp.x-1" };

	for (size_t i = 0; i < lp_count(names); i++) {
		lp_auto_buf struct lp_buf wire;
		char name[LP_DNS_NAME];
		size_t at = 0;

		lp_buf_init(&wire, 512);
		CHECK_OK(lp_dns_name_write(&wire, names[i]), NULL);
		CHECK_OK(lp_dns_name_read((uint8_t *)wire.data, wire.len, &at, false, name), NULL);
		CHECK_STR(name, names[i]);
		CHECK_INT(at, wire.len);
		for (size_t cut = 0; cut < wire.len; cut++) {
			at = 0;
			CHECK_ERR(lp_dns_name_read((uint8_t *)wire.data, cut, &at, false, name), -EBADMSG);
		}
	}
}

TEST(pointers_go_backwards_only_and_only_where_allowed)
{
	static const uint8_t packet[] = "\1a\0\1b\xc0\0\xc0\7\xc0\x20";
	char name[LP_DNS_NAME];
	size_t at = 3;

	CHECK_OK(lp_dns_name_read(packet, 11, &at, true, name), NULL);
	CHECK_STR(name, "b.a");
	CHECK_INT(at, 7);
	at = 3;
	CHECK_ERR(lp_dns_name_read(packet, 11, &at, false, name), -EBADMSG);
	at = 7;
	CHECK_ERR(lp_dns_name_read(packet, 11, &at, true, name), -EBADMSG);	/* to itself */
	at = 9;
	CHECK_ERR(lp_dns_name_read(packet, 11, &at, true, name), -EBADMSG);	/* forwards */
}

TEST(names_longer_than_253_characters_are_refused)
{
	uint8_t packet[600];
	char name[LP_DNS_NAME], text[300];
	size_t at;

	for (size_t labels = 1; labels < 8; labels++) {
		for (size_t i = 0; i < labels; i++) {
			packet[i * 64] = 63;
			memset(packet + i * 64 + 1, 'x', 63);
		}
		packet[labels * 64] = 0;
		at = 0;
		CHECK_INT(lp_dns_name_read(packet, sizeof(packet), &at, false, name), labels < 4 ? 0 : -EBADMSG);
	}
	memset(text, 'x', sizeof(text));
	text[64] = '\0';
	CHECK_ERR(lp_dns_name_clean(text, name), -EINVAL);
	text[63] = '.';
	text[64] = 'x';
	text[65] = '\0';
	CHECK_OK(lp_dns_name_clean(text, name), NULL);
}

TEST(reverse_names_have_one_spelling)
{
	char text[LP_DNS_NAME];
	uint32_t addr;

	lp_dns_name_print_reverse(0x0a2a0005, text);
	CHECK_STR(text, "5.0.42.10.in-addr.arpa");
	CHECK(lp_dns_name_reverse(text, &addr));
	CHECK_INT(addr, 0x0a2a0005);
	CHECK(!lp_dns_name_reverse("05.0.42.10.in-addr.arpa", &addr));
	CHECK(!lp_dns_name_reverse("256.0.42.10.in-addr.arpa", &addr));
	CHECK(!lp_dns_name_reverse("1.5.0.42.10.in-addr.arpa", &addr));
	CHECK(!lp_dns_name_reverse("0.42.10.in-addr.arpa", &addr));
	CHECK(!lp_dns_name_reverse("x.in-addr.arpa", &addr));
}
