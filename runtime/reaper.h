/*
 * runtime/reaper.h - the first process of a pid namespace that several containers share.
 *
 * Theory  A helper clone of the owner that stays. It has a root with nothing in it, no capabilities, no descriptors, no way
 *         to get new rights, and is undumpable: what a container may see of it leads nowhere. It reaps what is given to it.
 */
#ifndef LP_RUNTIME_REAPER_H
#define LP_RUNTIME_REAPER_H

#include "base/err.h"

/* While somebody listens: leave the owner's mounts and name. */
int lp_reaper_prepare(struct lp_err *err);

/* Let go of the rest, and reap until killed. */
void lp_reaper_main(void) __attribute__((noreturn));

#endif
