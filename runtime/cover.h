/*
 * runtime/cover.h - masked and read-only paths: what lies in a container's tree and is not for the container.
 *
 * Rule    a masked file is covered by the null device, a masked directory by an empty read-only tmpfs, a read-only path by a read-only copy
 *         of itself; what is not there needs no cover, whatever cannot be covered ends the start
 * Source  OCI runtime-spec config-linux.md "Masked Paths", "Readonly Paths"
 */
#ifndef LP_RUNTIME_COVER_H
#define LP_RUNTIME_COVER_H

#include "base/err.h"
#include "runtime/assemble.h"

/* All of the config's, read-only ones first. The assembly's null_fd must be there. */
int lp_cover(const struct lp_container_config *config, const struct lp_assembly *assembly, struct lp_err *err);

#endif
