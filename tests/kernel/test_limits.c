/*
 * tests/kernel/test_limits.c - limits of runtime/, where the kernel has the controllers on cgroup v2 (the virtual machine).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- measured from inside ---- */

/* Is `got` within five percent of `want`? */
static void
check_near(const char *what, double got, double want)
{
	if (got < want * 0.95 || got > want * 1.05)
		FAIL("%s is %.3f, not within 5 %% of %.3f", what, got, want);
}

TEST(memory_is_what_the_limit_says)
{
	struct cage *cage = cage_with(LP_CGROUP_MEMORY);
	const double limit = 128 << 20;
	const char *last;

	cage_mount(cage, LP_MOUNT_TMPFS, "/fill")->size_bytes = UINT64_C(512) << 20;
	cage->config.limits.memory_max_bytes = (uint64_t)limit;
	cage->config.limits.swap_max_bytes = 0;
	/* Until the kernel kills: what was said last is how many quarters of a megabyte had room. */
	CHECK_OK(cage_shell(cage, "i=1; while dd if=/dev/zero of=/fill/$i bs=64k count=4 2>/dev/null; do echo $i; i=$((i+1)); done"), &cage->err);
	CHECK(cage->exit.oom_killed);
	CHECK(cage->out_len > 2);
	for (last = cage->out + cage->out_len - 2; last > cage->out && last[-1] != '\n'; last--)
		continue;
	check_near("memory that can be filled", strtod(last, NULL) * (256 << 10), limit);
	cage_free(cage);
}

TEST(processor_time_is_what_the_quota_says)
{
	struct cage *cage = cage_with(LP_CGROUP_CPU);
	double used, wall;
	char *next;

	cage->config.limits.cpu_max_milli = 250;
	/* Ticks of 10 ms of a busy process, and hundredths of seconds since boot: no figure of the controller's own. */
	CHECK_OK(cage_shell(cage, "while :; do :; done & sleep 1; read a r </proc/uptime; set -- $(cat /proc/$!/stat); u=$((${14}+${15}));"
		"sleep 6; read b r </proc/uptime; set -- $(cat /proc/$!/stat); kill $!; echo $((${14}+${15}-u)) $a $b"), &cage->err);
	used = strtod(cage->out, &next) / 100;
	wall = -strtod(next, &next);
	wall += strtod(next, NULL);
	CHECK(wall > 5);
	check_near("share of a processor", used / wall, 0.25);
	cage_free(cage);
}

TEST(processes_are_as_many_as_the_limit_says)
{
	struct cage *cage = cage_with(LP_CGROUP_PIDS);

	cage->config.limits.pids_max = 40;
	CHECK_OK(cage_shell(cage, "i=1; while [ $i -lt 100 ]; do sleep 1000 & i=$((i+1)); echo $i; done"), &cage->err);
	CHECK_HAS(cage->out, "\n40\n");		/* the shell and 39 others */
	CHECK(!strstr(cage->out, "\n41\n"));
	cage_free(cage);
}

/* A disk of our own: a loop device over a file. Gives its minor number. */
static int
loop_device(const char *path, off_t size)
{
	lp_auto_fd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), loop = -1;
	struct loop_config config = { .fd = (uint32_t)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	char name[32];
	int minor;

	if (control < 0)
		SKIP("this machine has no loop devices");
	CHECK(file >= 0 && ftruncate(file, size) == 0);
	minor = ioctl(control, LOOP_CTL_GET_FREE);
	CHECK(minor >= 0);
	(void)snprintf(name, sizeof(name), "/dev/loop%d", minor);
	loop = open(name, O_RDWR | O_CLOEXEC);
	CHECK(loop >= 0);
	CHECK(ioctl(loop, LOOP_CONFIGURE, &config) == 0);
	(void)fcntl(loop, F_DUPFD, 100);	/* lives as long as the test */
	return minor;
}

