#include "runtime/assemble.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/cover.h"
#include "runtime/devices.h"
#include "runtime/fs.h"
#include "runtime/mount.h"
#include "runtime/nodes.h"
#include "runtime/terminal.h"
#include "runtime/traits.h"

enum { DEV_BYTES = 65536, SHM_BYTES = 64 * 1024 * 1024, TTY_GROUP = 5 };

/* ---- one mount of each kind ---- */

static int
attach_at(int root_fd, const char *target, int mount_fd, bool directory, bool plain, struct lp_err *err)
{
	lp_auto_fd int at = -1;
	int rc = lp_mount_target(root_fd, target, directory, plain, &at, err);

	return rc < 0 ? rc : lp_mount_attach(mount_fd, at, err);
}

static int
add_bind(int root_fd, const struct lp_mount *mount, int mount_fd, struct lp_err *err)
{
	const bool recursive = (mount->flags & LP_MOUNT_RECURSIVE) != 0;
	struct stat st;
	int rc;

	if (fstat(mount_fd, &st) < 0)
		return lp_err_set(err, -errno, "look at the source of %s", mount->target);
	rc = attach_at(root_fd, mount->target, mount_fd, S_ISDIR(st.st_mode), false, err);
	if (rc == 0)
		rc = lp_mount_set(mount_fd, lp_mount_attrs(mount->flags), lp_mount_propagation(mount->propagation), recursive, err);
	return rc < 0 ? rc : lp_mount_shape(mount_fd, mount, false, err);
}

static int
new_tmpfs(uint64_t bytes, uint32_t mode, unsigned attrs, int *out_fd, struct lp_err *err)
{
	char mode_text[16], size[32];
	const struct lp_mount_option options[] = { { "mode", mode_text }, { "size", size } };

	(void)snprintf(mode_text, sizeof(mode_text), "%o", mode);
	(void)snprintf(size, sizeof(size), "%" PRIu64, bytes);
	return lp_mount_new("tmpfs", options, bytes ? 2 : 1, attrs, out_fd, err);
}

static int
add_tmpfs(int root_fd, const struct lp_mount *mount, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = new_tmpfs(mount->size_bytes, mount->mode ? mount->mode : 01777, lp_mount_attrs(mount->flags), &fd, err);

	return rc < 0 ? rc : attach_at(root_fd, mount->target, fd, true, false, err);
}

/* proc, sysfs, mqueue: no options but the name they are listed under, a fixed set of attributes. */
static int
add_kernel(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, const char *fstype, const char *host,
    struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	const struct lp_mount_option source = { "source", mount->device };
	int rc = lp_mount_new(fstype, &source, mount->device ? 1 : 0, LP_MOUNT_KERNEL_ATTRS | lp_mount_attrs(mount->flags) | (unsigned)mount->attr_set, &fd, err);

	if (rc == -ENODEV && (mount->flags & LP_MOUNT_OPTIONAL)) {	/* the kernel was built without */
		lp_err_clear(err);
		return 0;
	}
	if ((rc == -EPERM || rc == -EACCES) && lp_fs_may_borrow(inside->config, fstype)) {
		lp_err_clear(err);
		return lp_fs_borrow(inside, assembly, mount, host, err);
	}
	if (rc == 0)
		rc = attach_at(assembly->root_fd, mount->target, fd, true, true, err);
	return rc < 0 ? rc : lp_mount_shape(fd, mount, true, err);
}

static int
add_cgroup(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, struct lp_err *err)
{
	const unsigned attrs = LP_MOUNT_KERNEL_ATTRS | lp_mount_attrs(mount->flags) | (unsigned)mount->attr_set;
	lp_auto_fd int fd = -1;
	int rc;

	/* In the host's cgroup namespace a new mount would change the options of all cgroup2 mounts: show the present one. */
	if (inside->config->ns[LP_NS_CGROUP].how == LP_NS_HOST) {
		if (inside->cgroup_mount < 0)
			return 0;	/* this machine has none, launch.c looked */
		rc = attach_at(assembly->root_fd, mount->target, inside->cgroup_mount, true, true, err);
		if (rc == 0)
			rc = lp_mount_set(inside->cgroup_mount, attrs, MS_PRIVATE, false, err);
		return rc < 0 ? rc : lp_mount_shape(inside->cgroup_mount, mount, false, err);
	}
	rc = lp_mount_new("cgroup2", NULL, 0, attrs, &fd, err);
	if (rc == -ENODEV) {
		lp_err_clear(err);
		return 0;
	}
	if (rc == -EPERM || rc == -EACCES) {
		lp_err_clear(err);
		return lp_fs_borrow(inside, assembly, mount, "/sys/fs/cgroup", err);
	}
	if (rc == 0)
		rc = attach_at(assembly->root_fd, mount->target, fd, true, true, err);
	return rc < 0 ? rc : lp_mount_shape(fd, mount, true, err);
}

/* ---- /dev ---- */

/* Does a mount of the config stand at this path itself? */
static bool
is_mounted(const struct lp_container_config *config, const char *path)
{
	for (size_t i = 0; i < config->mount_count; i++)
		if (strcmp(config->mounts[i].target, path) == 0)
			return true;
	return false;
}

