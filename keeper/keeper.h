/*
 * keeper/keeper.h - one pod's life: its namespaces, its containers in order, until the agent says forget.
 *
 * Theory  The program `limpet keeper`, started by lp_control_spawn only. It needs no agent once it was told to go: it
 *         restarts containers, keeps their output, and writes every exit down before it acts on it.
 * Start   argv "keeper" "<namespace>/<name>"; descriptors LP_KEEPER_FD_* are there, all others are closed. After an upgrade
 *         argv is "keeper" "--resume=N" "<namespace>/<name>", N the descriptor of the keeper's memory (keeper/resume.h)
 */
#ifndef LP_KEEPER_KEEPER_H
#define LP_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/loop.h"
#include "keeper/control.h"
#include "keeper/sandbox.h"
#include "keeper/talk.h"
#include "keeper/ward.h"

#define LP_KEEPER_GRACE_MS INT64_C(30000)

enum lp_keeper_fd {
	LP_KEEPER_FD_RECORD = 3,	/* sealed memfd: the pod's record */
	LP_KEEPER_FD_AGENT,		/* socket to the first agent */
	LP_KEEPER_FD_RUN,		/* <run>/pods/<uid> */
	LP_KEEPER_FD_LOGS,		/* <run>/logs/<uid> */
	LP_KEEPER_FD_CGROUP,		/* cgroup v2 root; /dev/null without */
	LP_KEEPER_FD_COUNT
};

struct lp_keeper {
	struct lp_loop *loop;
	struct lp_arena arena;		/* of the pod's record */
	struct lp_control_pod pod;
	char *note;			/* owned; newer than the record's; NULL: the record's */
	struct lp_sandbox sandbox;
	struct lp_watch reaper_watch;	/* first process of a shared pid namespace */
	struct lp_err broken;		/* code < 0: the pod could not be made */
	bool expired;			/* it had its time: DeadlineExceeded */
	struct lp_plan_pod facts;
	struct lp_ward *wards;		/* pod.container_count */
	struct lp_list remains;		/* struct lp_ward_remains */
	struct lp_talk talk;
	struct lp_defer look;
	struct lp_timer due;
	int64_t started_ms;		/* wall time of go */
	int64_t went_ms;		/* boot time of go; 0 before */
	bool done;			/* nothing runs, nothing will */
	bool forget, keep_logs;		/* the agent wants it gone */
	bool leave;			/* the machine goes down: exit when done */
	char boot_id[LP_CLOCK_BOOT_ID];
};

/* Look again at the end of this turn. */
void lp_keeper_look(struct lp_keeper *keeper);

/* The network is there. */
void lp_keeper_go(struct lp_keeper *keeper, const struct lp_control_message *message);
void lp_keeper_stop(struct lp_keeper *keeper, int64_t grace_ms);
void lp_keeper_forget(struct lp_keeper *keeper, bool keep_logs);

/* Other limits for a container, or for the pod's own cgroup when it is NULL. */
int lp_keeper_resize(struct lp_keeper *keeper, const char *container, const struct lp_cgroup_limits *limits, struct lp_err *err);
/* How long the pod may live from its go; 0: for ever. */
void lp_keeper_set_deadline(struct lp_keeper *keeper, int64_t deadline_ms);

/* The first process of a shared pid namespace must not end before the pod: without it nothing can be started any more. */
int lp_keeper_watch_reaper(struct lp_keeper *keeper, struct lp_err *err);

/* Something that must not be forgotten has changed: write the state file, tell the agent. */
void lp_keeper_changed(struct lp_keeper *keeper);

/* What the agent is told of the pod. */
void lp_keeper_state(const struct lp_keeper *keeper, struct lp_control_state *out);

struct lp_ward *lp_keeper_find(struct lp_keeper *keeper, const char *container);

/* The role's main; argv[0] is "keeper". Returns the exit status. */
int lp_keeper_main(int argc, char **argv);

#endif
