#include "runtime/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"

/*
 * Theory  Loading a filter costs in proportion to its length, at every start. So the table becomes ranges of consecutive call
 *         numbers with one answer, searched by halves: a third of what libseccomp makes of the same rules, and built in tens
 *         of microseconds without leaving a heap behind. libseccomp gives the numbers of the names, and in tests/ it is the
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

enum { PROGRAM_MAX = 64 * 1024, INSNS_MAX = 2048, ROWS_MAX = 640, CAP_NAME = 28 };

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

/* From this number on, until the next row. */
struct row {
	uint32_t nr;
	enum answer answer;
};

struct rows {
	struct row row[2 * ROWS_MAX];
	size_t count;
	bool full;
};

static void
add_call(struct rows *rows, const char *name, enum answer answer)
{
	int nr = seccomp_syscall_resolve_name(name);

	/* Negative: a call of another architecture. */
	if (nr < 0)
		return;
	if (rows->count == ROWS_MAX)
		rows->full = true;
	else
		rows->row[rows->count++] = (struct row){ (uint32_t)nr, answer };
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
	const struct row *x = a, *y = b;

	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

/* Sorted calls into ranges: what no row names is hidden, neighbours with one answer become one. */
static void
make_ranges(const struct rows *calls, struct rows *out)
{
	uint32_t next = 0;

	out->count = 0;
	for (size_t i = 0; i <= calls->count; i++) {
		const struct row end = { UINT32_MAX, HIDE }, *row = i < calls->count ? &calls->row[i] : &end;

		if (row->nr < next)
			continue;	/* two names of one number */
		if (row->nr > next && (out->count == 0 || out->row[out->count - 1].answer != HIDE))
			out->row[out->count++] = (struct row){ next, HIDE };
		if (i < calls->count && (out->count == 0 || out->row[out->count - 1].answer != row->answer))
			out->row[out->count++] = *row;
		next = row->nr + 1;
	}
}

/* ---- ranges as a program ---- */

struct program {
	struct sock_filter insn[INSNS_MAX];
	size_t count;
	bool full;
};

static size_t
emit(struct program *program, uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
	if (program->count == INSNS_MAX) {
		program->full = true;
		return 0;
	}
	program->insn[program->count] = (struct sock_filter){ code, yes, no, k };
	return program->count++;
}

static void
emit_return(struct program *program, uint32_t action)
{
	(void)emit(program, BPF_RET | BPF_K, 0, 0, action);
}

static void
emit_argument(struct program *program, unsigned index)
{
	/* The low half, on little-endian machines. */
	(void)emit(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)(offsetof(struct seccomp_data, args) + index * 8));
}

/* If the value loaded is this one, answer so. */
static void
emit_case(struct program *program, uint32_t value, uint32_t action)
{
	(void)emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
	emit_return(program, action);
}

static void
emit_clone(struct program *program)
{
	emit_argument(program, 0);
	(void)emit(program, BPF_JMP | BPF_JSET | BPF_K, 0, 1,
	    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET);
	emit_return(program, ANSWER(EPERM));
	emit_return(program, SECCOMP_RET_ALLOW);
}

static void
emit_socket(struct program *program, uint64_t caps)
{
	const bool any_netlink = (caps & (CAP_BIT(NET_ADMIN) | CAP_BIT(SYS_ADMIN))) != 0;

	emit_argument(program, 0);
	emit_case(program, AF_UNIX, SECCOMP_RET_ALLOW);
	emit_case(program, AF_INET, SECCOMP_RET_ALLOW);
	emit_case(program, AF_INET6, SECCOMP_RET_ALLOW);
	if (caps & CAP_BIT(NET_RAW))
		emit_case(program, AF_PACKET, SECCOMP_RET_ALLOW);
	if (any_netlink) {
		emit_case(program, AF_NETLINK, SECCOMP_RET_ALLOW);
	} else {
		/* Of netlink only routes (protocol 0): getifaddrs needs it. */
		(void)emit(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, AF_NETLINK);
		emit_argument(program, 2);
		emit_case(program, 0, SECCOMP_RET_ALLOW);
		emit_return(program, ANSWER(EPROTONOSUPPORT));
	}
	emit_return(program, ANSWER(EAFNOSUPPORT));
}

static void
emit_personality(struct program *program)
{
	/* Linux and Linux32, each also with UNAME26, and the question "which one". */
	static const uint32_t values[] = { 0x0, 0x8, 0x20000, 0x20008, 0xffffffff };

	emit_argument(program, 0);
	for (size_t i = 0; i < lp_count(values); i++)
		emit_case(program, values[i], SECCOMP_RET_ALLOW);
	emit_return(program, ANSWER(ENOSYS));
}

static void
emit_leaf(struct program *program, enum answer answer, uint64_t caps)
{
	switch (answer) {
	case HIDE:
		emit_return(program, ANSWER(ENOSYS));
		return;
	case REFUSE:
		emit_return(program, ANSWER(EPERM));
		return;
	case PERMIT:
		emit_return(program, SECCOMP_RET_ALLOW);
		return;
	case LOOK_CLONE:
		emit_clone(program);
		return;
	case LOOK_SOCKET:
		emit_socket(program, caps);
		return;
	case LOOK_PERSONALITY:
		emit_personality(program);
		return;
	}
}

/* Ranges from..to (exclusive), by halves: the lower half follows, the upper half is jumped to. Depth: 2^10 ranges at most. */
static void
emit_tree(struct program *program, const struct rows *ranges, size_t from, size_t to, uint64_t caps)
{
	size_t middle = from + (to - from) / 2, test, jump;

	if (to - from == 1) {
		emit_leaf(program, ranges->row[from].answer, caps);
		return;
	}
	/* A conditional jump reaches 255 instructions, a plain one all. */
	test = emit(program, BPF_JMP | BPF_JGE | BPF_K, 0, 1, ranges->row[middle].nr);
	jump = emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_tree(program, ranges, from, middle, caps);
	if (program->count - jump - 1 < 255) {
		memmove(&program->insn[jump], &program->insn[jump + 1], (program->count - jump - 1) * sizeof(program->insn[0]));
		program->count--;
		program->insn[test].jt = (uint8_t)(program->count - test - 1);
		program->insn[test].jf = 0;
	} else {
		program->insn[jump].k = (uint32_t)(program->count - jump - 1);
	}
	emit_tree(program, ranges, middle, to, caps);
}

int
lp_seccomp_build(uint64_t caps, struct lp_buf *out, struct lp_err *err)
{
	struct work {
		struct rows calls, ranges;
		struct program program;
	};
	lp_auto_free struct work *work = calloc(1, sizeof(*work));
	int rc;

	if (!work)
		return lp_err_set(err, -ENOMEM, "seccomp filter");
	add_table(&work->calls, caps);
	qsort(work->calls.row, work->calls.count, sizeof(work->calls.row[0]), by_number);
	make_ranges(&work->calls, &work->ranges);
	(void)emit(&work->program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	(void)emit(&work->program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE_ARCH);
	emit_return(&work->program, ANSWER(ENOSYS));	/* foreign ABIs are off */
	(void)emit(&work->program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	emit_tree(&work->program, &work->ranges, 0, work->ranges.count, caps);
	if (work->calls.full || work->program.full)
		return lp_err_say(err, -E2BIG, "the seccomp table is too long");
	rc = lp_buf_add(out, work->program.insn, work->program.count * sizeof(work->program.insn[0]));
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
