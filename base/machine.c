#include "base/machine.h"

#include <assert.h>

void
lp_machine_init(struct lp_machine *machine, const struct lp_state *states, size_t count, unsigned first, lp_machine_fn moved,
    void *arg)
{
	assert(count <= 32 && first < count);
	*machine = (struct lp_machine){ .states = states, .count = (uint32_t)count, .state = first, .moved = moved, .arg = arg };
}

bool
lp_machine_may(const struct lp_machine *machine, unsigned to)
{
	return to < machine->count && (machine->states[machine->state].to & LP_TO(to));
}

void
lp_machine_move(struct lp_machine *machine, unsigned to)
{
	unsigned from = machine->state;

	if (to == from)
		return;
	assert(lp_machine_may(machine, to));
	machine->state = to;
	if (machine->moved)
		machine->moved(machine->arg, machine, from, to);
}

const char *
lp_machine_name(const struct lp_machine *machine)
{
	return machine->states[machine->state].name;
}
