/*
 * agent/node/pressure.h - pure: thresholds and measurements -> which pressures this node has, and whether a pod has to go.
 *
 * Signals   memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree, pid.available. Images and
 *           pods share one file system here, so imagefs and nodefs measure the same; either threshold may be the higher one
 * Hard      met: a pod goes at once, without grace. Soft: met for its grace period without a break, a pod goes in good order
 * Condition stays for transition_ms after its threshold was last met, so that it does not flap
 * Source    kubelet pkg/kubelet/eviction/{helpers,eviction_manager}.go; kubernetes.io "Node-pressure Eviction"
 */
#ifndef LP_AGENT_PRESSURE_H
#define LP_AGENT_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum lp_pressure_signal {
	LP_PRESSURE_MEMORY,
	LP_PRESSURE_NODEFS,
	LP_PRESSURE_NODEFS_INODES,
	LP_PRESSURE_IMAGEFS,
	LP_PRESSURE_IMAGEFS_INODES,
	LP_PRESSURE_PIDS,
	LP_PRESSURE_SIGNALS
};

/* The three conditions of a node. */
enum lp_pressure_kind { LP_PRESSURE_OF_MEMORY, LP_PRESSURE_OF_DISK, LP_PRESSURE_OF_PIDS, LP_PRESSURE_KINDS };

/* An amount, or a share of the capacity. */
struct lp_pressure_amount {
	bool set;
	int64_t value;			/* bytes, inodes, processes */
	int64_t share_ppm;		/* of the capacity, when > 0 */
};

struct lp_pressure_config {
	struct lp_pressure_amount hard[LP_PRESSURE_SIGNALS], soft[LP_PRESSURE_SIGNALS], reclaim[LP_PRESSURE_SIGNALS];
	int64_t grace_ms[LP_PRESSURE_SIGNALS];	/* of soft ones */
	int64_t transition_ms;
	int64_t max_grace_s;			/* a pod gets at most this at a soft eviction */
};

struct lp_pressure_facts {
	bool known[LP_PRESSURE_SIGNALS];
	int64_t available[LP_PRESSURE_SIGNALS], capacity[LP_PRESSURE_SIGNALS];
};

/* What is remembered between looks; zeroed at the start. Boot-time ms. */
struct lp_pressure_state {
	bool kind[LP_PRESSURE_KINDS];
	int64_t last_met_ms[LP_PRESSURE_KINDS];
	int64_t soft_since_ms[LP_PRESSURE_SIGNALS];	/* 0: not met */
	bool reclaiming[LP_PRESSURE_SIGNALS];		/* met, and the minimum to get back is not there yet */
};

struct lp_pressure_verdict {
	bool changed;				/* a condition did */
	bool evict;				/* a pod has to go, because of `signal` */
	enum lp_pressure_signal signal;
	int64_t threshold;			/* what was not kept, in the signal's unit */
	int64_t available;
	int64_t grace_s;			/* 0: hard; else what a pod may have at most */
	int64_t due_ms;				/* look again then, whatever happens; INT64_MAX: no need */
};

/* The kubelet's; 100Mi of memory, or a tenth on a board with less than 1 GiB. */
void lp_pressure_defaults(struct lp_pressure_config *config, int64_t memory_bytes);

/* "memory.available<100Mi,nodefs.available<10%" replaces the whole list, as the kubelet's option does; "" is none. `with` is '<' or '='. */
int lp_pressure_parse(const char *text, char with, struct lp_pressure_amount out[LP_PRESSURE_SIGNALS], struct lp_err *err);
/* "memory.available=1m30s" */
int lp_pressure_parse_grace(const char *text, int64_t out_ms[LP_PRESSURE_SIGNALS], struct lp_err *err);
/* Every soft threshold needs a grace period. */
int lp_pressure_check(const struct lp_pressure_config *config, struct lp_err *err);

int64_t lp_pressure_amount(const struct lp_pressure_amount *amount, int64_t capacity);
enum lp_pressure_kind lp_pressure_kind_of(enum lp_pressure_signal signal);
/* "memory.available"; "memory", "ephemeral-storage", "inodes", "pids" as the kubelet's messages call it. */
const char *lp_pressure_signal_name(enum lp_pressure_signal signal);
const char *lp_pressure_resource(enum lp_pressure_signal signal);

void lp_pressure_judge(const struct lp_pressure_config *config, const struct lp_pressure_facts *facts, struct lp_pressure_state *state,
    int64_t now_ms, struct lp_pressure_verdict *out);

#endif
