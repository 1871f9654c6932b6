/*
 * runtime/cgroup.h - one cgroup v2 directory per container.
 *
 * Shape   <root>/<class>/<group>/<container>.<attempt>; the root is a directory descriptor, never a path
 * Rule    a leaf is used for one start only: on some kernels whatever is cloned into a cgroup that was killed once dies
 *         at once (6.1.176, 6.18.44), so lp_cgroup_fresh removes and makes it anew
 * Parts   limits in cgroup_limit.h, figures in cgroup_stats.h; this header brings both
 * Missing a controller that the kernel or the parent does not give is not an error: its bit is returned in *out_missing
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
#include "runtime/cgroup_limit.h"
#include "runtime/cgroup_stats.h"

enum lp_cgroup_controller {
	LP_CGROUP_CPU,
	LP_CGROUP_MEMORY,
	LP_CGROUP_PIDS,
	LP_CGROUP_IO,
	LP_CGROUP_CPUSET,
	LP_CGROUP_HUGETLB,
	LP_CGROUP_RDMA,
	LP_CGROUP_MISC,
	LP_CGROUP_CONTROLLERS
};

#define LP_CGROUP_BIT(controller) (UINT32_C(1) << (controller))

/*
 * The cgroup v2 root: `path` when not NULL (operator's word), else where it usually is, else the mount that /proc/self/mountinfo names.
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

/* The same with these controllers too (LP_CGROUP_BIT): hugetlb, rdma and misc cost memory and are enabled only when something needs them. */
int lp_cgroup_make_with(int root_fd, const char *path, uint32_t controllers, int *out_fd, uint32_t *out_missing, struct lp_err *err);

/* A leaf that nothing was ever killed in: an empty old one is removed first, -EBUSY when processes live in it. */
int lp_cgroup_fresh(int parent_fd, const char *name, int *out_fd, struct lp_err *err);

/* An existing one; "a/b" is one below (OCI exec --cgroup). -EXDEV for a path that tries to leave, -ENOENT. */
int lp_cgroup_open(int parent_fd, const char *name, int *out_fd, struct lp_err *err);

/*
 * Give a cgroup to a user of the host: the directory and the files that the kernel says may be given (/sys/kernel/cgroup/delegate),
 * so that its own user namespace can divide it further. gid -1: as it is. Limits stay ours. Source: cgroup-v2.rst "Delegation".
 */
int lp_cgroup_delegate(int fd, uid_t uid, gid_t gid, struct lp_err *err);

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

/* The kernel's number for the directory (its inode), part of a container's identity. */
int lp_cgroup_id(int fd, uint64_t *out, struct lp_err *err);

#endif
