/*
 * runtime/oci/oci_resources.h - linux.resources as limits of a cgroup v2.
 *
 * Rule    what cgroup v2 has no file for is refused by name, never dropped: kernel memory, swappiness, OOM killer off, realtime
 *         cpu, leaf weights, network classes. -1 takes a limit away, 0 leaves it alone, as runc has it
 * Memory  lists and texts are the arena's or the document's
 * Source  OCI runtime-spec 1.2 config-linux.md "Control groups"; runc libcontainer/cgroups/fs2
 */
#ifndef LP_RUNTIME_OCI_RESOURCES_H
#define LP_RUNTIME_OCI_RESOURCES_H

#include "base/arena.h"
#include "base/err.h"
#include "runtime/oci/oci_spec.h"
#include "runtime/runtime.h"

/* `resources` NULL: nothing is limited. */
int lp_oci_resources_make(struct lp_arena *arena, const struct lp_oci_resources *resources, struct lp_cgroup_limits *out,
    struct lp_err *err);

/* To a cgroup that lives; *out_missing: controllers without which a limit was left out. */
int lp_oci_resources_apply(int cgroup_fd, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err);

#endif
