/*
 * agent/node/evict.h - pure: which pod goes first when a node is short of something.
 *
 * Order    memory, disk: those that use more than they requested before the others; then the lower priority; then who exceeds its
 *          request by more. Inodes: priority, then use. Processes: priority, then the number of processes
 * Spared   pods that must not go: static ones of the node's own critical priority (>= 2000000000) and those already on their way out
 * Source   kubelet pkg/kubelet/eviction/helpers.go rankMemoryPressure, rankDiskPressureFunc, rankPIDPressure
 */
#ifndef LP_AGENT_EVICT_H
#define LP_AGENT_EVICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/node/pressure.h"

/* Kubernetes' SystemCriticalPriority. */
#define LP_EVICT_CRITICAL INT64_C(2000000000)

struct lp_evict_pod {
	void *pod;			/* the caller's */
	bool critical, leaving;
	int32_t priority;
	bool known;			/* its use could be measured; what is unknown goes first */
	int64_t use, request;		/* of the resource the signal is about */
};

/* Index of the pod that goes, -1 none. */
int lp_evict_choose(enum lp_pressure_signal signal, const struct lp_evict_pod *pods, size_t count);

/* Does a goes before b? */
bool lp_evict_before(enum lp_pressure_signal signal, const struct lp_evict_pod *a, const struct lp_evict_pod *b);

#endif
