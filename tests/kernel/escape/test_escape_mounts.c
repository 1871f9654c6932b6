/*
 * tests/kernel/escape/test_escape_mounts.c - images and volumes full of links do not bend what is mounted, covered or written.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/escape/attack.h"

/* A directory of the test on the host, as a descriptor. */
static int
directory(const char *name)
{
	int fd;

	CHECK_OK(lp_path_root(lp_test_path(name), true, &fd, NULL), NULL);
	CHECK(fchmod(fd, 0755) == 0);
	return fd;
}

/* ---- CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc, /sys, /dev that are links ---- */

TEST(an_image_whose_proc_or_sys_or_dev_leads_elsewhere_does_not_start)
{
	static const char *const names[] = { "proc", "sys", "dev" };
	static const char *const to[] = { "/etc", "/../../../../etc", "tmp", "/proc/self/fd", "/dev" };
	struct cage *cage = attack_cage();

	for (int own = 0; own < 2; own++) {
		for (size_t i = 0; i < lp_count(names); i++)
			for (size_t j = 0; j < lp_count(to); j++) {
				CHECK(symlinkat(to[j], attack_layer(cage), names[i]) == 0);
				CHECK_ERR(attack_run(cage, "kernel_files"), -ELOOP);
				CHECK_HAS(cage->err.text, "must be an ordinary directory, not a symbolic link");
				CHECK(unlinkat(attack_layer(cage), names[i], 0) == 0);
			}
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* As config.json lists them: volumes before /proc, /proc below a link, a volume on top of /proc. */
TEST(a_volume_over_proc_does_not_uncover_the_kernels_files)
{
	struct cage *cage = attack_cage();
	struct lp_mount *bind = cage_mount(cage, LP_MOUNT_BIND, "/volume");
	struct lp_mount *over = cage_mount(cage, LP_MOUNT_TMPFS, "/volume/proc");
	int volume = directory("volume");

	(void)over;
	bind->source.path = lp_test_path("volume");
	CHECK(symlinkat("/proc", volume, "proc") == 0);	/* the later mount comes to lie on the real one */
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "ls /proc | wc -l; grep -c . /proc/interrupts /proc/sys/kernel/core_pattern 2>&1"), &cage->err);
		CHECK_HAS(cage->out, "0\n");
		CHECK(!strstr(cage->out, "core_pattern:1"));
		cage_own_users(cage);
	}
	lp_close(&volume);
	cage_free(cage);
}

/* CVE-2021-30465 without the race: the target's links. */
TEST(a_target_behind_links_is_made_in_the_container_and_nowhere_else)
{
	struct cage *cage = attack_cage();
	int outside = directory("outside");
	char to[512];

	(void)snprintf(to, sizeof(to), "/../../../../../../../..%s", lp_test_path("outside"));
	CHECK(symlinkat(to, attack_layer(cage), "a") == 0);
	CHECK(symlinkat("/proc/1/root", attack_layer(cage), "b") == 0);
	CHECK(symlinkat("/proc/self/cwd", attack_layer(cage), "c") == 0);
	/* The image has the same path: there it may come to lie. */
	CHECK_OK(lp_path_mkdirs(attack_layer(cage), lp_test_path("outside") + 1, 0755, NULL, NULL), NULL);
	cage_mount(cage, LP_MOUNT_TMPFS, "/a/made");
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "ls -d /a/made"), &cage->err);
		CHECK(unlinkat(outside, "made", AT_REMOVEDIR) < 0 && errno == ENOENT);
		cage->mounts[cage->config.mount_count - 1].target = "/b/made";
		CHECK_ERR(cage_shell(cage, "true"), -ELOOP);	/* a magic link */
		cage->mounts[cage->config.mount_count - 1].target = "/c/made";
		CHECK_ERR(cage_shell(cage, "true"), -ELOOP);
		cage->mounts[cage->config.mount_count - 1].target = "/a/made";
		cage_own_users(cage);
	}
	lp_close(&outside);
	cage_free(cage);
}

