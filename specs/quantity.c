/*
 * specs/quantity.c - Kubernetes quantities.
 *
 * Decimal suffixes and exponents move the decimal point of the digits as they are written, binary suffixes multiply units
 * and nanos with carry and saturation: no 128-bit arithmetic is needed (armhf has none).
 */
#include "specs/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BILLION 1000000000
#define DIGITS_MAX 96			/* longer numbers are refused */

/* A number as it is written. */
struct number {
	char digits[DIGITS_MAX];	/* without leading zeros */
	int count;
	int point;			/* digits before the decimal point; may be negative or beyond count */
};

/* Magnitude: value = units + nanos / 10^9. */
struct magnitude {
	uint64_t units;
	uint64_t nanos;			/* below 10^9 */
	bool more;			/* something below one nano was lost */
	bool huge;			/* beyond int64 */
};

static void
multiply(struct magnitude *m, uint64_t factor)
{
	uint64_t carry, units;

	/* nanos < 2^30 and factor <= 2^30 */
	carry = m->nanos * factor / BILLION;
	m->nanos = m->nanos * factor % BILLION;
	if (__builtin_mul_overflow(m->units, factor, &units) || __builtin_add_overflow(units, carry, &units) ||
	    units > INT64_MAX)
		m->huge = true;
	else
		m->units = units;
}

/* Digits with an optional point. NULL when there is none or too many, else the rest of the text. */
static const char *
read_digits(const char *text, struct number *number)
{
	bool any = false, behind = false;

	for (;; text++) {
		if (*text == '.' && !behind) {
			behind = true;
			continue;
		}
		if (*text < '0' || *text > '9')
			return any ? text : NULL;
		any = true;
		if (number->count == 0 && *text == '0') {	/* leading: only moves the point */
			number->point -= behind;
			continue;
		}
		if (number->count == DIGITS_MAX)
			return NULL;
		number->digits[number->count++] = *text;
		number->point += !behind;
	}
}

static bool
read_exponent(const char *text, int *out)
{
	bool negative = *text == '-';
	int exponent = 0;

	if (*text == '-' || *text == '+')
		text++;
	if (!*text)
		return false;
	for (; *text >= '0' && *text <= '9'; text++)
		exponent = exponent > 1000 ? exponent : exponent * 10 + (*text - '0');
	*out = negative ? -exponent : exponent;
	return !*text;
}

/* By how many decimal places, or how many times 1024, a suffix moves the number. */
static bool
read_suffix(const char *suffix, int *out_decimal, int *out_binary, uint8_t *format)
{
	static const char decimal[] = "num kMGTPE", binary[] = "KMGTPE";
	const char *at;

	*format = LP_QUANTITY_DECIMAL;
	if (!*suffix)
		return true;
	if (suffix[1] == 'i' && !suffix[2]) {
		at = strchr(binary, suffix[0]);
		*format = LP_QUANTITY_BINARY;
		*out_binary = at ? (int)(at - binary) + 1 : 0;
		return at != NULL;
	}
	if ((suffix[0] == 'e' || suffix[0] == 'E') && suffix[1]) {
		*format = LP_QUANTITY_EXPONENT;
		return read_exponent(suffix + 1, out_decimal);
	}
	at = suffix[1] || suffix[0] == ' ' ? NULL : strchr(decimal, suffix[0]);
	*out_decimal = at ? ((int)(at - decimal) - 3) * 3 : 0;
	return at != NULL;
}

/* The digit at a place; 0 beyond the ends. */
static unsigned
digit_at(const struct number *number, int place)
{
	return place >= 0 && place < number->count ? (unsigned)(number->digits[place] - '0') : 0;
}

static void
weigh(const struct number *number, int binary, struct magnitude *m)
{
	for (int place = 0; place < number->point && !m->huge; place++) {
		if (__builtin_mul_overflow(m->units, 10, &m->units) ||
		    __builtin_add_overflow(m->units, digit_at(number, place), &m->units) || m->units > INT64_MAX)
			m->huge = true;
		if (place >= number->count && m->units == 0)
			break;
	}
	for (int place = 0; place < 9; place++)
		m->nanos = m->nanos * 10 + digit_at(number, number->point + place);
	for (int place = number->point + 9 > 0 ? number->point + 9 : 0; place < number->count; place++)
		m->more |= digit_at(number, place) != 0;
	while (binary-- > 0)
		multiply(m, 1024);
}

int
lp_quantity_parse(const char *text, struct lp_quantity *out)
{
	struct magnitude m = { 0 };
	struct number number = { .count = 0 };
	int decimal = 0, binary = 0;
	struct lp_quantity result = { 0 };
	bool negative;

	if (!text)
		return -EINVAL;
	negative = *text == '-';
	if (*text == '-' || *text == '+')
		text++;
	text = read_digits(text, &number);
	if (!text || !read_suffix(text, &decimal, &binary, &result.format))
		return -EINVAL;
	number.point += decimal;
	weigh(&number, binary, &m);

	if (m.more) {			/* away from zero */
		m.nanos++;
		if (m.nanos == BILLION) {
			m.nanos = 0;
			m.units++;
		}
	}
	if (m.huge || m.units > INT64_MAX) {
		m.units = INT64_MAX;
		m.nanos = 0;
	}
	result.units = negative ? -(int64_t)m.units : (int64_t)m.units;
	result.nanos = (int32_t)m.nanos;
	if (negative && m.nanos) {
		result.units--;
		result.nanos = BILLION - result.nanos;
	}
	*out = result;
	return 0;
}

