/*
 * base/log.h - one line per event: time, level, a constant sentence, key=value facts.
 *
 * Rule    agent, manager, keeper and tools log an event once, where it is finally handled; the rooms below return errors
 * Shape   2026-11-20T08:00:00Z WARN pod did not start, will retry pod=default/web in_ms=10000 why="..."
 * Limits  a line is cut at 1,000 bytes; lp_log_limited lets one call site say at most ten lines in ten seconds
 */
#ifndef LP_BASE_LOG_H
#define LP_BASE_LOG_H

#include <stdint.h>

enum lp_log_level { LP_LOG_DEBUG, LP_LOG_INFO, LP_LOG_WARN, LP_LOG_ERROR };

/* Where lines go (a descriptor, default 2) and the least level that is written. */
void lp_log_init(int fd, enum lp_log_level least);

/* "debug", "info", "warn", "error" -> level; -EINVAL for anything else. */
int lp_log_level_parse(const char *name, enum lp_log_level *out);

/* One event. `facts` is a printf format of key=value pairs, may be "". Secrets are never arguments. */
void lp_log(enum lp_log_level level, const char *sentence, const char *facts, ...) __attribute__((format(printf, 3, 4)));

struct lp_log_limit {
	int64_t window_ms;	/* start of the current window, boot-time ms */
	uint32_t said, held;	/* lines written and held back in it */
};

/* For what a peer can trigger. Usage: static struct lp_log_limit limit; if (lp_log_allowed(&limit)) lp_log(...); */
int lp_log_allowed(struct lp_log_limit *limit);

#endif
