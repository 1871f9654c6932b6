/*
 * tools/oci/oci_common.h - what several verbs of `limpet oci` need: hooks, the bundle's config, cgroup places.
 */
#ifndef LP_TOOLS_OCI_COMMON_H
#define LP_TOOLS_OCI_COMMON_H

#include "runtime/oci/oci_spec.h"
#include "tools/oci/oci.h"

/* The state document as a hook reads it. */
int lp_oci_print_state(const struct lp_oci_state *state, const char *status, pid_t pid, struct lp_buf *out, struct lp_err *err);

/* Run them in order; `go_on`: a failure is a warning, else it ends the list. */
int lp_oci_run_hooks(const struct lp_hook *hooks, size_t count, const char *kind, const struct lp_buf *state, bool go_on, struct lp_err *err);

/* The copy of config.json in a container's directory. */
int lp_oci_read_spec(const struct lp_oci_home *home, struct lp_arena *arena, struct lp_oci_spec **out, struct lp_err *err);

/* Which mount lies at a path of the caller's; true: the path is its root. 0: not known. */
bool lp_oci_root_mount(const char *path, uint64_t *out);

/* Wait until `done` says so, woken by cgroup.events. -ETIMEDOUT. */
int lp_oci_wait_cgroup(int cgroup, bool (*done)(int cgroup), int wait_ms);

/*
 * Where a container's cgroup goes: "/a/b/leaf" below the cgroup2 mount, from linux.cgroupsPath (NULL: our own place, none
 * for ordinary users). "" with --cgroup-manager=disabled. -EINVAL for a path that tries to leave.
 */
int lp_oci_cgroup_path(struct lp_arena *arena, const char *wanted, const char *id, const char **out, struct lp_err *err);

/* Make the parent. 0 with *out_fd -1: this machine or this user has no cgroup v2 to give, which is a warning. */
int lp_oci_cgroup_parent(const char *path, const struct lp_cgroup_limits *limits, int *out_fd, struct lp_err *err);
/* Once the container's own directory is in it (or will not be): others may try to take the parent away again. */
void lp_oci_cgroup_settle(int parent_fd);

/* Nobody lives in what is there by that name, and it is not frozen: what would start in it would not move. -EBUSY. parent_fd -1: no cgroup. */
int lp_oci_cgroup_check(int parent_fd, const char *path, struct lp_err *err);

/* Remember which directory it is: from here on it is this container's to kill and to remove. */
int lp_oci_cgroup_claim(struct lp_oci_state *state, struct lp_err *err);

/* Take our own parent directory away when it is empty; `path`: of a container that has left, NULL unknown. */
void lp_oci_cgroup_tidy(const char *path);

#endif
