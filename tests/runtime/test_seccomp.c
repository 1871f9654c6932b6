#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "runtime/seccomp.h"
#include "tests/harness.h"

static struct lp_err err;

static void
confine(uint64_t caps)
{
	struct lp_buf program;

	lp_buf_init(&program, 65536);
	CHECK_OK(lp_seccomp_build(caps, &program, &err), &err);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_OK(lp_seccomp_load(program.data, program.len, &err), &err);
	lp_buf_fini(&program);
}

/* 0 or the errno of a system call with these first arguments. */
static int
answer(const char *name, long a, long b, long c)
{
	int nr = seccomp_syscall_resolve_name(name);

	CHECK(nr >= 0);
	errno = 0;
	return syscall(nr, a, b, c, 0, 0, 0) < 0 ? errno : 0;
}

#define ALLOW(name) #name,
#define DENY(name) #name,
#define WITH(caps, name) #name,
static const char *const every[] = {
#include "runtime/seccomp_default.def"
};
#undef ALLOW
#undef DENY
#undef WITH

TEST(every_name_of_the_table_is_known_and_stands_there_once)
{
	for (size_t i = 0; i < lp_count(every); i++) {
		if (seccomp_syscall_resolve_name(every[i]) == __NR_SCMP_ERROR)
			FAIL("%s is not a system call that libseccomp knows", every[i]);
		for (size_t j = 0; j < i; j++)
			if (strcmp(every[i], every[j]) == 0)
				FAIL("%s stands there twice", every[i]);
	}
}

TEST(at_least_ninety_calls_of_x86_64_are_blocked)
{
	int known = 0, allowed = 0;

#define ALLOW(name) \
	if (seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, #name) >= 0) \
		allowed++;
#define DENY(name)
#define WITH(caps, name)
#include "runtime/seccomp_default.def"
#undef ALLOW
#undef DENY
#undef WITH
	for (int nr = 0; nr < 512; nr++) {
		lp_auto_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		known += name != NULL;
	}
	allowed += 3;	/* clone, socket, personality, by argument */
	CHECK(known >= 362);
	CHECK(known - allowed >= 90);
}

TEST(known_dangerous_calls_answer_eperm_and_unknown_ones_enosys)
{
	confine(0);
	CHECK_INT(answer("mount", 0, 0, 0), EPERM);
	CHECK_INT(answer("bpf", 0, 0, 0), EPERM);
	CHECK_INT(answer("unshare", 0, 0, 0), EPERM);
	CHECK_INT(answer("keyctl", 0, 0, 0), EPERM);
	CHECK_INT(answer("kexec_load", 0, 0, 0), EPERM);
	CHECK_INT(answer("io_uring_setup", 0, 0, 0), EPERM);
	CHECK_INT(answer("clone3", 0, 0, 0), ENOSYS);	/* libc then falls back to clone */
	errno = 0;
	CHECK(syscall(499) < 0);
	CHECK_INT(errno, ENOSYS);
	CHECK_INT(answer("getpid", 0, 0, 0), 0);
}

TEST(a_clone_may_fork_but_make_no_namespace)
{
	int status;
	pid_t pid;

	confine(0);
	CHECK_INT(answer("clone", CLONE_NEWUSER | 17, 0, 0), EPERM);
	CHECK_INT(answer("clone", CLONE_NEWNET | CLONE_NEWPID | 17, 0, 0), EPERM);
	pid = fork();
	if (pid == 0)
		_exit(4);
	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(WEXITSTATUS(status), 4);
}

TEST(sockets_are_unix_inet_and_routes)
{
	confine(0);
	CHECK_INT(answer("socket", AF_UNIX, SOCK_STREAM, 0), 0);
	CHECK_INT(answer("socket", AF_INET, SOCK_STREAM, 0), 0);
	CHECK_INT(answer("socket", AF_INET, SOCK_DGRAM, 0), 0);
	CHECK(answer("socket", AF_INET6, SOCK_STREAM, 0) != EPERM);
	CHECK_INT(answer("socket", AF_NETLINK, SOCK_RAW, 0), 0);
	CHECK_INT(answer("socket", AF_NETLINK, SOCK_RAW, 12), EPROTONOSUPPORT);
	CHECK_INT(answer("socket", AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT);
	CHECK_INT(answer("socket", AF_VSOCK, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_INT(answer("socket", AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
	CHECK_INT(answer("socket", AF_BLUETOOTH, SOCK_RAW, 0), EAFNOSUPPORT);
	CHECK_INT(answer("socket", AF_UNSPEC, SOCK_RAW, 0), EAFNOSUPPORT);
	CHECK_INT(answer("socket", (long)0x100000011, SOCK_RAW, 0), EAFNOSUPPORT);	/* AF_PACKET with a high bit on top */
}

TEST(a_capability_opens_its_calls_and_no_others)
{
	/* The kernel's own answers from here on: EFAULT, EBADF, EPERM from its capability check would look alike. */
	confine(UINT64_C(1) << CAP_SYS_CHROOT);
	CHECK_INT(answer("chroot", 0, 0, 0), EFAULT);
	CHECK_INT(answer("setns", -1, 0, 0), EPERM);
}

TEST(the_administrator_may_make_namespaces)
{
	confine(UINT64_C(1) << CAP_SYS_ADMIN);
	CHECK_INT(answer("setns", -1, 0, 0), EBADF);
	CHECK(answer("clone3", 0, 0, 0) != ENOSYS);
}

TEST(a_process_config_names_its_program)
{
	struct lp_process_config config;
	const struct sock_filter filter[] = { { 0x06, 0, 0, 0x7fff0000 } };
	const void *program = &config, *again = NULL;
	size_t bytes = 1, more = 0;

	lp_process_config_init(&config);
	CHECK_OK(lp_seccomp_program(&config, &program, &bytes, &err), &err);
	CHECK(bytes > 100 * sizeof(filter[0]));
	CHECK_OK(lp_seccomp_program(&config, &again, &more, &err), &err);
	CHECK(again == program && more == bytes);	/* built once */
	config.seccomp = LP_SECCOMP_UNCONFINED;
	CHECK_OK(lp_seccomp_program(&config, &program, &bytes, &err), &err);
	CHECK_INT(bytes, 0);
	config.seccomp = LP_SECCOMP_GIVEN;
	CHECK_ERR(lp_seccomp_program(&config, &program, &bytes, &err), -EINVAL);
	config.seccomp_program = filter;
	config.seccomp_bytes = sizeof(filter);
	CHECK_OK(lp_seccomp_program(&config, &program, &bytes, &err), &err);
	CHECK(program == filter);
	config.seccomp_bytes = 7;
	CHECK_ERR(lp_seccomp_program(&config, &program, &bytes, &err), -EINVAL);
}
