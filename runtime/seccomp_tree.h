/*
 * runtime/seccomp_tree.h - classic BPF for seccomp: instructions, and call numbers searched by halves.
 *
 * Theory  Loading a filter costs in proportion to its length, at every start. So rules become ranges of consecutive call numbers
 *         with one answer, and the program is a binary tree of "at least this number?" whose leaves the caller writes
 * Limits  LP_SECCOMP_INSNS, as the kernel's (BPF_MAXINSNS); `full` is sticky
 */
#ifndef LP_RUNTIME_SECCOMP_TREE_H
#define LP_RUNTIME_SECCOMP_TREE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LP_SECCOMP_INSNS 4096

struct lp_seccomp_code {
	struct sock_filter insn[LP_SECCOMP_INSNS];
	size_t count;
	bool full;
};

/* From this call number on, until the next row. What an answer means is the caller's. */
struct lp_seccomp_range {
	uint32_t nr;
	uint32_t answer;
};

/* Writes the leaf of an answer: must end in returns, and not jump out. The call's number is loaded. */
typedef void (*lp_seccomp_leaf_fn)(struct lp_seccomp_code *code, uint32_t answer, const void *arg);

/* One instruction; returns its index. */
size_t lp_seccomp_emit(struct lp_seccomp_code *code, uint16_t op, uint8_t yes, uint8_t no, uint32_t k);
void lp_seccomp_emit_return(struct lp_seccomp_code *code, uint32_t action);

/*
 * Sorted calls (of two with one number the first counts) into ranges: numbers that no call names get the answer `hidden`,
 * neighbours with one answer become one. `out` holds 2 * count + 1 rows; returns how many.
 */
size_t lp_seccomp_ranges(const struct lp_seccomp_range *calls, size_t count, uint32_t hidden, struct lp_seccomp_range *out);

/* The tree over these ranges, at least one. */
void lp_seccomp_tree(struct lp_seccomp_code *code, const struct lp_seccomp_range *ranges, size_t count, lp_seccomp_leaf_fn leaf,
    const void *arg);

#endif
