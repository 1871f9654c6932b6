/*
 * runtime/oci/oci_process.h - a process of config.json (or of exec) as the runtime's.
 *
 * Rule    capabilities that have no name here or that we do not have are left out and noted, as config.md asks; every other
 *         unknown word is an error
 * Env     of two with one name the last holds; HOME comes from the container's /etc/passwd when it is missing or empty, as with runc
 * Memory  texts are the arena's or the document's
 */
#ifndef LP_RUNTIME_OCI_PROCESS_H
#define LP_RUNTIME_OCI_PROCESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "runtime/oci/oci_spec.h"
#include "runtime/runtime.h"

/*
 * root_fd: the root whose etc/passwd says where HOME is, -1 none. `owned`: the process gets a user namespace of its own, so what we may there
 * does not depend on what we may here. stdio is 0, 1 and 2. `notes`: words joined by "; ".
 */
int lp_oci_process_make(struct lp_arena *arena, const struct lp_oci_process *process, int root_fd, bool owned,
    struct lp_process_config *out, struct lp_buf *notes, struct lp_err *err);

/* One more variable at the end, or in the place of one with its name. */
int lp_oci_process_setenv(struct lp_arena *arena, struct lp_process_config *process, const char *name, const char *value, struct lp_err *err);

#endif
