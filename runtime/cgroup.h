/*
 * runtime/cgroup.h - one cgroup v2 directory per container.
 *
 * Shape   <root>/<class>/<group>/<container>.<attempt>; the root is a directory descriptor, never a path
 * Rule    a leaf is used for one start only: on some kernels whatever is cloned into a cgroup that was killed once dies
 *         at once (6.1.176, 6.18.44), so lp_cgroup_fresh removes and makes it anew
 * Units   memory in bytes, cpu in thousandths of a core
 * Missing a controller that the kernel or the parent does not give is not an error: its limits are left out and its bit is
 *         returned in *out_missing; the caller says so in a condition, or refuses when it is asked to be strict
 * Errors  -ENOENT gone, -EBUSY processes remain, -EPERM not delegated, -EOPNOTSUPP no cgroup v2 on this machine
 * Source  Linux Documentation/admin-guide/cgroup-v2.rst
 */
#ifndef LP_RUNTIME_CGROUP_H
#define LP_RUNTIME_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

enum lp_cgroup_controller {
	LP_CGROUP_CPU,
	LP_CGROUP_MEMORY,
	LP_CGROUP_PIDS,
	LP_CGROUP_IO,
	LP_CGROUP_CPUSET,
	LP_CGROUP_HUGETLB,
	LP_CGROUP_CONTROLLERS
};

#define LP_CGROUP_BIT(controller) (UINT32_C(1) << (controller))

/* One device of io.max; 0 = no limit. */
struct lp_cgroup_io {
	uint32_t major, minor;
	uint64_t read_bps, write_bps, read_iops, write_iops;
};

/* 0 or NULL = not limited. lp_cgroup_limit writes only what is set. */
struct lp_cgroup_limits {
	uint64_t memory_max_bytes;
	uint64_t memory_min_bytes;	/* protected from reclaim (memory.low) */
	int64_t swap_max_bytes;		/* LP_CGROUP_SWAP_UNSET leaves it alone; 0 = no swap */
	bool memory_oom_group;		/* the OOM killer takes the whole container */
	uint64_t cpu_request_milli;	/* becomes cpu.weight */
	uint64_t cpu_max_milli;		/* becomes cpu.max with a period of 100 ms */
	uint64_t pids_max;
	const char *cpuset_cpus;	/* "0-1,3" */
	const char *cpuset_mems;
	const struct lp_cgroup_io *io;
	size_t io_count;
};

#define LP_CGROUP_SWAP_UNSET (-1)

struct lp_cgroup_stats {
	uint64_t cpu_usec, cpu_user_usec, cpu_system_usec, cpu_throttled_usec;
	uint64_t memory_bytes, memory_peak_bytes;	/* 0 without the controller */
	uint64_t memory_inactive_file_bytes;	/* working set = memory_bytes - this */
	uint64_t memory_anon_bytes;
	uint64_t pids, oom_kills;
	uint32_t present;	/* LP_CGROUP_BIT of the controllers whose figures are real */
};

/*
 * The cgroup v2 root: `path` when not NULL (operator's word), else the mount that /proc/self/mountinfo names.
 * Checked to be cgroup2. -EOPNOTSUPP when there is none.
 */
int lp_cgroup_root_open(const char *path, int *out_fd, struct lp_err *err);

/* Where it is mounted, for messages and state files. */
int lp_cgroup_root_path(struct lp_buf *out, struct lp_err *err);

/* Controllers that this directory can give to its children. */
int lp_cgroup_controllers(int fd, uint32_t *out, struct lp_err *err);
/* "memory" */
const char *lp_cgroup_controller_name(enum lp_cgroup_controller controller);

/*
 * mkdir -p below root, each available controller enabled for the children of every directory on the way and of the last.
 * *out_missing: controllers of ours (cpu memory pids io cpuset) that could not be enabled. out_missing may be NULL.
 */
int lp_cgroup_make(int root_fd, const char *path, int *out_fd, uint32_t *out_missing, struct lp_err *err);

/* A leaf that nothing was ever killed in: an empty old one is removed first, -EBUSY when processes live in it. */
int lp_cgroup_fresh(int parent_fd, const char *name, int *out_fd, struct lp_err *err);

/* An existing one. */
int lp_cgroup_open(int parent_fd, const char *name, int *out_fd, struct lp_err *err);

/* Write the limits. *out_missing (may be NULL) gets the controllers without which some limit could not be set. */
int lp_cgroup_limit(int fd, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err);

/* Kill every process in and below (cgroup.kill, Linux 5.14; one by one before that). Returns before they are gone. */
int lp_cgroup_kill(int fd, struct lp_err *err);

/* cgroup.freeze; returns before everything stands still. */
int lp_cgroup_freeze(int fd, bool frozen, struct lp_err *err);

/* Does any process live in or below it? */
int lp_cgroup_populated(int fd, bool *out, struct lp_err *err);

/* Processes directly in it and below; calls call(arg, pid) until it returns non-zero, which is returned. */
int lp_cgroup_each_pid(int fd, int (*call)(void *arg, pid_t pid), void *arg, struct lp_err *err);

/* rmdir of `name` with everything below. 0 if it is not there; -EBUSY while processes live in it. Never kills. */
int lp_cgroup_remove(int parent_fd, const char *name, struct lp_err *err);

/* Figures; what a missing controller would count is 0. */
int lp_cgroup_stats(int fd, struct lp_cgroup_stats *out, struct lp_err *err);

/* How often the OOM killer struck in it or below; 0 without the memory controller. */
int lp_cgroup_oom_kills(int fd, uint64_t *out, struct lp_err *err);

/* The kernel's number for the directory (its inode), part of a container's identity. */
int lp_cgroup_id(int fd, uint64_t *out, struct lp_err *err);

#endif
