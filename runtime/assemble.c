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
#include "runtime/devices.h"
#include "runtime/fs.h"
#include "runtime/mount.h"
#include "runtime/nodes.h"
#include "runtime/terminal.h"
#include "runtime/traits.h"

enum { DEV_BYTES = 65536, SHM_BYTES = 64 * 1024 * 1024, TTY_GROUP = 5 };

#define KERNEL_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

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
add_tmpfs(int root_fd, const char *target, uint64_t bytes, uint32_t mode, unsigned attrs, bool plain, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char mode_text[16], size[32];
	struct lp_mount_option options[] = { { "mode", mode_text }, { "size", size } };
	int rc;

	(void)snprintf(mode_text, sizeof(mode_text), "%o", mode);
	(void)snprintf(size, sizeof(size), "%" PRIu64, bytes);
	rc = lp_mount_new("tmpfs", options, bytes ? 2 : 1, attrs, &fd, err);
	return rc < 0 ? rc : attach_at(root_fd, target, fd, true, plain, err);
}

/* proc, sysfs, mqueue: no options but the name they are listed under, a fixed set of attributes. */
static int
add_kernel(const struct lp_inside *inside, struct lp_assembly *assembly, const struct lp_mount *mount, const char *fstype, const char *host,
    struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	const struct lp_mount_option source = { "source", mount->device };
	int rc = lp_mount_new(fstype, &source, mount->device ? 1 : 0, KERNEL_ATTRS | lp_mount_attrs(mount->flags) | (unsigned)mount->attr_set, &fd, err);

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
	const unsigned attrs = KERNEL_ATTRS | lp_mount_attrs(mount->flags) | (unsigned)mount->attr_set;
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

static int
add_pts(const struct lp_container_config *config, struct lp_assembly *assembly, const char *target, struct lp_err *err)
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
		rc = attach_at(assembly->root_fd, target, fd, true, true, err);
	if (rc == 0)
		assembly->pts_fd = lp_take_fd(&fd);
	return rc;
}

