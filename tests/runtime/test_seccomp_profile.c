#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/seccomp.h"
#include "runtime/seccomp_profile.h"
#include "tests/harness.h"
#include "tests/runtime/judge.h"

static struct lp_err err;

/* ---- reading ---- */

static int
read_profile(struct lp_arena *arena, const char *text, uint64_t caps, struct lp_seccomp_profile *out)
{
	struct lp_json *json;

	CHECK_OK(lp_json_parse(arena, text, strlen(text), NULL, &json, &err), &err);
	return lp_seccomp_profile_read(arena, json, caps, out, &err);
}

TEST(an_oci_profile_is_read)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_seccomp_profile profile;

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(read_profile(&arena, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_S390X\"],"
		"\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\"],\"listenerPath\":\"/run/x.sock\",\"listenerMetadata\":\"m\","
		"\"syscalls\":[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"},{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":7,"
		"\"args\":[{\"index\":1,\"value\":18446744073709551615,\"valueTwo\":3,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}", 0, &profile), &err);
	CHECK_INT(profile.default_action, LP_SECCOMP_ERRNO);
	CHECK_INT(profile.default_errno, 38);
	CHECK_INT(profile.arch_count, 2);
	CHECK_STR(profile.archs[1], "SCMP_ARCH_S390X");
	CHECK_INT(profile.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC);
	CHECK_STR(profile.listener_path, "/run/x.sock");
	CHECK_STR(profile.listener_metadata, "m");
	CHECK_INT(profile.rule_count, 2);
	CHECK_INT(profile.rules[0].name_count, 2);
	CHECK_INT(profile.rules[0].errno_ret, LP_SECCOMP_ERRNO_UNSET);
	CHECK_INT(profile.rules[1].action, LP_SECCOMP_TRACE);
	CHECK_INT(profile.rules[1].errno_ret, 7);
	CHECK_INT(profile.rules[1].args[0].op, LP_SECCOMP_MASKED_EQ);
	CHECK(profile.rules[1].args[0].value == UINT64_MAX);
	CHECK_INT(profile.rules[1].args[0].value_two, 3);
}

TEST(rules_of_a_docker_style_file_depend_on_capabilities_machine_and_kernel)
{
	static const char text[] = "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"archMap\":[{\"architecture\":\"SCMP_ARCH_X86_64\",\"subArchitectures\":[\"SCMP_ARCH_X86\"]},"
		"{\"architecture\":\"SCMP_ARCH_AARCH64\",\"subArchitectures\":[\"SCMP_ARCH_ARM\"]}],\"syscalls\":["
		"{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"b\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"c\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"4.8\"}},"
		"{\"names\":[\"d\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"400.8\"}},"
		"{\"names\":[\"e\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"s390\",\"s390x\"]}},"
		"{\"names\":[\"f\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"arches\":[\"s390\",\"s390x\"]}},"
		"{\"name\":\"g\",\"action\":\"SCMP_ACT_ALLOW\"}]}";
	lp_auto_arena struct lp_arena arena;
	struct lp_seccomp_profile profile;
	char names[16] = "";

	lp_arena_init(&arena, 1 << 20);
	CHECK_OK(read_profile(&arena, text, 0, &profile), &err);
	for (size_t i = 0; i < profile.rule_count; i++)
		names[i] = profile.rules[i].names[0][0];
	CHECK_STR(names, "bcfg");
	CHECK_OK(read_profile(&arena, text, UINT64_C(1) << CAP_SYS_ADMIN, &profile), &err);
	CHECK_STR(profile.rules[0].names[0], "a");
	CHECK_INT(profile.rule_count, 4);
#if defined(__x86_64__)
	CHECK_STR(profile.archs[0], "SCMP_ARCH_X86");
#elif defined(__aarch64__)
	CHECK_STR(profile.archs[0], "SCMP_ARCH_ARM");
#endif
}

