#include "tests/harness.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "tests/fault.h"

TEST(memory_is_zeroed_aligned_and_apart)
{
	lp_auto_arena struct lp_arena arena;
	unsigned char *before = NULL;

	lp_arena_init(&arena, 1 << 20);
	for (size_t size = 1; size < 3000; size += 7) {
		unsigned char *p = lp_arena_alloc(&arena, size);

		CHECK(p != NULL);
		CHECK_INT((uintptr_t)p % _Alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			CHECK_INT(p[i], 0);
		memset(p, 0xff, size);
		if (before)
			CHECK_INT(before[0], 0xff);
		before = p;
	}
}

TEST(the_ceiling_holds_and_sticks)
{
	lp_auto_arena struct lp_arena arena;

	lp_arena_init(&arena, 1000);
	CHECK(lp_arena_alloc(&arena, 900) != NULL);
	CHECK(!arena.failed);
	CHECK(lp_arena_alloc(&arena, 200) == NULL);
	CHECK(arena.failed);
}

TEST(a_huge_size_fails_instead_of_wrapping)
{
	lp_auto_arena struct lp_arena arena;

	lp_arena_init(&arena, SIZE_MAX);
	CHECK(lp_arena_alloc(&arena, SIZE_MAX) == NULL);
	CHECK(lp_arena_alloc(&arena, SIZE_MAX - 20) == NULL);
	CHECK(arena.failed);
}

TEST(strings_are_copies)
{
	lp_auto_arena struct lp_arena arena;
	char text[] = "hello";
	const char *copy, *part;

	lp_arena_init(&arena, 1000);
	copy = lp_arena_str(&arena, text);
	part = lp_arena_mem(&arena, text + 1, 3);
	text[0] = text[1] = 'x';
	CHECK_STR(copy, "hello");
	CHECK_STR(part, "ell");
	CHECK_STR(lp_arena_printf(&arena, "%s-%d", copy, 7), "hello-7");
	CHECK(lp_arena_str(&arena, NULL) == NULL);
	CHECK(!arena.failed);
}

TEST(no_memory_marks_the_arena)
{
	LP_FAULT_EACH(LP_FAULT_ALLOC, -ENOMEM) {
		struct lp_arena arena;
		bool all = true;

		lp_arena_init(&arena, 10 << 20);
		for (int i = 0; i < 500; i++)
			all = lp_arena_alloc(&arena, 1000) && all;
		CHECK(all != lp_fault_hit());
		CHECK(arena.failed == lp_fault_hit());
		lp_arena_fini(&arena);
	}
}
