/*
 * wire/http_address.c - queries, escapes and URLs.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "wire/http.h"

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
unescape(const char *text, size_t len, bool plus, struct lp_buf *out)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			if (len - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return -EINVAL;
			c = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		} else if (plus && c == '+') {
			c = ' ';
		}
		if (c == 0)
			return -EINVAL;
		if (lp_buf_char(out, c) < 0)
			return out->failed;
	}
	return 0;
}

int
lp_http_unescape(const char *text, size_t len, struct lp_buf *out)
{
	return unescape(text, len, false, out);
}

int
lp_http_escape(struct lp_buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr("-._~", c))
			(void)lp_buf_char(out, (char)c);	/* sticky, returned below */
		else
			(void)lp_buf_printf(out, "%%%02X", c);
	}
	return out->failed;
}

int
lp_http_query(const char *query, const char *name, size_t nth, struct lp_buf *out)
{
	while (*query) {
		size_t pair = strcspn(query, "&"), key = strcspn(query, "=&");
		lp_auto_buf struct lp_buf decoded;

		lp_buf_init(&decoded, 256);
		if (unescape(query, key, true, &decoded) == 0 && strcmp(lp_buf_text(&decoded), name) == 0 && nth-- == 0) {
			lp_buf_reset(out);
			if (lp_buf_str(out, "") < 0)
				return out->failed;
			return key < pair ? unescape(query + key + 1, pair - key - 1, true, out) : 0;
		}
		query += pair;
		query += *query == '&';
	}
	return -ENOENT;
}

bool
lp_http_query_str(const char *query, const char *name, char *out, size_t size)
{
	lp_auto_buf struct lp_buf value;

	lp_buf_init(&value, size);
	if (lp_http_query(query, name, 0, &value) < 0 || value.len >= size)
		return false;
	memcpy(out, lp_buf_text(&value), value.len + 1);
	return true;
}

bool
lp_http_query_bool(const char *query, const char *name)
{
	char text[8];

	return lp_http_query_str(query, name, text, sizeof(text)) && (strcmp(text, "true") == 0 || strcmp(text, "1") == 0);
}

int
lp_http_url(const char *text, struct lp_http_url *out, struct lp_err *err)
{
	struct lp_http_url url = { .tls = true, .port = 443 };
	const char *at = text;
	size_t len, path;
	uint64_t port;

	if (lp_text_starts(at, "https://")) {
		at += 8;
	} else if (lp_text_starts(at, "http://")) {
		url.tls = false;
		url.port = 80;
		at += 7;
	} else {
		return lp_err_say(err, -EINVAL, "\"%.100s\" does not begin with https:// or http://", text);
	}
	if (*at == '[') {
		len = strcspn(++at, "]");
		if (at[len] != ']')
			return lp_err_say(err, -EINVAL, "\"%.100s\" has no host", text);
	} else {
		len = strcspn(at, ":/?#@");
	}
	if (len == 0 || len >= sizeof(url.host))
		return lp_err_say(err, -EINVAL, "\"%.100s\" has no host", text);
	memcpy(url.host, at, len);
	if (strspn(url.host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") != len)
		return lp_err_say(err, -EINVAL, "\"%.100s\" has no good host", text);
	at += len + (at[len] == ']');
	if (*at == ':') {
		char digits[6] = "";

		len = strcspn(++at, "/?#");
		if (len == 0 || len >= sizeof(digits))
			return lp_err_say(err, -EINVAL, "\"%.100s\" has no good port", text);
		memcpy(digits, at, len);
		if (lp_text_u64(digits, 65535, &port) < 0 || port == 0)
			return lp_err_say(err, -EINVAL, "\"%.100s\" has no good port", text);
		url.port = (uint16_t)port;
		at += len;
	}
	path = strlen(at);
	while (path && at[path - 1] == '/')
		path--;
	if ((path && *at != '/') || path >= sizeof(url.path) || strpbrk(at, "?# "))
		return lp_err_say(err, -EINVAL, "\"%.100s\" is not the address of a server", text);
	memcpy(url.path, at, path);
	*out = url;
	return 0;
}
