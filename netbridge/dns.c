#include "netbridge/dns.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netbridge/dns_name.h"
#include "netbridge/dns_zone.h"

#define HEAD 12
#define OPT_LEN 11
#define ALIASES_MAX 8		/* followed inside the zone */
#define NEGATIVE_TTL 5		/* seconds: a service that appears is found soon */

struct answer {
	const struct lp_dns_zone *zone;
	const struct lp_dns_question *question;
	struct lp_buf *out;
	size_t limit;			/* bytes for everything but the OPT record */
	uint16_t counts[3];		/* answers, authority, additional */
	bool truncated;
	bool ours;			/* authoritative */
	enum lp_dns_rcode rcode;
	size_t owner;			/* offset of the current owner name in out, below 16,384; 0 = write it in full */
	char name[LP_DNS_NAME];		/* the current owner: the question, or where aliases led */
};

static void
write_owner(struct answer *a, const char *name)
{
	if (a->owner && strcmp(name, a->name) == 0)
		(void)lp_buf_u16(a->out, (uint16_t)(0xc000 | a->owner));
	else
		(void)lp_dns_name_write(a->out, name);	/* sticky: checked at the end */
}

static void
write_data(struct lp_buf *out, const struct lp_dns_record *record)
{
	size_t len;

	switch (record->type) {
	case LP_DNS_A:
		(void)lp_buf_u32(out, record->addr);
		break;
	case LP_DNS_TXT:
		len = strlen(record->target);
		(void)lp_buf_u8(out, (uint8_t)len);
		(void)lp_buf_add(out, record->target, len);
		break;
	case LP_DNS_SRV:
		(void)lp_buf_u16(out, record->priority);
		(void)lp_buf_u16(out, record->weight);
		(void)lp_buf_u16(out, record->port);
		(void)lp_dns_name_write(out, record->target);
		break;
	default:	/* CNAME, PTR, NS */
		(void)lp_dns_name_write(out, record->target);
		break;
	}
}

static void
patch16(struct lp_buf *out, size_t at, size_t value)
{
	if (out->failed)
		return;
	out->data[at] = (char)(value >> 8);
	out->data[at + 1] = (char)value;
}

/* One record into section 0, 1 or 2; false when it does not fit any more. Returns where its data stands. */
static bool
put_record(struct answer *a, unsigned section, const char *name, const struct lp_dns_record *record, size_t *out_data)
{
	size_t before = a->out->len, data;

	write_owner(a, name);
	(void)lp_buf_u16(a->out, record->type);
	(void)lp_buf_u16(a->out, 1);
	(void)lp_buf_u32(a->out, record->ttl);
	(void)lp_buf_u16(a->out, 0);
	data = a->out->len;
	write_data(a->out, record);
	if (a->out->failed)
		return false;
	if (a->out->len > a->limit) {
		a->out->len = before;
		if (section == 0)
			a->truncated = true;
		return false;
	}
	patch16(a->out, data - 2, a->out->len - data);
	a->counts[section]++;
	if (out_data)
		*out_data = data;
	return true;
}

static void
put_soa(struct answer *a, unsigned section)
{
	size_t before = a->out->len, data;
	char name[LP_DNS_NAME];

	(void)lp_dns_name_write(a->out, a->zone->domain);
	(void)lp_buf_u16(a->out, LP_DNS_SOA);
	(void)lp_buf_u16(a->out, 1);
	(void)lp_buf_u32(a->out, NEGATIVE_TTL);
	(void)lp_buf_u16(a->out, 0);
	data = a->out->len;
	(void)snprintf(name, sizeof(name), "ns.dns.%s", a->zone->domain);
	(void)lp_dns_name_write(a->out, name);
	(void)snprintf(name, sizeof(name), "hostmaster.%s", a->zone->domain);
	(void)lp_dns_name_write(a->out, name);
	(void)lp_buf_u32(a->out, 1);
	(void)lp_buf_u32(a->out, 7200);
	(void)lp_buf_u32(a->out, 1800);
	(void)lp_buf_u32(a->out, 86400);
	(void)lp_buf_u32(a->out, NEGATIVE_TTL);
	if (a->out->failed)
		return;
	if (a->out->len > a->limit) {
		a->out->len = before;
		return;
	}
	patch16(a->out, data - 2, a->out->len - data);
	a->counts[section]++;
}

