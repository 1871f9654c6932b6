#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/node/quota.h"
#include "base/path.h"
#include "tests/harness.h"

/* A fresh directory on a file system with project quota; the virtual machine's story makes one (tests/vm/test_quota.sh). */
static int
capped_directory(const char *name)
{
	const char *place = getenv("LP_TEST_QUOTA");
	struct lp_err err = { 0 };
	int root = -1, fd = -1;

	if (!place)
		SKIP("no file system with project quota (LP_TEST_QUOTA)");
	CHECK_OK(lp_path_root(place, false, &root, &err), &err);
	CHECK_OK(lp_path_remove(root, name, &err), &err);
	CHECK_OK(lp_path_mkdirs(root, name, 0700, &fd, &err), &err);
	(void)close(root);
	return fd;
}

/* Who has CAP_SYS_RESOURCE is above quotas; containers have not, nor does overlayfs write with it. */
static void
be_ordinary(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	CHECK_INT(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(UINT32_C(1) << CAP_SYS_RESOURCE);
	CHECK_INT(syscall(SYS_capset, &header, data), 0);
}

/* So many KiB of a new file below fit. */
static size_t
fill(int dir_fd, const char *path)
{
	static char block[4096];
	int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t written = 0;

	if (fd < 0)
		return 0;
	while (written < 12 << 10 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		written += 4;
	(void)fsync(fd);
	(void)close(fd);
	return written;
}

TEST(what_is_below_a_capped_directory_cannot_grow_beyond_its_size)
{
	int fd = capped_directory("a"), other = capped_directory("b");
	uint32_t id = lp_quota_id("0f1e2d3c-1111-2222-3333-444455556666");
	struct lp_err err = { 0 };
	size_t first, second;

	CHECK_OK(lp_quota_limit(fd, id, 4 << 20, &err), &err);
	CHECK_INT(mkdirat(fd, "sub", 0700), 0);
	be_ordinary();
	first = fill(fd, "one");
	second = fill(fd, "sub/two");
	CHECK(first + second <= 4096);
	CHECK(first + second > 3500);
	/* its neighbour is not touched by it */
	CHECK(fill(other, "one") > 8192);
	CHECK_OK(lp_quota_limit(fd, id, 8 << 20, &err), &err);
	CHECK(fill(fd, "three") > 3500);
	CHECK_OK(lp_quota_forget(fd, id, &err), &err);
	CHECK(fill(fd, "four") > 8192);
	(void)close(fd);
	(void)close(other);
}

/* overlayfs writes with the rights of who mounted it, root's, but for CAP_SYS_RESOURCE: a container's own rights do not matter. */
TEST(a_writable_layer_in_a_capped_directory_is_capped)
{
	static const char *const parts[] = { "lower", "upper", "work", "merged" };
	int fd = capped_directory("layer"), merged;
	struct lp_err err = { 0 };
	char options[512], target[256];
	const char *place = getenv("LP_TEST_QUOTA");
	size_t written;

	CHECK_OK(lp_quota_limit(fd, lp_quota_id("layer"), 4 << 20, &err), &err);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		CHECK_INT(mkdirat(fd, parts[i], 0755), 0);
	(void)snprintf(options, sizeof(options), "lowerdir=%s/layer/lower,upperdir=%s/layer/upper,workdir=%s/layer/work", place, place, place);
	(void)snprintf(target, sizeof(target), "%s/layer/merged", place);
	CHECK_INT(unshare(CLONE_NEWNS), 0);
	CHECK_INT(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL), 0);
	CHECK_INT(mount("overlay", target, "overlay", 0, options), 0);
	merged = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(merged >= 0);
	written = fill(merged, "one");
	CHECK(written > 3500 && written <= 4096);
	(void)close(merged);
	CHECK_INT(umount2(target, 0), 0);
	(void)close(fd);
}

TEST(a_file_system_without_project_quota_says_so)
{
	struct lp_err err = { 0 };
	int fd = open(lp_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(lp_quota_limit(fd, lp_quota_id("x"), 1 << 20, &err), -EOPNOTSUPP);
	CHECK_OK(lp_quota_forget(fd, lp_quota_id("x"), &err), &err);
	(void)close(fd);
}

TEST(ids_differ_and_keep_away_from_small_ones)
{
	CHECK(lp_quota_id("a") != lp_quota_id("b"));
	CHECK(lp_quota_id("") >= 0x40000000u);
	CHECK(lp_quota_id("0f1e2d3c-1111-2222-3333-444455556666") < 0x80000000u);
}
