/*
 * runtime/nodes.h - device nodes and links in a /dev that the config's own mounts made (OCI), or in that of the image.
 *
 * Rule    a /dev that is a bind of the owner's is left as it is. What is there already stays when it is the same device; anything
 *         else in its place is covered by the owner's node. Where no nodes may be made (rootless) the owner's are bound
 * Source  OCI runtime-spec config-linux.md "Default Devices", "Devices", "Dev symbolic links"
 */
#ifndef LP_RUNTIME_NODES_H
#define LP_RUNTIME_NODES_H

#include "base/err.h"
#include "runtime/assemble.h"

/* All of it; assembly->null_fd is set afterwards. */
int lp_nodes_make(const struct lp_container_config *config, struct lp_assembly *assembly, struct lp_err *err);

#endif
