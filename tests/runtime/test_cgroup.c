#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
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
	static const char *const files[] = { "memory.max", "memory.high", "memory.min", "memory.low", "memory.swap.max", "memory.oom.group",
		"cpu.weight", "cpu.max", "cpu.max.burst", "cpu.idle", "pids.max", "cpuset.cpus", "cpuset.mems", "cpuset.cpus.partition", "io.max",
		"io.weight", "hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "rdma.max", "memory.swap.high" };
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

TEST(every_other_limit_is_written_in_the_kernels_words)
{
	lp_auto_fd int fd = fake_cgroup("cpuset cpu io memory hugetlb pids rdma\n");
	const struct lp_cgroup_io io = { .major = 8, .read_bps = 1, .write_iops = LP_CGROUP_MAX, .weight = 500 };
	const struct lp_cgroup_huge huge = { "2MB", 4194304 };
	const struct lp_cgroup_rdma rdma = { "mlx5_0", 2, LP_CGROUP_MAX };
	const struct lp_cgroup_file unified = { "memory.swap.high", "77\n78" };
	const struct lp_cgroup_limits limits = { .memory_max_bytes = LP_CGROUP_MAX, .memory_high_bytes = 5, .memory_min_bytes = LP_CGROUP_ZERO,
		.swap_max_bytes = LP_CGROUP_SWAP_MAX, .cpu_weight = 77, .cpu_request_milli = 9, .cpu_quota_usec = 20000, .cpu_period_usec = 50000,
		.cpu_max_milli = 7, .cpu_burst_usec = 10000, .cpu_idle = -1, .cpuset_cpus = "", .cpuset_mems = "0", .cpuset_partition = "root",
		.pids_max = LP_CGROUP_MAX, .io_weight = 10, .io = &io, .io_count = 1, .huge = &huge, .huge_count = 1, .rdma = &rdma, .rdma_count = 1,
		.unified = &unified, .unified_count = 1 };
	uint32_t missing = 77;

	CHECK_OK(lp_cgroup_limit(fd, &limits, &missing, &err), &err);
	CHECK_INT(missing, 0);
	check_file("memory.max", "max");
	check_file("memory.high", "5");
	check_file("memory.min", "0");
	check_file("memory.low", "");
	check_file("memory.swap.max", "max");
	check_file("cpu.weight", "77");
	check_file("cpu.max", "20000 50000");
	check_file("cpu.max.burst", "10000");
	check_file("cpu.idle", "0");
	check_file("cpuset.cpus", "\n");
	check_file("cpuset.mems", "0");
	check_file("cpuset.cpus.partition", "root");
	check_file("pids.max", "max");
	check_file("io.weight", "8:0 49501");	/* two writes to one place: the default first, then the device's */
	check_file("io.max", "8:0 rbps=1 wiops=max");
	check_file("hugetlb.2MB.max", "4194304");
	check_file("hugetlb.2MB.rsvd.max", "4194304");
	check_file("rdma.max", "mlx5_0 hca_handle=2 hca_object=max");
	check_file("memory.swap.high", "78");
	CHECK_INT(lp_cgroup_needs(&limits), LP_CGROUP_BIT(LP_CGROUP_MISC) - 1);
}

TEST(bfq_gets_ocis_weights_as_they_are)
{
	lp_auto_fd int fd = fake_cgroup("io");
	const struct lp_cgroup_limits limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .io_weight = 200 };

	(void)lp_test_file("io.bfq.weight", "", 0);
	CHECK_OK(lp_cgroup_limit(fd, &limits, NULL, &err), &err);
	check_file("io.bfq.weight", "default 200");
	check_file("io.weight", "");
}

TEST(an_idle_group_is_given_no_weight)
{
	lp_auto_fd int fd = fake_cgroup("cpu");
	const struct lp_cgroup_limits limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .cpu_idle = 1, .cpu_weight = 5 };

	CHECK_OK(lp_cgroup_limit(fd, &limits, NULL, &err), &err);
	check_file("cpu.idle", "1");
	check_file("cpu.weight", "");
}

