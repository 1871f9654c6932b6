/*
 * runtime/start.h - a created container that waits for whoever comes to start it.
 *
 * Theory  The creator makes a listening socket in its state directory and gives it to the child, who keeps nothing else of the creator's
 *         but what the config says. READY ends the creator's part. The child accepts, one after the other, until somebody says GO;
 *         it answers there: notes, the seccomp listener, FAILED with words, or EXEC and end of file.
 */
#ifndef LP_RUNTIME_START_H
#define LP_RUNTIME_START_H

#include "base/err.h"
#include "runtime/runtime.h"

/* The child: READY on *sock, which then becomes the connection of whoever said GO. */
int lp_start_wait(const struct lp_container_config *config, int *sock, struct lp_err *err);

#endif
