#include "runtime/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "runtime/seccomp_calls.h"
#include "runtime/seccomp_tree.h"

/*
 * Theory  The table becomes a search tree (seccomp_tree.h): a third of what libseccomp makes of the same rules, and built in tens
 *         of microseconds without leaving a heap behind. In tests/ libseccomp is the
 *         judge: its own filter and this one must agree on every call.
 * Format  check of the ABI, then a binary tree of "at least this number?", whose leaves answer or look at arguments. Only
 *         the low halves of arguments count: the kernel takes the three calls' first arguments as 32 bits.
 */

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define NATIVE_ARCH AUDIT_ARCH_ARM
#else
#error "which audit architecture is this?"
#endif

enum { PROGRAM_MAX = 64 * 1024, ROWS_MAX = 640, CAP_NAME = 28 };

#define CAP_BIT(name) (UINT64_C(1) << CAP_##name)
#define ANSWER(code) (SECCOMP_RET_ERRNO | (code))

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
	char name[CAP_NAME];
} conditional[] = {
#define ALLOW(name)
#define WITH(caps, name) { caps, #name },
#define DENY(name)
#include "runtime/seccomp_default.def"
#undef ALLOW
#undef WITH
#undef DENY
};

/* ---- the table as ranges ---- */

enum answer { HIDE, REFUSE, PERMIT, LOOK_CLONE, LOOK_SOCKET, LOOK_PERSONALITY };

struct rows {
	struct lp_seccomp_range row[ROWS_MAX];
	size_t count;
	bool full;
};

static void
add_call(struct rows *rows, const char *name, enum answer answer)
{
	int nr = lp_seccomp_call(LP_SECCOMP_NATIVE, name);

	/* Negative: a call of another architecture. */
	if (nr < 0)
		return;
	if (rows->count == ROWS_MAX)
		rows->full = true;
	else
		rows->row[rows->count++] = (struct lp_seccomp_range){ (uint32_t)nr, answer };
}

static void
add_table(struct rows *rows, uint64_t caps)
{
	for (const char *name = allowed; *name; name += strlen(name) + 1)
		add_call(rows, name, PERMIT);
	for (const char *name = denied; *name; name += strlen(name) + 1)
		add_call(rows, name, REFUSE);
	for (size_t i = 0; i < lp_count(conditional); i++) {
		/* Programs try clone3 first and fall back only on ENOSYS. */
		bool hide = strcmp(conditional[i].name, "clone3") == 0;

		add_call(rows, conditional[i].name, caps & conditional[i].caps ? PERMIT : hide ? HIDE : REFUSE);
	}
	add_call(rows, "clone", caps & CAP_BIT(SYS_ADMIN) ? PERMIT : LOOK_CLONE);
	add_call(rows, "socket", LOOK_SOCKET);
	add_call(rows, "personality", LOOK_PERSONALITY);
}

static int
by_number(const void *a, const void *b)
{
	const struct lp_seccomp_range *x = a, *y = b;

	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

/* ---- answers as a program ---- */

static void
emit_argument(struct lp_seccomp_code *code, unsigned index)
{
	/* The low half, on little-endian machines. */
	(void)lp_seccomp_emit(code, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)(offsetof(struct seccomp_data, args) + index * 8));
}

