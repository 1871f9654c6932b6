#include "tests/harness.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a body in a child and returns its wait status: how the harness sees a test. */
static int
status_of(void (*body)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (!freopen("/dev/null", "w", stderr))
			_exit(99);
		body();
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void wrong_number(void) { CHECK_INT(1 + 1, 3); }
static void wrong_text(void) { CHECK_STR("a", "b"); }
static void missing_text(void) { CHECK_STR(NULL, "b"); }
static void wrong_bytes(void) { CHECK_MEM("abc", "abd", 3); }
static void wrong_error(void) { CHECK_ERR(-ENOENT, -EACCES); }
static void untrue(void) { CHECK(1 > 2); }
static void failed_call(void) { CHECK_OK(-EIO, NULL); }
static void lacks(void) { CHECK_HAS("needle", "hay"); }

TEST(a_check_that_fails_ends_the_test_as_failed)
{
	void (*bodies[])(void) = { wrong_number, wrong_text, missing_text, wrong_bytes, wrong_error, untrue, failed_call,
		                   lacks };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		int status = status_of(bodies[i]);

		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	}
}

TEST(checks_that_hold_let_the_test_go_on)
{
	CHECK(true);
	CHECK_INT(-5, -5);
	CHECK_STR("a", "a");
	CHECK_STR(NULL, NULL);
	CHECK_MEM("abc", "abd", 2);
	CHECK_OK(0, NULL);
	CHECK_ERR(-ENOENT, -ENOENT);
	CHECK_HAS("haystack", "stack");
}

TEST(the_test_directory_is_private_and_there)
{
	struct stat st;

	CHECK_INT(stat(lp_test_dir(), &st), 0);
	CHECK_INT(st.st_mode & 0777, 0700);
	CHECK_STR(lp_test_dir(), lp_test_dir());
}

TEST(a_file_reads_back_as_it_was_written)
{
	size_t len = 0;
	char *back = lp_test_read(lp_test_file("x", "a\0b", 3), &len);

	CHECK_INT(len, 3);
	CHECK_MEM(back, "a\0b", 4);
	free(back);
}

TEST(waiting_is_bounded)
{
	int64_t deadline = 0;
	int turns = 0;

	while (lp_test_wait(&deadline, 30))
		turns++;
	CHECK(turns > 0 && turns < 30);
}

TEST(a_test_runs_in_a_group_of_its_own)
{
	CHECK_INT(getpgid(0), getpid());
}
