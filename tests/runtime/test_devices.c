#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "base/auto.h"
#include "runtime/devices.h"
#include "tests/harness.h"

enum { MAX = 512, RULES = 24 };

/* As much of eBPF as the filter uses: registers 0 to 5, one context. */
static int
run(const struct bpf_insn *insns, int count, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint64_t r[16] = { 0 };

	for (int pc = 0; pc < count; pc++) {
		const struct bpf_insn *i = &insns[pc];
		uint64_t value = (i->code & BPF_X) ? r[i->src_reg] : (uint64_t)(int64_t)i->imm;

		switch (i->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			memcpy(&value, (const char *)ctx + i->off, 4);
			r[i->dst_reg] = (uint32_t)value;
			break;
		case BPF_ALU | BPF_MOV | BPF_X:
		case BPF_ALU | BPF_MOV | BPF_K:
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = (i->code & 7) == BPF_ALU ? (uint32_t)value : value;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[i->dst_reg] = (uint32_t)(r[i->dst_reg] & value);
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
		case BPF_ALU | BPF_RSH | BPF_X:
			CHECK(value < 32);	/* the kernel would cut it */
			r[i->dst_reg] = (uint32_t)r[i->dst_reg] >> value;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			if (r[i->dst_reg] != value)
				pc += i->off;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			if (r[i->dst_reg] == value)
				pc += i->off;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			if (r[i->dst_reg] > value)
				pc += i->off;
			break;
		case BPF_JMP | BPF_EXIT:
			return (int)r[0];
		default:
			FAIL("instruction %#x at %d is not one that we emit", i->code, pc);
		}
	}
	FAIL("the program has no end");
}

static int
may(const struct lp_device *devices, size_t count, uint32_t type, uint32_t access, uint32_t major, uint32_t minor)
{
	struct bpf_insn insns[MAX];
	const struct bpf_cgroup_dev_ctx ctx = { .access_type = access << 16 | type, .major = major, .minor = minor };
	int n = lp_devices_program(devices, count, insns, MAX);

	CHECK(n > 0);
	return run(insns, n, &ctx);
}

enum { M = BPF_DEVCG_ACC_MKNOD, R = BPF_DEVCG_ACC_READ, W = BPF_DEVCG_ACC_WRITE, C = BPF_DEVCG_DEV_CHAR, B = BPF_DEVCG_DEV_BLOCK };

TEST(the_usual_devices_and_terminals_may_be_used)
{
	static const uint32_t usual[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 }, { 5, 0 }, { 5, 2 }, { 136, 0 }, { 136, 99 } };

	for (size_t i = 0; i < lp_count(usual); i++) {
		CHECK_INT(may(NULL, 0, C, R | W | M, usual[i][0], usual[i][1]), 1);
		CHECK_INT(may(NULL, 0, B, R, usual[i][0], usual[i][1]), 0);
	}
}

TEST(others_may_not)
{
	CHECK_INT(may(NULL, 0, C, R, 1, 1), 0);		/* mem */
	CHECK_INT(may(NULL, 0, C, W, 1, 11), 0);	/* kmsg */
	CHECK_INT(may(NULL, 0, C, R, 10, 232), 0);	/* kvm */
	CHECK_INT(may(NULL, 0, B, R, 8, 0), 0);
	CHECK_INT(may(NULL, 0, B, M, 8, 0), 0);
}

TEST(a_row_gives_what_it_says_and_no_more)
{
	const struct lp_device rows[] = {
		{ .type = 'c', .major = 188, .minor = 0, .read = true, .write = true },
		{ .type = 'b', .major = 179, .minor = -1, .read = true },
		{ .type = 'c', .major = -1, .minor = -1, .mknod = true },
	};

	CHECK_INT(may(rows, 3, C, R | W, 188, 0), 1);
	CHECK_INT(may(rows, 3, C, R, 188, 0), 1);
	CHECK_INT(may(rows, 3, C, R | M, 188, 0), 0);
	CHECK_INT(may(rows, 3, C, R, 188, 1), 0);
	CHECK_INT(may(rows, 3, B, R, 179, 5), 1);
	CHECK_INT(may(rows, 3, B, R | W, 179, 5), 0);
	CHECK_INT(may(rows, 3, C, M, 4, 7), 1);
	CHECK_INT(may(rows, 3, B, M, 4, 7), 0);
}

