/*
 * runtime/ns.h - the namespaces that containers of one group share, made together, kept as descriptors.
 *
 * Theory  A helper clone makes user, network, ipc and uts namespaces in one step, so that the network belongs to the user
 *         namespace (else nobody inside could bind port 80). The parent writes the id maps, the helper sets the sysctls
 *         and the host name from inside, the parent opens /proc/<pid>/ns/..., and the helper is gone.
 * Units   ids as in /proc/<pid>/uid_map: inside, outside, count
 * Errors  -EPERM, -ENOSPC (max_user_namespaces) and -EINVAL from the kernel when it has no such namespace; *err says which step
 * Source  user_namespaces(7), namespaces(7); DESIGN.md section 12 "Keeper"
 */
#ifndef LP_RUNTIME_NS_H
#define LP_RUNTIME_NS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum lp_ns {
	LP_NS_USER,
	LP_NS_NET,
	LP_NS_IPC,
	LP_NS_UTS,
	LP_NS_PID,
	LP_NS_MOUNT,
	LP_NS_CGROUP,
	LP_NS_COUNT
};

#define LP_NS_BIT(ns) (UINT32_C(1) << (ns))

#define LP_IDMAP_MAX 16

/* One line of an id map. */
struct lp_idmap {
	uint32_t inside, outside, count;
};

/* A kernel parameter: name with dots or slashes ("net.ipv4.ping_group_range"), value as text. */
struct lp_sysctl {
	const char *name, *value;
};

struct lp_ns_config {
	uint32_t make;			/* LP_NS_BIT() of USER, NET, IPC, UTS; nothing else */
	const struct lp_idmap *uids, *gids;	/* with USER only */
	size_t uid_count, gid_count;
	const char *hostname;		/* NULL: as it is; with UTS only */
	const char *domainname;		/* NULL: as it is; with UTS only */
	const struct lp_sysctl *sysctls;	/* of the new namespaces only: net.* with NET, kernel.shm*, msg*, sem, fs.mqueue.* with IPC */
	size_t sysctl_count;
};

/* A set of namespaces; fds are -1 where none was made. */
struct lp_ns_set {
	int fds[LP_NS_COUNT];
};

void lp_ns_set_init(struct lp_ns_set *set);
/* Close what is open. */
void lp_ns_set_fini(struct lp_ns_set *set);

/* Make them. Blocks for about a millisecond. */
int lp_ns_make(const struct lp_ns_config *config, struct lp_ns_set *out, struct lp_err *err);

/* The namespaces of a living process (bits of `which`), for adoption and exec. */
int lp_ns_open(int pidfd, uint32_t which, struct lp_ns_set *out, struct lp_err *err);

/* The id outside for an id inside; -ERANGE when the map has none. An empty map is the identity. */
int lp_ns_map(const struct lp_idmap *map, size_t count, uint32_t inside, uint32_t *out);

/* May a container set this sysctl in namespaces of its own? `made`: LP_NS_BIT() of those. */
bool lp_ns_sysctl_allowed(const char *name, uint32_t made);

/* Write them below proc_fd, from inside the namespaces; each must be allowed for those `made`. */
int lp_ns_write_sysctls(int proc_fd, const struct lp_sysctl *sysctls, size_t count, uint32_t made, struct lp_err *err);

/* Kernel name ("net"), CLONE_NEW* flag. */
const char *lp_ns_name(enum lp_ns ns);
int lp_ns_flag(enum lp_ns ns);

#endif
