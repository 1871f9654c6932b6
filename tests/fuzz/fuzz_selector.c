/*
 * tests/fuzz/fuzz_selector.c - label and field selectors: the first line is the selector, the rest a label map as JSON.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "specs/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lp_json_limits limits = { .bytes = 65536, .depth = 32, .nodes = 4096 };
	lp_auto_arena struct lp_arena arena;
	const uint8_t *end = len > 0 ? memchr(data, '\n', len) : NULL;
	size_t line = end ? (size_t)(end - data) : len;
	struct lp_selector selector;
	struct lp_json *labels = NULL;
	const char *text;

	lp_arena_init(&arena, 16 << 20);
	text = lp_arena_mem(&arena, (const char *)data, line);
	if (!text)
		return 0;
	if (end && lp_json_parse(&arena, (const char *)end + 1, len - line - 1, &limits, &labels, NULL) < 0)
		labels = NULL;
	if (lp_selector_labels(&arena, text, &selector, NULL) == 0) {
		assert(selector.count <= LP_SELECTOR_MAX);
		if (selector.count == 0)
			assert(lp_selector_match_labels(&selector, labels));
		(void)lp_selector_match_labels(&selector, labels);
		(void)lp_selector_match_labels(&selector, NULL);
	}
	if (lp_selector_fields(&arena, lp_kind_find("v1", "Pod"), text, &selector, NULL) == 0)
		(void)lp_selector_match_fields(&selector, labels);
	if (labels && lp_selector_object(&arena, labels, &selector, NULL) == 0)
		(void)lp_selector_match_labels(&selector, labels);
	return 0;
}
