#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

/* The pipe carries the lp_err first, then the result. The child dies with its parent: its work belongs to nobody then. */
enum { RESULT_MAX = 1 << 20 };

static _Noreturn void
run(lp_child_work_fn work, void *arg, int out_fd, pid_t parent)
{
	struct lp_err err = { 0 };
	struct lp_buf result;
	sigset_t none;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	lp_buf_init(&result, RESULT_MAX);
	if (work(arg, &result, &err) == 0)
		lp_err_clear(&err);
	else if (err.code == 0)
		(void)lp_err_say(&err, -EIO, "the work failed without a reason");
	/* If the parent is gone nobody reads, and nobody needs to. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (lp_path_write_all(out_fd, &err, sizeof(err), NULL) == 0)
		(void)lp_path_write_all(out_fd, lp_buf_text(&result), result.len, NULL);
	_exit(0);
}

static void
finish(struct lp_child *child, int64_t now_ms)
{
	siginfo_t info = { 0 };
	lp_child_done_fn done = child->done;

	lp_watch_stop(&child->exit_watch);
	lp_watch_stop(&child->result_watch);
	while (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	lp_close(&child->pidfd);
	lp_close(&child->pipe_fd);
	child->pid = 0;
	if (child->result.len >= sizeof(child->err)) {
		memcpy(&child->err, child->result.data, sizeof(child->err));
		lp_buf_consume(&child->result, sizeof(child->err));
	} else {
		(void)lp_err_say(&child->err, -ECHILD, "the work ended without an answer (%s %d)",
		    info.si_code == CLD_EXITED ? "exit status" : "signal", info.si_status);
	}
	done(child, &child->err, now_ms);
}

static void
result_arrived(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_child *child = lp_of(watch, struct lp_child, result_watch);
	char *at = lp_buf_room(&child->result, 4096);
	ssize_t got = at ? read(child->pipe_fd, at, 4096) : 0;

	(void)events;
	(void)now_ms;
	if (got > 0)
		lp_buf_added(&child->result, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		lp_watch_stop(watch);	/* the exit follows */
}

static void
exited(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct lp_child *child = lp_of(watch, struct lp_child, exit_watch);

	(void)events;
	/* What it wrote last may still be in the pipe. */
	while (child->result_watch.loop) {
		size_t before = child->result.len;

		result_arrived(&child->result_watch, EPOLLIN, now_ms);
		if (child->result.len == before)
			break;
	}
	finish(child, now_ms);
}

int
lp_child_start(struct lp_loop *loop, struct lp_child *child, lp_child_work_fn work, void *arg, lp_child_done_fn done,
    struct lp_err *err)
{
	lp_auto_fd int read_end = -1;
	lp_auto_fd int write_end = -1;
	lp_auto_fd int pidfd = -1;
	int fds[2];
	pid_t pid, self = getpid();

	*child = (struct lp_child){ .loop = loop, .pidfd = -1, .pipe_fd = -1, .done = done };
	lp_buf_init(&child->result, RESULT_MAX + sizeof(struct lp_err));
	if (pipe2(fds, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "make a pipe");
	read_end = fds[0];
	write_end = fds[1];
	(void)fcntl(read_end, F_SETFL, O_NONBLOCK);	/* cannot fail on a pipe */
	pid = fork();
	if (pid < 0)
		return lp_err_set(err, -errno, "start a child process");
	if (pid == 0)
		run(work, arg, write_end, self);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0 || lp_watch_start(loop, &child->exit_watch, pidfd, EPOLLIN, exited, err) < 0 ||
	    lp_watch_start(loop, &child->result_watch, read_end, EPOLLIN, result_arrived, err) < 0) {
		int rc = pidfd < 0 ? lp_err_set(err, -errno, "watch a child process") : (err ? err->code : -EIO);

		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		lp_watch_stop(&child->exit_watch);
		return rc;
	}
	child->pid = pid;
	child->pidfd = lp_take_fd(&pidfd);
	child->pipe_fd = lp_take_fd(&read_end);
	return 0;
}

pid_t
lp_child_fork_into(int cgroup_fd)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (cgroup_fd >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned)cgroup_fd;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

bool
lp_child_busy(const struct lp_child *child)
{
	return child->pid != 0;
}

void
lp_child_cancel(struct lp_child *child)
{
	if (child->pid != 0) {
		(void)kill(child->pid, SIGKILL);	/* not reaped yet, so the pid is still ours */
		(void)waitpid(child->pid, NULL, 0);
		lp_watch_stop(&child->exit_watch);
		lp_watch_stop(&child->result_watch);
		lp_close(&child->pidfd);
		lp_close(&child->pipe_fd);
		child->pid = 0;
	}
	lp_buf_fini(&child->result);
}