/* All records of a node with the type; begins with another one for each question, so that clients spread. */
static unsigned
put_set(struct answer *a, unsigned section, const char *name, const struct lp_dns_node *node, uint16_t type)
{
	unsigned count = 0, start, put = 0;

	for (const struct lp_dns_entry *e = node->first; e; e = e->next)
		count += type == LP_DNS_ANY || e->record.type == type;
	start = count ? a->question->id % count : 0;
	for (unsigned round = 0; round < 2; round++) {
		unsigned i = 0;

		for (const struct lp_dns_entry *e = node->first; e; e = e->next) {
			if (type != LP_DNS_ANY && e->record.type != type)
				continue;
			if ((i++ >= start) != (round == 0))
				continue;
			if (!put_record(a, section, name, &e->record, NULL))
				return count;
			put++;
		}
	}
	return put;
}

/* The addresses behind SRV records save the client a question each. */
static void
put_targets(struct answer *a, const struct lp_dns_node *node)
{
	for (const struct lp_dns_entry *e = node->first; e && !a->truncated; e = e->next) {
		const struct lp_dns_node *target = e->record.type == LP_DNS_SRV ? lp_dns_zone_find(a->zone, e->record.target) : NULL;

		if (target)
			(void)put_set(a, 2, e->record.target, target, LP_DNS_A);
	}
}

static const struct lp_dns_entry *
alias_of(const struct lp_dns_node *node)
{
	for (const struct lp_dns_entry *e = node->first; e; e = e->next) {
		if (e->record.type == LP_DNS_CNAME)
			return e;
	}
	return NULL;
}

/* The domain itself. */
static bool
answer_apex(struct answer *a)
{
	struct lp_dns_record ns = { .type = LP_DNS_NS, .ttl = NEGATIVE_TTL };
	char name[LP_DNS_NAME];

	if (strcmp(a->name, a->zone->domain) != 0)
		return false;
	(void)snprintf(name, sizeof(name), "ns.dns.%s", a->zone->domain);
	ns.target = name;
	if (a->question->type == LP_DNS_SOA)
		put_soa(a, 0);
	else if (a->question->type == LP_DNS_NS)
		(void)put_record(a, 0, a->name, &ns, NULL);
	else
		put_soa(a, 1);
	return true;
}

/* a->name lies in the zone. Follows aliases. */
static enum lp_dns_verdict
answer_inside(struct answer *a, char chase[static LP_DNS_NAME])
{
	uint16_t type = a->question->type;

	a->ours = true;
	for (unsigned hops = 0; hops < ALIASES_MAX; hops++) {
		const struct lp_dns_node *node = lp_dns_zone_find(a->zone, a->name);
		const struct lp_dns_entry *alias = node && type != LP_DNS_CNAME && type != LP_DNS_ANY ? alias_of(node) : NULL;
		struct lp_dns_record made = { .type = LP_DNS_A, .ttl = NEGATIVE_TTL };
		size_t data;

		if (answer_apex(a))
			return LP_DNS_ANSWER;
		if (!alias) {
			if (lp_dns_zone_pod(a->zone, a->name, &made.addr)) {
				if (type != LP_DNS_A || !put_record(a, 0, a->name, &made, NULL))
					put_soa(a, 1);
			} else if (!node) {
				a->rcode = LP_DNS_NXDOMAIN;
				put_soa(a, 1);
			} else if (put_set(a, 0, a->name, node, type) == 0) {
				put_soa(a, 1);
			} else if (type == LP_DNS_SRV) {
				put_targets(a, node);
			}
			return LP_DNS_ANSWER;
		}
		if (!put_record(a, 0, a->name, &alias->record, &data))
			return LP_DNS_ANSWER;
		(void)snprintf(a->name, sizeof(a->name), "%s", alias->record.target);
		a->owner = data;
		if (!lp_dns_name_below(a->name, a->zone->domain)) {
			(void)snprintf(chase, LP_DNS_NAME, "%s", a->name);
			return LP_DNS_CHASE;
		}
	}
	a->rcode = LP_DNS_SERVFAIL;	/* aliases go round */
	return LP_DNS_ANSWER;
}