/* If the value loaded is this one, answer so. */
static void
emit_case(struct lp_seccomp_code *code, uint32_t value, uint32_t action)
{
	(void)lp_seccomp_emit(code, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
	lp_seccomp_emit_return(code, action);
}

static void
emit_clone(struct lp_seccomp_code *code)
{
	emit_argument(code, 0);
	(void)lp_seccomp_emit(code, BPF_JMP | BPF_JSET | BPF_K, 0, 1,
	    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET);
	lp_seccomp_emit_return(code, ANSWER(EPERM));
	lp_seccomp_emit_return(code, SECCOMP_RET_ALLOW);
}

static void
emit_socket(struct lp_seccomp_code *code, uint64_t caps)
{
	const bool any_netlink = (caps & (CAP_BIT(NET_ADMIN) | CAP_BIT(SYS_ADMIN))) != 0;

	emit_argument(code, 0);
	emit_case(code, AF_UNIX, SECCOMP_RET_ALLOW);
	emit_case(code, AF_INET, SECCOMP_RET_ALLOW);
	emit_case(code, AF_INET6, SECCOMP_RET_ALLOW);
	if (caps & CAP_BIT(NET_RAW))
		emit_case(code, AF_PACKET, SECCOMP_RET_ALLOW);
	if (any_netlink) {
		emit_case(code, AF_NETLINK, SECCOMP_RET_ALLOW);
	} else {
		/* Of netlink only routes (protocol 0): getifaddrs needs it. */
		(void)lp_seccomp_emit(code, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, AF_NETLINK);
		emit_argument(code, 2);
		emit_case(code, 0, SECCOMP_RET_ALLOW);
		lp_seccomp_emit_return(code, ANSWER(EPROTONOSUPPORT));
	}
	lp_seccomp_emit_return(code, ANSWER(EAFNOSUPPORT));
}

static void
emit_personality(struct lp_seccomp_code *code)
{
	/* Linux and Linux32, each also with UNAME26, and the question "which one". */
	static const uint32_t values[] = { 0x0, 0x8, 0x20000, 0x20008, 0xffffffff };

	emit_argument(code, 0);
	for (size_t i = 0; i < lp_count(values); i++)
		emit_case(code, values[i], SECCOMP_RET_ALLOW);
	lp_seccomp_emit_return(code, ANSWER(ENOSYS));
}

static void
emit_leaf(struct lp_seccomp_code *code, uint32_t answer, const void *arg)
{
	const uint64_t caps = *(const uint64_t *)arg;

	switch ((enum answer)answer) {
	case HIDE:
		lp_seccomp_emit_return(code, ANSWER(ENOSYS));
		return;
	case REFUSE:
		lp_seccomp_emit_return(code, ANSWER(EPERM));
		return;
	case PERMIT:
		lp_seccomp_emit_return(code, SECCOMP_RET_ALLOW);
		return;
	case LOOK_CLONE:
		emit_clone(code);
		return;
	case LOOK_SOCKET:
		emit_socket(code, caps);
		return;
	case LOOK_PERSONALITY:
		emit_personality(code);
		return;
	}
}

int
lp_seccomp_build(uint64_t caps, struct lp_buf *out, struct lp_err *err)
{
	struct work {
		struct rows calls;
		struct lp_seccomp_range ranges[2 * ROWS_MAX + 1];
		struct lp_seccomp_code code;
	};
	lp_auto_free struct work *work = calloc(1, sizeof(*work));
	struct lp_seccomp_code *code = work ? &work->code : NULL;
	size_t count;
	int rc;

	if (!work)
		return lp_err_set(err, -ENOMEM, "seccomp filter");
	add_table(&work->calls, caps);
	qsort(work->calls.row, work->calls.count, sizeof(work->calls.row[0]), by_number);
	count = lp_seccomp_ranges(work->calls.row, work->calls.count, HIDE, work->ranges);
	(void)lp_seccomp_emit(code, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	(void)lp_seccomp_emit(code, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE_ARCH);
	lp_seccomp_emit_return(code, ANSWER(ENOSYS));	/* foreign ABIs are off */
	(void)lp_seccomp_emit(code, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	lp_seccomp_tree(code, work->ranges, count, emit_leaf, &caps);
	if (work->calls.full || code->full)
		return lp_err_say(err, -E2BIG, "the seccomp table is too long");
	rc = lp_buf_add(out, code->insn, code->count * sizeof(code->insn[0]));
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
lp_seccomp_load_with(const void *program, size_t bytes, uint32_t flags, int *out_listener, struct lp_err *err)
{
	struct sock_fprog prog = {
		.len = (unsigned short)(bytes / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)program,	/* the kernel only reads it */
	};
	long rc;

	*out_listener = -1;
	if (bytes == 0)
		return 0;
	rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (rc < 0 && errno == EINVAL && flags)
		return lp_err_say(err, -EOPNOTSUPP, "load the seccomp filter: this kernel does not have all of its flags (%#x)", flags);
	if (rc < 0)
		return lp_err_set(err, -errno, "load the seccomp filter");
	/* Read back. A given filter may forbid asking; then it is there, or we would have been answered. A notifying one is not asked. */
	if (flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)
		*out_listener = (int)rc;
	else if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 0)
		return lp_err_say(err, -EPERM, "the seccomp filter was loaded and is not there");
	return 0;
}

int
lp_seccomp_load(const void *program, size_t bytes, struct lp_err *err)
{
	int none;

	return lp_seccomp_load_with(program, bytes, 0, &none, err);
}