TEST(too_many_rows_are_refused)
{
	struct bpf_insn insns[24];

	CHECK_INT(lp_devices_program(NULL, 0, insns, lp_count(insns)), -E2BIG);
}

TEST(a_row_of_an_unknown_type_is_refused)
{
	const struct lp_device device = { .type = 'x' };
	struct lp_err err;

	CHECK_ERR(lp_devices_filter(-1, &device, 1, &err), -EINVAL);
}

/* ---- OCI's rules ---- */

static int
may_by_rules(const struct lp_device_rule *rules, size_t count, uint32_t type, uint32_t access, uint32_t major, uint32_t minor)
{
	struct bpf_insn insns[MAX];
	const struct bpf_cgroup_dev_ctx ctx = { .access_type = access << 16 | type, .major = major, .minor = minor };
	int n = lp_devices_rules_program(rules, count, NULL, 0, insns, MAX);

	CHECK(n >= 0);
	return n == 0 ? 1 : run(insns, n, &ctx);
}

#define RULE(allow_, type_, major_, minor_, access_) \
	{ .allow = (allow_), .type = (type_), .major = (major_), .minor = (minor_), .read = strchr(access_, 'r') != NULL, \
	    .write = strchr(access_, 'w') != NULL, .mknod = strchr(access_, 'm') != NULL }

TEST(rules_are_followed_in_order)
{
	const struct lp_device_rule rules[] = {
		RULE(false, 'a', -1, -1, "rwm"), RULE(true, 'c', 10, -1, "rw"), RULE(false, 'c', 10, 200, "w"), RULE(true, 'b', 8, 0, "r"),
	};

	CHECK_INT(may_by_rules(rules, 4, C, R | W, 10, 229), 1);
	CHECK_INT(may_by_rules(rules, 4, C, R | W | M, 10, 229), 0);
	CHECK_INT(may_by_rules(rules, 4, C, R, 10, 200), 1);
	CHECK_INT(may_by_rules(rules, 4, C, R | W, 10, 200), 0);
	CHECK_INT(may_by_rules(rules, 4, B, R, 8, 0), 1);
	CHECK_INT(may_by_rules(rules, 4, B, R | W, 8, 0), 0);
	CHECK_INT(may_by_rules(rules, 4, B, R, 8, 1), 0);
	CHECK_INT(may_by_rules(rules, 4, C, R | W | M, 1, 3), 1);	/* the usual ones are always there */
	CHECK_INT(may_by_rules(rules, 4, C, R | W, 136, 7), 1);
	CHECK_INT(may_by_rules(rules, 1, C, M, 1, 1), 0);
}

TEST(a_node_that_is_made_may_be_made_and_no_more)
{
	const struct lp_device_rule nothing = RULE(false, 'a', -1, -1, "rwm");
	const struct lp_device node = { .path = "/dev/x", .type = 'c', .major = 4, .minor = 7, .read = true, .write = true }, reader = { .path = "/dev/x",
		.type = 'c', .major = 4, .minor = 7, .read = true };
	struct bpf_insn insns[MAX];
	struct bpf_cgroup_dev_ctx ctx = { .access_type = M << 16 | C, .major = 4, .minor = 7 };
	int n = lp_devices_rules_program(&nothing, 1, &node, 1, insns, MAX);

	CHECK(n > 0);
	CHECK_INT(run(insns, n, &ctx), 1);
	ctx.access_type = R << 16 | C;
	CHECK_INT(run(insns, n, &ctx), 0);
	ctx = (struct bpf_cgroup_dev_ctx){ .access_type = M << 16 | C, .major = 4, .minor = 8 };
	CHECK_INT(run(insns, n, &ctx), 0);
	CHECK_INT(may(&reader, 1, C, M, 4, 7), 1);
	CHECK_INT(may(&reader, 1, C, W, 4, 7), 0);
}

TEST(accesses_given_by_several_rules_add_up)
{
	const struct lp_device_rule rules[] = { RULE(true, 'c', 4, 1, "r"), RULE(true, 'c', 4, -1, "w") };

	CHECK_INT(may_by_rules(rules, 2, C, R | W, 4, 1), 1);
	CHECK_INT(may_by_rules(rules, 2, C, R | W, 4, 2), 0);
	CHECK_INT(may_by_rules(rules, 2, C, W, 4, 2), 1);
}

