#include "runtime/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/mount.h"

enum {
	CGROUP2_MAGIC = 0x63677270,
	FILE_MAX = 64 * 1024,
	MOUNTINFO_MAX = 16 * 1024 * 1024,
	DEPTH_MAX = 32,
};

static const char *const names[LP_CGROUP_CONTROLLERS] = {
	[LP_CGROUP_CPU]     = "cpu",
	[LP_CGROUP_MEMORY]  = "memory",
	[LP_CGROUP_PIDS]    = "pids",
	[LP_CGROUP_IO]      = "io",
	[LP_CGROUP_CPUSET]  = "cpuset",
	[LP_CGROUP_HUGETLB] = "hugetlb",
	[LP_CGROUP_RDMA]    = "rdma",
	[LP_CGROUP_MISC]    = "misc",
};

const char *
lp_cgroup_controller_name(enum lp_cgroup_controller controller)
{
	return names[controller];
}

/* ---- where it is ---- */

/* The mount point (field 5) of the first cgroup2 line of mountinfo; octal escapes resolved in place. */
static char *
cgroup2_line(char *text)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *type = strstr(line, " - cgroup2 "), *point = line, *write;

		if (!type)
			continue;
		for (int field = 1; field < 5 && point; field++)
			point = strchr(point, ' ') ? strchr(point, ' ') + 1 : NULL;
		if (!point)
			continue;
		point[strcspn(point, " ")] = '\0';
		write = point;
		for (const char *read = point; *read; write++) {
			if (read[0] == '\\' && strspn(read + 1, "01234567") >= 3) {
				*write = (char)((read[1] - '0') << 6 | (read[2] - '0') << 3 | (read[3] - '0'));
				read += 4;
			} else {
				*write = *read++;
			}
		}
		*write = '\0';
		return point;
	}
	return NULL;
}

int
lp_cgroup_root_path(struct lp_buf *out, struct lp_err *err)
{
	int proc_fd;
	lp_auto_buf struct lp_buf text;
	char *point;
	int rc;

	lp_buf_init(&text, MOUNTINFO_MAX);
	rc = lp_mount_proc(&proc_fd, err);
	if (rc < 0)
		return rc;
	rc = lp_path_read(proc_fd, "self/mountinfo", &text, err);
	if (rc < 0)
		return rc;
	point = text.data ? cgroup2_line(text.data) : NULL;
	if (!point)
		return lp_err_say(err, -EOPNOTSUPP, "no cgroup v2 is mounted on this machine");
	rc = lp_buf_str(out, point);
	return rc < 0 ? lp_err_set(err, rc, "cgroup root") : 0;
}

static int
open_root(const char *path, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct statfs fs;
	int rc = lp_path_root(path, false, &fd, err);

	if (rc < 0)
		return lp_err_wrap(err, "cgroup root");
	if (fstatfs(fd, &fs) < 0)
		return lp_err_set(err, -errno, "look at cgroup root %s", path);
	if ((unsigned long)fs.f_type != CGROUP2_MAGIC)
		return lp_err_say(err, -EOPNOTSUPP, "%s is not a cgroup v2 directory", path);
	*out_fd = lp_take_fd(&fd);
	return 0;
}

int
lp_cgroup_root_open(const char *path, int *out_fd, struct lp_err *err)
{
	/* Where it usually is: alone, or beside version 1 as systemd lays it; mountinfo is long on a machine with many containers. */
	static const char *const usual[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	static char known[256];		/* elsewhere, found before */
	lp_auto_buf struct lp_buf found;
	int rc;

	lp_buf_init(&found, 4096);
	if (path)
		return open_root(path, out_fd, err);
	for (size_t i = 0; i < lp_count(usual); i++)
		if (open_root(usual[i], out_fd, NULL) == 0)
			return 0;
	if (known[0] && open_root(known, out_fd, NULL) == 0)
		return 0;
	rc = lp_cgroup_root_path(&found, err);
	if (rc == 0)
		rc = open_root(lp_buf_text(&found), out_fd, err);
	if (rc == 0 && found.len < sizeof(known))
		memcpy(known, lp_buf_text(&found), found.len + 1);
	return rc;
}

/* ---- reading ---- */

static int
read_file(int fd, const char *name, struct lp_buf *out, struct lp_err *err)
{
	lp_buf_reset(out);
	return lp_path_read(fd, name, out, err);
}

static uint32_t
parse_controllers(const char *text)
{
	uint32_t set = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		for (int i = 0; i < LP_CGROUP_CONTROLLERS; i++)
			if (len == strlen(names[i]) && strncmp(text, names[i], len) == 0)
				set |= LP_CGROUP_BIT(i);
		text += len + strspn(text + len, " \n");
	}
	return set;
}

