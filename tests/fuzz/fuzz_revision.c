/*
 * tests/fuzz/fuzz_revision.c - a revision line from the link: what is accepted, is for this node and whole.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "agent/node/revision.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct lp_revision_trust trust = { .node = "n1" };
	struct lp_json_limits limits = { .bytes = 65536, .depth = 32, .nodes = 4096 };
	lp_auto_arena struct lp_arena arena;
	struct lp_revision revision, current;
	struct lp_json *line;
	struct lp_err err;

	lp_arena_init(&arena, 4 << 20);
	if (lp_json_parse(&arena, (const char *)data, len, &limits, &line, NULL) < 0)
		return 0;
	lp_revision_init(&revision);
	lp_revision_init(&current);
	if (lp_revision_accept(&revision, &current, line, &trust, &err) == 0) {
		assert(strcmp(revision.node, "n1") == 0);
		assert(revision.number > 0);
		for (size_t i = 0; i < revision.count; i++)
			assert(revision.objects[i].json && revision.objects[i].name && revision.objects[i].uid);
	} else {
		assert(err.code < 0 && err.text[0]);
	}
	lp_revision_fini(&revision);
	lp_revision_fini(&current);
	return 0;
}
