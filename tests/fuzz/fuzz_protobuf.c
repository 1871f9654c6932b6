/*
 * tests/fuzz/fuzz_protobuf.c - objects in protobuf: what is accepted has a kind and prints as JSON that reads back the same.
 */
#include <assert.h>
#include <stdint.h>

#include "specs/object.h"
#include "specs/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lp_json_limits limits = { .bytes = 64 << 20, .depth = 200, .nodes = 10000000 };
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_json *object, *again;

	lp_arena_init(&arena, 64 << 20);
	lp_buf_init(&text, 64 << 20);
	if (lp_protobuf_decode(&arena, data, len, &object, NULL) < 0)
		return 0;
	assert(lp_object_kind_of(object) != NULL);
	if (lp_json_write(&text, object) < 0)
		return 0;
	int rc = lp_json_parse(&arena, text.data, text.len, &limits, &again, NULL);

	assert(rc == 0 || arena.failed);
	assert(rc < 0 || lp_json_equal(object, again));
	return 0;
}
