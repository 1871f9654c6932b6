/*
 * runtime/handoff.h - what the two sides of clone3 give each other.
 *
 * Theory  The child is a copy of the caller: it finds the configuration and the prepared descriptors in its memory. One
 *         SOCK_SEQPACKET pair carries messages the other way: NOTE, TERMINAL (with a descriptor), READY when it waits, FAILED
 *         with the child's lp_err. The parent answers READY with GO. The child's end is close-on-exec: end of file without
 *         FAILED means that execve succeeded, or that the child was killed before it (launch.c tells the two apart).
 *         With config->start_fd the child gives the pair up after READY and accepts on that socket: whoever connects says GO
 *         and hears the rest (start.c).
 * Format  one struct lp_handoff per message; both sides are the same program
 */
#ifndef LP_RUNTIME_HANDOFF_H
#define LP_RUNTIME_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "runtime/rootfs.h"
#include "runtime/runtime.h"

enum lp_handoff_kind {
	LP_HANDOFF_FAILED = 1,
	LP_HANDOFF_NOTE,
	LP_HANDOFF_TERMINAL,
	LP_HANDOFF_ASSEMBLED,	/* answered by GO too: the owner's hooks have run */
	LP_HANDOFF_READY,
	LP_HANDOFF_GO,
	LP_HANDOFF_EXEC,	/* to start_at: the next word is execve's */
	LP_HANDOFF_LISTENER	/* with a descriptor: the seccomp notify listener */
};

struct lp_handoff {
	uint32_t kind;
	struct lp_err err;	/* FAILED: what; NOTE: its words */
};

/* Everything that the child of a new container uses; prepared by launch.c, owned by it. */
struct lp_inside {
	const struct lp_container_config *config;
	struct lp_rootfs_parts rootfs;
	int *binds;			/* a detached mount for every bind of config->mounts, else -1 */
	int join[LP_NS_COUNT];		/* namespaces to enter, -1: none */
	int cgroup_mount;		/* the host's cgroup tree, detached, for the host's cgroup namespace; else -1 */
	const void *seccomp;
	size_t seccomp_bytes;
	uint32_t made;			/* namespaces that lp_ns_make has made and named (LP_NS_BIT) */
	bool wait;			/* READY and GO before the execve */
	int sock;			/* the child's end */
};

void lp_inside_main(struct lp_inside *inside) __attribute__((noreturn));

/* Send one message, with a descriptor when fd >= 0. */
int lp_handoff_send(int sock, enum lp_handoff_kind kind, const struct lp_err *words, int fd, struct lp_err *err);

/* Receive one: 1 a message, 0 the end. *out_fd: -1 or a descriptor that is the caller's now. */
int lp_handoff_receive(int sock, struct lp_handoff *out, int *out_fd, struct lp_err *err);

#endif
