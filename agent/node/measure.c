#include "agent/node/measure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/text.h"
#include "runtime/runtime.h"

enum { LINE_MAX_BYTES = 512, DEPTH_MAX = 200, USEC = 1000000 };

/* ---- the machine */

/* "MemFree:   123 kB" -> bytes; 0 when it is another line. */
static bool
take_kib(const char *line, const char *key, uint64_t *out)
{
	size_t len = strlen(key);
	uint64_t kib;

	if (strncmp(line, key, len) != 0 || line[len] != ':' || lp_text_word_u64(line + len + 1, 0, UINT64_MAX / 1024, &kib) < 0)
		return false;
	*out = kib * 1024;
	return true;
}

static void
read_memory(struct lp_measure_node *out)
{
	lp_auto_file FILE *file = fopen("/proc/meminfo", "re");
	char line[LINE_MAX_BYTES];

	while (file && fgets(line, sizeof(line), file))
		if (!take_kib(line, "MemTotal", &out->memory_bytes) && !take_kib(line, "MemFree", &out->memory_free_bytes) &&
		    !take_kib(line, "Inactive(file)", &out->memory_inactive_file_bytes))
			(void)take_kib(line, "AnonPages", &out->memory_anon_bytes);	/* another line */
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal, in clock ticks. */
static void
read_cpu(struct lp_measure_node *out)
{
	static const size_t busy[] = { 1, 2, 3, 6, 7, 8 };
	lp_auto_file FILE *file = fopen("/proc/stat", "re");
	char line[LINE_MAX_BYTES];
	uint64_t ticks = 0, one;
	long each = sysconf(_SC_CLK_TCK);

	if (!file || !fgets(line, sizeof(line), file) || each <= 0)
		return;
	for (size_t i = 0; i < lp_count(busy); i++)
		if (lp_text_word_u64(line, busy[i], UINT64_MAX, &one) == 0)
			ticks += one;
	out->cpu_usec = ticks * (USEC / (uint64_t)each);
}

static uint64_t
read_number(const char *path)
{
	lp_auto_file FILE *file = fopen(path, "re");
	char line[LINE_MAX_BYTES];
	uint64_t number;

	return file && fgets(line, sizeof(line), file) && lp_text_word_u64(line, 0, UINT64_MAX, &number) == 0 ? number : 0;
}

void
lp_measure_node(int data_fd, struct lp_measure_node *out)
{
	struct statvfs disk;
	struct sysinfo info;
	uint64_t threads = read_number("/proc/sys/kernel/threads-max");

	*out = (struct lp_measure_node){ .pids_max = read_number("/proc/sys/kernel/pid_max") };
	if (threads > 0 && threads < out->pids_max)
		out->pids_max = threads;
	read_memory(out);
	read_cpu(out);
	if (sysinfo(&info) == 0)
		out->pids = info.procs;
	if (fstatvfs(data_fd, &disk) == 0) {
		out->disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
		out->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
		out->inodes = disk.f_files;
		out->inodes_free = disk.f_favail;
	}
}

static void
set_fact(struct lp_pressure_facts *facts, enum lp_pressure_signal signal, uint64_t available, uint64_t capacity)
{
	facts->known[signal] = capacity > 0;
	facts->available[signal] = (int64_t)available;
	facts->capacity[signal] = (int64_t)capacity;
}

void
lp_measure_facts(const struct lp_measure_node *node, struct lp_pressure_facts *out)
{
	*out = (struct lp_pressure_facts){ 0 };
	/* Capacity less the working set, as the kubelet has it: what is free and what files' pages give back at once. */
	set_fact(out, LP_PRESSURE_MEMORY, node->memory_free_bytes + node->memory_inactive_file_bytes, node->memory_bytes);
	set_fact(out, LP_PRESSURE_NODEFS, node->disk_free_bytes, node->disk_bytes);
	set_fact(out, LP_PRESSURE_IMAGEFS, node->disk_free_bytes, node->disk_bytes);
	set_fact(out, LP_PRESSURE_NODEFS_INODES, node->inodes_free, node->inodes);	/* btrfs counts none */
	set_fact(out, LP_PRESSURE_IMAGEFS_INODES, node->inodes_free, node->inodes);
	set_fact(out, LP_PRESSURE_PIDS, node->pids_max > node->pids ? node->pids_max - node->pids : 0, node->pids_max);
}

/* ---- a cgroup */

struct sum {
	struct lp_measure_use *use;
	uint64_t shared_most, anon, read_bytes, written_bytes, count;
};

static int
add_process(void *arg, pid_t pid)
{
	struct sum *sum = arg;
	uint64_t resident = 0, shared = 0, value;
	char path[64], line[LINE_MAX_BYTES];
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	sum->count++;
	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	{
		lp_auto_file FILE *file = fopen(path, "re");

		if (!file || !fgets(line, sizeof(line), file) || lp_text_word_u64(line, 1, UINT64_MAX, &resident) < 0 ||
		    lp_text_word_u64(line, 2, UINT64_MAX, &shared) < 0)
			return 0;	/* it has just ended */
	}
	sum->anon += resident > shared ? (resident - shared) * page : 0;
	sum->shared_most = shared * page > sum->shared_most ? shared * page : sum->shared_most;
	(void)snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	lp_auto_file FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file))
		if (lp_text_starts(line, "read_bytes:") && lp_text_word_u64(line, 1, UINT64_MAX, &value) == 0)
			sum->read_bytes += value;
		else if (lp_text_starts(line, "write_bytes:") && lp_text_word_u64(line, 1, UINT64_MAX, &value) == 0)
			sum->written_bytes += value;
	return 0;
}

