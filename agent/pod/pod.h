/*
 * agent/pod/pod.h - one pod of this node: what is wanted of it, what its keeper says, and the steps podplan.h asks for.
 *
 * Owner   the agent's map of pods; a pod exists while it is wanted or while anything of it is left on the node
 */
#ifndef LP_AGENT_POD_H
#define LP_AGENT_POD_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/convert/wants.h"
#include "agent/node/revision.h"
#include "agent/pod/pinning.h"
#include "agent/pod/podplan.h"
#include "agent/pod/report.h"
#include "agent/pod/resize.h"
#include "agent/pod/stats.h"
#include "base/arena.h"
#include "base/child.h"
#include "base/digest.h"
#include "base/loop.h"
#include "keeper/control.h"

struct lp_agent;

/* What is known of one container, init containers first. */
struct lp_pod_container {
	char *name;
	struct lp_arena arena;			/* owns the status' strings */
	struct lp_control_status status;
	bool known;				/* status is set */
	uint64_t attempt;			/* number of the next start when it has to be given */
	struct lp_control_end lost;		/* set when its keeper died while it ran */
	char image_id[LP_DIGEST_TEXT];		/* "" unknown */
	struct lp_stats_sample sample;		/* stats.h */
	struct lp_cpus cpus;			/* its own alone; empty: it shares */
};

struct lp_pod {
	struct lp_agent *agent;			/* weak */
	char *uid, *namespace, *name;
	const struct lp_revision_object *object;	/* weak: in the agent's revision; NULL when not in it */
	struct lp_arena arena;			/* of `json` */
	struct lp_json *json;			/* the pod as it was last wanted: outlives the revision; NULL never wanted */
	char digest[LP_DIGEST_TEXT];		/* of its text */
	struct lp_wants wants;			/* of `json` */
	struct lp_resize resize;
	bool recreate;				/* its spec changed: down, then up again */

	enum lp_podplan_keeper keeper;
	struct lp_control control;
	bool connected, stop_asked, forgetting;
	bool unmade;				/* its keeper could not make it */
	bool renewed;				/* its keeper was asked to become our program, once in a connection's life */
	bool current;				/* it is our program, or cannot become it */
	int64_t called_ms;			/* boot-time: its keeper was called again; 0 never */
	struct lp_timer call_timer;
	int64_t asked_grace_ms;
	int netns_fd, dir_fd;			/* -1 */
	uint32_t addr;				/* 0 none */
	uint32_t uid_base;			/* 0 host's */
	bool attached;
	int64_t go_ms;				/* wall time the keeper was told to go; 0 */
	int64_t began_ms;			/* the same of its first keeper, when that one was lost; 0 */
	uint32_t missing;			/* controllers that its cgroup lacks */

	struct lp_pod_container *containers;
	size_t container_count, init_count;

	char wait_reason[48];			/* "" nothing is wrong */
	char wait_message[LP_ERR_TEXT];
	uint32_t failures;			/* starts that failed in a row */
	int64_t retry_ms;
	struct lp_timer timer;
	struct lp_defer look;

	char *final;				/* status JSON of a pod that has ended; NULL */
	char fail_reason[32];			/* "Evicted": why it may not go on here; "" it may */
	char fail_message[LP_ERR_TEXT];
	int64_t failed_ms;			/* wall time of that */
	int64_t fail_grace_ms;			/* what it gets to end; -1 its own */
	bool settled;				/* `final` says how its containers ended */
	bool no_users;				/* its user namespace could not be had: the host's is used */
	char reported[LP_DIGEST_TEXT];		/* digest of the status that the manager has */
	char sending[LP_DIGEST_TEXT];		/* of the status in the report on its way; "gone"; "" none */
	bool retired;				/* nothing is left; the manager is to be told */
	struct lp_child removing;		/* its directory is being removed */
	struct lp_child preparing;		/* volumes that take time: a server, a large tree */
	bool prepared;				/* they are ready for the next start */
};

/* A pod of the revision, or one found on the node (object NULL). -ENOMEM. */
int lp_pod_new(struct lp_agent *agent, const char *uid, const char *namespace, const char *name, struct lp_pod **out, struct lp_err *err);
void lp_pod_free(struct lp_pod *pod);

/* A pod that was found by its uid only is now known by name. -ENOMEM. */
int lp_pod_rename(struct lp_pod *pod, const char *namespace, const char *name);

/* The revision changed: `object` NULL when it is no longer wanted. */
void lp_pod_want(struct lp_pod *pod, const struct lp_revision_object *object);

/* Find what already runs: connects to its keeper, or notes what a dead one left. */
void lp_pod_adopt(struct lp_pod *pod);

/* Its keeper could not make its namespaces, cgroup or directory, and goes; another one will try, later each time. */
void lp_pod_unmade(struct lp_pod *pod, const char *why);

/* It ran before this agent did, and its keeper has not said yet how it and all its containers are. */
bool lp_pod_is_being_adopted(const struct lp_pod *pod);

/* Its namespaces are gone: give its address back. */
void lp_pod_lose_network(struct lp_pod *pod);

/* Its address is still its own: tell a network that was opened after it. Does nothing twice. */
void lp_pod_claim(struct lp_pod *pod);

/* Do the next steps at the end of this turn. */
void lp_pod_look(struct lp_pod *pod);

bool lp_pod_is_host_network(const struct lp_pod *pod);
/* Every container runs: it is an endpoint of services. */
bool lp_pod_is_ready(const struct lp_pod *pod);

/* It may not go on here: its end is written down, it is stopped within grace_ms (-1: its own period) and not run again. */
void lp_pod_fail(struct lp_pod *pod, const char *reason, const char *message, int64_t grace_ms);

/* Its status now, in the arena. NULL without memory. */
struct lp_json *lp_pod_status(struct lp_pod *pod, struct lp_arena *arena);

/* Something it waits for (an image, a ConfigMap) may be there now. */
void lp_pod_nudge(struct lp_pod *pod);

/* The steps of podplan.h that make a pod; pod_start.c. On failure wait_reason and wait_message say why. */
int lp_pod_start(struct lp_pod *pod, int64_t now_ms, struct lp_err *err);
int lp_pod_connect(struct lp_pod *pod, int64_t now_ms, struct lp_err *err);
/* A keeper of another version becomes ours in place; its containers do not notice. If it cannot, it goes on as it is. */
void lp_pod_renew(struct lp_pod *pod, const char *version);
/* It cannot: said, and counted as done. */
void lp_pod_keep_version(struct lp_pod *pod, const struct lp_err *why);

/* Why it does not start: a reason of Kubernetes and words. Says so in an event when it is new. */
void lp_pod_wait(struct lp_pod *pod, const char *reason, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

extern const struct lp_control_ops lp_pod_control_ops;

/* ConfigMaps, Secrets or its own labels changed: write its volumes again. */
void lp_pod_refresh(struct lp_pod *pod);

#endif
