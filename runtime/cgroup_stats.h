/*
 * runtime/cgroup_stats.h - what a cgroup has used, read from the kernel's files.
 *
 * Rule    what a missing controller or an older kernel does not count is 0; the bits in `present` say what is real
 * Units   bytes, microseconds; LP_CGROUP_MAX for a limit that is not there; pressure averages in hundredths of a percent
 * Source  Linux Documentation/admin-guide/cgroup-v2.rst, accounting/psi.rst
 */
#ifndef LP_RUNTIME_CGROUP_STATS_H
#define LP_RUNTIME_CGROUP_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The few that are asked often. */
struct lp_cgroup_stats {
	uint64_t cpu_usec, cpu_user_usec, cpu_system_usec, cpu_throttled_usec;
	uint64_t memory_bytes, memory_peak_bytes;	/* 0 without the controller */
	uint64_t memory_inactive_file_bytes;	/* working set = memory_bytes - this */
	uint64_t memory_anon_bytes;
	uint64_t pids, oom_kills;
	uint32_t present;	/* LP_CGROUP_BIT of the controllers whose figures are real */
};

/* One line of a pressure file: share of time lost in the last 10, 60 and 300 seconds, and all of it. */
struct lp_cgroup_stall {
	uint32_t avg10, avg60, avg300;	/* hundredths of a percent */
	uint64_t total_usec;
};

struct lp_cgroup_pressure {
	bool present;			/* a kernel without PSI, or cgroup.pressure off */
	struct lp_cgroup_stall some, full;
};

struct lp_cgroup_io_stats {
	uint32_t major, minor;
	uint64_t read_bytes, write_bytes, reads, writes, discard_bytes, discards;
};

struct lp_cgroup_huge_stats {
	char page[16];			/* "2MB" */
	uint64_t bytes, max_bytes, failures;	/* failures: allocations refused at the limit */
};

#define LP_CGROUP_DEVICES 16
#define LP_CGROUP_PAGES 4

/* All of them, for `limpet top` and `oci events`. */
struct lp_cgroup_details {
	struct lp_cgroup_stats basic;
	uint64_t cpu_periods, cpu_throttled_periods, cpu_bursts, cpu_burst_usec;
	uint64_t memory_max_bytes, memory_high_bytes;
	uint64_t swap_bytes, swap_max_bytes;
	uint64_t memory_file_bytes, memory_shmem_bytes, memory_mapped_bytes, memory_kernel_bytes, memory_slab_bytes, memory_sock_bytes;
	uint64_t memory_faults, memory_major_faults;
	uint64_t low_events, high_events, max_events, oom_events;	/* of memory.events; kills are in basic */
	uint64_t pids_max, pids_refused;	/* refused: forks that hit the limit */
	struct lp_cgroup_io_stats io[LP_CGROUP_DEVICES];
	size_t io_count;
	struct lp_cgroup_huge_stats huge[LP_CGROUP_PAGES];
	size_t huge_count;
	struct lp_cgroup_pressure cpu_pressure, memory_pressure, io_pressure;
};

/* Figures; what a missing controller would count is 0. */
int lp_cgroup_stats(int fd, struct lp_cgroup_stats *out, struct lp_err *err);
int lp_cgroup_details(int fd, struct lp_cgroup_details *out, struct lp_err *err);

/* The number behind a key in the text of such a file; 0 when it is not there. */
uint64_t lp_cgroup_value(const char *text, const char *key);

/* Every "key number" line of a flat keyed file (memory.stat, cpu.stat); call(arg, key, value) until non-zero, which is returned. */
int lp_cgroup_each_stat(int fd, const char *file, int (*call)(void *arg, const char *key, uint64_t value), void *arg, struct lp_err *err);

/* "cpu.pressure", "memory.pressure", "io.pressure". A kernel that does not count it: 0 and present false. */
int lp_cgroup_pressure(int fd, const char *file, struct lp_cgroup_pressure *out, struct lp_err *err);

/* How often the OOM killer struck in it or below; 0 without the memory controller. */
int lp_cgroup_oom_kills(int fd, uint64_t *out, struct lp_err *err);

#endif
