/*
 * tests/kernel/escape/test_escape_races.c - a neighbour that exchanges a directory and a link as fast as it can, while we look, mount and start.
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
#include "runtime/devices.h"
#include "runtime/mount.h"
#include "tests/harness.h"
#include "tests/kernel/escape/attack.h"

/* A directory "inside" in which a/ and the link b change places, and "outside", to which the link leads. */
struct arena {
	int inside, outside, racer;
};

static struct arena
arena_new(void)
{
	struct arena arena;
	char to[512];

	lp_test_need_root();
	CHECK_OK(lp_path_root(lp_test_path("inside"), true, &arena.inside, NULL), NULL);
	CHECK_OK(lp_path_root(lp_test_path("outside"), true, &arena.outside, NULL), NULL);
	CHECK(fchmod(arena.inside, 0755) == 0 && fchmod(arena.outside, 0755) == 0);
	CHECK(mkdirat(arena.inside, "a", 0755) == 0);
	(void)snprintf(to, sizeof(to), "../../../../../../../../../..%s", lp_test_path("outside"));
	CHECK(symlinkat(to, arena.inside, "b") == 0);
	attack_file(arena.outside, "limpet-secret", "secret of the host\n", 0644);
	arena.racer = attack_race(arena.inside, "a", "b");
	return arena;
}

static int
count_one(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return 0;
}

static void
arena_free(struct arena *arena)
{
	int count = 0;

	attack_calm(arena->racer);
	CHECK_OK(lp_path_each(arena->outside, count_one, &count, NULL), NULL);
	CHECK_INT(count, 1);	/* the secret, and nothing that we made */
	lp_close(&arena->inside);
	lp_close(&arena->outside);
}

/* ---- what is looked up ---- */

/* CVE-2021-30465 */
TEST(a_mount_target_is_below_the_root_however_it_is_raced_with)
{
	struct arena arena = arena_new();
	int found = 0;

	for (int i = 0; i < ATTACK_ROUNDS; i++) {
		char target[32];
		int fd = -1;

		(void)snprintf(target, sizeof(target), "/a/%s%d", i % 2 ? "d/" : "f", i % 7);
		if (lp_mount_target(arena.inside, target, i % 2, i % 3 == 0, &fd, NULL) == 0) {
			CHECK(attack_below(fd, lp_test_path("inside")));
			found++;
		}
		lp_close(&fd);
	}
	CHECK(found > 0);
	arena_free(&arena);
}

/* CVE-2017-1002101, CVE-2021-25741 */
TEST(a_sub_path_is_below_its_volume_however_it_is_raced_with)
{
	struct arena arena = arena_new();
	int found = 0;

	for (int i = 0; i < ATTACK_ROUNDS; i++) {
		struct lp_mount mount = { .kind = LP_MOUNT_BIND, .source = { .path = lp_test_path("inside"), .fd = -1 }, .sub = i % 2 ? "a" : "a/made",
			.flags = LP_MOUNT_MAKE_SUB };
		int fd = -1;

		if (lp_mount_source(&mount, 7, 7, &fd, NULL) == 0) {
			CHECK(attack_below(fd, lp_test_path("inside")));
			found++;
		}
		lp_close(&fd);
	}
	CHECK(found > 0);
	arena_free(&arena);
}

