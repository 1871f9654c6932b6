#include <string.h>

#include "base/auto.h"
#include "runtime/runtime.h"
#include "tests/harness.h"

TEST(a_container_that_asks_for_nothing_gets_the_promised_defaults)
{
	struct lp_container_config config;

	lp_container_config_init(&config);
	CHECK(config.process.no_new_privs);
	CHECK_INT(config.process.seccomp, LP_SECCOMP_DEFAULT);
	CHECK(config.process.caps.bounding == lp_caps_default(false));
	CHECK_INT(config.process.caps.ambient, 0);
	CHECK_INT(config.rootfs.ready.fd, -1);
	CHECK_INT(config.rootfs.writable.fd, -1);
	CHECK_INT(config.cgroup_parent_fd, -1);
	CHECK_INT(config.start_fd, -1);
	CHECK_INT(config.limits.swap_max_bytes, LP_CGROUP_SWAP_UNSET);
	for (int i = 0; i < 3; i++)
		CHECK_INT(config.process.stdio[i], -1);
	for (int i = 0; i < LP_NS_COUNT; i++)
		CHECK_INT(config.ns[i].how, i == LP_NS_USER || i == LP_NS_TIME ? LP_NS_HOST : LP_NS_NEW);
}

static bool
is_masked(const char *path)
{
	for (const char *const *row = lp_container_masked; *row; row++)
		if (strcmp(*row, path) == 0)
			return true;
	return false;
}

TEST(the_usual_paths_are_masked_and_sys_is_read_only)
{
	size_t count;
	const struct lp_mount *mounts = lp_container_mounts(&count);

	CHECK(is_masked("/proc/kcore") && is_masked("/proc/keys") && is_masked("/proc/timer_list") && is_masked("/sys/firmware"));
	CHECK_INT(count, 5);
	for (size_t i = 0; i < count; i++)
		if (mounts[i].kind == LP_MOUNT_SYSFS || mounts[i].kind == LP_MOUNT_CGROUP)
			CHECK(mounts[i].flags & LP_MOUNT_RO);
}
