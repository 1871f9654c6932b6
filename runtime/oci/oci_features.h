/*
 * runtime/oci/oci_features.h - the documents that do not depend on a container: what we can do, and a config.json to begin with.
 *
 * Source  OCI runtime-spec 1.2 features.md, features-linux.md
 */
#ifndef LP_RUNTIME_OCI_FEATURES_H
#define LP_RUNTIME_OCI_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"

struct lp_json *lp_oci_features_document(struct lp_arena *arena);

/* The words of runc's: a shell on a terminal, three capabilities. `rootless`: in a user namespace in which uid and gid are root. */
struct lp_json *lp_oci_features_spec(struct lp_arena *arena, bool rootless, uint32_t uid, uint32_t gid);

#endif