/* CVE-2017-1002101, CVE-2021-25741 without the race: subPath. */
TEST(a_sub_path_does_not_leave_its_volume)
{
	static const char *const subs[] = { "link", "link/f", "up", "up/x", "../outside", "a/../../outside", "self/fd/0", "/etc" };
	struct cage *cage = attack_cage();
	struct lp_mount *bind = cage_mount(cage, LP_MOUNT_BIND, "/volume");
	int volume = directory("volume"), outside = directory("outside");

	attack_file(outside, "f", "secret of the host\n", 0644);
	CHECK(symlinkat(lp_test_path("outside"), volume, "link") == 0);
	CHECK(symlinkat("../outside", volume, "up") == 0);
	CHECK(symlinkat("/proc/self", volume, "self") == 0);
	CHECK(mkdirat(volume, "a", 0755) == 0);
	bind->source.path = lp_test_path("volume");
	for (int flags = 0; flags < 2; flags++)
		for (size_t i = 0; i < lp_count(subs); i++) {
			bind->sub = subs[i];
			bind->flags = flags ? LP_MOUNT_MAKE_SUB : 0;
			CHECK(cage_shell(cage, "cat /volume /volume/*") < 0);
			CHECK(faccessat(outside, "x", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
		}
	bind->sub = "a";
	CHECK_OK(cage_shell(cage, "ls /volume"), &cage->err);
	lp_close(&volume);
	lp_close(&outside);
	cage_free(cage);
}

/* ---- CVE-2025-52881: a procfs that is not one, where the runtime would write ---- */

TEST(nothing_is_written_through_a_proc_of_the_containers_making)
{
	static const struct lp_sysctl sysctls[] = { { "net.ipv4.ip_unprivileged_port_start", "77" } };
	struct cage *cage = attack_cage();
	struct lp_mount *bind = cage_mount(cage, LP_MOUNT_BIND, "/proc");
	int fake = directory("fake");

	CHECK_OK(lp_path_mkdirs(fake, "sys/net/ipv4", 0755, NULL, NULL), NULL);
	CHECK_OK(lp_path_mkdirs(fake, "self/attr/apparmor", 0755, NULL, NULL), NULL);
	CHECK_OK(lp_path_mkdirs(fake, "thread-self/attr", 0755, NULL, NULL), NULL);
	CHECK(symlinkat("/report", fake, "sys/net/ipv4/ip_unprivileged_port_start") == 0);
	CHECK(symlinkat("/report", fake, "self/oom_score_adj") == 0);
	CHECK(symlinkat("/report", fake, "self/attr/exec") == 0);
	CHECK(symlinkat("/report", fake, "thread-self/attr/exec") == 0);
	CHECK(symlinkat("/report", fake, "self/setgroups") == 0);
	attack_file(attack_layer(cage), "report", "", 0666);
	bind->source.path = lp_test_path("fake");
	cage->config.sysctls = sysctls;
	cage->config.sysctl_count = 1;
	cage->config.process.oom_score_set = true;
	cage->config.process.oom_score_adj = 321;
	cage_mount(cage, LP_MOUNT_PROC, "/real");
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "wc -c </report; cat /real/self/oom_score_adj /real/sys/net/ipv4/ip_unprivileged_port_start"), &cage->err);
		CHECK_STR(cage->out, "0\n321\n77\n");
		cage_own_users(cage);
	}
	lp_close(&fake);
	cage_free(cage);
}

TEST(one_that_joins_writes_nothing_through_a_proc_of_the_containers_making)
{
	struct cage *cage = attack_cage();
	struct lp_mount *bind = cage_mount(cage, LP_MOUNT_BIND, "/proc");
	struct lp_container_exit end;
	int fake = directory("fake");

	CHECK_OK(lp_path_mkdirs(fake, "self", 0755, NULL, NULL), NULL);
	CHECK(symlinkat("/report", fake, "self/oom_score_adj") == 0);
	attack_file(attack_layer(cage), "report", "", 0666);
	bind->source.path = lp_test_path("fake");
	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	CHECK_OK(cage_start(cage), &cage->err);
	cage->config.process.oom_score_set = true;
	cage->config.process.oom_score_adj = 400;
	CHECK_OK(cage_exec(cage, "wc -c </report", &end), &cage->err);
	CHECK_STR(cage->out, "0\n");
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	lp_close(&fake);
	cage_free(cage);
}

/* ---- CVE-2025-31133, CVE-2025-52565: what covers, and the console ---- */

