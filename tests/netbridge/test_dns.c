#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "netbridge/dns.h"
#include "netbridge/dns_name.h"
#include "tests/harness.h"

static void
add(struct lp_dns_zone *zone, const char *name, uint16_t type, uint32_t addr, const char *target, uint16_t port)
{
	struct lp_dns_record record = { .name = name, .type = type, .ttl = 5, .addr = addr, .target = target, .weight = 100, .port = port };
	struct lp_err err;

	CHECK_OK(lp_dns_zone_add(zone, &record, &err), &err);
}

static struct lp_dns_zone *
new_zone(void)
{
	struct lp_dns_zone *zone;
	struct lp_err err;

	CHECK_OK(lp_dns_zone_new(&zone, "cluster.local", &err), &err);
	CHECK_OK(lp_dns_zone_add_range(zone, 0x0a2a0000, 16, &err), &err);
	CHECK_OK(lp_dns_zone_add_range(zone, 0x0a2b0000, 16, &err), &err);
	CHECK_OK(lp_dns_zone_add_namespace(zone, "default", &err), &err);
	add(zone, "web.default.svc.cluster.local", LP_DNS_A, 0x0a2b0005, NULL, 0);
	add(zone, "_http._tcp.web.default.svc.cluster.local", LP_DNS_SRV, 0, "web.default.svc.cluster.local", 80);
	CHECK_OK(lp_dns_zone_add_pointer(zone, 0x0a2b0005, "web.default.svc.cluster.local", &err), &err);
	add(zone, "db.default.svc.cluster.local", LP_DNS_A, 0x0a2a0005, NULL, 0);
	add(zone, "db.default.svc.cluster.local", LP_DNS_A, 0x0a2a0006, NULL, 0);
	add(zone, "db-0.db.default.svc.cluster.local", LP_DNS_A, 0x0a2a0005, NULL, 0);
	add(zone, "out.default.svc.cluster.local", LP_DNS_CNAME, 0, "www.example.com", 0);
	add(zone, "in.default.svc.cluster.local", LP_DNS_CNAME, 0, "web.default.svc.cluster.local", 0);
	add(zone, "loop.default.svc.cluster.local", LP_DNS_CNAME, 0, "loop.default.svc.cluster.local", 0);
	return zone;
}

struct got {
	enum lp_dns_verdict verdict;
	unsigned rcode, answers, authority, additional;
	bool truncated, authoritative;
	uint16_t types[64];
	uint32_t addrs[64];		/* A records, in order, all sections */
	unsigned addr_count;
	char targets[8][LP_DNS_NAME];	/* of CNAME, PTR, SRV */
	unsigned target_count, soa_count;
	char chase[LP_DNS_NAME];
	size_t len;
};

static unsigned
get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* Read an answer with a reader of the test's own that demands it to be whole. */
static void
read_answer(const uint8_t *p, size_t len, struct got *got)
{
	char name[LP_DNS_NAME];
	size_t at = 12;

	CHECK(len >= 12);
	got->len = len;
	got->rcode = get16(p + 2) & 15;
	got->truncated = p[2] & 2;
	got->authoritative = p[2] & 4;
	CHECK(p[2] & 0x80);
	CHECK(p[3] & 0x80);
	got->answers = get16(p + 6);
	got->authority = get16(p + 8);
	got->additional = get16(p + 10);
	for (unsigned i = 0; i < get16(p + 4); i++) {
		CHECK_OK(lp_dns_name_read(p, len, &at, true, name), NULL);
		at += 4;
	}
	for (unsigned i = 0; i < got->answers + got->authority + got->additional; i++) {
		unsigned type, data_len;
		size_t data;

		CHECK_OK(lp_dns_name_read(p, len, &at, true, name), NULL);
		CHECK(at + 10 <= len);
		type = get16(p + at);
		data_len = get16(p + at + 8);
		data = at += 10;
		CHECK(at + data_len <= len);
		if (i < 64)
			got->types[i] = (uint16_t)type;
		if (type == LP_DNS_A) {
			CHECK_INT(data_len, 4);
			if (got->addr_count < 64)
				got->addrs[got->addr_count++] = get16(p + at) << 16 | get16(p + at + 2);
		}
		if (type == LP_DNS_SRV)
			data += 6;
		if ((type == LP_DNS_CNAME || type == LP_DNS_PTR || type == LP_DNS_SRV || type == LP_DNS_NS) && got->target_count < 8) {
			CHECK_OK(lp_dns_name_read(p, len, &data, true, got->targets[got->target_count++]), NULL);
			CHECK_INT(data, at + data_len);
		}
		got->soa_count += type == LP_DNS_SOA;
		at += data_len;
	}
	CHECK_INT(at, len);
}