int
lp_quantity_compare(const struct lp_quantity *a, const struct lp_quantity *b)
{
	if (a->units != b->units)
		return a->units < b->units ? -1 : 1;
	return (a->nanos > b->nanos) - (a->nanos < b->nanos);
}

static struct lp_quantity
saturated(bool overflow, bool up, int64_t units, int64_t nanos, uint8_t format)
{
	if (overflow)
		return (struct lp_quantity){ .units = up ? INT64_MAX : INT64_MIN, .format = format };
	return (struct lp_quantity){ .units = units, .nanos = (int32_t)nanos, .format = format };
}

struct lp_quantity
lp_quantity_add(const struct lp_quantity *a, const struct lp_quantity *b)
{
	int64_t units, nanos = (int64_t)a->nanos + b->nanos;
	uint8_t format = a->units == 0 && a->nanos == 0 ? b->format : a->format;
	bool overflow = __builtin_add_overflow(a->units, b->units, &units);

	if (nanos >= BILLION) {
		nanos -= BILLION;
		overflow |= __builtin_add_overflow(units, 1, &units);
	}
	return saturated(overflow, a->units > 0, units, nanos, format);
}

struct lp_quantity
lp_quantity_sub(const struct lp_quantity *a, const struct lp_quantity *b)
{
	int64_t units, nanos = (int64_t)a->nanos - b->nanos;
	uint8_t format = a->units == 0 && a->nanos == 0 ? b->format : a->format;
	bool overflow = __builtin_sub_overflow(a->units, b->units, &units);

	if (nanos < 0) {
		nanos += BILLION;
		overflow |= __builtin_sub_overflow(units, 1, &units);
	}
	return saturated(overflow, a->units > 0, units, nanos, format);
}

int64_t
lp_quantity_value(const struct lp_quantity *q)
{
	return q->nanos > 0 && q->units < INT64_MAX ? q->units + 1 : q->units;
}

int64_t
lp_quantity_milli(const struct lp_quantity *q)
{
	int64_t milli;

	if (__builtin_mul_overflow(q->units, 1000, &milli) ||
	    __builtin_add_overflow(milli, (int64_t)(q->nanos + 999999) / 1000000, &milli))
		return q->units < 0 ? INT64_MIN : INT64_MAX;
	return milli;
}

int64_t
lp_quantity_text_value(const char *text, int64_t fallback)
{
	struct lp_quantity q;

	return lp_quantity_parse(text, &q) == 0 ? lp_quantity_value(&q) : fallback;
}

int64_t
lp_quantity_text_milli(const char *text, int64_t fallback)
{
	struct lp_quantity q;

	return lp_quantity_parse(text, &q) == 0 ? lp_quantity_milli(&q) : fallback;
}

/* Whole units with the largest suffix that leaves no fraction. */
static void
print_units(uint64_t units, const char *sign, uint8_t format, char out[static LP_QUANTITY_TEXT])
{
	static const char decimal[][3] = { "", "k", "M", "G", "T", "P", "E" };
	static const char binary[][3] = { "", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei" };
	uint64_t step = format == LP_QUANTITY_BINARY ? 1024 : 1000;
	size_t power = 0;

	while (units > 0 && power < 6 && units % step == 0) {
		units /= step;
		power++;
	}
	if (format == LP_QUANTITY_EXPONENT && power > 0)
		(void)snprintf(out, LP_QUANTITY_TEXT, "%s%" PRIu64 "e%zu", sign, units, power * 3);
	else
		(void)snprintf(out, LP_QUANTITY_TEXT, "%s%" PRIu64 "%s", sign, units,
		    format == LP_QUANTITY_BINARY ? binary[power] : decimal[power]);
}

void
lp_quantity_print(const struct lp_quantity *q, char out[static LP_QUANTITY_TEXT])
{
	bool negative = q->units < 0;
	uint64_t units = negative ? (uint64_t)0 - (uint64_t)q->units : (uint64_t)q->units;
	uint64_t nanos = (uint64_t)q->nanos, scaled = 0;
	unsigned power = 0;
	static const char suffixes[][4] = { "", "m", "u", "n" };
	static const char exponents[][4] = { "", "e-3", "e-6", "e-9" };

	if (negative && nanos) {
		units--;
		nanos = BILLION - nanos;
	}
	if (nanos == 0) {
		print_units(units, negative ? "-" : "", q->format, out);
		return;
	}
	/* A fraction: decimal, whatever it was written as (1.5Gi has none). */
	for (uint64_t step = 1000000; step > 0 && power < 3; step /= 1000) {
		power++;
		if (nanos % step == 0) {
			scaled = nanos / step;
			break;
		}
	}
	if (units > 0)
		(void)snprintf(out, LP_QUANTITY_TEXT, "%s%" PRIu64 "%0*" PRIu64 "%s", negative ? "-" : "", units,
		    (int)power * 3, scaled, q->format == LP_QUANTITY_EXPONENT ? exponents[power] : suffixes[power]);
	else
		(void)snprintf(out, LP_QUANTITY_TEXT, "%s%" PRIu64 "%s", negative ? "-" : "", scaled,
		    q->format == LP_QUANTITY_EXPONENT ? exponents[power] : suffixes[power]);
}