/* Onto pts of a /dev of our own. */
static int
add_pts(const struct lp_container_config *config, struct lp_assembly *assembly, int dev_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char gid[16];
	const struct lp_mount_option options[] = { { "gid", gid }, { "mode", "0620" }, { "ptmxmode", "0666" } };
	uint32_t uid, outside;
	int rc;

	if (lp_ns_map(config->gids, config->gid_count, TTY_GROUP, &outside) < 0)
		lp_ns_root(config->uids, config->uid_count, config->gids, config->gid_count, &uid, &outside);
	(void)snprintf(gid, sizeof(gid), "%" PRIu32, outside);
	rc = lp_mount_new("devpts", options, lp_count(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &fd, err);
	if (rc == 0)
		rc = lp_mount_attach_at(fd, dev_fd, "pts", err);
	if (rc == 0)
		assembly->pts_fd = lp_take_fd(&fd);
	return rc;
}

static int
add_shm(int dev_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = new_tmpfs(SHM_BYTES, 01777, LP_MOUNT_KERNEL_ATTRS, &fd, err);

	return rc < 0 ? rc : lp_mount_attach_at(fd, dev_fd, "shm", err);
}

static int
add_dev(const struct lp_container_config *config, struct lp_assembly *assembly, const struct lp_mount *mount, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char path[256];
	int rc;

	if (snprintf(path, sizeof(path), "%s/shm", mount->target) >= (int)sizeof(path))
		return lp_err_set(err, -ENAMETOOLONG, "mount at %s", mount->target);
	rc = new_tmpfs(mount->size_bytes ? mount->size_bytes : DEV_BYTES, 0755, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &fd, err);
	if (rc == 0)
		rc = lp_devices_populate(fd, config, err);
	if (rc == 0)
		rc = attach_at(assembly->root_fd, mount->target, fd, true, true, err);
	if (rc < 0)
		return rc;
	lp_close(&assembly->null_fd);
	rc = lp_devices_null(fd, &assembly->null_fd, err);
	if (rc == 0)
		rc = add_pts(config, assembly, fd, err);
	return rc == 0 && !is_mounted(config, path) ? add_shm(fd, err) : rc;
}

static int
add(const struct lp_inside *inside, struct lp_assembly *assembly, size_t index, struct lp_err *err)
{
	const struct lp_mount *mount = &inside->config->mounts[index];

	if (!mount->target || mount->target[0] != '/')
		return lp_err_say(err, -EINVAL, "mount target %s is not absolute", mount->target ? mount->target : "(none)");
	switch (mount->kind) {
	case LP_MOUNT_BIND:
		return add_bind(assembly->root_fd, mount, inside->binds[index], err);
	case LP_MOUNT_TMPFS:
		return add_tmpfs(assembly->root_fd, mount, err);
	case LP_MOUNT_PROC:
		return add_kernel(inside, assembly, mount, "proc", "/proc", err);
	case LP_MOUNT_SYSFS:
		return add_kernel(inside, assembly, mount, "sysfs", "/sys", err);
	case LP_MOUNT_MQUEUE:
		return add_kernel(inside, assembly, mount, "mqueue", "/dev/mqueue", err);
	case LP_MOUNT_DEV:
		return add_dev(inside->config, assembly, mount, err);
	case LP_MOUNT_CGROUP:
		return add_cgroup(inside, assembly, mount, err);
	case LP_MOUNT_FS:
		return lp_fs_mount(inside, assembly, mount, err);
	case LP_MOUNT_REMOUNT:
		return lp_fs_remount(inside, assembly, mount, err);
	}
	return lp_err_say(err, -EINVAL, "mount at %s is of no known kind", mount->target);
}

/* ---- the whole ---- */

int
lp_assemble(const struct lp_inside *inside, struct lp_assembly *assembly, struct lp_err *err)
{
	const char *label = inside->config->mount_label;
	int rc;

	if (label && label[0] && !lp_traits_has_selinux(assembly->proc_fd))
		return lp_err_say(err, -EOPNOTSUPP, "mount label %.150s: this kernel has no SELinux", label);
	for (size_t i = 0; i < inside->config->mount_count; i++) {
		rc = add(inside, assembly, i, err);
		if (rc < 0)
			return lp_err_wrap(err, "mount at %s", inside->config->mounts[i].target);
	}
	/* Masks and closed streams use the null of that /dev: nobody else's. */
	rc = assembly->null_fd < 0 ? lp_nodes_make(inside->config, assembly, err) : 0;
	return rc < 0 ? rc : lp_cover(inside->config, assembly, err);
}

int
lp_assemble_terminal(const struct lp_inside *inside, struct lp_assembly *assembly, int *out_master, int *out_slave, struct lp_err *err)
{
	const struct lp_process_config *process = &inside->config->process;
	lp_auto_fd int master = -1, slave = -1, copy = -1;
	int rc;

	rc = assembly->pts_fd >= 0 ? 0 : lp_path_open_in_root(assembly->root_fd, "/dev/pts", O_RDONLY | O_DIRECTORY, 0, &assembly->pts_fd, err);
	if (rc == 0)
		rc = lp_terminal_open(assembly->pts_fd, process->rows, process->cols, &master, &slave, err);
	if (rc == 0)
		rc = lp_mount_clone(slave, false, &copy, err);
	if (rc == 0)
		rc = attach_at(assembly->root_fd, "/dev/console", copy, false, true, err);
	if (rc < 0)
		return lp_err_wrap(err, "terminal");
	*out_master = lp_take_fd(&master);
	*out_slave = lp_take_fd(&slave);
	return 0;
}

int
lp_assemble_finish(const struct lp_inside *inside, const struct lp_assembly *assembly, struct lp_err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < inside->config->mount_count; i++) {
		const struct lp_mount *mount = &inside->config->mounts[i];
		lp_auto_fd int at = -1;

		if (!lp_fs_is_late(mount))
			continue;
		rc = lp_mount_target(assembly->root_fd, mount->target, true, false, &at, err);
		if (rc == 0)
			rc = lp_mount_set(at, lp_mount_attrs(mount->flags), 0, false, err);
		if (rc == 0)
			rc = lp_mount_shape(at, mount, false, err);
	}
	return rc;
}
