#include "tests/harness.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/machine.h"

enum { PENDING, RUNNING, GONE };

static const struct lp_state phases[] = {
	[PENDING] = { "Pending", LP_TO(RUNNING) | LP_TO(GONE) },
	[RUNNING] = { "Running", LP_TO(GONE) },
	[GONE]    = { "Gone",    0 },
};

static int moves, last_from, last_to;

static void
moved(void *arg, const struct lp_machine *machine, unsigned from, unsigned to)
{
	CHECK(arg == &moves);
	CHECK_INT(machine->state, to);
	moves++;
	last_from = (int)from;
	last_to = (int)to;
}

TEST(a_legal_move_is_told_once)
{
	struct lp_machine machine;

	lp_machine_init(&machine, phases, lp_count(phases), PENDING, moved, &moves);
	CHECK_STR(lp_machine_name(&machine), "Pending");
	CHECK_INT(moves, 0);
	lp_machine_move(&machine, RUNNING);
	CHECK_INT(moves, 1);
	CHECK_INT(last_from, PENDING);
	CHECK_INT(last_to, RUNNING);
	CHECK_STR(lp_machine_name(&machine), "Running");
	lp_machine_move(&machine, RUNNING);
	CHECK_INT(moves, 1);
}

TEST(the_table_says_what_may_be)
{
	struct lp_machine machine;

	lp_machine_init(&machine, phases, lp_count(phases), RUNNING, NULL, NULL);
	CHECK(lp_machine_may(&machine, GONE));
	CHECK(!lp_machine_may(&machine, PENDING));
	lp_machine_move(&machine, GONE);
	CHECK(!lp_machine_may(&machine, RUNNING));
}

TEST(an_illegal_move_aborts)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct lp_machine machine;

		lp_machine_init(&machine, phases, lp_count(phases), GONE, NULL, NULL);
		lp_machine_move(&machine, RUNNING);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
