/*
 * agent/net/holder.h - one small process that keeps the node's listening sockets while one agent replaces another.
 *
 * Theory  The sockets are made by the agent that needs them first. It starts `limpet holder` (the same executable, of no cgroup that
 *         an agent's end takes along) and gives it copies. The next agent connects to <run>/holder.sock and gets them back: what was
 *         asked in between waits in the sockets. The holder reads nothing from them, ever.
 * Wire    SOCK_SEQPACKET, uid 0 only. Holder: u32 big-endian, the address they are bound to, with the descriptors (UDP, TCP) as
 *         SCM_RIGHTS. Agent: nothing (closes), or "end": the holder removes its socket and exits
 * Errors  -ENOENT nobody holds anything; -EADDRNOTAVAIL it held sockets of another address, and is gone now
 */
#ifndef LP_AGENT_HOLDER_H
#define LP_AGENT_HOLDER_H

#include <stdint.h>

#include "base/err.h"

#define LP_HOLDER_SOCKETS 2		/* UDP, TCP */

/* The sockets bound to addr. A holder that does not answer is killed: -ENOENT. */
int lp_holder_take(int run_fd, uint32_t addr, int out_fds[static LP_HOLDER_SOCKETS], struct lp_err *err);

/* Start one. exe_fd: lp_container_exe_open; cgroup_fd: where it shall live, -1 = with us. The descriptors stay the caller's. */
int lp_holder_start(int run_fd, int exe_fd, int cgroup_fd, uint32_t addr, const int fds[static LP_HOLDER_SOCKETS], struct lp_err *err);

/* Make it go. 0 also when there is none. */
int lp_holder_end(int run_fd, struct lp_err *err);

/* The command `limpet holder`: internal. */
int lp_holder_main(int argc, char **argv);

#endif
