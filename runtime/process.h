/*
 * runtime/process.h - from a prepared child to the program: standard streams, rights in one fixed order, execve.
 *
 * Order   limits, working directory, session keyring; user namespace; (here a created container waits for start;) bounding set;
 *         no_new_privs; groups, gid, uid; the other capability sets; read back; seccomp; startContainer hooks; execve. Everything is
 *         made close-on-exec before the filter, which may stop what does it (TRUST.md rule 5)
 * Source  capabilities(7), user_namespaces(7), seccomp(2), close_range(2)
 */
#ifndef LP_RUNTIME_PROCESS_H
#define LP_RUNTIME_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "runtime/runtime.h"

/* A process on its way; descriptors are the child's own. */
struct lp_process_start {
	const struct lp_process_config *config;
	const struct lp_idmap *uids, *gids;
	size_t uid_count, gid_count;
	int userns_fd;			/* -1: stays in the present one */
	bool own_mounts;		/* give the process a mount namespace of its user namespace, when it may mount */
	int null_fd;
	int slave;			/* of its terminal, -1 without */
	int sock;			/* for notes */
	const void *seccomp;
	size_t seccomp_bytes;
	const struct lp_hook_group *hooks;	/* of start; NULL: none */
	pid_t pid;			/* ours, as the owner sees it; with hooks */
	bool tell;			/* EXEC to whoever starts us, before the filter may stop it */
};

/* Signals, session, umask, dumpable: what a child of the owner must not inherit. The first thing a child does. */
int lp_process_reset(struct lp_err *err);

/* File system ids of the container's root (lp_ns_root), with every capability kept, so that what is made belongs to it. */
int lp_process_as_root(const struct lp_idmap *uids, size_t uid_count, const struct lp_idmap *gids, size_t gid_count, struct lp_err *err);

/* Traits, limits and the kernel's kill order; proc_fd: a procfs in which we have a number. */
int lp_process_limits(const struct lp_process_start *start, int proc_fd, struct lp_err *err);

/* Streams, working directory, keyring, user namespace. */
int lp_process_enter(const struct lp_process_start *start, struct lp_err *err);

/* Rights. After it only lp_process_exec. */
int lp_process_become(const struct lp_process_start *start, struct lp_err *err);

/* Is there such a program? With the words of lp_process_exec when not; a look ahead, which decides nothing. */
int lp_process_find(const struct lp_process_config *config, struct lp_err *err);

/* Returns only on failure, with words as other runtimes have them. */
int lp_process_exec(const struct lp_process_config *config, struct lp_err *err);

#endif
