#include "runtime/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

enum { PROGRAM_MAX = 64 * 1024, LAST_FAMILY_LISTED = 17 };

#define CAP_BIT(name) (UINT64_C(1) << CAP_##name)

/* Names in one string, each with its NUL: a table of pointers would be relocated at every exec. */
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

/* ---- building, in a child ---- */

static int
rule(scmp_filter_ctx filter, uint32_t action, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);
	int rc = nr == __NR_SCMP_ERROR ? -ENOENT : seccomp_rule_add(filter, action, nr, 0);

	/* EDOM, EOPNOTSUPP: a call of another architecture; EEXIST: two names of one number. */
	return rc == -EDOM || rc == -EOPNOTSUPP || rc == -EEXIST ? 0 : rc;
}

static int
table_rules(scmp_filter_ctx filter, uint64_t caps, struct lp_err *err)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EPERM);

	for (const char *name = allowed; *name; name += strlen(name) + 1) {
		int rc = rule(filter, SCMP_ACT_ALLOW, name);

		if (rc < 0)
			return lp_err_set(err, rc, "seccomp rule for %s", name);
	}
	for (const char *name = denied; *name; name += strlen(name) + 1) {
		int rc = rule(filter, refuse, name);

		if (rc < 0)
			return lp_err_set(err, rc, "seccomp rule for %s", name);
	}
	for (size_t i = 0; i < lp_count(conditional); i++) {
		bool may = (caps & conditional[i].caps) != 0;
		/* Programs try clone3 first and fall back only on ENOSYS. */
		bool hide = strcmp(conditional[i].name, "clone3") == 0;
		int rc = hide && !may ? 0 : rule(filter, may ? SCMP_ACT_ALLOW : refuse, conditional[i].name);

		if (rc < 0)
			return lp_err_set(err, rc, "seccomp rule for %s", conditional[i].name);
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
build(uint64_t caps, int out_fd, struct lp_err *err)
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
		return lp_err_set(err, rc, "seccomp filter");
	rc = table_rules(filter, caps, err);
	if (rc == 0) {
		rc = seccomp_export_bpf(filter, out_fd);
		if (rc < 0)
			return lp_err_set(err, rc, "seccomp filter as bytes");
	}
	seccomp_release(filter);
	return rc;
}

static void __attribute__((noreturn))
build_child(uint64_t caps, int out_fd)
{
	struct lp_err err = { 0 };
	int rc = build(caps, out_fd, &err);

	/* A failure is told as an lp_err, which is no multiple of a filter's instruction size. */
	if (rc < 0)
		(void)lp_path_write_all(out_fd, &err, sizeof(err), NULL);	/* nobody else to tell */
	_exit(rc < 0 ? 1 : 0);
}

int
lp_seccomp_build(uint64_t caps, struct lp_buf *out, struct lp_err *err)
{
	lp_auto_fd int from = -1, to = -1;
	lp_auto_buf struct lp_buf bytes;
	int ends[2], status = 0, rc;
	pid_t pid;

	lp_buf_init(&bytes, PROGRAM_MAX);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "pipe");
	from = ends[0];
	to = ends[1];
	pid = fork();
	if (pid < 0)
		return lp_err_set(err, -errno, "fork to build a seccomp filter");
	if (pid == 0)
		build_child(caps, ends[1]);
	lp_close(&to);
	rc = lp_path_read_fd(from, &bytes, err);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (rc < 0)
		return rc;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		if (bytes.len < sizeof(*err))
			return lp_err_say(err, -ECHILD, "the child that built the seccomp filter died");
		if (err)
			memcpy(err, bytes.data + bytes.len - sizeof(*err), sizeof(*err));
		return err && err->code < 0 ? err->code : -ECHILD;
	}
	if (bytes.len == 0 || bytes.len % sizeof(struct sock_filter) != 0)
		return lp_err_say(err, -EBADMSG, "the seccomp filter is %zu bytes long", bytes.len);
	rc = lp_buf_add(out, bytes.data, bytes.len);
	return rc < 0 ? lp_err_set(err, rc, "seccomp filter") : 0;
}

/* ---- using ---- */

int
lp_seccomp_program(const struct lp_process_config *process, const void **out, size_t *out_bytes, struct lp_err *err)
{
	static struct lp_buf kept;
	static uint64_t kept_caps;

	if (process->seccomp == LP_SECCOMP_UNCONFINED) {
		*out = NULL;
		*out_bytes = 0;
		return 0;
	}
	if (process->seccomp == LP_SECCOMP_GIVEN || process->seccomp_bytes > 0) {
		if (process->seccomp_bytes == 0 || process->seccomp_bytes % sizeof(struct sock_filter) != 0 ||
		    process->seccomp_bytes > PROGRAM_MAX)
			return lp_err_say(err, -EINVAL, "a seccomp filter of %zu bytes", process->seccomp_bytes);
		*out = process->seccomp_program;
		*out_bytes = process->seccomp_bytes;
		return 0;
	}
	if (kept.len == 0 || kept_caps != process->caps.bounding) {
		int rc;

		lp_buf_fini(&kept);
		lp_buf_init(&kept, PROGRAM_MAX);
		rc = lp_seccomp_build(process->caps.bounding, &kept, err);
		if (rc < 0)
			return rc;
		kept_caps = process->caps.bounding;
	}
	*out = kept.data;
	*out_bytes = kept.len;
	return 0;
}

int
lp_seccomp_load(const void *program, size_t bytes, struct lp_err *err)
{
	struct sock_fprog prog = {
		.len = (unsigned short)(bytes / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)program,	/* the kernel only reads it */
	};

	if (bytes == 0)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return lp_err_set(err, -errno, "load the seccomp filter");
	/* Read back. A given filter may forbid asking; then it is there, or we would have been answered. */
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0)
		return lp_err_say(err, -EPERM, "the seccomp filter was loaded and is not there");
	return 0;
}
