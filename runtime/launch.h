/*
 * runtime/launch.h - the owner's side of clone3.
 *
 * Theory  Descriptors that need the owner's mount namespace are prepared (layers, binds), namespaces that must stand before
 *         are made, then one clone3 puts the child into its cgroup and new namespaces, and the handoff is listened to
 *         until execve has closed it.
 */
#ifndef LP_RUNTIME_LAUNCH_H
#define LP_RUNTIME_LAUNCH_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "runtime/handoff.h"
#include "runtime/runtime.h"

/* A child on its way. */
struct lp_launch {
	pid_t pid;
	int pidfd;
	int sock;		/* our end; -1 once the program runs */
	int terminal;
	int listener;		/* of seccomp, -1 without */
	bool foreign;		/* somebody else's child, who waits at a start socket */
	bool told;		/* it has said that execve comes next */
	const struct lp_hooks *hooks;	/* weak, while the container is created; NULL: none */
	struct lp_buf notes;	/* lines joined by "; " */
};

void lp_launch_init(struct lp_launch *launch);
/* Closes; kills nothing. */
void lp_launch_fini(struct lp_launch *launch);

/* Clone the child of a new container; cgroup_fd -1: stays in ours. `wait`: it stops before execve. */
int lp_launch_container(const struct lp_container_config *config, int cgroup_fd, bool wait, struct lp_launch *launch, struct lp_err *err);

/* It is not wanted any more: killed and reaped, pid is 0. */
void lp_launch_kill(struct lp_launch *launch);

/* Listen until the child waits (true) or has executed its program (false). On failure it is reaped and pid is 0. */
int lp_launch_listen(struct lp_launch *launch, bool until_ready, struct lp_err *err);

/* Let a waiting child go on, and listen until it has executed its program. */
int lp_launch_go(struct lp_launch *launch, struct lp_err *err);

/* clone3 with a pidfd, into a cgroup (-1: ours): 0 in the child. Shared with join.c. */
int lp_launch_clone(uint64_t flags, int cgroup_fd, pid_t *out_pid, int *out_pidfd, struct lp_err *err);

#endif
