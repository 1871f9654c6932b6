/*
 * runtime/container.h - the inside of a container's handle, for the files of this folder that work on it.
 */
#ifndef LP_RUNTIME_CONTAINER_H
#define LP_RUNTIME_CONTAINER_H

#include <stdbool.h>

#include "base/machine.h"
#include "runtime/launch.h"
#include "runtime/runtime.h"

enum lp_container_phase {
	LP_CONTAINER_NEW,	/* nothing runs yet */
	LP_CONTAINER_CREATED,	/* the child waits for start */
	LP_CONTAINER_RUNNING,
	LP_CONTAINER_ENDED,	/* first process reaped, or known to be gone */
	LP_CONTAINER_REMOVED
};

struct lp_container {
	struct lp_machine phase;
	char id[128];
	struct lp_launch launch;	/* pid 0 when there is no process of ours */
	bool by_socket;			/* created for lp_container_start_at */

	int cgroup_parent, cgroup;	/* -1 without */
	char cgroup_name[128];
	uint32_t missing;		/* LP_CGROUP_BIT */

	struct lp_place writable;	/* fd ours when path is NULL; path is writable_path */
	char writable_path[256];

	struct lp_container_exit exit;	/* from ENDED on */
};

#endif
