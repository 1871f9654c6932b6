/*
 * tests/kernel/test_container_killed.c - a container that is killed while it starts: whoever started it is told what came of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

enum { ROUNDS = 400, NOT_EXECUTED = 0x40 };	/* PF_FORKNOEXEC */

/* Kills whatever is in the cage's next cgroup, after a moment that differs from round to round: from none to milliseconds. */
static pid_t
kill_soon(const struct cage *cage, int round)
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
	for (volatile int spin = 0; spin < (1 << round % 23) + round * 50; spin++)
		continue;
	_exit(lp_cgroup_kill(fd, NULL) < 0);
}

TEST(a_start_that_is_killed_half_way_is_never_taken_for_one_that_ran)
{
	struct cage *cage = cage_new();
	int ran = 0, killed = 0;

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	for (int i = 0; i < ROUNDS; i++) {
		pid_t killer = kill_soon(cage, i);
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
