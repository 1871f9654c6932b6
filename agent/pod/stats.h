/*
 * agent/pod/stats.h - what this node, its pods and their containers use, as the kubelet's stats/summary says it.
 *
 * On request  nothing is collected until somebody asks. A rate needs two looks: lp_stats_prepare takes the first where there is no
 *             recent one, and the caller comes back after LP_STATS_WAIT_MS; who asks again and again pays the first only once
 * Figures     without cgroup controllers memory and I/O are sums over the processes that live now; "exact" says which it is
 * Source      k8s.io/kubelet/pkg/apis/stats/v1alpha1/types.go; fields that are limpet's own: windowMs, io, exact, memory.limitBytes
 */
#ifndef LP_AGENT_STATS_H
#define LP_AGENT_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"

#define LP_STATS_WAIT_MS 1000

/* Where a counter was. */
struct lp_stats_sample {
	int64_t at_ms;			/* boot time; 0: no sample */
	uint64_t cpu_usec, attempt;
};

struct lp_agent;

/* True when every rate can be told now; false: come back in LP_STATS_WAIT_MS. */
bool lp_stats_prepare(struct lp_agent *agent, int64_t now_ms);

/* The document; NULL without memory. */
struct lp_json *lp_stats_summary(struct lp_agent *agent, struct lp_arena *arena, int64_t now_ms);

#endif
