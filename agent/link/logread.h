/*
 * agent/link/logread.h - the log of one run of a container, as kubectl wants to see it: from CRI files to text.
 *
 * Theory  A run has at most two files, the older with ".1" (keeper/logs.h). They are opened together, read one after the other,
 *         and the newer one is followed over its rotations: when its name belongs to another file, what is left of it is
 *         read first. A record is "<time> <stream> F|P <text>\n"; P goes on without a new line
 * Limits  a record longer than LP_LOGREAD_RECORD is damaged and skipped
 */
#ifndef LP_AGENT_LOGREAD_H
#define LP_AGENT_LOGREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "keeper/control.h"

#define LP_LOGREAD_RECORD 65536

struct lp_logread_opts {
	bool previous;			/* the run before the latest */
	bool timestamps;		/* each line begins with its time */
	int64_t tail;			/* only so many lines; -1 all */
	int64_t since_ms;		/* wall time; 0 all */
	int64_t limit_bytes;		/* of text; 0 none */
};

struct lp_logread {
	struct lp_logread_opts opts;
	int dir_fd;			/* weak: <run>/logs/<uid> */
	int fds[2];			/* older, newer; -1 none or read */
	uint64_t attempt;
	char name[LP_CONTROL_LOG_NAME];	/* of the newer file */
	char since[24];			/* since_ms as the beginning of a record's time; "" */
	struct lp_buf carry;		/* the beginning of a record whose end was not read yet */
	uint64_t skip;			/* lines still to be left out */
	int64_t sent;			/* bytes of text */
	bool middle;			/* the next record goes on with a line */
	bool rotated;			/* the newer file has lost its name: read it to its end, then the next */
	bool full;			/* limit_bytes reached */
};

/* -ENOENT when there is no such run. dir_fd must stay open. */
int lp_logread_open(struct lp_logread *reader, int dir_fd, const char *container, const struct lp_logread_opts *opts, struct lp_err *err);
void lp_logread_close(struct lp_logread *reader);

/* Add some text to out. 1: there may be more right now; 0: the end, for now (or the limit: reader->full). */
int lp_logread_next(struct lp_logread *reader, struct lp_buf *out, struct lp_err *err);

#endif