/* Run dd and say how long it took, in seconds. */
static double
dd_seconds(struct cage *cage, const char *what)
{
	char script[256], *next;
	double begin;

	(void)snprintf(script, sizeof(script), "read a r </proc/uptime; busybox dd %s 2>/dev/null; echo $?; read b r </proc/uptime; echo $a $b", what);
	CHECK_OK(cage_shell(cage, script), &cage->err);
	CHECK(strncmp(cage->out, "0\n", 2) == 0);
	begin = strtod(cage->out + 2, &next);
	return strtod(next, NULL) - begin;
}

TEST(a_disk_is_as_fast_as_the_limit_says)
{
	struct cage *cage = cage_with(LP_CGROUP_IO);
	int minor = loop_device(lp_test_path("disk"), 64 << 20);
	const struct lp_cgroup_io io = { .major = 7, .minor = (uint32_t)minor, .read_bps = 4 << 20, .write_bps = 2 << 20, .write_iops = 1000 };

	cage->devices[0] = (struct lp_device){ .path = "/dev/disk", .type = 'b', .major = 7, .minor = minor, .read = true, .write = true };
	cage->config.devices = cage->devices;
	cage->config.device_count = 1;
	cage->config.limits.io = &io;
	cage->config.limits.io_count = 1;
	check_near("bytes read in a second", (16 << 20) / dd_seconds(cage, "if=/dev/disk of=/dev/null bs=256k count=64 iflag=direct"), 4 << 20);
	check_near("bytes written in a second", (8 << 20) / dd_seconds(cage, "if=/dev/zero of=/dev/disk bs=256k count=32 oflag=direct"), 2 << 20);
	cage_free(cage);
}

