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
#include <sys/types.h>

#include "base/err.h"

enum lp_ns {
	LP_NS_USER,
	LP_NS_NET,
	LP_NS_IPC,
	LP_NS_UTS,
	LP_NS_PID,
	LP_NS_MOUNT,
	LP_NS_CGROUP,
	LP_NS_TIME,
	LP_NS_COUNT
};

#define LP_NS_BIT(ns) (UINT32_C(1) << (ns))

#define LP_IDMAP_MAX 340	/* lines that the kernel takes (and it takes at most a page of text) */

/* One line of an id map. */
struct lp_idmap {
	uint32_t inside, outside, count;
};

/* A kernel parameter: name with dots or slashes ("net.ipv4.ping_group_range"), value as text. */
struct lp_sysctl {
	const char *name, *value;
};

struct lp_ns_config {
	/*
	 * LP_NS_BIT() of USER, NET, IPC, UTS, PID; nothing else. PID: a pid namespace that containers join (shareProcessNamespace). Its
	 * first process is made with it: a child of ours without rights, file system and descriptors that reaps. Until lp_ns_release it
	 * ends with its maker; from then on it lives until it is killed. Everything in the namespace ends with it.
	 */
	uint32_t make;
	const int *user_fd;		/* the others belong to this user namespace; NULL: to the new one, or else to ours */
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
	pid_t reaper;		/* first process of a PID namespace made here: the caller's to kill and to reap; 0: none */
	int reaper_fd;		/* its pidfd, -1 without; closed by lp_ns_set_fini, which kills nothing that was released */
	int reaper_go;		/* it waits for a word on this socket; -1 once it was released */
};

void lp_ns_set_init(struct lp_ns_set *set);
/* Close what is open. */
void lp_ns_set_fini(struct lp_ns_set *set);

/* Make them. Blocks for about a millisecond. */
int lp_ns_make(const struct lp_ns_config *config, struct lp_ns_set *out, struct lp_err *err);

/* Whoever comes after us would find the first process (its cgroup, a record): from now on it needs no maker. Nothing without one. */
void lp_ns_release(struct lp_ns_set *set);

/* The namespaces of a living process (bits of `which`), for adoption and exec. */
int lp_ns_open(int pidfd, uint32_t which, struct lp_ns_set *out, struct lp_err *err);

/* Id maps of a user namespace, as the caller's namespace sees them. */
struct lp_ns_maps {
	struct lp_idmap *uids, *gids;
	size_t uid_count, gid_count;
};

/* What the kernel holds for this user namespace; lp_ns_maps_fini afterwards, also after a failure. */
int lp_ns_maps_of(int userns_fd, struct lp_ns_maps *out, struct lp_err *err);
/* The same of a process, by its number in proc_fd. */
int lp_ns_maps_read(int proc_fd, pid_t pid, struct lp_ns_maps *out, struct lp_err *err);
void lp_ns_maps_fini(struct lp_ns_maps *maps);

/* The id outside for an id inside; -ERANGE when the map has none. An empty map is the identity. */
int lp_ns_map(const struct lp_idmap *map, size_t count, uint32_t inside, uint32_t *out);

/* Who stands for the container's root outside: id 0, or the first of a map that has none. */
void lp_ns_root(const struct lp_idmap *uids, size_t uid_count, const struct lp_idmap *gids, size_t gid_count, uint32_t *out_uid,
    uint32_t *out_gid);

/* May a container set this sysctl in namespaces of its own? `made`: LP_NS_BIT() of those. */
bool lp_ns_sysctl_allowed(const char *name, uint32_t made);

/* Write them below proc_fd, from inside the namespaces; each must be allowed for those `made`. */
int lp_ns_write_sysctls(int proc_fd, const struct lp_sysctl *sysctls, size_t count, uint32_t made, struct lp_err *err);

/* Kernel name ("net"), CLONE_NEW* flag. */
const char *lp_ns_name(enum lp_ns ns);
int lp_ns_flag(enum lp_ns ns);

#endif
