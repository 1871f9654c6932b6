/*
 * tests/kernel/test_container_root.c - real containers from a real image: what they see and what their root is made of.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

/* ---- what it sees ---- */

TEST(it_is_alone_in_its_namespaces)
{
	struct cage *cage = cage_new();

	CHECK_OK(cage_shell(cage, "echo $$; hostname; ls /sys/class/net; cat /proc/self/cgroup | grep ^0; ls -d /proc/[0-9]* | wc -l"), &cage->err);
	CHECK_HAS(cage->out, "1\ncage\nlo\n");
	CHECK_HAS(cage->out, "0::/\n");
	cage_free(cage);
}

TEST(nothing_of_the_hosts_mounts_is_left)
{
	struct cage *cage = cage_new();

	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "cut -d' ' -f5 /proc/self/mountinfo | sort | uniq -d; cut -d' ' -f4,5,9 /proc/self/mountinfo | grep ext4; wc -l < /proc/self/mountinfo"),
		    &cage->err);
		CHECK(atoi(cage->out) > 5);	/* no two mounts in one place, no disk; only the count is left */
		cage_own_users(cage);
	}
	cage_free(cage);
}

TEST(the_environment_is_what_was_given)
{
	struct cage *cage = cage_new();

	cage->env[1] = "COLOR=blue";
	cage->args[0] = "env";
	CHECK_OK(cage_run(cage), &cage->err);
	CHECK_STR(cage->out, "PATH=/bin:/sbin:/usr/bin:/usr/sbin\nCOLOR=blue\n");
	cage_free(cage);
}

TEST(no_descriptor_of_the_owner_crosses)
{
	struct cage *cage = cage_new();
	int leaked = open("/etc/hostname", O_RDONLY);	/* without close-on-exec, on purpose */

	CHECK(leaked >= 0);
	CHECK_OK(cage_shell(cage, "exec ls /proc/self/fd"), &cage->err);
	CHECK_STR(cage->out, "0\n1\n2\n3\n");	/* 3 is the directory that ls reads */
	(void)close(leaked);
	cage_free(cage);
}

TEST(devices_are_the_usual_ones_and_no_others_open)
{
	struct cage *cage = cage_new();

	CHECK_OK(cage_shell(cage,
	    "ls /dev; echo x > /dev/null && head -c 1 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c;"
	    "mknod /tmp-sda b 8 0 2>&1; stat -c '%a %t:%T' /dev/null"), &cage->err);
	CHECK_HAS(cage->out, "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n1\n4\n");
	CHECK_HAS(cage->out, "mknod: /tmp-sda: Operation not permitted");
	CHECK_HAS(cage->out, "666 1:3");
	cage_free(cage);
}

TEST(the_device_filter_refuses_even_with_the_capability_to_make_nodes)
{
	struct cage *cage = cage_new();

	lp_caps_fill(&cage->config.process.caps, LP_CAP_ALL, false);
	CHECK_OK(cage_shell(cage, "mknod /dev/kmsg2 c 1 11 2>&1; mknod /dev/null2 c 1 3 && echo made; echo x >/dev/null2 && echo wrote"), &cage->err);
	CHECK_HAS(cage->out, "mknod: /dev/kmsg2: Operation not permitted");
	CHECK_HAS(cage->out, "made\nwrote\n");
	cage_free(cage);
}

TEST(a_named_device_appears_with_mode_and_owner)
{
	struct cage *cage = cage_new();

	cage->devices[0] = (struct lp_device){ .path = "/dev/sub/full2", .type = 'c', .major = 1, .minor = 7, .read = true, .write = true,
		.mode = 0640, .uid = 5, .gid = 6 };
	cage->config.devices = cage->devices;
	cage->config.device_count = 1;
	cage_own_users(cage);
	CHECK_OK(cage_shell(cage, "stat -c '%a %u:%g' /dev/sub/full2; echo x 2>&1 >/dev/sub/full2"), &cage->err);
	CHECK_HAS(cage->out, "640 5:6\n");
	CHECK_HAS(cage->out, "No space left on device");
	cage_free(cage);
}

static void
check_masks(struct cage *cage)
{
	CHECK_OK(cage_shell(cage,
	    "wc -c < /proc/interrupts; ls /sys/firmware | wc -l; echo x 2>&1 > /proc/irq/default_smp_affinity;"
	    "echo x 2>&1 > /proc/sys/kernel/core_pattern; echo x 2>&1 > /sys/kernel/mm/x; mkdir /sys/fs/cgroup/x 2>&1"), &cage->err);
	CHECK_HAS(cage->out, "0\n0\n");
	CHECK_HAS(cage->out, "/proc/irq/default_smp_affinity: Read-only file system");
	CHECK_HAS(cage->out, "/proc/sys/kernel/core_pattern: Read-only file system");
	CHECK_HAS(cage->out, "'/sys/fs/cgroup/x': Read-only file system");
}

