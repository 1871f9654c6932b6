/*
 * tests/fuzz/fuzz_yaml.c - YAML: what is read is written so that it reads back the same; a manifest goes through every walker.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>

#include "specs/object.h"
#include "specs/podsecurity.h"
#include "specs/print.h"
#include "specs/schema.h"
#include "specs/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Walkers may refuse anything, but not fall over; defaults twice are defaults once. */
static void
walk(struct lp_arena *arena, struct lp_json *document)
{
	static const struct lp_podsecurity restricted = { LP_PODSECURITY_RESTRICTED, LP_PODSECURITY_LATEST };
	const struct lp_kind *kind = lp_object_kind_of(document);
	struct lp_faults faults;
	struct lp_drop drop;
	struct lp_json *once;

	if (!kind || lp_parse_shape(kind, document, NULL) < 0)
		return;
	(void)lp_drop_object(arena, kind, document, &drop, NULL);	/* what it finds does not matter here */
	if (lp_default_object(arena, kind, document, NULL) < 0)
		return;
	once = lp_json_copy(arena, document);
	if (lp_default_object(arena, kind, document, NULL) < 0 || !once)
		return;
	assert(lp_json_equal(once, document));
	lp_faults_init(&faults, arena);
	(void)lp_check_create(kind, document, &faults);
	(void)lp_check_update(kind, document, once, &faults);
	assert(lp_compare_objects(kind->schema, document, once, NULL) == LP_APPLY_NONE);
	(void)lp_parse_view(arena, kind->schema, document);
	(void)lp_podsecurity_check(arena, &restricted, lp_json_get(document, "metadata"), lp_json_get(document, "spec"), true);
	(void)lp_print_cells(arena, kind, document, 0);
	once = lp_write_object(arena, kind->schema, document);
	assert(!once || lp_parse_shape(kind, once, NULL) == 0);
}

/* What was written, read back; NULL when there is no room. */
static struct lp_json *
once_around(struct lp_arena *arena, const struct lp_json_limits *limits, const struct lp_json *document)
{
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_json *again;

	lp_buf_init(&text, 4 << 20);
	if (!document || lp_yaml_write(&text, document) < 0)
		return NULL;
	int rc = lp_yaml_parse(arena, text.data, text.len, limits, &again, NULL);

	assert(rc == 0 || rc == -ENOMEM || rc == -E2BIG);
	return rc == 0 ? lp_json_first(again) : NULL;
}

/* JSON may spell a number in ways that YAML does not keep (0.000): the second time around nothing changes. */
static void
write_and_read(struct lp_arena *arena, const struct lp_json_limits *limits, const struct lp_json *document)
{
	const struct lp_json *first = once_around(arena, limits, document), *second = once_around(arena, limits, first);

	assert(!first || !second || lp_json_equal(first, second));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct lp_json_limits limits = { .bytes = 65536, .depth = 32, .nodes = 4096 };
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_json *documents;

	lp_arena_init(&arena, 64 << 20);
	if (lp_yaml_parse(&arena, (const char *)data, len, &limits, &documents, NULL) < 0)
		return 0;
	limits.bytes = 4 << 20;
	limits.depth = 64;
	lp_json_each(document, documents) {
		write_and_read(&arena, &limits, document);
		walk(&arena, document);
	}
	return 0;
}
