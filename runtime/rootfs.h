/*
 * runtime/rootfs.h - the root of a container: overlayfs over image layers, or a ready tree.
 *
 * Theory  The owner's side opens layers and writable directory, copies each as a detached mount and shifts its ids where
 *         the container has a user namespace of its own. The child attaches these copies in its own mount namespace
 *         (overlayfs wants its layers attached there, until Linux 6.15) and makes the overlay from their descriptors: as
 *         "lowerdir=10:11", relative to its /proc/<pid>/fd, so that no path occurs and eighty layers fit into the 255
 *         bytes that fsconfig takes. The copies go away with the old root; so they are attached below its "/", never on it: a
 *         mount on "/" itself would be what umount finds there instead of the old root.
 * Rule    `volatile` unless asked otherwise: else unmounting syncs the whole upper file system. Upper and work are
 *         made anew before every start
 * Source  Linux Documentation/filesystems/overlayfs.rst
 */
#ifndef LP_RUNTIME_ROOTFS_H
#define LP_RUNTIME_ROOTFS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "runtime/runtime.h"

enum { LP_ROOTFS_LAYERS_MAX = 80 };

/* Detached mounts, in the hands of the side that holds the struct. */
struct lp_rootfs_parts {
	int ready;			/* -1: layers */
	int layers[LP_ROOTFS_LAYERS_MAX];	/* topmost first */
	size_t layer_count;
	int writable;			/* -1: tmpfs */
	unsigned top_mode;		/* of the topmost layer's root: the merged root gets it */
};

void lp_rootfs_parts_init(struct lp_rootfs_parts *parts);
void lp_rootfs_parts_fini(struct lp_rootfs_parts *parts);

/*
 * Owner's side. userns_fd -1: ids as they are. A writable place whose file system cannot shift ids (tmpfs before Linux 6.3) is
 * given to root_uid:root_gid, the container's root as the host sees it, and holds shifted ids then; layers must be able to.
 */
int lp_rootfs_prepare(const struct lp_rootfs *rootfs, int userns_fd, uint32_t root_uid, uint32_t root_gid, struct lp_rootfs_parts *out,
    struct lp_err *err);

/*
 * Child's side, in its own mount namespace. place_fd: any directory of now, where the parts are attached; proc_fd: a procfs of ours.
 * The root comes back detached, writable, with these attributes (MOUNT_ATTR_*). fsuid must be the container's root.
 */
int lp_rootfs_mount(const struct lp_rootfs *rootfs, const struct lp_rootfs_parts *parts, int place_fd, int proc_fd, unsigned attrs,
    int *out_fd, struct lp_err *err);

/* Throw the writable layer away. */
int lp_rootfs_clear(const struct lp_place *writable, struct lp_err *err);

#endif
