#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/cgroup.h"
#include "tests/harness.h"

static struct lp_err err;

/* A directory with the files of a cgroup: what is written can be read back. */
static int
fake_cgroup(const char *have)
{
	static const char *const files[] = { "memory.max", "memory.low", "memory.swap.max", "memory.oom.group", "cpu.weight", "cpu.max",
		"pids.max", "cpuset.cpus", "cpuset.mems", "io.max" };
	int fd = -1;

	(void)lp_test_file("cgroup.controllers", have, SIZE_MAX);
	for (size_t i = 0; i < lp_count(files); i++)
		(void)lp_test_file(files[i], "", 0);
	CHECK_OK(lp_path_root(lp_test_dir(), false, &fd, &err), &err);
	return fd;
}

static void
check_file(const char *name, const char *want)
{
	lp_auto_free char *text = lp_test_read(lp_test_path(name), NULL);

	CHECK_STR(text, want);
}

TEST(a_directory_that_is_no_cgroup_is_refused_as_root)
{
	int fd = -1;

	CHECK_ERR(lp_cgroup_root_open(lp_test_dir(), &fd, &err), -EOPNOTSUPP);
	CHECK_ERR(lp_cgroup_root_open(lp_test_path("missing"), &fd, &err), -ENOENT);
	CHECK_INT(fd, -1);
}

TEST(limits_are_written_in_the_kernels_words)
{
	lp_auto_fd int fd = fake_cgroup("cpuset cpu io memory hugetlb pids\n");
	const struct lp_cgroup_io io = { .major = 8, .minor = 16, .write_bps = 2097152 };
	const struct lp_cgroup_limits limits = { .memory_max_bytes = 67108864, .memory_low_bytes = 1048576, .swap_max_bytes = 0,
		.memory_oom_group = true, .cpu_request_milli = 100, .cpu_max_milli = 1500, .pids_max = 1024, .cpuset_cpus = "0-1",
		.io = &io, .io_count = 1 };
	uint32_t missing = 77;

	CHECK_OK(lp_cgroup_limit(fd, &limits, &missing, &err), &err);
	CHECK_INT(missing, 0);
	check_file("memory.max", "67108864");
	check_file("memory.low", "1048576");
	check_file("memory.swap.max", "0");
	check_file("memory.oom.group", "1");
	check_file("cpu.weight", "4");
	check_file("cpu.max", "150000 100000");
	check_file("pids.max", "1024");
	check_file("cpuset.cpus", "0-1");
	check_file("cpuset.mems", "");
	check_file("io.max", "8:16 wbps=2097152");
}

TEST(requests_become_weights_as_in_kubernetes)
{
	/* KEP-2254: 1 + (shares - 2) * 9999 / 262142 with 1024 shares to a core. */
	static const struct {
		uint64_t milli;
		const char *weight;
	} rows[] = { { 1, "1" }, { 100, "4" }, { 1000, "39" }, { 2000, "79" }, { 256000, "10000" }, { 100000000, "10000" } };

	for (size_t i = 0; i < lp_count(rows); i++) {
		struct lp_cgroup_limits limits = { .cpu_request_milli = rows[i].milli, .swap_max_bytes = LP_CGROUP_SWAP_UNSET };
		lp_auto_fd int fd = fake_cgroup("cpu");

		CHECK_OK(lp_cgroup_limit(fd, &limits, NULL, &err), &err);
		check_file("cpu.weight", rows[i].weight);
	}
}

TEST(a_tiny_quota_is_raised_to_what_the_kernel_takes)
{
	lp_auto_fd int fd = fake_cgroup("cpu");
	const struct lp_cgroup_limits limits = { .cpu_max_milli = 1, .swap_max_bytes = LP_CGROUP_SWAP_UNSET };

	CHECK_OK(lp_cgroup_limit(fd, &limits, NULL, &err), &err);
	check_file("cpu.max", "1000 100000");
}

