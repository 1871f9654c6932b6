/*
 * runtime/cgroup_limit.h - what a cgroup may use: linux.resources of the OCI runtime-spec, as cgroup v2 has it.
 *
 * Values  0 or NULL = not said: left alone. LP_CGROUP_MAX = no limit ("max"). LP_CGROUP_ZERO = nothing at all, for members
 *         whose 0 means "not said". swap_max_bytes is signed and has words of its own
 * Units   memory in bytes, cpu in thousandths of a core or in microseconds
 * Missing a controller that the kernel or the parent does not give is not an error: its limits are left out and its bit is
 *         returned in *out_missing; the caller says so in a condition, or refuses when it is asked to be strict.
 *         What `unified` names must be there: -EOPNOTSUPP
 * Errors  -EBUSY more is in use than the new limit allows, -EINVAL not what the kernel takes; the words name the file
 * Source  Linux Documentation/admin-guide/cgroup-v2.rst; OCI runtime-spec 1.2 config-linux.md "Control groups"
 */
#ifndef LP_RUNTIME_CGROUP_LIMIT_H
#define LP_RUNTIME_CGROUP_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LP_CGROUP_MAX (UINT64_MAX)
#define LP_CGROUP_ZERO (UINT64_MAX - 1)

/* For swap_max_bytes: left alone; no limit. 0 = no swap. */
#define LP_CGROUP_SWAP_UNSET (-1)
#define LP_CGROUP_SWAP_MAX (-2)

/* One device of io.max and io.weight; 0 = no limit, LP_CGROUP_MAX takes one away. */
struct lp_cgroup_io {
	uint32_t major, minor;
	uint64_t read_bps, write_bps, read_iops, write_iops;
	uint32_t weight;		/* 10 to 1000, as OCI's blockIO; 0 = that of the cgroup */
};

/* Huge pages of one size. */
struct lp_cgroup_huge {
	const char *page;		/* "2MB", "1GB": as in the names hugetlb.<page>.max; OCI's pageSize is the same word */
	uint64_t bytes;			/* LP_CGROUP_ZERO or 0: none at all (a row says something) */
};

/* One device of rdma.max; 0 = not said. */
struct lp_cgroup_rdma {
	const char *device;		/* "mlx5_0" */
	uint64_t handles, objects;
};

/* A file of the cgroup and what is written to it, after everything else (OCI "unified"). */
struct lp_cgroup_file {
	const char *file;		/* "memory.high": one name, "<controller>.<rest>" */
	const char *value;		/* lines are written one by one */
};

/* One device rule of OCI: of those that fit a device, the last one that names an access decides on that access. */
struct lp_device_rule {
	bool allow;
	char type;			/* 'c', 'b', 'a' for both; 'u' stands for 'c', and 'p' fits nothing: pipes ask nobody */
	int64_t major, minor;		/* -1: any */
	bool read, write, mknod;	/* none of them: a rule for nothing */
};

/* lp_cgroup_limit and lp_cgroup_update write only what is set. */
struct lp_cgroup_limits {
	/* memory */
	uint64_t memory_max_bytes;
	uint64_t memory_high_bytes;	/* throttled and reclaimed from here on */
	uint64_t memory_low_bytes;	/* protected from reclaim as long as others have something (OCI "reservation") */
	uint64_t memory_min_bytes;	/* never reclaimed */
	int64_t swap_max_bytes;		/* LP_CGROUP_SWAP_UNSET, LP_CGROUP_SWAP_MAX; 0 = no swap */
	bool memory_oom_group;		/* the OOM killer takes the whole container */
	bool memory_check_first;	/* update: -EBUSY when more is in use than memory_max_bytes, instead of killing for it */

	/* cpu */
	uint64_t cpu_request_milli;	/* becomes cpu.weight */
	uint64_t cpu_weight;		/* 1 to 10000; wins over cpu_request_milli */
	uint64_t cpu_max_milli;		/* becomes cpu.max with a period of 100 ms */
	uint64_t cpu_quota_usec;	/* wins over cpu_max_milli */
	uint64_t cpu_period_usec;	/* 0: as it is, 100 ms at first */
	uint64_t cpu_burst_usec;
	int32_t cpu_idle;		/* 1: runs only when nothing else does; -1: not so */
	const char *cpuset_cpus;	/* "0-1,3"; "" = as the parent */
	const char *cpuset_mems;
	const char *cpuset_partition;	/* "member", "root", "isolated" */

	/* the rest */
	uint64_t pids_max;
	uint32_t io_weight;		/* 10 to 1000, as OCI's blockIO */
	const struct lp_cgroup_io *io;
	size_t io_count;
	const struct lp_cgroup_huge *huge;
	size_t huge_count;
	const struct lp_cgroup_rdma *rdma;
	size_t rdma_count;
	const struct lp_cgroup_file *unified;
	size_t unified_count;

	/*
	 * Devices, by OCI's rules instead of the allow list of lp_container_config.devices: first nothing is allowed, then the rules
	 * in order, then the usual devices and terminals. Count 0: the allow list. Written by lp_devices_filter_rules, not here.
	 */
	const struct lp_device_rule *device_rules;
	size_t device_rule_count;
};

/* Nothing said: all 0, swap left alone. */
void lp_cgroup_limits_init(struct lp_cgroup_limits *limits);

/* Write the limits into a fresh cgroup. *out_missing (may be NULL) gets the controllers without which some limit could not be set. */
int lp_cgroup_limit(int fd, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err);

/*
 * The same to a cgroup that lives (OCI update, in-place resize): a file is written only when it says something else, in an
 * order in which every step is legal. Stops at the first refusal; what was written before stays written.
 */
int lp_cgroup_update(int fd, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err);

/* Controllers that these limits need (LP_CGROUP_BIT): for lp_cgroup_make_with. */
uint32_t lp_cgroup_needs(const struct lp_cgroup_limits *limits);

/* ---- OCI's numbers, which are those of cgroup v1 ---- */

/* cpu.shares (2 to 262144) -> weight 1 to 10000, with 1024 -> 100. Source: opencontainers/runc pull 4785, as runc 1.3.2 and crun 1.24. */
uint64_t lp_cgroup_weight_of_shares(uint64_t shares);

/*
 * "memory" and "swap" (= memory + swap) of OCI -> swap_max_bytes; 0 = not given, -1 = no limit. -EINVAL: swap without
 * a memory limit, or less than it. Source: runtime-spec config-linux.md "Memory", runc's conversion.
 */
int lp_cgroup_swap_of(int64_t memory, int64_t memory_and_swap, int64_t *out, struct lp_err *err);

#endif