TEST(what_a_profile_cannot_mean_is_refused_by_name)
{
	static const struct { const char *text, *words; } rows[] = {
		{ "[]", "object" },
		{ "{}", "defaultAction" },
		{ "{\"defaultAction\":\"SCMP_ACT_MAGIC\"}", "\"SCMP_ACT_MAGIC\" is not an action" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5000}", "defaultErrnoRet" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_MAGIC\"]}", "flags" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_VAX\"]}", "\"SCMP_ARCH_VAX\" is none" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"action\":\"SCMP_ACT_LOG\"}]}", "syscalls[0]: names" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"]}]}", "action" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[7],\"action\":\"SCMP_ACT_LOG\"}]}", "text is expected" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"op\":\"X\"}]}]}", "operator" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]}]}", "args.index" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"value\":-1,\"op\":\"SCMP_CMP_EQ\"}]}]}", "args.value" },
	};

	for (size_t i = 0; i < lp_count(rows); i++) {
		lp_auto_arena struct lp_arena arena;
		struct lp_seccomp_profile profile;

		lp_arena_init(&arena, 1 << 20);
		CHECK_ERR(read_profile(&arena, rows[i].text, 0, &profile), -EINVAL);
		CHECK_HAS(err.text, rows[i].words);
	}
}

/* ---- compiling ---- */

static int
compile(const struct lp_seccomp_profile *profile, uint32_t *out_flags)
{
	lp_auto_buf struct lp_buf bytes;

	lp_buf_init(&bytes, 65536);
	return lp_seccomp_compile(profile, &bytes, out_flags, &err);
}