TEST(masks_are_made_of_the_real_null_when_dev_is_a_volume)
{
	static const char *const kinds[] = { "link", "file", "zero", "none" };

	struct lp_mount *over = NULL;
	struct cage *cage;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	cage = attack_cage();
	for (size_t n = 0; n < cage->config.mount_count; n++)
		if (cage->mounts[n].kind == LP_MOUNT_DEV)
			over = &cage->mounts[n];
		else if (cage->mounts[n].kind == LP_MOUNT_MQUEUE)
			cage->mounts[n].target = "/tmp";
	for (size_t i = 0; i < lp_count(kinds); i++) {
		int dev = directory(kinds[i]);

		attack_file(dev, "secret", "bait\n", 0666);
		if (i == 0)
			CHECK(symlinkat("secret", dev, "null") == 0);
		else if (i == 1)
			attack_file(dev, "null", "bait\n", 0666);
		else if (i == 2)
			CHECK(mknodat(dev, "null", S_IFCHR | 0666, makedev(1, 5)) == 0);
		*over = (struct lp_mount){ .kind = LP_MOUNT_BIND, .target = "/dev", .source = { .path = lp_test_path(kinds[i]), .fd = -1 } };
		CHECK_OK(cage_shell(cage, "stat -c '%F %t:%T' /proc/interrupts /proc/timer_list; cat /proc/interrupts | wc -c;"
		    "chmod 666 /proc/interrupts 2>&1"), &cage->err);
		CHECK_STR(cage->out, "character special file 1:3\ncharacter special file 1:3\n0\nchmod: /proc/interrupts: Read-only file system\n");
		lp_close(&dev);
	}
	cage_free(cage);
}

TEST(a_console_that_is_a_link_is_refused)
{
	static const char *const to[] = { "/proc/sys/kernel/core_pattern", "/etc/passwd", "../proc/sysrq-trigger" };
	struct cage *cage = attack_cage();
	struct lp_mount *pts = cage_mount(cage, LP_MOUNT_FS, "/dev/pts");
	int dev = directory("dev");

	for (size_t n = 0; n < cage->config.mount_count; n++)
		if (cage->mounts[n].kind == LP_MOUNT_DEV) {
			cage->mounts[n].kind = LP_MOUNT_BIND;
			cage->mounts[n].source.path = lp_test_path("dev");
		}
	pts->fstype = "devpts";
	pts->options = "newinstance,ptmxmode=0666,mode=0620";
	cage->config.process.terminal = true;
	for (size_t i = 0; i < lp_count(to); i++) {
		CHECK(symlinkat(to[i], dev, "console") == 0);
		CHECK_ERR(cage_shell(cage, "true"), -ELOOP);
		CHECK(unlinkat(dev, "console", 0) == 0);
	}
	lp_close(&dev);
	cage_free(cage);
}

/* A volume brings its own cover; a root that may mount does not get below it. */
TEST(a_root_that_may_mount_uncovers_nothing)
{
	struct cage *cage = attack_cage();

	cage_own_users(cage);
	lp_caps_fill(&cage->config.process.caps, LP_CAP_ALL, false);
	CHECK_OK(cage_shell(cage, "umount /proc/interrupts 2>&1; umount -l /proc/sys 2>&1; mount -o remount,bind,rw /proc/sys 2>&1;"
	    "mount -t proc p /home 2>&1 && cat /home/interrupts | wc -c; echo x 2>&1 >/home/sys/kernel/core_pattern; echo x 2>&1 >/home/sysrq-trigger; echo over"), &cage->err);
	CHECK_HAS(cage->out, "over\n");
	CHECK_HAS(cage->out, "can't unmount /proc/interrupts: Invalid argument");
	CHECK(!strstr(cage->out, "wrote"));
	cage_free(cage);
}

/* What an image calls a volume begins with what lies there: we can read more of the kernel's files than the container may. */
TEST(nothing_of_the_kernels_files_is_copied_up)
{
	static const char *const targets[] = { "/proc", "/proc/1", "/sys", "/sys/kernel", "/dev" };
	struct cage *cage = attack_cage();
	struct lp_mount *mount = cage_mount(cage, LP_MOUNT_FS, "/");

	mount->fstype = "tmpfs";
	mount->flags = LP_MOUNT_COPY_UP;
	for (size_t i = 0; i < lp_count(targets); i++) {
		mount->target = targets[i];
		CHECK_ERR(cage_shell(cage, "true"), -EXDEV);
		CHECK_HAS(cage->err.text, "is not a directory of the image");
	}
	/* Above them: the image's own files come along, the mounts do not. */
	mount->target = "/etc";
	CHECK_OK(cage_shell(cage, "cat /etc/passwd"), &cage->err);
	CHECK_HAS(cage->out, "root:x:0:0");
	cage_free(cage);
}