static struct got
ask(const struct lp_dns_zone *zone, const char *name, uint16_t type)
{
	lp_auto_buf struct lp_buf query, out;
	struct got got = { 0 };

	lp_buf_init(&query, 4096);
	lp_buf_init(&out, LP_DNS_TCP_MAX);
	CHECK_OK(lp_dns_query(&query, 0x1234, name, type), NULL);
	CHECK_OK(lp_dns_answer(zone, (uint8_t *)query.data, query.len, LP_DNS_UDP_MAX, &out, &got.verdict, got.chase), NULL);
	if (got.verdict == LP_DNS_FORWARD || got.verdict == LP_DNS_IGNORE) {
		CHECK_INT(out.len, 0);
		return got;
	}
	CHECK(lp_dns_matches((uint8_t *)query.data, query.len, (uint8_t *)out.data, out.len));
	read_answer((uint8_t *)out.data, out.len, &got);
	return got;
}

TEST(a_service_has_an_address_whatever_the_case_of_its_letters)
{
	struct lp_dns_zone *zone = new_zone();
	struct got got = ask(zone, "WEB.Default.svc.cluster.LOCAL", LP_DNS_A);

	CHECK_INT(got.verdict, LP_DNS_ANSWER);
	CHECK_INT(got.rcode, LP_DNS_NOERROR);
	CHECK(got.authoritative);
	CHECK_INT(got.answers, 1);
	CHECK_INT(got.addrs[0], 0x0a2b0005);
	CHECK_INT(got.additional, 1);	/* OPT */
	lp_dns_zone_free(zone);
}

TEST(a_name_that_exists_has_no_data_for_other_types_and_one_that_does_not_is_nxdomain)
{
	static const struct {
		const char *name;
		uint16_t type;
		enum lp_dns_rcode rcode;
	} rows[] = {
		{ "web.default.svc.cluster.local",              LP_DNS_AAAA, LP_DNS_NOERROR },
		{ "web.default.svc.cluster.local",              LP_DNS_TXT,  LP_DNS_NOERROR },
		{ "_tcp.web.default.svc.cluster.local",         LP_DNS_A,    LP_DNS_NOERROR },	/* only because names lie below it */
		{ "default.svc.cluster.local",                  LP_DNS_A,    LP_DNS_NOERROR },
		{ "default.pod.cluster.local",                  LP_DNS_A,    LP_DNS_NOERROR },
		{ "svc.cluster.local",                          LP_DNS_A,    LP_DNS_NOERROR },
		{ "cluster.local",                              LP_DNS_A,    LP_DNS_NOERROR },
		{ "10-42-0-5.default.pod.cluster.local",        LP_DNS_AAAA, LP_DNS_NOERROR },
		{ "nothing.default.svc.cluster.local",          LP_DNS_A,    LP_DNS_NXDOMAIN },
		{ "web.other.svc.cluster.local",                LP_DNS_A,    LP_DNS_NXDOMAIN },
		{ "other.svc.cluster.local",                    LP_DNS_A,    LP_DNS_NXDOMAIN },
		{ "web.default.svc.cluster.local.default.svc.cluster.local", LP_DNS_A, LP_DNS_NXDOMAIN },	/* a search list at work */
		{ "www.example.com.default.svc.cluster.local",  LP_DNS_A,    LP_DNS_NXDOMAIN },
		{ "10-42-0-5.other.pod.cluster.local",          LP_DNS_A,    LP_DNS_NXDOMAIN },
		{ "192-168-1-1.default.pod.cluster.local",      LP_DNS_A,    LP_DNS_NXDOMAIN },
		{ "10-42-0.default.pod.cluster.local",          LP_DNS_A,    LP_DNS_NXDOMAIN },
		{ "9.9.43.10.in-addr.arpa",                     LP_DNS_PTR,  LP_DNS_NXDOMAIN },
		{ "5.0.43.10.in-addr.arpa",                     LP_DNS_A,    LP_DNS_NOERROR },
	};
	struct lp_dns_zone *zone = new_zone();

	for (size_t i = 0; i < lp_count(rows); i++) {
		struct got got = ask(zone, rows[i].name, rows[i].type);

		printf("%s\n", rows[i].name);
		CHECK_INT(got.verdict, LP_DNS_ANSWER);
		CHECK_INT(got.rcode, rows[i].rcode);
		CHECK_INT(got.answers, 0);
		CHECK_INT(got.authority, 1);
		CHECK_INT(got.soa_count, 1);
	}
	lp_dns_zone_free(zone);
}

