/*
 * agent/pod/unclean.h - after a boot that did not end in good order, layers are read once more before anything runs on them.
 *
 * Theory  <data>/boot says in which boot an agent ran last and whether it was stopped there; an agent that finds another boot's word
 *         "running" is in doubt. Then a layer is compared with the digest in its record at its first use, one at a time, in a child, and
 *         <run>/checked.<boot>/<its digits> remembers it until the next boot. One that differs is removed with every image that has it: these
 *         images are missing then, and a pod that wants one says so.
 * Writes  <data>/boot twice in a boot, no more
 * Rule    TRUST.md rule 9
 */
#ifndef LP_AGENT_UNCLEAN_H
#define LP_AGENT_UNCLEAN_H

#include <stdbool.h>

#include "base/child.h"
#include "base/digest.h"
#include "base/err.h"

struct lp_agent;
struct lp_image;

struct lp_unclean {
	bool doubt;
	int checked_fd;			/* -1: not in doubt */
	struct lp_child child;
	char layer[LP_DIGEST_TEXT];	/* what the child reads */
};

void lp_unclean_init(struct lp_unclean *unclean);

/* An agent begins, or one ends in good order. What begins in the boot of the former one is in doubt when that was. */
int lp_unclean_begin(struct lp_unclean *unclean, int data_fd, int run_fd, const char *boot_id, struct lp_err *err);
int lp_unclean_end(int data_fd, const char *boot_id, struct lp_err *err);

/* 0: the image may be used. -EAGAIN: a layer is being read; pods are looked at again afterwards. */
int lp_unclean_check(struct lp_agent *agent, const struct lp_image *image, struct lp_err *err);

/* Give up what goes on. */
void lp_unclean_stop(struct lp_unclean *unclean);

#endif
