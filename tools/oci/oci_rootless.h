/*
 * tools/oci/oci_rootless.h - an ordinary user's containers: first root in the container's user namespace, then the usual way.
 *
 * Theory  The user namespace that the config asks for is made by us for ourselves, with its maps, and a mount namespace with it. What
 *         follows finds itself root there and takes it for the host's: the container has no other one. A map of our own ids is
 *         written by us, longer ones by newuidmap and newgidmap, who know /etc/subuid. Who enters later (exec) joins it first
 * Source  user_namespaces(7), newuidmap(1)
 */
#ifndef LP_TOOLS_OCI_ROOTLESS_H
#define LP_TOOLS_OCI_ROOTLESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "runtime/oci/oci_config.h"

/* Are we root here and everywhere? Else limits and cgroups may be refused to us. */
bool lp_oci_rootless(void);

/*
 * An ordinary user's config without a user namespace gets one, its own, with one id: there is no other way (crun does the same, runc refuses).
 * For create, and for exec behind lp_oci_rootless_join. Nothing to do for root.
 */
int lp_oci_rootless_amend(struct lp_arena *arena, struct lp_oci_spec *spec, struct lp_err *err);

/* Nothing to do for root. -EPERM for an ordinary user's config without a user namespace. */
int lp_oci_rootless_enter(struct lp_oci_config *config, struct lp_err *err);

/* Into the user namespace of a process, when it is not ours and we are no root. */
int lp_oci_rootless_join(pid_t pid, struct lp_err *err);

#endif
