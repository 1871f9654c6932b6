/*
 * tools/oci/oci_console.h - terminals and descriptors of a container's first process: handed over a socket, or attended by us.
 */
#ifndef LP_TOOLS_OCI_CONSOLE_H
#define LP_TOOLS_OCI_CONSOLE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define LP_OCI_PIDFD_NAME "pidfd"	/* what comes with the descriptor at a --pidfd-socket (runc since 1.2) */

/* Connect to a unix stream socket by any path and send bytes with one descriptor (SCM_RIGHTS): --console-socket, --pidfd-socket, seccomp listeners. */
int lp_oci_console_send(const char *socket_path, const void *data, size_t len, int fd, struct lp_err *err);

/* Signals that we pass on wait from here on, until lp_oci_console_attend; children's ends too. Call before there is a child. */
int lp_oci_console_prepare(int *out_signals, struct lp_err *err);

/*
 * Until the process has ended: pass on signals, and between its terminal (master, -1 none) and our standard streams every byte and each
 * change of size. Reaps other children. The process itself is left to be waited for.
 */
int lp_oci_console_attend(int signals, pid_t pid, int pidfd, int master, struct lp_err *err);

#endif
