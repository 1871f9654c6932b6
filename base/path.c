#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/seam.h"

enum { RACE_RETRIES = 16, NAME_BYTES = 256, READ_STEP = 16384, REMOVE_DEPTH = 128, EACH_MAX = 1 << 20 };

/* openat2 answers EAGAIN when a rename raced with the walk: the walk is safe to repeat. */
static int
open_how(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.mode = (flags & (O_CREAT | O_TMPFILE)) ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};

	for (int i = 0; i < RACE_RETRIES; i++) {
		int fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EBUSY;
}

static int
open_below(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve, int *out_fd, struct lp_err *err)
{
	int fd = open_how(dir_fd, path, flags, mode, resolve);

	if (fd < 0)
		return lp_err_set(err, fd, "open %s", path);
	*out_fd = fd;
	return 0;
}

int
lp_path_open(int dir_fd, const char *path, int flags, mode_t mode, int *out_fd, struct lp_err *err)
{
	return open_below(dir_fd, path, flags, mode, RESOLVE_BENEATH, out_fd, err);
}

int
lp_path_open_in_root(int dir_fd, const char *path, int flags, mode_t mode, int *out_fd, struct lp_err *err)
{
	return open_below(dir_fd, path, flags, mode, RESOLVE_IN_ROOT, out_fd, err);
}

/* The next part of a path into name; returns the rest, or NULL at the end. -ENAMETOOLONG through *rc. */
static const char *
next_part(const char *path, char name[NAME_BYTES], int *rc)
{
	size_t len;

	path += strspn(path, "/");
	len = strcspn(path, "/");
	*rc = len >= NAME_BYTES ? -ENAMETOOLONG : 0;
	if (len == 0 || *rc < 0)
		return NULL;
	memcpy(name, path, len);
	name[len] = '\0';
	return path + len;
}

/* The directory that the walk may begin in, and what of the path is left: all but the last part is usually there. */
static int
begin_dirs(int dir_fd, const char *path, uint64_t resolve, char *so_far, const char **out_rest)
{
	const char *last = strrchr(path, '/');
	int fd;

	*out_rest = path;
	if (!last || last == path || resolve == RESOLVE_BENEATH || strstr(path, ".."))
		return open_how(dir_fd, ".", O_PATH | O_DIRECTORY, 0, resolve);
	memcpy(so_far, path, (size_t)(last - path));
	so_far[last - path] = '\0';
	fd = open_how(dir_fd, so_far, O_PATH | O_DIRECTORY, 0, resolve);
	if (fd == -ENOENT)
		return open_how(dir_fd, ".", O_PATH | O_DIRECTORY, 0, resolve);
	*out_rest = last;
	return fd;
}

static int
make_dirs(int dir_fd, const char *path, mode_t mode, uint64_t resolve, int *out_fd, struct lp_err *err)
{
	/* A container's first process comes here too, in the container's memory: no heap for the usual path. */
	char name[NAME_BYTES], usual[NAME_BYTES];
	lp_auto_free char *longer = strlen(path) < sizeof(usual) ? NULL : strdup(path);
	char *so_far = longer ? longer : usual;
	lp_auto_fd int at = -1;
	const char *rest, *before;
	int rc = 0;

	if (!longer && strlen(path) >= sizeof(usual))
		return lp_err_set(err, -ENOMEM, "create directory %s", path);
	at = begin_dirs(dir_fd, path, resolve, so_far, &before);
	if (at < 0)
		return lp_err_set(err, at, "open directory above %s", path);
	while ((rest = next_part(before, name, &rc))) {
		int next;
		bool made;

		if (strcmp(name, "..") == 0)
			return lp_err_set(err, -EXDEV, "create directory %s", path);
		made = mkdirat(at, name, mode) == 0;
		if (!made && errno != EEXIST)
			return lp_err_set(err, -errno, "create directory %s", path);
		if (made && !out_fd && !rest[strspn(rest, "/")])
			return 0;
		/* Links are resolved from the root, so the whole path so far is opened again from there. */
		memcpy(so_far, path, (size_t)(rest - path));
		so_far[rest - path] = '\0';
		next = open_how(dir_fd, so_far[0] == '/' && resolve == RESOLVE_BENEATH ? so_far + 1 : so_far,
		    O_PATH | O_DIRECTORY, 0, resolve);
		if (next < 0)
			return lp_err_set(err, next, "open directory %s", so_far);
		lp_close(&at);
		at = next;
		before = rest;
	}
	if (rc < 0)
		return lp_err_set(err, rc, "create directory %s", path);
	if (out_fd) {
		/* A directory that can be read and synced, not just named. */
		int fd = open_how(at, ".", O_RDONLY | O_DIRECTORY, 0, RESOLVE_BENEATH);

		if (fd < 0)
			return lp_err_set(err, fd, "open directory %s", path);
		*out_fd = fd;
	}
	return 0;
}

