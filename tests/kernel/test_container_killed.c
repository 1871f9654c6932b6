/*
 * tests/kernel/test_container_killed.c - a container that is killed while it starts: whoever started it is told what came of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

enum { ROUNDS = 400, STEPS = 80, NOT_EXECUTED = 0x40 };	/* PF_FORKNOEXEC */

static int64_t
now_ns(void)
{
	struct timespec ts;

	CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* What a start takes that nobody kills, here and now: the longest of a few. */
static int64_t
start_ns(struct cage *cage)
{
	int64_t longest = 0;

	for (int i = 0; i < 5; i++) {
		int64_t began = now_ns(), took;

		CHECK_OK(cage_start(cage), &cage->err);
		took = now_ns() - began;
		longest = took > longest ? took : longest;
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_wait_pidfd(lp_container_pidfd(cage->container));
		cage_end(cage);
	}
	return longest;
}

/* Kills whatever is in the cage's next cgroup, so long after it is there. */
static pid_t
kill_after(const struct cage *cage, int64_t delay_ns)
{
	pid_t pid = fork();
	lp_auto_fd int fd = -1;
	char name[16];

	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	(void)snprintf(name, sizeof(name), "cage.%d", cage->attempt);
	for (int64_t deadline = 0; lp_cgroup_open(cage->cgroup, name, &fd, NULL) < 0;)
		if (++deadline > 1000000)
			_exit(1);
	for (int64_t due = now_ns() + delay_ns; now_ns() < due;)
		continue;
	_exit(lp_cgroup_kill(fd, NULL) < 0);
}

TEST(a_start_that_is_killed_half_way_is_never_taken_for_one_that_ran)
{
	struct cage *cage = cage_new();
	int ran = 0, killed = 0;
	int64_t whole_ns;

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	whole_ns = start_ns(cage);
	for (int i = 0; i < ROUNDS; i++) {
		pid_t killer = kill_after(cage, whole_ns * (i % STEPS) * 2 / STEPS);	/* from at once to twice as long as it takes */
		lp_auto_free char *stat = NULL;
		uint64_t flags = NOT_EXECUTED;
		char path[32];

		if (cage_start(cage) < 0) {
			killed++;
			CHECK(waitpid(killer, NULL, 0) == killer);
			continue;
		}
		CHECK(waitpid(killer, NULL, 0) == killer);
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_wait_pidfd(lp_container_pidfd(cage->container));
		(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)lp_container_pid(cage->container));
		stat = lp_test_read(path, NULL);
		CHECK(strrchr(stat, ')') != NULL && lp_text_word_u64(strrchr(stat, ')'), 7, UINT32_MAX, &flags) == 0);
		if (flags & NOT_EXECUTED)
			FAIL("round %d: reported as started, killed before its program ran", i);
		ran++;
		cage_end(cage);
	}
	if (ran == 0 || killed == 0)
		FAIL("%d ran, %d were killed: the moments are badly chosen", ran, killed);
	cage_free(cage);
}
