/*
 * tests/runtime/judge.h - what a seccomp filter answers, without a kernel: for comparing filters call by call.
 */
#ifndef LP_TESTS_RUNTIME_JUDGE_H
#define LP_TESTS_RUNTIME_JUDGE_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* SECCOMP_RET_*; fails the test when the program is none. */
uint32_t judge(const struct sock_filter *insns, size_t count, const struct seccomp_data *data);

#endif