static enum lp_dns_verdict
answer_reverse(struct answer *a, uint32_t addr)
{
	const struct lp_dns_node *node = lp_dns_zone_find(a->zone, a->name);

	if (!node && !lp_dns_zone_holds(a->zone, addr))
		return LP_DNS_FORWARD;
	a->ours = true;
	if (!node)
		a->rcode = LP_DNS_NXDOMAIN;
	if (!node || put_set(a, 0, a->name, node, a->question->type) == 0)
		put_soa(a, 1);
	return LP_DNS_ANSWER;
}

static void
finish(struct answer *a)
{
	const struct lp_dns_question *q = a->question;
	unsigned flags = 0x8000u | (a->ours ? 0x0400u : 0) | (a->truncated ? 0x0200u : 0) | (q->recursion ? 0x0100u : 0) | 0x0080u;

	if (q->edns) {
		(void)lp_buf_u8(a->out, 0);
		(void)lp_buf_u16(a->out, LP_DNS_OPT);
		(void)lp_buf_u16(a->out, LP_DNS_UDP_MAX);
		(void)lp_buf_u32(a->out, 0);
		(void)lp_buf_u16(a->out, 0);
		a->counts[2]++;
	}
	patch16(a->out, 0, q->id);
	patch16(a->out, 2, flags | a->rcode);
	patch16(a->out, 4, 1);
	for (unsigned i = 0; i < 3; i++)
		patch16(a->out, 6 + 2 * i, a->counts[i]);
}

int
lp_dns_answer(const struct lp_dns_zone *zone, const uint8_t *packet, size_t len, size_t max, struct lp_buf *out,
    enum lp_dns_verdict *out_verdict, char chase[static LP_DNS_NAME])
{
	static const uint8_t blank[HEAD];
	struct lp_dns_question question;
	struct answer answer = { .zone = zone, .question = &question, .out = out, .owner = HEAD };
	uint32_t addr;

	lp_buf_reset(out);
	*out_verdict = LP_DNS_IGNORE;
	if (lp_dns_parse(packet, len, &question) < 0)
		return 0;
	if (question.rcode == LP_DNS_NOERROR && question.class != 1)
		question.rcode = LP_DNS_REFUSED;
	if (question.rcode != LP_DNS_NOERROR) {
		*out_verdict = LP_DNS_ANSWER;
		return lp_dns_refuse(packet, len, question.rcode, out);
	}
	if (max == LP_DNS_UDP_MAX && question.udp_size < max)
		max = question.udp_size;
	answer.limit = max - (question.edns ? OPT_LEN : 0);
	(void)lp_buf_add(out, blank, HEAD);
	(void)lp_buf_add(out, packet + HEAD, question.question_len);
	(void)snprintf(answer.name, sizeof(answer.name), "%s", question.name);
	if (lp_dns_name_below(question.name, zone->domain))
		*out_verdict = answer_inside(&answer, chase);
	else if (lp_dns_name_reverse(question.name, &addr))
		*out_verdict = answer_reverse(&answer, addr);
	else
		*out_verdict = LP_DNS_FORWARD;
	if (*out_verdict == LP_DNS_FORWARD)
		lp_buf_reset(out);
	else
		finish(&answer);
	return out->failed;
}
