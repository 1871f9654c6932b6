#include "runtime/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

enum { PROC_MAGIC = 0x9fa0, LOG_BYTES = 200, PATH_BYTES = 4096, LINKS_MAX = 40 };

/* The kernel's own words ("e overlay: No changes allowed ..."), or "" when it has none. */
static void
kernel_words(int fs_fd, char out[static LOG_BYTES])
{
	ssize_t len = read(fs_fd, out, LOG_BYTES - 1);

	out[len > 0 ? len : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (out[0] && out[1] == ' ')
		memmove(out, out + 2, strlen(out + 2) + 1);
}

static int
refused(int fs_fd, int code, const char *fstype, struct lp_err *err)
{
	char words[LOG_BYTES];

	kernel_words(fs_fd, words);
	if (words[0])
		return lp_err_set(err, code, "mount %s (%s)", fstype, words);
	return lp_err_set(err, code, "mount %s", fstype);
}

int
lp_mount_new(const char *fstype, const struct lp_mount_option *options, size_t count, unsigned attrs, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fs = fsopen(fstype, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return lp_err_set(err, -errno, "file system %s", fstype);
	for (size_t i = 0; i < count; i++) {
		const struct lp_mount_option *option = &options[i];
		unsigned command = option->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

		if (fsconfig(fs, command, option->key, option->value, 0) < 0) {
			int rc = refused(fs, -errno, fstype, err);

			(void)lp_err_wrap(err, "option %s", option->key);	/* the code stays */
			return rc;
		}
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return refused(fs, -errno, fstype, err);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
	if (fd < 0)
		return refused(fs, -errno, fstype, err);
	*out_fd = fd;
	return 0;
}

int
lp_mount_clone(int fd, bool recursive, int *out_fd, struct lp_err *err)
{
	return lp_mount_clone_at(fd, "", recursive, out_fd, err);
}

int
lp_mount_clone_at(int dir_fd, const char *name, bool recursive, int *out_fd, struct lp_err *err)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | (recursive ? AT_RECURSIVE : 0u);
	int tree = open_tree(dir_fd, name, flags);

	if (tree < 0)
		return lp_err_set(err, -errno, "copy a mount");
	*out_fd = tree;
	return 0;
}

unsigned
lp_mount_attrs(uint32_t flags)
{
	return (flags & LP_MOUNT_RO ? MOUNT_ATTR_RDONLY : 0u) | (flags & LP_MOUNT_NOSUID ? MOUNT_ATTR_NOSUID : 0u) |
	    (flags & LP_MOUNT_NODEV ? MOUNT_ATTR_NODEV : 0u) | (flags & LP_MOUNT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0u);
}

int
lp_mount_change(int fd, uint64_t set, uint64_t clear, unsigned long propagation, bool recursive, struct lp_err *err)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear, .propagation = propagation };

	if (!set && !clear && !propagation)
		return 0;
	if ((set | clear) & MOUNT_ATTR__ATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &attr, sizeof(attr)) < 0)
		return lp_err_set(err, -errno, "set mount attributes");
	return 0;
}

int
lp_mount_set(int fd, unsigned attrs, unsigned long propagation, bool recursive, struct lp_err *err)
{
	return lp_mount_change(fd, attrs, 0, propagation, recursive, err);
}

int
lp_mount_shape(int fd, const struct lp_mount *mount, bool fresh, struct lp_err *err)
{
	const unsigned long propagation = mount->flags & LP_MOUNT_PROPAGATE ? lp_mount_propagation(mount->propagation) : 0;
	int rc = lp_mount_change(fd, mount->attr_set_all, mount->attr_clear_all, propagation, true, err);

	if (rc < 0 || (fresh && !mount->attr_clear))
		return rc;
	return lp_mount_change(fd, mount->attr_set, mount->attr_clear, 0, false, err);
}

unsigned long
lp_mount_propagation(enum lp_mount_propagation wanted)
{
	switch (wanted) {
	case LP_MOUNT_PRIVATE:
		return MS_PRIVATE;
	case LP_MOUNT_SLAVE:
		return MS_SLAVE;
	case LP_MOUNT_SHARED:
		return MS_SHARED;
	case LP_MOUNT_UNBINDABLE:
		return MS_UNBINDABLE;
	}
	return MS_PRIVATE;
}

int
lp_mount_idmap(int fd, int userns_fd, bool recursive, const char *what, struct lp_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)(unsigned)userns_fd };

	if (mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0u), &attr, sizeof(attr)) == 0)
		return 0;
	/* EINVAL: this file system (or one below it) cannot; ENOSYS: Linux before 5.12. */
	if (errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)
		return lp_err_say(err, -EOPNOTSUPP, "the file system of %s cannot shift ids for a user namespace", what);
	return lp_err_set(err, -errno, "shift ids of %s", what);
}

