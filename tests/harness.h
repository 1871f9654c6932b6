/*
 * tests/harness.h - tests whose names are sentences, one process each.
 *
 * Use      TEST(a_closed_lid_keeps_the_rain_out) { CHECK(lid_closed()); CHECK_INT(drops(), 0); }
 * Output   TAP on standard output; what a test printed follows its line when it failed (or LP_TEST_VERBOSE=1)
 * Exit     0 all passed or skipped, 1 something failed, 77 everything was skipped, 2 wrong usage
 * Run      test_x [--list] [name ...]; a name may be a part of the sentence
 * Process  every TEST runs in a forked child in a process group of its own; the group is killed at its end, and
 *          after LP_TEST_TIMEOUT seconds (default 30). A CHECK that fails ends the process that called it.
 * Files    lp_test_dir() only; it is removed afterwards, and what cannot be removed fails the test
 */
#ifndef LP_TESTS_HARNESS_H
#define LP_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct lp_test {
	const char *name;
	void (*run)(void);
	struct lp_test *next;
};

void lp_test_add(struct lp_test *test);

#define TEST(sentence)                                                                   \
	static void lp_test_run_##sentence(void);                                        \
	static struct lp_test lp_test_##sentence = { #sentence, lp_test_run_##sentence, NULL }; \
	__attribute__((constructor)) static void lp_test_add_##sentence(void)            \
	{                                                                                \
		lp_test_add(&lp_test_##sentence);                                        \
	}                                                                                \
	static void lp_test_run_##sentence(void)

#define CHECK(condition) lp_test_check(__FILE__, __LINE__, #condition, (condition))
#define CHECK_INT(got, want) \
	lp_test_check_int(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_STR(got, want) lp_test_check_str(__FILE__, __LINE__, #got, (got), (want))
#define CHECK_MEM(got, want, len) lp_test_check_mem(__FILE__, __LINE__, #got, (got), (want), (len))

/* The call succeeded (rc >= 0); prints the words of `err` otherwise. `err` may be NULL. */
#define CHECK_OK(rc, err) lp_test_check_ok(__FILE__, __LINE__, #rc, (long long)(rc), (err))

/* The call failed with exactly this negative errno. */
#define CHECK_ERR(rc, code) lp_test_check_err(__FILE__, __LINE__, #rc, (long long)(rc), (code))

/* The text holds the part. */
#define CHECK_HAS(text, part) lp_test_check_has(__FILE__, __LINE__, #text, (text), (part))

/* Ends the test as skipped; the reason is shown by the runner. */
#define SKIP(...) lp_test_skip(__VA_ARGS__)

/* Ends the test as failed. */
#define FAIL(...) lp_test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* A directory of this test's own, made at the first call, removed after the test. Never NULL. */
const char *lp_test_dir(void);

/* "<test dir>/<name>", in one of eight static buffers that take turns. */
const char *lp_test_path(const char *name);

/* Write `len` bytes (or the string, when len is SIZE_MAX) into a file of the test's directory. Returns its path. */
const char *lp_test_file(const char *name, const void *data, size_t len);

/* The whole file as a NUL-terminated string that the caller frees; fails the test when it cannot be read. */
char *lp_test_read(const char *path, size_t *out_len);

/* Skips under qemu-user (LP_RUNNER), which passes on neither clone3 nor seccomp nor much of prctl, and is slow. */
void lp_test_need_kernel(void);

/* Skips unless the test runs as root. */
void lp_test_need_root(void);

/* Moves the test into new namespaces (CLONE_NEW* flags); with CLONE_NEWNS nothing propagates back to the host, with
 * CLONE_NEWNET the loopback is up. CLONE_NEWPID applies to the next child. Skips when the kernel or rights refuse. */
void lp_test_new_namespaces(int flags);

/* True until `ms` milliseconds have passed since the first call with this *deadline_ms (start it with 0), after a pause
 * of 5 ms: while (lp_test_wait(&deadline, 2000) && !done()) continue;  Bounded waiting for what has no event. */
bool lp_test_wait(int64_t *deadline_ms, int ms);

void lp_test_check(const char *file, int line, const char *what, bool ok);
void lp_test_check_int(const char *file, int line, const char *what, long long got, long long want);
void lp_test_check_str(const char *file, int line, const char *what, const char *got, const char *want);
void lp_test_check_mem(const char *file, int line, const char *what, const void *got, const void *want, size_t len);
void lp_test_check_ok(const char *file, int line, const char *what, long long rc, const struct lp_err *err);
void lp_test_check_err(const char *file, int line, const char *what, long long rc, int code);
void lp_test_check_has(const char *file, int line, const char *what, const char *text, const char *part);
void lp_test_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void lp_test_fail(const char *file, int line, const char *fmt, ...) __attribute__((noreturn, format(printf, 3, 4)));

#endif
