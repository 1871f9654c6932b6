#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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
#include "base/path.h"
#include "runtime/seccomp.h"
#include "tests/harness.h"
#include "tests/runtime/judge.h"

static struct lp_err err;

static void
confine(uint64_t caps)
{
	struct lp_buf program;

	lp_test_need_kernel();
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

/* ---- the judge: libseccomp's own filter of the same table ---- */

#define CAP_BIT(name) (UINT64_C(1) << CAP_##name)

enum { LAST_FAMILY_LISTED = 17 };

static const char allowed[] =
#define ALLOW(name) #name "\0"
#define WITH(caps, name)
#define DENY(name)
#include "runtime/seccomp_default.def"
#undef ALLOW
#undef WITH
#undef DENY
    ;

static const char denied[] =
#define ALLOW(name)
#define WITH(caps, name)
#define DENY(name) #name "\0"
#include "runtime/seccomp_default.def"
#undef ALLOW
#undef WITH
#undef DENY
    ;

static const struct {
	uint64_t caps;
	char name[28];
} conditional[] = {
#define ALLOW(name)
#define WITH(caps, name) { caps, #name },
#define DENY(name)
#include "runtime/seccomp_default.def"
#undef ALLOW
#undef WITH
#undef DENY
};


static int
rule(scmp_filter_ctx filter, uint32_t action, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);
	int rc = nr == __NR_SCMP_ERROR ? -ENOENT : seccomp_rule_add(filter, action, nr, 0);

	/* EDOM, EOPNOTSUPP: a call of another architecture; EEXIST: two names of one number. */
	return rc == -EDOM || rc == -EOPNOTSUPP || rc == -EEXIST ? 0 : rc;
}

static int
table_rules(scmp_filter_ctx filter, uint64_t caps, struct lp_err *out_err)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);

	for (const char *name = allowed; *name; name += strlen(name) + 1) {
		int rc = rule(filter, SCMP_ACT_ALLOW, name);

		if (rc < 0)
			return lp_err_set(out_err, rc, "seccomp rule for %s", name);
	}
	for (const char *name = denied; *name; name += strlen(name) + 1) {
		int rc = rule(filter, refuse, name);

		if (rc < 0)
			return lp_err_set(out_err, rc, "seccomp rule for %s", name);
	}
	for (size_t i = 0; i < lp_count(conditional); i++) {
		bool may = (caps & conditional[i].caps) != 0;
		/* Programs try clone3 first and fall back only on ENOSYS. */
		bool hide = strcmp(conditional[i].name, "clone3") == 0;
		int rc = hide && !may ? 0 : rule(filter, may ? SCMP_ACT_ALLOW : refuse, conditional[i].name);

		if (rc < 0)
			return lp_err_set(out_err, rc, "seccomp rule for %s", conditional[i].name);
	}
	return 0;
}

static int
clone_rules(scmp_filter_ctx filter, uint64_t caps)
{
	static const uint64_t flags[] = {
		CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
	};
	uint64_t all = 0;
	int rc = 0;

	if (caps & CAP_BIT(SYS_ADMIN))
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0);
	for (size_t i = 0; rc == 0 && i < lp_count(flags); i++) {
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
		all |= flags[i];
	}
	return rc < 0 ? rc : seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, all, 0));
}

static int
socket_rules(scmp_filter_ctx filter, uint64_t caps)
{
	const bool any_netlink = (caps & (CAP_BIT(NET_ADMIN) | CAP_BIT(SYS_ADMIN))) != 0;
	int rc = 0;

	for (unsigned family = 0; rc == 0 && family <= LAST_FAMILY_LISTED; family++) {
		bool may = family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
		    (family == AF_PACKET && (caps & CAP_BIT(NET_RAW))) || (family == AF_NETLINK && any_netlink);

		if (family == AF_NETLINK && !any_netlink)
			continue;
		rc = seccomp_rule_add(filter, may ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, family));
	}
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_GT, LAST_FAMILY_LISTED));
	if (rc < 0 || any_netlink)
		return rc;
	/* Of netlink only routes (protocol 0): getifaddrs needs it. */
	rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, 0));
	return rc < 0 ? rc : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
	    SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_NE, 0));
}

