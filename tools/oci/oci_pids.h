/*
 * tools/oci/oci_pids.h - the processes of a container, and the table that ps prints of them.
 *
 * Theory  Its cgroup says who they are; without one, everything in the pid namespace of its first process; without that too, the first
 *         process alone
 * Source  proc_pid_stat(5)
 */
#ifndef LP_TOOLS_OCI_PIDS_H
#define LP_TOOLS_OCI_PIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "tools/oci/oci.h"

struct lp_oci_pids {
	pid_t *items;		/* NULL when none */
	size_t count, size;
};

/* None for a container that has stopped. */
int lp_oci_pids_of(const struct lp_oci_found *found, struct lp_oci_pids *out, struct lp_err *err);
void lp_oci_pids_fini(struct lp_oci_pids *pids);
bool lp_oci_pids_has(const struct lp_oci_pids *pids, pid_t pid);

/* UID PID PPID C STIME TTY TIME CMD, as ps -ef has it. */
int lp_oci_pids_print(const struct lp_oci_pids *pids, struct lp_err *err);

#endif
