#include "agent/net/holder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/child.h"
#include "base/text.h"

#define SOCKET_NAME "holder.sock"
#define ANSWER_MS 1000			/* an honest holder answers within a scheduler's turn */
#define END "end"

/* Descriptors of the holder's own. */
enum { FD_LISTEN = 3, FD_FIRST, FD_READY = FD_FIRST + LP_HOLDER_SOCKETS, FD_EXE, FD_LAST = FD_EXE, FD_ABOVE = 16 };

/* ---- messages */

union rights {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * LP_HOLDER_SOCKETS)];
};

static int
send_sockets(int fd, uint32_t addr, const int *fds)
{
	uint32_t word = htonl(addr);
	struct iovec data = { .iov_base = &word, .iov_len = sizeof(word) };
	union rights rights = { .bytes = { 0 } };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof(rights.bytes) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int) * LP_HOLDER_SOCKETS);
	memcpy(CMSG_DATA(head), fds, sizeof(int) * LP_HOLDER_SOCKETS);
	return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Takes whatever descriptors came, so that a message of another shape leaks none. */
static int
receive_sockets(int fd, uint32_t *out_addr, int *out_fds)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct iovec data = { .iov_base = out_addr, .iov_len = sizeof(*out_addr) };
	union rights rights;
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = rights.bytes, .msg_controllen = sizeof(rights.bytes) };
	struct cmsghdr *head;
	ssize_t len;

	if (poll(&wait, 1, ANSWER_MS) <= 0)
		return -ETIMEDOUT;
	len = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (len < 0)
		return -errno;
	head = CMSG_FIRSTHDR(&message);
	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	if (head->cmsg_len == CMSG_LEN(sizeof(int) * LP_HOLDER_SOCKETS))
		memcpy(out_fds, CMSG_DATA(head), sizeof(int) * LP_HOLDER_SOCKETS);
	*out_addr = ntohl(*out_addr);
	return len == sizeof(*out_addr) && out_fds[0] >= 0 ? 0 : -EBADMSG;
}

/* ---- the agent's side */

static struct sockaddr_un
socket_name(int run_fd)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	(void)snprintf(name.sun_path, sizeof(name.sun_path), "/proc/self/fd/%d/" SOCKET_NAME, run_fd);
	return name;
}

/* A connection, and who is at its other end. -ENOENT */
static int
call(int run_fd, int *out_fd, pid_t *out_pid, struct lp_err *err)
{
	struct sockaddr_un name = socket_name(run_fd);
	lp_auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred who;
	socklen_t len = sizeof(who);

	if (fd < 0)
		return lp_err_set(err, -errno, "socket for the holder");
	if (connect(fd, (const struct sockaddr *)&name, sizeof(name)) < 0)
		return errno == ENOENT || errno == ECONNREFUSED ? lp_err_say(err, -ENOENT, "nobody holds the sockets") :
		       lp_err_set(err, -errno, "call the holder");
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return lp_err_set(err, -errno, "holder");
	if (who.uid != 0)
		return lp_err_say(err, -EPERM, "who answers as the holder is user %u", who.uid);
	*out_fd = lp_take_fd(&fd);
	*out_pid = who.pid;
	return 0;
}

