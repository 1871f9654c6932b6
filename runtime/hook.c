#include "runtime/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"

enum { STATE_MAX = 1024 * 1024, WORDS_BYTES = 160, SIGNALS = 64, MANY_FDS = 65536, TURN_MS = 20 };

/* A hook on its way, as its parent sees it. In a container with a filter there may be no pidfd, and then it is looked at in turns. */
struct running {
	pid_t pid;
	int pidfd;
	int status;			/* as waitpid has it */
	int out;			/* what it says */
	char words[WORDS_BYTES];	/* the first of it */
	size_t len;
};

/* A container's filter may lack close_range, and then every descriptor is looked at. */
static bool
close_later(void)
{
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		return true;
	for (int fd = 3; fd < MANY_FDS; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 && errno != EBADF)
			return false;
	return true;
}

static void __attribute__((noreturn))
hook_main(const struct lp_hook *hook, int state, int out)
{
	static const char *const nothing[] = { NULL };
	const char *const alone[] = { hook->path, NULL };
	const char *const *args = hook->args && hook->args[0] ? hook->args : alone;
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;
	char words[WORDS_BYTES];
	int len;

	for (int signal = 1; signal <= SIGNALS; signal++)
		(void)sigaction(signal, &usual, NULL);	/* some refuse, rightly */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)umask(022);
	if (dup2(state, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2 && close_later())
		(void)execve(hook->path, (char *const *)(uintptr_t)args, (char *const *)(uintptr_t)(hook->env ? hook->env : nothing));
	len = snprintf(words, sizeof(words), "%s", lp_err_words(errno));
	(void)!write(out, words, (size_t)len);	/* words for a person; the exit status says it too */
	_exit(127);
}

/* State in a file that only memory holds: the hook reads as slowly as it likes. */
static int
state_file(const void *state, size_t len, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = memfd_create("state", MFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return lp_err_set(err, -errno, "state for a hook");
	rc = lp_path_write_all(fd, state, len, err);
	if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
		rc = lp_err_set(err, -errno, "state for a hook");
	if (rc == 0)
		*out_fd = lp_take_fd(&fd);
	return rc;
}

static void
listen_to(struct running *running)
{
	char bytes[4096];
	ssize_t n = read(running->out, bytes, sizeof(bytes));
	size_t room = sizeof(running->words) - 1 - running->len;

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			lp_close(&running->out);
		return;
	}
	if ((size_t)n < room)
		room = (size_t)n;
	memcpy(running->words + running->len, bytes, room);
	running->len += room;
}

static int
wait_for(struct running *running, int64_t timeout_ms, struct lp_err *err)
{
	const int64_t due = timeout_ms > 0 ? lp_clock_boot_ms() + timeout_ms : INT64_MAX;

	for (;;) {
		struct pollfd fds[2] = { { .fd = running->pidfd, .events = POLLIN }, { .fd = running->out, .events = POLLIN } };
		int64_t left = timeout_ms > 0 ? due - lp_clock_boot_ms() : -1;
		int rc;

		if (timeout_ms > 0 && left <= 0)
			return lp_err_say(err, -ETIMEDOUT, "still running after %lld ms", (long long)timeout_ms);
		if (running->pidfd < 0 && (left < 0 || left > TURN_MS))
			left = TURN_MS;
		rc = poll(fds, 2, (int)(left > 60000 ? 60000 : left));
		if (rc < 0 && errno != EINTR)
			return lp_err_set(err, -errno, "wait");
		if (rc > 0 && fds[1].revents)
			listen_to(running);
		rc = waitpid(running->pid, &running->status, WNOHANG);
		if (rc < 0 && errno != EINTR)
			return lp_err_set(err, -errno, "wait");
		if (rc > 0)
			return 0;
	}
}

static int
judge(struct running *running, struct lp_err *err)
{
	if (running->out >= 0)
		listen_to(running);
	running->words[strcspn(running->words, "\n")] = '\0';
	if (WIFSIGNALED(running->status))
		return lp_err_say(err, -EIO, "killed by signal %d%s%s%s", WTERMSIG(running->status),
		    WTERMSIG(running->status) == SIGSYS ? " (bad system call)" : "", running->words[0] ? ": " : "", running->words);
	if (WEXITSTATUS(running->status) == 0)
		return 0;
	return lp_err_say(err, -EIO, "exit status %d%s%s", WEXITSTATUS(running->status), running->words[0] ? ": " : "", running->words);
}

int
lp_hook_run(const struct lp_hook *hook, const void *state, size_t state_len, struct lp_err *err)
{
	struct running running = { .pidfd = -1, .out = -1 };
	lp_auto_fd int file = -1, theirs = -1;
	int pair[2], rc;

	if (!hook->path || hook->path[0] != '/')
		return lp_err_say(err, -EINVAL, "hook %s is not an absolute path", hook->path ? hook->path : "(none)");
	rc = state_file(state, state_len, &file, err);
	if (rc < 0)
		return rc;
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
		return lp_err_set(err, -errno, "pipe of a hook");
	running.out = pair[0];
	theirs = pair[1];
	(void)fcntl(theirs, F_SETFL, 0);	/* of the hook: it may wait */
	running.pid = fork();	/* and not clone3, which filters hide */
	if (running.pid == 0)
		hook_main(hook, file, theirs);
	lp_close(&theirs);
	if (running.pid < 0) {
		rc = lp_err_set(err, -errno, "fork");
	} else {
		running.pidfd = (int)syscall(SYS_pidfd_open, running.pid, 0);
		rc = wait_for(&running, hook->timeout_ms, err);
		if (rc < 0) {
			(void)kill(running.pid, SIGKILL);	/* ours, not reaped */
			while (waitpid(running.pid, NULL, 0) < 0 && errno == EINTR)
				continue;
		} else {
			rc = judge(&running, err);
		}
	}
	lp_close(&running.pidfd);
	lp_close(&running.out);
	return rc < 0 ? lp_err_wrap(err, "error running hook %.100s", hook->path) : 0;
}

int
lp_hook_group(const struct lp_hook_group *group, pid_t pid, struct lp_err *err)
{
	lp_auto_buf struct lp_buf state;
	int rc = 0;

	if (group->count == 0)
		return 0;
	lp_buf_init(&state, STATE_MAX);
	(void)lp_buf_printf(&state, "%s%d%s", group->head ? group->head : "", (int)pid, group->tail ? group->tail : "");	/* sticky */
	if (state.failed)
		return lp_err_set(err, state.failed, "state for hooks");
	for (size_t i = 0; rc == 0 && i < group->count; i++)
		if ((rc = lp_hook_run(&group->rows[i], state.data, state.len, err)) < 0 && group->name)
			return lp_err_wrap(err, "error running %s hook #%zu", group->name, i);
	return rc;
}
