#include "runtime/cover.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/mount.h"

enum { PROC_PREFIX = 6 };	/* "/proc/" */

struct covering {
	const struct lp_container_config *config;
	const struct lp_assembly *assembly;
	int proc_fd;	/* the procfs at the container's /proc, -1: there is none */
	int empty_fd;	/* a read-only empty tmpfs, made when first needed */
	struct lp_err *err;
};

/* A path to cover: what it is, and how it is named now. name "": dir_fd itself. */
struct spot {
	int dir_fd;
	const char *name;
	struct stat st;
	const char *path;
	bool readonly;
};

/* ---- what is there ---- */

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
kernel_lacks(const struct covering *covering, const char *path)
{
	if (strncmp(path, "/sys/", 5) != 0 || !mounts_kind(covering->config, LP_MOUNT_SYSFS, "/sys"))
		return false;
	return faccessat(covering->assembly->host_fd, path + 1, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* Most covers lie right in /proc. If that is a procfs by now, none of its names but a link leads anywhere else. */
static int
open_proc(struct covering *covering)
{
	lp_auto_fd int fd = -1;
	struct statfs fs;
	int rc = lp_path_open_in_root(covering->assembly->root_fd, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, &fd, covering->err);

	if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP) {
		lp_err_clear(covering->err);
		return 0;
	}
	if (rc < 0)
		return rc;
	if (fstatfs(fd, &fs) < 0)
		return lp_err_set(covering->err, -errno, "look at /proc");
	if (fs.f_type == PROC_SUPER_MAGIC)
		covering->proc_fd = lp_take_fd(&fd);
	return 0;
}

/* ---- one cover ---- */

/*
 * An empty read-only directory over another. Only what is attached can be copied before Linux 6.15, so the first one is
 * attached itself and the later ones are copies of it.
 */
static int
mask_directory(struct covering *covering, const struct spot *spot)
{
	static const struct lp_mount_option options[] = { { "mode", "0755" }, { "size", "4096" } };
	struct lp_err *err = covering->err;
	lp_auto_fd int copy = -1;
	int rc;

	if (covering->empty_fd >= 0) {
		rc = lp_mount_clone(covering->empty_fd, false, &copy, err);
		return rc < 0 ? rc : lp_mount_attach_at(copy, spot->dir_fd, spot->name, err);
	}
	rc = lp_mount_new("tmpfs", options, lp_count(options), LP_MOUNT_KERNEL_ATTRS | MOUNT_ATTR_RDONLY, &covering->empty_fd, err);
	return rc < 0 ? rc : lp_mount_attach_at(covering->empty_fd, spot->dir_fd, spot->name, err);
}

static int
cover_spot(struct covering *covering, const struct spot *spot)
{
	const struct lp_assembly *assembly = covering->assembly;
	struct lp_err *err = covering->err;
	lp_auto_fd int copy = -1;
	int rc;

	if (spot->readonly) {
		rc = lp_mount_clone_at(spot->dir_fd, spot->name, true, &copy, err);
		if (rc == 0)
			rc = lp_mount_set(copy, MOUNT_ATTR_RDONLY | LP_MOUNT_KERNEL_ATTRS, 0, true, err);
	} else if (S_ISDIR(spot->st.st_mode)) {
		return mask_directory(covering, spot);
	} else {
		rc = lp_mount_clone(assembly->null_fd, false, &copy, err);
		/* A node's mode is everybody's: not to be changed from here. */
		if (rc == 0 && assembly->null_is_hosts)
			rc = lp_mount_set(copy, MOUNT_ATTR_RDONLY, 0, false, err);
	}
	return rc < 0 ? rc : lp_mount_attach_at(copy, spot->dir_fd, spot->name, err);
}

/* A name right in the procfs: 1 if it was answered here, 0 if the path must be walked. */
static int
cover_in_proc(struct covering *covering, struct spot *spot)
{
	int rc;

	if (covering->proc_fd < 0 || strncmp(spot->path, "/proc/", PROC_PREFIX) != 0)
		return 0;
	spot->dir_fd = covering->proc_fd;
	spot->name = spot->path + PROC_PREFIX;
	if (!spot->name[0] || spot->name[0] == '.' || strchr(spot->name, '/'))
		return 0;
	if (fstatat(spot->dir_fd, spot->name, &spot->st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : lp_err_set(covering->err, -errno, "look at %s", spot->path);
	if (S_ISLNK(spot->st.st_mode))
		return 0;
	rc = cover_spot(covering, spot);
	return rc < 0 ? rc : 1;
}

static int
cover(struct covering *covering, const char *path, bool readonly)
{
	struct spot spot = { .path = path, .readonly = readonly };
	lp_auto_fd int at = -1;
	int rc;

	if (kernel_lacks(covering, path))
		return 0;
	rc = cover_in_proc(covering, &spot);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = lp_path_open_in_root(covering->assembly->root_fd, path, O_PATH, 0, &at, covering->err);
	if (rc == -ENOENT || rc == -ENOTDIR) {
		lp_err_clear(covering->err);
		return 0;
	}
	if (rc < 0)
		return rc;
	spot.dir_fd = at;
	spot.name = "";
	if (fstat(at, &spot.st) < 0)
		return lp_err_set(covering->err, -errno, "look at %s", path);
	return cover_spot(covering, &spot);
}

/* ---- many ---- */

struct cover_walk {
	struct covering *covering;
	const char *path;	/* with one '*' */
	bool readonly;
};

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
		return lp_err_set(walk->covering->err, -ENAMETOOLONG, "cover %s", walk->path);
	return cover(walk->covering, path, walk->readonly);
}

static int
cover_many(struct covering *covering, const char *path, bool readonly)
{
	struct cover_walk walk = { .covering = covering, .path = path, .readonly = readonly };
	const char *star = strchr(path, '*');
	lp_auto_fd int fd = -1;
	char above[256], first[256];
	int rc;

	if (!star)
		return cover(covering, path, readonly);
	while (star > path && star[-1] != '/')
		star--;
	if ((size_t)(star - path) >= sizeof(above))
		return lp_err_set(covering->err, -ENAMETOOLONG, "cover %s", path);
	memcpy(above, path, (size_t)(star - path));
	above[star - path] = '\0';
	/* A kernel that has none for the first one has none: most have not, and to list is dear. */
	if (snprintf(first, sizeof(first), "%.*s0%s", (int)(strchr(path, '*') - path), path, strchr(path, '*') + 1) < (int)sizeof(first) &&
	    kernel_lacks(covering, first))
		return 0;
	/* The names are those of the kernel too; each is looked for in the container before it is covered. */
	rc = lp_path_open_in_root(covering->assembly->host_fd, above, O_RDONLY | O_DIRECTORY, 0, &fd, covering->err);
	if (rc == -ENOENT) {
		lp_err_clear(covering->err);
		return 0;
	}
	return rc < 0 ? rc : lp_path_each(fd, cover_match, &walk, covering->err);
}

int
lp_cover(const struct lp_container_config *config, const struct lp_assembly *assembly, struct lp_err *err)
{
	struct covering covering = { .config = config, .assembly = assembly, .proc_fd = -1, .empty_fd = -1, .err = err };
	int rc = config->readonly_paths || config->masked_paths ? open_proc(&covering) : 0;

	for (const char *const *path = config->readonly_paths; rc == 0 && path && *path; path++)
		rc = cover_many(&covering, *path, true);
	for (const char *const *path = config->masked_paths; rc == 0 && path && *path; path++)
		rc = cover_many(&covering, *path, false);
	lp_close(&covering.proc_fd);
	lp_close(&covering.empty_fd);
	return rc;
}
