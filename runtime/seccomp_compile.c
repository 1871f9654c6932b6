#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "runtime/seccomp_calls.h"
#include "runtime/seccomp_profile.h"
#include "runtime/seccomp_tree.h"

/*
 * Format  one block for each ABI: its calls as a search tree (seccomp_tree.h), a leaf answers or tries the rules of one call in
 *         order. In tests/ libseccomp's own filter for the same profile must agree.
 * 32 bit  ABIs compare the low halves of arguments. On x86 the old calls socketcall and ipc carry others, whose arguments cannot
 *         be seen: rules without arguments hold for them too, rules with some only when they make a permissive default stricter.
 */

enum { CALLS_MAX = 4096, PATCH_MAX = 64, X32_BIT = 0x40000000, SOCKETCALL = 102, IPC = 117 };

/* One rule for one call of one ABI. */
struct call {
	uint32_t nr;
	uint16_t rule;
	uint16_t mux;			/* the rule is for this first argument of socketcall or ipc; 0: for the call itself */
};

/* What a number of an ABI answers: an action, or the rules that stand from first on. */
struct answer {
	uint32_t action;
	uint16_t first, count;		/* count 0: the action alone */
};

struct maker {
	const struct lp_seccomp_profile *profile;
	uint32_t default_action;
	bool narrow;			/* the ABI at work has 32-bit arguments */
	struct call calls[CALLS_MAX];
	size_t call_count;
	struct answer answers[CALLS_MAX + 2];
	size_t answer_count;
	struct lp_seccomp_range rows[CALLS_MAX], ranges[2 * CALLS_MAX + 1];
	struct lp_seccomp_code code;
	bool full;
};

static uint32_t
action_value(enum lp_seccomp_action action, int32_t errno_ret)
{
	const uint32_t data = errno_ret == LP_SECCOMP_ERRNO_UNSET ? EPERM : (uint32_t)errno_ret & SECCOMP_RET_DATA;

	switch (action) {
	case LP_SECCOMP_KILL_THREAD:
		return SECCOMP_RET_KILL_THREAD;
	case LP_SECCOMP_KILL_PROCESS:
		return SECCOMP_RET_KILL_PROCESS;
	case LP_SECCOMP_TRAP:
		return SECCOMP_RET_TRAP;
	case LP_SECCOMP_ERRNO:
		return SECCOMP_RET_ERRNO | data;
	case LP_SECCOMP_TRACE:
		return SECCOMP_RET_TRACE | data;
	case LP_SECCOMP_NOTIFY:
		return SECCOMP_RET_USER_NOTIF;
	case LP_SECCOMP_LOG:
		return SECCOMP_RET_LOG;
	case LP_SECCOMP_ALLOW:
	case LP_SECCOMP_ACTIONS:
		break;
	}
	return SECCOMP_RET_ALLOW;
}

static uint32_t
rule_action(const struct maker *maker, const struct call *call)
{
	const struct lp_seccomp_rule *rule = &maker->profile->rules[call->rule];

	return action_value(rule->action, rule->errno_ret);
}

