/*
 * tests/fuzz/fuzz_json.c - the JSON parser: what it accepts, it prints so that it reads back as the same value.
 */
#include <assert.h>
#include <stdint.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lp_json_limits limits = { .bytes = 65536, .depth = 32, .nodes = 4096 };
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_json *value, *again;

	lp_arena_init(&arena, 16 << 20);
	lp_buf_init(&text, 1 << 20);
	if (lp_json_parse(&arena, (const char *)data, len, &limits, &value, NULL) < 0)
		return 0;
	if (lp_json_write(&text, value) < 0)
		return 0;
	limits.bytes = 1 << 20;
	int rc = lp_json_parse(&arena, text.data, text.len, &limits, &again, NULL);

	assert(rc == 0);
	assert(lp_json_equal(value, again));
	return 0;
}