/* CVE-2025-31133 */
TEST(the_null_for_masks_is_the_null_device_however_it_is_raced_with)
{
	struct arena arena = arena_new();
	int found = 0, racers[2], dev;

	CHECK_OK(lp_path_root(lp_test_path("dev"), true, &dev, NULL), NULL);
	if (mknodat(dev, "null", S_IFCHR | 0666, makedev(1, 3)) < 0)
		SKIP("may not make device nodes");
	CHECK(mknodat(dev, "zero", S_IFCHR | 0666, makedev(1, 5)) == 0);
	attack_file(dev, "file", "bait\n", 0666);
	racers[0] = attack_race(dev, "null", "zero");
	racers[1] = attack_race(dev, "null", "file");
	for (int i = 0; i < ATTACK_ROUNDS; i++) {
		struct stat st;
		int fd = -1;

		if (lp_devices_null(dev, &fd, NULL) == 0) {
			CHECK(fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
			found++;
		}
		lp_close(&fd);
	}
	attack_calm(racers[0]);
	attack_calm(racers[1]);
	CHECK(found > 0);
	lp_close(&dev);
	arena_free(&arena);
}

/* ---- containers that start meanwhile ---- */

/* What takes most of a start's time and is not raced for. */
static void
share_network(struct cage *cage)
{
	cage->config.ns[LP_NS_NET].how = LP_NS_HOST;
}

/* Starts rounds of containers; those that start find no secret, and their kernel's files are covered. Returns how many did. */
static int
start_many(struct cage *cage)
{
	/* Of what the shell does by itself: a start is all that takes time. */
	static const char script[] = "for f in /v/a /v/b /s ''; do [ ! -e $f/limpet-secret ] || echo secret; done; [ -c /proc/interrupts ] || echo uncovered;"
				     "{ true >>/proc/sys/kernel/core_pattern; } 2>/err && echo writable; echo up";
	int started = 0;

	share_network(cage);
	for (int i = attack_rounds(); i > 0; i--) {
		if (cage_shell(cage, script) < 0)
			continue;
		if (strcmp(cage->out, "up\n") != 0)
			FAIL("round %d: %s", i, cage->out);
		started++;
	}
	return started;
}

TEST(containers_that_start_in_a_raced_volume_never_see_the_host)
{
	struct cage *cage = attack_cage();
	struct lp_mount *volume = cage_mount(cage, LP_MOUNT_BIND, "/v");
	struct arena arena = arena_new();

	volume->source.path = lp_test_path("inside");
	cage_mount(cage, LP_MOUNT_TMPFS, "/v/a/x");
	CHECK(start_many(cage) > 0);
	arena_free(&arena);
	cage_free(cage);
}

TEST(containers_that_start_with_a_raced_sub_path_never_see_the_host)
{
	struct cage *cage = attack_cage();
	struct lp_mount *volume = cage_mount(cage, LP_MOUNT_BIND, "/s");
	struct arena arena = arena_new();

	volume->source.path = lp_test_path("inside");
	volume->sub = "a";
	cage_own_users(cage);
	CHECK(start_many(cage) > 0);
	arena_free(&arena);
	cage_free(cage);
}

/* CVE-2019-19921, CVE-2025-52881: the race for /proc itself, in a volume that two containers share. */
TEST(containers_whose_proc_lies_in_a_raced_volume_never_write_elsewhere)
{
	static const struct lp_sysctl sysctls[] = { { "net.ipv4.ip_unprivileged_port_start", "7" } };
	struct cage *cage = attack_cage();
	struct lp_mount *volume = cage_mount(cage, LP_MOUNT_BIND, "/v");
	struct arena arena = arena_new();
	int started = 0;

	volume->source.path = lp_test_path("inside");
	cage_mount(cage, LP_MOUNT_PROC, "/v/a");
	cage->config.sysctls = sysctls;
	cage->config.sysctl_count = 1;
	for (int i = attack_rounds(); i > 0; i--) {
		if (cage_shell(cage, "read port </proc/sys/net/ipv4/ip_unprivileged_port_start; echo $port; [ ! -e /v/a/limpet-secret ] || echo secret;"
		    "[ ! -e /v/b/limpet-secret ] || echo secret") < 0)
			continue;
		CHECK_STR(cage->out, "7\n");
		started++;
	}
	CHECK(started > 0);
	arena_free(&arena);
	cage_free(cage);
}

/* CVE-2025-31133, CVE-2025-52565: null and console of a /dev that somebody else changes meanwhile. */
TEST(containers_whose_dev_is_raced_have_real_covers_or_do_not_start)
{
	struct cage *cage;
	int dev, racers[2], started = 0;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	cage = attack_cage();
	CHECK_OK(lp_path_root(lp_test_path("dev"), true, &dev, NULL), NULL);
	CHECK(mknodat(dev, "null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	CHECK(symlinkat("/proc/sys/kernel/core_pattern", dev, "link") == 0);
	attack_file(dev, "console", "", 0600);
	CHECK(symlinkat("/proc/sysrq-trigger", dev, "link2") == 0);
	for (size_t n = 0; n < cage->config.mount_count; n++)
		if (cage->mounts[n].kind == LP_MOUNT_DEV)
			cage->mounts[n] = (struct lp_mount){ .kind = LP_MOUNT_BIND, .target = "/dev", .source = { .path = lp_test_path("dev"), .fd = -1 } };
		else if (cage->mounts[n].kind == LP_MOUNT_MQUEUE)
			cage->mounts[n].target = "/tmp";
	share_network(cage);
	racers[0] = attack_race(dev, "null", "link");
	racers[1] = attack_race(dev, "console", "link2");
	for (int i = attack_rounds(); i > 0; i--) {
		if (cage_shell(cage, "for f in interrupts timer_list; do [ -c /proc/$f ] || echo uncovered; done; read line </proc/interrupts && echo read;"
		    "{ true >>/proc/sys/kernel/core_pattern; } 2>/err && echo writable; echo up") < 0)
			continue;
		if (strcmp(cage->out, "up\n") != 0)
			FAIL("round %d: %s", i, cage->out);
		started++;
	}
	CHECK(started > 0);
	attack_calm(racers[0]);
	attack_calm(racers[1]);
	lp_close(&dev);
	cage_free(cage);
}

/* A node of the config in a volume: its owner and mode are set on what was made, and on nothing that has its name a moment later. */
TEST(a_device_that_is_made_in_a_raced_volume_changes_no_file_of_the_host)
{
	struct cage *cage = attack_cage();
	struct lp_mount *volume = cage_mount(cage, LP_MOUNT_BIND, "/v");
	const char *victim = lp_test_file("victim", "", 0);
	struct stat st;
	int dir;
	pid_t racer;

	CHECK_OK(lp_path_root(lp_test_path("inside"), true, &dir, NULL), NULL);
	CHECK(symlinkat(victim, dir, "link") == 0);
	CHECK(chmod(victim, 0600) == 0);
	volume->source.path = lp_test_path("inside");
	cage->devices[0] = (struct lp_device){ .path = "/v/node", .type = 'c', .major = 1, .minor = 7, .mode = 0666, .uid = 5, .gid = 5 };
	cage->config.devices = cage->devices;
	cage->config.device_count = 1;
	/* As config.json has it: the nodes are made in what is mounted. */
	for (size_t n = 0; n < cage->config.mount_count; n++)
		if (cage->mounts[n].kind == LP_MOUNT_DEV)
			cage->mounts[n].kind = LP_MOUNT_TMPFS;
	share_network(cage);
	racer = fork();
	CHECK(racer >= 0);
	if (racer == 0)
		for (;;)
			(void)renameat2(dir, "node", dir, "link", RENAME_EXCHANGE);	/* as soon as it is there */
	for (int i = attack_rounds(); i > 0; i--) {
		(void)cage_shell(cage, "true");	/* it starts or not: what counts is the file */
		CHECK(stat(victim, &st) == 0);
		if ((st.st_mode & 07777) != 0600 || st.st_uid != 0)
			FAIL("round %d: the host's file is now %o of %d", i, st.st_mode & 07777, (int)st.st_uid);
		/* One of the two names is the node by now. */
		if (fstatat(dir, "link", &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISLNK(st.st_mode))
			(void)renameat2(dir, "node", dir, "link", RENAME_EXCHANGE);
		(void)unlinkat(dir, "node", 0);
		(void)unlinkat(dir, "link", 0);
		CHECK(symlinkat(victim, dir, "link") == 0);
	}
	attack_calm(racer);
	lp_close(&dir);
	cage_free(cage);
}
