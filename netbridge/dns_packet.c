#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "netbridge/dns.h"
#include "netbridge/dns_name.h"

/*
 * The parts of dns.h that look at packets only: strict parsing, questions of our own, and putting an upstream's answer
 * behind an alias of ours.
 */

#define HEAD 12			/* bytes of a header */
#define QR 0x8000u
#define OPCODE(flags) ((flags) >> 11 & 15u)
#define RD 0x0100u
#define RECORDS_MAX 512		/* of an upstream answer that are looked at */

static uint16_t
get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

struct record {
	char name[LP_DNS_NAME];
	uint16_t type, class, len;
	uint32_t ttl;
	size_t data;			/* offset */
};

/* The resource record at *offset; moves behind it. */
static int
read_record(const uint8_t *packet, size_t len, size_t *offset, struct record *out)
{
	int rc = lp_dns_name_read(packet, len, offset, true, out->name);

	if (rc < 0 || *offset + 10 > len)
		return -EBADMSG;
	out->type = get16(packet + *offset);
	out->class = get16(packet + *offset + 2);
	out->ttl = (uint32_t)get16(packet + *offset + 4) << 16 | get16(packet + *offset + 6);
	out->len = get16(packet + *offset + 8);
	out->data = *offset + 10;
	if (out->data + out->len > len)
		return -EBADMSG;
	*offset = out->data + out->len;
	return 0;
}

/* Everything behind the question: at most an OPT record and a few others, and nothing left over. */
static enum lp_dns_rcode
parse_additional(const uint8_t *packet, size_t len, size_t offset, struct lp_dns_question *out)
{
	unsigned count = get16(packet + 10);
	enum lp_dns_rcode rcode = LP_DNS_NOERROR;
	struct record record;

	if (get16(packet + 6) || get16(packet + 8) || count > 4)
		return LP_DNS_FORMERR;
	while (count-- > 0) {
		if (read_record(packet, len, &offset, &record) < 0)
			return LP_DNS_FORMERR;
		if (record.type != LP_DNS_OPT)
			continue;
		if (out->edns || record.name[0])
			return LP_DNS_FORMERR;
		out->edns = true;
		out->udp_size = record.class < 512 ? 512 : record.class;
		if ((record.ttl >> 16 & 0xff) != 0)
			rcode = LP_DNS_BADVERS;
	}
	return offset == len ? rcode : LP_DNS_FORMERR;
}

int
lp_dns_parse(const uint8_t *packet, size_t len, struct lp_dns_question *out)
{
	struct lp_dns_question question = { .udp_size = 512 };
	size_t offset = HEAD;
	unsigned flags;

	if (len < HEAD || (get16(packet + 2) & QR))
		return -EBADMSG;
	flags = get16(packet + 2);
	question.id = get16(packet);
	question.recursion = flags & RD;
	if (OPCODE(flags) != 0) {
		question.rcode = LP_DNS_NOTIMP;
	} else if (get16(packet + 4) != 1 || lp_dns_name_read(packet, len, &offset, false, question.name) < 0 || offset + 4 > len) {
		question.rcode = LP_DNS_FORMERR;
		question.name[0] = '\0';
	} else {
		question.type = get16(packet + offset);
		question.class = get16(packet + offset + 2);
		question.question_len = offset + 4 - HEAD;
		question.rcode = parse_additional(packet, len, offset + 4, &question);
	}
	*out = question;
	return 0;
}

int
lp_dns_refuse(const uint8_t *packet, size_t len, enum lp_dns_rcode rcode, struct lp_buf *out)
{
	struct lp_dns_question question;
	int rc = lp_dns_parse(packet, len, &question);

	if (rc < 0)
		return rc;
	lp_buf_reset(out);
	(void)lp_buf_u16(out, question.id);	/* sticky: the last addition tells */
	(void)lp_buf_u16(out, (uint16_t)(QR | 0x0080u | (get16(packet + 2) & (0x7800u | RD)) | ((unsigned)rcode & 15u)));
	(void)lp_buf_u16(out, question.question_len > 0);
	(void)lp_buf_u32(out, 0);
	(void)lp_buf_u16(out, question.edns);
	(void)lp_buf_add(out, packet + HEAD, question.question_len);
	if (question.edns) {
		(void)lp_buf_u8(out, 0);
		(void)lp_buf_u16(out, LP_DNS_OPT);
		(void)lp_buf_u16(out, LP_DNS_UDP_MAX);
		(void)lp_buf_u32(out, (uint32_t)rcode >> 4 << 24);
		(void)lp_buf_u16(out, 0);
	}
	return out->failed;
}

int
lp_dns_query(struct lp_buf *out, uint16_t id, const char *name, uint16_t type)
{
	lp_buf_reset(out);
	(void)lp_buf_u16(out, id);	/* sticky: the last addition tells */
	(void)lp_buf_u16(out, RD);
	(void)lp_buf_u16(out, 1);
	(void)lp_buf_u32(out, 0);
	(void)lp_buf_u16(out, 1);
	if (lp_dns_name_write(out, name) == -EINVAL)
		return -EINVAL;
	(void)lp_buf_u16(out, type);
	(void)lp_buf_u16(out, 1);
	(void)lp_buf_u8(out, 0);
	(void)lp_buf_u16(out, LP_DNS_OPT);
	(void)lp_buf_u16(out, LP_DNS_UDP_MAX);
	(void)lp_buf_u32(out, 0);
	return lp_buf_u16(out, 0);
}

