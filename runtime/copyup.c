#include "runtime/copyup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

enum { DEPTH_MAX = 64, LINK_BYTES = 4096 };

struct level {
	int from, to;
	unsigned depth;
	uint64_t mount;		/* id of the mount that is copied */
	struct lp_err *err;
};

int
lp_copyup_mount(int fd, const char *name, uint64_t *out_id, struct lp_err *err)
{
	struct statx st;

	if (statx(fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH), STATX_MNT_ID, &st) < 0)
		return lp_err_set(err, -errno, "look at the mount of %s", name);
	*out_id = st.stx_mnt_id;
	return 0;
}

/* Owner first: changing it takes away set-id bits. */
static int
same_look(int fd, const struct stat *st, struct lp_err *err)
{
	const struct timespec times[2] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0 || fchmod(fd, st->st_mode & 07777) < 0 || futimens(fd, times) < 0)
		return lp_err_set(err, -errno, "owner, mode and times of a copy");
	return 0;
}

static int
copy_file(const struct level *level, const char *name, const struct stat *st)
{
	lp_auto_fd int from = openat(level->from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	lp_auto_fd int to = openat(level->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n = 1;

	if (from < 0 || to < 0)
		return lp_err_set(level->err, -errno, "copy %s", name);
	while (n > 0) {
		n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
		if (n < 0 && errno == EINTR)
			n = 1;
	}
	if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
		char bytes[16384];

		while ((n = read(from, bytes, sizeof(bytes))) > 0) {
			int rc = lp_path_write_all(to, bytes, (size_t)n, level->err);

			if (rc < 0)
				return rc;
		}
	}
	if (n < 0)
		return lp_err_set(level->err, -errno, "copy %s", name);
	return same_look(to, st, level->err);
}

static int
copy_link(const struct level *level, const char *name, const struct stat *st)
{
	char text[LINK_BYTES];
	ssize_t len = readlinkat(level->from, name, text, sizeof(text));

	if (len < 0 || (size_t)len == sizeof(text))
		return lp_err_set(level->err, len < 0 ? -errno : -ENAMETOOLONG, "copy link %s", name);
	text[len] = '\0';
	if (symlinkat(text, level->to, name) < 0 || fchownat(level->to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return lp_err_set(level->err, -errno, "copy link %s", name);
	return 0;
}

static int copy_level(struct level *level);

static int
copy_directory(const struct level *above, const char *name, const struct stat *st)
{
	struct level level = { .from = -1, .to = -1, .depth = above->depth + 1, .mount = above->mount, .err = above->err };
	int rc;

	if (level.depth > DEPTH_MAX)
		return lp_err_say(above->err, -ELOOP, "copy %s: more than %d levels", name, DEPTH_MAX);
	if (mkdirat(above->to, name, 0700) < 0)
		return lp_err_set(above->err, -errno, "copy %s", name);
	level.from = openat(above->from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	level.to = openat(above->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	rc = level.from < 0 || level.to < 0 ? lp_err_set(above->err, -errno, "copy %s", name) : copy_level(&level);
	if (rc == 0)
		rc = same_look(level.to, st, above->err);
	lp_close(&level.from);
	lp_close(&level.to);
	return rc;
}

static int
copy_one(void *arg, const char *name)
{
	const struct level *level = arg;
	struct stat st;
	uint64_t mount;
	int rc = lp_copyup_mount(level->from, name, &mount, level->err);

	if (rc < 0 || mount != level->mount)
		return rc;
	if (fstatat(level->from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return lp_err_set(level->err, -errno, "copy %s", name);
	if (S_ISDIR(st.st_mode))
		return copy_directory(level, name, &st);
	if (S_ISREG(st.st_mode))
		return copy_file(level, name, &st);
	if (S_ISLNK(st.st_mode))
		return copy_link(level, name, &st);
	/* A device, pipe or socket. */
	if (mknodat(level->to, name, st.st_mode, st.st_rdev) < 0 || fchownat(level->to, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return lp_err_set(level->err, -errno, "copy %s", name);
	return 0;
}

static int
copy_level(struct level *level)
{
	return lp_path_each(level->from, copy_one, level, level->err);
}

int
lp_copyup_tree(int from_fd, int to_fd, struct lp_err *err)
{
	struct level level = { .err = err };
	lp_auto_fd int from = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	lp_auto_fd int to = openat(to_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	int rc;

	if (from < 0 || to < 0 || fstat(from, &st) < 0)
		return lp_err_set(err, -errno, "copy a directory");
	level.from = from;
	level.to = to;
	rc = lp_copyup_mount(from, "", &level.mount, err);
	if (rc == 0)
		rc = copy_level(&level);
	return rc < 0 ? rc : same_look(to, &st, err);
}
