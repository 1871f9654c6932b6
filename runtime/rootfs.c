#include "runtime/rootfs.h"

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
#include "runtime/mount.h"

enum { FSCONFIG_STRING_MAX = 255 };

static bool
place_given(const struct lp_place *place)
{
	return place->path || place->fd >= 0;
}

void
lp_rootfs_parts_init(struct lp_rootfs_parts *parts)
{
	parts->ready = parts->writable = -1;
	parts->layer_count = 0;
	parts->top_mode = 0755;
}

void
lp_rootfs_parts_fini(struct lp_rootfs_parts *parts)
{
	lp_close(&parts->ready);
	lp_close(&parts->writable);
	for (size_t i = 0; i < parts->layer_count; i++)
		lp_close(&parts->layers[i]);
	parts->layer_count = 0;
}

/* ---- owner's side ---- */

static const char *
place_words(const struct lp_place *place)
{
	return place->path ? place->path : "a given directory";
}

/* A directory of the owner's as a detached mount with shifted ids. */
static int
copy_place(const struct lp_place *place, int userns_fd, bool recursive, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1, tree = -1;
	int rc = lp_mount_place(place, &fd, err);

	if (rc == 0)
		rc = lp_mount_clone(fd, recursive, &tree, err);
	if (rc == 0 && userns_fd >= 0)
		rc = lp_mount_idmap(tree, userns_fd, recursive, place_words(place), err);
	if (rc == 0)
		*out_fd = lp_take_fd(&tree);
	return rc;
}

/* An empty directory of this name, whatever was there before. */
static int
fresh_directory(int fd, const char *name, bool keep, unsigned mode, struct lp_err *err)
{
	lp_auto_fd int dir = -1;
	int rc = keep ? 0 : lp_path_remove(fd, name, err);

	if (rc < 0)
		return rc;
	if (mkdirat(fd, name, 0700) < 0 && !(keep && errno == EEXIST))
		return lp_err_set(err, -errno, "make %s directory", name);
	rc = lp_path_open(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &dir, err);
	if (rc < 0)
		return rc;
	if (fchmod(dir, mode) < 0)
		return lp_err_set(err, -errno, "mode of %s directory", name);
	return 0;
}

static int
prepare_writable(const struct lp_rootfs *rootfs, unsigned top_mode, struct lp_err *err)
{
	lp_auto_fd int place = -1, fd = -1;
	int rc = lp_mount_place(&rootfs->writable, &place, err);

	if (rc == 0)
		rc = lp_path_open(place, ".", O_RDONLY | O_DIRECTORY, 0, &fd, err);
	if (rc == 0)
		rc = fresh_directory(fd, "upper", rootfs->keep_upper, top_mode, err);
	if (rc == 0)
		rc = fresh_directory(fd, "work", false, 0700, err);
	return rc;
}

int
lp_rootfs_clear(const struct lp_place *writable, struct lp_err *err)
{
	lp_auto_fd int place = -1, fd = -1;
	int rc;

	if (!place_given(writable))
		return 0;
	rc = lp_mount_place(writable, &place, err);
	if (rc == -ENOENT) {
		lp_err_clear(err);
		return 0;
	}
	if (rc == 0)
		rc = lp_path_open(place, ".", O_RDONLY | O_DIRECTORY, 0, &fd, err);
	if (rc == 0)
		rc = lp_path_remove(fd, "upper", err);
	if (rc == 0)
		rc = lp_path_remove(fd, "work", err);
	return rc;
}

/* The writable place as a mount of its own; without shifted ids where the file system has none. */
static int
copy_writable(const struct lp_place *writable, int userns_fd, uint32_t root_uid, uint32_t root_gid, int *out_fd, struct lp_err *err)
{
	static const char *const names[] = { "upper", "work" };
	int rc = copy_place(writable, userns_fd, false, out_fd, err);

	if (rc != -EOPNOTSUPP)
		return rc;
	lp_err_clear(err);
	rc = copy_place(writable, -1, false, out_fd, err);
	for (size_t i = 0; rc == 0 && i < lp_count(names); i++)
		if (fchownat(*out_fd, names[i], root_uid, root_gid, AT_SYMLINK_NOFOLLOW) < 0)
			rc = lp_err_set(err, -errno, "owner of %s directory", names[i]);
	return rc;
}

static int
prepare_layers(const struct lp_rootfs *rootfs, int userns_fd, uint32_t root_uid, uint32_t root_gid, struct lp_rootfs_parts *parts,
    struct lp_err *err)
{
	struct stat st;
	int rc;

	if (rootfs->layer_count == 0)
		return lp_err_say(err, -EINVAL, "a root file system needs layers or a ready tree");
	if (rootfs->layer_count > LP_ROOTFS_LAYERS_MAX)
		return lp_err_say(err, -E2BIG, "%zu layers are more than %d", rootfs->layer_count, LP_ROOTFS_LAYERS_MAX);
	for (size_t i = 0; i < rootfs->layer_count; i++) {
		rc = copy_place(&rootfs->layers[i], userns_fd, false, &parts->layers[i], err);
		if (rc < 0)
			return lp_err_wrap(err, "layer %zu", i);
		parts->layer_count = i + 1;
	}
	if (fstat(parts->layers[0], &st) < 0)
		return lp_err_set(err, -errno, "look at the topmost layer");
	parts->top_mode = st.st_mode & 07777;
	if (!place_given(&rootfs->writable))
		return 0;
	rc = prepare_writable(rootfs, parts->top_mode, err);
	if (rc == 0)
		rc = copy_writable(&rootfs->writable, userns_fd, root_uid, root_gid, &parts->writable, err);
	return rc < 0 ? lp_err_wrap(err, "writable layer") : 0;
}

