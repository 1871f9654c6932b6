/*
 * agent/node/measure.h - what is in use: of this machine, of a cgroup and its processes, of a network namespace, of a directory tree.
 *
 * Rule     reads only, and only when somebody asks; nothing here writes
 * Cgroups  figures come from the cgroup's files. Without the memory or io controller they are summed up over the processes that live
 *          in it now: what they alone hold of memory (resident less shared) and the largest shared part once
 * Trees    lp_measure_tree walks: only in a child (lp_child), never in the loop
 */
#ifndef LP_AGENT_MEASURE_H
#define LP_AGENT_MEASURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/node/pressure.h"
#include "base/err.h"

struct lp_measure_node {
	uint64_t memory_bytes, memory_free_bytes, memory_inactive_file_bytes, memory_anon_bytes;
	uint64_t cpu_usec;		/* of all cpus, since boot, idle not counted */
	uint64_t disk_bytes, disk_free_bytes, inodes, inodes_free;	/* of the data directory */
	uint64_t pids, pids_max;
};

/* What cannot be read stays 0. */
void lp_measure_node(int data_fd, struct lp_measure_node *out);

/* The signals of pressure.h from it. */
void lp_measure_facts(const struct lp_measure_node *node, struct lp_pressure_facts *out);

struct lp_measure_use {
	uint64_t cpu_usec;
	uint64_t memory_bytes;		/* working set */
	uint64_t anon_bytes;
	uint64_t pids;
	uint64_t read_bytes, written_bytes;	/* to and from block devices */
	uint64_t memory_limit_bytes;	/* 0 none */
	bool exact;			/* memory is the controller's figure */
};

/* -ENOENT: there is no such cgroup. */
int lp_measure_cgroup(int fd, struct lp_measure_use *out, struct lp_err *err);

struct lp_measure_net {
	uint64_t rx_bytes, rx_errors, tx_bytes, tx_errors;
};

/* All interfaces but lo of the network namespace that this process is in. -ENOENT: it is gone. */
int lp_measure_net(pid_t pid, struct lp_measure_net *out, struct lp_err *err);

#define LP_MEASURE_TOO_DEEP (UINT64_C(1) << 50)	/* bytes of a tree of more than 200 levels, and the most that is told of any */

/* Bytes on disk and inodes of dir_fd/name with everything below it on the same file system; not there: 0 and 0. */
int lp_measure_tree(int dir_fd, const char *name, uint64_t *out_bytes, uint64_t *out_inodes, struct lp_err *err);

#endif