TEST(a_missing_controller_is_told_and_its_files_are_left_alone)
{
	lp_auto_fd int fd = fake_cgroup("pids hugetlb");
	const struct lp_cgroup_limits limits = { .memory_max_bytes = 1, .cpu_max_milli = 500, .pids_max = 7,
		.swap_max_bytes = LP_CGROUP_SWAP_UNSET, .cpuset_cpus = "0" };
	uint32_t missing = 0;

	CHECK_OK(lp_cgroup_limit(fd, &limits, &missing, &err), &err);
	CHECK_INT(missing, LP_CGROUP_BIT(LP_CGROUP_MEMORY) | LP_CGROUP_BIT(LP_CGROUP_CPU) | LP_CGROUP_BIT(LP_CGROUP_CPUSET));
	check_file("memory.max", "");
	check_file("pids.max", "7");
}

TEST(a_file_that_is_missing_counts_as_missing_controller)
{
	lp_auto_fd int fd = fake_cgroup("memory");
	const struct lp_cgroup_limits limits = { .memory_max_bytes = 5000, .swap_max_bytes = 0 };
	uint32_t missing = 0;

	CHECK(unlinkat(fd, "memory.swap.max", 0) == 0);	/* a kernel without swap accounting */
	CHECK_OK(lp_cgroup_limit(fd, &limits, &missing, &err), &err);
	CHECK_INT(missing, LP_CGROUP_BIT(LP_CGROUP_MEMORY));
	check_file("memory.max", "5000");
}

TEST(no_limits_touch_nothing)
{
	lp_auto_fd int fd = -1;
	const struct lp_cgroup_limits limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET };
	uint32_t missing = 9;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &fd, &err), &err);	/* there is not even a file to read */
	CHECK_OK(lp_cgroup_limit(fd, &limits, &missing, &err), &err);
	CHECK_INT(missing, 0);
}

TEST(figures_are_read_and_absent_ones_are_marked)
{
	lp_auto_fd int fd = -1;
	struct lp_cgroup_stats stats;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &fd, &err), &err);
	CHECK_ERR(lp_cgroup_stats(fd, &stats, &err), -ENOENT);
	(void)lp_test_file("cpu.stat", "usage_usec 12\nuser_usec 5\nsystem_usec 7\nnr_throttled 1\nthrottled_usec 3\n", SIZE_MAX);
	CHECK_OK(lp_cgroup_stats(fd, &stats, &err), &err);
	CHECK_INT(stats.cpu_usec, 12);
	CHECK_INT(stats.cpu_throttled_usec, 3);
	CHECK_INT(stats.present, LP_CGROUP_BIT(LP_CGROUP_CPU));
	(void)lp_test_file("memory.current", "4096\n", SIZE_MAX);
	(void)lp_test_file("memory.stat", "anon 100\nfile 7\ninactive_file 300\n", SIZE_MAX);
	(void)lp_test_file("memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 9\n", SIZE_MAX);
	(void)lp_test_file("pids.current", "6\n", SIZE_MAX);
	CHECK_OK(lp_cgroup_stats(fd, &stats, &err), &err);
	CHECK_INT(stats.memory_bytes, 4096);
	CHECK_INT(stats.memory_inactive_file_bytes, 300);
	CHECK_INT(stats.memory_anon_bytes, 100);
	CHECK_INT(stats.oom_kills, 2);
	CHECK_INT(stats.pids, 6);
}

TEST(controllers_are_read_by_whole_names)
{
	lp_auto_fd int fd = -1;
	uint32_t have = 0;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &fd, &err), &err);
	(void)lp_test_file("cgroup.controllers", "cpuset memoryx pids\n", SIZE_MAX);
	CHECK_OK(lp_cgroup_controllers(fd, &have, &err), &err);
	CHECK_INT(have, LP_CGROUP_BIT(LP_CGROUP_CPUSET) | LP_CGROUP_BIT(LP_CGROUP_PIDS));
}
