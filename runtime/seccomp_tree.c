#include "runtime/seccomp_tree.h"

#include <string.h>

size_t
lp_seccomp_emit(struct lp_seccomp_code *code, uint16_t op, uint8_t yes, uint8_t no, uint32_t k)
{
	if (code->count == LP_SECCOMP_INSNS) {
		code->full = true;
		return 0;
	}
	code->insn[code->count] = (struct sock_filter){ op, yes, no, k };
	return code->count++;
}

void
lp_seccomp_emit_return(struct lp_seccomp_code *code, uint32_t action)
{
	(void)lp_seccomp_emit(code, BPF_RET | BPF_K, 0, 0, action);
}

size_t
lp_seccomp_ranges(const struct lp_seccomp_range *calls, size_t count, uint32_t hidden, struct lp_seccomp_range *out)
{
	uint32_t next = 0;
	size_t n = 0;

	for (size_t i = 0; i <= count; i++) {
		const struct lp_seccomp_range end = { UINT32_MAX, hidden }, *call = i < count ? &calls[i] : &end;

		if (call->nr < next)
			continue;	/* two names of one number */
		if (call->nr > next && (n == 0 || out[n - 1].answer != hidden))
			out[n++] = (struct lp_seccomp_range){ next, hidden };
		if (i < count && (n == 0 || out[n - 1].answer != call->answer))
			out[n++] = *call;
		next = call->nr + 1;
	}
	return n;
}

/* By halves: the lower half follows, the upper half is jumped to. Depth: the logarithm of the ranges. */
void
lp_seccomp_tree(struct lp_seccomp_code *code, const struct lp_seccomp_range *ranges, size_t count, lp_seccomp_leaf_fn leaf, const void *arg)
{
	size_t middle = count / 2, test, jump;

	if (count == 1) {
		leaf(code, ranges[0].answer, arg);
		return;
	}
	/* A conditional jump reaches 255 instructions, a plain one all. */
	test = lp_seccomp_emit(code, BPF_JMP | BPF_JGE | BPF_K, 0, 1, ranges[middle].nr);
	jump = lp_seccomp_emit(code, BPF_JMP | BPF_JA, 0, 0, 0);
	lp_seccomp_tree(code, ranges, middle, leaf, arg);
	if (code->full)
		return;
	if (code->count - jump - 1 < 255) {
		memmove(&code->insn[jump], &code->insn[jump + 1], (code->count - jump - 1) * sizeof(code->insn[0]));
		code->count--;
		code->insn[test].jt = (uint8_t)(code->count - test - 1);
		code->insn[test].jf = 0;
	} else {
		code->insn[jump].k = (uint32_t)(code->count - jump - 1);
	}
	lp_seccomp_tree(code, ranges + middle, count - middle, leaf, arg);
}
