#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/link/logread.h"
#include "tests/harness.h"

#define T(sec) "2026-11-20T08:00:" sec ".000000000Z "

static int dir_fd = -1;

static void
write_log(const char *name, const char *text)
{
	(void)lp_test_file(name, text, SIZE_MAX);
	if (dir_fd < 0)
		dir_fd = open(lp_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(dir_fd >= 0);
}

static void
append(const char *name, const char *text)
{
	FILE *file = fopen(lp_test_path(name), "ae");

	CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void
read_on(struct lp_logread *reader, const char *want)
{
	struct lp_buf out;
	struct lp_err err;
	int rc;

	lp_buf_init(&out, 1 << 22);
	while ((rc = lp_logread_next(reader, &out, &err)) > 0)
		continue;
	CHECK_OK(rc, &err);
	CHECK_STR(lp_buf_text(&out), want);
	lp_buf_fini(&out);
}

static void
check(struct lp_logread_opts opts, const char *want)
{
	struct lp_logread reader;
	struct lp_err err;

	CHECK_OK(lp_logread_open(&reader, dir_fd, "web", &opts, &err), &err);
	read_on(&reader, want);
	lp_logread_close(&reader);
}

TEST(records_become_text_and_partial_ones_are_joined)
{
	write_log("web.0.log", T("01") "stdout F one\n" T("02") "stdout P tw\n" T("02") "stdout F o\n" T("03") "stderr F \n" T("04") "stdout P end");
	check((struct lp_logread_opts){ .tail = -1 }, "one\ntwo\n\n");
	append("web.0.log", "\n");
	check((struct lp_logread_opts){ .tail = -1 }, "one\ntwo\n\nend");
}

TEST(the_older_file_comes_before_the_newer)
{
	write_log("web.0.log.1", T("01") "stdout F one\n");
	write_log("web.0.log", T("02") "stdout F two\n");
	check((struct lp_logread_opts){ .tail = -1 }, "one\ntwo\n");
	check((struct lp_logread_opts){ .tail = 1 }, "two\n");
	check((struct lp_logread_opts){ .tail = 2 }, "one\ntwo\n");
	check((struct lp_logread_opts){ .tail = 0 }, "");
}

TEST(the_latest_run_is_shown_or_the_one_before)
{
	write_log("web.9.log", T("01") "stdout F nine\n");
	write_log("web.10.log", T("02") "stdout F ten\n");
	write_log("web.10.log.1", T("01") "stdout F older ten\n");
	write_log("webby.11.log", T("02") "stdout F other\n");
	check((struct lp_logread_opts){ .tail = -1 }, "older ten\nten\n");
	check((struct lp_logread_opts){ .tail = -1, .previous = true }, "nine\n");
}

TEST(a_run_that_is_not_there_is_not_found)
{
	struct lp_logread reader;

	write_log("web.0.log", "");
	CHECK_ERR(lp_logread_open(&reader, dir_fd, "db", &(struct lp_logread_opts){ .tail = -1 }, NULL), -ENOENT);
	CHECK_ERR(lp_logread_open(&reader, dir_fd, "web", &(struct lp_logread_opts){ .tail = -1, .previous = true }, NULL), -ENOENT);
}

TEST(times_are_shown_once_a_line_and_old_lines_left_out)
{
	write_log("web.0.log", T("01") "stdout F one\n" T("02") "stdout P tw\n" T("02") "stdout F o\n" T("03") "stdout F three\n");
	check((struct lp_logread_opts){ .tail = -1, .timestamps = true }, T("01") "one\n" T("02") "two\n" T("03") "three\n");
	check((struct lp_logread_opts){ .tail = -1, .since_ms = INT64_C(1795161602000) }, "two\nthree\n");
	check((struct lp_logread_opts){ .tail = 1, .since_ms = INT64_C(1795161602000) }, "three\n");
	check((struct lp_logread_opts){ .tail = 5, .since_ms = INT64_C(1795161603500) }, "three\n");
}

TEST(a_limit_of_bytes_ends_in_the_middle_of_a_line)
{
	struct lp_logread reader;
	struct lp_err err;

	write_log("web.0.log", T("01") "stdout F one\n" T("02") "stdout F two\n");
	check((struct lp_logread_opts){ .tail = -1, .limit_bytes = 6 }, "one\ntw");
	CHECK_OK(lp_logread_open(&reader, dir_fd, "web", &(struct lp_logread_opts){ .tail = -1, .limit_bytes = 4 }, &err), &err);
	read_on(&reader, "one\n");
	CHECK(reader.full);
	lp_logread_close(&reader);
}

TEST(a_follower_goes_over_rotations_without_a_gap)
{
	struct lp_logread reader;
	struct lp_err err;

	write_log("web.0.log", T("01") "stdout F one\n");
	CHECK_OK(lp_logread_open(&reader, dir_fd, "web", &(struct lp_logread_opts){ .tail = -1 }, &err), &err);
	read_on(&reader, "one\n");
	append("web.0.log", T("02") "stdout F two\n");
	read_on(&reader, "two\n");
	append("web.0.log", T("03") "stdout F three\n");
	CHECK(renameat(dir_fd, "web.0.log", dir_fd, "web.0.log.1") == 0);
	read_on(&reader, "three\n");	/* the next file is not there yet */
	write_log("web.0.log", T("04") "stdout F four\n");
	read_on(&reader, "four\n");
	read_on(&reader, "");
	lp_logread_close(&reader);
}

TEST(what_is_no_record_is_left_out)
{
	write_log("web.0.log", "junk\n\n" T("01") "stdout X odd\n" T("02") "stdout F good\n" T("03") "stdout F");
	check((struct lp_logread_opts){ .tail = -1 }, "good\n");
}
