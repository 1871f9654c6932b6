#include "netbridge/dns_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define LABEL_MAX 63
#define LABELS_MAX 127

static char
clean(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + 'a' - 'A');
	if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
		return (char)c;
	return '?';
}

int
lp_dns_name_read(const uint8_t *packet, size_t len, size_t *offset, bool pointers, char out[static LP_DNS_NAME])
{
	size_t at = *offset, end = 0, used = 0;	/* end: behind the name, once a pointer was followed */

	for (unsigned labels = 0; labels <= LABELS_MAX; labels++) {
		size_t label;

		if (at >= len)
			return -EBADMSG;
		label = packet[at];
		if (label == 0) {
			out[used] = '\0';
			*offset = end ? end : at + 1;
			return 0;
		}
		if ((label & 0xc0) == 0xc0) {
			size_t to;

			if (!pointers || at + 1 >= len)
				return -EBADMSG;
			to = (label & 0x3f) << 8 | packet[at + 1];
			if (to >= at)
				return -EBADMSG;
			if (!end)
				end = at + 2;
			at = to;
			continue;
		}
		if (label > LABEL_MAX || at + 1 + label > len || used + (used > 0) + label > LP_DNS_NAME - 1)
			return -EBADMSG;
		if (used)
			out[used++] = '.';
		for (size_t i = 0; i < label; i++)
			out[used++] = clean(packet[at + 1 + i]);
		at += 1 + label;
	}
	return -EBADMSG;
}

int
lp_dns_name_write(struct lp_buf *out, const char *name)
{
	while (*name) {
		size_t label = strcspn(name, ".");

		if (label == 0 || label > LABEL_MAX)
			return -EINVAL;
		(void)lp_buf_u8(out, (uint8_t)label);	/* sticky: the last addition tells */
		(void)lp_buf_add(out, name, label);
		name += label + (name[label] == '.');
	}
	return lp_buf_u8(out, 0);
}

int
lp_dns_name_clean(const char *name, char out[static LP_DNS_NAME])
{
	size_t len = strlen(name), label = 0;

	if (len == 0 || len > LP_DNS_NAME - 1)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '.') {
			if (label == 0)
				return -EINVAL;
			label = 0;
			out[i] = '.';
			continue;
		}
		out[i] = clean((uint8_t)name[i]);
		if (out[i] == '?' || ++label > LABEL_MAX)
			return -EINVAL;
	}
	out[len] = '\0';
	return label == 0 ? -EINVAL : 0;
}

bool
lp_dns_name_below(const char *name, const char *domain)
{
	size_t len = strlen(name), tail = strlen(domain);

	if (len < tail || strcmp(name + len - tail, domain) != 0)
		return false;
	return len == tail || name[len - tail - 1] == '.';
}

bool
lp_dns_name_reverse(const char *name, uint32_t *out_addr)
{
	static const char tail[] = ".in-addr.arpa";
	char text[LP_TEXT_IPV4], again[LP_DNS_NAME];
	size_t len = strlen(name);
	uint32_t back;

	if (!lp_text_ends(name, tail) || len - (sizeof(tail) - 1) >= sizeof(text))
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", (int)(len - (sizeof(tail) - 1)), name);
	if (lp_text_ipv4(text, &back) < 0)
		return false;
	*out_addr = __builtin_bswap32(back);	/* the name spells it backwards */
	lp_dns_name_print_reverse(*out_addr, again);
	return strcmp(name, again) == 0;	/* one spelling only */
}

void
lp_dns_name_print_reverse(uint32_t addr, char out[static LP_DNS_NAME])
{
	(void)snprintf(out, LP_DNS_NAME, "%u.%u.%u.%u.in-addr.arpa", addr & 0xff, addr >> 8 & 0xff, addr >> 16 & 0xff, addr >> 24);
}
