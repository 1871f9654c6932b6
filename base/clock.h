/*
 * base/clock.h - boot-time milliseconds for intervals, wall time for people, the clock floor for certificates.
 *
 * Units   *_ms since boot (CLOCK_BOOTTIME) or since 1970 (wall)
 * Rule    intervals never use the wall clock; validity is judged at max(wall, floor) (TRUST.md rule 16)
 */
#ifndef LP_BASE_CLOCK_H
#define LP_BASE_CLOCK_H

#include <stdint.h>

#include "base/err.h"

int64_t lp_clock_boot_ms(void);
int64_t lp_clock_wall_ms(void);

/* The kernel's name for this boot, asked for once (random(4)): a pid or an interval of another boot means nothing. */
#define LP_CLOCK_BOOT_ID 40
int lp_clock_boot_id(char out[static LP_CLOCK_BOOT_ID], struct lp_err *err);

/* max(wall clock, floor): the time used for certificates. Milliseconds since 1970. */
int64_t lp_clock_trusted_ms(void);

/* Raise the floor (it never falls). Build time is the first floor. */
void lp_clock_raise_floor(int64_t wall_ms);
int64_t lp_clock_floor_ms(void);

/* Seconds that somebody else named, in ms: at most a hundred years either way, so that they can be added to a time. */
int64_t lp_clock_seconds_ms(int64_t seconds);

/* RFC 3339: "2026-11-20T08:00:00Z"; micro "…:00.123456Z"; nano from a timespec-like pair. */
#define LP_CLOCK_TEXT 40
void lp_clock_print(int64_t wall_ms, char out[static LP_CLOCK_TEXT]);
void lp_clock_print_micro(int64_t wall_ms, char out[static LP_CLOCK_TEXT]);
void lp_clock_print_nano(int64_t seconds, int32_t nanos, char out[static LP_CLOCK_TEXT]);

/* Any RFC 3339 time with offset and fraction -> wall ms. -EINVAL. */
int lp_clock_parse(const char *text, int64_t *out_ms);

#endif