TEST(a_last_rule_that_allows_everything_needs_no_program)
{
	const struct lp_device_rule rules[] = { RULE(false, 'b', 8, 0, "rwm"), RULE(true, 'a', -1, -1, "rwm"), RULE(false, 'c', 1, 1, "rwm") };
	struct bpf_insn insns[MAX];

	CHECK_INT(lp_devices_rules_program(rules, 2, NULL, 0, insns, MAX), 0);
	CHECK(lp_devices_rules_program(rules, 3, NULL, 0, insns, MAX) > 0);
	CHECK_INT(may_by_rules(rules, 3, C, R, 1, 1), 0);
	CHECK_INT(may_by_rules(rules, 3, C, R, 1, 2), 1);
	CHECK_INT(may_by_rules(rules, 3, B, R | W | M, 8, 0), 1);
}

TEST(rules_that_nothing_can_mean_are_refused)
{
	static const struct lp_device_rule bad[] = { RULE(true, 'x', 1, 1, "r"), RULE(true, '\0', 1, 1, "r"), RULE(true, 'c', INT64_C(1) << 31, 1, "r") };
	struct bpf_insn insns[MAX];
	struct lp_err err;

	for (size_t i = 0; i < lp_count(bad); i++) {
		CHECK_INT(lp_devices_rules_program(&bad[i], 1, NULL, 0, insns, MAX), -EINVAL);
		CHECK_ERR(lp_devices_filter_rules(-1, &bad[i], 1, NULL, 0, &err), -EINVAL);
		CHECK_ERR(lp_devices_replace(-1, &bad[i], 1, &err), -EINVAL);
	}
	CHECK_INT(lp_devices_rules_program(bad, 1000, NULL, 0, insns, MAX), -E2BIG);
}

/* What the rules say, said plainly: each access by itself, the last rule that fits and names it. */
static int
model(const struct lp_device_rule *rules, size_t count, uint32_t type, uint32_t access, uint32_t major, uint32_t minor)
{
	static const uint32_t bits[] = { M, R, W };

	if (type == C && ((major == 1 && (minor == 3 || minor == 5 || minor == 7 || minor == 8 || minor == 9)) ||
		(major == 5 && (minor == 0 || minor == 2)) || major == 136))
		return 1;
	for (size_t b = 0; b < lp_count(bits); b++) {
		bool allowed = false;

		for (size_t i = 0; (access & bits[b]) && i < count; i++) {
			const struct lp_device_rule *rule = &rules[i];
			bool names = bits[b] == M ? rule->mknod : bits[b] == R ? rule->read : rule->write;
			bool fits = rule->type == 'a' || (type == B ? rule->type == 'b' : rule->type == 'c' || rule->type == 'u');

			if (names && fits && (rule->major < 0 || rule->major == major) && (rule->minor < 0 || rule->minor == minor))
				allowed = rule->allow;
		}
		if ((access & bits[b]) && !allowed)
			return 0;
	}
	return 1;
}

static uint32_t
next(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

TEST(random_rules_and_a_plain_reading_of_them_agree)
{
	static const char types[] = "aaccccbbbup";
	uint32_t seed = 20;

	for (int round = 0; round < 3000; round++) {
		struct lp_device_rule rules[RULES];
		size_t count = next(&seed, RULES);

		for (size_t i = 0; i < count; i++)
			rules[i] = (struct lp_device_rule){ .allow = next(&seed, 2), .type = types[next(&seed, sizeof(types) - 1)],
			    .major = (int64_t)next(&seed, 4) - 1, .minor = (int64_t)next(&seed, 5) - 1,
			    .read = next(&seed, 3) > 0, .write = next(&seed, 3) > 0, .mknod = next(&seed, 3) > 0 };
		if (count > 2 && next(&seed, 3) == 0)
			rules[next(&seed, (uint32_t)count)] = (struct lp_device_rule)RULE(next(&seed, 2), 'a', -1, -1, "rwm");
		for (int question = 0; question < 60; question++) {
			uint32_t type = next(&seed, 2) ? C : B, access = 1 + next(&seed, 7), major = next(&seed, 4), minor = next(&seed, 5);
			int got = may_by_rules(rules, count, type, access, major, minor), want = model(rules, count, type, access, major, minor);

			if (got != want)
				FAIL("round %d: type %u access %u device %u:%u: %d, should be %d", round, type, access, major, minor, got, want);
		}
	}
}
