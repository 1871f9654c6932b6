/*
 * tests/kernel/test_container.c - real containers from a real image: what they see, what they may, how they end.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/fault.h"
#include "tests/harness.h"
#include "tests/kernel/cage.h"

TEST(a_program_runs_and_its_exit_code_comes_back)
{
	struct cage *cage = cage_new();

	CHECK_OK(cage_shell(cage, "echo hello; exit 7"), &cage->err);
	CHECK_STR(cage->out, "hello\n");
	CHECK_INT(cage->exit.code, 7);
	CHECK_INT(cage->exit.signal, 0);
	cage_free(cage);
}

TEST(the_same_in_a_user_namespace_of_its_own)
{
	struct cage *cage = cage_new();

	cage_own_users(cage);
	CHECK_OK(cage_shell(cage, "id -u; cat /proc/self/uid_map; stat -c %u:%g /bin/busybox; touch /x && stat -c %u:%g /x; exit 7"),
	    &cage->err);
	CHECK_STR(cage->out, "0\n         0     200000      65536\n0:0\n0:0\n");
	CHECK_INT(cage->exit.code, 7);
	cage_free(cage);
}

/* ---- how it ends ---- */

TEST(a_program_that_is_not_there_is_named_in_the_words_of_kubernetes)
{
	struct cage *cage = cage_new();
	const struct {
		const char *name, *words;
		int code, status;
	} rows[] = {
		{ "nonesuch", "exec: \"nonesuch\": executable file not found in $PATH", -ENOENT, 127 },
		{ "/bin/nonesuch", "exec: \"/bin/nonesuch\": stat /bin/nonesuch: no such file or directory", -ENOENT, 127 },
		{ "/etc", "exec: \"/etc\": permission denied", -EACCES, 126 },
		{ "", "exec: \"\": executable file not found in $PATH", -ENOENT, 127 },
	};

	for (size_t i = 0; i < lp_count(rows); i++) {
		cage->args[0] = rows[i].name;
		cage->args[1] = NULL;
		CHECK_ERR(cage_run(cage), rows[i].code);
		CHECK_STR(cage->err.text, rows[i].words);
		CHECK_INT(lp_container_exec_failed(&cage->err), rows[i].status);
	}
	cage_free(cage);
}

TEST(a_text_file_without_interpreter_is_an_exec_format_error)
{
	struct cage *cage = cage_new();
	struct lp_mount *mount = cage_mount(cage, LP_MOUNT_BIND, "/script");
	const char *path = lp_test_file("script", "nothing to run\n", SIZE_MAX);

	CHECK(chmod(path, 0755) == 0);
	mount->source.path = path;
	cage->args[0] = "/script";
	CHECK_ERR(cage_run(cage), -ENOEXEC);
	CHECK_STR(cage->err.text, "exec: \"/script\": exec format error");
	CHECK_INT(lp_container_exec_failed(&cage->err), 126);
	cage_free(cage);
}

TEST(a_lack_of_memory_is_an_error_like_any_other)
{
	struct cage *cage = cage_new();
	int fds;

	cage->args[0] = "true";
	CHECK_OK(cage_run(cage), &cage->err);
	fds = cage_count_fds();
	LP_FAULT_EACH(LP_FAULT_ALLOC, -ENOMEM) {
		int rc = cage_start(cage);

		if (lp_fault_hit()) {
			CHECK_ERR(rc, -ENOMEM);
			continue;
		}
		CHECK_OK(rc, &cage->err);
		lp_fault_set(LP_FAULT_ALLOC, 0, -ENOMEM);	/* only counts from here on */
		cage_end(cage);
	}
	CHECK_INT(cage_count_fds(), fds);
	cage_free(cage);
}

TEST(other_failures_are_no_failures_of_the_program)
{
	struct lp_err err;

	(void)lp_err_set(&err, -ENOENT, "open layer");
	CHECK_INT(lp_container_exec_failed(&err), 0);
}

TEST(a_signal_ends_it_and_is_reported)
{
	struct cage *cage = cage_new();

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "trap 'exit 9' TERM; echo up; while :; do sleep 1; done";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(lp_container_signal(cage->container, SIGTERM, &cage->err), &cage->err);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 9);

	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(lp_container_signal(cage->container, SIGKILL, &cage->err), &cage->err);
	cage_end(cage);
	CHECK_INT(cage->exit.signal, SIGKILL);
	CHECK_INT(cage->exit.code, 137);
	cage_free(cage);
}

