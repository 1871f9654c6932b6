/*
 * specs/quantity.h - Kubernetes quantities: "100m", "1.5Gi", "2e3"; exact.
 *
 * Shape   units + nanos / 10^9, nanos 0..999,999,999 (the value is floor'ed: -0.5 is units -1, nanos 500,000,000)
 * Limits  beyond int64 the value stays at the limit; below 1n it is rounded up, both as Kubernetes does
 */
#ifndef LP_SPECS_QUANTITY_H
#define LP_SPECS_QUANTITY_H

#include <stdint.h>

enum lp_quantity_format {
	LP_QUANTITY_DECIMAL,		/* k M G T P E, m u n */
	LP_QUANTITY_BINARY,		/* Ki Mi Gi Ti Pi Ei */
	LP_QUANTITY_EXPONENT,		/* 1e3 */
};

struct lp_quantity {
	int64_t units;
	int32_t nanos;
	uint8_t format;			/* enum lp_quantity_format */
};

/* -EINVAL when it is not a quantity. NULL is not one. */
int lp_quantity_parse(const char *text, struct lp_quantity *out);

int lp_quantity_compare(const struct lp_quantity *a, const struct lp_quantity *b);
struct lp_quantity lp_quantity_add(const struct lp_quantity *a, const struct lp_quantity *b);
struct lp_quantity lp_quantity_sub(const struct lp_quantity *a, const struct lp_quantity *b);

/* Rounded up, as Value() and MilliValue(). */
int64_t lp_quantity_value(const struct lp_quantity *q);
int64_t lp_quantity_milli(const struct lp_quantity *q);

/* The text's value, or the fallback when it is NULL or no quantity. */
int64_t lp_quantity_text_value(const char *text, int64_t fallback);
int64_t lp_quantity_text_milli(const char *text, int64_t fallback);

/* Canonical form: the largest suffix without a fraction. */
#define LP_QUANTITY_TEXT 40
void lp_quantity_print(const struct lp_quantity *q, char out[static LP_QUANTITY_TEXT]);

#endif