/* It is gone when this returns, one way or the other. */
static int
dismiss(int run_fd, int fd, pid_t pid, struct lp_err *err)
{
	lp_auto_fd int process = pidfd_open(pid, 0);
	struct pollfd wait = { .fd = process, .events = POLLIN };

	if (process < 0 && errno != ESRCH)
		return lp_err_set(err, -errno, "holder");
	if (process >= 0) {
		if (send(fd, END, strlen(END), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 || poll(&wait, 1, ANSWER_MS) <= 0)
			(void)pidfd_send_signal(process, SIGKILL, NULL, 0);	/* what does not listen is stopped */
		if (poll(&wait, 1, ANSWER_MS) <= 0)
			return lp_err_say(err, -EBUSY, "the holder, process %d, does not end", pid);
	}
	if (unlinkat(run_fd, SOCKET_NAME, 0) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "remove the holder's socket");
	return 0;
}

int
lp_holder_end(int run_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	pid_t pid;
	int rc = call(run_fd, &fd, &pid, err);

	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : dismiss(run_fd, fd, pid, err);
}

int
lp_holder_take(int run_fd, uint32_t addr, int out_fds[static LP_HOLDER_SOCKETS], struct lp_err *err)
{
	int fds[LP_HOLDER_SOCKETS] = { -1, -1 };
	lp_auto_fd int fd = -1;
	uint32_t held = 0;
	pid_t pid;
	int rc = call(run_fd, &fd, &pid, err);

	if (rc < 0)
		return rc;
	rc = receive_sockets(fd, &held, fds);
	if (rc == 0 && held == addr) {
		memcpy(out_fds, fds, sizeof(fds));
		return 0;
	}
	for (int i = 0; i < LP_HOLDER_SOCKETS; i++)
		lp_close(&fds[i]);
	if (dismiss(run_fd, fd, pid, err) < 0)
		return err ? err->code : -EBUSY;
	return rc == 0 ? lp_err_say(err, -EADDRNOTAVAIL, "the sockets held were another address'") :
	       lp_err_say(err, -ENOENT, "the holder did not answer and was ended");
}

/* ---- starting one */

/* Descriptors in their places, everything else closed, then the program. `fds`: in the order of the enum above. */
static __attribute__((noreturn)) void
become_holder(const int *fds, const char *addr)
{
	char *const argv[] = { (char *)(uintptr_t)"limpet", (char *)(uintptr_t)"holder", (char *)(uintptr_t)addr, NULL };
	char *const env[] = { NULL };
	int moved[FD_LAST - FD_LISTEN + 1], null;
	sigset_t none;

	for (size_t i = 0; i < lp_count(moved); i++) {
		moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FD_ABOVE);
		if (moved[i] < 0)
			_exit(1);
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		if (null < 0 || dup2(null, i) < 0)
			_exit(1);
	}
	for (size_t i = 0; i < lp_count(moved); i++) {
		if (dup2(moved[i], FD_LISTEN + (int)i) < 0)
			_exit(1);
	}
	sigemptyset(&none);
	if (fcntl(FD_EXE, F_SETFD, FD_CLOEXEC) < 0 || syscall(SYS_close_range, FD_LAST + 1, ~0u, 0) < 0 || chdir("/") < 0 ||
	    sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		_exit(1);
	(void)syscall(SYS_execveat, FD_EXE, "", argv, env, AT_EMPTY_PATH);
	_exit(1);
}

/* Two generations: the holder is no child of the agent. */
static int
launch(const int *fds, int cgroup_fd, const char *addr, struct lp_err *err)
{
	pid_t pid = lp_child_fork_into(cgroup_fd);
	int status;

	if (pid < 0)
		return lp_err_set(err, -errno, "holder: clone");
	if (pid == 0) {
		pid_t holder;

		(void)setsid();
		holder = lp_child_fork_into(-1);
		if (holder == 0)
			become_holder(fds, addr);
		_exit(holder < 0 ? 1 : 0);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return lp_err_set(err, -errno, "holder: wait");
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : lp_err_say(err, -EAGAIN, "holder: it could not be cloned");
}

/* Until the holder listens: only then is it the one whose process the socket names. */
static int
await_ready(int fd, struct lp_err *err)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char byte;

	if (poll(&wait, 1, 2 * ANSWER_MS) <= 0 || read(fd, &byte, 1) != 1)
		return lp_err_say(err, -EIO, "holder: it did not start");
	return 0;
}

int
lp_holder_start(int run_fd, int exe_fd, int cgroup_fd, uint32_t addr, const int fds[static LP_HOLDER_SOCKETS], struct lp_err *err)
{
	struct sockaddr_un name = socket_name(run_fd);
	lp_auto_fd int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), ready_in = -1, ready_out = -1;
	char text[LP_TEXT_IPV4];
	int pair[2], rc;
	mode_t mask;

	if (listener < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "socket for the holder");
	ready_in = pair[0];
	ready_out = pair[1];
	if (unlinkat(run_fd, SOCKET_NAME, 0) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "remove an old holder's socket");
	mask = umask(0177);
	rc = bind(listener, (const struct sockaddr *)&name, sizeof(name));
	(void)umask(mask);
	if (rc < 0)
		return lp_err_set(err, -errno, "socket for the holder");
	lp_text_ipv4_print(addr, text);
	rc = launch((const int[]){ listener, fds[0], fds[1], ready_out, exe_fd }, cgroup_fd, text, err);
	lp_close(&ready_out);
	if (rc == 0)
		rc = await_ready(ready_in, err);
	if (rc < 0)
		(void)unlinkat(run_fd, SOCKET_NAME, 0);		/* the failure that counts is the first */
	return rc;
}

/* ---- the holder */

/* One agent at a time; false: it said "end". */
static bool
serve(uint32_t addr)
{
	lp_auto_fd int fd = accept4(FD_LISTEN, NULL, NULL, SOCK_CLOEXEC);
	const int fds[LP_HOLDER_SOCKETS] = { FD_FIRST, FD_FIRST + 1 };
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	struct ucred who = { .uid = 1 };
	socklen_t len = sizeof(who);
	char word[16];
	ssize_t got;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0 || who.uid != 0)
		return true;
	if (send_sockets(fd, addr, fds) < 0 || poll(&wait, 1, 2 * ANSWER_MS) <= 0)
		return true;
	got = recv(fd, word, sizeof(word), MSG_DONTWAIT);
	return got != (ssize_t)strlen(END) || memcmp(word, END, strlen(END)) != 0;
}

int
lp_holder_main(int argc, char **argv)
{
	uint32_t addr;

	if (argc != 2 || lp_text_ipv4(argv[1], &addr) < 0)
		return 2;
	if (listen(FD_LISTEN, 4) < 0 || write(FD_READY, "", 1) != 1 || close(FD_READY) < 0)
		return 1;
	while (serve(addr))
		continue;
	return 0;
}