int
lp_rootfs_prepare(const struct lp_rootfs *rootfs, int userns_fd, uint32_t root_uid, uint32_t root_gid, struct lp_rootfs_parts *out,
    struct lp_err *err)
{
	struct lp_rootfs_parts parts;
	int rc;

	lp_rootfs_parts_init(&parts);
	if (place_given(&rootfs->ready)) {
		/* What is mounted in it must not show in the owner's tree. */
		rc = copy_place(&rootfs->ready, rootfs->keep_ids ? -1 : userns_fd, true, &parts.ready, err);
		if (rc == 0)
			rc = lp_mount_set(parts.ready, 0, rootfs->propagation_set && rootfs->propagation != LP_MOUNT_PRIVATE ? MS_SLAVE : MS_PRIVATE,
			    true, err);
	} else {
		rc = prepare_layers(rootfs, userns_fd, root_uid, root_gid, &parts, err);
	}
	if (rc < 0) {
		lp_rootfs_parts_fini(&parts);
		return rc;
	}
	*out = parts;
	return 0;
}

/* ---- child's side ---- */

static int
attach_parts(const struct lp_rootfs_parts *parts, int place_fd, struct lp_err *err)
{
	int rc = 0;

	/* One on top of the other: their descriptors stay good, and nobody looks at that directory any more. */
	for (size_t i = 0; rc == 0 && i < parts->layer_count; i++)
		rc = lp_mount_attach(parts->layers[i], place_fd, err);
	if (rc == 0 && parts->writable >= 0)
		rc = lp_mount_attach(parts->writable, place_fd, err);
	return rc;
}

static int
tmpfs_writable(const struct lp_rootfs *rootfs, unsigned top_mode, int place_fd, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char size[32];
	struct lp_mount_option options[] = { { "mode", "0700" }, { "size", size } };
	int rc;

	(void)snprintf(size, sizeof(size), "%" PRIu64, rootfs->tmpfs_bytes);
	rc = lp_mount_new("tmpfs", options, rootfs->tmpfs_bytes ? 2 : 1, 0, &fd, err);
	if (rc == 0)
		rc = lp_mount_attach(fd, place_fd, err);
	/* The umask of the child is 0. */
	if (rc == 0 && (mkdirat(fd, "upper", top_mode) < 0 || mkdirat(fd, "work", 0700) < 0))
		rc = lp_err_set(err, -errno, "make upper and work directories");
	if (rc == 0)
		*out_fd = lp_take_fd(&fd);
	return rc;
}

/* Into "self/fd", where descriptors are names: "12/upper". */
static int
go_to_descriptors(int proc_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = lp_path_open(proc_fd, "self/fd", O_PATH | O_DIRECTORY, 0, &fd, err);

	if (rc < 0)
		return rc;
	return fchdir(fd) < 0 ? lp_err_set(err, -errno, "go to our descriptors") : 0;
}

static int
mount_overlay(const struct lp_rootfs *rootfs, const struct lp_rootfs_parts *parts, int writable, unsigned attrs, int *out_fd,
    struct lp_err *err)
{
	char lower[FSCONFIG_STRING_MAX + 1], upper[32], work[32];
	struct lp_mount_option options[] = {
		{ "lowerdir", lower }, { "upperdir", upper }, { "workdir", work }, { "volatile", NULL },
	};
	size_t len = 0;

	for (size_t i = 0; i < parts->layer_count; i++) {
		len += (size_t)snprintf(lower + len, sizeof(lower) - len, "%s%d", i ? ":" : "", parts->layers[i]);
		if (len >= sizeof(lower))
			return lp_err_say(err, -E2BIG, "too many layers for one mount option");
	}
	(void)snprintf(upper, sizeof(upper), "%d/upper", writable);
	(void)snprintf(work, sizeof(work), "%d/work", writable);
	return lp_mount_new("overlay", options, rootfs->durable ? 3 : 4, attrs, out_fd, err);
}

int
lp_rootfs_mount(const struct lp_rootfs *rootfs, const struct lp_rootfs_parts *parts, int place_fd, int proc_fd, unsigned attrs,
    int *out_fd, struct lp_err *err)
{
	lp_auto_fd int made = -1;
	int rc;

	if (parts->ready >= 0) {
		rc = lp_mount_set(parts->ready, attrs, 0, false, err);
		if (rc == 0) {
			made = fcntl(parts->ready, F_DUPFD_CLOEXEC, 3);
			rc = made < 0 ? lp_err_set(err, -errno, "duplicate the root") : 0;
		}
		if (rc == 0)
			*out_fd = lp_take_fd(&made);
		return rc;
	}
	rc = attach_parts(parts, place_fd, err);
	if (rc == 0 && parts->writable < 0)
		rc = tmpfs_writable(rootfs, parts->top_mode, place_fd, &made, err);
	if (rc == 0)
		rc = go_to_descriptors(proc_fd, err);
	if (rc == 0)
		rc = mount_overlay(rootfs, parts, made >= 0 ? made : parts->writable, attrs, out_fd, err);
	return rc < 0 ? lp_err_wrap(err, "root file system") : 0;
}
