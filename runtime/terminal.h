/*
 * runtime/terminal.h - a pty pair from a container's own devpts.
 *
 * Rule    the devpts is checked by its file system type and the multiplexer by its number: a container owns its /dev
 * Source  pts(4), ioctl_tty(2) TIOCGPTPEER (Linux 4.13)
 */
#ifndef LP_RUNTIME_TERMINAL_H
#define LP_RUNTIME_TERMINAL_H

#include <stdint.h>

#include "base/err.h"
#include "runtime/runtime.h"

/* pts_fd: the root of a devpts. Both descriptors are close-on-exec. */
int lp_terminal_open(int pts_fd, uint16_t rows, uint16_t cols, int *out_master, int *out_slave, struct lp_err *err);

#endif
