/*
 * agent/guard/footprint.h - what every pod has on the node's disk, measured in a child because trees may be large.
 *
 * Use     start; done() is called from the loop; lp_footprint_pod answers until the next start
 * Child   it gets a copy of the agent's pods; what changes meanwhile is seen the next time
 */
#ifndef LP_AGENT_FOOTPRINT_H
#define LP_AGENT_FOOTPRINT_H

#include "agent/convert/storage.h"
#include "base/arena.h"
#include "base/child.h"

struct lp_agent;
struct lp_footprint;
struct lp_footprint_row;

typedef void (*lp_footprint_fn)(struct lp_footprint *footprint, int64_t now_ms);

struct lp_footprint {
	struct lp_agent *agent;			/* weak */
	struct lp_child child;
	struct lp_arena arena;
	struct lp_footprint_row *rows;		/* newest first; NULL none */
	bool only_limited;			/* pods with a limit on storage; else all */
	lp_footprint_fn done;
};

void lp_footprint_init(struct lp_footprint *footprint, struct lp_agent *agent);
void lp_footprint_fini(struct lp_footprint *footprint);

int lp_footprint_start(struct lp_footprint *footprint, bool only_limited, lp_footprint_fn done, struct lp_err *err);
bool lp_footprint_busy(const struct lp_footprint *footprint);

/* Rows of one pod in the arena; NULL and 0 when it was not measured. */
struct lp_storage_use *lp_footprint_pod(struct lp_footprint *footprint, struct lp_arena *arena, const char *uid, size_t *out_count);

#endif
