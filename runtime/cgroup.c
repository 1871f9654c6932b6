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
	CPU_PERIOD_USEC = 100000,
};

static const char *const controllers[LP_CGROUP_CONTROLLERS] = {
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
	return controllers[controller];
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

int
lp_cgroup_root_open(const char *path, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	lp_auto_buf struct lp_buf found;
	struct statfs fs;
	int rc;

	lp_buf_init(&found, 4096);
	if (!path) {
		rc = lp_cgroup_root_path(&found, err);
		if (rc < 0)
			return rc;
		path = lp_buf_text(&found);
	}
	rc = lp_path_root(path, false, &fd, err);
	if (rc < 0)
		return lp_err_wrap(err, "cgroup root");
	if (fstatfs(fd, &fs) < 0)
		return lp_err_set(err, -errno, "look at cgroup root %s", path);
	if ((unsigned long)fs.f_type != CGROUP2_MAGIC)
		return lp_err_say(err, -EOPNOTSUPP, "%s is not a cgroup v2 directory", path);
	*out_fd = lp_take_fd(&fd);
	return 0;
}

/* ---- reading ---- */

static int
read_file(int fd, const char *name, struct lp_buf *out, struct lp_err *err)
{
	lp_buf_reset(out);
	return lp_path_read(fd, name, out, err);
}

/* "key value" lines; 0 when the key is not there. */
static uint64_t
value_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len + 1, NULL, 10);
	}
	return 0;
}

static int
read_number(int fd, const char *name, uint64_t *out)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = read_file(fd, name, &text, NULL);
	if (rc < 0)
		return rc;
	*out = strtoull(lp_buf_text(&text), NULL, 10);
	return 0;
}

