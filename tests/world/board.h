/*
 * tests/world/board.h - one simulated device (a board): the agent's and the keeper's own decisions, played containers.
 *
 * Out     whatever it wants to say comes back from the functions; world.c carries it
 */
#ifndef LP_TESTS_WORLD_BOARD_H
#define LP_TESTS_WORLD_BOARD_H

#include "agent/node/revision.h"
#include "agent/pod/podplan.h"
#include "base/digest.h"
#include "base/list.h"
#include "keeper/control.h"
#include "keeper/plan.h"
#include "wire/retry.h"

#define LP_BOARD_CONTAINERS 8

struct lp_board_container {
	const char *name, *image;	/* in the pod's arena */
	struct lp_control_status status;
	int64_t last_delay_ms, started_ms;	/* boot time of the run; -1 delay: never restarted */
	int64_t ends_ms;		/* boot time at which a stop that was asked for is obeyed; 0 none */
};

/* A pod with its keeper. */
struct lp_board_pod {
	struct lp_list link;
	struct lp_arena arena;
	const char *uid, *namespace, *name;
	struct lp_json *json;
	bool wanted;			/* in the revision, not being deleted */
	bool named;			/* in the revision at all */
	int64_t grace_s;
	enum lp_podplan_keeper keeper;
	bool stop_asked, forgetting, finished, retired;
	int64_t go_ms;			/* wall time */
	struct lp_plan_pod plan;
	struct lp_plan_container plans[LP_BOARD_CONTAINERS];
	struct lp_board_container containers[LP_BOARD_CONTAINERS];
	size_t count, inits;
	char ip[24];
	char reported[LP_DIGEST_TEXT], sending[LP_DIGEST_TEXT];
};

struct lp_board {
	const char *name;
	unsigned number;		/* from 1 */
	bool power, agent;		/* on, alive */
	struct lp_revision revision;	/* also what is on its disk: a device stores before it acts */
	struct lp_list pods;
	char node_reported[LP_DIGEST_TEXT], node_sending[LP_DIGEST_TEXT];
	struct lp_list starts;		/* struct lp_board_starts */
	unsigned stored, next_ip;
	uint64_t version, version_sending, version_told;	/* of everything that a report could speak of */
	uint32_t (*chance)(void *arg, uint32_t below);
	void *chance_arg;
};

/* How often containers of a pod were started here, by the pod's name; outlives the pod. */
struct lp_board_starts {
	struct lp_list link;
	char name[64];
	unsigned count;
};

void lp_board_init(struct lp_board *board, const char *name, unsigned number);
void lp_board_fini(struct lp_board *board);

/* A `revision` line; refused ones change nothing. Returns what lp_revision_accept says. */
int lp_board_take(struct lp_board *board, const struct lp_json *line, struct lp_err *err);

/* Agent (when it lives) and keepers do what is due. */
void lp_board_step(struct lp_board *board, int64_t now_ms, int64_t wall_ms);

/* The agent died: only keepers and the disk remember. Or it is back. */
void lp_board_agent(struct lp_board *board, bool alive);
void lp_board_power(struct lp_board *board, bool on);

/* A NodeReport of what the manager has not taken; NULL when there is nothing. `all`: forget what was taken. */
struct lp_json *lp_board_report(struct lp_board *board, struct lp_arena *arena, bool all);
/* The report that was made last was taken. */
void lp_board_reported(struct lp_board *board);

struct lp_board_pod *lp_board_find(const struct lp_board *board, const char *name);
/* All its main containers run. */
bool lp_board_runs(const struct lp_board_pod *pod);
void lp_board_exit(struct lp_board *board, struct lp_board_pod *pod, int code, int64_t now_ms, int64_t wall_ms);

#endif