TEST(shares_become_weights_by_the_published_curve)
{
	/* Computed in floating point from the formula of runc's pull 4785. */
	static const uint64_t rows[][2] = { { 2, 1 }, { 3, 2 }, { 100, 17 }, { 512, 59 }, { 1023, 100 }, { 1024, 100 }, { 1025, 101 }, { 2048, 174 }, { 3000, 236 }, { 100000, 4340 }, { 262143, 10000 }, { 262144, 10000 } };
	uint32_t sum = 0;

	for (size_t i = 0; i < lp_count(rows); i++)
		CHECK_INT(lp_cgroup_weight_of_shares(rows[i][0]), rows[i][1]);
	for (uint64_t shares = 2; shares <= 262144; shares++)
		if (shares < 3000 || shares % 101 == 0)
			sum = sum * 31 + (uint32_t)lp_cgroup_weight_of_shares(shares);
	CHECK_INT(sum, 833040749U);
}

TEST(memory_and_swap_become_swap)
{
	int64_t swap = 99;

	CHECK_OK(lp_cgroup_swap_of(100, 150, &swap, &err), &err);
	CHECK_INT(swap, 50);
	CHECK_OK(lp_cgroup_swap_of(100, 100, &swap, &err), &err);
	CHECK_INT(swap, 0);
	CHECK_OK(lp_cgroup_swap_of(100, -1, &swap, &err), &err);
	CHECK_INT(swap, LP_CGROUP_SWAP_MAX);
	CHECK_OK(lp_cgroup_swap_of(-1, 0, &swap, &err), &err);
	CHECK_INT(swap, LP_CGROUP_SWAP_MAX);
	CHECK_OK(lp_cgroup_swap_of(100, 0, &swap, &err), &err);
	CHECK_INT(swap, LP_CGROUP_SWAP_UNSET);
	CHECK_ERR(lp_cgroup_swap_of(0, 100, &swap, &err), -EINVAL);
	CHECK_ERR(lp_cgroup_swap_of(-1, 100, &swap, &err), -EINVAL);
	CHECK_ERR(lp_cgroup_swap_of(100, 99, &swap, &err), -EINVAL);
	CHECK_ERR(lp_cgroup_swap_of(100, -2, &swap, &err), -EINVAL);
}

TEST(an_update_writes_only_what_differs)
{
	lp_auto_fd int fd = fake_cgroup("cpu memory io pids");
	const struct lp_cgroup_io io = { .major = 8, .minor = 16, .write_bps = 2097152 };
	struct lp_cgroup_limits limits = { .memory_max_bytes = 4096, .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .cpu_quota_usec = 20000, .pids_max = 7,
		.io = &io, .io_count = 1 };
	static const char *const same[] = { "memory.max", "cpu.max", "io.max" };

	(void)lp_test_file("memory.max", "4096\n", SIZE_MAX);
	(void)lp_test_file("cpu.max", "20000 50000\n", SIZE_MAX);
	(void)lp_test_file("pids.max", "9", SIZE_MAX);
	(void)lp_test_file("io.max", "8:0 rbps=1 wbps=2097152 riops=max wiops=max\n8:16 rbps=max wbps=2097152 riops=max wiops=max\n", SIZE_MAX);
	for (size_t i = 0; i < lp_count(same); i++)	/* a file that may only be read: a write would be refused, and root is not asked */
		CHECK(fchmodat(fd, same[i], 0444, 0) == 0);
	CHECK_OK(lp_cgroup_update(fd, &limits, NULL, &err), &err);
	check_file("memory.max", "4096\n");
	check_file("cpu.max", "20000 50000\n");	/* the period stays */
	check_file("pids.max", "7");
	check_file("io.max", "8:0 rbps=1 wbps=2097152 riops=max wiops=max\n8:16 rbps=max wbps=2097152 riops=max wiops=max\n");

	limits = (struct lp_cgroup_limits){ .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .cpu_period_usec = 25000 };
	CHECK_OK(lp_cgroup_update(fd, &limits, NULL, &err), &err);
	check_file("cpu.max", "20000 25000\n");	/* the quota stays */
}

