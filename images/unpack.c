#include "images/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/path.h"
#include "base/text.h"
#include "images/tar.h"

#define COPY_SIZE ((size_t)128 << 10)
#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define OPAQUE "trusted.overlay.opaque"

struct unpack {
	struct lp_tar tar;
	struct lp_stream *stream;
	int root_fd;			/* weak */
	struct lp_unpack_limits limits;
	struct lp_unpack_result result;
	int parent_fd;			/* the directory of the last entry, -1 when not known */
	char parent[LP_TAR_PATH_MAX + 1];
	struct lp_buf dirs;		/* struct timespec and path, for the end */
	char *copy;
};

/* Where an entry goes. */
struct place {
	char path[LP_TAR_PATH_MAX + 1];	/* cleaned, relative; "" is the root */
	const char *name;		/* last component, in path */
	int dir_fd;			/* weak: the directory it is in */
};

static int
source_read(void *arg, void *data, size_t len, struct lp_err *err)
{
	struct unpack *u = arg;
	ssize_t n = lp_stream_read(u->stream, data, len, err);

	if (n == 0)
		return -ENODATA;
	return n < 0 ? (int)n : lp_stream_read_all(u->stream, (char *)data + n, len - (size_t)n, err);
}

static int
source_skip(void *arg, uint64_t len, struct lp_err *err)
{
	struct unpack *u = arg;

	return lp_stream_skip(u->stream, len, err);
}

static void
forget_parent(struct unpack *u)
{
	lp_close(&u->parent_fd);
}

/* Open (or make) the directory that `place` is in. */
static int
enter(struct unpack *u, struct place *place, struct lp_err *err)
{
	char *slash = strrchr(place->path, '/');
	size_t len = slash ? (size_t)(slash - place->path) : 0;
	int rc;

	place->name = slash ? slash + 1 : place->path;
	if (!slash) {
		place->dir_fd = u->root_fd;
		return 0;
	}
	if (u->parent_fd < 0 || strlen(u->parent) != len || memcmp(u->parent, place->path, len) != 0) {
		forget_parent(u);
		memcpy(u->parent, place->path, len);
		u->parent[len] = '\0';
		rc = lp_path_open(u->root_fd, u->parent, O_RDONLY | O_DIRECTORY, 0, &u->parent_fd, err);
		if (rc == -ENOENT)
			rc = lp_path_mkdirs(u->root_fd, u->parent, 0755, &u->parent_fd, err);
		if (rc == -EXDEV || rc == -ELOOP)
			return lp_err_say(err, -EXDEV, "leads out of the image through a link");
		if (rc < 0)
			return rc;
	}
	place->dir_fd = u->parent_fd;
	return 0;
}

static bool
is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(0, 0);
}

static int
set_opaque(int fd, struct lp_err *err)
{
	if (fsetxattr(fd, OPAQUE, "y", 1, 0) < 0)
		return lp_err_set(err, -errno, "mark directory opaque");
	return 0;
}

static int
remember_time(struct unpack *u, const char *path, const struct timespec *when, struct lp_err *err)
{
	(void)lp_buf_add(&u->dirs, when, sizeof(*when));
	int rc = lp_buf_add(&u->dirs, path, strlen(path) + 1);

	return rc < 0 ? lp_err_set(err, rc, "remember directory times") : 0;
}

/* What content may set: TRUST.md rule 6, allow-list. */
static bool
xattr_allowed(const char *name)
{
	if (!strcmp(name, "security.capability"))
		return true;
	return lp_text_starts(name, "user.") && !lp_text_starts(name, "user.overlay.");
}