TEST(kill_takes_every_process_in_the_cgroup)
{
	struct cage *cage = cage_new();
	bool populated = true;

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "for i in 1 2 3; do sleep 1000 & done; echo up; wait";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_ERR(lp_container_remove(cage->container, &cage->err), -EBUSY);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	for (int64_t deadline = 0; populated && lp_test_wait(&deadline, 5000);)
		CHECK_OK(lp_cgroup_populated(lp_container_cgroup(cage->container), &populated, &cage->err), &cage->err);
	CHECK(!populated);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 137);
	cage_free(cage);
}

TEST(a_start_right_after_a_kill_is_not_killed_too)
{
	struct cage *cage = cage_new();

	/* Some kernels kill whatever is cloned into a cgroup that was killed once. */
	for (int i = 0; i < 5; i++) {
		cage->args[0] = "sleep";
		cage->args[1] = "1000";
		CHECK_OK(cage_start(cage), &cage->err);
		cage->attempt = 0;	/* the same name again */
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_end(cage);
		CHECK_OK(cage_shell(cage, "echo alive"), &cage->err);
		cage->attempt = 0;
		CHECK_STR(cage->out, "alive\n");
	}
	cage_free(cage);
}

TEST(create_waits_for_start)
{
	struct cage *cage = cage_new();

	cage->args[0] = "true";
	cage->config.cgroup_name = "created";
	CHECK_OK(lp_container_create(&cage->config, &cage->container, &cage->err), &cage->err);
	CHECK_ERR(lp_container_wait(cage->container, &cage->exit, &cage->err), -EAGAIN);
	CHECK_OK(lp_container_start(cage->container, &cage->err), &cage->err);
	CHECK_ERR(lp_container_start(cage->container, &cage->err), -EINVAL);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 0);
	cage_free(cage);
}

TEST(a_created_container_can_be_killed_and_removed)
{
	struct cage *cage = cage_new();

	cage->args[0] = "true";
	cage->config.cgroup_name = "created";
	CHECK_OK(lp_container_create(&cage->config, &cage->container, &cage->err), &cage->err);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 137);
	cage_free(cage);
}

TEST(start_tells_when_the_program_is_missing)
{
	struct cage *cage = cage_new();

	cage->args[0] = "nonesuch";
	cage->config.cgroup_name = "created";
	CHECK_OK(lp_container_create(&cage->config, &cage->container, &cage->err), &cage->err);
	CHECK_ERR(lp_container_start(cage->container, &cage->err), -ENOENT);
	CHECK_OK(lp_container_wait(cage->container, &cage->exit, &cage->err), &cage->err);
	CHECK_OK(lp_container_remove(cage->container, &cage->err), &cage->err);
	lp_container_free(cage->container);
	cage->container = NULL;
	cage_free(cage);
}

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

/* ---- one more process ---- */

static void
check_exec(struct cage *cage)
{
	struct lp_container_exit end;

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo here > /mark; hostname inner 2>/dev/null; echo up; sleep 1000";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(cage_exec(cage, "cat /mark; hostname; cat /proc/1/cmdline | tr '\\0' ' '; echo; id -u; cat /proc/self/cgroup | grep ^0; "
	    "grep -E 'CapEff|^Seccomp:|NoNewPrivs' /proc/self/status; for n in mnt pid net ipc uts user cgroup; do "
	    "[ \"$(readlink /proc/1/ns/$n)\" = \"$(readlink /proc/self/ns/$n)\" ] || echo other $n; done; exit 5", &end), &cage->err);
	CHECK_HAS(cage->out, "here\ncage\nsleep 1000 \n");
	CHECK_HAS(cage->out, "\n0\n0::/\nCapEff:\t00000000000005fb\nNoNewPrivs:\t1\nSeccomp:\t2\n");
	CHECK(!strstr(cage->out, "other"));
	CHECK_INT(end.code, 5);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
}

TEST(exec_runs_in_every_namespace_and_the_cgroup_of_the_container)
{
	struct cage *cage = cage_new();

	check_exec(cage);
	cage_own_users(cage);
	check_exec(cage);
	cage_free(cage);
}