static int
read_controllers(int fd, const char *file, uint32_t *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = read_file(fd, file, &text, err);
	if (rc < 0)
		return rc;
	*out = parse_controllers(lp_buf_text(&text));
	return 0;
}

int
lp_cgroup_controllers(int fd, uint32_t *out, struct lp_err *err)
{
	return read_controllers(fd, "cgroup.controllers", out, err);
}

/* ---- making ---- */

/* Each available controller for the children of fd, one write each: one that refuses takes no other with it. */
static int
enable(int fd, uint32_t wanted, uint32_t *out_missing, struct lp_err *err)
{
	uint32_t have, on;
	int rc = read_controllers(fd, "cgroup.controllers", &have, err);

	if (rc == 0)
		rc = read_controllers(fd, "cgroup.subtree_control", &on, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < LP_CGROUP_CONTROLLERS; i++) {
		char text[16];

		if (!(wanted & have & ~on & LP_CGROUP_BIT(i)))
			continue;
		(void)snprintf(text, sizeof(text), "+%s", names[i]);
		if (lp_path_put(fd, "cgroup.subtree_control", text, NULL) == 0)
			on |= LP_CGROUP_BIT(i);
	}
	*out_missing = wanted & ~on;
	return 0;
}

int
lp_cgroup_make(int root_fd, const char *path, int *out_fd, uint32_t *out_missing, struct lp_err *err)
{
	return lp_cgroup_make_with(root_fd, path, 0, out_fd, out_missing, err);
}

int
lp_cgroup_make_with(int root_fd, const char *path, uint32_t controllers, int *out_fd, uint32_t *out_missing, struct lp_err *err)
{
	const uint32_t wanted = (LP_CGROUP_BIT(LP_CGROUP_HUGETLB) - 1) | controllers;	/* all before it, always */
	lp_auto_fd int at = -1;
	uint32_t missing = 0;
	int rc = lp_path_open(root_fd, ".", O_RDONLY | O_DIRECTORY, 0, &at, err);

	if (rc == 0)
		rc = enable(at, wanted, &missing, err);
	while (rc == 0 && *(path += strspn(path, "/"))) {
		char name[256];
		size_t len = strcspn(path, "/");
		int next = -1;

		if (len >= sizeof(name))
			return lp_err_set(err, -ENAMETOOLONG, "create cgroup %s", path);
		memcpy(name, path, len);
		name[len] = '\0';
		path += len;
		if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return lp_err_set(err, -errno, "create cgroup %s", name);
		rc = lp_cgroup_open(at, name, &next, err);
		if (rc < 0)
			break;
		lp_close(&at);
		at = next;
		rc = enable(at, wanted, &missing, err);
	}
	if (rc < 0)
		return rc;
	if (out_missing)
		*out_missing = missing;
	*out_fd = lp_take_fd(&at);
	return 0;
}

int
lp_cgroup_open(int parent_fd, const char *name, int *out_fd, struct lp_err *err)
{
	if (lp_path_open(parent_fd, name, O_RDONLY | O_DIRECTORY, 0, out_fd, err) < 0)
		return lp_err_wrap(err, "cgroup");
	return 0;
}

int
lp_cgroup_fresh(int parent_fd, const char *name, int *out_fd, struct lp_err *err)
{
	if (mkdirat(parent_fd, name, 0755) < 0) {
		int rc;

		if (errno != EEXIST)
			return lp_err_set(err, -errno, "create cgroup %s", name);
		rc = lp_cgroup_remove(parent_fd, name, err);
		if (rc < 0)
			return rc;
		if (mkdirat(parent_fd, name, 0755) < 0)
			return lp_err_set(err, -errno, "create cgroup %s", name);
	}
	return lp_cgroup_open(parent_fd, name, out_fd, err);
}

/* ---- giving it away ---- */

