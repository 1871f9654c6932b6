/*
 * agent/pod/ceiling_file.h - the ceiling (ceiling.h) as it lies on this node: read at the start, and again when the file changes.
 *
 * File    <data>/ceiling.yaml; a plain file of root's that nobody else may write, at most 64 KiB
 * Doubt   a file that cannot be used never takes anything away and never gives anything: at the start nothing new beyond the
 *         defaults is started (and what runs keeps running), later the former ceiling stays, also when the file is gone. A condition of
 *         the node (CeilingInvalid) and an event say so
 * Change  a valid new ceiling holds at once: pods above it have failed (NodeCeiling) and are stopped with their grace period
 */
#ifndef LP_AGENT_CEILING_FILE_H
#define LP_AGENT_CEILING_FILE_H

#include <stdbool.h>

#include "agent/facts/ceiling.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/loop.h"

#define LP_CEILING_FILE "ceiling.yaml"

struct lp_agent;
struct lp_pod;

struct lp_ceiling_file {
	struct lp_ceiling ceiling;	/* what holds */
	struct lp_arena arena;		/* of its strings */
	bool certain;			/* it is what the file says, or there is none */
	bool present;			/* it came from a file */
	struct lp_agent *agent;		/* weak */
	struct lp_watch watch;
	int inotify_fd;			/* -1 not watched */
};

/* One reading. -ENOENT there is none; -EPERM, -EINVAL words about the file. The ceiling's strings live in the arena. */
int lp_ceiling_file_read(int data_fd, struct lp_arena *arena, struct lp_ceiling *out, struct lp_err *err);

/* Read, and watch the directory from now on. Fails only when it cannot be watched. */
int lp_ceiling_file_open(struct lp_ceiling_file *file, struct lp_agent *agent, struct lp_err *err);
void lp_ceiling_file_close(struct lp_ceiling_file *file);

/* Fail a pod that runs, or all of them, above a ceiling we are certain of. */
void lp_ceiling_file_check(const struct lp_ceiling_file *file, struct lp_pod *pod);
void lp_ceiling_file_apply(struct lp_ceiling_file *file);

#endif