static uint32_t
parse_controllers(const char *text)
{
	uint32_t set = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		for (int i = 0; i < LP_CGROUP_CONTROLLERS; i++)
			if (len == strlen(controllers[i]) && strncmp(text, controllers[i], len) == 0)
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
enable(int fd, uint32_t *out_missing, struct lp_err *err)
{
	const uint32_t wanted = LP_CGROUP_BIT(LP_CGROUP_HUGETLB) - 1;	/* all before it */
	uint32_t have, on;
	int rc = read_controllers(fd, "cgroup.controllers", &have, err);

	if (rc == 0)
		rc = read_controllers(fd, "cgroup.subtree_control", &on, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < LP_CGROUP_HUGETLB; i++) {
		char text[16];

		if (!(have & ~on & LP_CGROUP_BIT(i)))
			continue;
		(void)snprintf(text, sizeof(text), "+%s", controllers[i]);
		if (lp_path_put(fd, "cgroup.subtree_control", text, NULL) == 0)
			on |= LP_CGROUP_BIT(i);
	}
	*out_missing = wanted & ~on;
	return 0;
}

int
lp_cgroup_make(int root_fd, const char *path, int *out_fd, uint32_t *out_missing, struct lp_err *err)
{
	lp_auto_fd int at = -1;
	uint32_t missing = 0;
	int rc = lp_path_open(root_fd, ".", O_RDONLY | O_DIRECTORY, 0, &at, err);

	if (rc == 0)
		rc = enable(at, &missing, err);
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
		rc = enable(at, &missing, err);
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

/* ---- limits ---- */

/* Kubernetes gives 1024 shares to a core; v2 wants a weight of 1 to 10000 (KEP-2254's formula). */
static uint64_t
cpu_weight(uint64_t milli)
{
	uint64_t shares = milli * 1024 / 1000;

	shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
	return 1 + (shares - 2) * 9999 / 262142;
}

struct limit_row {
	enum lp_cgroup_controller controller;
	const char *file;
	char text[96];
};

static int
put_limit(int fd, uint32_t have, const struct limit_row *row, uint32_t *missing, struct lp_err *err)
{
	int rc;

	if (!(have & LP_CGROUP_BIT(row->controller))) {
		*missing |= LP_CGROUP_BIT(row->controller);
		return 0;
	}
	rc = lp_path_put(fd, row->file, row->text, err);
	if (rc == -ENOENT) {	/* the controller is there, this file is not: swap accounting off, an older kernel */
		lp_err_clear(err);
		*missing |= LP_CGROUP_BIT(row->controller);
		return 0;
	}
	if (rc < 0)
		return lp_err_wrap(err, "cgroup limit %s", row->file);
	return 0;
}

static size_t
number_rows(const struct lp_cgroup_limits *limits, struct limit_row *rows)
{
	const struct {
		bool set;
		enum lp_cgroup_controller controller;
		const char *file;
		uint64_t value;
	} wanted[] = {
		{ limits->memory_max_bytes > 0,	LP_CGROUP_MEMORY, "memory.max",       limits->memory_max_bytes },
		{ limits->memory_low_bytes > 0,	LP_CGROUP_MEMORY, "memory.low",       limits->memory_low_bytes },
		{ limits->swap_max_bytes >= 0,	LP_CGROUP_MEMORY, "memory.swap.max",  (uint64_t)limits->swap_max_bytes },
		{ limits->memory_oom_group,	LP_CGROUP_MEMORY, "memory.oom.group", 1 },
		{ limits->cpu_request_milli > 0, LP_CGROUP_CPU,	  "cpu.weight",	      cpu_weight(limits->cpu_request_milli) },
		{ limits->pids_max > 0,		LP_CGROUP_PIDS,	  "pids.max",	      limits->pids_max },
	};
	size_t count = 0;

	for (size_t i = 0; i < lp_count(wanted); i++) {
		struct limit_row *row = &rows[count];

		if (!wanted[i].set)
			continue;
		row->controller = wanted[i].controller;
		row->file = wanted[i].file;
		(void)snprintf(row->text, sizeof(row->text), "%" PRIu64, wanted[i].value);
		count++;
	}
	return count;
}

static int
put_io(int fd, uint32_t have, const struct lp_cgroup_limits *limits, uint32_t *missing, struct lp_err *err)
{
	for (size_t i = 0; i < limits->io_count; i++) {
		const struct lp_cgroup_io *io = &limits->io[i];
		const struct { const char *name; uint64_t value; } rows[] = {
			{ "rbps", io->read_bps }, { "wbps", io->write_bps }, { "riops", io->read_iops }, { "wiops", io->write_iops },
		};
		struct limit_row row = { .controller = LP_CGROUP_IO, .file = "io.max" };

		for (size_t j = 0; j < lp_count(rows); j++) {
			int rc;

			if (rows[j].value == 0)
				continue;
			(void)snprintf(row.text, sizeof(row.text), "%" PRIu32 ":%" PRIu32 " %s=%" PRIu64, io->major, io->minor,
			    rows[j].name, rows[j].value);
			rc = put_limit(fd, have, &row, missing, err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int
put_cpuset(int fd, uint32_t have, const char *file, const char *value, uint32_t *missing, struct lp_err *err)
{
	struct limit_row row = { .controller = LP_CGROUP_CPUSET, .file = file };

	if (!value)
		return 0;
	if (strlen(value) >= sizeof(row.text))
		return lp_err_set(err, -ENAMETOOLONG, "cgroup limit %s", file);
	(void)snprintf(row.text, sizeof(row.text), "%s", value);
	return put_limit(fd, have, &row, missing, err);
}

int
lp_cgroup_limit(int fd, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err)
{
	struct limit_row rows[8];
	size_t count = number_rows(limits, rows);
	uint32_t have, missing = 0;
	int rc;

	if (limits->cpu_max_milli > 0) {
		struct limit_row *row = &rows[count++];
		uint64_t quota = limits->cpu_max_milli * CPU_PERIOD_USEC / 1000;

		row->controller = LP_CGROUP_CPU;
		row->file = "cpu.max";
		(void)snprintf(row->text, sizeof(row->text), "%" PRIu64 " %d", quota < 1000 ? 1000 : quota, CPU_PERIOD_USEC);
	}
	if (out_missing)
		*out_missing = 0;
	if (count == 0 && !limits->cpuset_cpus && !limits->cpuset_mems && limits->io_count == 0)
		return 0;
	rc = lp_cgroup_controllers(fd, &have, err);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = put_limit(fd, have, &rows[i], &missing, err);
	if (rc == 0)
		rc = put_cpuset(fd, have, "cpuset.cpus", limits->cpuset_cpus, &missing, err);
	if (rc == 0)
		rc = put_cpuset(fd, have, "cpuset.mems", limits->cpuset_mems, &missing, err);
	if (rc == 0)
		rc = put_io(fd, have, limits, &missing, err);
	if (rc == 0 && out_missing)
		*out_missing = missing;
	return rc;
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
	*out = value_of(lp_buf_text(&text), "populated") != 0;
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

/* ---- figures ---- */

static void
memory_stats(int fd, struct lp_cgroup_stats *stats, struct lp_buf *text)
{
	if (read_number(fd, "memory.current", &stats->memory_bytes) < 0)
		return;
	stats->present |= LP_CGROUP_BIT(LP_CGROUP_MEMORY);
	(void)read_number(fd, "memory.peak", &stats->memory_peak_bytes);	/* Linux 5.19; stays 0 before */
	if (read_file(fd, "memory.stat", text, NULL) == 0) {
		stats->memory_inactive_file_bytes = value_of(lp_buf_text(text), "inactive_file");
		stats->memory_anon_bytes = value_of(lp_buf_text(text), "anon");
	}
	if (read_file(fd, "memory.events", text, NULL) == 0)
		stats->oom_kills = value_of(lp_buf_text(text), "oom_kill");
}

int
lp_cgroup_stats(int fd, struct lp_cgroup_stats *out, struct lp_err *err)
{
	struct lp_cgroup_stats stats = { 0 };
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = read_file(fd, "cpu.stat", &text, err);	/* there without the controller too */
	if (rc < 0)
		return rc;
	stats.cpu_usec = value_of(lp_buf_text(&text), "usage_usec");
	stats.cpu_user_usec = value_of(lp_buf_text(&text), "user_usec");
	stats.cpu_system_usec = value_of(lp_buf_text(&text), "system_usec");
	stats.cpu_throttled_usec = value_of(lp_buf_text(&text), "throttled_usec");
	stats.present = LP_CGROUP_BIT(LP_CGROUP_CPU);
	memory_stats(fd, &stats, &text);
	if (read_number(fd, "pids.current", &stats.pids) == 0)
		stats.present |= LP_CGROUP_BIT(LP_CGROUP_PIDS);
	*out = stats;
	return 0;
}

int
lp_cgroup_oom_kills(int fd, uint64_t *out, struct lp_err *err)
{
	lp_auto_fd int file = -1;
	char text[512];
	ssize_t len;
	int rc = lp_path_open(fd, "memory.events", O_RDONLY, 0, &file, err);

	if (rc == -ENOENT) {
		lp_err_clear(err);
		*out = 0;
		return 0;
	}
	if (rc < 0)
		return rc;
	len = read(file, text, sizeof(text) - 1);	/* a kernel file: whole in one read */
	if (len < 0)
		return lp_err_set(err, -errno, "read memory.events");
	text[len] = '\0';
	*out = value_of(text, "oom_kill");
	return 0;
}

int
lp_cgroup_id(int fd, uint64_t *out, struct lp_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "look at cgroup");
	*out = st.st_ino;
	return 0;
}