int
lp_cgroup_delegate(int fd, uid_t uid, gid_t gid, struct lp_err *err)
{
	/* Linux before 4.15 does not say; these are in every list. */
	static const char usual[] = "cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n";
	lp_auto_buf struct lp_buf text;
	lp_auto_fd int kernel = -1;
	const char *list = usual;

	lp_buf_init(&text, FILE_MAX);
	if (lp_path_root("/sys/kernel/cgroup", false, &kernel, NULL) == 0 && read_file(kernel, "delegate", &text, NULL) == 0)
		list = lp_buf_text(&text);
	if (fchown(fd, uid, gid) < 0)
		return lp_err_set(err, -errno, "give the cgroup to user %u", uid);
	while (*list) {
		size_t len = strcspn(list, "\n");
		char name[256];

		if (len < sizeof(name)) {
			memcpy(name, list, len);
			name[len] = '\0';
			/* The list is of every file that the kernel knows; those of controllers that are not here are missing. */
			if (fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
				return lp_err_set(err, -errno, "give %s of the cgroup to user %u", name, uid);
		}
		list += len + (list[len] == '\n');
	}
	return 0;
}

/* ---- its processes ---- */

static int
kill_pid(void *arg, pid_t pid)
{
	(void)arg;
	(void)kill(pid, SIGKILL);	/* gone already is what we want */
	return 0;
}

int
lp_cgroup_kill(int fd, struct lp_err *err)
{
	int rc = lp_path_put(fd, "cgroup.kill", "1", err);

	if (rc != -ENOENT)
		return rc;
	/* Linux before 5.14: frozen, so that nothing forks away while we go through them. */
	lp_err_clear(err);
	rc = lp_cgroup_freeze(fd, true, err);
	if (rc < 0)
		return rc;
	rc = lp_cgroup_each_pid(fd, kill_pid, NULL, err);
	if (rc < 0)
		return rc;
	return lp_cgroup_freeze(fd, false, err);
}

int
lp_cgroup_freeze(int fd, bool frozen, struct lp_err *err)
{
	return lp_path_put(fd, "cgroup.freeze", frozen ? "1" : "0", err);
}

int
lp_cgroup_populated(int fd, bool *out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = read_file(fd, "cgroup.events", &text, err);
	if (rc < 0)
		return rc;
	*out = lp_cgroup_value(lp_buf_text(&text), "populated") != 0;
	return 0;
}

struct pid_walk {
	int fd;
	int depth;
	int (*call)(void *arg, pid_t pid);
	void *arg;
	struct lp_err *err;
};

static int walk_pids(struct pid_walk *walk);

/* One entry of a cgroup directory: a child is walked, a file is passed over. */
static int
walk_child(void *arg, const char *name)
{
	struct pid_walk *above = arg, walk = *above;
	lp_auto_fd int fd = -1;
	int rc = lp_path_open(above->fd, name, O_RDONLY | O_DIRECTORY, 0, &fd, NULL);

	if (rc == -ENOTDIR || rc == -ENOENT)
		return 0;
	if (rc < 0)
		return lp_err_set(above->err, rc, "open cgroup %s", name);
	walk.fd = fd;
	walk.depth++;
	return walk.depth > DEPTH_MAX ? lp_err_say(above->err, -ELOOP, "cgroups are too deep") : walk_pids(&walk);
}

static int
walk_pids(struct pid_walk *walk)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, 1024 * 1024);
	rc = read_file(walk->fd, "cgroup.procs", &text, walk->err);
	if (rc == -EOPNOTSUPP || rc == -ENODEV)	/* a threaded one; one removed under our eyes */
		rc = 0;
	for (char *next = text.data, *end; rc == 0 && next && *next; next = end + (*end != '\0')) {
		long pid = strtol(next, &end, 10);

		if (end == next)
			break;
		if (pid > 0)
			rc = walk->call(walk->arg, (pid_t)pid);
	}
	return rc != 0 ? rc : lp_path_each(walk->fd, walk_child, walk, walk->err);
}

int
lp_cgroup_each_pid(int fd, int (*call)(void *arg, pid_t pid), void *arg, struct lp_err *err)
{
	struct pid_walk walk = { .fd = fd, .call = call, .arg = arg, .err = err };

	return walk_pids(&walk);
}

/* ---- removing ---- */

struct remove_walk {
	int fd;
	int depth;
	struct lp_err *err;
};

static int remove_below(int parent_fd, const char *name, int depth, struct lp_err *err);

static int
remove_child(void *arg, const char *name)
{
	struct remove_walk *walk = arg;
	struct stat st;

	if (fstatat(walk->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	return remove_below(walk->fd, name, walk->depth + 1, walk->err);
}

static int
remove_below(int parent_fd, const char *name, int depth, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct remove_walk walk = { .depth = depth, .err = err };
	int rc;

	/* Most have no children: try at once. */
	if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY && errno != ENOTEMPTY)
		return lp_err_set(err, -errno, "remove cgroup %s", name);
	if (depth > DEPTH_MAX)
		return lp_err_say(err, -ELOOP, "cgroups are too deep");
	rc = lp_cgroup_open(parent_fd, name, &fd, err);
	if (rc < 0)
		return rc;
	walk.fd = fd;
	rc = lp_path_each(fd, remove_child, &walk, err);
	if (rc < 0)
		return rc;
	if (unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "remove cgroup %s", name);
	return 0;
}

int
lp_cgroup_remove(int parent_fd, const char *name, struct lp_err *err)
{
	return remove_below(parent_fd, name, 0, err);
}

/* ---- who it is ---- */

int
lp_cgroup_id(int fd, uint64_t *out, struct lp_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "look at cgroup");
	*out = st.st_ino;
	return 0;
}
