#include "tools/oci/oci_console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/runtime.h"

enum { COPY_BYTES = 4096 };

/* ---- handing over ---- */

/* Paths of sockets may be longer than an address holds: through a descriptor they all fit. */
static int
connect_to(const char *path, int *out_sock, struct lp_err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	lp_auto_fd int file = open(path, O_PATH | O_CLOEXEC);
	lp_auto_fd int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (file < 0 || sock < 0)
		return lp_err_set(err, -errno, "socket %s", path);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", file);
	if (connect(sock, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return lp_err_set(err, -errno, "connect to %s", path);
	*out_sock = lp_take_fd(&sock);
	return 0;
}

int
lp_oci_console_send(const char *socket_path, const void *data, size_t len, int fd, struct lp_err *err)
{
	lp_auto_fd int sock = -1;
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.room) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	int rc = connect_to(socket_path, &sock, err);

	if (rc < 0)
		return rc;
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (sendmsg(sock, &message, MSG_NOSIGNAL) != (ssize_t)len)
		return lp_err_set(err, -errno, "send a descriptor to %s", socket_path);
	return 0;
}

/* ---- attending ---- */

int
lp_oci_console_prepare(int *out_signals, struct lp_err *err)
{
	static const int never[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPIPE, SIGALRM, SIGURG,
		SIGTTIN, SIGTTOU };
	sigset_t set;
	int fd;

	(void)sigfillset(&set);
	for (size_t i = 0; i < lp_count(never); i++)
		(void)sigdelset(&set, never[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return lp_err_set(err, -errno, "hold signals back");
	/* Who stops reading what the program writes must not end us. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGTTOU, SIG_IGN) == SIG_ERR)
		return lp_err_set(err, -errno, "ignore signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return lp_err_set(err, -errno, "signalfd");
	*out_signals = fd;
	return 0;
}

struct attend {
	int signals, pidfd, master;
	pid_t pid;
	bool input;		/* standard input has not ended */
};

static void
follow_size(int master)
{
	struct winsize size;

	if (master >= 0 && ioctl(0, TIOCGWINSZ, &size) == 0)
		(void)lp_terminal_resize(master, size.ws_row, size.ws_col, NULL);	/* it may be gone already */
}

/* Every child but the one that is waited for elsewhere. */
static void
reap_others(pid_t pid)
{
	siginfo_t info;

	for (;;) {
		memset(&info, 0, sizeof(info));
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 || info.si_pid == pid)
			return;
		(void)waitpid(info.si_pid, NULL, WNOHANG);
	}
}

static void
pass_signals(const struct attend *attend)
{
	struct signalfd_siginfo info;

	while (read(attend->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap_others(attend->pid);
		else if (info.ssi_signo == SIGWINCH)
			follow_size(attend->master);
		else	/* its end shows itself in the pidfd */
			(void)syscall(SYS_pidfd_send_signal, attend->pidfd, (int)info.ssi_signo, NULL, 0);
	}
}

/* False at the end. */
static bool
copy(int from, int to)
{
	char bytes[COPY_BYTES];
	ssize_t len = read(from, bytes, sizeof(bytes));

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	return len > 0 && lp_path_write_all(to, bytes, (size_t)len, NULL) == 0;
}

/* The program has ended: what it wrote before is still in the terminal. */
static void
drain(int master)
{
	const int flags = fcntl(master, F_GETFL);

	if (flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0)
		return;
	for (;;) {
		char bytes[COPY_BYTES];
		ssize_t len = read(master, bytes, sizeof(bytes));

		if (len <= 0 || lp_path_write_all(1, bytes, (size_t)len, NULL) < 0)
			return;
	}
}

static int
turn(struct attend *attend, bool *out_ended, struct lp_err *err)
{
	struct pollfd fds[] = {
		{ .fd = attend->pidfd, .events = POLLIN },
		{ .fd = attend->signals, .events = POLLIN },
		{ .fd = attend->master, .events = POLLIN },
		{ .fd = attend->master >= 0 && attend->input ? 0 : -1, .events = POLLIN },
	};

	if (poll(fds, lp_count(fds), -1) < 0 && errno != EINTR)
		return lp_err_set(err, -errno, "wait for the program");
	if (fds[1].revents)
		pass_signals(attend);
	if (fds[2].revents && !copy(attend->master, 1))
		attend->master = -1;	/* nobody has its other side open any more */
	if (fds[3].revents && attend->master >= 0 && !copy(0, attend->master))
		attend->input = false;
	*out_ended = fds[0].revents != 0;
	return 0;
}

/* Who is traced has ended when its tracer has seen it, a moment after its pidfd says so. */
static void
until_reapable(int pidfd)
{
	siginfo_t info;

	while (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;	/* no pidfd: whoever asks next says so */
}

int
lp_oci_console_attend(int signals, pid_t pid, int pidfd, int master, struct lp_err *err)
{
	struct attend attend = { .signals = signals, .pidfd = pidfd, .master = master, .pid = pid, .input = true };
	struct termios before, raw;
	const bool own_tty = master >= 0 && tcgetattr(0, &before) == 0;
	bool ended = false;
	int rc = 0;

	if (own_tty) {
		raw = before;
		cfmakeraw(&raw);
		(void)tcsetattr(0, TCSANOW, &raw);	/* without it the words come twice, no more */
		follow_size(master);
	}
	while (rc == 0 && !ended)
		rc = turn(&attend, &ended, err);
	if (rc == 0)
		until_reapable(pidfd);
	if (attend.master >= 0)
		drain(attend.master);
	if (own_tty)
		(void)tcsetattr(0, TCSANOW, &before);
	return rc;
}