TEST(huge_pages_are_as_many_as_the_limit_says)
{
	struct cage *cage = cage_new();
	const struct lp_cgroup_huge huge = { "2MB", 20 << 20 };
	lp_auto_fd int pages = open("/proc/sys/vm/nr_hugepages", O_RDWR | O_CLOEXEC);
	lp_auto_fd int with = -1;
	uint32_t missing;

	if (!getenv("LP_TEST_VM"))
		SKIP("huge pages of this machine are not ours to reserve");
	CHECK(pages >= 0 && write(pages, "24", 2) == 2);
	CHECK(mkdir(lp_test_path("huge"), 0755) == 0);
	CHECK(mount("huge", lp_test_path("huge"), "hugetlbfs", 0, "pagesize=2M") == 0);
	CHECK_OK(lp_cgroup_make_with(cage->cgroup_root, cage->cgroup_name, LP_CGROUP_BIT(LP_CGROUP_HUGETLB), &with, &missing, &cage->err), &cage->err);
	CHECK_INT(missing, 0);
	cage->config.limits.huge = &huge;
	cage->config.limits.huge_count = 1;
	cage_mount(cage, LP_MOUNT_BIND, "/huge")->source.path = lp_test_path("huge");
	CHECK_OK(cage_shell(cage, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13; do busybox fallocate -l 2097152 /huge/$i || break; echo $i; done; rm -f /huge/*"),
	    &cage->err);
	CHECK_HAS(cage->out, "\n10\n");
	CHECK(!strstr(cage->out, "\n11\n"));
	CHECK(umount(lp_test_path("huge")) == 0);
	CHECK(write(pages, "0", 1) == 1);
	cage_free(cage);
}

/* ---- device rules ---- */

/* Needs no controller, only eBPF: also on machines with cgroup v1 beside. */
TEST(device_rules_hold_and_can_be_changed)
{
	struct cage *cage = cage_new();
	static const struct lp_device_rule rules[] = {
		{ .allow = false, .type = 'a', .major = -1, .minor = -1, .read = true, .write = true, .mknod = true },
		{ .allow = true, .type = 'c', .major = 240, .minor = -1, .read = true, .write = true },
		{ .allow = false, .type = 'c', .major = 240, .minor = 2, .write = true },
	}, other[] = { { .allow = true, .type = 'c', .major = 240, .minor = 3, .read = true } };
	/* Nobody has major 240: what is allowed finds no driver, what is not is not permitted. */
	static const char try[] = "cd /dev; true </dev/full && echo full; for f in a b c; do (: <$f) 2>&1 | grep -q permitted || echo r$f;"
	    " (: >>$f) 2>&1 | grep -q permitted || echo w$f; done; mknod d c 240 4 2>/dev/null || echo none";
	struct lp_cgroup_limits change;
	struct lp_container_exit exit;
	const char *note;

	for (int i = 0; i < 3; i++)
		cage->devices[i] = (struct lp_device){ .path = (const char *[]){ "/dev/a", "/dev/b", "/dev/c" }[i], .type = 'c', .major = 240, .minor = i + 1 };
	cage->config.devices = cage->devices;
	cage->config.device_count = 3;
	lp_caps_fill(&cage->config.process.caps, lp_caps_default(false) | UINT64_C(1) << CAP_MKNOD, false);
	cage->config.limits.device_rules = rules;
	cage->config.limits.device_rule_count = lp_count(rules);
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo up; sleep 1000";
	CHECK_OK(cage_start(cage), &cage->err);
	note = lp_container_notes(cage->container);
	if (strstr(note, "CONFIG_CGROUP_BPF"))
		SKIP("%s", note);
	cage_until(cage, "up");
	CHECK_OK(cage_exec(cage, try, &exit), &cage->err);
	CHECK_STR(cage->out, "full\nra\nwa\nrb\nrc\nwc\nnone\n");

	lp_cgroup_limits_init(&change);
	change.device_rules = other;
	change.device_rule_count = 1;
	CHECK_OK(lp_container_update(cage->container, &change, NULL, &cage->err), &cage->err);
	CHECK_OK(cage_exec(cage, try, &exit), &cage->err);
	CHECK_STR(cage->out, "full\nrc\nnone\n");
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

/* ---- a container that lives ---- */

TEST(limits_change_while_it_lives)
{
	struct cage *cage = cage_with(LP_CGROUP_MEMORY);
	struct lp_cgroup_limits change;
	struct lp_container_exit exit;
	struct lp_cgroup_details details;

	cage->config.limits.cpu_quota_usec = 20000;
	cage->config.limits.cpu_burst_usec = 10000;
	cage->config.limits.memory_max_bytes = 64 << 20;
	cage->config.limits.pids_max = 100;
	cage_mount(cage, LP_MOUNT_TMPFS, "/fill");
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "dd if=/dev/zero of=/fill/x bs=1M count=20 2>/dev/null; echo up; sleep 1000";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");

	lp_cgroup_limits_init(&change);
	change.memory_max_bytes = 10 << 20;
	change.memory_check_first = true;
	CHECK_ERR(lp_container_update(cage->container, &change, NULL, &cage->err), -EBUSY);
	CHECK_HAS(cage->err.text, "bytes are in use");

	lp_cgroup_limits_init(&change);
	change.memory_max_bytes = 128 << 20;
	change.memory_high_bytes = LP_CGROUP_MAX;
	change.pids_max = 50;
	change.cpu_quota_usec = 5000;	/* below the burst of before: only with the new burst written first */
	change.cpu_burst_usec = 4000;
	change.cpu_weight = 50;
	CHECK_OK(lp_container_update(cage->container, &change, NULL, &cage->err), &cage->err);
	CHECK_OK(cage_exec(cage, "cd /sys/fs/cgroup; cat memory.max memory.high pids.max cpu.max cpu.max.burst cpu.weight", &exit), &cage->err);
	CHECK_STR(cage->out, "134217728\nmax\n50\n5000 100000\n4000\n50\n");
	change.cpu_burst_usec = 0;
	change.cpu_quota_usec = 3000;	/* below the burst, which stays */
	CHECK_ERR(lp_container_update(cage->container, &change, NULL, &cage->err), -EINVAL);
	CHECK_HAS(cage->err.text, "not below the burst");

	CHECK_OK(lp_cgroup_details(lp_container_cgroup(cage->container), &details, &cage->err), &cage->err);
	CHECK_INT(details.memory_max_bytes, 128 << 20);
	CHECK(details.memory_shmem_bytes >= 20 << 20);
	CHECK_INT(details.pids_max, 50);
	CHECK(details.cpu_periods > 0);
	CHECK(details.memory_pressure.present && details.cpu_pressure.present);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(an_idle_container_is_idle_until_it_is_not)
{
	struct cage *cage = cage_with(LP_CGROUP_CPU);
	struct lp_cgroup_limits change;

	cage->config.limits.cpu_idle = 1;
	cage->config.limits.cpu_weight = 300;
	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	CHECK_OK(cage_start(cage), &cage->err);
	lp_cgroup_limits_init(&change);
	change.cpu_weight = 300;
	CHECK_ERR(lp_container_update(cage->container, &change, NULL, &cage->err), -EINVAL);
	CHECK_HAS(cage->err.text, "cpu.idle is on");
	change.cpu_idle = -1;
	CHECK_OK(lp_container_update(cage->container, &change, NULL, &cage->err), &cage->err);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(what_the_kernel_does_not_take_is_said_by_name)
{
	const struct { struct lp_cgroup_limits limits; const char *words; } rows[] = {
		{ { .swap_max_bytes = -1, .cpu_quota_usec = 100 }, "cpu.max" },
		{ { .swap_max_bytes = -1, .cpu_weight = 10001 }, "1 to 10000" },
		{ { .swap_max_bytes = -1, .cpuset_cpus = "4000" }, "CPUs" },
		{ { .swap_max_bytes = -1, .cpuset_mems = "x" }, "memory nodes" },
		{ { .swap_max_bytes = -1, .unified = &(const struct lp_cgroup_file){ "memory.high", "many" }, .unified_count = 1 }, "memory.high" },
		{ { .swap_max_bytes = -1, .io = &(const struct lp_cgroup_io){ .major = 250, .minor = 9999, .read_bps = 1 }, .io_count = 1 }, "no such block device" },
	};
	struct cage *cage = cage_with(LP_CGROUP_CPUSET);

	cage->args[0] = "true";
	for (size_t i = 0; i < lp_count(rows); i++) {
		cage->config.limits = rows[i].limits;
		CHECK(cage_start(cage) < 0);
		CHECK_HAS(cage->err.text, rows[i].words);
	}
	cage_free(cage);
}

TEST(a_cgroup_that_is_given_away_can_be_divided_by_its_new_owner)
{
	struct cage *cage = cage_with(LP_CGROUP_MEMORY);

	cage_own_users(cage);
	for (size_t i = 0; i < cage->config.mount_count; i++)
		if (cage->mounts[i].kind == LP_MOUNT_CGROUP)
			cage->mounts[i].flags &= ~LP_MOUNT_RO;
	cage->config.limits.memory_max_bytes = 64 << 20;
	CHECK_OK(cage_shell(cage, "mkdir /sys/fs/cgroup/sub || echo mine not"), &cage->err);
	CHECK_HAS(cage->out, "mine not");
	cage->config.cgroup_delegate = true;
	CHECK_OK(cage_shell(cage, "cd /sys/fs/cgroup && mkdir sub && echo 0 >sub/cgroup.procs && cat /proc/self/cgroup && echo +memory >cgroup.subtree_control &&"
		"echo 1048576 >sub/memory.high && cat sub/memory.high; (echo max >memory.max) 2>/dev/null || echo the limit is not mine"), &cage->err);
	CHECK_STR(cage->out, "0::/sub\n1048576\nthe limit is not mine\n");
	cage_free(cage);
}
