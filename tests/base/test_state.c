#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/state.h"
#include "tests/fault.h"

static struct lp_err err;
static int dir = -1;

static void
open_dir(void)
{
	dir = open(lp_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir >= 0);
}

static int
put(const char *text)
{
	return lp_state_write(dir, "s", 1, text, strlen(text), &err);
}

/* The state as text in a static buffer; fails the test when it cannot be read. */
static const char *
get(void)
{
	static char text[256];
	lp_auto_buf struct lp_buf buf;

	lp_buf_init(&buf, 200);
	CHECK_OK(lp_state_read(dir, "s", 1, &buf, NULL, &err), &err);
	snprintf(text, sizeof(text), "%s", lp_buf_text(&buf));
	return text;
}

static void
damage(const char *name, long at)
{
	FILE *file = fopen(lp_test_path(name), "r+e");

	CHECK(file && fseek(file, at, SEEK_SET) == 0);
	int byte = fgetc(file);

	CHECK(fseek(file, at, SEEK_SET) == 0);
	fputc(byte ^ 0x20, file);
	CHECK_INT(fclose(file), 0);
}

TEST(a_state_reads_back_and_its_generation_rises)
{
	lp_auto_buf struct lp_buf buf;
	uint64_t generation = 0;

	open_dir();
	lp_buf_init(&buf, 100);
	CHECK_ERR(lp_state_read(dir, "s", 1, &buf, &generation, &err), -ENOENT);
	CHECK_OK(put("one"), &err);
	CHECK_OK(lp_state_read(dir, "s", 1, &buf, &generation, &err), &err);
	CHECK_STR(buf.data, "one");
	CHECK_INT(generation, 1);
	CHECK_OK(put("two"), &err);
	lp_buf_reset(&buf);
	CHECK_OK(lp_state_read(dir, "s", 1, &buf, &generation, &err), &err);
	CHECK_STR(buf.data, "two");
	CHECK_INT(generation, 2);
}

TEST(the_same_content_is_not_written_again)
{
	open_dir();
	CHECK_OK(put("same"), &err);
	lp_fault_set(LP_FAULT_WRITE, 0, 0);
	CHECK_OK(put("same"), &err);
	CHECK_INT(lp_fault_calls(), 0);
	lp_fault_clear();
}

TEST(nobody_else_may_read_a_state)
{
	struct stat st;

	open_dir();
	umask(0);
	CHECK_OK(put("secret"), &err);
	CHECK_INT(fstatat(dir, "s", &st, 0), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
}

TEST(every_damaged_byte_is_noticed_and_the_older_state_answers)
{
	char *whole;
	size_t size;

	open_dir();
	CHECK_OK(put("older"), &err);
	CHECK_OK(put("newer"), &err);
	whole = lp_test_read(lp_test_path("s"), &size);
	CHECK(size > 5);
	for (size_t at = 0; at < size; at++) {
		lp_test_file("s", whole, size);
		damage("s", (long)at);
		CHECK_STR(get(), "older");
	}
	free(whole);
}

TEST(every_cut_is_noticed)
{
	lp_auto_buf struct lp_buf buf;
	char *whole;
	size_t size;

	open_dir();
	CHECK_OK(put("only one"), &err);
	CHECK_INT(unlinkat(dir, "s.old", 0) < 0 && errno != ENOENT, 0);
	whole = lp_test_read(lp_test_path("s"), &size);
	lp_buf_init(&buf, 100);
	for (size_t len = 0; len < size; len++) {
		lp_test_file("s", whole, len);
		lp_buf_reset(&buf);
		CHECK_ERR(lp_state_read(dir, "s", 1, &buf, NULL, &err), -EBADMSG);
	}
	free(whole);
}

TEST(a_newer_schema_is_refused_by_name)
{
	lp_auto_buf struct lp_buf buf;

	open_dir();
	lp_buf_init(&buf, 100);
	CHECK_OK(lp_state_write(dir, "s", 7, "x", 1, &err), &err);
	CHECK_ERR(lp_state_read(dir, "s", 6, &buf, NULL, &err), -EPROTONOSUPPORT);
	CHECK_OK(lp_state_read(dir, "s", 8, &buf, NULL, &err), &err);
}

TEST(a_state_larger_than_the_callers_ceiling_is_refused)
{
	lp_auto_buf struct lp_buf buf;

	open_dir();
	CHECK_OK(put("0123456789"), &err);
	lp_buf_init(&buf, 5);
	CHECK(lp_state_read(dir, "s", 1, &buf, NULL, &err) < 0);
}

/* A call that fails, wherever: the old state stands, nothing lies about, and the next write works. */
static void
fail_everywhere(enum lp_fault what, int code)
{
	open_dir();
	CHECK_OK(put("old"), &err);
	LP_FAULT_EACH(what, code) {
		int rc = put("new");
		bool hit = lp_fault_hit();

		lp_fault_clear();
		CHECK_INT(rc, hit ? code : 0);
		CHECK_STR(get(), hit ? "old" : "new");
		CHECK_INT(faccessat(dir, "s.tmp", F_OK, 0), -1);
		CHECK_OK(put("new"), &err);
		CHECK_STR(get(), "new");
		CHECK_OK(put("old"), &err);
	}
}

TEST(a_write_that_fails_leaves_the_old_state)
{
	fail_everywhere(LP_FAULT_WRITE, -ENOSPC);
}

TEST(a_sync_that_fails_leaves_the_old_state)
{
	fail_everywhere(LP_FAULT_FSYNC, -EIO);
}

TEST(a_rename_that_fails_leaves_the_old_state)
{
	fail_everywhere(LP_FAULT_RENAME, -EIO);
}

TEST(no_memory_leaves_the_old_state)
{
	fail_everywhere(LP_FAULT_ALLOC, -ENOMEM);
}

TEST(after_a_failed_sync_the_same_content_is_written_again)
{
	open_dir();
	CHECK_OK(put("old"), &err);
	for (int nth = 1; nth <= 2; nth++) {	/* of the file, of the directory */
		lp_fault_set(LP_FAULT_FSYNC, nth, -EIO);
		CHECK_ERR(put("new"), -EIO);
		lp_fault_set(LP_FAULT_FSYNC, 0, 0);
		CHECK_OK(put("new"), &err);
		CHECK_INT(lp_fault_calls(), 2);
		lp_fault_clear();
		CHECK_OK(put("old"), &err);
	}
}

TEST(a_damaged_state_does_not_push_out_the_good_one_before_it)
{
	open_dir();
	CHECK_OK(put("good"), &err);
	CHECK_OK(put("bad"), &err);
	damage("s", 30);
	lp_fault_set(LP_FAULT_RENAME, 2, -EIO);
	CHECK_ERR(put("never"), -EIO);
	lp_fault_clear();
	CHECK_STR(get(), "good");
}

TEST(removing_removes_the_older_one_too)
{
	lp_auto_buf struct lp_buf buf;

	open_dir();
	lp_buf_init(&buf, 100);
	CHECK_OK(put("one"), &err);
	CHECK_OK(put("two"), &err);
	CHECK_OK(lp_state_remove(dir, "s", &err), &err);
	CHECK_ERR(lp_state_read(dir, "s", 1, &buf, NULL, &err), -ENOENT);
	CHECK_OK(lp_state_remove(dir, "s", &err), &err);
}