static int
add_dev(const struct lp_container_config *config, struct lp_assembly *assembly, const struct lp_mount *mount, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char path[256], size[32];
	const struct lp_mount_option options[] = { { "mode", "0755" }, { "size", size } };
	int rc;

	if (strlen(mount->target) > sizeof(path) - 8)
		return lp_err_set(err, -ENAMETOOLONG, "mount at %s", mount->target);
	(void)snprintf(size, sizeof(size), "%" PRIu64, mount->size_bytes ? mount->size_bytes : DEV_BYTES);
	rc = lp_mount_new("tmpfs", options, lp_count(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &fd, err);
	if (rc == 0)
		rc = lp_devices_populate(fd, config, err);
	if (rc == 0)
		rc = attach_at(assembly->root_fd, mount->target, fd, true, true, err);
	if (rc < 0)
		return rc;
	lp_close(&assembly->null_fd);
	rc = lp_devices_null(fd, &assembly->null_fd, err);
	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/pts", mount->target);
	rc = add_pts(config, assembly, path, err);
	(void)snprintf(path, sizeof(path), "%s/shm", mount->target);
	if (rc == 0 && !is_mounted(config, path))
		rc = add_tmpfs(assembly->root_fd, path, SHM_BYTES, 01777, KERNEL_ATTRS, true, err);
	return rc;
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
		return add_tmpfs(assembly->root_fd, mount->target, mount->size_bytes, mount->mode ? mount->mode : 01777,
		    lp_mount_attrs(mount->flags), false, err);
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

/* ---- masks ---- */

struct cover_walk {
	const struct lp_inside *inside;
	const struct lp_assembly *assembly;
	const char *path;	/* with one '*' */
	bool readonly;
	int *empty_fd;		/* a read-only empty tmpfs, made when first needed */
	struct lp_err *err;
};

/* Is a file system of this kind mounted at this very target? */
static bool
mounts_kind(const struct lp_container_config *config, enum lp_mount_kind kind, const char *target)
{
	for (size_t i = 0; i < config->mount_count; i++)
		if (config->mounts[i].kind == kind && strcmp(config->mounts[i].target, target) == 0)
			return true;
	return false;
}

/*
 * Parts of /sys that the kernel lacks need no cover. Asked of the host's, which has been looked up before: a walk through a new
 * sysfs fills it first. Both show the same kernel, whatever the namespaces.
 */
static bool
kernel_lacks(const struct lp_container_config *config, const struct lp_assembly *assembly, const char *path)
{
	if (strncmp(path, "/sys/", 5) != 0 || !mounts_kind(config, LP_MOUNT_SYSFS, "/sys"))
		return false;
	return faccessat(assembly->host_fd, path + 1, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/*
 * An empty read-only directory over another. Only what is attached can be copied before Linux 6.15, so the first one is
 * attached itself and the later ones are copies of it.
 */
static int
mask_directory(int at, int *empty_fd, struct lp_err *err)
{
	static const struct lp_mount_option options[] = { { "mode", "0755" }, { "size", "4096" } };
	lp_auto_fd int copy = -1;
	int rc;

	if (*empty_fd >= 0) {
		rc = lp_mount_clone(*empty_fd, false, &copy, err);
		return rc < 0 ? rc : lp_mount_attach(copy, at, err);
	}
	rc = lp_mount_new("tmpfs", options, lp_count(options), KERNEL_ATTRS | MOUNT_ATTR_RDONLY, empty_fd, err);
	return rc < 0 ? rc : lp_mount_attach(*empty_fd, at, err);
}

static int
cover(const struct lp_inside *inside, const struct lp_assembly *assembly, const char *path, bool readonly, int *empty_fd,
    struct lp_err *err)
{
	lp_auto_fd int at = -1, copy = -1;
	struct stat st;
	int rc;

	if (kernel_lacks(inside->config, assembly, path))
		return 0;
	rc = lp_path_open_in_root(assembly->root_fd, path, O_PATH, 0, &at, err);
	if (rc == -ENOENT || rc == -ENOTDIR) {
		lp_err_clear(err);
		return 0;
	}
	if (rc < 0)
		return rc;
	if (fstat(at, &st) < 0)
		return lp_err_set(err, -errno, "look at %s", path);
	if (readonly) {
		rc = lp_mount_clone(at, true, &copy, err);
		if (rc == 0)
			rc = lp_mount_set(copy, MOUNT_ATTR_RDONLY | KERNEL_ATTRS, 0, true, err);
		return rc < 0 ? rc : lp_mount_attach(copy, at, err);
	}
	if (S_ISDIR(st.st_mode))
		return mask_directory(at, empty_fd, err);
	rc = lp_mount_clone(assembly->null_fd, false, &copy, err);
	/* A node's mode is everybody's: not to be changed from here. */
	if (rc == 0 && assembly->null_is_hosts)
		rc = lp_mount_set(copy, MOUNT_ATTR_RDONLY, 0, false, err);
	return rc < 0 ? rc : lp_mount_attach(copy, at, err);
}

/* One name in the directory before the '*': is it of the form "<stem><digits>"? */
static int
cover_match(void *arg, const char *name)
{
	const struct cover_walk *walk = arg;
	const char *star = strchr(walk->path, '*'), *stem = star;
	char path[256];
	int len;

	while (stem > walk->path && stem[-1] != '/')
		stem--;
	if (strncmp(name, stem, (size_t)(star - stem)) != 0 || !name[star - stem] ||
	    name[star - stem + (long)strspn(name + (star - stem), "0123456789")])
		return 0;
	len = snprintf(path, sizeof(path), "%.*s%s%s", (int)(stem - walk->path), walk->path, name, star + 1);
	if (len < 0 || (size_t)len >= sizeof(path))
		return lp_err_set(walk->err, -ENAMETOOLONG, "cover %s", walk->path);
	return cover(walk->inside, walk->assembly, path, walk->readonly, walk->empty_fd, walk->err);
}

static int
cover_many(const struct lp_inside *inside, const struct lp_assembly *assembly, const char *path, bool readonly, int *empty_fd,
    struct lp_err *err)
{
	struct cover_walk walk = { .inside = inside, .assembly = assembly, .path = path, .readonly = readonly, .empty_fd = empty_fd, .err = err };
	const char *star = strchr(path, '*');
	lp_auto_fd int fd = -1;
	char above[256], first[256];
	int rc;

	if (!star)
		return cover(inside, assembly, path, readonly, empty_fd, err);
	while (star > path && star[-1] != '/')
		star--;
	if ((size_t)(star - path) >= sizeof(above))
		return lp_err_set(err, -ENAMETOOLONG, "cover %s", path);
	memcpy(above, path, (size_t)(star - path));
	above[star - path] = '\0';
	/* A kernel that has none for the first one has none: most have not, and to list is dear. */
	if (snprintf(first, sizeof(first), "%.*s0%s", (int)(strchr(path, '*') - path), path, strchr(path, '*') + 1) < (int)sizeof(first) &&
	    kernel_lacks(inside->config, assembly, first))
		return 0;
	/* The names are those of the kernel too; each is looked for in the container before it is covered. */
	rc = lp_path_open_in_root(assembly->host_fd, above, O_RDONLY | O_DIRECTORY, 0, &fd, err);
	if (rc == -ENOENT) {
		lp_err_clear(err);
		return 0;
	}
	return rc < 0 ? rc : lp_path_each(fd, cover_match, &walk, err);
}

static int
cover_all(const struct lp_inside *inside, const struct lp_assembly *assembly, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;
	lp_auto_fd int empty = -1;
	int rc = 0;

	for (const char *const *path = config->readonly_paths; rc == 0 && path && *path; path++)
		rc = cover_many(inside, assembly, *path, true, &empty, err);
	for (const char *const *path = config->masked_paths; rc == 0 && path && *path; path++)
		rc = cover_many(inside, assembly, *path, false, &empty, err);
	return rc;
}

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
	return rc < 0 ? rc : cover_all(inside, assembly, err);
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