static bool
permissive(uint32_t action)
{
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG || (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_TRACE;
}

/* ---- which calls ---- */

static void
add_call(struct maker *maker, int nr, size_t rule, unsigned mux)
{
	if (maker->call_count == CALLS_MAX || rule > UINT16_MAX) {
		maker->full = true;
		return;
	}
	maker->calls[maker->call_count++] = (struct call){ (uint32_t)nr, (uint16_t)rule, (uint16_t)mux };
}

#ifdef __x86_64__
/* i386: what socketcall (0) and ipc (1) call so, and its own number where it has one. Source: linux/net.h, ipc.h, syscall_32.tbl */
static int
own_number(int family, int subcall)
{
	static const struct {
		uint8_t family, subcall;
		uint16_t nr;
	} rows[] = {
		{ 0, 1, 359 }, { 0, 2, 361 }, { 0, 3, 362 }, { 0, 4, 363 }, { 0, 6, 367 }, { 0, 7, 368 }, { 0, 8, 360 }, { 0, 11, 369 },
		{ 0, 12, 371 }, { 0, 13, 373 }, { 0, 14, 366 }, { 0, 15, 365 }, { 0, 16, 370 }, { 0, 17, 372 }, { 0, 18, 364 },
		{ 0, 19, 337 }, { 0, 20, 345 }, { 1, 2, 393 }, { 1, 3, 394 }, { 1, 11, 400 }, { 1, 12, 401 }, { 1, 13, 399 }, { 1, 14, 402 },
		{ 1, 21, 397 }, { 1, 22, 398 }, { 1, 23, 395 }, { 1, 24, 396 },
	};

	for (size_t i = 0; i < lp_count(rows); i++)
		if (rows[i].family == family && rows[i].subcall == subcall)
			return rows[i].nr;
	return -1;
}

/* A call that is carried by another is called -100 - n and -200 - n (seccomp_calls.def). */
static void
add_carried(struct maker *maker, int pseudo, size_t rule)
{
	const int family = pseudo <= -200, subcall = -pseudo - (family ? 200 : 100), own = own_number(family, subcall);

	if (own >= 0)
		add_call(maker, own, rule, 0);
	if (!maker->profile->rules[rule].arg_count || permissive(maker->default_action))
		add_call(maker, family ? IPC : SOCKETCALL, rule, (unsigned)subcall);
}
#else
static void
add_carried(struct maker *maker, int pseudo, size_t rule)
{
	(void)maker, (void)pseudo, (void)rule;	/* no such calls on ARM */
}
#endif

static int
by_number(const void *a, const void *b)
{
	const struct call *x = a, *y = b;

	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	return x->rule != y->rule ? (x->rule < y->rule ? -1 : 1) : (x->mux > y->mux) - (x->mux < y->mux);
}

/* Every call that the profile names on this ABI; *out_last is the highest number, of rules that say nothing too. */
static void
collect(struct maker *maker, enum lp_seccomp_abi abi, uint32_t *out_last)
{
	const struct lp_seccomp_profile *profile = maker->profile;

	*out_last = 0;
	maker->call_count = 0;
	for (size_t i = 0; i < profile->rule_count; i++) {
		const struct lp_seccomp_rule *rule = &profile->rules[i];
		const bool idle = action_value(rule->action, rule->errno_ret) == maker->default_action;

		for (size_t j = 0; j < rule->name_count; j++) {
			int nr = lp_seccomp_call(abi, rule->names[j]);

			if (nr >= 0 && (uint32_t)nr > *out_last)
				*out_last = (uint32_t)nr;
			if (idle)
				continue;
			if (nr >= 0)
				add_call(maker, nr, i, 0);
			else if (nr != LP_SECCOMP_NO_CALL)
				add_carried(maker, nr, i);
		}
	}
	qsort(maker->calls, maker->call_count, sizeof(maker->calls[0]), by_number);
}

static uint32_t
new_answer(struct maker *maker, struct answer answer)
{
	for (size_t i = 0; answer.count == 0 && i < maker->answer_count; i++)
		if (maker->answers[i].count == 0 && maker->answers[i].action == answer.action)
			return (uint32_t)i;
	maker->answers[maker->answer_count] = answer;
	return (uint32_t)maker->answer_count++;
}

/* The rules of one number: the first that asks nothing decides alone. */
static struct answer
group(const struct maker *maker, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		if (!maker->calls[i].mux && !maker->profile->rules[maker->calls[i].rule].arg_count)
			return (struct answer){ .action = rule_action(maker, &maker->calls[i]) };
	return (struct answer){ .first = (uint16_t)first, .count = (uint16_t)count };
}

/* ---- a rule with arguments ---- */

/* Jumps of one rule that lead to the next one; filled in when its place is known. */
struct patches {
	size_t at[PATCH_MAX];
	size_t count;
};

/* Compare the word loaded; SAME, OTHER or NEXT for yes and no. */
enum way { ON, OTHER };			/* go on with the next instruction; leave for the next rule */

static void
test_word(struct maker *maker, struct patches *patches, uint16_t op, uint32_t k, enum way yes, enum way no)
{
	size_t at = lp_seccomp_emit(&maker->code, BPF_JMP | op | BPF_K, 0, 0, k);

	/* The jump that leaves is 255 until its place is known. */
	maker->code.insn[at].jt = yes == OTHER ? UINT8_MAX : 0;
	maker->code.insn[at].jf = no == OTHER ? UINT8_MAX : 0;
	if (patches->count < PATCH_MAX)
		patches->at[patches->count++] = at;
	else
		maker->full = true;
}

static void
load_half(struct maker *maker, const struct lp_seccomp_arg *arg, bool high, uint32_t mask)
{
	(void)lp_seccomp_emit(&maker->code, BPF_LD | BPF_W | BPF_ABS, 0, 0,
	    (uint32_t)(offsetof(struct seccomp_data, args) + arg->index * 8 + (high ? 4 : 0)));
	if (mask != UINT32_MAX)
		(void)lp_seccomp_emit(&maker->code, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
}

/* (argument & mask) == value, or != with `unequal`. */
static void
test_equal(struct maker *maker, struct patches *patches, const struct lp_seccomp_arg *arg, uint64_t mask, uint64_t value, bool unequal)
{
	const bool high = !maker->narrow && !(mask >> 32 == 0 && value >> 32 == 0);
	size_t skip = 0;

	if (high) {
		load_half(maker, arg, true, (uint32_t)(mask >> 32));
		if (unequal)	/* high halves that differ are enough: over the test of the low ones */
			skip = lp_seccomp_emit(&maker->code, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint32_t)(value >> 32));
		else
			test_word(maker, patches, BPF_JEQ, (uint32_t)(value >> 32), ON, OTHER);
	}
	load_half(maker, arg, false, (uint32_t)mask);
	test_word(maker, patches, BPF_JEQ, (uint32_t)value, unequal ? OTHER : ON, unequal ? ON : OTHER);
	if (high && unequal)
		maker->code.insn[skip].jf = (uint8_t)(maker->code.count - skip - 1);
}

/* argument > value (or >=), turned round with `not`. */
static void
test_above(struct maker *maker, struct patches *patches, const struct lp_seccomp_arg *arg, bool or_equal, bool not)
{
	const enum way yes = not ? OTHER : ON, no = not ? ON : OTHER;
	size_t above = 0, same = 0;

	if (!maker->narrow) {
		load_half(maker, arg, true, UINT32_MAX);
		if (not) {
			test_word(maker, patches, BPF_JGT, (uint32_t)(arg->value >> 32), OTHER, ON);
			same = lp_seccomp_emit(&maker->code, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, (uint32_t)(arg->value >> 32));
		} else {
			above = lp_seccomp_emit(&maker->code, BPF_JMP | BPF_JGT | BPF_K, 0, 0, (uint32_t)(arg->value >> 32));
			test_word(maker, patches, BPF_JEQ, (uint32_t)(arg->value >> 32), ON, OTHER);
		}
	}
	load_half(maker, arg, false, UINT32_MAX);
	test_word(maker, patches, or_equal ? BPF_JGE : BPF_JGT, (uint32_t)arg->value, yes, no);
	if (!maker->narrow && not)
		maker->code.insn[same].jf = (uint8_t)(maker->code.count - same - 1);
	else if (!maker->narrow)
		maker->code.insn[above].jt = (uint8_t)(maker->code.count - above - 1);
}

static void
test_arg(struct maker *maker, struct patches *patches, const struct lp_seccomp_arg *arg)
{
	switch (arg->op) {
	case LP_SECCOMP_EQ:
		test_equal(maker, patches, arg, UINT64_MAX, arg->value, false);
		return;
	case LP_SECCOMP_NE:
		test_equal(maker, patches, arg, UINT64_MAX, arg->value, true);
		return;
	case LP_SECCOMP_MASKED_EQ:
		test_equal(maker, patches, arg, arg->value, arg->value_two, false);
		return;
	case LP_SECCOMP_GT:
		test_above(maker, patches, arg, false, false);
		return;
	case LP_SECCOMP_GE:
		test_above(maker, patches, arg, true, false);
		return;
	case LP_SECCOMP_LE:
		test_above(maker, patches, arg, false, true);
		return;
	case LP_SECCOMP_LT:
		test_above(maker, patches, arg, true, true);
		return;
	case LP_SECCOMP_OPS:
		break;
	}
	maker->full = true;	/* lp_seccomp_compile has checked */
}

/* Answer, and let every jump that leaves come here. */
static void
finish_rule(struct maker *maker, const struct patches *patches, uint32_t action)
{
	lp_seccomp_emit_return(&maker->code, action);
	for (size_t i = 0; i < patches->count; i++) {
		struct sock_filter *insn = &maker->code.insn[patches->at[i]];
		size_t far = maker->code.count - patches->at[i] - 1;

		if (far >= UINT8_MAX)
			maker->full = true;
		if (insn->jt == UINT8_MAX)
			insn->jt = (uint8_t)far;
		if (insn->jf == UINT8_MAX)
			insn->jf = (uint8_t)far;
	}
}

static bool
asks_twice(const struct lp_seccomp_rule *rule)
{
	uint32_t seen = 0;

	for (size_t i = 0; i < rule->arg_count; i++) {
		if (seen & 1u << rule->args[i].index)
			return true;
		seen |= 1u << rule->args[i].index;
	}
	return false;
}

static void
emit_rule(struct maker *maker, const struct call *call)
{
	const struct lp_seccomp_rule *rule = &maker->profile->rules[call->rule];
	const uint32_t action = rule_action(maker, call);
	const struct lp_seccomp_arg first = { .op = LP_SECCOMP_EQ, .value = call->mux };
	const bool either = !call->mux && asks_twice(rule);
	struct patches patches = { .count = 0 };

	if (call->mux)
		test_arg(maker, &patches, &first);
	for (size_t i = 0; !call->mux && i < rule->arg_count; i++) {
		test_arg(maker, &patches, &rule->args[i]);
		if (either) {
			finish_rule(maker, &patches, action);
			patches.count = 0;
		}
	}
	if (!either)
		finish_rule(maker, &patches, action);
}

static void
emit_leaf(struct lp_seccomp_code *code, uint32_t index, const void *arg)
{
	struct maker *maker = lp_of(code, struct maker, code);
	const struct answer *answer = &maker->answers[index];

	(void)arg;
	for (size_t i = 0; i < answer->count; i++)
		emit_rule(maker, &maker->calls[answer->first + i]);
	lp_seccomp_emit_return(code, answer->count ? maker->default_action : answer->action);
}

/* ---- ABIs ---- */

/* The calls of one ABI, whose number is loaded. */
static void
emit_calls(struct maker *maker, enum lp_seccomp_abi abi, uint32_t number_bit)
{
	uint32_t last, hidden, newer;
	size_t rows = 0, ranges;

	collect(maker, abi, &last);
	maker->answer_count = 0;
	hidden = new_answer(maker, (struct answer){ .action = maker->default_action });
	for (size_t i = 0, end; i < maker->call_count; i = end) {
		for (end = i + 1; end < maker->call_count && maker->calls[end].nr == maker->calls[i].nr; end++)
			;
		maker->rows[rows++] = (struct lp_seccomp_range){ maker->calls[i].nr, new_answer(maker, group(maker, i, end - i)) };
	}
	ranges = lp_seccomp_ranges(maker->rows, rows, hidden, maker->ranges);
	/* What is newer than the profile does not exist for it. */
	if (last > 0 && !permissive(maker->default_action)) {
		newer = new_answer(maker, (struct answer){ .action = SECCOMP_RET_ERRNO | ENOSYS });
		while (ranges > 1 && maker->ranges[ranges - 1].nr > last)
			ranges--;
		maker->ranges[ranges++] = (struct lp_seccomp_range){ last + 1, newer };
	}
	for (size_t i = 1; number_bit && i < ranges; i++)
		maker->ranges[i].nr |= number_bit;
	lp_seccomp_tree(&maker->code, maker->ranges, ranges, emit_leaf, NULL);
}

/* What this kernel can run; the first is native. */
static const struct {
	char name[20];
	uint32_t audit;
	enum lp_seccomp_abi calls;
	bool narrow;
} abis[] = {
#if defined(__x86_64__)
	{ "SCMP_ARCH_X86_64", AUDIT_ARCH_X86_64, LP_SECCOMP_X86_64, false },
	{ "SCMP_ARCH_X86", AUDIT_ARCH_I386, LP_SECCOMP_X86, true },
	{ "SCMP_ARCH_X32", AUDIT_ARCH_X86_64, LP_SECCOMP_X32, true },
#elif defined(__aarch64__)
	{ "SCMP_ARCH_AARCH64", AUDIT_ARCH_AARCH64, LP_SECCOMP_ARM64, false },
	{ "SCMP_ARCH_ARM", AUDIT_ARCH_ARM, LP_SECCOMP_ARM, true },
#elif defined(__arm__)
	{ "SCMP_ARCH_ARM", AUDIT_ARCH_ARM, LP_SECCOMP_ARM, true },
#else
#error "which audit architecture is this?"
#endif
};

static bool
listed(const struct lp_seccomp_profile *profile, size_t abi)
{
	for (size_t i = 0; i < profile->arch_count; i++)
		if (strcmp(profile->archs[i], abis[abi].name) == 0)
			return true;
	return abi == 0;
}

#ifdef __x86_64__
/* x32 shares its architecture with x86-64 and is told by a bit of the number. */
static void
emit_x32(struct maker *maker)
{
	size_t test = lp_seccomp_emit(&maker->code, BPF_JMP | BPF_JGE | BPF_K, 0, 1, X32_BIT), jump;

	(void)test;
	jump = lp_seccomp_emit(&maker->code, BPF_JMP | BPF_JA, 0, 0, 0);
	maker->narrow = false;
	emit_calls(maker, LP_SECCOMP_X86_64, 0);
	maker->code.insn[jump].k = (uint32_t)(maker->code.count - jump - 1);
	maker->narrow = true;
	if (listed(maker->profile, 2))
		emit_calls(maker, LP_SECCOMP_X32, X32_BIT);
	else
		lp_seccomp_emit_return(&maker->code, SECCOMP_RET_KILL_THREAD);
}
#endif

static void
emit_abi(struct maker *maker, size_t abi)
{
	struct lp_seccomp_code *code = &maker->code;
	size_t jump;

	(void)lp_seccomp_emit(code, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, abis[abi].audit);
	jump = lp_seccomp_emit(code, BPF_JMP | BPF_JA, 0, 0, 0);
	(void)lp_seccomp_emit(code, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	if (abi == 0) {
		emit_x32(maker);
		code->insn[jump].k = (uint32_t)(code->count - jump - 1);
		return;
	}
#endif
	maker->narrow = abis[abi].narrow;
	emit_calls(maker, abis[abi].calls, 0);
	code->insn[jump].k = (uint32_t)(code->count - jump - 1);
}

/* ---- all ---- */

static int
check_errno(enum lp_seccomp_action action, int32_t errno_ret, struct lp_err *err)
{
	if ((unsigned)action >= LP_SECCOMP_ACTIONS)
		return lp_err_say(err, -EINVAL, "seccomp action %u is none", (unsigned)action);
	if (errno_ret == LP_SECCOMP_ERRNO_UNSET)
		return 0;
	if (action != LP_SECCOMP_ERRNO && action != LP_SECCOMP_TRACE)
		return lp_err_say(err, -EINVAL, "seccomp action %s takes no errno", lp_seccomp_action_name(action));
	if (errno_ret < 0 || errno_ret > 4095)
		return lp_err_say(err, -EINVAL, "seccomp errno %d is not 0 to 4095", errno_ret);
	return 0;
}

static int
check_rule(const struct lp_seccomp_rule *rule, struct lp_err *err)
{
	int rc = check_errno(rule->action, rule->errno_ret, err);

	if (rc < 0)
		return rc;
	if (rule->arg_count > 12)
		return lp_err_say(err, -E2BIG, "a seccomp rule with %zu conditions", rule->arg_count);
	for (size_t i = 0; i < rule->arg_count; i++)
		if (rule->args[i].index > 5 || (unsigned)rule->args[i].op >= LP_SECCOMP_OPS)
			return lp_err_say(err, -EINVAL, "a seccomp condition on argument %u (0 to 5 are there)", rule->args[i].index);
	/* Whoever answers for write could not be written to. Source: runc. */
	for (size_t i = 0; rule->action == LP_SECCOMP_NOTIFY && i < rule->name_count; i++)
		if (strcmp(rule->names[i], "write") == 0)
			return lp_err_say(err, -EINVAL, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
	return 0;
}

int
lp_seccomp_compile(const struct lp_seccomp_profile *profile, struct lp_buf *out, uint32_t *out_flags, struct lp_err *err)
{
	lp_auto_free struct maker *maker = calloc(1, sizeof(*maker));
	uint32_t flags = profile->flags & ~(uint32_t)SECCOMP_FILTER_FLAG_TSYNC;
	int rc = check_errno(profile->default_action, profile->default_errno, err);

	if (rc == 0 && profile->default_action == LP_SECCOMP_NOTIFY)
		rc = lp_err_say(err, -EINVAL, "SCMP_ACT_NOTIFY cannot be used as default action");
	for (size_t i = 0; rc == 0 && i < profile->rule_count; i++) {
		rc = check_rule(&profile->rules[i], err);
		if (profile->rules[i].action == LP_SECCOMP_NOTIFY)
			flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	}
	if (rc < 0)
		return rc;
	if (!maker)
		return lp_err_set(err, -ENOMEM, "seccomp filter");
	maker->profile = profile;
	maker->default_action = action_value(profile->default_action, profile->default_errno);
	(void)lp_seccomp_emit(&maker->code, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	for (size_t i = 0; i < lp_count(abis); i++)
		if (listed(profile, i) && (i == 0 || abis[i].audit != abis[0].audit))
			emit_abi(maker, i);
	lp_seccomp_emit_return(&maker->code, SECCOMP_RET_KILL_THREAD);
	if (maker->full || maker->code.full)
		return lp_err_say(err, -E2BIG, "the seccomp profile is too long: the kernel takes %d instructions", LP_SECCOMP_INSNS);
	rc = lp_buf_add(out, maker->code.insn, maker->code.count * sizeof(maker->code.insn[0]));
	if (rc < 0)
		return lp_err_set(err, rc, "seccomp filter");
	*out_flags = flags & SECCOMP_FILTER_FLAG_NEW_LISTENER ? flags : flags & ~(uint32_t)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	return 0;
}
