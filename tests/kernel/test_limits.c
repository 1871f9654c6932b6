/*
 * tests/kernel/test_limits.c - limits of runtime/, where the kernel has the controllers on cgroup v2 (the virtual machine).
 */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

static struct cage *
cage_with(enum lp_cgroup_controller controller)
{
	struct cage *cage = cage_new();
	uint32_t have;

	CHECK_OK(lp_cgroup_controllers(cage->cgroup, &have, &cage->err), &cage->err);
	if (!(have & LP_CGROUP_BIT(controller)))
		SKIP("this machine has no %s controller on cgroup v2", lp_cgroup_controller_name(controller));
	return cage;
}

TEST(memory_above_the_limit_is_killed_and_said_to_be)
{
	struct cage *cage = cage_with(LP_CGROUP_MEMORY);

	cage->config.limits.memory_max_bytes = 16 << 20;
	cage->config.limits.swap_max_bytes = 0;
	cage->config.limits.memory_oom_group = true;
	CHECK_OK(cage_shell(cage, "x=a; while :; do x=$x$x; done"), &cage->err);
	CHECK_INT(cage->exit.code, 137);
	CHECK(cage->exit.oom_killed);

	cage->config.limits.memory_max_bytes = 0;
	CHECK_OK(cage_shell(cage, "exit 3"), &cage->err);
	CHECK_INT(cage->exit.code, 3);
	CHECK(!cage->exit.oom_killed);
	cage_free(cage);
}

TEST(processes_above_the_limit_are_not_made)
{
	struct cage *cage = cage_with(LP_CGROUP_PIDS);

	cage->config.limits.pids_max = 5;
	CHECK_OK(cage_shell(cage, "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done; echo all; kill -9 -1"), &cage->err);
	CHECK_HAS(cage->out, "can't fork: Resource temporarily unavailable");
	CHECK(!strstr(cage->out, "all"));
	cage_free(cage);
}

TEST(a_quota_throttles)
{
	struct cage *cage = cage_with(LP_CGROUP_CPU);
	struct lp_cgroup_stats stats = { 0 };

	cage->config.limits.cpu_max_milli = 50;
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo up; while :; do :; done";
	CHECK_OK(cage_start(cage), &cage->err);
	for (int64_t deadline = 0; stats.cpu_throttled_usec == 0 && lp_test_wait(&deadline, 10000);)
		CHECK_OK(lp_container_stats(cage->container, &stats, &cage->err), &cage->err);
	CHECK(stats.cpu_throttled_usec > 0);
	CHECK(stats.cpu_usec > 0);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(requests_and_sets_reach_the_kernel)
{
	struct cage *cage = cage_with(LP_CGROUP_CPUSET);

	cage->config.limits.cpuset_cpus = "0";
	cage->config.limits.cpu_request_milli = 2000;
	cage->config.limits.memory_low_bytes = 1 << 20;
	CHECK_OK(cage_shell(cage, "grep Cpus_allowed_list /proc/self/status; cat /sys/fs/cgroup/cpu.weight /sys/fs/cgroup/memory.low"), &cage->err);
	CHECK_STR(cage->out, "Cpus_allowed_list:\t0\n79\n1048576\n");
	cage_free(cage);
}

TEST(figures_are_real_where_the_controllers_are)
{
	struct cage *cage = cage_with(LP_CGROUP_MEMORY);
	struct lp_cgroup_stats stats;

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo up; sleep 100 & sleep 100";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(lp_container_stats(cage->container, &stats, &cage->err), &cage->err);
	CHECK(stats.memory_bytes > 0);
	CHECK(stats.pids >= 1 && stats.pids <= 3);
	CHECK(stats.present & LP_CGROUP_BIT(LP_CGROUP_PIDS));
	CHECK_INT(lp_container_missing(cage->container), 0);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}
