#include "agent/volume/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

/* Whole trees of a volume: whose they are. By descriptors, never following a link, never into another mount. */

enum { DEPTH_MAX = 128 };

/* Called for each thing at and below the root, directories after what is in them. fd: O_PATH. */
typedef int (*visit_fn)(void *arg, int fd, const struct stat *st, struct lp_err *err);

struct walk {
	visit_fn visit;
	void *arg;
	dev_t device;
	unsigned depth;
	struct lp_err *err;
};

static int walk_at(struct walk *walk, int dir_fd, const char *name);

static int
walk_directory(struct walk *walk, int path_fd)
{
	lp_auto_fd int fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (!dir)
		return lp_err_set(walk->err, -errno, "read a directory of a volume");
	(void)lp_take_fd(&fd);		/* the stream's now */
	while (rc == 0 && (errno = 0, entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = walk_at(walk, dirfd(dir), entry->d_name);
	if (rc == 0 && errno != 0)
		rc = lp_err_set(walk->err, -errno, "read a directory of a volume");
	(void)closedir(dir);		/* it was only read */
	return rc;
}

static int
walk_at(struct walk *walk, int dir_fd, const char *name)
{
	lp_auto_fd int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int rc = 0;

	/* What goes away meanwhile is no fault: the volume may be in use. */
	if (fd < 0)
		return errno == ENOENT ? 0 : lp_err_set(walk->err, -errno, "open %s in a volume", name);
	if (fstat(fd, &st) < 0)
		return lp_err_set(walk->err, -errno, "look at %s in a volume", name);
	if (walk->device == 0)
		walk->device = st.st_dev;
	if (st.st_dev != walk->device)
		return 0;
	if (S_ISDIR(st.st_mode)) {
		if (++walk->depth > DEPTH_MAX)
			return lp_err_say(walk->err, -ELOOP, "a volume is nested more than %d deep", DEPTH_MAX);
		rc = walk_directory(walk, fd);
		walk->depth--;
	}
	return rc == 0 ? walk->visit(walk->arg, fd, &st, walk->err) : rc;
}

/* ---- fsGroup */

static gid_t
group_of(const struct lp_volume_owner *owner)
{
	return owner->base + owner->group;
}

static mode_t
wanted_mode(const struct stat *st)
{
	return (st->st_mode & 07777) | (S_ISDIR(st->st_mode) ? 02770 : 0660);
}

static int
own_one(void *arg, int fd, const struct stat *st, struct lp_err *err)
{
	const struct lp_volume_owner *owner = arg;
	char path[32];

	if (st->st_gid != group_of(owner) && fchownat(fd, "", (uid_t)-1, group_of(owner), AT_EMPTY_PATH) < 0)
		return lp_err_set(err, -errno, "give a volume to its fsGroup");
	if (S_ISLNK(st->st_mode) || (st->st_gid == group_of(owner) && (st->st_mode & 07777) == wanted_mode(st)))
		return 0;
	/* chmod by an O_PATH descriptor goes through our own /proc only. */
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, wanted_mode(st)) < 0 ? lp_err_set(err, -errno, "mode of a volume with fsGroup") : 0;
}

int
lp_volume_own(int dir_fd, const char *name, const struct lp_volume_owner *owner, struct lp_err *err)
{
	struct walk walk = { .visit = own_one, .arg = (void *)owner, .err = err };
	struct stat st;

	if (!owner->has_group)
		return 0;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return lp_err_set(err, -errno, "volume %s", name);
	if (owner->on_mismatch && st.st_gid == group_of(owner) && (st.st_mode & 07777) == wanted_mode(&st))
		return 0;
	return walk_at(&walk, dir_fd, name);
}
