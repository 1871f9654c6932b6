/*
 * runtime/fs.h - mounts by the name of a file system, and what changes mounts that are there (LP_MOUNT_FS, LP_MOUNT_REMOUNT).
 *
 * Theory  options travel one by one through fsconfig; ids in them are the container's and become the owner's. What fsconfig
 *         has no words for (values over 255 bytes, "iversion") goes the old way, by mount(2) on the target as working directory
 * Source  mount(8), fsconfig(2), OCI runtime-spec config.md "Mounts"
 */
#ifndef LP_RUNTIME_FS_H
#define LP_RUNTIME_FS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "runtime/assemble.h"

int lp_fs_mount(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, struct lp_err *err);
/* A tmpfs becomes read-only when everything is in it (lp_assemble_finish): /dev with its mount points and nodes. */
bool lp_fs_is_late(const struct lp_mount *mount);

int lp_fs_remount(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, struct lp_err *err);

/* The text of options with uid= and gid= as the owner sees them; out is at most a page. -ERANGE: not mapped. */
int lp_fs_options(const struct lp_container_config *config, const char *options, struct lp_buf *out, struct lp_err *err);

/* The processes of a new pid namespace are in none but its own procfs: then there is nothing to borrow. */
bool lp_fs_may_borrow(const struct lp_container_config *config, const char *fstype);

/* A kernel file system that may not be mounted here (rootless): what the host shows at `path` instead, with all below, read-only for sysfs. */
int lp_fs_borrow(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, const char *path,
    struct lp_err *err);

#endif