TEST(dangerous_parts_of_proc_and_sys_are_covered_or_read_only)
{
	struct cage *cage = cage_new();

	check_masks(cage);
	cage_own_users(cage);
	check_masks(cage);
	cage_free(cage);
}

TEST(masks_stay_even_for_a_root_that_may_mount)
{
	struct cage *cage = cage_new();

	cage_own_users(cage);
	lp_caps_fill(&cage->config.process.caps, LP_CAP_ALL, false);
	CHECK_OK(cage_shell(cage, "umount /proc/interrupts 2>&1; mount -o remount,rw,bind /proc/sys 2>&1; mount -o remount,dev,bind / 2>&1; mount -t tmpfs t /home && echo may"),
	    &cage->err);
	CHECK_HAS(cage->out, "can't unmount /proc/interrupts: Invalid argument");
	CHECK_HAS(cage->out, "mount: permission denied");
	CHECK_HAS(cage->out, "may\n");
	cage_free(cage);
}

/* ---- its root ---- */

TEST(what_it_writes_is_gone_at_the_next_start_and_never_in_the_image)
{
	struct cage *cage = cage_new();
	lp_auto_fd int writable = -1;

	CHECK_OK(lp_path_root(lp_test_path("writable"), true, &writable, &cage->err), &cage->err);
	cage->config.rootfs.writable.fd = writable;
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "ls /new 2>/dev/null; echo x > /new; rm /bin/vi; ls /new"), &cage->err);
		CHECK_STR(cage->out, "/new\n");
		CHECK_OK(cage_shell(cage, "ls /new 2>/dev/null; ls /bin/vi"), &cage->err);
		CHECK_STR(cage->out, "/bin/vi\n");
		CHECK(faccessat(writable, "upper", F_OK, 0) < 0);	/* removed with the container */
		cage_own_users(cage);
	}
	cage_free(cage);
}

TEST(a_writable_layer_that_cannot_shift_ids_works_all_the_same)
{
	struct cage *cage;
	int writable;

	/* ramfs stands for tmpfs before Linux 6.3. */
	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	cage = cage_new();
	CHECK(mkdir(lp_test_path("ram"), 0755) == 0);
	CHECK(mount("ram", lp_test_path("ram"), "ramfs", 0, NULL) == 0);
	CHECK_OK(lp_path_root(lp_test_path("ram"), false, &writable, &cage->err), &cage->err);
	cage->config.rootfs.writable.fd = writable;
	cage_own_users(cage);
	CHECK_OK(cage_shell(cage, "echo x > /new; stat -c %u:%g /new /; chown 5 /new && echo done"), &cage->err);
	CHECK_STR(cage->out, "0:0\n0:0\ndone\n");
	(void)close(writable);
	CHECK(umount2(lp_test_path("ram"), MNT_DETACH) == 0);
	cage_free(cage);
}

TEST(layers_that_cannot_shift_ids_are_named_so_that_the_caller_falls_back)
{
	struct lp_place layer = { .fd = -1 };
	struct cage *cage;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	cage = cage_new();
	CHECK(mkdir(lp_test_path("ram"), 0755) == 0);
	CHECK(mount("ram", lp_test_path("ram"), "ramfs", 0, NULL) == 0);
	layer.path = lp_test_path("ram");
	cage->config.rootfs.layers = &layer;
	cage_own_users(cage);
	CHECK_ERR(cage_shell(cage, "true"), -EOPNOTSUPP);
	CHECK_HAS(cage->err.text, "/ram cannot shift ids for a user namespace");
	CHECK(umount2(lp_test_path("ram"), MNT_DETACH) == 0);
	cage->config.rootfs.layers = cage->layers;
	cage_free(cage);
}

TEST(a_read_only_root_is_read_only_but_its_mounts_are_not)
{
	struct cage *cage = cage_new();

	cage->config.rootfs.readonly = true;
	(void)cage_mount(cage, LP_MOUNT_TMPFS, "/not/there/before");
	CHECK_OK(cage_shell(cage, "touch /x 2>&1; touch /not/there/before/x && echo may; echo x > /dev/shm/x && echo may"), &cage->err);
	CHECK_STR(cage->out, "touch: /x: Read-only file system\nmay\nmay\n");
	cage_free(cage);
}

