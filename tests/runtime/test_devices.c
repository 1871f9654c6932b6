#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "base/auto.h"
#include "runtime/devices.h"
#include "tests/harness.h"

enum { MAX = 512 };

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
		case BPF_ALU64 | BPF_MOV | BPF_K:
			r[i->dst_reg] = (i->code & 7) == BPF_ALU ? (uint32_t)value : value;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			r[i->dst_reg] = (uint32_t)(r[i->dst_reg] & value);
			break;
		case BPF_ALU | BPF_RSH | BPF_K:
			r[i->dst_reg] = (uint32_t)r[i->dst_reg] >> value;
			break;
		case BPF_JMP | BPF_JNE | BPF_K:
			if (r[i->dst_reg] != value)
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
	struct bpf_insn insns[64];

	CHECK_INT(lp_devices_program(NULL, 0, insns, lp_count(insns)), -E2BIG);
}

TEST(a_row_of_an_unknown_type_is_refused)
{
	const struct lp_device device = { .type = 'p' };
	struct lp_err err;

	CHECK_ERR(lp_devices_filter(-1, &device, 1, &err), -EINVAL);
}
