/*
 * agent/guard/logage.h - logs that are older than the node keeps them go, however small they are.
 *
 * Rule    a file whose last record is too old: rotated ones are removed, a present one is emptied (its writer appends, and goes on). What
 *         a container still writes to is bounded by size alone, until it is quiet for long enough
 */
#ifndef LP_AGENT_LOGAGE_H
#define LP_AGENT_LOGAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* logs_fd: <run>/logs. *out_count (may be NULL): files that were removed or emptied. */
int lp_logage_drop(int logs_fd, int64_t max_age_ms, int64_t wall_ms, size_t *out_count, struct lp_err *err);

#endif
