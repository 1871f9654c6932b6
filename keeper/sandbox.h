/*
 * keeper/sandbox.h - what a pod's containers share: namespaces, cgroup, a directory in memory.
 *
 * Theory  The keeper's mount namespace is a slave of the host's. In it a small tmpfs lies over <run>/pods/<uid>/mnt: "etc/..."
 *         for the pod's files, "volumes/<name>" with a tmpfs each, "messages/<container>" for termination messages. The
 *         host never sees it; it vanishes with the keeper.
 * Rule    lp_sandbox_make once per pod; after an upgrade its descriptors are simply still there
 */
#ifndef LP_KEEPER_SANDBOX_H
#define LP_KEEPER_SANDBOX_H

#include <stdint.h>

#include "base/err.h"
#include "keeper/control.h"

struct lp_sandbox {
	struct lp_ns_set ns;		/* those that the containers join */
	int run_fd;			/* <run>/pods/<uid> as the host sees it */
	int inner_fd;			/* the same in the keeper's mount namespace */
	int dir_fd;			/* the pod's directory (tmpfs) */
	int logs_fd;			/* <run>/logs/<uid> */
	int cgroup_root_fd;		/* -1 on a machine without cgroup v2 */
	int cgroup_fd;			/* the pod's; -1 likewise */
	uint32_t missing;		/* controllers that it lacks */
};

/* All -1. */
void lp_sandbox_init(struct lp_sandbox *sandbox);

/* Everything; run_fd, logs_fd and cgroup_root_fd are set by the caller. On failure what was made stays for lp_sandbox_remove. */
int lp_sandbox_make(struct lp_sandbox *sandbox, const struct lp_control_pod *pod, struct lp_err *err);

/* Write one of the pod's files, whole. */
int lp_sandbox_write(struct lp_sandbox *sandbox, const struct lp_control_file *file, struct lp_err *err);

/* Kill whatever is in the pod's cgroup. */
int lp_sandbox_kill(struct lp_sandbox *sandbox, struct lp_err *err);

/* Remove cgroup, directory, socket and state. -EBUSY while processes are dying. */
int lp_sandbox_remove(struct lp_sandbox *sandbox, const struct lp_control_pod *pod, bool keep_logs, struct lp_err *err);

#endif
