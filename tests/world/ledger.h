/*
 * tests/world/ledger.h - a store in memory that outlives the manager in front of it: deterministic, no thread, no disk.
 *
 * Rule    writes are committed at the end of the loop's turn, in order; the same errors as SQLite
 */
#ifndef LP_TESTS_WORLD_LEDGER_H
#define LP_TESTS_WORLD_LEDGER_H

#include "base/map.h"
#include "manager/store/store.h"

struct lp_ledger {
	struct lp_map rows;		/* key -> struct row */
	int64_t revision;
	unsigned commits;		/* writes ever committed */
};

void lp_ledger_init(struct lp_ledger *ledger);
void lp_ledger_fini(struct lp_ledger *ledger);

/* A store on the ledger; lp_store_close leaves the ledger as it is. */
struct lp_store *lp_ledger_open(struct lp_ledger *ledger, struct lp_loop *loop);

/* Are writes waiting? */
bool lp_ledger_busy(const struct lp_store *store);

#endif
