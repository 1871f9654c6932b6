/*
 * runtime/mount.h - mounts as descriptors.
 *
 * Rule    a mount is made detached (fsopen or open_tree), gets its attributes, and is attached to a target that was
 *         opened below the container's root; no path string from an image reaches a system call (TRUST.md rules 1, 2)
 * Source  fsopen(2), fsconfig(2), open_tree(2), move_mount(2), mount_setattr(2); Linux 5.12 for the last
 */
#ifndef LP_RUNTIME_MOUNT_H
#define LP_RUNTIME_MOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/runtime.h"

/* What no file system of the kernel's own needs in a container; sys/mount.h has the words. */
#define LP_MOUNT_KERNEL_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* An option of a file system; value NULL makes it a flag. */
struct lp_mount_option {
	const char *key, *value;
};

/* A new file system, detached. `attrs`: MOUNT_ATTR_*. What the kernel says about a refusal is in *err. */
int lp_mount_new(const char *fstype, const struct lp_mount_option *options, size_t count, unsigned attrs, int *out_fd, struct lp_err *err);

/* A detached copy of what is at fd (O_PATH is enough); with what is mounted below when recursive. */
int lp_mount_clone(int fd, bool recursive, int *out_fd, struct lp_err *err);

/* The same of a name in dir_fd, which is one of our own or of a kernel file system's; "" is dir_fd itself. */
int lp_mount_clone_at(int dir_fd, const char *name, bool recursive, int *out_fd, struct lp_err *err);

/* LP_MOUNT_RO, NOSUID, NODEV, NOEXEC as MOUNT_ATTR_*. */
unsigned lp_mount_attrs(uint32_t flags);

/* Set attributes and (0: leave) MS_PRIVATE, MS_SLAVE or MS_SHARED. */
int lp_mount_set(int fd, unsigned attrs, unsigned long propagation, bool recursive, struct lp_err *err);

/* The same with attributes to clear first; one of the ATIME modes stands for the whole field. */
int lp_mount_change(int fd, uint64_t set, uint64_t clear, unsigned long propagation, bool recursive, struct lp_err *err);

/*
 * attr_set, attr_clear, attr_set_all and attr_clear_all of a row, and with PROPAGATE its propagation. `fresh`: a new mount that was made
 * with attr_set.
 */
int lp_mount_shape(int fd, const struct lp_mount *mount, bool fresh, struct lp_err *err);

/* MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE. */
unsigned long lp_mount_propagation(enum lp_mount_propagation wanted);

/* Shift ids as the user namespace does. -EOPNOTSUPP when the file system cannot. `what` names it in *err. */
int lp_mount_idmap(int fd, int userns_fd, bool recursive, const char *what, struct lp_err *err);

/* Put a detached mount onto a target. */
int lp_mount_attach(int mount_fd, int target_fd, struct lp_err *err);

/* The same onto a name, as in lp_mount_clone_at. */
int lp_mount_attach_at(int mount_fd, int dir_fd, const char *name, struct lp_err *err);

/* Open what a struct lp_place names, O_PATH. */
int lp_mount_place(const struct lp_place *place, int *out_fd, struct lp_err *err);

/*
 * Open the source of a bind, with its sub: that never leads out of the source, whoever changes what is in there meanwhile
 * (CVE-2017-1002101, CVE-2021-25741). A sub that is made is given to uid:gid.
 */
int lp_mount_source(const struct lp_mount *mount, uint32_t uid, uint32_t gid, int *out_fd, struct lp_err *err);

/*
 * The target of a mount inside root, made when missing (a directory, or an empty file). `plain`: no part may be a
 * symbolic link. Links resolve inside root otherwise, and one that leads to nothing yet gets what it leads to.
 */
int lp_mount_target(int root_fd, const char *path, bool directory, bool plain, int *out_fd, struct lp_err *err);

/*
 * A procfs of our pid namespace that nobody else sees, checked to be one; for everything we read and write there. Weak: made
 * once and kept, for our children too, who find themselves in it as "self". Numbers are those of the owner's pid namespace.
 * Who may mount none (rootless, in the pid namespace of others) gets the one at /proc.
 */
int lp_mount_proc(int *weak_fd, struct lp_err *err);

#endif