TEST(names_outside_the_domain_and_our_ranges_are_forwarded)
{
	static const char *const names[] = {
		"example.com", "local", "xcluster.local", "1.1.168.192.in-addr.arpa", "42.10.in-addr.arpa", "05.0.43.10.in-addr.arpa",
	};
	struct lp_dns_zone *zone = new_zone();

	for (size_t i = 0; i < lp_count(names); i++)
		CHECK_INT(ask(zone, names[i], LP_DNS_A).verdict, LP_DNS_FORWARD);
	CHECK_INT(ask(zone, "", LP_DNS_NS).verdict, LP_DNS_FORWARD);
	lp_dns_zone_free(zone);
}

TEST(a_headless_service_has_all_its_pods_beginning_with_another_one)
{
	struct lp_dns_zone *zone = new_zone();
	lp_auto_buf struct lp_buf query, out;
	enum lp_dns_verdict verdict;
	char chase[LP_DNS_NAME];
	uint32_t first[2];

	lp_buf_init(&query, 4096);
	lp_buf_init(&out, LP_DNS_TCP_MAX);
	for (uint16_t id = 0; id < 2; id++) {
		struct got got = { 0 };

		CHECK_OK(lp_dns_query(&query, id, "db.default.svc.cluster.local", LP_DNS_A), NULL);
		CHECK_OK(lp_dns_answer(zone, (uint8_t *)query.data, query.len, LP_DNS_UDP_MAX, &out, &verdict, chase), NULL);
		read_answer((uint8_t *)out.data, out.len, &got);
		CHECK_INT(got.answers, 2);
		CHECK(got.addrs[0] != got.addrs[1]);
		first[id] = got.addrs[0];
	}
	CHECK(first[0] != first[1]);
	CHECK_INT(ask(zone, "db-0.db.default.svc.cluster.local", LP_DNS_A).addrs[0], 0x0a2a0005);
	lp_dns_zone_free(zone);
}

TEST(srv_ptr_txt_pod_names_and_the_zone_itself)
{
	struct lp_dns_zone *zone = new_zone();
	struct got got = ask(zone, "_http._tcp.web.default.svc.cluster.local", LP_DNS_SRV);

	CHECK_INT(got.answers, 1);
	CHECK_STR(got.targets[0], "web.default.svc.cluster.local");
	CHECK_INT(got.additional, 2);
	CHECK_INT(got.addrs[0], 0x0a2b0005);
	got = ask(zone, "5.0.43.10.in-addr.arpa", LP_DNS_PTR);
	CHECK_STR(got.targets[0], "web.default.svc.cluster.local");
	got = ask(zone, "10-42-3-77.default.pod.cluster.local", LP_DNS_A);
	CHECK_INT(got.addrs[0], 0x0a2a034d);
	got = ask(zone, "dns-version.cluster.local", LP_DNS_TXT);
	CHECK_INT(got.answers, 1);
	got = ask(zone, "cluster.local", LP_DNS_SOA);
	CHECK_INT(got.answers, 1);
	got = ask(zone, "cluster.local", LP_DNS_NS);
	CHECK_STR(got.targets[0], "ns.dns.cluster.local");
	got = ask(zone, "web.default.svc.cluster.local", LP_DNS_ANY);
	CHECK_INT(got.answers, 1);
	lp_dns_zone_free(zone);
}

