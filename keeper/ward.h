/*
 * keeper/ward.h - one container in the keeper's care: its runs, one after the other.
 *
 * Theory  A run begins with fresh pipes, a fresh log and a fresh cgroup <name>.<attempt>, and ends when the first process has
 *         ended and what it wrote is read. Its end is counted and written down before anything else happens. Old cgroup and writable layer are
 *         removed by a child process, because a layer may be large.
 */
#ifndef LP_KEEPER_WARD_H
#define LP_KEEPER_WARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/child.h"
#include "base/list.h"
#include "base/loop.h"
#include "keeper/care.h"
#include "keeper/control.h"
#include "keeper/logs.h"
#include "keeper/plan.h"

#define LP_WARD_MESSAGE_BYTES 4096	/* of a termination message; source: kubelet */
#define LP_WARD_MESSAGES_BYTES 12288	/* of all of a pod */
#define LP_WARD_READERS 4		/* attached at the same time */

struct lp_keeper;

enum lp_ward_reason {
	LP_WARD_COMPLETED,
	LP_WARD_ERROR,
	LP_WARD_OOM,
	LP_WARD_START_ERROR,
};

struct lp_ward_end {
	bool set;
	uint64_t attempt;
	int code, signal;
	uint8_t reason;			/* enum lp_ward_reason */
	char *message;			/* owned; may be NULL */
	int64_t started_ms, ended_ms;	/* wall */
};

struct lp_ward_pipe {
	struct lp_watch watch;
	int fd;				/* -1 none or at its end */
	uint8_t stream;			/* enum lp_logs_stream */
};

/* A container of a former run whose cgroup and layer are being removed. */
struct lp_ward_remains {
	struct lp_list link;
	struct lp_keeper *keeper;	/* weak */
	struct lp_container *container;
	struct lp_child child;
	struct lp_timer again;
	uint32_t tries;
};

struct lp_ward {
	struct lp_keeper *keeper;	/* weak */
	const struct lp_control_container *spec;	/* weak */
	struct lp_plan_container facts;
	struct lp_container *container;	/* of the present run; NULL when none */
	struct lp_watch exit_watch;
	struct lp_ward_pipe pipes[LP_LOGS_STREAMS];
	int terminal_fd;		/* also pipes[0].fd's owner when there is a terminal: same number; else -1 */
	int stdin_fd;			/* write end; -1 none */
	struct lp_logs logs;
	int readers[LP_WARD_READERS][LP_LOGS_STREAMS];	/* attached; -1 none */
	uint64_t attempt, starts;	/* of the present or latest run; runs begun */
	int64_t started_ms;		/* wall */
	int64_t began_ms;		/* boot-time ms of the present run */
	int64_t delay_ms;		/* pause before the present run; -1 before the first */
	struct lp_ward_end end, last;
	struct lp_care care;
	bool resized;			/* `limits` count, not the record's */
	struct lp_cgroup_limits limits;
	struct lp_arena limits_arena;	/* what they point to */
	uint32_t missing;
	char *notes;			/* owned; NULL none */
	bool dirty;			/* the agent has not heard the newest */
};

void lp_ward_init(struct lp_ward *ward, struct lp_keeper *keeper, const struct lp_control_container *spec);

/* Begin a run. A failure is a run that ended: it is counted, kept and reported like any other. */
void lp_ward_start(struct lp_ward *ward, int64_t now_ms);

/*
 * It is to end: its preStop hook if it has one and `hook` says that there is time for it, else its stop signal. The signal, whatever
 * the hook does. SIGKILL to all of it.
 */
void lp_ward_ask(struct lp_ward *ward, bool hook, int64_t now_ms);
void lp_ward_signal(struct lp_ward *ward, int64_t now_ms);
void lp_ward_kill(struct lp_ward *ward);

/* Other limits, for this run and later ones. On failure the former ones stand. */
int lp_ward_resize(struct lp_ward *ward, const struct lp_cgroup_limits *limits, struct lp_err *err);

/* Watch the descriptors of a run that was taken over after an upgrade. */
int lp_ward_watch(struct lp_ward *ward, struct lp_err *err);

/* The container of a run, with its pipes and its log; on failure what was opened belongs to the ward. */
int lp_ward_make(struct lp_ward *ward, struct lp_err *err);

/* What the agent is told. Weak pointers into the ward; `scratch` holds the message. */
#define LP_WARD_SCRATCH 256
void lp_ward_status(const struct lp_ward *ward, int64_t now_ms, char scratch[static LP_WARD_SCRATCH], struct lp_control_status *out);

/* A copy of its output goes there from now on; descriptors are the ward's on success. -EMFILE too many. */
int lp_ward_attach(struct lp_ward *ward, int out_fd, int err_fd, struct lp_err *err);

/* A pipe that the container gets belongs to its user: programs open /dev/stdout again. Anything else is left alone. */
int lp_ward_own_pipe(const struct lp_ward *ward, int fd, struct lp_err *err);

const char *lp_ward_reason_name(enum lp_ward_reason reason);

/* Remove the cgroup and layer of a container that ended; it is taken over. */
void lp_ward_bury(struct lp_keeper *keeper, struct lp_container *container);

/* Before another program takes over: all of that now, in this process. What cannot be removed yet goes with the pod. */
void lp_ward_bury_now(struct lp_keeper *keeper);

#endif
