#include "specs/yaml_scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

#define EXACT 9007199254740992.0		/* below it every whole number is a double */
#define NUMBER_MAX 128			/* longer text is never a number */

static bool
among(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static bool
is_null(const char *text)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	return among(text, words, lp_count(words));
}

static bool
is_true(const char *text)
{
	static const char *const words[] = { "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON" };

	return among(text, words, lp_count(words));
}

static bool
is_false(const char *text)
{
	static const char *const words[] = { "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off",
		"OFF" };

	return among(text, words, lp_count(words));
}

/* Text without underscores; false when it is too long or does not begin like a number. */
static bool
strip(const char *text, char out[static NUMBER_MAX])
{
	size_t used = 0;

	if (!strchr("0123456789+-.", text[0]) || !text[0])
		return false;
	for (; *text; text++) {
		if (*text == '_')
			continue;
		if (used + 1 >= NUMBER_MAX)
			return false;
		out[used++] = *text;
	}
	out[used] = '\0';
	return used > 0;
}

/* Decimal, 0x, 0b, 0o and leading-zero octal, with a sign. Beyond int64 it is no integer (the float rule gets it). */
static bool
read_integer(const char *text, int64_t *out)
{
	bool negative = *text == '-';
	unsigned base = 10;
	uint64_t value = 0, limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX;

	if (*text == '+' || *text == '-')
		text++;
	if (text[0] == '0' && text[1]) {
		base = text[1] == 'x' || text[1] == 'X' ? 16 : text[1] == 'b' || text[1] == 'B' ? 2 : 8;
		text += base != 8 || text[1] == 'o' || text[1] == 'O' ? 2 : 1;
	}
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = *text >= '0' && *text <= '9' ? (unsigned)(*text - '0') :
		    *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a') + 10 :
		    *text >= 'A' && *text <= 'F' ? (unsigned)(*text - 'A') + 10 : 99;

		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, digit, &value) || value > limit)
			return false;
	}
	*out = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool
is_float(const char *text)
{
	size_t before, after = 0;

	if (*text == '+' || *text == '-')
		text++;
	before = strspn(text, "0123456789");
	text += before;
	if (*text == '.') {
		after = strspn(text + 1, "0123456789");
		text += 1 + after;
	}
	if (before + after == 0)
		return false;
	if (*text == 'e' || *text == 'E') {
		text++;
		if (*text == '+' || *text == '-')
			text++;
		if (!strspn(text, "0123456789"))
			return false;
		text += strspn(text, "0123456789");
	}
	return !*text;
}

/* A double that is written as shortly as it can be read back; whole numbers are integers, as in JSON made by Go. */
static struct lp_json *
new_double(struct lp_arena *arena, double value)
{
	struct lp_json *node;
	char text[40];

	if (value > -EXACT && value < EXACT && value == (double)(int64_t)value)
		return lp_json_new_int(arena, (int64_t)value);
	for (int digits = 1; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	node = lp_json_new(arena, LP_JSON_DOUBLE);
	if (!node)
		return NULL;
	node->len = (uint32_t)strlen(text);
	node->text = lp_arena_str(arena, text);
	return node->text ? node : NULL;
}

struct lp_json *
lp_yaml_scalar_resolve(struct lp_arena *arena, const char *text, size_t len)
{
	char number[NUMBER_MAX];
	int64_t integer;
	struct lp_json *node;

	if (strlen(text) == len) {
		if (is_null(text))
			return lp_json_new(arena, LP_JSON_NULL);
		if (is_true(text))
			return lp_json_new_bool(arena, true);
		if (is_false(text))
			return lp_json_new_bool(arena, false);
		if (strip(text, number)) {
			if (read_integer(number, &integer))
				return lp_json_new_int(arena, integer);
			if (is_float(number) && isfinite(strtod(number, NULL)))
				return new_double(arena, strtod(number, NULL));
		}
	}
	node = lp_json_new(arena, LP_JSON_STRING);
	if (!node)
		return NULL;
	node->text = lp_arena_mem(arena, text, len);
	node->len = (uint32_t)len;
	return node->text ? node : NULL;
}

/* Go's emitter also quotes what only other readers take for a date or for base 60. */
static bool
looks_like_time(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 4 && text[4] == '-' && strspn(text + 5, "0123456789") > 0)
		return true;
	return digits > 0 && text[digits] == ':' && strspn(text, "0123456789:._") == strlen(text);
}

bool
lp_yaml_scalar_is_special(const char *text)
{
	static const char *const odd[] = { ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "-.inf" };
	char number[NUMBER_MAX];
	int64_t integer;

	if (is_null(text) || is_true(text) || is_false(text) || among(text, odd, lp_count(odd)) ||
	    looks_like_time(text))
		return true;
	return strip(text, number) && (read_integer(number, &integer) || is_float(number));
}