TEST(aliases_are_followed_inside_and_handed_out_when_they_leave)
{
	struct lp_dns_zone *zone = new_zone();
	struct got got = ask(zone, "in.default.svc.cluster.local", LP_DNS_A);

	CHECK_INT(got.verdict, LP_DNS_ANSWER);
	CHECK_INT(got.answers, 2);
	CHECK_INT(got.addrs[0], 0x0a2b0005);
	got = ask(zone, "out.default.svc.cluster.local", LP_DNS_A);
	CHECK_INT(got.verdict, LP_DNS_CHASE);
	CHECK_STR(got.chase, "www.example.com");
	CHECK_INT(got.answers, 1);
	got = ask(zone, "out.default.svc.cluster.local", LP_DNS_CNAME);
	CHECK_INT(got.verdict, LP_DNS_ANSWER);
	CHECK_STR(got.targets[0], "www.example.com");
	got = ask(zone, "loop.default.svc.cluster.local", LP_DNS_A);
	CHECK_INT(got.rcode, LP_DNS_SERVFAIL);
	lp_dns_zone_free(zone);
}

/* What an upstream says about www.example.com: an alias (compressed) and two addresses. */
static void
upstream_answer(struct lp_buf *out)
{
	lp_auto_buf struct lp_buf query;

	lp_buf_init(&query, 4096);
	CHECK_OK(lp_dns_query(&query, 7, "www.example.com", LP_DNS_A), NULL);
	lp_buf_init(out, 4096);
	CHECK_OK(lp_buf_add(out, query.data, query.len - 11), NULL);
	out->data[2] = (char)0x81;
	out->data[3] = (char)0x80;
	out->data[7] = 3;
	out->data[11] = 0;
	CHECK_OK(lp_buf_add(out, "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1a\xc0\x10", 16), NULL);
	for (int i = 0; i < 2; i++)
		CHECK_OK(lp_buf_add(out, i ? "\xc0\x2d\0\1\0\1\0\0\0\x3c\0\4\x5d\xb8\xd8\x22" : "\xc0\x2d\0\1\0\1\0\0\0\x3c\0\4\x5d\xb8\xd8\x23", 16), NULL);
}

TEST(what_upstream_says_about_an_alias_goes_behind_it)
{
	struct lp_dns_zone *zone = new_zone();
	lp_auto_buf struct lp_buf query, alias, upstream, out;
	enum lp_dns_verdict verdict;
	char chase[LP_DNS_NAME];
	struct got got = { 0 };

	lp_buf_init(&query, 4096);
	lp_buf_init(&alias, 4096);
	lp_buf_init(&out, LP_DNS_TCP_MAX);
	upstream_answer(&upstream);
	CHECK_OK(lp_dns_query(&query, 9, "out.default.svc.cluster.local", LP_DNS_A), NULL);
	CHECK_OK(lp_dns_answer(zone, (uint8_t *)query.data, query.len, LP_DNS_UDP_MAX, &alias, &verdict, chase), NULL);
	CHECK_OK(lp_dns_merge(&alias, (uint8_t *)upstream.data, upstream.len, LP_DNS_UDP_MAX, &out), NULL);
	read_answer((uint8_t *)out.data, out.len, &got);
	CHECK_INT(got.answers, 4);
	CHECK_STR(got.targets[0], "www.example.com");
	CHECK_STR(got.targets[1], "a.example.com");
	CHECK_INT(got.addrs[1], 0x5db8d822);
	CHECK(!got.truncated);
	memset(&got, 0, sizeof(got));
	CHECK_OK(lp_dns_merge(&alias, (uint8_t *)upstream.data, upstream.len, alias.len + 40, &out), NULL);
	read_answer((uint8_t *)out.data, out.len, &got);
	CHECK(got.truncated);
	for (size_t cut = 0; cut < upstream.len; cut++)
		CHECK_ERR(lp_dns_merge(&alias, (uint8_t *)upstream.data, cut, LP_DNS_UDP_MAX, &out), -EBADMSG);
	lp_dns_zone_free(zone);
}