TEST(an_update_that_asks_does_not_go_below_what_is_in_use)
{
	lp_auto_fd int fd = fake_cgroup("memory");
	struct lp_cgroup_limits limits = { .memory_max_bytes = 4096, .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .memory_check_first = true };

	(void)lp_test_file("memory.current", "8192\n", SIZE_MAX);
	CHECK_ERR(lp_cgroup_update(fd, &limits, NULL, &err), -EBUSY);
	CHECK_HAS(err.text, "8192 bytes are in use");
	check_file("memory.max", "");
	limits.memory_max_bytes = 8192;
	CHECK_OK(lp_cgroup_update(fd, &limits, NULL, &err), &err);
	check_file("memory.max", "8192");
}

TEST(a_unified_resource_is_a_file_of_a_controller_that_is_there)
{
	lp_auto_fd int fd = fake_cgroup("memory");
	static const struct { struct lp_cgroup_file row; int code; const char *words; } rows[] = {
		{ { "../memory.max", "1" }, -EINVAL, "no slashes" },
		{ { "..", "1" }, -EINVAL, "CONTROLLER." },
		{ { "memory", "1" }, -EINVAL, "CONTROLLER." },
		{ { "cgroup.procs", "1" }, -EINVAL, "not a limit" },
		{ { "cgroup.kill", "1" }, -EINVAL, "not a limit" },
		{ { "pids.max", "1" }, -EOPNOTSUPP, "not available" },
		{ { "magic.max", "1" }, -EOPNOTSUPP, "not available" },
		{ { "memory.magic", "1" }, -ENOENT, "unable to set unified resource" },
		{ { NULL, "1" }, -EINVAL, "without a name" },
	};

	for (size_t i = 0; i < lp_count(rows); i++) {
		const struct lp_cgroup_limits limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .unified = &rows[i].row, .unified_count = 1 };

		CHECK_ERR(lp_cgroup_limit(fd, &limits, NULL, &err), rows[i].code);
		CHECK_HAS(err.text, rows[i].words);
	}
}

TEST(a_page_size_that_is_not_there_is_refused)
{
	lp_auto_fd int fd = fake_cgroup("hugetlb");
	static const char *const pages[] = { "3MB", "../x", "", "2MB.max", NULL };

	for (size_t i = 0; i < lp_count(pages); i++) {
		const struct lp_cgroup_huge huge = { pages[i], 1 };
		const struct lp_cgroup_limits limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .huge = &huge, .huge_count = 1 };

		CHECK_ERR(lp_cgroup_limit(fd, &limits, NULL, &err), -EINVAL);
	}
}

TEST(a_partition_that_did_not_come_to_be_is_an_error)
{
	lp_auto_fd int fd = fake_cgroup("cpuset");
	const struct lp_cgroup_limits limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .cpuset_partition = "root invalid (no)" };

	CHECK_ERR(lp_cgroup_limit(fd, &limits, NULL, &err), -EINVAL);	/* the file says what was written: as good as the kernel's answer */
	CHECK_HAS(err.text, "root invalid");
}

