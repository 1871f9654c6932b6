#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "base/text.h"

/* Recursive descent over one NUL-terminated copy, with a depth counter; strings are unescaped in place in that copy. */

enum { DEFAULT_BYTES = 3 << 20, DEFAULT_DEPTH = 64, DEFAULT_NODES = 200000, MANY_MEMBERS = 16 };

struct parser {
	struct lp_arena *arena;
	char *at, *start, *end;
	uint32_t depth_left, nodes_left;
	struct lp_err *err;
};

static int parse_value(struct parser *p, struct lp_json **out);	/* values nest */

static int
fail(const struct parser *p, const char *why)
{
	unsigned line = 1, column = 1;

	for (const char *c = p->start; c < p->at; c++) {
		column = *c == '\n' ? 1 : column + 1;
		line += *c == '\n';
	}
	return lp_err_say(p->err, -EINVAL, "invalid JSON at line %u, column %u: %s", line, column, why);
}

static void
skip_space(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\n' || *p->at == '\r' || *p->at == '\t')
		p->at++;
}

static int
hex4(const char *at, uint32_t *out)
{
	uint8_t two[2];
	char text[5] = { 0 };

	for (int i = 0; i < 4; i++) {
		if (!at[i])
			return -EINVAL;
		text[i] = at[i];
	}
	if (lp_text_unhex(text, two, 2) < 0)
		return -EINVAL;
	*out = (uint32_t)two[0] << 8 | two[1];
	return 0;
}

static char *
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}

/* p->at stands behind "\u". An unpaired surrogate becomes U+FFFD, as Go's decoder has it. */
static int
parse_unicode(struct parser *p, char **to)
{
	uint32_t c, low;

	if (hex4(p->at, &c) < 0)
		return fail(p, "\\u needs four hex digits");
	p->at += 4;
	if (c >= 0xd800 && c <= 0xdbff && p->at[0] == '\\' && p->at[1] == 'u' && hex4(p->at + 2, &low) == 0 && low >= 0xdc00 &&
	    low <= 0xdfff) {
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		p->at += 6;
	} else if (c >= 0xd800 && c <= 0xdfff) {
		c = 0xfffd;
	}
	if (c == 0)
		return fail(p, "a string must not contain a NUL character");
	*to = put_utf8(*to, c);
	return 0;
}

/* p->at stands on the opening quote. */
static int
parse_string(struct parser *p, const char **out, uint32_t *out_len)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	char *start = ++p->at, *to = start;

	while (*p->at != '"') {
		const char *escape;

		if (p->at >= p->end)
			return fail(p, "string without closing quote");
		if ((unsigned char)*p->at < 0x20)
			return fail(p, "control character in a string");
		if (*p->at != '\\') {
			*to++ = *p->at++;
			continue;
		}
		p->at++;
		if (*p->at == 'u') {
			p->at++;
			if (parse_unicode(p, &to) < 0)
				return -EINVAL;
			continue;
		}
		escape = *p->at ? strchr(from, *p->at) : NULL;
		if (!escape)
			return fail(p, "unknown escape in a string");
		*to++ = into[escape - from];
		p->at++;
	}
	p->at++;
	*to = '\0';
	*out = start;
	*out_len = (uint32_t)(to - start);
	return 0;
}

static bool
digits(struct parser *p)
{
	char *from = p->at;

	while (*p->at >= '0' && *p->at <= '9')
		p->at++;
	return p->at > from;
}

static int
parse_number(struct parser *p, struct lp_json *value)
{
	char *from = p->at;
	bool whole = true;
	const char *text;

	if (*p->at == '-')
		p->at++;
	if (*p->at == '0')
		p->at++;
	else if (!digits(p))
		return fail(p, "a value was expected");
	if (*p->at == '.') {
		p->at++;
		whole = false;
		if (!digits(p))
			return fail(p, "digits are missing behind the point");
	}
	if (*p->at == 'e' || *p->at == 'E') {
		p->at++;
		whole = false;
		if (*p->at == '+' || *p->at == '-')
			p->at++;
		if (!digits(p))
			return fail(p, "digits are missing in the exponent");
	}
	text = lp_arena_mem(p->arena, from, (size_t)(p->at - from));
	if (!text)
		return lp_err_set(p->err, -ENOMEM, "parse JSON");
	if (whole && lp_text_i64(text, INT64_MIN, INT64_MAX, &value->integer) == 0) {
		value->type = LP_JSON_INT;
		return 0;
	}
	value->type = LP_JSON_DOUBLE;
	value->text = text;
	value->len = (uint32_t)(p->at - from);
	return 0;
}

static int
parse_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(p->at, word, len) != 0)
		return fail(p, "a value was expected");
	p->at += len;
	return 0;
}

static void
link_child(struct lp_json *parent, struct lp_json *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->len++;
}