TEST(a_ready_tree_can_be_the_root)
{
	struct cage *cage = cage_new();

	cage->config.rootfs.ready = cage->layers[0];
	cage->config.rootfs.readonly = true;
	cage->config.mount_count = 0;
	/* Its mount points are missing and cannot be made in a tree that is not ours: busybox has /proc, /dev and /sys. */
	(void)cage_mount(cage, LP_MOUNT_PROC, "/proc");
	(void)cage_mount(cage, LP_MOUNT_DEV, "/dev");
	CHECK_OK(cage_shell(cage, "touch /x 2>&1; echo $$"), &cage->err);
	CHECK_HAS(cage->out, "Read-only file system\n1\n");
	cage_free(cage);
}

TEST(a_bind_of_a_file_and_a_directory_with_and_without_shifted_ids)
{
	struct cage *cage = cage_new();
	struct lp_mount *file = cage_mount(cage, LP_MOUNT_BIND, "/etc/greeting");
	struct lp_mount *dir;

	file->source.path = lp_test_file("greeting", "hello\n", SIZE_MAX);
	file->flags = LP_MOUNT_RO;
	CHECK(mkdir(lp_test_path("shared"), 0755) == 0);
	dir = cage_mount(cage, LP_MOUNT_BIND, "/var/shared");
	dir->source.path = lp_test_path("shared");
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "cat /etc/greeting; echo x 2>&1 > /etc/greeting; touch /var/shared/x && chown 7 /var/shared/x; stat -c %u /var/shared/x"),
		    &cage->err);
		CHECK_HAS(cage->out, "hello\n");
		CHECK_HAS(cage->out, "/etc/greeting: Read-only file system\n7\n");
		cage_own_users(cage);	/* and again: what is on disk has the container's ids */
	}
	cage_free(cage);
}

TEST(a_recursive_bind_is_read_only_to_its_last_submount)
{
	struct cage *cage;
	struct lp_mount *bind;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	cage = cage_new();
	CHECK(mkdir(lp_test_path("top"), 0777) == 0);
	CHECK(mount("top", lp_test_path("top"), "tmpfs", 0, "mode=0777") == 0);
	CHECK(mkdir(lp_test_path("top/sub"), 0777) == 0);
	CHECK(mount("sub", lp_test_path("top/sub"), "tmpfs", 0, "mode=0777") == 0);
	bind = cage_mount(cage, LP_MOUNT_BIND, "/ro");
	bind->source.path = lp_test_path("top");
	bind->flags = LP_MOUNT_RO | LP_MOUNT_RECURSIVE | LP_MOUNT_NOEXEC;
	bind = cage_mount(cage, LP_MOUNT_BIND, "/rw");
	bind->source.path = lp_test_path("top");
	bind->flags = LP_MOUNT_NOEXEC | LP_MOUNT_NOSUID;
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_shell(cage, "touch /ro/x 2>&1; touch /ro/sub/x 2>&1; cp /bin/busybox /rw/true && /rw/true 2>&1; touch /rw/sub/x && echo plain"), &cage->err);
		CHECK_STR(cage->out, "touch: /ro/x: Read-only file system\ntouch: /ro/sub/x: Read-only file system\n"
		    "sh: /rw/true: Permission denied\nplain\n");
		CHECK(access(lp_test_path("top/sub/x"), F_OK) < 0);	/* without RECURSIVE the submount is not there */
		cage_own_users(cage);
	}
	CHECK(umount2(lp_test_path("top"), MNT_DETACH) == 0);
	cage_free(cage);
}

TEST(what_is_mounted_later_shows_in_a_slave_and_not_in_a_private_bind)
{
	struct cage *cage;
	struct lp_mount *bind;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	cage = cage_new();
	CHECK(mkdir(lp_test_path("top"), 0777) == 0);
	CHECK(mount("top", lp_test_path("top"), "tmpfs", 0, "mode=0777") == 0);
	CHECK(mount(NULL, lp_test_path("top"), NULL, MS_SHARED, NULL) == 0);
	CHECK(mkdir(lp_test_path("top/stick"), 0777) == 0);
	bind = cage_mount(cage, LP_MOUNT_BIND, "/slave");
	bind->source.path = lp_test_path("top");
	bind->flags = LP_MOUNT_RECURSIVE;
	bind->propagation = LP_MOUNT_SLAVE;
	bind = cage_mount(cage, LP_MOUNT_BIND, "/private");
	bind->source.path = lp_test_path("top");
	bind->flags = LP_MOUNT_RECURSIVE;
	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo up; while [ ! -e /slave/stick/file ]; do sleep 0.05; done; ls /private/stick | wc -l; echo seen";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK(mount("stick", lp_test_path("top/stick"), "tmpfs", 0, NULL) == 0);
	(void)lp_test_file("top/stick/file", "x", 1);
	cage_until(cage, "seen");
	CHECK_STR(cage->out, "up\n0\nseen\n");
	cage_end(cage);
	CHECK(umount2(lp_test_path("top"), MNT_DETACH) == 0);
	cage_free(cage);
}

