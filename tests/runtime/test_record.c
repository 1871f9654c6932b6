#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "runtime/record.h"
#include "tests/harness.h"

static struct lp_err err;

TEST(a_process_has_a_start_time_and_a_dead_one_has_none)
{
	uint64_t ours, child;
	pid_t pid = fork();

	lp_test_need_root();
	if (pid == 0)
		for (;;)
			pause();
	CHECK_OK(lp_record_start_ticks(getpid(), &ours, &err), &err);
	CHECK_OK(lp_record_start_ticks(pid, &child, &err), &err);
	CHECK(ours > 0 && child >= ours);
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	CHECK_ERR(lp_record_start_ticks(pid, &child, &err), -ESRCH);
}

TEST(a_record_is_found_only_when_boot_and_start_time_agree)
{
	struct lp_container_record record = { .id = "x", .pid = getpid() };
	int fd = -1;

	lp_test_need_root();
	CHECK_OK(lp_clock_boot_id(record.boot_id, &err), &err);
	CHECK_INT(strlen(record.boot_id), 36);
	CHECK_OK(lp_record_start_ticks(record.pid, &record.start_ticks, &err), &err);
	CHECK_OK(lp_record_find(&record, &fd, &err), &err);
	(void)close(fd);
	record.start_ticks++;
	CHECK_ERR(lp_record_find(&record, &fd, &err), -ESRCH);
	record.start_ticks--;
	record.boot_id[0] ^= 1;
	CHECK_ERR(lp_record_find(&record, &fd, &err), -ESRCH);
	CHECK_HAS(err.text, "an earlier boot");
}

static void *
tell_and_wait(void *pipes)
{
	const int *ends = pipes;
	pid_t tid = gettid();
	char byte;

	return write(ends[1], &tid, sizeof(tid)) == sizeof(tid) && read(ends[2], &byte, 1) == 0 ? pipes : NULL;
}

/* Older kernels answer the same for a process that is reaped just then. */
TEST(a_number_that_is_only_a_thread_now_is_a_container_that_is_gone)
{
	struct lp_container_record record = { .id = "x", .start_ticks = 1 };
	int ends[4], fd = -1;
	pthread_t thread;
	void *result;
	pid_t tid;

	lp_test_need_root();
	CHECK(pipe2(ends, O_CLOEXEC) == 0 && pipe2(ends + 2, O_CLOEXEC) == 0);
	CHECK_INT(pthread_create(&thread, NULL, tell_and_wait, ends), 0);
	CHECK(read(ends[0], &tid, sizeof(tid)) == sizeof(tid));
	record.pid = tid;
	CHECK_OK(lp_clock_boot_id(record.boot_id, &err), &err);
	CHECK_ERR(lp_record_find(&record, &fd, &err), -ESRCH);
	CHECK_HAS(err.text, "is gone");
	CHECK(close(ends[3]) == 0);
	CHECK_INT(pthread_join(thread, &result), 0);
	CHECK(result == ends);
}
