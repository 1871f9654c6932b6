/*
 * keeper/logs.h - what containers write, as size-capped files in the CRI log format.
 *
 * Format  "<RFC 3339 with nanoseconds> stdout|stderr F|P <text>\n"; P: the line goes on in the next record of this stream
 * Files   lp_control_log_name: the newer one and, when that reached its size, ".1", the older
 * Limits  a line longer than LP_LOGS_LINE is cut into P records; at most 2 x max_bytes a run. What does not fit on the file
 *         system is dropped and counted, and the container is never held up
 * Source  kubernetes/design-proposals-archive node/kubelet-cri-logging.md
 */
#ifndef LP_KEEPER_LOGS_H
#define LP_KEEPER_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "keeper/control.h"

#define LP_LOGS_LINE 8192
#define LP_LOGS_MAX_BYTES 262144	/* of one file, when the pod's record says nothing */

enum lp_logs_stream {
	LP_LOGS_STDOUT,
	LP_LOGS_STDERR,
	LP_LOGS_STREAMS,
};

struct lp_logs_partial {
	char *text;			/* LP_LOGS_LINE bytes; NULL while no line is unfinished */
	size_t len;
};

struct lp_logs {
	int dir_fd;			/* weak */
	int fd;				/* -1: not open */
	char name[LP_CONTROL_LOG_NAME];
	uint64_t size, max_bytes;
	uint64_t lost;			/* records that could not be written */
	struct lp_logs_partial partial[LP_LOGS_STREAMS];
};

/* Open or go on with the log of one run. max_bytes 0: LP_LOGS_MAX_BYTES. */
int lp_logs_open(struct lp_logs *logs, int dir_fd, const char *container, uint64_t attempt, uint64_t max_bytes, struct lp_err *err);

/* Write unfinished lines, close, free. Safe on a zeroed one whose fd is -1. */
void lp_logs_close(struct lp_logs *logs, int64_t seconds, int32_t nanos);

/* What was read from a stream at this wall time. */
void lp_logs_add(struct lp_logs *logs, enum lp_logs_stream stream, const char *data, size_t len, int64_t seconds, int32_t nanos);

/* Forget the files of one run. */
void lp_logs_remove(int dir_fd, const char *container, uint64_t attempt);

#endif