TEST(an_answer_that_is_too_long_is_cut_at_a_record_and_says_so)
{
	struct lp_dns_zone *zone = new_zone();
	lp_auto_buf struct lp_buf query, out;
	enum lp_dns_verdict verdict;
	char chase[LP_DNS_NAME];
	static const struct {
		bool edns;
		size_t max, most;
	} rows[] = { { false, LP_DNS_UDP_MAX, 512 }, { true, LP_DNS_UDP_MAX, LP_DNS_UDP_MAX }, { false, LP_DNS_TCP_MAX, LP_DNS_TCP_MAX } };

	for (uint32_t i = 0; i < 200; i++)
		add(zone, "big.default.svc.cluster.local", LP_DNS_A, 0x0a2a0000 + i, NULL, 0);
	lp_buf_init(&query, 4096);
	lp_buf_init(&out, LP_DNS_TCP_MAX);
	for (size_t i = 0; i < lp_count(rows); i++) {
		struct got got = { 0 };

		CHECK_OK(lp_dns_query(&query, 190, "big.default.svc.cluster.local", LP_DNS_A), NULL);
		if (!rows[i].edns) {
			query.len -= 11;
			query.data[11] = 0;
		}
		CHECK_OK(lp_dns_answer(zone, (uint8_t *)query.data, query.len, rows[i].max, &out, &verdict, chase), NULL);
		read_answer((uint8_t *)out.data, out.len, &got);
		CHECK(got.len <= rows[i].most);
		CHECK_INT(got.truncated, i < 2);
		CHECK_INT(got.additional, rows[i].edns);
		if (i == 2)
			CHECK_INT(got.answers, 200);
		else
			CHECK(got.len > rows[i].most - 16);
	}
	lp_dns_zone_free(zone);
}

TEST(questions_that_are_none_get_silence_or_an_error)
{
	struct lp_dns_zone *zone = new_zone();
	lp_auto_buf struct lp_buf query, out;
	enum lp_dns_verdict verdict;
	char chase[LP_DNS_NAME];
	static const struct {
		size_t at;
		uint8_t value;
		int rcode;		/* -1 = silence */
	} rows[] = {
		{ 2, 0x81, -1 },			/* an answer */
		{ 2, 0x11, LP_DNS_NOTIMP },		/* opcode 2 */
		{ 5, 2, LP_DNS_FORMERR },		/* two questions */
		{ 5, 0, LP_DNS_FORMERR },
		{ 7, 1, LP_DNS_FORMERR },		/* comes with an answer */
		{ 11, 0, LP_DNS_FORMERR },		/* the OPT record is left over */
		{ 11, 2, LP_DNS_FORMERR },		/* and one is missing */
		{ 12, 0xc0, LP_DNS_FORMERR },		/* a pointer */
		{ 12, 64, LP_DNS_FORMERR },		/* a label that is too long */
	};

	lp_buf_init(&query, 4096);
	lp_buf_init(&out, LP_DNS_TCP_MAX);
	for (size_t i = 0; i < lp_count(rows); i++) {
		CHECK_OK(lp_dns_query(&query, 1, "web.default.svc.cluster.local", LP_DNS_A), NULL);
		query.data[rows[i].at] = (char)rows[i].value;
		CHECK_OK(lp_dns_answer(zone, (uint8_t *)query.data, query.len, LP_DNS_UDP_MAX, &out, &verdict, chase), NULL);
		CHECK_INT(verdict, rows[i].rcode < 0 ? LP_DNS_IGNORE : LP_DNS_ANSWER);
		if (rows[i].rcode >= 0)
			CHECK_INT(out.data[3] & 15, rows[i].rcode);
	}
	CHECK_OK(lp_dns_query(&query, 1, "web.default.svc.cluster.local", LP_DNS_A), NULL);
	query.data[query.len - 5] = 1;		/* EDNS version 1 */
	CHECK_OK(lp_dns_answer(zone, (uint8_t *)query.data, query.len, LP_DNS_UDP_MAX, &out, &verdict, chase), NULL);
	CHECK_INT(out.data[3] & 15, 0);
	CHECK_INT(out.data[out.len - 6], 1);	/* BADVERS is 16: its upper part */
	for (size_t cut = 0; cut < query.len; cut++) {
		CHECK_OK(lp_dns_answer(zone, (uint8_t *)query.data, cut, LP_DNS_UDP_MAX, &out, &verdict, chase), NULL);
		CHECK(verdict == (cut < 12 ? LP_DNS_IGNORE : LP_DNS_ANSWER));
	}
	lp_dns_zone_free(zone);
}