bool
lp_dns_matches(const uint8_t *query, size_t query_len, const uint8_t *packet, size_t len)
{
	char asked[LP_DNS_NAME], answered[LP_DNS_NAME];
	size_t a = HEAD, b = HEAD;

	if (query_len < HEAD || len < HEAD || get16(query) != get16(packet) || !(get16(packet + 2) & QR) || get16(packet + 4) != 1)
		return false;
	if (lp_dns_name_read(query, query_len, &a, false, asked) < 0 || lp_dns_name_read(packet, len, &b, false, answered) < 0)
		return false;
	return a + 4 <= query_len && b + 4 <= len && strcmp(asked, answered) == 0 && memcmp(query + a, packet + b, 4) == 0;
}

/* One record of an upstream answer, its names written in full. */
static int
copy_record(struct lp_buf *out, const uint8_t *packet, size_t len, const struct record *record)
{
	size_t offset = record->data, start;
	char target[LP_DNS_NAME];
	uint16_t data_len;

	(void)lp_dns_name_write(out, record->name);	/* sticky: the last addition tells */
	(void)lp_buf_u16(out, record->type);
	(void)lp_buf_u16(out, record->class);
	(void)lp_buf_u32(out, record->ttl);
	if (record->type != LP_DNS_CNAME) {
		(void)lp_buf_u16(out, record->len);
		return lp_buf_add(out, packet + record->data, record->len);
	}
	if (lp_dns_name_read(packet, len, &offset, true, target) < 0)
		return -EBADMSG;
	start = out->len;
	(void)lp_buf_u16(out, 0);
	if (lp_dns_name_write(out, target) < 0)
		return out->failed ? out->failed : -EBADMSG;
	data_len = (uint16_t)(out->len - start - 2);
	out->data[start] = (char)(data_len >> 8);
	out->data[start + 1] = (char)data_len;
	return 0;
}

int
lp_dns_merge(const struct lp_buf *alias, const uint8_t *upstream, size_t len, size_t max, struct lp_buf *out)
{
	const uint8_t *head = (const uint8_t *)alias->data;
	size_t offset = HEAD, tail, count, added = 0;
	char name[LP_DNS_NAME];
	struct record record;
	int rc;

	if (alias->len < HEAD || len < HEAD || !(get16(upstream + 2) & QR) || get16(upstream + 4) != 1 ||
	    lp_dns_name_read(upstream, len, &offset, false, name) < 0 || offset + 4 > len)
		return -EBADMSG;
	offset += 4;
	/* An OPT record, if there is one, is the last 11 bytes of an answer of ours. */
	tail = get16(head + 10) ? 11 : 0;
	lp_buf_reset(out);
	(void)lp_buf_add(out, alias->data, alias->len - tail);
	count = get16(upstream + 6);
	for (size_t i = 0; i < count && i < RECORDS_MAX; i++) {
		size_t before = out->len;

		rc = read_record(upstream, len, &offset, &record);
		if (rc < 0)
			return rc;
		if (record.class != 1 || (record.type != LP_DNS_A && record.type != LP_DNS_AAAA && record.type != LP_DNS_CNAME))
			continue;
		if (strchr(record.name, '?'))
			continue;	/* a name we cannot write as it was */
		rc = copy_record(out, upstream, len, &record);
		if (rc < 0)
			return rc;
		if (out->len + tail > max) {
			out->len = before;
			out->data[2] = (char)(out->data[2] | 2);	/* truncated */
			break;
		}
		added++;
	}
	if (tail)
		(void)lp_buf_add(out, alias->data + alias->len - tail, tail);
	if (out->failed)
		return out->failed;
	added += get16(head + 6);
	out->data[6] = (char)(added >> 8);
	out->data[7] = (char)added;
	out->data[3] = (char)((out->data[3] & ~15) | (upstream[3] & 15));
	return 0;
}

static size_t
read_nameservers(const char *resolv_conf, bool loopback, uint32_t *out, size_t max)
{
	size_t count = 0;

	for (const char *line = resolv_conf; *line && count < max; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *at = line + strspn(line, " \t");
		char text[LP_TEXT_IPV4];
		size_t len;
		uint32_t addr;

		if (strncmp(at, "nameserver", 10) != 0 || (at[10] != ' ' && at[10] != '\t'))
			continue;
		at += 10;
		at += strspn(at, " \t");
		len = strcspn(at, " \t\r\n#;");
		if (len == 0 || len >= sizeof(text))
			continue;
		memcpy(text, at, len);
		text[len] = '\0';
		if (lp_text_ipv4(text, &addr) == 0 && addr != 0 && (addr >> 24 == 127) == loopback)
			out[count++] = addr;
	}
	return count;
}

size_t
lp_dns_upstreams(const char *resolv_conf, uint32_t *out, size_t max)
{
	return read_nameservers(resolv_conf, false, out, max);
}

size_t
lp_dns_stubs(const char *resolv_conf, uint32_t *out, size_t max)
{
	return read_nameservers(resolv_conf, true, out, max);
}