int
lp_measure_cgroup(int fd, struct lp_measure_use *out, struct lp_err *err)
{
	const uint32_t memory = LP_CGROUP_BIT(LP_CGROUP_MEMORY), io = LP_CGROUP_BIT(LP_CGROUP_IO), pids = LP_CGROUP_BIT(LP_CGROUP_PIDS);
	struct lp_cgroup_details details;
	struct sum sum = { .use = out };
	int rc = lp_cgroup_details(fd, &details, err);

	if (rc < 0)
		return rc;
	*out = (struct lp_measure_use){ .cpu_usec = details.basic.cpu_usec, .pids = details.basic.pids };
	if (details.basic.present & memory) {
		out->exact = true;
		out->anon_bytes = details.basic.memory_anon_bytes;
		out->memory_bytes = details.basic.memory_bytes > details.basic.memory_inactive_file_bytes
			? details.basic.memory_bytes - details.basic.memory_inactive_file_bytes
			: 0;
		out->memory_limit_bytes = details.memory_max_bytes == LP_CGROUP_MAX ? 0 : details.memory_max_bytes;
	}
	for (size_t i = 0; i < details.io_count; i++) {
		out->read_bytes += details.io[i].read_bytes;
		out->written_bytes += details.io[i].write_bytes;
	}
	if ((details.basic.present & (memory | io | pids)) == (memory | io | pids))
		return 0;
	rc = lp_cgroup_each_pid(fd, add_process, &sum, err);
	if (rc < 0)
		return rc;
	if (!(details.basic.present & memory)) {
		out->anon_bytes = sum.anon;
		out->memory_bytes = sum.anon + sum.shared_most;
	}
	if (!(details.basic.present & io)) {
		out->read_bytes = sum.read_bytes;
		out->written_bytes = sum.written_bytes;
	}
	if (!(details.basic.present & pids))
		out->pids = sum.count;
	return 0;
}

/* ---- a network namespace */

int
lp_measure_net(pid_t pid, struct lp_measure_net *out, struct lp_err *err)
{
	uint64_t rx, rx_errors, tx, tx_errors;
	char path[64], line[LINE_MAX_BYTES], *colon;

	*out = (struct lp_measure_net){ 0 };
	(void)snprintf(path, sizeof(path), "/proc/%d/net/dev", (int)pid);
	lp_auto_file FILE *file = fopen(path, "re");

	if (!file)
		return lp_err_set(err, -errno, "read %s", path);
	while (fgets(line, sizeof(line), file)) {
		colon = strchr(line, ':');
		if (!colon || strncmp(line + strspn(line, " "), "lo:", 3) == 0 ||
		    lp_text_word_u64(colon + 1, 0, UINT64_MAX, &rx) < 0 || lp_text_word_u64(colon + 1, 2, UINT64_MAX, &rx_errors) < 0 ||
		    lp_text_word_u64(colon + 1, 8, UINT64_MAX, &tx) < 0 || lp_text_word_u64(colon + 1, 10, UINT64_MAX, &tx_errors) < 0)
			continue;
		out->rx_bytes += rx;
		out->rx_errors += rx_errors;
		out->tx_bytes += tx;
		out->tx_errors += tx_errors;
	}
	return 0;
}

/* ---- a tree */

struct tree {
	dev_t device;
	uint64_t bytes, inodes;
};

/* What vanishes meanwhile counts for nothing. Nobody needs such depth but to hide from a limit: it counts as more than any. Owns fd. */
static void
walk(struct tree *tree, int fd, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		(void)close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		struct statx st;
		int below;

		/* A server that is mounted here is not asked: it may be gone. */
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    statx(dirfd(dir), entry->d_name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st) < 0 ||
		    makedev(st.stx_dev_major, st.stx_dev_minor) != tree->device)
			continue;
		tree->inodes++;
		tree->bytes += (uint64_t)st.stx_blocks * 512 / (S_ISREG(st.stx_mode) && st.stx_nlink > 1 ? st.stx_nlink : 1);
		if (S_ISDIR(st.stx_mode) && depth == DEPTH_MAX)
			tree->bytes += LP_MEASURE_TOO_DEEP;
		if (!S_ISDIR(st.stx_mode) || depth == DEPTH_MAX)
			continue;
		below = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below >= 0)
			walk(tree, below, depth + 1);
	}
	(void)closedir(dir);
}

int
lp_measure_tree(int dir_fd, const char *name, uint64_t *out_bytes, uint64_t *out_inodes, struct lp_err *err)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct tree tree = { 0 };
	struct stat st;

	if (fd < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "measure %s", name);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		tree = (struct tree){ .device = st.st_dev, .bytes = (uint64_t)st.st_blocks * 512, .inodes = 1 };
		walk(&tree, fd, 0);
	}
	*out_bytes = tree.bytes < LP_MEASURE_TOO_DEEP ? tree.bytes : LP_MEASURE_TOO_DEEP;
	*out_inodes = tree.inodes;
	return 0;
}
