/*
 * base/machine.h - a state machine whose legal moves are a table.
 *
 * Use     static const struct lp_state phases[] = { [P] = { "Pending", LP_TO(R) | LP_TO(G) }, ... };
 *         lp_machine_init(&pod->phase, phases, lp_count(phases), P, observer, pod);
 * Rule    only lp_machine_move() writes a state; a move that the table does not have is a mistake of ours and aborts
 */
#ifndef LP_BASE_MACHINE_H
#define LP_BASE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LP_TO(state) (UINT32_C(1) << (state))

struct lp_state {
	const char *name;
	uint32_t to;		/* LP_TO() of every legal next state */
};

struct lp_machine;
typedef void (*lp_machine_fn)(void *arg, const struct lp_machine *machine, unsigned from, unsigned to);

struct lp_machine {
	const struct lp_state *states;
	uint32_t count;
	uint32_t state;
	lp_machine_fn moved;	/* may be NULL */
	void *arg;
};

void lp_machine_init(struct lp_machine *machine, const struct lp_state *states, size_t count, unsigned first, lp_machine_fn moved, void *arg);
bool lp_machine_may(const struct lp_machine *machine, unsigned to);
/* Moving to the state it is in does nothing. */
void lp_machine_move(struct lp_machine *machine, unsigned to);
const char *lp_machine_name(const struct lp_machine *machine);

#endif