/* The last of two members with one key wins, in the first one's place. `seen` serves big objects. */
static int
add_member(struct parser *p, struct lp_json *object, struct lp_json *child, const char *key, struct lp_map *seen)
{
	struct lp_json *twin;

	if (object->len == MANY_MEMBERS && seen->count == 0)
		lp_json_each(each, object)
			if (lp_map_put(seen, each->key, each, NULL) < 0)
				return lp_err_set(p->err, -ENOMEM, "parse JSON");
	twin = object->len >= MANY_MEMBERS ? lp_map_get(seen, key) : lp_json_get(object, key);
	child->key = key;
	if (!twin) {
		link_child(object, child);
		if (object->len > MANY_MEMBERS && lp_map_put(seen, key, child, NULL) < 0)
			return lp_err_set(p->err, -ENOMEM, "parse JSON");
		return 0;
	}
	child->next = twin->next;
	child->duplicate = true;
	*twin = *child;		/* children of `child` hang on its own fields, which are copied with it */
	return 0;
}

static int
parse_members(struct parser *p, struct lp_json *value, struct lp_map *seen)
{
	for (;;) {
		struct lp_json *child;
		const char *key;
		uint32_t len;
		int rc;

		skip_space(p);
		if (*p->at != '"')
			return fail(p, "a member's name in quotes was expected");
		rc = parse_string(p, &key, &len);
		if (rc < 0)
			return rc;
		skip_space(p);
		if (*p->at != ':')
			return fail(p, "':' was expected");
		p->at++;
		rc = parse_value(p, &child);
		if (rc < 0)
			return rc;
		rc = add_member(p, value, child, key, seen);
		if (rc < 0)
			return rc;
		skip_space(p);
		if (*p->at == '}') {
			p->at++;
			return 0;
		}
		if (*p->at != ',')
			return fail(p, "',' or '}' was expected");
		p->at++;
	}
}

static int
parse_object(struct parser *p, struct lp_json *value)
{
	struct lp_map seen;
	int rc;

	value->type = LP_JSON_OBJECT;
	p->at++;
	skip_space(p);
	if (*p->at == '}') {
		p->at++;
		return 0;
	}
	lp_map_init(&seen);
	rc = parse_members(p, value, &seen);
	lp_map_fini(&seen);
	return rc;
}

static int
parse_array(struct parser *p, struct lp_json *value)
{
	value->type = LP_JSON_ARRAY;
	p->at++;
	skip_space(p);
	if (*p->at == ']') {
		p->at++;
		return 0;
	}
	for (;;) {
		struct lp_json *child;
		int rc = parse_value(p, &child);

		if (rc < 0)
			return rc;
		link_child(value, child);
		skip_space(p);
		if (*p->at == ']') {
			p->at++;
			return 0;
		}
		if (*p->at != ',')
			return fail(p, "',' or ']' was expected");
		p->at++;
	}
}

static int
parse_nested(struct parser *p, struct lp_json *value)
{
	int rc;

	if (p->depth_left == 0)
		return lp_err_say(p->err, -E2BIG, "JSON is nested too deeply");
	p->depth_left--;
	rc = *p->at == '{' ? parse_object(p, value) : parse_array(p, value);
	p->depth_left++;
	return rc;
}

static int
parse_value(struct parser *p, struct lp_json **out)
{
	struct lp_json *value;
	int rc;

	if (p->nodes_left-- == 0)
		return lp_err_say(p->err, -E2BIG, "JSON has too many values");
	value = lp_json_new(p->arena, LP_JSON_NULL);
	if (!value)
		return lp_err_set(p->err, -ENOMEM, "parse JSON");
	skip_space(p);
	switch (*p->at) {
	case '{':
	case '[':
		rc = parse_nested(p, value);
		break;
	case '"':
		value->type = LP_JSON_STRING;
		rc = parse_string(p, &value->text, &value->len);
		break;
	case 't':
	case 'f':
		value->type = LP_JSON_BOOL;
		value->boolean = *p->at == 't';
		rc = parse_word(p, value->boolean ? "true" : "false");
		break;
	case 'n':
		rc = parse_word(p, "null");
		break;
	default:
		rc = parse_number(p, value);
		break;
	}
	*out = value;
	return rc;
}

int
lp_json_parse(struct lp_arena *arena, const char *text, size_t len, const struct lp_json_limits *limits, struct lp_json **out,
    struct lp_err *err)
{
	static const struct lp_json_limits none;
	const struct lp_json_limits *l = limits ? limits : &none;
	size_t bytes = l->bytes ? l->bytes : DEFAULT_BYTES;
	struct parser p = { .arena = arena, .err = err };
	struct lp_json *value;
	int rc;

	if (len > bytes || len > UINT32_MAX)
		return lp_err_say(err, -E2BIG, "JSON is larger than %zu bytes", bytes);
	if (!lp_text_is_utf8(text, len))
		return lp_err_say(err, -EINVAL, "JSON is not valid UTF-8");
	p.start = p.at = lp_arena_mem(arena, text, len);
	if (!p.start)
		return lp_err_set(err, -ENOMEM, "parse JSON");
	p.end = p.start + len;
	p.depth_left = l->depth ? l->depth : DEFAULT_DEPTH;
	p.nodes_left = l->nodes ? l->nodes : DEFAULT_NODES;
	rc = parse_value(&p, &value);
	if (rc < 0)
		return rc;
	skip_space(&p);
	if (p.at != p.end)
		return fail(&p, "something stands behind the document");
	*out = value;
	return 0;
}
