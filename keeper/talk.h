/*
 * keeper/talk.h - the keeper's end of the connection: who listens, what they have not heard yet, what they ask for.
 *
 * Rule    levels, not edges: what could not be sent is sent when there is room, in its newest form; nothing queues up
 */
#ifndef LP_KEEPER_TALK_H
#define LP_KEEPER_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "keeper/control.h"

struct lp_keeper;

/* A process that an agent asked for. */
struct lp_talk_exec {
	struct lp_list link;
	struct lp_keeper *keeper;	/* weak */
	struct lp_watch watch;
	struct lp_process process;
	uint64_t id, agent;		/* the connection that asked */
	bool ended;			/* its end is not told yet */
	struct lp_container_exit exit;
};

struct lp_talk {
	struct lp_watch listen_watch, agent_watch;
	int listen_fd, agent_fd;	/* -1 none */
	uint64_t agent;			/* counts connections */
	bool pod_dirty, ready_dirty;
	struct lp_list execs;		/* struct lp_talk_exec */
};

void lp_talk_init(struct lp_talk *talk);

/* Listen at <run>/pods/<uid>/keeper.sock. */
int lp_talk_listen(struct lp_keeper *keeper, struct lp_err *err);
/* Watch a listening socket (and execs) that were kept over an upgrade. */
int lp_talk_resume(struct lp_keeper *keeper, struct lp_err *err);

/* From now on this is the agent (descriptor taken over, -1 nobody); everything is told again. */
void lp_talk_adopt(struct lp_keeper *keeper, int fd);

/* Tell what is not told yet. */
void lp_talk_tell(struct lp_keeper *keeper);

/* Stop listening and talking. */
void lp_talk_fini(struct lp_keeper *keeper);

#endif