TEST(a_mount_target_that_is_a_link_stays_inside_the_root)
{
	struct cage *cage = cage_new();
	struct lp_mount *mount;
	lp_auto_fd int layer = -1;

	/* A hostile top layer: /out leads out of everything, /etc/passwd is a link to the host's. */
	CHECK_OK(lp_path_root(lp_test_path("hostile"), true, &layer, &cage->err), &cage->err);
	CHECK(symlinkat("/../../../../../../etc", layer, "out") == 0);
	cage->layers[1] = cage->layers[0];
	cage->layers[0] = (struct lp_place){ .fd = layer };
	cage->config.rootfs.layer_count = 2;
	mount = cage_mount(cage, LP_MOUNT_TMPFS, "/out/limpet-test-target");
	(void)mount;
	CHECK_OK(cage_shell(cage, "ls -d /etc/limpet-test-target"), &cage->err);
	CHECK_STR(cage->out, "/etc/limpet-test-target\n");
	CHECK(access("/etc/limpet-test-target", F_OK) < 0);
	layer = -1;	/* closed by cage_free */
	cage_free(cage);
}

static void
check_hostile_link(const char *name, const char *to)
{
	struct cage *cage = cage_new();
	int layer = -1;

	CHECK_OK(lp_path_root(lp_test_path(name), true, &layer, &cage->err), &cage->err);
	CHECK(symlinkat(to, layer, name) == 0);
	cage->layers[1] = cage->layers[0];
	cage->layers[0] = (struct lp_place){ .fd = layer };
	cage->config.rootfs.layer_count = 2;
	CHECK_ERR(cage_shell(cage, "true"), -ELOOP);
	CHECK_HAS(cage->err.text, "must be an ordinary directory, not a symbolic link");
	cage_free(cage);
}

TEST(an_image_whose_proc_is_a_link_is_refused)
{
	check_hostile_link("proc", "/tmp");
}

TEST(an_image_whose_dev_is_a_link_is_refused)
{
	check_hostile_link("dev", "/etc");
}

TEST(an_image_whose_sys_is_a_link_is_refused)
{
	check_hostile_link("sys", "/proc");
}

TEST(many_layers_fit)
{
	struct cage *cage = cage_new();
	struct lp_place layers[60];
	const size_t count = lp_count(layers);

	for (size_t i = 0; i < count - 1; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "l%zu", i);
		layers[i].path = NULL;
		CHECK_OK(lp_path_root(lp_test_path(name), true, &layers[i].fd, &cage->err), &cage->err);
		CHECK(mkdirat(layers[i].fd, name, 0755) == 0);
	}
	layers[count - 1] = cage->layers[0];
	cage->config.rootfs.layers = layers;
	cage->config.rootfs.layer_count = count;
	cage_own_users(cage);
	CHECK_OK(cage_shell(cage, "ls -d /l* | wc -l"), &cage->err);
	CHECK_STR(cage->out, "59\n");
	cage->config.rootfs.layers = cage->layers;
	cage->config.rootfs.layer_count = 1;
	for (size_t i = 0; i < count - 1; i++)
		lp_close(&layers[i].fd);
	cage_free(cage);
}

TEST(the_working_directory_is_made_and_entered)
{
	struct cage *cage = cage_new();

	cage->config.process.cwd = "/srv/app/deep";
	CHECK_OK(cage_shell(cage, "pwd"), &cage->err);
	CHECK_STR(cage->out, "/srv/app/deep\n");
	cage->config.process.cwd = "../../etc";
	CHECK_ERR(cage_shell(cage, "pwd"), -EINVAL);
	cage_free(cage);
}

TEST(a_working_directory_through_a_descriptor_of_the_owner_is_refused)
{
	struct cage *cage = cage_new();
	char cwd[64];
	lp_auto_fd int outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(outside >= 0);
	for (int fd = 3; fd < 24; fd++) {
		(void)snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
		cage->config.process.cwd = cwd;
		CHECK(cage_shell(cage, "pwd; ls") < 0);	/* CVE-2024-21626 */
	}
	cage_free(cage);
}
