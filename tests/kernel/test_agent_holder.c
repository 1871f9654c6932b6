#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/net/holder.h"
#include "base/auto.h"
#include "tests/harness.h"

#define ADDR 0x7f00000au

/* The holder's executable is this program. */
__attribute__((constructor)) static void
be_the_holder(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "holder") == 0)
		_exit(lp_holder_main(argc - 1, argv + 1));
}

struct bench {
	int run_fd, exe_fd;
	int fds[LP_HOLDER_SOCKETS];
};

static int
bound(int type)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(ADDR), .sin_port = htons(53) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	CHECK(bind(fd, (struct sockaddr *)&name, sizeof(name)) == 0);
	if (type == SOCK_STREAM)
		CHECK(listen(fd, 8) == 0);
	return fd;
}

static void
start(struct bench *bench)
{
	struct lp_err err;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNET);
	bench->run_fd = open(lp_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bench->exe_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	bench->fds[0] = bound(SOCK_DGRAM);
	bench->fds[1] = bound(SOCK_STREAM);
	CHECK(bench->run_fd >= 0 && bench->exe_fd >= 0);
	CHECK_OK(lp_holder_start(bench->run_fd, bench->exe_fd, -1, ADDR, bench->fds, &err), &err);
}

/* As when an agent is killed. */
static void
forget(struct bench *bench)
{
	lp_close(&bench->fds[0]);
	lp_close(&bench->fds[1]);
}

static int
ask(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(ADDR), .sin_port = htons(53) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK_INT(sendto(fd, "q", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	return fd;
}

static bool
ready(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, 2000) == 1;
}

TEST(what_is_asked_between_two_agents_waits_for_the_second)
{
	struct bench bench;
	struct lp_err err;
	char byte;

	start(&bench);
	for (int round = 0; round < 3; round++) {
		forget(&bench);
		int client = ask();

		CHECK_OK(lp_holder_take(bench.run_fd, ADDR, bench.fds, &err), &err);
		CHECK(fcntl(bench.fds[0], F_GETFD) & FD_CLOEXEC);
		CHECK(ready(bench.fds[0]));
		CHECK_INT(recv(bench.fds[0], &byte, 1, 0), 1);
		close(client);
	}
	CHECK_OK(lp_holder_end(bench.run_fd, &err), &err);
	CHECK(faccessat(bench.run_fd, "holder.sock", F_OK, 0) < 0);
	forget(&bench);
	bench.fds[0] = bound(SOCK_DGRAM);	/* nobody has it any more */
	CHECK_OK(lp_holder_end(bench.run_fd, &err), &err);
	CHECK_ERR(lp_holder_take(bench.run_fd, ADDR, bench.fds, &err), -ENOENT);
}

TEST(sockets_of_another_address_are_not_taken_and_their_holder_goes)
{
	struct bench bench;
	struct lp_err err;
	int fds[LP_HOLDER_SOCKETS];

	start(&bench);
	CHECK_ERR(lp_holder_take(bench.run_fd, ADDR + 1, fds, &err), -EADDRNOTAVAIL);
	CHECK_ERR(lp_holder_take(bench.run_fd, ADDR, fds, &err), -ENOENT);
}

/* The process at the other end of the socket. */
static pid_t
holder_pid(struct bench *bench)
{
	struct ucred who = { 0 };
	socklen_t len = sizeof(who);
	char path[64];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/holder.sock", bench->run_fd);
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	memcpy(to.sun_path, path, strlen(path) + 1);
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0);
	close(fd);
	return who.pid;
}

static bool
has_ended(pid_t pid)
{
	int process = pidfd_open(pid, 0);
	bool ended = process < 0 ? errno == ESRCH : ready(process);

	if (process >= 0)
		close(process);
	return ended;
}

TEST(a_holder_that_died_or_hangs_is_replaced)
{
	struct bench bench;
	struct lp_err err;
	pid_t pid;

	start(&bench);
	pid = holder_pid(&bench);
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(has_ended(pid));
	CHECK_ERR(lp_holder_take(bench.run_fd, ADDR, bench.fds, &err), -ENOENT);
	CHECK_OK(lp_holder_start(bench.run_fd, bench.exe_fd, -1, ADDR, bench.fds, &err), &err);
	CHECK_OK(lp_holder_take(bench.run_fd, ADDR, bench.fds, &err), &err);
	pid = holder_pid(&bench);
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK_ERR(lp_holder_take(bench.run_fd, ADDR, bench.fds, &err), -ENOENT);
	CHECK_HAS(err.text, "did not answer and was ended");
	CHECK(has_ended(pid));
}
