#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int
lp_text_u64(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (!text || !*text)
		return -EINVAL;
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');

		if (digit > 9)
			return -EINVAL;
		if (v > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		v = v * 10 + digit;
	}
	if (v > max)
		return -ERANGE;
	*out = v;
	return 0;
}

int
lp_text_i64(const char *text, int64_t min, int64_t max, int64_t *out)
{
	bool negative = text && *text == '-';
	uint64_t v;
	int64_t value;
	int rc;

	if (!text)
		return -EINVAL;
	rc = lp_text_u64(text + negative, negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &v);
	if (rc < 0)
		return rc;
	if (negative)
		value = v == (uint64_t)INT64_MAX + 1 ? INT64_MIN : -(int64_t)v;
	else
		value = (int64_t)v;
	if (value < min || value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

const char *
lp_text_word(const char *line, size_t n, size_t *out_len)
{
	for (;; n--) {
		line += strspn(line, " \t");
		*out_len = strcspn(line, " \t\n");
		if (*out_len == 0)
			return NULL;
		if (n == 0)
			return line;
		line += *out_len;
	}
}

int
lp_text_word_u64(const char *line, size_t n, uint64_t max, uint64_t *out)
{
	char number[24];
	size_t len;
	const char *word = lp_text_word(line, n, &len);

	if (!word || len >= sizeof(number))
		return -EINVAL;
	memcpy(number, word, len);
	number[len] = '\0';
	return lp_text_u64(number, max, out);
}

int
lp_text_duration_ms(const char *text, int64_t *out_ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	int64_t total = 0;

	if (!text || !*text)
		return -EINVAL;
	while (*text) {
		size_t digits = strspn(text, "0123456789"), unit, i;
		char number[20];
		uint64_t v;

		if (digits == 0 || digits >= sizeof(number))
			return digits ? -ERANGE : -EINVAL;
		memcpy(number, text, digits);
		number[digits] = '\0';
		if (lp_text_u64(number, INT64_MAX / 7200000, &v) < 0)
			return -ERANGE;
		text += digits;
		unit = strcspn(text, "0123456789");
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strlen(units[i].unit) == unit && strncmp(units[i].unit, text, unit) == 0)
				break;
		if (i == sizeof(units) / sizeof(units[0]))
			return -EINVAL;
		total += (int64_t)v * units[i].ms;
		if (total < 0 || total > INT64_MAX / 2)
			return -ERANGE;
		text += unit;
	}
	*out_ms = total;
	return 0;
}

/* One row per range of HumanDuration: below `until` seconds, print the big unit and, if not zero, the small one. */
static const struct {
	int64_t until, big, small;	/* small 0: the big unit alone */
	char big_letter, small_letter;
} ages[] = {
	{ 120, 1, 0, 's', 0 },
	{ 600, 60, 1, 'm', 's' },
	{ 3 * 3600, 60, 0, 'm', 0 },
	{ 8 * 3600, 3600, 60, 'h', 'm' },
	{ 48 * 3600, 3600, 0, 'h', 0 },
	{ 8 * 86400, 86400, 3600, 'd', 'h' },
	{ 2 * 365 * 86400, 86400, 0, 'd', 0 },
	{ INT64_C(8) * 365 * 86400, 365 * 86400, 86400, 'y', 'd' },
	{ INT64_MAX, 365 * 86400, 0, 'y', 0 },
};

void
lp_text_age(int64_t seconds, char out[static LP_TEXT_AGE])
{
	size_t i = 0;
	int64_t big, small;

	if (seconds < -1) {
		(void)snprintf(out, LP_TEXT_AGE, "<invalid>");
		return;
	}
	if (seconds < 0)
		seconds = 0;
	while (seconds >= ages[i].until)
		i++;
	big = seconds / ages[i].big;
	small = ages[i].small ? seconds % ages[i].big / ages[i].small : 0;
	if (small > 0)
		(void)snprintf(out, LP_TEXT_AGE, "%d%c%d%c", (int)big, ages[i].big_letter, (int)small, ages[i].small_letter);
	else
		(void)snprintf(out, LP_TEXT_AGE, "%d%c", (int)big, ages[i].big_letter);
}

static bool
is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_label(const char *text, size_t len)
{
	if (len == 0 || len > 63 || !is_lower_alnum(text[0]) || !is_lower_alnum(text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_lower_alnum(text[i]) && text[i] != '-')
			return false;
	return true;
}

bool
lp_text_is_dns_label(const char *text)
{
	return text && is_label(text, strlen(text));
}

bool
lp_text_is_dns_subdomain(const char *text)
{
	if (!text || strlen(text) > 253)
		return false;
	for (;;) {
		size_t len = strcspn(text, "."), ends = len;

		/* A part may be longer than a label here: Kubernetes bounds the whole name only. */
		if (len == 0 || !is_lower_alnum(text[0]) || !is_lower_alnum(text[ends - 1]))
			return false;
		for (size_t i = 0; i < len; i++)
			if (!is_lower_alnum(text[i]) && text[i] != '-')
				return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

bool
lp_text_is_dns1035_label(const char *text)
{
	return lp_text_is_dns_label(text) && text[0] >= 'a' && text[0] <= 'z';
}

bool
lp_text_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool
lp_text_starts(const char *text, const char *prefix)
{
	return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

bool
lp_text_ends(const char *text, const char *suffix)
{
	size_t len = text ? strlen(text) : 0, tail = strlen(suffix);

	return text && len >= tail && strcmp(text + len - tail, suffix) == 0;
}

static const char base64_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int
encode64(struct lp_buf *out, const unsigned char *in, size_t len, const char *alphabet, bool pad)
{
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)in[i] << 16 | (n > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (n > 2 ? in[i + 2] : 0);
		char quad[4] = { alphabet[v >> 18], alphabet[v >> 12 & 63], '=', '=' };

		if (n > 1)
			quad[2] = alphabet[v >> 6 & 63];
		if (n > 2)
			quad[3] = alphabet[v & 63];
		if (lp_buf_add(out, quad, pad ? 4 : n + 1) < 0)
			return out->failed;
	}
	return out->failed;
}

static int
decode64(struct lp_buf *out, const char *text, size_t len, const char *alphabet, bool pad)
{
	uint32_t v = 0;
	unsigned have = 0, pads = 0;

	for (size_t i = 0; i < len; i++) {
		const char *at;

		if (text[i] == '\n' || text[i] == '\r' || text[i] == ' ')
			continue;
		if (text[i] == '=' && pad && have >= 2 && have + pads < 4) {
			pads++;
			continue;
		}
		at = text[i] ? strchr(alphabet, text[i]) : NULL;
		if (!at || pads)
			return -EINVAL;
		v = v << 6 | (uint32_t)(at - alphabet);
		if (++have == 4) {
			uint8_t three[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

			if (lp_buf_add(out, three, 3) < 0)
				return out->failed;
			have = 0;
			v = 0;
		}
	}
	if (have == 1 || (pad && have != 0 && have + pads != 4) || (have && (v & ((1u << (have == 2 ? 4 : 2)) - 1))))
		return -EINVAL;
	if (have == 2)
		return lp_buf_u8(out, (uint8_t)(v >> 4));
	if (have == 3)
		return lp_buf_u16(out, (uint16_t)(v >> 2));
	return out->failed;
}

int
lp_text_base64_encode(struct lp_buf *out, const void *data, size_t len)
{
	return encode64(out, data, len, base64_std, true);
}

int
lp_text_base64_decode(struct lp_buf *out, const char *text, size_t len)
{
	return decode64(out, text, len, base64_std, true);
}

int
lp_text_base64url_encode(struct lp_buf *out, const void *data, size_t len)
{
	return encode64(out, data, len, base64_url, false);
}

int
lp_text_base64url_decode(struct lp_buf *out, const char *text, size_t len)
{
	return decode64(out, text, len, base64_url, false);
}

void
lp_text_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * len] = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
lp_text_unhex(const char *text, void *out, size_t len)
{
	unsigned char *to = out;

	if (!text || strlen(text) != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < 2 * len; i++)
		if (hex_digit(text[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < len; i++)
		to[i] = (unsigned char)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return 0;
}

/* Four decimal parts without leading zeros; *end is the first character behind them. */
static int
parse_ipv4(const char *text, uint32_t *out, const char **end)
{
	uint32_t addr = 0;

	for (int part = 0; part < 4; part++) {
		size_t digits = text ? strspn(text, "0123456789") : 0;
		uint32_t v = 0;

		if (digits == 0 || digits > 3 || (digits > 1 && *text == '0'))
			return -EINVAL;
		for (size_t i = 0; i < digits; i++)
			v = v * 10 + (uint32_t)(text[i] - '0');
		if (v > 255)
			return -ERANGE;
		addr = addr << 8 | v;
		text += digits;
		if (part < 3 && *text++ != '.')
			return -EINVAL;
	}
	*out = addr;
	*end = text;
	return 0;
}

int
lp_text_ipv4(const char *text, uint32_t *out)
{
	const char *end;
	uint32_t addr;
	int rc = parse_ipv4(text, &addr, &end);

	if (rc < 0 || *end)
		return rc < 0 ? rc : -EINVAL;
	*out = addr;
	return 0;
}

int
lp_text_cidr4(const char *text, uint32_t *out_addr, uint8_t *out_prefix)
{
	const char *end;
	uint32_t addr;
	uint64_t prefix;
	int rc = parse_ipv4(text, &addr, &end);

	if (rc < 0 || *end != '/')
		return rc < 0 ? rc : -EINVAL;
	rc = lp_text_u64(end + 1, 32, &prefix);
	if (rc < 0)
		return rc;
	if (prefix < 32 && (addr & (UINT32_MAX >> prefix)))
		return -EINVAL;
	*out_addr = addr;
	*out_prefix = (uint8_t)prefix;
	return 0;
}

void
lp_text_ipv4_print(uint32_t addr, char out[static LP_TEXT_IPV4])
{
	(void)snprintf(out, LP_TEXT_IPV4, "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255, addr & 255);
}

int
lp_text_host_port(const char *text, char *host, size_t size, uint16_t *out_port)
{
	const char *start = text, *end, *port;
	uint64_t v;

	if (!text)
		return -EINVAL;
	if (*text == '[') {
		start = text + 1;
		end = strchr(start, ']');
		if (!end || end[1] != ':')
			return -EINVAL;
		port = end + 2;
	} else {
		end = strchr(text, ':');
		if (!end || strchr(end + 1, ':'))
			return -EINVAL;
		port = end + 1;
	}
	if ((size_t)(end - start) >= size)
		return -ERANGE;
	if (lp_text_u64(port, 65535, &v) < 0)
		return -EINVAL;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	*out_port = (uint16_t)v;
	return 0;
}

/* Bytes of the character that begins here; 0: none does. */
static size_t
utf8_bytes(const unsigned char *s, size_t left)
{
	unsigned char c = s[0];
	size_t more = c < 0x80 ? 0 : c >= 0xc2 && c <= 0xdf ? 1 : (c & 0xf0) == 0xe0 ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 4;

	if (more == 4 || left <= more)
		return 0;
	for (size_t k = 1; k <= more; k++)
		if ((s[k] & 0xc0) != 0x80)
			return 0;
	if ((c == 0xe0 && s[1] < 0xa0) || (c == 0xed && s[1] > 0x9f) || (c == 0xf0 && s[1] < 0x90) || (c == 0xf4 && s[1] > 0x8f))
		return 0;
	return more + 1;
}

bool
lp_text_is_utf8(const char *text, size_t len)
{
	for (size_t i = 0, bytes; i < len; i += bytes) {
		bytes = utf8_bytes((const unsigned char *)text + i, len - i);
		if (!bytes)
			return false;
	}
	return true;
}

void
lp_text_make_utf8(char *text, size_t len)
{
	for (size_t i = 0, bytes; i < len; i += bytes) {
		bytes = utf8_bytes((const unsigned char *)text + i, len - i);
		if (bytes)
			continue;
		text[i] = '?';
		bytes = 1;
	}
}
