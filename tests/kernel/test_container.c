/*
 * tests/kernel/test_container.c - real containers from a real image: what they see, what they may, how they end.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

TEST(a_program_runs_and_its_exit_code_comes_back)
{
	struct cage *cage = cage_new();

	CHECK_OK(cage_shell(cage, "echo hello; exit 7"), &cage->err);
	CHECK_STR(cage->out, "hello\n");
	CHECK_INT(cage->exit.code, 7);
	CHECK_INT(cage->exit.signal, 0);
	cage_free(cage);
}

TEST(the_same_in_a_user_namespace_of_its_own)
{
	struct cage *cage = cage_new();

	cage_own_users(cage);
	CHECK_OK(cage_shell(cage, "id -u; cat /proc/self/uid_map; stat -c %u:%g /bin/busybox; touch /x && stat -c %u:%g /x; exit 7"),
	    &cage->err);
	CHECK_STR(cage->out, "0\n         0     200000      65536\n0:0\n0:0\n");
	CHECK_INT(cage->exit.code, 7);
	cage_free(cage);
}