int
lp_path_mkdirs(int dir_fd, const char *path, mode_t mode, int *out_fd, struct lp_err *err)
{
	return make_dirs(dir_fd, path, mode, RESOLVE_BENEATH, out_fd, err);
}

int
lp_path_mkdirs_in_root(int dir_fd, const char *path, mode_t mode, int *out_fd, struct lp_err *err)
{
	return make_dirs(dir_fd, path, mode, RESOLVE_IN_ROOT, out_fd, err);
}

int
lp_path_root(const char *path, bool create, int *out_fd, struct lp_err *err)
{
	int fd;

	if (create) {
		char so_far[4096];

		if (strlen(path) >= sizeof(so_far))
			return lp_err_set(err, -ENAMETOOLONG, "create directory %s", path);
		for (size_t i = 1; path[i - 1]; i++) {
			if (path[i] != '/' && path[i] != '\0')
				continue;
			memcpy(so_far, path, i);
			so_far[i] = '\0';
			if (mkdir(so_far, 0755) < 0 && errno != EEXIST)
				return lp_err_set(err, -errno, "create directory %s", so_far);
		}
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return lp_err_set(err, -errno, "open directory %s", path);
	*out_fd = fd;
	return 0;
}

/* ---- removal */

/* One removal: what is nested deeper than descriptors allow is moved up to the top of the tree and removed from there. */
struct removal {
	int top_fd;		/* -1: `name` itself is the top */
	unsigned moved;
};

static int remove_entries(struct removal *removal, int dir_fd, unsigned depth, struct lp_err *err);

static int
move_up(struct removal *removal, int dir_fd, const char *name, struct lp_err *err)
{
	for (;;) {
		char above[32];

		(void)snprintf(above, sizeof(above), ".nested-%u", removal->moved++);
		if (renameat2(dir_fd, name, removal->top_fd, above, RENAME_NOREPLACE) == 0 || errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return lp_err_set(err, -errno, "remove %s, nested too deeply", name);
	}
}

/* What is in the top of the tree: again as long as something was moved there. */
static int
remove_top(struct removal *removal, int fd, struct lp_err *err)
{
	unsigned before;
	int rc;

	removal->top_fd = fd;
	do {
		before = removal->moved;
		rc = remove_entries(removal, fd, REMOVE_DEPTH, err);
	} while (rc == 0 && removal->moved != before);
	return rc;
}

static int
remove_one(struct removal *removal, int dir_fd, const char *name, unsigned depth, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc;

	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM && errno != EBUSY)
		return lp_err_set(err, -errno, "remove %s", name);
	if (depth == 0)
		return move_up(removal, dir_fd, name, err);
	fd = open_how(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (fd < 0)
		return fd == -ENOENT ? 0 : lp_err_set(err, fd, "remove %s", name);
	rc = removal->top_fd < 0 ? remove_top(removal, fd, err) : remove_entries(removal, fd, depth - 1, err);
	if (rc < 0)
		return rc;
	if (unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "remove directory %s", name);
	return 0;
}

static int
remove_entries(struct removal *removal, int dir_fd, unsigned depth, struct lp_err *err)
{
	int copy = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
	lp_auto_dir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		int rc = -errno;

		lp_close(&copy);
		return lp_err_set(err, rc, "read directory");
	}
	rewinddir(dir);		/* the copy reads on where its original was left */
	while ((entry = readdir(dir))) {
		int rc;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		rc = remove_one(removal, dir_fd, entry->d_name, depth, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
lp_path_remove(int dir_fd, const char *name, struct lp_err *err)
{
	const char *slash = strrchr(name, '/');
	lp_auto_free char *parent = NULL;
	lp_auto_fd int parent_fd = -1;
	struct removal removal = { .top_fd = -1 };
	int fd;

	if (!slash)
		return remove_one(&removal, dir_fd, name, REMOVE_DEPTH, err);
	parent = strndup(name, (size_t)(slash - name));
	if (!parent)
		return lp_err_set(err, -ENOMEM, "remove %s", name);
	fd = open_how(dir_fd, parent, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH);
	if (fd < 0)
		return fd == -ENOENT ? 0 : lp_err_set(err, fd, "remove %s", name);
	parent_fd = fd;
	return remove_one(&removal, parent_fd, slash + 1, REMOVE_DEPTH, err);
}

/* ---- reading and writing */

int
lp_path_read_fd(int fd, struct lp_buf *out, struct lp_err *err)
{
	for (;;) {
		/* One byte more than the ceiling lets through tells a full file from a too long one. */
		size_t left = out->max - out->len, want = left < READ_STEP ? left : READ_STEP;
		char *at, extra;
		ssize_t got;

		if (want == 0) {
			got = read(fd, &extra, 1);
			if (got > 0)
				return lp_err_set(err, -EMSGSIZE, "read: more than %zu bytes", out->max);
		} else {
			at = lp_buf_room(out, want);
			if (!at)
				return lp_err_set(err, out->failed, "read");
			got = read(fd, at, want);
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return lp_err_set(err, -errno, "read");
		if (got == 0)
			return 0;
		lp_buf_added(out, (size_t)got);
	}
}

int
lp_path_read(int dir_fd, const char *path, struct lp_buf *out, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = lp_path_open(dir_fd, path, O_RDONLY | O_NONBLOCK, 0, &fd, err);

	if (rc < 0)
		return rc;
	rc = lp_path_read_fd(fd, out, err);
	return rc < 0 ? lp_err_wrap(err, "%s", path) : 0;
}

int
lp_path_write_all(int fd, const void *data, size_t len, struct lp_err *err)
{
	const char *at = data;

	while (len > 0) {
		long put = lp_seam.write(fd, at, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return lp_err_set(err, put < 0 ? -errno : -EIO, "write");
		at += put;
		len -= (size_t)put;
	}
	return 0;
}

int
lp_path_put(int dir_fd, const char *path, const char *text, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = lp_path_open(dir_fd, path, O_WRONLY, 0, &fd, err);

	if (rc < 0)
		return rc;
	if (write(fd, text, strlen(text)) < 0)
		return lp_err_set(err, -errno, "write \"%.60s\" to %s", text, path);
	return 0;
}

int
lp_path_space(int fd, uint64_t *out_bytes, uint64_t *out_inodes, struct lp_err *err)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return lp_err_set(err, -errno, "ask for free space");
	if (out_bytes)
		*out_bytes = (uint64_t)st.f_bavail * st.f_frsize;
	if (out_inodes)
		*out_inodes = st.f_favail;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
collect_names(DIR *dir, char ***out_names, size_t *out_count)
{
	char **names = NULL;
	size_t count = 0, size = 0;
	struct dirent *entry;

	while ((entry = readdir(dir)) && count < EACH_MAX) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (count == size) {
			char **more = lp_seam.grow(names, (size = size ? size * 2 : 32) * sizeof(*names));

			if (!more)
				break;
			names = more;
		}
		names[count] = strdup(entry->d_name);
		if (!names[count])
			break;
		count++;
	}
	*out_names = names;
	*out_count = count;
	return entry ? -ENOMEM : 0;
}

int
lp_path_each(int dir_fd, int (*call)(void *arg, const char *name), void *arg, struct lp_err *err)
{
	int fd = open_how(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0, RESOLVE_BENEATH);
	lp_auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	lp_auto_free char **names = NULL;
	size_t count = 0;
	int rc;

	if (!dir) {
		rc = fd < 0 ? fd : -errno;
		lp_close(&fd);
		return lp_err_set(err, rc, "read directory");
	}
	rc = collect_names(dir, &names, &count);
	if (rc < 0)
		(void)lp_err_set(err, rc, "read directory");
	else if (count > 0)
		qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++) {
		if (rc == 0)
			rc = call(arg, names[i]);
		free(names[i]);
	}
	return rc;
}
