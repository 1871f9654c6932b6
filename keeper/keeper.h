/*
 * keeper/keeper.h - one pod's life: its namespaces, its containers in order, until the agent says forget.
 *
 * Theory  The program `limpet keeper`, started by lp_control_spawn only. It needs no agent once it was told to go: it
 *         restarts containers, keeps their output, and writes every exit down before it acts on it.
 * Start   argv "keeper" "<namespace>/<name>"; descriptors LP_KEEPER_FD_* are there, all others are closed
 */
#ifndef LP_KEEPER_KEEPER_H
#define LP_KEEPER_KEEPER_H

enum lp_keeper_fd {
	LP_KEEPER_FD_RECORD = 3,	/* sealed memfd: the pod's record; after an upgrade: the keeper's memory */
	LP_KEEPER_FD_AGENT,		/* socket to the first agent */
	LP_KEEPER_FD_RUN,		/* <run>/pods/<uid> */
	LP_KEEPER_FD_LOGS,		/* <run>/logs/<uid> */
	LP_KEEPER_FD_CGROUP,		/* cgroup v2 root; /dev/null without */
	LP_KEEPER_FD_COUNT
};

/* The role's main; argv[0] is "keeper". Returns the exit status. */
int lp_keeper_main(int argc, char **argv);

#endif
