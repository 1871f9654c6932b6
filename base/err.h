/*
 * base/err.h - how a failure travels.
 *
 * Shape   a negative errno for the program, one line of at most 255 bytes for the person; plain bytes, so a child
 *         hands it to its parent in one write()
 * Rule    whoever can fail returns 0 or a negative errno; `err` is the last parameter and may be NULL
 * Source  STYLE.md section 4
 */
#ifndef LP_BASE_ERR_H
#define LP_BASE_ERR_H

#include <stddef.h>

#define LP_ERR_TEXT 256

struct lp_err {
	int code;			/* negative errno; 0 when nothing failed */
	char text[LP_ERR_TEXT];		/* one line, no newline at its end, always NUL-terminated */
};

/* What failed, followed by ": " and the system's words for `code` (negative errno). Returns `code`. */
int lp_err_set(struct lp_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Like lp_err_set, but the sentence is complete: nothing is added. Returns `code`. */
int lp_err_say(struct lp_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "<prefix>: " before the words that are there. Returns err->code (-EIO when err is NULL). */
int lp_err_wrap(struct lp_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forget a failure that was dealt with. */
void lp_err_clear(struct lp_err *err);

/* The system's words for a positive or negative errno, without locale. Never NULL. */
const char *lp_err_words(int code);

#endif
