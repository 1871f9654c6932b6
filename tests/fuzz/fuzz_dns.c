/*
 * tests/fuzz/fuzz_dns.c - DNS packets: a question from a pod, an answer from upstream, a resolv.conf.
 *
 * Holds    an answer is never longer than allowed, belongs to its question, and our own parser reads it
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netbridge/dns.h"
#include "netbridge/dns_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct lp_dns_zone *
make_zone(void)
{
	static const struct lp_dns_record records[] = {
		{ .name = "web.default.svc.cluster.local", .type = LP_DNS_A, .ttl = 5, .addr = 0x0a2b0005 },
		{ .name = "web.default.svc.cluster.local", .type = LP_DNS_A, .ttl = 5, .addr = 0x0a2b0006 },
		{ .name = "_http._tcp.web.default.svc.cluster.local", .type = LP_DNS_SRV, .ttl = 5, .target = "web.default.svc.cluster.local" },
		{ .name = "out.default.svc.cluster.local", .type = LP_DNS_CNAME, .ttl = 5, .target = "www.example.com" },
		{ .name = "in.default.svc.cluster.local", .type = LP_DNS_CNAME, .ttl = 5, .target = "web.default.svc.cluster.local" },
	};
	struct lp_dns_zone *zone;

	if (lp_dns_zone_new(&zone, "cluster.local", NULL) < 0)
		abort();
	(void)lp_dns_zone_add_range(zone, 0x0a2a0000, 15, NULL);
	(void)lp_dns_zone_add_namespace(zone, "default", NULL);
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		if (lp_dns_zone_add(zone, &records[i], NULL) < 0)
			abort();
	}
	return zone;
}

static void
check_question(const struct lp_dns_zone *zone, const uint8_t *data, size_t len, size_t max)
{
	lp_auto_buf struct lp_buf out, merged;
	enum lp_dns_verdict verdict;
	struct lp_dns_question question;
	char chase[LP_DNS_NAME] = { 0 };

	lp_buf_init(&out, LP_DNS_TCP_MAX);
	lp_buf_init(&merged, LP_DNS_TCP_MAX);
	if (lp_dns_answer(zone, data, len, max, &out, &verdict, chase) < 0)
		abort();
	if (verdict == LP_DNS_FORWARD || verdict == LP_DNS_IGNORE) {
		assert(out.len == 0);
		return;
	}
	assert(out.len >= 12 && out.len <= max);
	assert(lp_dns_parse(data, len, &question) == 0);
	if (question.rcode == LP_DNS_NOERROR)
		assert(lp_dns_matches(data, len, (const uint8_t *)out.data, out.len));
	/* The same bytes as an upstream's answer to an alias: refused, or merged within the limit. */
	if (verdict == LP_DNS_CHASE && lp_dns_merge(&out, data, len, max, &merged) == 0)
		assert(merged.len <= max);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct lp_dns_zone *zone;
	static const uint8_t alias[] = "\0\1\x84\x80\0\1\0\0\0\0\0\0\1a\0\0\1\0\1";
	lp_auto_buf struct lp_buf head, merged;
	uint32_t upstreams[3];
	char *text;

	if (!zone)
		zone = make_zone();
	check_question(zone, data, len, LP_DNS_UDP_MAX);
	check_question(zone, data, len, LP_DNS_TCP_MAX);
	lp_buf_init(&head, 512);
	lp_buf_init(&merged, LP_DNS_TCP_MAX * 2);
	if (lp_buf_add(&head, alias, sizeof(alias) - 1) < 0)
		return 0;
	if (lp_dns_merge(&head, data, len, LP_DNS_UDP_MAX, &merged) == 0)
		assert(merged.len <= LP_DNS_UDP_MAX);
	text = malloc(len + 1);
	if (!text)
		return 0;
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	assert(lp_dns_upstreams(text, upstreams, 3) <= 3);
	free(text);
	return 0;
}
