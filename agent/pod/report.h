/*
 * agent/pod/report.h - pure: what the keeper said of a pod -> its Kubernetes status.
 *
 * Rule    the same facts give the same bytes: times come from the facts (starts, ends, creation), never from a clock, so that
 *         a restarted agent reports what the one before it reported
 * Source  kubelet convertStatusToAPIStatus, getPhase, GeneratePodReadyCondition
 */
#ifndef LP_AGENT_REPORT_H
#define LP_AGENT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "keeper/control.h"

struct lp_report_container {
	const char *name;
	const char *image;		/* as the pod says */
	const char *image_id;		/* digest of what runs; NULL before it is known */
	const struct lp_control_status *status;	/* NULL: the keeper has not spoken of it */
	const struct lp_control_end *lost;	/* how it ended when its keeper was lost; NULL none */
	uint64_t restarts;		/* when status is NULL */
	const struct lp_json *resources;	/* as they are enforced; NULL none */
};

struct lp_report_pod {
	const struct lp_json *pod;	/* the object */
	const char *host_ip, *pod_ip;	/* NULL unknown */
	const char *qos;
	int64_t started_ms;		/* wall time of go; 0 before */
	bool done;			/* nothing runs, nothing will */
	bool stopping;			/* it was asked to end */
	const char *wait_reason, *wait_message;	/* why nothing starts; NULL: ContainerCreating */
	const char *fail_reason, *fail_message;	/* why the pod as a whole has failed (Evicted); NULL: it has not */
	int64_t failed_ms;		/* wall time of that */
	int32_t resize;			/* enum lp_resize_state */
	const char *resize_message;
	int64_t resize_ms;
	const struct lp_report_container *inits, *containers;
	size_t init_count, container_count;
};

/* A v1 PodStatus; NULL when the arena is full. */
struct lp_json *lp_report_status(struct lp_arena *arena, const struct lp_report_pod *facts);

#endif
