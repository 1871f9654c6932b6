/*
 * agent/node/memory.h - the run directory's changing parts in memory, whatever the machine has mounted at /run.
 *
 * Theory  <run>/logs is a tmpfs of its own, so that containers' logs have a ceiling and never touch a disk. <run>/pods holds
 *         keepers' sockets and the state they write at every exit; where <run> is on a disk it gets a tmpfs too. Both
 *         stay when the agent goes: keepers use them. lp_memory_unmount is for taking an instance down
 * Source  DESIGN.md promise 4 and section 12 "Logs"
 */
#ifndef LP_AGENT_MEMORY_H
#define LP_AGENT_MEMORY_H

#include "base/err.h"

#define LP_MEMORY_LOGS_BYTES (16u << 20)
#define LP_MEMORY_PODS_BYTES (16u << 20)

/* `pods` and `logs` must be there. What is in memory already is left as it is. -EPERM without the right to mount. */
int lp_memory_mount(int run_fd, struct lp_err *err);

/* Both gone, with what is in them. 0 when they are not mounted. */
int lp_memory_unmount(int run_fd, struct lp_err *err);

#endif
