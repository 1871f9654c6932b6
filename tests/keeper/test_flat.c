#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "keeper/flat.h"
#include "tests/harness.h"

enum { T_OUTER, T_INNER };

struct inner {
	uint16_t port;
	const char *name;
	const struct inner *more;
	size_t more_count;
};

struct outer {
	bool yes;
	int8_t small;
	int32_t negative;
	uint32_t big;
	uint64_t all;
	const char *text, *empty, *none;
	const void *bytes;
	size_t byte_count;
	const char *const *words;
	const char **texts;
	size_t text_count;
	const uint32_t *ints;
	size_t int_count;
	struct inner in;
	const struct inner *list;
	size_t list_count;
};

static const struct lp_flat_field inner_fields[] = {
	LP_FLAT_INTEGER(1, struct inner, port),
	LP_FLAT_STRING(2, struct inner, name),
	LP_FLAT_MANY(3, struct inner, more, more_count, T_INNER),
	LP_FLAT_END
};

#define S struct outer
static const struct lp_flat_field outer_fields[] = {
	LP_FLAT_BOOLEAN(1, S, yes),
	LP_FLAT_INTEGER(2, S, small),
	LP_FLAT_INTEGER(3, S, negative),
	LP_FLAT_INTEGER(4, S, big),
	LP_FLAT_INTEGER(5, S, all),
	LP_FLAT_STRING(6, S, text),
	LP_FLAT_STRING(7, S, empty),
	LP_FLAT_STRING(8, S, none),
	LP_FLAT_BLOB(9, S, bytes, byte_count),
	LP_FLAT_WORDLIST(10, S, words),
	LP_FLAT_STRINGS(11, S, texts, text_count),
	LP_FLAT_INTEGERS(12, S, ints, int_count),
	LP_FLAT_NESTED(13, S, in, T_INNER),
	LP_FLAT_MANY(14, S, list, list_count, T_INNER),
	LP_FLAT_END
};
#undef S

static const struct lp_flat_field *
tables(unsigned table)
{
	return table == T_OUTER ? outer_fields : inner_fields;
}

static int
read_bytes(struct lp_arena *arena, const void *data, size_t len, struct outer *out, struct lp_err *err)
{
	memset(out, 0, sizeof(*out));
	return lp_flat_read(arena, tables, T_OUTER, data, len, out, err);
}

TEST(what_is_written_is_read_back)
{
	const char *words[] = { "sh", "", "-c", NULL }, *texts[] = { "a", "b" };
	uint32_t ints[] = { 0, 7, UINT32_MAX };
	struct inner deep[] = { { .port = 1, .name = "x" }, { .port = 65535 } };
	struct inner list[] = { { .port = 80, .name = "web", .more = deep, .more_count = 2 }, { 0 } };
	struct outer out, in = {
		.yes = true, .small = -128, .negative = -70000, .big = UINT32_MAX, .all = UINT64_MAX,
		.text = "text", .empty = "", .bytes = "a\0b", .byte_count = 3, .words = words, .texts = texts, .text_count = 2,
		.ints = ints, .int_count = 3, .in = { .port = 443, .name = "in" }, .list = list, .list_count = 2,
	};
	struct lp_arena arena;
	struct lp_buf buf;
	struct lp_err err;

	lp_arena_init(&arena, 65536);
	lp_buf_init(&buf, 65536);
	CHECK_OK(lp_flat_write(&buf, tables, T_OUTER, &in), NULL);
	CHECK_OK(read_bytes(&arena, buf.data, buf.len, &out, &err), &err);
	CHECK(out.yes);
	CHECK_INT(out.small, -128);
	CHECK_INT(out.negative, -70000);
	CHECK_INT(out.big, UINT32_MAX);
	CHECK(out.all == UINT64_MAX);
	CHECK_STR(out.text, "text");
	CHECK_STR(out.empty, "");
	CHECK(!out.none);
	CHECK_INT(out.byte_count, 3);
	CHECK_MEM(out.bytes, "a\0b", 3);
	CHECK_STR(out.words[0], "sh");
	CHECK_STR(out.words[1], "");
	CHECK_STR(out.words[2], "-c");
	CHECK(!out.words[3]);
	CHECK_INT(out.text_count, 2);
	CHECK_STR(out.texts[1], "b");
	CHECK_INT(out.int_count, 3);
	CHECK_INT(out.ints[0], 0);
	CHECK_INT(out.ints[2], UINT32_MAX);
	CHECK_INT(out.in.port, 443);
	CHECK_INT(out.list_count, 2);
	CHECK_INT(out.list[0].more_count, 2);
	CHECK_INT(out.list[0].more[1].port, 65535);
	CHECK_INT(out.list[1].port, 0);
	lp_buf_fini(&buf);
	lp_arena_fini(&arena);
}

