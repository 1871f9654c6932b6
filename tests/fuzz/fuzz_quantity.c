/*
 * tests/fuzz/fuzz_quantity.c - quantities: what is read is printed as the same value, and printing settles at once.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "specs/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char text[256], first[LP_QUANTITY_TEXT], second[LP_QUANTITY_TEXT];
	struct lp_quantity q, again, sum;

	if (len >= sizeof(text))
		return 0;
	memcpy(text, data, len);
	text[len] = '\0';
	if (lp_quantity_parse(text, &q) < 0)
		return 0;
	assert(q.nanos >= 0 && q.nanos < 1000000000);
	lp_quantity_print(&q, first);
	int rc = lp_quantity_parse(first, &again);

	assert(rc == 0);
	lp_quantity_print(&again, second);
	assert(strcmp(first, second) == 0);
	if (q.units > -1000000000 && q.units < 1000000000) {
		assert(lp_quantity_compare(&q, &again) == 0);
		sum = lp_quantity_add(&q, &again);
		sum = lp_quantity_sub(&sum, &again);
		assert(lp_quantity_compare(&sum, &q) == 0);
	}
	(void)lp_quantity_value(&q);
	(void)lp_quantity_milli(&q);
	return 0;
}
