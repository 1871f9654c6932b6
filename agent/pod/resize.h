/*
 * agent/pod/resize.h - cpu and memory of running containers change in place, as the API's `resize` subresource asks.
 *
 * Pending   the node has no room now (Deferred: tried again when pods change) or never (Infeasible); what runs keeps what it has
 * Progress  the keeper writes the new limits, the pod's cgroup first when it grows and last when it shrinks; a memory limit below what
 *           is in use is refused by the kernel and told, not killed for
 * Restart   a container whose resizePolicy says RestartContainer for what changed is ended after that by its keeper, with its grace
 *           period, and started again whatever the pod's restart policy says
 * Restarts  of the agent: limits are sent again to every pod whose spec was ever changed; the keeper writes only what differs
 * Source    KEP-1287; kubelet pkg/kubelet/allocation, status conditions PodResizePending and PodResizeInProgress
 */
#ifndef LP_AGENT_RESIZE_H
#define LP_AGENT_RESIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

struct lp_pod;

enum lp_resize_state { LP_RESIZE_NONE, LP_RESIZE_DEFERRED, LP_RESIZE_INFEASIBLE, LP_RESIZE_ACTING, LP_RESIZE_FAILED };

struct lp_resize {
	enum lp_resize_state state;
	char message[LP_ERR_TEXT];	/* DEFERRED, INFEASIBLE, FAILED */
	int64_t since_ms;		/* wall time of the state */
	int64_t tried_ms;		/* boot time of the last try; 0 none */
	int waiting;			/* answers of the keeper */
	uint64_t restart;		/* bit n: container n is restarted after that */
	bool again;			/* nothing is wished: what is allowed has changed */
	bool looked;			/* what an agent before us may have left undone was asked for */
	struct lp_arena arena;
	struct lp_json *before;		/* both lists of containers as they are enforced; NULL: as pod->json says */
};

/* Pure: the pod with cpu and memory of its containers as `old` has them: what is left to differ cannot change in place. NULL: no memory. */
struct lp_json *lp_resize_without(struct lp_arena *arena, const struct lp_json *old, const struct lp_json *json);
/* Pure: does cpu or memory of a container differ? */
bool lp_resize_differs(const struct lp_json *old, const struct lp_json *json);

/* pod->json changed from `old`: begin when cpu or memory did. */
void lp_resize_want(struct lp_pod *pod, const struct lp_json *old);
/* Something changed on this node, or a keeper was adopted: try what waits. */
void lp_resize_try(struct lp_pod *pod);
void lp_resize_adopted(struct lp_pod *pod);
/* The ceiling of this node changed: what runs gets the limits that it has under this one. */
void lp_resize_again(struct lp_pod *pod);
/* The keeper's answer. */
void lp_resize_done(struct lp_pod *pod, const struct lp_err *err);

/* The pod with the sizes that are enforced now; pod->json itself when they are the wished ones. In the arena; NULL: no memory. */
const struct lp_json *lp_resize_present(const struct lp_pod *pod, struct lp_arena *arena);
/* The resources of a container as they are enforced now. */
const struct lp_json *lp_resize_enforced(const struct lp_pod *pod, const char *container, const struct lp_json *spec);

#endif
