/*
 * runtime/oci/oci_mount.h - a mount of config.json as the runtime's: its option words are one table.
 *
 * Rule    the last of two contradicting words holds; what is no word of ours is data for the file system, and an error where there is none (bind)
 * Source  OCI runtime-spec 1.2 config.md "Linux mount options"; mount(8), mount_setattr(2)
 */
#ifndef LP_RUNTIME_OCI_MOUNT_H
#define LP_RUNTIME_OCI_MOUNT_H

#include "base/arena.h"
#include "base/err.h"
#include "runtime/oci/oci_spec.h"
#include "runtime/runtime.h"

/* Sources that are relative paths start at the bundle. */
int lp_oci_mount_make(struct lp_arena *arena, const struct lp_oci_mount *mount, const char *bundle, struct lp_mount *out, struct lp_err *err);

/* "rslave", "shared" ... -> propagation; -EINVAL. */
int lp_oci_mount_propagation(const char *word, enum lp_mount_propagation *out);

/* The words of the table, for `features`; NULL behind the last. */
const char *lp_oci_mount_word(size_t index);

/* Id rows as the runtime has them. */
int lp_oci_mount_ids(struct lp_arena *arena, const struct lp_oci_idmap *rows, size_t count, const struct lp_idmap **out, struct lp_err *err);

#endif
