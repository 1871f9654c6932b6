/*
 * agent/node/allowance.h - pure: what the operator keeps of this machine for itself, and what is left for pods.
 *
 * Allocatable  capacity - reserved - hard eviction threshold, as the kubelet computes it; the pods' cgroup gets capacity - reserved
 * Words        the kubelet's: --system-reserved cpu=100m,memory=64Mi,ephemeral-storage=1Gi,pid=200; thresholds in pressure.h
 */
#ifndef LP_AGENT_ALLOWANCE_H
#define LP_AGENT_ALLOWANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/node/pressure.h"
#include "base/err.h"

/* The options as they were given; NULL or 0: not given. */
struct lp_allowance_words {
	const char *system_reserved, *eviction_hard, *eviction_soft, *soft_grace, *minimum_reclaim, *cpu_manager;
	int64_t transition_ms, max_grace_s, max_pods, pod_max_pids, log_max_age_ms;
	bool memory_qos;
};

struct lp_allowance {
	int64_t cpu_milli, memory_bytes, disk_bytes, pids;	/* reserved */
	int64_t max_pods;
	int64_t log_max_age_ms;		/* logs older than this go; 0: only by size */
	uint64_t pod_pids_max;		/* 0: 1024 a container */
	bool memory_qos;
	bool cpu_static;		/* Guaranteed pods with whole cpus get their own */
	struct lp_pressure_config pressure;
};

/* -EINVAL with the option's name. */
int lp_allowance_read(const struct lp_allowance_words *words, int64_t memory_bytes, struct lp_allowance *out, struct lp_err *err);

/* What is left of a capacity; never negative. */
int64_t lp_allowance_cpu(const struct lp_allowance *allowance, int64_t capacity_milli);
int64_t lp_allowance_memory(const struct lp_allowance *allowance, int64_t capacity_bytes);
int64_t lp_allowance_disk(const struct lp_allowance *allowance, int64_t capacity_bytes);

#endif