TEST(all_figures_are_read)
{
	lp_auto_fd int fd = -1;
	struct lp_cgroup_details details;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &fd, &err), &err);
	(void)lp_test_file("cpu.stat", "usage_usec 12\nnr_periods 4\nnr_throttled 1\nthrottled_usec 3\nnr_bursts 2\nburst_usec 6\n", SIZE_MAX);
	CHECK_OK(lp_cgroup_details(fd, &details, &err), &err);
	CHECK_INT(details.cpu_periods, 4);
	CHECK_INT(details.cpu_bursts, 2);
	CHECK_INT(details.io_count + details.huge_count, 0);
	CHECK(!details.memory_pressure.present);
	(void)lp_test_file("memory.max", "max\n", SIZE_MAX);
	(void)lp_test_file("memory.stat", "anon 100\nfile 7\nfile_mapped 8\nslab 9\nsock 10\npgfault 11\npgmajfault 12\n", SIZE_MAX);
	(void)lp_test_file("memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\n", SIZE_MAX);
	(void)lp_test_file("memory.swap.current", "13\n", SIZE_MAX);
	(void)lp_test_file("pids.max", "1024\n", SIZE_MAX);
	(void)lp_test_file("pids.events", "max 14\n", SIZE_MAX);
	(void)lp_test_file("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:16 rbytes=7\n", SIZE_MAX);
	(void)lp_test_file("hugetlb.2MB.current", "2097152\n", SIZE_MAX);
	(void)lp_test_file("hugetlb.2MB.rsvd.current", "2097152\n", SIZE_MAX);
	(void)lp_test_file("hugetlb.2MB.max", "4194304\n", SIZE_MAX);
	(void)lp_test_file("hugetlb.2MB.events", "max 15\n", SIZE_MAX);
	(void)lp_test_file("memory.pressure", "some avg10=1.27 avg60=0.05 avg300=12.00 total=99\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n", SIZE_MAX);
	CHECK_OK(lp_cgroup_details(fd, &details, &err), &err);
	CHECK(details.memory_max_bytes == LP_CGROUP_MAX);
	CHECK_INT(details.memory_file_bytes, 7);
	CHECK_INT(details.memory_mapped_bytes, 8);
	CHECK_INT(details.memory_faults, 11);
	CHECK_INT(details.low_events + details.high_events * 10 + details.max_events * 100 + details.oom_events * 1000, 4321);
	CHECK_INT(details.swap_bytes, 13);
	CHECK_INT(details.pids_max, 1024);
	CHECK_INT(details.pids_refused, 14);
	CHECK_INT(details.io_count, 2);
	CHECK_INT(details.io[0].discards, 6);
	CHECK_INT(details.io[1].major, 254);
	CHECK_INT(details.io[1].minor, 16);
	CHECK_INT(details.io[1].read_bytes, 7);
	CHECK_INT(details.huge_count, 1);
	CHECK_STR(details.huge[0].page, "2MB");
	CHECK_INT(details.huge[0].max_bytes, 4194304);
	CHECK_INT(details.huge[0].failures, 15);
	CHECK(details.memory_pressure.present);
	CHECK_INT(details.memory_pressure.some.avg10, 127);
	CHECK_INT(details.memory_pressure.some.avg60, 5);
	CHECK_INT(details.memory_pressure.some.avg300, 1200);
	CHECK_INT(details.memory_pressure.full.total_usec, 3);
	CHECK_INT(details.basic.present, LP_CGROUP_BIT(LP_CGROUP_CPU) | LP_CGROUP_BIT(LP_CGROUP_IO) | LP_CGROUP_BIT(LP_CGROUP_HUGETLB));
}

static int
add_up(void *arg, const char *key, uint64_t value)
{
	*(uint64_t *)arg += value * strlen(key);
	return 0;
}

TEST(every_row_of_a_statistic_is_told)
{
	lp_auto_fd int fd = -1;
	uint64_t sum = 0;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &fd, &err), &err);
	(void)lp_test_file("memory.stat", "anon 100\nfile 7\nbroken\nx 1\n", SIZE_MAX);
	CHECK_OK(lp_cgroup_each_stat(fd, "memory.stat", add_up, &sum, &err), &err);
	CHECK_INT(sum, 429);
	CHECK_ERR(lp_cgroup_each_stat(fd, "memory.none", add_up, &sum, &err), -ENOENT);
}
