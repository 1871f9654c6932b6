#include "tests/harness.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/child.h"

static struct lp_err err;
static struct lp_loop *loop;
static int done_count;
static struct lp_err done_err;
static char done_text[4096];
static size_t done_len;

static void
done(struct lp_child *child, const struct lp_err *result_err, int64_t now_ms)
{
	(void)now_ms;
	done_count++;
	done_err = *result_err;
	done_len = child->result.len;
	memcpy(done_text, lp_buf_text(&child->result), done_len < sizeof(done_text) ? done_len : sizeof(done_text));
	CHECK(!lp_child_busy(child));
	lp_loop_stop(loop);
}

static void
run(lp_child_work_fn work, void *arg)
{
	struct lp_child child;

	memset(&child, 0, sizeof(child));
	CHECK_OK(lp_loop_new(&loop, &err), &err);
	CHECK_OK(lp_child_start(loop, &child, work, arg, done, &err), &err);
	CHECK(lp_child_busy(&child));
	CHECK_OK(lp_loop_run(loop, &err), &err);
	CHECK_INT(done_count, 1);
	lp_child_cancel(&child);
	lp_loop_free(loop);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);	/* nothing is left to reap */
	CHECK_INT(errno, ECHILD);
}

static int
greet(void *arg, struct lp_buf *result, struct lp_err *work_err)
{
	(void)work_err;
	return lp_buf_printf(result, "hello %s", (const char *)arg);
}

TEST(the_result_of_the_work_comes_back)
{
	run(greet, (char[]){ "parent" });
	CHECK_INT(done_err.code, 0);
	CHECK_INT(done_len, 12);
	CHECK_MEM(done_text, "hello parent", 12);
}

static int
fail(void *arg, struct lp_buf *result, struct lp_err *work_err)
{
	(void)arg;
	(void)result;
	return lp_err_say(work_err, -ENOSPC, "the disk is full of cats");
}

TEST(the_words_of_a_failure_come_back)
{
	run(fail, NULL);
	CHECK_INT(done_err.code, -ENOSPC);
	CHECK_HAS(done_err.text, "the disk is full of cats");
}

static int
die(void *arg, struct lp_buf *result, struct lp_err *work_err)
{
	(void)arg;
	(void)result;
	(void)work_err;
	raise(SIGKILL);
	return 0;
}

TEST(a_child_that_is_killed_is_a_failure_that_says_so)
{
	run(die, NULL);
	CHECK_INT(done_err.code, -ECHILD);
	CHECK(done_err.text[0] != '\0');
}

static int
much(void *arg, struct lp_buf *result, struct lp_err *work_err)
{
	(void)arg;
	(void)work_err;
	for (int i = 0; i < 900 * 1024; i++)
		if (lp_buf_char(result, 'x') < 0)
			return result->failed;
	return 0;
}

TEST(a_result_larger_than_a_pipe_comes_back_whole)
{
	run(much, NULL);
	CHECK_INT(done_err.code, 0);
	CHECK_INT(done_len, 900 * 1024);
}

static int
hang(void *arg, struct lp_buf *result, struct lp_err *work_err)
{
	(void)arg;
	(void)result;
	(void)work_err;
	while (pause() < 0)	/* for ever: it says EINTR */
		;
	return 0;
}

TEST(a_cancelled_child_is_gone_and_tells_nothing)
{
	struct lp_child child;
	pid_t pid;

	memset(&child, 0, sizeof(child));
	CHECK_OK(lp_loop_new(&loop, &err), &err);
	CHECK_OK(lp_child_start(loop, &child, hang, NULL, done, &err), &err);
	pid = child.pid;
	CHECK(pid > 0 && kill(pid, 0) == 0);
	lp_child_cancel(&child);
	CHECK_INT(kill(pid, 0), -1);
	CHECK(!lp_child_busy(&child));
	CHECK_OK(lp_loop_turn(loop, 0, &err), &err);
	CHECK_INT(done_count, 0);
	lp_loop_free(loop);
}
