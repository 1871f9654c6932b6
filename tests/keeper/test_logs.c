#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/logs.h"
#include "tests/fault.h"
#include "tests/harness.h"

#define T0 INT64_C(1475712429)
#define HEAD "2016-10-06T00:07:09.000000007Z "

static int
dir(void)
{
	int fd = open(lp_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static void
add(struct lp_logs *logs, enum lp_logs_stream stream, const char *text)
{
	lp_logs_add(logs, stream, text, strlen(text), T0, 7);
}

static struct lp_logs
begin(uint64_t max)
{
	struct lp_logs logs;
	struct lp_err err;

	CHECK_OK(lp_logs_open(&logs, dir(), "web", 3, max, &err), &err);
	return logs;
}

static void
check_file(const char *name, const char *want)
{
	char *text = lp_test_read(lp_test_path(name), NULL);

	CHECK_STR(text, want);
	free(text);
}

TEST(lines_become_records_with_time_stream_and_tag)
{
	struct lp_logs logs = begin(0);

	add(&logs, LP_LOGS_STDOUT, "one\ntwo\n");
	add(&logs, LP_LOGS_STDERR, "oh\n\n");
	lp_logs_close(&logs, T0, 7);
	check_file("web.3.log", HEAD "stdout F one\n" HEAD "stdout F two\n" HEAD "stderr F oh\n" HEAD "stderr F \n");
}

TEST(a_line_that_comes_in_pieces_is_one_record_and_streams_do_not_mix)
{
	struct lp_logs logs = begin(0);

	add(&logs, LP_LOGS_STDOUT, "ha");
	add(&logs, LP_LOGS_STDERR, "err\n");
	add(&logs, LP_LOGS_STDOUT, "lf\n");
	lp_logs_close(&logs, T0, 7);
	check_file("web.3.log", HEAD "stderr F err\n" HEAD "stdout F half\n");
}

TEST(an_unfinished_line_is_written_as_partial_at_the_end)
{
	struct lp_logs logs = begin(0);

	add(&logs, LP_LOGS_STDOUT, "prompt> ");
	lp_logs_close(&logs, T0, 7);
	check_file("web.3.log", HEAD "stdout P prompt> \n");
}

TEST(a_long_line_is_cut_into_pieces_that_add_up)
{
	struct lp_logs logs = begin(1 << 20);
	size_t len = LP_LOGS_LINE * 3 + 17, got = 0, records = 0;
	char *line = malloc(len + 2), *text, *save = NULL;

	CHECK(line);
	memset(line, 'x', len);
	line[len] = '\n';
	line[len + 1] = '\0';
	for (size_t at = 0; at < len + 1; at += 1000)
		lp_logs_add(&logs, LP_LOGS_STDOUT, line + at, len + 1 - at < 1000 ? len + 1 - at : 1000, T0, 7);
	lp_logs_close(&logs, T0, 7);
	text = lp_test_read(lp_test_path("web.3.log"), NULL);
	for (char *record = strtok_r(text, "\n", &save); record; record = strtok_r(NULL, "\n", &save), records++) {
		size_t body = strlen(record) - strlen(HEAD "stdout P ");

		CHECK(!strncmp(record, HEAD "stdout ", strlen(HEAD "stdout ")));
		CHECK_INT(record[strlen(HEAD "stdout ")], got + body == len ? 'F' : 'P');
		got += body;
	}
	CHECK_INT(got, len);
	CHECK_INT(records, 4);
	free(text);
	free(line);
}

TEST(a_full_file_becomes_the_older_one_and_two_files_are_the_ceiling)
{
	struct lp_logs logs = begin(4096);
	size_t newer, older;

	for (int i = 0; i < 1000; i++)
		add(&logs, LP_LOGS_STDOUT, "a line of some length that fills the file\n");
	lp_logs_close(&logs, T0, 7);
	free(lp_test_read(lp_test_path("web.3.log"), &newer));
	free(lp_test_read(lp_test_path("web.3.log.1"), &older));
	CHECK(newer > 0 && newer <= 4096);
	CHECK(older > 2048 && older <= 4096);
}

TEST(a_log_goes_on_where_it_was_when_it_is_opened_again)
{
	struct lp_logs logs = begin(0);

	add(&logs, LP_LOGS_STDOUT, "one\n");
	lp_logs_close(&logs, T0, 7);
	logs = begin(0);
	add(&logs, LP_LOGS_STDOUT, "two\n");
	lp_logs_close(&logs, T0, 7);
	check_file("web.3.log", HEAD "stdout F one\n" HEAD "stdout F two\n");
}

TEST(what_cannot_be_written_is_counted_and_the_next_record_is_whole)
{
	struct lp_logs logs = begin(0);

	lp_fault_set(LP_FAULT_WRITE, 1, -ENOSPC);
	add(&logs, LP_LOGS_STDOUT, "lost\nlost too\n");
	lp_fault_clear();
	add(&logs, LP_LOGS_STDOUT, "kept\n");
	CHECK_INT(logs.lost, 2);
	lp_logs_close(&logs, T0, 7);
	check_file("web.3.log", HEAD "stdout F kept\n");
}

TEST(without_memory_the_beginning_of_a_line_goes_out_at_once)
{
	struct lp_logs logs = begin(0);

	lp_fault_set(LP_FAULT_ALLOC, 1, -ENOMEM);
	add(&logs, LP_LOGS_STDOUT, "be");
	lp_fault_clear();
	add(&logs, LP_LOGS_STDOUT, "gin\n");
	lp_logs_close(&logs, T0, 7);
	check_file("web.3.log", HEAD "stdout P be\n" HEAD "stdout F gin\n");
}

TEST(removing_a_run_removes_both_its_files)
{
	struct lp_logs logs = begin(512);

	for (int i = 0; i < 30; i++)
		add(&logs, LP_LOGS_STDOUT, "a line of some length that fills the file\n");
	lp_logs_close(&logs, T0, 7);
	CHECK(access(lp_test_path("web.3.log.1"), F_OK) == 0);
	lp_logs_remove(dir(), "web", 3);
	CHECK(access(lp_test_path("web.3.log"), F_OK) < 0 && access(lp_test_path("web.3.log.1"), F_OK) < 0);
}
