/*
 * wire/retry.h - when to try again: exponential back-off with jitter. Pure: time and chance are arguments.
 *
 * Rule    the n-th wait is drawn from [half, whole] of min(first * 2^n, most); a success that lasted `steady_ms` starts over;
 *         a hint of the peer (goodbye, Retry-After) is obeyed, spread by up to a quarter
 */
#ifndef LP_WIRE_RETRY_H
#define LP_WIRE_RETRY_H

#include <stdint.h>

struct lp_retry {
	int64_t first_ms, most_ms, steady_ms;
	uint32_t failures;	/* since the last steady success */
	int64_t up_since_ms;	/* -1 while down */
};

/* 0 takes the defaults: 500 ms, 60 s, 30 s. */
void lp_retry_init(struct lp_retry *retry, int64_t first_ms, int64_t most_ms, int64_t steady_ms);
void lp_retry_up(struct lp_retry *retry, int64_t now_ms);
/* It failed or ended now: returns when to try again. `chance` is any random number; hint_ms 0 for none. */
int64_t lp_retry_down(struct lp_retry *retry, int64_t now_ms, uint32_t chance, int64_t hint_ms);

#endif