TEST(unknown_fields_are_skipped_and_missing_ones_stay_zero)
{
	static const unsigned char bytes[] = { 0x7f, 0xff, 0, 0, 0, 3, 1, 2, 3, 0, 3, 0, 0, 0, 1, 0xff };
	struct lp_arena arena;
	struct outer out;
	struct lp_err err;

	lp_arena_init(&arena, 65536);
	CHECK_OK(read_bytes(&arena, bytes, sizeof(bytes), &out, &err), &err);
	CHECK_INT(out.negative, -1);
	CHECK(!out.text && !out.list);
	lp_arena_fini(&arena);
}

TEST(malformed_records_are_refused)
{
	static const struct {
		unsigned char bytes[16];
		size_t len;
	} bad[] = {
		{ { 0, 1, 0 }, 3 },				/* cut in the head */
		{ { 0, 6, 0, 0, 0, 9, 'x' }, 7 },		/* longer than the record */
		{ { 0, 6, 0xff, 0xff, 0xff, 0xff, 'x' }, 7 },
		{ { 0, 6, 0, 0, 0, 3, 'a', 0, 'b' }, 9 },	/* a NUL in a text */
		{ { 0, 3, 0, 0, 0, 3, 1, 2, 3 }, 9 },		/* an integer of three bytes */
		{ { 0, 2, 0, 0, 0, 2, 1, 0 }, 8 },		/* 256 does not fit a byte */
		{ { 0, 13, 0, 0, 0, 2, 0, 1 }, 8 },		/* a nested record that is cut */
	};
	struct lp_arena arena;
	struct outer out;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		lp_arena_init(&arena, 65536);
		CHECK_ERR(read_bytes(&arena, bad[i].bytes, bad[i].len, &out, NULL), -EBADMSG);
		lp_arena_fini(&arena);
	}
}

TEST(a_struct_that_stands_twice_is_filled_anew)
{
	unsigned char bytes[256];
	size_t len = 0;
	struct lp_arena arena;
	struct outer out;
	struct lp_err err;

	for (int i = 0; i < 2; i++) {	/* in.more: first two elements, then three */
		unsigned char elements = (unsigned char)(2 + i);

		memcpy(bytes + len, (unsigned char[]){ 0, 13, 0, 0, 0, (unsigned char)(elements * 6) }, 6);
		len += 6;
		for (int k = 0; k < elements; k++, len += 6)
			memcpy(bytes + len, (unsigned char[]){ 0, 3, 0, 0, 0, 0 }, 6);
	}
	lp_arena_init(&arena, 65536);
	CHECK_OK(read_bytes(&arena, bytes, len, &out, &err), &err);
	CHECK_INT(out.in.more_count, 3);
	lp_arena_fini(&arena);
}

TEST(nesting_ends_before_the_stack_does)
{
	unsigned char bytes[6 * 40];
	struct lp_arena arena;
	struct outer out;

	for (size_t i = 0; i < 40; i++)
		memcpy(bytes + 6 * i, (unsigned char[]){ 0, i ? 3 : 14, 0, 0, 0, (unsigned char)(6 * (39 - i)) }, 6);
	lp_arena_init(&arena, 65536);
	CHECK_ERR(read_bytes(&arena, bytes, sizeof(bytes), &out, NULL), -EBADMSG);
	lp_arena_fini(&arena);
}

TEST(a_record_larger_than_the_arena_is_refused_without_harm)
{
	static unsigned char bytes[6 * 5000];
	struct lp_arena arena;
	struct outer out;

	for (size_t i = 0; i < 5000; i++)
		memcpy(bytes + 6 * i, (unsigned char[]){ 0, 14, 0, 0, 0, 0 }, 6);
	lp_arena_init(&arena, 65536);
	CHECK_ERR(read_bytes(&arena, bytes, sizeof(bytes), &out, NULL), -ENOMEM);
	lp_arena_fini(&arena);
}