/* Owner first: it clears setuid and capabilities. */
static int
set_attributes(int fd, const struct lp_tar_entry *e, struct lp_err *err)
{
	if (fchown(fd, e->uid, e->gid) < 0)
		return lp_err_set(err, -errno, "set owner %u:%u", e->uid, e->gid);
	if (fchmod(fd, e->mode) < 0)
		return lp_err_set(err, -errno, "set mode");
	for (size_t i = 0; i < e->xattr_count; i++) {
		const struct lp_tar_xattr *x = &e->xattrs[i];

		if (xattr_allowed(x->name) && fsetxattr(fd, x->name, x->value, x->len, 0) < 0)
			return lp_err_set(err, -errno, "set attribute %.64s", x->name);
	}
	return 0;
}

/* The same for what cannot be opened: links and pipes, made a moment ago in a directory only we write. */
static int
set_attributes_at(const struct place *place, const struct lp_tar_entry *e, struct lp_err *err)
{
	struct timespec times[2] = { e->mtime, e->mtime };

	if (fchownat(place->dir_fd, place->name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return lp_err_set(err, -errno, "set owner %u:%u", e->uid, e->gid);
	if (e->type == LP_TAR_FIFO && fchmodat(place->dir_fd, place->name, e->mode, 0) < 0)
		return lp_err_set(err, -errno, "set mode");
	if (utimensat(place->dir_fd, place->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return lp_err_set(err, -errno, "set times");
	return 0;
}

static int
clear_place(struct unpack *u, const struct place *place, struct lp_err *err)
{
	if (place->dir_fd == u->root_fd)
		forget_parent(u);	/* it may go away, or be reached through what goes */
	if (unlinkat(place->dir_fd, place->name, 0) == 0 || errno == ENOENT)
		return 0;
	return lp_path_remove(place->dir_fd, place->name, err);
}

static int
put_directory(struct unpack *u, const struct place *place, const struct lp_tar_entry *e, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct stat st;
	bool there = fstatat(place->dir_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	bool hidden = there && is_whiteout(&st);
	int rc = 0;

	if (there && !S_ISDIR(st.st_mode))
		rc = clear_place(u, place, err);
	if (rc < 0)
		return rc;
	if ((!there || !S_ISDIR(st.st_mode)) && mkdirat(place->dir_fd, place->name, 0700) < 0)
		return lp_err_set(err, -errno, "make directory");
	fd = openat(place->dir_fd, place->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return lp_err_set(err, -errno, "open directory");
	rc = set_attributes(fd, e, err);
	if (rc == 0 && hidden)
		rc = set_opaque(fd, err);
	return rc < 0 ? rc : remember_time(u, place->path, &e->mtime, err);
}

static int
put_file(struct unpack *u, const struct place *place, const struct lp_tar_entry *e, struct lp_err *err)
{
	struct timespec times[2] = { e->mtime, e->mtime };
	lp_auto_fd int fd = -1;
	int64_t n;
	int rc;

	if (e->size > u->limits.bytes - u->result.bytes)
		return lp_err_say(err, -E2BIG, "more than %llu bytes of files", (unsigned long long)u->limits.bytes);
	u->result.bytes += e->size;
	fd = openat(place->dir_fd, place->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return lp_err_set(err, -errno, "create file");
	while ((n = lp_tar_read(&u->tar, u->copy, COPY_SIZE, err)) > 0) {
		rc = lp_path_write_all(fd, u->copy, (size_t)n, err);
		if (rc < 0)
			return rc;
	}
	if (n < 0)
		return (int)n;
	rc = set_attributes(fd, e, err);
	if (rc < 0)
		return rc;
	return futimens(fd, times) < 0 ? lp_err_set(err, -errno, "set times") : 0;
}

static int
put_symlink(const struct place *place, const struct lp_tar_entry *e, struct lp_err *err)
{
	if (!*e->target)
		return lp_err_say(err, -EBADMSG, "a link without a target");
	if (lp_tar_climbs(place->path, e->target))
		return lp_err_say(err, -EXDEV, "the link to \"%.100s\" leads out of the image", e->target);
	if (symlinkat(e->target, place->dir_fd, place->name) < 0)
		return lp_err_set(err, -errno, "make link");
	return set_attributes_at(place, e, err);
}

/* Opens what a hard link names, before anything is removed. */
static int
open_target(struct unpack *u, const struct lp_tar_entry *e, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char path[LP_TAR_PATH_MAX + 1];
	struct stat st;
	int rc;

	if (*e->target == '/')
		return lp_err_say(err, -EXDEV, "the hard link to \"%.100s\" leads out of the image", e->target);
	rc = lp_tar_clean(e->target, u->limits.depth, path, err);
	if (rc < 0)
		return lp_err_wrap(err, "the hard link to \"%.100s\"", e->target);
	rc = lp_path_open(u->root_fd, *path ? path : ".", O_PATH | O_NOFOLLOW, 0, &fd, err);
	if (rc == -EXDEV)
		return lp_err_say(err, -EXDEV, "the hard link to \"%.100s\" leads out of the image", e->target);
	if (rc == -ENOENT)
		return lp_err_say(err, -EBADMSG, "the hard link to \"%.100s\", which is not in this layer", e->target);
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "stat link target");
	if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode) && !S_ISFIFO(st.st_mode))
		return lp_err_say(err, -EBADMSG, "the hard link to \"%.100s\", which is no file", e->target);
	*out_fd = lp_take_fd(&fd);
	return 0;
}

static int
put_hardlink(struct unpack *u, const struct place *place, int target_fd, struct lp_err *err)
{
	struct stat target, present;

	if (fstat(target_fd, &target) < 0)
		return lp_err_set(err, -errno, "stat link target");
	if (fstatat(place->dir_fd, place->name, &present, AT_SYMLINK_NOFOLLOW) == 0 && present.st_ino == target.st_ino &&
	    present.st_dev == target.st_dev)
		return 0;		/* a link to itself */
	int rc = clear_place(u, place, err);

	if (rc < 0)
		return rc;
	if (linkat(target_fd, "", place->dir_fd, place->name, AT_EMPTY_PATH) < 0)
		return lp_err_set(err, -errno, "make hard link");
	return 0;
}

/* ".wh.x": hide x of the layers below. What this layer itself says of x stays. */
static int
put_whiteout(struct unpack *u, struct place *place, struct lp_err *err)
{
	const char *hidden = place->name + strlen(WHITEOUT);
	lp_auto_fd int fd = -1;
	struct stat st;

	if (!strcmp(place->name, WHITEOUT_OPAQUE))
		return set_opaque(place->dir_fd, err);
	if (lp_text_starts(place->name, WHITEOUT_META))
		return 0;		/* book-keeping of aufs */
	if (!*hidden || !strcmp(hidden, ".") || !strcmp(hidden, ".."))
		return lp_err_say(err, -EBADMSG, "a whiteout that hides nothing");
	if (fstatat(place->dir_fd, hidden, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (mknodat(place->dir_fd, hidden, S_IFCHR, makedev(0, 0)) < 0)
			return lp_err_set(err, -errno, "make whiteout");
		u->result.entries++;
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = openat(place->dir_fd, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return lp_err_set(err, -errno, "open directory");
	return set_opaque(fd, err);
}

static int
put_fifo(const struct place *place, const struct lp_tar_entry *e, struct lp_err *err)
{
	if (mknodat(place->dir_fd, place->name, S_IFIFO | 0600, 0) < 0)
		return lp_err_set(err, -errno, "make pipe");
	return set_attributes_at(place, e, err);
}

static int
put_root(struct unpack *u, const struct lp_tar_entry *e, struct lp_err *err)
{
	if (e->type != LP_TAR_DIRECTORY)
		return lp_err_say(err, -EBADMSG, "the root of the image is no directory");
	int rc = set_attributes(u->root_fd, e, err);

	return rc < 0 ? rc : remember_time(u, ".", &e->mtime, err);
}

static int
put(struct unpack *u, const struct lp_tar_entry *e, struct lp_err *err)
{
	lp_auto_fd int target_fd = -1;
	struct place place;
	int rc = lp_tar_clean(e->name, u->limits.depth, place.path, err);

	if (rc < 0)
		return rc;
	if (!*place.path)
		return put_root(u, e, err);
	rc = enter(u, &place, err);
	if (rc < 0)
		return rc;
	if (lp_text_starts(place.name, WHITEOUT))
		return put_whiteout(u, &place, err);
	switch (e->type) {
	case LP_TAR_DIRECTORY:
		return put_directory(u, &place, e, err);
	case LP_TAR_HARDLINK:
		rc = open_target(u, e, &target_fd, err);
		return rc < 0 ? rc : put_hardlink(u, &place, target_fd, err);
	case LP_TAR_FILE:
		rc = clear_place(u, &place, err);
		return rc < 0 ? rc : put_file(u, &place, e, err);
	case LP_TAR_SYMLINK:
		rc = clear_place(u, &place, err);
		return rc < 0 ? rc : put_symlink(&place, e, err);
	case LP_TAR_FIFO:
		rc = clear_place(u, &place, err);
		return rc < 0 ? rc : put_fifo(&place, e, err);
	case LP_TAR_CHAR:
	case LP_TAR_BLOCK_DEVICE:
		u->result.devices++;
		return 0;
	}
	return -EINVAL;
}

/* Directories get their times when nothing is put into them any more. */
static int
set_directory_times(struct unpack *u, struct lp_err *err)
{
	size_t at = 0;

	while (at < u->dirs.len) {
		lp_auto_fd int fd = -1;
		struct timespec times[2];
		const char *path = u->dirs.data + at + sizeof(times[0]);
		int rc;

		memcpy(&times[0], u->dirs.data + at, sizeof(times[0]));
		times[1] = times[0];
		at += sizeof(times[0]) + strlen(path) + 1;
		rc = lp_path_open(u->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, err);
		if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP)
			continue;	/* a later entry replaced it */
		if (rc < 0)
			return rc;
		if (futimens(fd, times) < 0)
			return lp_err_set(err, -errno, "set times");
	}
	return 0;
}

static int
unpack_all(struct unpack *u, struct lp_err *err)
{
	struct lp_tar_entry entry;
	int rc;

	while ((rc = lp_tar_next(&u->tar, &entry, err)) > 0) {
		if (++u->result.entries > u->limits.entries)
			return lp_err_say(err, -E2BIG, "more than %llu entries", (unsigned long long)u->limits.entries);
		rc = put(u, &entry, err);
		if (rc < 0) {
			(void)lp_err_wrap(err, "entry \"%.100s\"", entry.name);
			return rc;
		}
	}
	return rc < 0 ? rc : set_directory_times(u, err);
}

int
lp_unpack(struct lp_stream *stream, int dir_fd, const struct lp_unpack_limits *limits, struct lp_unpack_result *out, struct lp_err *err)
{
	struct unpack *u = calloc(1, sizeof(*u));
	int rc;

	if (!u)
		return lp_err_set(err, -ENOMEM, "unpack");
	if (limits)
		u->limits = *limits;
	u->limits.bytes = u->limits.bytes ? u->limits.bytes : (uint64_t)64 << 30;
	u->limits.entries = u->limits.entries ? u->limits.entries : 2000000;
	u->limits.depth = u->limits.depth ? u->limits.depth : 256;
	u->stream = stream;
	u->root_fd = dir_fd;
	u->parent_fd = -1;
	lp_buf_init(&u->dirs, (size_t)256 << 20);
	lp_tar_init(&u->tar, source_read, source_skip, u);
	u->copy = malloc(COPY_SIZE);
	rc = u->copy ? unpack_all(u, err) : lp_err_set(err, -ENOMEM, "unpack");
	if (rc == 0 && out)
		*out = u->result;
	forget_parent(u);
	free(u->copy);
	lp_tar_fini(&u->tar);
	lp_buf_fini(&u->dirs);
	free(u);
	return rc;
}