static int
personality_rules(scmp_filter_ctx filter)
{
	/* Linux, Linux32, each with 4 KiB read-implies-exec of old off, and the question "which one". */
	static const uint64_t values[] = { 0x0, 0x8, 0x20000, 0x20008, 0xffffffff };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < lp_count(values); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_EQ, values[i]));
	return rc;
}

static int
build(uint64_t caps, int out_fd, struct lp_err *out_err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int rc = filter ? 0 : -ENOMEM;

	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);	/* a binary tree */
	if (rc == 0)
		rc = clone_rules(filter, caps);
	if (rc == 0)
		rc = socket_rules(filter, caps);
	if (rc == 0)
		rc = personality_rules(filter);
	if (rc < 0)
		return lp_err_set(out_err, rc, "seccomp filter");
	rc = table_rules(filter, caps, out_err);
	if (rc == 0) {
		rc = seccomp_export_bpf(filter, out_fd);
		if (rc < 0)
			return lp_err_set(out_err, rc, "seccomp filter as bytes");
	}
	seccomp_release(filter);
	return rc;
}


static struct lp_buf
libseccomp_filter(uint64_t caps)
{
	struct lp_buf bytes;
	const char *path = lp_test_file("filter", "", 0);
	lp_auto_fd int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_OK(build(caps, fd, &err), &err);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	lp_buf_init(&bytes, 65536);
	CHECK_OK(lp_path_read_fd(fd, &bytes, &err), &err);
	return bytes;
}

TEST(our_filter_and_libseccomps_agree_on_every_call)
{
	static const uint64_t sets[] = { 0, CAP_BIT(SYS_ADMIN), CAP_BIT(NET_RAW), CAP_BIT(NET_ADMIN) | CAP_BIT(SYS_CHROOT),
		CAP_BIT(SYS_PTRACE) | CAP_BIT(SYS_TIME) | CAP_BIT(BPF), UINT64_MAX };
	static const uint64_t firsts[] = { 0, 1, 2, 3, 8, 9, 10, 11, 15, 16, 17, 18, 40, 0x20000, 0x20008, 0x20009, 0xffffffff, CLONE_NEWNS,
		CLONE_NEWUSER | 17, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x3d0f00, 17 };

	for (size_t s = 0; s < lp_count(sets); s++) {
		struct lp_buf ours, theirs = libseccomp_filter(sets[s]);
		size_t count, their_count = theirs.len / sizeof(struct sock_filter);

		lp_buf_init(&ours, 65536);
		CHECK_OK(lp_seccomp_build(sets[s], &ours, &err), &err);
		count = ours.len / sizeof(struct sock_filter);
		CHECK(count * 3 < their_count * 2);	/* what it is for */
		for (int nr = 0; nr < 1200; nr++)
			for (size_t f = 0; f < lp_count(firsts); f++)
				for (uint64_t third = 0; third < 2; third++) {
					const struct seccomp_data data = { .nr = nr, .arch = (uint32_t)seccomp_arch_native(),
						.args = { firsts[f], 0, third * 12 } };
					uint32_t got = judge((const struct sock_filter *)ours.data, count, &data);
					uint32_t want = judge((const struct sock_filter *)theirs.data, their_count, &data);

					if (got != want)
						FAIL("call %d (%#llx, .., %d) with capabilities %#llx: %#x, libseccomp %#x", nr,
						    (unsigned long long)firsts[f], (int)third * 12, (unsigned long long)sets[s], got, want);
				}
		lp_buf_fini(&ours);
		lp_buf_fini(&theirs);
	}
}

TEST(another_abi_finds_no_calls)
{
	struct lp_buf ours;
	const struct seccomp_data i386 = { .nr = 20, .arch = AUDIT_ARCH_I386 }, x32 = { .nr = 0x40000000 + 39, .arch = AUDIT_ARCH_X86_64 };
	size_t count;

	lp_buf_init(&ours, 65536);
	CHECK_OK(lp_seccomp_build(UINT64_MAX, &ours, &err), &err);
	count = ours.len / sizeof(struct sock_filter);
	CHECK_INT(judge((const struct sock_filter *)ours.data, count, &i386), SECCOMP_RET_ERRNO | ENOSYS);
	CHECK_INT(judge((const struct sock_filter *)ours.data, count, &x32), SECCOMP_RET_ERRNO | ENOSYS);
	lp_buf_fini(&ours);
}