TEST(a_label_with_a_dot_in_it_is_not_mistaken_for_two)
{
	struct lp_dns_zone *zone = new_zone();
	lp_auto_buf struct lp_buf query, out;
	enum lp_dns_verdict verdict;
	char chase[LP_DNS_NAME];

	lp_buf_init(&query, 4096);
	lp_buf_init(&out, LP_DNS_TCP_MAX);
	CHECK_OK(lp_dns_query(&query, 1, "web-default.svc.cluster.local", LP_DNS_A), NULL);
	query.data[12 + 4] = '.';
	CHECK_OK(lp_dns_answer(zone, (uint8_t *)query.data, query.len, LP_DNS_UDP_MAX, &out, &verdict, chase), NULL);
	CHECK_INT(out.data[3] & 15, LP_DNS_NXDOMAIN);
	lp_dns_zone_free(zone);
}

TEST(records_that_cannot_be_served_are_refused_by_name)
{
	struct lp_dns_zone *zone = new_zone();
	struct lp_dns_record rows[] = {
		{ .name = "example.com", .type = LP_DNS_A },
		{ .name = "bad..cluster.local", .type = LP_DNS_A },
		{ .name = "bad .cluster.local", .type = LP_DNS_A },
		{ .name = "", .type = LP_DNS_A },
		{ .name = "a.cluster.local", .type = LP_DNS_CNAME },
		{ .name = "a.cluster.local", .type = LP_DNS_CNAME, .target = "not a name" },
		{ .name = "a.cluster.local", .type = LP_DNS_PTR, .target = "b.cluster.local" },
		{ .name = "a.cluster.local", .type = LP_DNS_SOA },
	};
	struct lp_err err;

	for (size_t i = 0; i < lp_count(rows); i++)
		CHECK_ERR(lp_dns_zone_add(zone, &rows[i], &err), -EINVAL);
	CHECK_INT(ask(zone, "a.cluster.local", LP_DNS_A).rcode, LP_DNS_NXDOMAIN);
	CHECK_ERR(lp_dns_zone_add_namespace(zone, "not.one", &err), -EINVAL);
	lp_dns_zone_free(zone);
}

TEST(resolv_conf_gives_upstreams_without_loopback_stubs)
{
	uint32_t out[3];

	CHECK_INT(lp_dns_upstreams("# c\nnameserver 127.0.0.53\n nameserver\t192.168.1.1 # x\nnameserver ::1\nsearch lan\nnameserver 8.8.8.8\n"
	    "nameservers 9.9.9.9\nnameserver 1.1.1.1\nnameserver 2.2.2.2", out, 3), 3);
	CHECK_INT(out[0], 0xc0a80101);
	CHECK_INT(out[1], 0x08080808);
	CHECK_INT(out[2], 0x01010101);
	CHECK_INT(lp_dns_stubs("nameserver 127.0.0.53\nnameserver 8.8.8.8\nnameserver 127.0.0.1", out, 3), 2);
	CHECK_INT(out[0], 0x7f000035);
	CHECK_INT(lp_dns_upstreams("", out, 3), 0);
	CHECK_INT(lp_dns_upstreams("nameserver 0.0.0.0\nnameserver 1.2.3.4.5\nnameserver", out, 3), 0);
}