TEST(exec_of_a_missing_program_says_so_and_the_container_goes_on)
{
	struct cage *cage = cage_new();
	struct lp_process_config config;
	struct lp_process process;
	const char *args[] = { "nonesuch", NULL };

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	CHECK_OK(cage_start(cage), &cage->err);
	config = cage->config.process;
	config.args = args;
	lp_process_init(&process);
	CHECK_ERR(lp_container_exec(cage->container, &config, &process, &cage->err), -ENOENT);
	CHECK_STR(cage->err.text, "exec: \"nonesuch\": executable file not found in $PATH");
	CHECK_ERR(lp_container_wait(cage->container, &cage->exit, &cage->err), -EAGAIN);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(a_terminal_is_the_containers_own)
{
	struct cage *cage = cage_new();
	int master;

	cage->config.process.terminal = true;
	cage->config.process.rows = 33;
	cage->config.process.cols = 99;
	for (int own = 0; own < 2; own++) {
		cage->args[0] = "sh";
		cage->args[1] = "-c";
		cage->args[2] = "tty; stty size; [ -t 0 ] && echo yes; read line; echo got $line; ls -l /dev/console | cut -c1";
		CHECK_OK(cage_start(cage), &cage->err);
		master = lp_container_take_terminal(cage->container);
		CHECK(master >= 0);
		CHECK_INT(lp_container_take_terminal(cage->container), -1);
		lp_close(&cage->out_fd);
		cage->out_fd = master;
		cage_until(cage, "yes");
		CHECK_HAS(cage->out, "/dev/pts/0\r\n33 99\r\n");
		CHECK(write(master, "abc\n", 4) == 4);
		cage_until(cage, "got abc");
		cage_read(cage);
		CHECK_HAS(cage->out, "\r\nc\r\n");
		cage_end(cage);
		cage_own_users(cage);
	}
	cage_free(cage);
}

TEST(exec_gets_a_terminal_too)
{
	struct cage *cage = cage_new();
	struct lp_process_config config;
	struct lp_process process;
	const char *args[] = { "sh", "-c", "tty; stty size; exit 3", NULL };
	struct lp_container_exit end;

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	cage_own_users(cage);
	CHECK_OK(cage_start(cage), &cage->err);
	config = cage->config.process;
	config.args = args;
	config.terminal = true;
	config.rows = 24;
	config.cols = 80;
	lp_process_init(&process);
	CHECK_OK(lp_container_exec(cage->container, &config, &process, &cage->err), &cage->err);
	lp_close(&cage->out_fd);
	cage->out_fd = lp_take_fd(&process.terminal);
	CHECK_OK(lp_terminal_resize(cage->out_fd, 30, 90, &cage->err), &cage->err);
	cage_read(cage);
	CHECK_HAS(cage->out, "/dev/pts/0\r\n");
	cage_wait_pidfd(process.pidfd);
	CHECK_OK(lp_process_wait(&process, &end, &cage->err), &cage->err);
	CHECK_INT(end.code, 3);
	lp_process_fini(&process);
	CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

/* ---- the whole of it ---- */

TEST(freeze_stops_and_thaw_goes_on)
{
	struct cage *cage = cage_new();

	cage->args[0] = "sh";
	cage->args[1] = "-c";
	cage->args[2] = "echo up; read x; echo done";
	CHECK_OK(cage_start(cage), &cage->err);
	cage_until(cage, "up");
	CHECK_OK(lp_container_freeze(cage->container, true, &cage->err), &cage->err);
	CHECK_OK(lp_container_freeze(cage->container, false, &cage->err), &cage->err);
	cage_end(cage);
	cage_free(cage);
}

TEST(namespaces_made_before_are_shared_by_two_containers)
{
	struct cage *cage = cage_new();
	const struct lp_sysctl port = { "net.ipv4.ip_unprivileged_port_start", "0" };
	struct lp_ns_config wanted = { .make = LP_NS_BIT(LP_NS_USER) | LP_NS_BIT(LP_NS_NET) | LP_NS_BIT(LP_NS_IPC) | LP_NS_BIT(LP_NS_UTS),
		.hostname = "pod", .sysctls = &port, .sysctl_count = 1 };
	struct lp_ns_set set;
	char first[256];

	cage_own_users(cage);
	wanted.uids = wanted.gids = &cage->map;
	wanted.uid_count = wanted.gid_count = 1;
	CHECK_OK(lp_ns_make(&wanted, &set, &cage->err), &cage->err);
	for (int i = 0; i <= LP_NS_UTS; i++)
		cage->config.ns[i] = (struct lp_ns_choice){ .how = LP_NS_JOIN, .fd = set.fds[i] };
	CHECK_OK(cage_shell(cage, "hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; readlink /proc/self/ns/net; readlink /proc/self/ns/user; ls /sys/class/net"), &cage->err);
	CHECK_HAS(cage->out, "pod\n0\nnet:[");
	(void)snprintf(first, sizeof(first), "%s", cage->out);
	CHECK_OK(cage_shell(cage, "hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; readlink /proc/self/ns/net; readlink /proc/self/ns/user; ls /sys/class/net"), &cage->err);
	CHECK_STR(cage->out, first);
	lp_ns_set_fini(&set);
	cage_free(cage);
}

TEST(a_record_finds_it_again_and_knows_when_it_is_another)
{
	struct cage *cage = cage_new();
	struct lp_container_record record;
	struct lp_container *again = NULL;

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	CHECK_OK(cage_start(cage), &cage->err);
	CHECK_OK(lp_container_record(cage->container, &record, &cage->err), &cage->err);
	lp_container_free(cage->container);	/* the handle only */
	CHECK_OK(lp_container_adopt(&record, cage->cgroup, &again, &cage->err), &cage->err);
	CHECK_INT(lp_container_pid(again), record.pid);
	cage->container = again;
	CHECK_OK(lp_container_kill(again, &cage->err), &cage->err);
	cage_end(cage);
	CHECK_INT(cage->exit.code, 137);

	again = NULL;
	CHECK_ERR(lp_container_adopt(&record, cage->cgroup, &again, &cage->err), -ESRCH);
	CHECK(again == NULL);
	record.pid = getpid();
	record.cgroup_id = 0;
	CHECK_ERR(lp_container_adopt(&record, -1, &again, &cage->err), -ESRCH);
	cage_free(cage);
}

TEST(many_in_a_row_leave_nothing_behind)
{
	struct cage *cage;
	int fds, mounts;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);	/* in the host's, others mount too */
	cage = cage_new();
	CHECK_OK(cage_shell(cage, "true"), &cage->err);	/* what is kept for good, is kept by now */
	fds = cage_count_fds();
	mounts = cage_count_mounts();
	for (int i = 0; i < 60; i++) {
		if (i == 30)
			cage_own_users(cage);
		CHECK_OK(cage_shell(cage, i % 3 ? "true" : "echo x; sleep 0"), &cage->err);
		cage->args[0] = "nonesuch";
		CHECK_ERR(cage_run(cage), -ENOENT);
	}
	CHECK_INT(cage_count_fds(), fds);
	CHECK_INT(cage_count_mounts(), mounts);
	cage_free(cage);
}

TEST(the_executable_can_be_opened_so_that_nobody_writes_to_it)
{
	struct lp_err err;
	int fd = -1;
	struct statvfs fs;

	lp_test_need_root();
	CHECK_OK(lp_container_exe_open(&fd, &err), &err);
	CHECK(fstatvfs(fd, &fs) == 0);
	CHECK(fs.f_flag & ST_RDONLY);
	CHECK(faccessat(fd, "", X_OK, AT_EMPTY_PATH) == 0);
	(void)close(fd);
}

TEST(nodejs_runs_under_the_default_rights)
{
	struct cage *cage = cage_new_from("build/images/nodejs-app.tar");
	static const char *const args[] = { "node", "-e",
		"const http = require('http'), os = require('os'); const s = http.createServer((q, r) => r.end('hello ' + process.getuid()));"
		"s.listen(80, '127.0.0.1', () => http.get('http://127.0.0.1/', r => r.on('data', d => { console.log(d + ' ' + "
		"Object.keys(os.networkInterfaces())); process.exit(3); })));", NULL };
	const struct lp_sysctl port = { "net.ipv4.ip_unprivileged_port_start", "0" };

	cage->config.sysctls = &port;
	cage->config.sysctl_count = 1;
	cage->config.process.uid = cage->config.process.gid = 1000;
	cage->config.process.args = args;
	cage->env[0] = "PATH=/usr/local/bin:/usr/bin:/bin";
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_run(cage), &cage->err);
		CHECK_STR(cage->out, "hello 1000 lo\n");
		CHECK_INT(cage->exit.code, 3);
		cage_own_users(cage);
	}
	cage_free(cage);
}