TEST(what_cannot_be_loaded_is_refused)
{
	static const char *const names[] = { "read", "write" };
	struct lp_seccomp_rule rule = { .names = names, .name_count = 2, .action = LP_SECCOMP_NOTIFY, .errno_ret = LP_SECCOMP_ERRNO_UNSET };
	struct lp_seccomp_profile profile = { .default_action = LP_SECCOMP_NOTIFY, .default_errno = LP_SECCOMP_ERRNO_UNSET };
	uint32_t flags = 0;

	CHECK_ERR(compile(&profile, &flags), -EINVAL);
	CHECK_HAS(err.text, "default action");
	profile = (struct lp_seccomp_profile){ .default_action = LP_SECCOMP_ALLOW, .default_errno = LP_SECCOMP_ERRNO_UNSET, .rules = &rule, .rule_count = 1 };
	CHECK_ERR(compile(&profile, &flags), -EINVAL);
	CHECK_HAS(err.text, "write");
	rule.name_count = 1;
	profile.flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	CHECK_OK(compile(&profile, &flags), &err);
	CHECK_INT(flags, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	rule.action = LP_SECCOMP_ALLOW;
	CHECK_OK(compile(&profile, &flags), &err);
	CHECK_INT(flags, 0);
	rule.errno_ret = 5;
	CHECK_ERR(compile(&profile, &flags), -EINVAL);
	CHECK_HAS(err.text, "takes no errno");
}

/* ---- the judge: libseccomp's filter of the same profile ---- */

enum { SECCOMP_API = 6 };	/* of libseccomp, with every action that profiles name */

static uint32_t
scmp_action(enum lp_seccomp_action action, int32_t errno_ret)
{
	const uint16_t data = errno_ret < 0 ? EPERM : (uint16_t)errno_ret;

	switch (action) {
	case LP_SECCOMP_KILL_THREAD: return SCMP_ACT_KILL_THREAD;
	case LP_SECCOMP_KILL_PROCESS: return SCMP_ACT_KILL_PROCESS;
	case LP_SECCOMP_TRAP: return SCMP_ACT_TRAP;
	case LP_SECCOMP_ERRNO: return SCMP_ACT_ERRNO(data);
	case LP_SECCOMP_TRACE: return SCMP_ACT_TRACE(data);
	case LP_SECCOMP_NOTIFY: return SCMP_ACT_NOTIFY;
	case LP_SECCOMP_LOG: return SCMP_ACT_LOG;
	case LP_SECCOMP_ALLOW: case LP_SECCOMP_ACTIONS: break;
	}
	return SCMP_ACT_ALLOW;
}

static struct scmp_arg_cmp
scmp_arg(const struct lp_seccomp_arg *arg)
{
	static const enum scmp_compare ops[] = { [LP_SECCOMP_NE] = SCMP_CMP_NE, [LP_SECCOMP_LT] = SCMP_CMP_LT, [LP_SECCOMP_LE] = SCMP_CMP_LE,
		[LP_SECCOMP_EQ] = SCMP_CMP_EQ, [LP_SECCOMP_GE] = SCMP_CMP_GE, [LP_SECCOMP_GT] = SCMP_CMP_GT, [LP_SECCOMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ };

	return (struct scmp_arg_cmp){ arg->index, ops[arg->op], arg->value, arg->value_two };
}

static void
scmp_rule(scmp_filter_ctx filter, const struct lp_seccomp_rule *rule, const char *name)
{
	struct scmp_arg_cmp args[6];
	uint32_t seen = 0;
	bool twice = false;
	int nr = seccomp_syscall_resolve_name(name), rc = 0;

	CHECK(nr != __NR_SCMP_ERROR);
	for (size_t i = 0; i < rule->arg_count; i++) {
		twice |= (seen & 1u << rule->args[i].index) != 0;
		seen |= 1u << rule->args[i].index;
		args[i] = scmp_arg(&rule->args[i]);
	}
	for (size_t i = 0; twice && i < rule->arg_count; i++)
		rc = seccomp_rule_add_array(filter, scmp_action(rule->action, rule->errno_ret), nr, 1, &args[i]);
	if (!twice)
		rc = seccomp_rule_add_array(filter, scmp_action(rule->action, rule->errno_ret), nr, (unsigned)rule->arg_count, args);
	CHECK(rc == 0 || rc == -EEXIST);
}

static void
scmp_filter(const struct lp_seccomp_profile *profile, struct lp_buf *out)
{
	scmp_filter_ctx filter = seccomp_init(scmp_action(profile->default_action, profile->default_errno));
	lp_auto_fd int fd = open(lp_test_file("filter", "", 0), O_RDWR | O_TRUNC | O_CLOEXEC);

	CHECK(filter && fd >= 0);
	CHECK(seccomp_api_set(SECCOMP_API) == 0);	/* it compiles what this kernel, or an emulator, could not load */
	for (size_t i = 0; i < profile->arch_count; i++) {
		uint32_t arch = strcmp(profile->archs[i], "SCMP_ARCH_X86") == 0 ? SCMP_ARCH_X86 : strcmp(profile->archs[i], "SCMP_ARCH_X32") == 0 ?
		    SCMP_ARCH_X32 : strcmp(profile->archs[i], "SCMP_ARCH_ARM") == 0 ? SCMP_ARCH_ARM : seccomp_arch_native();
		int rc = seccomp_arch_add(filter, arch);

		CHECK(rc == 0 || rc == -EEXIST);
	}
	for (size_t i = 0; i < profile->rule_count; i++) {
		const struct lp_seccomp_rule *rule = &profile->rules[i];

		if (scmp_action(rule->action, rule->errno_ret) != scmp_action(profile->default_action, profile->default_errno))
			for (size_t j = 0; j < rule->name_count; j++)
				scmp_rule(filter, rule, rule->names[j]);
	}
	CHECK(seccomp_export_bpf(filter, fd) == 0);
	seccomp_release(filter);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	lp_buf_reset(out);
	CHECK_OK(lp_path_read_fd(fd, out, &err), &err);
}

/* ABIs of this machine: what the kernel calls them, the bit in their numbers. */
static const struct abi {
	const char *name;
	uint32_t audit, scmp, bit;
	bool narrow;
} abis[] = {
#if defined(__x86_64__)
	{ "SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64, 0, false },
	{ "SCMP_ARCH_X86", AUDIT_ARCH_I386, SCMP_ARCH_X86, 0, true },
	{ "SCMP_ARCH_X32", AUDIT_ARCH_X86_64, SCMP_ARCH_X32, 0x40000000, true },
#elif defined(__aarch64__)
	{ "SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64, 0, false },
	{ "SCMP_ARCH_ARM", AUDIT_ARCH_ARM, SCMP_ARCH_ARM, 0, true },
#else
	{ "SCMP_ARCH_ARM", AUDIT_ARCH_ARM, SCMP_ARCH_ARM, 0, true },
#endif
};

static uint32_t
next(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

static uint64_t
value(uint32_t *seed, bool wide)
{
	static const uint64_t values[] = { 0, 1, 2, 8, 0x7e020000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000, 0x100000001,
		0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe, 0xffffffffffffffff };

	return values[next(seed, wide ? lp_count(values) : 9)];
}

enum { NAMES = 40, RULES = 24, LAST = 480 };

struct random_profile {
	struct lp_seccomp_profile profile;
	struct lp_seccomp_rule rules[RULES];
	struct lp_seccomp_arg args[RULES][3];
	const char *names[RULES][3];
	const char *archs[3];
};

/* Of one call all rules say the same: what libseccomp does with contradictions is nobody's rule. */
static void
make_random(struct random_profile *random, uint32_t *seed, bool wide, bool simple)
{
	static const char *const names[NAMES] = { "read", "write", "open", "close", "clone", "personality", "mmap", "chown", "chown32", "getuid", "getuid32",
		"ioctl", "fcntl", "fcntl64", "prctl", "mount", "umount2", "unshare", "setns", "ptrace", "keyctl", "futex", "futex_time64", "kill", "tgkill",
		"clock_gettime64", "openat", "openat2", "clone3", "bpf", "execve", "stat64", "statx", "epoll_wait", "arch_prctl", "rt_sigreturn", "readv",
		"process_vm_readv", "waitid", "select" };
	struct lp_seccomp_profile *profile = &random->profile;

	memset(random, 0, sizeof(*random));
	profile->default_action = (enum lp_seccomp_action[]){ LP_SECCOMP_ERRNO, LP_SECCOMP_ALLOW, LP_SECCOMP_KILL_PROCESS, LP_SECCOMP_LOG, LP_SECCOMP_TRAP }[next(seed, 5)];
	profile->default_errno = LP_SECCOMP_ERRNO_UNSET;
	profile->rules = random->rules;
	profile->rule_count = next(seed, RULES);
	profile->archs = random->archs;
	for (size_t i = 0; i < lp_count(abis); i++)
		if (!abis[i].narrow || !wide)
			random->archs[profile->arch_count++] = abis[i].name;
	for (size_t i = 0; i < profile->rule_count; i++) {
		struct lp_seccomp_rule *rule = &random->rules[i];
		uint32_t first = next(seed, NAMES);

		rule->names = random->names[i];
		rule->name_count = 1 + next(seed, 2);
		rule->action = (enum lp_seccomp_action)(first % LP_SECCOMP_ACTIONS);
		rule->errno_ret = rule->action == LP_SECCOMP_ERRNO || rule->action == LP_SECCOMP_TRACE ? (int32_t)first : LP_SECCOMP_ERRNO_UNSET;
		if (rule->action == LP_SECCOMP_NOTIFY)
			rule->action = LP_SECCOMP_ALLOW;
		rule->args = random->args[i];
		rule->arg_count = next(seed, simple ? 2 : 3);
		random->names[i][0] = names[first];
		random->names[i][1] = names[(first + LP_SECCOMP_ACTIONS) % NAMES];
		if (rule->errno_ret != LP_SECCOMP_ERRNO_UNSET)
			rule->name_count = 1;
		for (size_t a = 0; a < rule->arg_count; a++) {
			struct lp_seccomp_arg *arg = &random->args[i][a];

			arg->index = next(seed, 4);
			arg->op = simple ? LP_SECCOMP_EQ : (enum lp_seccomp_op)next(seed, LP_SECCOMP_OPS);
			arg->value = value(seed, wide);
			if (arg->op == LP_SECCOMP_MASKED_EQ)
				arg->value_two = value(seed, wide) & arg->value;
		}
	}
}

static uint32_t
last_named(const struct lp_seccomp_profile *profile, const struct abi *abi)
{
	uint32_t last = 0;

	for (size_t i = 0; i < profile->rule_count; i++)
		for (size_t j = 0; j < profile->rules[i].name_count; j++) {
			int nr = seccomp_syscall_resolve_name_arch(abi->scmp, profile->rules[i].names[j]);

			if (nr >= 0 && ((uint32_t)nr & ~abi->bit) > last)
				last = (uint32_t)nr & ~abi->bit;
		}
	return last;
}

static bool
refuses(const struct lp_seccomp_profile *profile)
{
	return profile->default_action != LP_SECCOMP_ALLOW && profile->default_action != LP_SECCOMP_LOG;
}

static bool
holds(const struct lp_seccomp_arg *arg, const uint64_t *args, bool narrow)
{
	const uint64_t mask = narrow ? UINT32_MAX : UINT64_MAX, is = args[arg->index] & mask, wanted = arg->value & mask;

	switch (arg->op) {
	case LP_SECCOMP_NE: return is != wanted;
	case LP_SECCOMP_LT: return is < wanted;
	case LP_SECCOMP_LE: return is <= wanted;
	case LP_SECCOMP_EQ: return is == wanted;
	case LP_SECCOMP_GE: return is >= wanted;
	case LP_SECCOMP_GT: return is > wanted;
	case LP_SECCOMP_MASKED_EQ: return (is & wanted) == (arg->value_two & mask);
	case LP_SECCOMP_OPS: break;
	}
	return false;
}

static bool
rule_fits(const struct lp_seccomp_rule *rule, const uint64_t *args, bool narrow)
{
	bool all = true, any = false;
	uint32_t seen = 0, twice = 0;

	for (size_t i = 0; i < rule->arg_count; i++) {
		twice |= seen & 1u << rule->args[i].index;
		seen |= 1u << rule->args[i].index;
		all = all && holds(&rule->args[i], args, narrow);
		any = any || holds(&rule->args[i], args, narrow);
	}
	return twice ? any : all;
}

/* What the profile says, read plainly. */
static uint32_t
model(const struct lp_seccomp_profile *profile, const struct abi *abi, uint32_t nr, const uint64_t *args)
{
	const uint32_t otherwise = scmp_action(profile->default_action, profile->default_errno);
	uint32_t answer = otherwise, last = last_named(profile, abi);
	bool decided = false;

	for (size_t pass = 0; pass < 2; pass++)		/* those without conditions decide first */
		for (size_t i = 0; i < profile->rule_count; i++) {
			const struct lp_seccomp_rule *rule = &profile->rules[i];
			const uint32_t action = scmp_action(rule->action, rule->errno_ret);

			for (size_t j = 0; j < rule->name_count && !decided && action != otherwise; j++) {
				int number = seccomp_syscall_resolve_name_arch(abi->scmp, rule->names[j]);

				if (number < 0 || ((uint32_t)number & ~abi->bit) != nr || (pass == 0 && rule->arg_count > 0))
					continue;
				decided = rule_fits(rule, args, abi->narrow);
				answer = decided ? action : otherwise;
			}
		}
	return !decided && last > 0 && nr > last && refuses(profile) ? SECCOMP_RET_ERRNO | ENOSYS : answer;
}

static uint32_t
ask(const struct lp_buf *filter, const struct abi *abi, uint32_t nr, const uint64_t args[static 6])
{
	struct seccomp_data data = { .nr = (int)(nr | abi->bit), .arch = abi->audit };

	for (size_t a = 0; a < 6; a++)
		data.args[a] = args[a];
	return judge((const struct sock_filter *)(const void *)filter->data, filter->len / sizeof(struct sock_filter), &data);
}

/* The wrong answers of `theirs` (libseccomp's filter; may be NULL), so that the judge is judged too. */
static int
compare(const struct lp_seccomp_profile *profile, const struct lp_buf *ours, const struct lp_buf *theirs, const struct abi *abi, uint32_t *seed,
    bool wide, int rounds)
{
	const uint32_t last = last_named(profile, abi);
	int wrong = 0;

	for (uint32_t nr = 0; nr < LAST; nr++)
		for (int round = 0; round < rounds; round++) {
			uint64_t args[6];
			uint32_t got, want;

			for (size_t a = 0; a < 6; a++)
				args[a] = value(seed, wide && !abi->narrow);
			got = ask(ours, abi, nr, args);
			want = model(profile, abi, nr, args);
			if (got != want)
				FAIL("%s call %u (%#llx, %#llx, %#llx, %#llx): %#x, should be %#x", abi->name, nr, (unsigned long long)args[0],
				    (unsigned long long)args[1], (unsigned long long)args[2], (unsigned long long)args[3], got, want);
			if (theirs && !(last > 0 && nr > last && refuses(profile)))
				wrong += ask(theirs, abi, nr, args) != want;
		}
	return wrong;
}

TEST(random_profiles_answer_as_they_read)
{
	static struct random_profile random;
	struct lp_buf ours, theirs;
	uint32_t seed = 3, flags;
	int wrong_simple = 0;

	lp_buf_init(&ours, 65536);
	lp_buf_init(&theirs, 1 << 20);
	for (int round = 0; round < 60; round++) {
		bool wide = round % 2;

		make_random(&random, &seed, wide, round % 4 < 2);
		lp_buf_reset(&ours);
		CHECK_OK(lp_seccomp_compile(&random.profile, &ours, &flags, &err), &err);
		scmp_filter(&random.profile, &theirs);
		for (size_t i = 0; i < lp_count(abis); i++)
			if (!abis[i].narrow || !wide)
				wrong_simple += compare(&random.profile, &ours, round % 4 < 2 ? &theirs : NULL, &abis[i], &seed, wide, 4);
	}
	/* libseccomp is right where its trees are simple; several comparisons of one argument it merges to something else (2.6.0). */
	CHECK_INT(wrong_simple, 0);
	lp_buf_fini(&ours);
	lp_buf_fini(&theirs);
}

TEST(an_abi_that_is_not_listed_is_killed)
{
	const struct lp_seccomp_profile profile = { .default_action = LP_SECCOMP_ALLOW, .default_errno = LP_SECCOMP_ERRNO_UNSET };
	struct seccomp_data data = { .nr = 1 };
	struct lp_buf ours;
	uint32_t flags;

	lp_buf_init(&ours, 65536);
	CHECK_OK(lp_seccomp_compile(&profile, &ours, &flags, &err), &err);
	for (size_t i = 0; i < lp_count(abis); i++) {
		data.arch = abis[i].audit;
		data.nr = (int)(1 | abis[i].bit);
		CHECK_INT(judge((const struct sock_filter *)(const void *)ours.data, ours.len / sizeof(struct sock_filter), &data),
		    i == 0 ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_THREAD);
	}
	data.arch = AUDIT_ARCH_S390X;
	CHECK_INT(judge((const struct sock_filter *)(const void *)ours.data, ours.len / sizeof(struct sock_filter), &data), SECCOMP_RET_KILL_THREAD);
	lp_buf_fini(&ours);
}

#ifdef __x86_64__
TEST(calls_that_are_carried_by_others_are_found_there_too)
{
	static const char *const names[] = { "socket", "shmget", "recvmmsg" }, *const archs[] = { "SCMP_ARCH_X86" };
	const struct lp_seccomp_arg arg = { .index = 0, .op = LP_SECCOMP_EQ, .value = 40 };
	struct lp_seccomp_rule rule = { .names = names, .name_count = 3, .action = LP_SECCOMP_ERRNO, .errno_ret = 97 };
	const struct lp_seccomp_profile profile = { .default_action = LP_SECCOMP_ALLOW, .default_errno = LP_SECCOMP_ERRNO_UNSET, .archs = archs, .arch_count = 1,
		.rules = &rule, .rule_count = 1 };
	static const struct { int nr; uint64_t first; bool hit, hit_with_args; } rows[] = {
		{ 102, 1, true, true }, { 359, 40, true, true }, { 359, 41, true, false }, { 102, 2, false, false }, { 117, 23, true, true },
		{ 395, 40, true, true }, { 102, 19, true, true }, { 337, 40, true, true }, { 117, 24, false, false },
	};
	struct lp_buf ours;
	uint32_t flags;

	lp_buf_init(&ours, 65536);
	for (size_t round = 0; round < 2; round++) {
		lp_buf_reset(&ours);
		CHECK_OK(lp_seccomp_compile(&profile, &ours, &flags, &err), &err);
		for (size_t i = 0; i < lp_count(rows); i++) {
			struct seccomp_data data = { .nr = rows[i].nr, .arch = AUDIT_ARCH_I386, .args = { rows[i].first } };

			CHECK_INT(judge((const struct sock_filter *)(const void *)ours.data, ours.len / sizeof(struct sock_filter), &data),
			    (round ? rows[i].hit_with_args : rows[i].hit) ? SECCOMP_RET_ERRNO | 97 : SECCOMP_RET_ALLOW);
		}
		rule.args = &arg;
		rule.arg_count = 1;
	}
	lp_buf_fini(&ours);
}
#endif

/* ---- in the kernel ---- */

TEST(a_compiled_profile_is_loaded_and_kept)
{
	static const char *const names[] = { "getpriority" };
	const struct lp_seccomp_rule rule = { .names = names, .name_count = 1, .action = LP_SECCOMP_ERRNO, .errno_ret = 77 };
	const struct lp_seccomp_profile profile = { .default_action = LP_SECCOMP_ALLOW, .default_errno = LP_SECCOMP_ERRNO_UNSET,
		.flags = SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW, .rules = &rule, .rule_count = 1 };
	struct lp_buf bytes;
	uint32_t flags;
	int listener;

	lp_test_need_kernel();
	lp_buf_init(&bytes, 65536);
	CHECK_OK(lp_seccomp_compile(&profile, &bytes, &flags, &err), &err);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_OK(lp_seccomp_load_with(bytes.data, bytes.len, flags, &listener, &err), &err);
	CHECK_INT(listener, -1);
	errno = 0;
	CHECK(syscall(SYS_getpriority, 0, 0) == -1);
	CHECK_INT(errno, 77);
	lp_buf_fini(&bytes);
}

TEST(a_notifying_profile_gives_a_listener)
{
	static const char *const names[] = { "getpriority" };
	const struct lp_seccomp_rule rule = { .names = names, .name_count = 1, .action = LP_SECCOMP_NOTIFY, .errno_ret = LP_SECCOMP_ERRNO_UNSET };
	const struct lp_seccomp_profile profile = { .default_action = LP_SECCOMP_ALLOW, .default_errno = LP_SECCOMP_ERRNO_UNSET, .rules = &rule, .rule_count = 1 };
	struct lp_buf bytes;
	uint32_t flags;
	int listener = -1;

	lp_test_need_kernel();
	lp_buf_init(&bytes, 65536);
	CHECK_OK(lp_seccomp_compile(&profile, &bytes, &flags, &err), &err);
	CHECK_INT(flags, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_OK(lp_seccomp_load_with(bytes.data, bytes.len, flags, &listener, &err), &err);
	CHECK(listener >= 0);
	CHECK(fcntl(listener, F_GETFD) & FD_CLOEXEC);
	CHECK(close(listener) == 0);
	errno = 0;
	CHECK(syscall(SYS_getpriority, 0, 0) == -1);	/* nobody listens any more */
	CHECK_INT(errno, ENOSYS);
	lp_buf_fini(&bytes);
}

TEST(a_flag_that_no_kernel_has_is_said)
{
	const struct lp_seccomp_profile profile = { .default_action = LP_SECCOMP_ALLOW, .default_errno = LP_SECCOMP_ERRNO_UNSET };
	struct lp_buf bytes;
	uint32_t flags;
	int listener = -1;

	lp_test_need_kernel();
	lp_buf_init(&bytes, 65536);
	CHECK_OK(lp_seccomp_compile(&profile, &bytes, &flags, &err), &err);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK_ERR(lp_seccomp_load_with(bytes.data, bytes.len, 1u << 30, &listener, &err), -EOPNOTSUPP);
	lp_buf_fini(&bytes);
}
