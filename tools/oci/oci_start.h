/*
 * tools/oci/oci_start.h - from a created container to a running one; shared by run and start.
 */
#ifndef LP_TOOLS_OCI_START_H
#define LP_TOOLS_OCI_START_H

#include "runtime/oci/oci_spec.h"
#include "tools/oci/oci.h"

/* Who this process is, while its container is still being made. */
int lp_oci_start_record(struct lp_oci_state *state, pid_t pid, struct lp_err *err);

/*
 * What follows the execve: the seccomp listener goes to its socket, poststart hooks run. A hook that fails ends the container, as runc
 * and crun have it. `spec` NULL: read from the container's directory when it is needed.
 */
int lp_oci_start_after(struct lp_oci_found *found, struct lp_container *container, struct lp_oci_spec *spec, struct lp_err *err);

/* The container process state of the specification to the agent at listenerPath, with the descriptor. `first`: the container's first process. */
int lp_oci_start_listener(struct lp_oci_found *found, const struct lp_oci_spec *spec, pid_t pid, pid_t first, int listener, struct lp_err *err);

#endif
