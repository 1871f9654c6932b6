#include "tests/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/fault.h"

TEST(what_is_added_is_there_and_terminated)
{
	lp_auto_buf struct lp_buf buf;

	lp_buf_init(&buf, 1000);
	CHECK_STR(lp_buf_text(&buf), "");
	CHECK_INT(lp_buf_str(&buf, "a"), 0);
	CHECK_INT(lp_buf_char(&buf, 'b'), 0);
	CHECK_INT(lp_buf_printf(&buf, "%d", 42), 0);
	CHECK_INT(lp_buf_add(&buf, "\0z", 2), 0);
	CHECK_INT(buf.len, 6);
	CHECK_MEM(buf.data, "ab42\0z", 7);
}

TEST(the_ceiling_holds_to_the_byte_and_sticks)
{
	lp_auto_buf struct lp_buf buf;

	lp_buf_init(&buf, 4);
	CHECK_INT(lp_buf_str(&buf, "1234"), 0);
	CHECK_ERR(lp_buf_char(&buf, '5'), -EMSGSIZE);
	CHECK_INT(buf.len, 4);
	lp_buf_consume(&buf, 4);
	CHECK_ERR(lp_buf_char(&buf, '5'), -EMSGSIZE);
	lp_buf_reset(&buf);
	CHECK_INT(lp_buf_char(&buf, '5'), 0);
	CHECK_STR(buf.data, "5");
}

TEST(a_printf_over_the_ceiling_fails_whole)
{
	lp_auto_buf struct lp_buf buf;

	lp_buf_init(&buf, 8);
	CHECK_ERR(lp_buf_printf(&buf, "%s", "123456789"), -EMSGSIZE);
	CHECK_INT(buf.len, 0);
}

TEST(a_huge_length_does_not_wrap_around)
{
	lp_auto_buf struct lp_buf buf;

	lp_buf_init(&buf, SIZE_MAX);
	CHECK_INT(lp_buf_str(&buf, "abc"), 0);
	CHECK(lp_buf_room(&buf, SIZE_MAX - 1) == NULL);
	CHECK(buf.failed < 0);
}

TEST(numbers_are_big_endian)
{
	lp_auto_buf struct lp_buf buf;

	lp_buf_init(&buf, 100);
	(void)lp_buf_u8(&buf, 0x01);
	(void)lp_buf_u16(&buf, 0x0203);
	(void)lp_buf_u32(&buf, 0x04050607);
	(void)lp_buf_u64(&buf, UINT64_C(0x08090a0b0c0d0e0f));
	CHECK_INT(buf.len, 15);
	for (int i = 0; i < 15; i++)
		CHECK_INT(buf.data[i], i + 1);
}

TEST(consuming_keeps_the_rest)
{
	lp_auto_buf struct lp_buf buf;

	lp_buf_init(&buf, 100);
	(void)lp_buf_str(&buf, "hello world");
	lp_buf_consume(&buf, 6);
	CHECK_STR(buf.data, "world");
	CHECK_INT(buf.len, 5);
	lp_buf_consume(&buf, 5);
	CHECK_INT(buf.len, 0);
	CHECK_STR(lp_buf_text(&buf), "");
}

TEST(room_is_written_and_counted)
{
	lp_auto_buf struct lp_buf buf;
	char *room;

	lp_buf_init(&buf, 100);
	room = lp_buf_room(&buf, 10);
	CHECK(room != NULL);
	memcpy(room, "abc", 3);
	lp_buf_added(&buf, 3);
	CHECK_STR(buf.data, "abc");
}

TEST(taking_empties_the_buffer)
{
	lp_auto_buf struct lp_buf buf;
	size_t len = 9;
	char *taken;

	lp_buf_init(&buf, 100);
	taken = lp_buf_take(&buf, &len);
	CHECK_STR(taken, "");
	CHECK_INT(len, 0);
	free(taken);
	(void)lp_buf_str(&buf, "x");
	taken = lp_buf_take(&buf, &len);
	CHECK_STR(taken, "x");
	CHECK_INT(len, 1);
	CHECK_INT(buf.len, 0);
	free(taken);
}

TEST(no_memory_is_an_error_like_any_other)
{
	LP_FAULT_EACH(LP_FAULT_ALLOC, -ENOMEM) {
		struct lp_buf buf;
		int rc;

		lp_buf_init(&buf, 1 << 20);
		for (int i = 0; i < 1000; i++)
			(void)lp_buf_str(&buf, "0123456789");
		rc = lp_buf_char(&buf, 'x');
		CHECK_INT(rc, lp_fault_hit() ? -ENOMEM : 0);
		lp_buf_fini(&buf);
	}
}

TEST(room_that_stays_unused_leaves_the_text_as_it_was)
{
	struct lp_buf buf;

	/* What the allocator hands out has been used before. */
	for (int i = 0; i < 8; i++) {
		char *old = malloc(64);

		CHECK(old != NULL);
		memset(old, 'x', 64);
		free(old);
		lp_buf_init(&buf, 1024);
		CHECK(lp_buf_room(&buf, 16) != NULL);
		CHECK_STR(lp_buf_text(&buf), "");
		CHECK_INT(lp_buf_str(&buf, "abc"), 0);
		CHECK(lp_buf_room(&buf, 500) != NULL);
		CHECK_STR(lp_buf_text(&buf), "abc");
		lp_buf_fini(&buf);
	}
}
