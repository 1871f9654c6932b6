/*
 * tests/kernel/test_container_rights.c - real containers from a real image: what they may, and what they may not.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/harness.h"
#include "tests/kernel/cage.h"

/* ---- what it may ---- */

TEST(capabilities_are_the_default_set)
{
	struct cage *cage = cage_new();

	CHECK_OK(cage_shell(cage, "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|^Seccomp:' /proc/self/status"), &cage->err);
	CHECK_STR(cage->out, "CapInh:\t0000000000000000\nCapPrm:\t00000000000005fb\nCapEff:\t00000000000005fb\n"
	    "CapBnd:\t00000000000005fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
	cage_free(cage);
}

TEST(another_user_has_groups_and_no_capabilities)
{
	struct cage *cage = cage_new();
	const uint32_t groups[] = { 7, 1234 };

	cage->config.process.uid = 1000;
	cage->config.process.gid = 100;
	cage->config.process.groups = groups;
	cage->config.process.group_count = 2;
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "id -u; id -g; grep -E 'CapEff|Groups' /proc/self/status; echo x 2>&1 > /x; echo y > /dev/stdout"), &cage->err);
		CHECK_STR(cage->out, "1000\n100\nGroups:\t7 1234 \nCapEff:\t0000000000000000\nsh: can't create /x: Permission denied\ny\n");
		cage_own_users(cage);
	}
	cage_free(cage);
}

TEST(many_groups_in_any_order_are_all_set)
{
	struct cage *cage = cage_new();
	uint32_t groups[40];
	char wanted[512] = "Groups:\t";

	for (uint32_t i = 0; i < 40; i++) {
		groups[i] = 5000 - i * 7;
		(void)snprintf(wanted + strlen(wanted), sizeof(wanted) - strlen(wanted), "%u ", 5000 - (39 - i) * 7);
	}
	cage->config.process.groups = groups;
	cage->config.process.group_count = 40;
	CHECK_OK(cage_shell(cage, "grep Groups /proc/self/status | tr -d '\n'"), &cage->err);
	CHECK_STR(cage->out, wanted);
	cage_free(cage);
}

TEST(ambient_capabilities_reach_another_user)
{
	struct cage *cage = cage_new();

	cage->config.process.uid = 1000;
	lp_caps_fill(&cage->config.process.caps, UINT64_C(1) << 10, true);
	CHECK_OK(cage_shell(cage, "grep CapEff /proc/self/status"), &cage->err);
	CHECK_STR(cage->out, "CapEff:\t0000000000000400\n");
	cage_free(cage);
}

TEST(a_user_that_the_map_lacks_is_refused_by_name)
{
	struct cage *cage = cage_new();

	cage_own_users(cage);
	cage->config.process.uid = 70000;
	CHECK_ERR(cage_shell(cage, "true"), -ERANGE);
	CHECK_STR(cage->err.text, "user id 70000 is not mapped in the container's user namespace");
	cage_free(cage);
}

TEST(without_no_new_privs_the_filter_is_there_all_the_same)
{
	struct cage *cage = cage_new();

	cage->config.process.no_new_privs = false;
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "grep -E 'CapEff|NoNewPrivs|^Seccomp:' /proc/self/status"), &cage->err);
		CHECK_STR(cage->out, "CapEff:\t00000000000005fb\nNoNewPrivs:\t0\nSeccomp:\t2\n");
		cage_own_users(cage);
	}
	cage_free(cage);
}

TEST(unconfined_means_no_filter)
{
	struct cage *cage = cage_new();

	cage->config.process.seccomp = LP_SECCOMP_UNCONFINED;
	CHECK_OK(cage_shell(cage, "grep ^Seccomp: /proc/self/status"), &cage->err);
	CHECK_STR(cage->out, "Seccomp:\t0\n");
	cage_free(cage);
}

TEST(mounting_unsharing_and_raw_sockets_are_refused)
{
	struct cage *cage = cage_new();

	cage_own_users(cage);
	CHECK_OK(cage_shell(cage, "mount -t tmpfs t /tmp 2>&1; unshare -U true 2>&1; ping -c1 -W1 127.0.0.1 2>&1 | tail -1; dmesg 2>&1; chroot / true && echo rooted"),
	    &cage->err);
	CHECK_HAS(cage->out, "mount: permission denied");
	CHECK_HAS(cage->out, "unshare(0x10000000): Operation not permitted");
	CHECK_HAS(cage->out, "dmesg: klogctl: Operation not permitted");
	CHECK(!strstr(cage->out, "rooted"));	/* the capability was not asked for here */
	cage_free(cage);
}

TEST(limits_of_the_process_are_set)
{
	struct cage *cage = cage_new();
	const struct lp_rlimit limits[] = { { RLIMIT_NOFILE, 123, 456 }, { RLIMIT_CORE, 0, 0 } };

	cage->config.process.rlimits = limits;
	cage->config.process.rlimit_count = 2;
	cage->config.process.oom_score_set = true;
	cage->config.process.oom_score_adj = 500;
	CHECK_OK(cage_shell(cage, "ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; umask"), &cage->err);
	CHECK_STR(cage->out, "123\n456\n0\n500\n0022\n");
	cage_free(cage);
}

TEST(sysctls_of_its_own_namespaces_only)
{
	struct cage *cage = cage_new();
	const struct lp_sysctl own[] = { { "net.ipv4.ip_unprivileged_port_start", "0" }, { "net/ipv4/ping_group_range", "0 1000" },
		{ "kernel.shm_rmid_forced", "1" } };
	const struct lp_sysctl host = { "kernel.panic", "1" };

	cage->config.sysctls = own;
	cage->config.sysctl_count = 3;
	for (int users = 0; users < 2; users++) {
		CHECK_OK(cage_shell(cage, "cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start net/ipv4/ping_group_range kernel/shm_rmid_forced"), &cage->err);
		CHECK_STR(cage->out, "0\n0\t1000\n1\n");
		cage_own_users(cage);
	}
	cage->config.sysctls = &host;
	cage->config.sysctl_count = 1;
	CHECK_ERR(cage_shell(cage, "true"), -EPERM);
	CHECK_HAS(cage->err.text, "sysctl kernel.panic is not one of the container's own namespaces");
	cage_free(cage);
}

TEST(a_limit_without_controller_is_noted_or_refused_when_strict)
{
	struct cage *cage = cage_new();
	uint32_t have;

	CHECK_OK(lp_cgroup_controllers(cage->cgroup, &have, &cage->err), &cage->err);
	if (have & LP_CGROUP_BIT(LP_CGROUP_MEMORY))
		SKIP("this machine has the memory controller");
	cage->config.limits.memory_max_bytes = 64 << 20;
	cage->args[0] = "true";
	CHECK_OK(cage_start(cage), &cage->err);
	CHECK_INT(lp_container_missing(cage->container), LP_CGROUP_BIT(LP_CGROUP_MEMORY));
	CHECK_STR(lp_container_notes(cage->container), "memory limit not set: no controller");
	cage_end(cage);
	cage->config.strict = true;
	CHECK_ERR(cage_start(cage), -EOPNOTSUPP);
	CHECK_HAS(cage->err.text, "this node has no memory controller");
	cage_free(cage);
}
