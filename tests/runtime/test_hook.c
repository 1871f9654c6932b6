#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/hook.h"
#include "tests/harness.h"

static struct lp_err err;

static int
shell(const char *script, int64_t timeout_ms)
{
	const char *const args[] = { "sh", "-c", script, NULL };
	const char *const env[] = { "PATH=/bin:/usr/bin", "WORD=here", NULL };
	const struct lp_hook hook = { .path = "/bin/sh", .args = args, .env = env, .timeout_ms = timeout_ms };

	return lp_hook_run(&hook, "{\"id\":\"x\"}", 10, &err);
}

TEST(a_hook_reads_the_state_and_has_its_own_environment)
{
	CHECK_OK(shell("test \"$(cat)\" = '{\"id\":\"x\"}' && test \"$WORD\" = here && test -z \"$HOME\"", 0), &err);
}

TEST(a_hook_has_no_descriptors_of_ours)
{
	int ends[2];

	CHECK(pipe(ends) == 0);		/* not close-on-exec */
	CHECK_OK(shell("test \"$(ls /proc/self/fd | wc -l)\" -le 4 && test ! -e /proc/self/fd/9", 0), &err);
}

TEST(the_words_of_a_hook_that_fails_are_told)
{
	CHECK_ERR(shell("echo first; echo second; exit 3", 0), -EIO);
	CHECK_STR(err.text, "error running hook /bin/sh: exit status 3: first");
	CHECK_ERR(shell("kill -9 $$", 0), -EIO);
	CHECK_STR(err.text, "error running hook /bin/sh: killed by signal 9");
	CHECK_ERR(shell("head -c 100000 /dev/zero | tr '\\0' x; exit 1", 0), -EIO);
	CHECK_HAS(err.text, "exit status 1: xxx");
}

TEST(a_hook_that_is_not_there_is_named)
{
	const struct lp_hook gone = { .path = "/nonesuch/hook" }, relative = { .path = "bin/sh" }, none = { .path = NULL };

	CHECK_ERR(lp_hook_run(&gone, "", 0, &err), -EIO);
	CHECK_HAS(err.text, "/nonesuch/hook");
	CHECK_HAS(err.text, "No such file");
	CHECK_ERR(lp_hook_run(&relative, "", 0, &err), -EINVAL);
	CHECK_ERR(lp_hook_run(&none, "", 0, &err), -EINVAL);
}

TEST(a_hook_is_killed_at_its_timeout)
{
	CHECK_ERR(shell("sleep 100", 50), -ETIMEDOUT);
	CHECK_HAS(err.text, "/bin/sh");
	CHECK(waitpid(-1, NULL, WNOHANG) < 0);
}

TEST(a_hook_reads_as_slowly_as_it_likes)
{
	static char state[200000];
	const char *const count[] = { "sh", "-c", "sleep 0.1; test $(wc -c) = 200000", NULL };
	const struct lp_hook big = { .path = "/bin/sh", .args = count };

	memset(state, 'x', sizeof(state));
	CHECK_OK(lp_hook_run(&big, state, sizeof(state), &err), &err);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0);
}

TEST(a_group_ends_with_the_first_failure_and_tells_the_pid)
{
	const char *const yes[] = { "sh", "-c", "test \"$(cat)\" = '<77>'", NULL };
	const char *const no[] = { "sh", "-c", "exit 5", NULL };
	const struct lp_hook rows[] = { { .path = "/bin/sh", .args = yes }, { .path = "/bin/sh", .args = no }, { .path = "/nonesuch" } };
	struct lp_hook_group group = { rows, 1, "<", ">" };

	CHECK_OK(lp_hook_group(&group, 77, &err), &err);
	CHECK_ERR(lp_hook_group(&group, 78, &err), -EIO);
	group.count = 3;
	CHECK_ERR(lp_hook_group(&group, 77, &err), -EIO);
	CHECK_HAS(err.text, "exit status 5");
}