int
lp_mount_attach(int mount_fd, int target_fd, struct lp_err *err)
{
	return lp_mount_attach_at(mount_fd, target_fd, "", err);
}

int
lp_mount_attach_at(int mount_fd, int dir_fd, const char *name, struct lp_err *err)
{
	if (move_mount(mount_fd, "", dir_fd, name, MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return lp_err_set(err, -errno, "attach a mount");
	return 0;
}

static int
open_place(const struct lp_place *place, int flags, int *out_fd, struct lp_err *err)
{
	int fd;

	if (place->path) {
		/* The owner's word, trusted: links are followed. */
		struct open_how how = { .flags = (uint64_t)(unsigned)(O_PATH | O_CLOEXEC | flags) };

		fd = (int)syscall(SYS_openat2, AT_FDCWD, place->path, &how, sizeof(how));
		if (fd < 0)
			return lp_err_set(err, -errno, "open %s", place->path);
	} else {
		fd = fcntl(place->fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return lp_err_set(err, -errno, "duplicate a place's descriptor");
	}
	*out_fd = fd;
	return 0;
}

int
lp_mount_place(const struct lp_place *place, int *out_fd, struct lp_err *err)
{
	return open_place(place, 0, out_fd, err);
}

/* As open to others as what it is made in, which hands its group on if it is setgid (an fsGroup's volume). */
static int
make_sub(int place, const char *sub, uint32_t uid, uint32_t gid, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct stat st;
	int rc;

	if (fstat(place, &st) < 0)
		return lp_err_set(err, -errno, "look at what %s is to be made in", sub);
	rc = lp_path_mkdirs(place, sub, 0755, &fd, err);
	if (rc < 0)
		return rc;
	if (fchown(fd, uid, st.st_mode & S_ISGID ? st.st_gid : gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0)
		return lp_err_set(err, -errno, "owner and mode of %s", sub);
	*out_fd = lp_take_fd(&fd);
	return 0;
}

int
lp_mount_source(const struct lp_mount *mount, uint32_t uid, uint32_t gid, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int place = -1;
	int rc = open_place(&mount->source, mount->flags & LP_MOUNT_NOFOLLOW ? O_NOFOLLOW : 0, &place, err);

	if (rc < 0)
		return rc;
	if (!mount->sub) {
		*out_fd = lp_take_fd(&place);
		return 0;
	}
	rc = lp_path_open(place, mount->sub, O_PATH, 0, out_fd, err);
	if (rc != -ENOENT || !(mount->flags & LP_MOUNT_MAKE_SUB))
		return rc;
	lp_err_clear(err);
	return make_sub(place, mount->sub, uid, gid, out_fd, err);
}

static int
open_target(int root_fd, const char *path, bool directory, bool plain, int *out_fd)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (directory ? O_DIRECTORY : 0),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (plain ? RESOLVE_NO_SYMLINKS : 0u),
	};

	for (int tries = 0; tries < 16; tries++) {
		*out_fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (*out_fd >= 0)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EBUSY;
}

/* The directory above the last part of path, made when missing, and that part. A frame of its own: its pages are the container's. */
__attribute__((noinline)) static int
make_file(int root_fd, const char *path, struct lp_err *err)
{
	char above[PATH_BYTES];
	size_t len = strlen(path);
	const char *last;
	lp_auto_fd int dir = -1;
	int fd, rc;

	if (len == 0 || len >= sizeof(above) || path[len - 1] == '/')
		return lp_err_set(err, -EINVAL, "mount target %s", path);
	memcpy(above, path, len + 1);
	last = strrchr(path, '/');
	last = last ? last + 1 : path;
	above[last - path] = '\0';
	rc = lp_path_mkdirs_in_root(root_fd, above[0] ? above : "/", 0755, &dir, err);
	if (rc < 0)
		return rc;
	fd = openat(dir, last, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644);
	if (fd < 0)
		return lp_err_set(err, -errno, "make mount target %s", path);
	(void)close(fd);	/* an empty file: nothing to lose */
	return 0;
}

/* A symbolic link's text, 0 when the path is none or not there yet. */
static int
read_link(int root_fd, const char *path, char out[static PATH_BYTES], struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct stat st;
	ssize_t len;
	int rc = lp_path_open_in_root(root_fd, path, O_PATH | O_NOFOLLOW, 0, &fd, err);

	if (rc == -ENOENT) {
		lp_err_clear(err);
		return 0;
	}
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "look at %s", path);
	if (!S_ISLNK(st.st_mode))
		return 0;
	len = readlinkat(fd, "", out, PATH_BYTES - 1);
	if (len <= 0)
		return lp_err_set(err, len < 0 ? -errno : -ENOENT, "read the link %s", path);
	out[len] = '\0';
	return 1;
}

/*
 * The path that a path with links means inside root, whether it is there or not: openat2 follows a link to what is there only. It says
 * where to make something; made and opened it is inside root in any case, whoever changes links meanwhile.
 */
static int
straighten(int root_fd, const char *path, char out[static PATH_BYTES], struct lp_err *err)
{
	lp_auto_free char *rest = strdup(path);
	char link[PATH_BYTES];
	size_t len = 0;

	out[0] = '\0';
	for (unsigned links = 0; rest && links <= LINKS_MAX;) {
		char *part = rest + strspn(rest, "/"), *next = part + strcspn(part, "/");
		size_t size = (size_t)(next - part);
		int rc;

		if (size == 0)
			return 0;
		if (len + 1 + size >= PATH_BYTES)
			return lp_err_set(err, -ENAMETOOLONG, "mount target %.100s", path);
		out[len] = '/';
		memcpy(out + len + 1, part, size);
		out[len + 1 + size] = '\0';
		if (strcmp(out + len, "/..") == 0) {
			out[len] = '\0';
			len = len ? (size_t)(strrchr(out, '/') - out) : 0;
		} else if (strcmp(out + len, "/.") != 0) {
			rc = read_link(root_fd, out, link, err);
			if (rc < 0)
				return rc;
			if (rc > 0) {
				char *longer = NULL;

				if (asprintf(&longer, "%s%s", link, next) < 0)
					return lp_err_set(err, -ENOMEM, "mount target %.100s", path);
				free(rest);
				rest = longer;
				len = link[0] == '/' ? 0 : len;
				links++;
				out[len] = '\0';
				continue;
			}
			len += 1 + size;
		}
		out[len] = '\0';
		memmove(rest, next, strlen(next) + 1);
	}
	return lp_err_set(err, rest ? -ELOOP : -ENOMEM, "mount target %.100s", path);
}

static int
make_plainly(int root_fd, const char *path, bool directory, struct lp_err *err)
{
	return directory ? lp_path_mkdirs_in_root(root_fd, path, 0755, NULL, err) : make_file(root_fd, path, err);
}

/* A frame of its own, as make_file. */
__attribute__((noinline)) static int
make_behind_links(int root_fd, const char *path, bool directory, struct lp_err *err)
{
	char straight[PATH_BYTES];
	int rc = straighten(root_fd, path, straight, err);

	return rc < 0 ? rc : make_plainly(root_fd, straight, directory, err);
}

static int
make_target(int root_fd, const char *path, bool directory, struct lp_err *err)
{
	int rc = make_plainly(root_fd, path, directory, err);

	/* A link to nothing is there for who makes, and is not for who opens: only then it is worth to look for one. */
	if (rc != -ENOENT && rc != -EEXIST)
		return rc;
	lp_err_clear(err);
	return make_behind_links(root_fd, path, directory, err);
}

int
lp_mount_target(int root_fd, const char *path, bool directory, bool plain, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct stat st;
	int rc = open_target(root_fd, path, directory, plain, &fd);

	if (rc == -ENOENT) {
		rc = make_target(root_fd, path, directory, err);
		if (rc < 0)
			return rc;
		rc = open_target(root_fd, path, directory, plain, &fd);
	}
	if (rc == -ELOOP && plain)
		return lp_err_say(err, rc, "mount target %s must be an ordinary directory, not a symbolic link", path);
	if (rc < 0)
		return lp_err_set(err, rc, "open mount target %s", path);
	if (!directory && fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "look at mount target %s", path);
	if (!directory && (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)))
		return lp_err_set(err, S_ISDIR(st.st_mode) ? -EISDIR : -ELOOP, "mount target %s", path);
	*out_fd = lp_take_fd(&fd);
	return 0;
}

/* Whoever has no right to its pid namespace: the procfs that is there. */
static int
present_proc(int *out_fd, struct lp_err *err)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/proc", &how, sizeof(how));

	if (fd < 0)
		return lp_err_set(err, -errno, "open /proc");
	*out_fd = fd;
	return 0;
}

int
lp_mount_proc(int *weak_fd, struct lp_err *err)
{
	/* A detached mount costs a grace period of the kernel when it is closed: once in a process's life is enough. */
	static int kept = -1;
	lp_auto_fd int fd = -1;
	struct statfs fs;
	int rc;

	if (kept < 0) {
		rc = lp_mount_new("proc", NULL, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &fd, err);
		if (rc == -EPERM) {
			lp_err_clear(err);
			rc = present_proc(&fd, err);
		}
		if (rc < 0)
			return rc;
		if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_MAGIC)
			return lp_err_say(err, -EBADF, "a new procfs is not a procfs");
		kept = lp_take_fd(&fd);
	}
	*weak_fd = kept;
	return 0;
}
