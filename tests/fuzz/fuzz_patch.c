/*
 * tests/fuzz/fuzz_patch.c - the three patches: an array of two documents, target and patch; the target is never changed.
 */
#include <assert.h>
#include <stdint.h>

#include "specs/patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lp_json_limits limits = { .bytes = 65536, .depth = 32, .nodes = 4096 };
	lp_auto_arena struct lp_arena arena;
	struct lp_json *pair, *target, *patch, *before, *out = NULL, *again = NULL;

	lp_arena_init(&arena, 64 << 20);
	if (lp_json_parse(&arena, (const char *)data, len, &limits, &pair, NULL) < 0)
		return 0;
	target = lp_json_index(pair, 0);
	patch = lp_json_index(pair, 1);
	before = lp_json_copy(&arena, target);
	if (!target || !patch || !before)
		return 0;
	(void)lp_patch_json(&arena, target, patch, &out, NULL);		/* may refuse; must not fall over */
	(void)lp_patch_strategic(&arena, LP_SCHEMA_pod, target, patch, &out, NULL);
	/* the same merge patch twice is the same as once */
	if (lp_patch_merge(&arena, target, patch, &out, NULL) == 0 && lp_patch_merge(&arena, out, patch, &again, NULL) == 0)
		assert(lp_json_equal(out, again));
	assert(lp_json_equal(before, target));
	return 0;
}
