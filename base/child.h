/*
 * base/child.h - slow work in a child process; its pidfd is a watch, its lp_err comes back through a pipe.
 *
 * Rule    only for single-threaded callers; the child gets a copy of memory and every descriptor, does its work and _exits
 * Memory  the result is the owner's: lp_child_cancel gives it back, also after done(), before the struct is used again
 * Result  done() is called once from the loop: err->code 0 on success, -ECHILD with words when the child died by a signal
 */
#ifndef LP_BASE_CHILD_H
#define LP_BASE_CHILD_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

struct lp_child;
typedef int (*lp_child_work_fn)(void *arg, struct lp_buf *result, struct lp_err *err);	/* runs in the child */
typedef void (*lp_child_done_fn)(struct lp_child *child, const struct lp_err *err, int64_t now_ms);

struct lp_child {
	struct lp_watch exit_watch, result_watch;
	struct lp_loop *loop;
	pid_t pid;			/* 0 when none */
	int pidfd, pipe_fd;		/* -1 when none */
	struct lp_buf result;		/* what the work wrote; at most 1 MiB; valid in done() */
	struct lp_err err;
	lp_child_done_fn done;
};

/* Start. The child struct must stay until done() or lp_child_cancel(). */
int lp_child_start(struct lp_loop *loop, struct lp_child *child, lp_child_work_fn work, void *arg, lp_child_done_fn done, struct lp_err *err);
/* fork(), but straight into a cgroup (-1: ours): moving a process afterwards costs ten times as much. As fork, errno when it fails. */
pid_t lp_child_fork_into(int cgroup_fd);

bool lp_child_busy(const struct lp_child *child);
/*
 * Kill and reap it if it runs (done() is not called then), and give the result's memory back: once for every start, in done()
 * or later, before the struct goes or starts again. Safe on a zeroed struct.
 */
void lp_child_cancel(struct lp_child *child);

#endif
