/*
 * tests/kernel/escape/test_escape_rights.c - what a process of the default profile asks the kernel for in vain.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/kernel/escape/attack.h"

/* CVE-2022-0492 and the files by which the kernel would run a program for us. */
TEST(no_file_of_the_kernel_that_runs_programs_or_tells_of_the_host_opens)
{
	attack_both_ways(attack_cage(), "kernel_files");
}

/* CVE-2022-0492: a cgroup v1 hierarchy of one's own, and its release_agent. */
TEST(no_cgroup_hierarchy_is_mounted_and_none_is_left)
{
	attack_both_ways(attack_cage(), "cgroups");
}

TEST(even_unconfined_by_seccomp_no_cgroup_is_written)
{
	struct cage *cage = attack_cage();

	cage->config.process.seccomp = LP_SECCOMP_UNCONFINED;
	attack_both_ways(cage, "cgroups");
}

/* CVE-2022-0185, CVE-2023-0386 and whatever else begins with a user namespace of one's own. */
TEST(no_namespace_is_made_or_entered)
{
	attack_both_ways(attack_cage(), "namespaces");
}

/* CVE-2014-3519, CVE-2016-0728, CVE-2022-0847's neighbours: calls that the profile knows and refuses, keyrings among them. */
TEST(no_dangerous_call_is_heard)
{
	attack_both_ways(attack_cage(), "calls");
}

TEST(no_call_passes_by_another_architectures_door)
{
	attack_both_ways(attack_cage(), "other_abis");
}

/* CVE-2016-7545, CVE-2017-5226: characters for the shell that comes after us. */
TEST(the_terminal_of_whoever_started_it_is_not_its_own)
{
	struct cage *cage = attack_cage();
	lp_auto_fd int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -1;
	int ready[2];
	pid_t shell;
	char byte;

	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(slave >= 0 && pipe2(ready, O_CLOEXEC) == 0);
	/* Somebody's shell has it. */
	shell = fork();
	if (shell == 0) {
		if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)pause();
		_exit(0);
	}
	CHECK(shell > 0 && close(ready[1]) == 0 && read(ready[0], &byte, 1) == 1);
	cage->config.process.stdio[0] = slave;
	attack_both_ways(cage, "terminal");
	CHECK(kill(shell, SIGKILL) == 0 && waitpid(shell, NULL, 0) == shell);
	(void)close(ready[0]);
}

/* CVE-2020-15257 (abstract sockets of the host), CVE-2021-22555 (netfilter), CVE-2017-7308 (packet). */
TEST(no_socket_of_the_host_and_no_rare_family_opens)
{
	struct cage *cage = attack_cage();
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0limpet-escape" };
	lp_auto_fd int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(bind(sock, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 14) == 0);
	CHECK(listen(sock, 8) == 0);
	attack_both_ways(cage, "sockets");
}

/* CVE-2022-24769, CVE-2022-29162: inheritable capabilities that a file could raise. */
TEST(no_capability_is_inheritable_or_won)
{
	attack_both_ways(attack_cage(), "capabilities");
}

TEST(one_that_joins_has_no_inheritable_capability_either)
{
	struct cage *cage = attack_cage();
	struct lp_container_exit end;

	cage->args[0] = "sleep";
	cage->args[1] = "1000";
	for (int own = 0; own < 2; own++) {
		CHECK_OK(cage_start(cage), &cage->err);
		CHECK_OK(cage_exec(cage, "LP_ATTACK=capabilities exec /attack", &end), &cage->err);
		attack_got_nothing(cage);
		CHECK_OK(lp_container_kill(cage->container, &cage->err), &cage->err);
		cage_end(cage);
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* CVE-2021-3493, CVE-2023-0386: what overlayfs believes about its upper layer. */
TEST(no_overlay_attribute_is_written_to_the_upper_layer)
{
	attack_both_ways(attack_cage(), "overlay");
}

/* The chroot of old, /proc/<pid>/root. */
TEST(there_is_no_way_above_the_root)
{
	struct cage *cage = attack_cage();

	cage->config.process.caps.bounding |= UINT64_C(1) << 18;	/* SYS_CHROOT, as pods have it */
	cage->config.process.caps.permitted |= UINT64_C(1) << 18;
	cage->config.process.caps.effective |= UINT64_C(1) << 18;
	attack_both_ways(cage, "way_up");
}

TEST(no_process_outside_is_seen_signalled_or_traced)
{
	struct cage *cage = attack_cage();

	for (int own = 0; own < 2; own++) {
		CHECK_OK(attack_run(cage, "processes"), &cage->err);
		attack_got_nothing(cage);
		CHECK_HAS(cage->out, "parent 0\n");
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* Device nodes made inside, and those that lie in a volume already. */
TEST(no_device_is_made_or_opened)
{
	struct cage *cage;
	struct lp_mount *bind;

	lp_test_need_root();
	lp_test_new_namespaces(CLONE_NEWNS);
	cage = attack_cage();
	CHECK(mkdir(lp_test_path("planted"), 0755) == 0);
	CHECK(mknod(lp_test_path("planted/mem"), S_IFCHR | 0666, makedev(1, 1)) == 0);
	CHECK(mknod(lp_test_path("planted/kmsg"), S_IFCHR | 0666, makedev(1, 11)) == 0);
	CHECK(mknod(lp_test_path("planted/disk"), S_IFBLK | 0666, makedev(254, 0)) == 0);
	CHECK(mknod(lp_test_path("planted/tty"), S_IFCHR | 0666, makedev(4, 0)) == 0);
	bind = cage_mount(cage, LP_MOUNT_BIND, "/planted");
	bind->source.path = lp_test_path("planted");	/* without nodev: a volume of a disk that has them */
	attack_both_ways(cage, "devices");
}

/* CVE-2022-2995 and its kin: a file that its group may not read. */
TEST(groups_are_those_that_were_given_and_no_others)
{
	static const uint32_t groups[] = { 1000, 2000 };
	struct cage *cage = attack_cage();

	for (int own = 0; own < 2; own++) {
		cage->config.process.uid = 1000;
		cage->config.process.gid = 1000;
		cage->config.process.groups = groups;
		cage->config.process.group_count = 2;
		CHECK_OK(cage_shell(cage, "grep Groups /proc/self/status; id -G"), &cage->err);
		CHECK_STR(cage->out, "Groups:\t1000 2000 \n1000 2000\n");
		cage->config.process.group_count = 0;
		CHECK_OK(cage_shell(cage, "grep Groups /proc/self/status"), &cage->err);
		CHECK_STR(cage->out, "Groups:\t \n");	/* none of the owner's */
		cage_own_users(cage);
	}
	cage_free(cage);
}

/* A setuid file of the image does not make root of a user. */
TEST(a_setuid_program_of_the_image_gains_nothing)
{
	struct cage *cage = attack_cage();
	lp_auto_fd int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	attack_file(attack_layer(cage), "suid", "", 0755);
	{
		lp_auto_fd int file = openat(attack_layer(cage), "suid", O_WRONLY | O_CLOEXEC);

		while (copy_file_range(program, NULL, file, NULL, 1 << 20, 0) > 0)
			continue;
		CHECK(fchmod(file, 06755) == 0);
	}
	cage->config.process.uid = cage->config.process.gid = 1000;
	cage->args[0] = "/suid";
	attack_both_ways(cage, "user");
}
