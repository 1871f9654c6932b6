#include "tools/bench/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define DO(call)                                                                      \
	do {                                                                          \
		if ((call) < 0) {                                                     \
			fprintf(stderr, "floor: %s: %s\n", #call, strerror(errno));   \
			_exit(125);                                                   \
		}                                                                     \
	} while (0)

static const struct {
	const char *name;
	unsigned int major, minor;
} nodes[] = {
	{ "dev/null", 1, 3 }, { "dev/zero", 1, 5 }, { "dev/full", 1, 7 },
	{ "dev/random", 1, 8 }, { "dev/urandom", 1, 9 }, { "dev/tty", 5, 0 },
};

static const char *const masked[] = { "proc/kcore", "proc/keys", "proc/timer_list", "proc/sysrq-trigger" };
static const char *const masked_dirs[] = { "proc/acpi", "proc/scsi", "sys/firmware" };

/* The root: an overlay whose upper is on a tmpfs of its own. */
static void
mount_root(const char *rootfs)
{
	char options[256];
	int lower = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);	/* it may lie below /tmp, which is covered next */

	DO(lower);
	DO(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	DO(mount("tmpfs", "/tmp", "tmpfs", 0, NULL));
	DO(mkdir("/tmp/upper", 0755));
	DO(mkdir("/tmp/work", 0755));
	DO(mkdir("/tmp/root", 0755));
	snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d,upperdir=/tmp/upper,workdir=/tmp/work,volatile", lower);
	DO(mount("overlay", "/tmp/root", "overlay", 0, options));
	DO(chdir("/tmp/root"));
}

static void
mount_inside(void)
{
	unsigned long quiet = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	DO(mount("proc", "proc", "proc", quiet, NULL));
	DO(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=64k"));
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		DO(mknod(nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
	DO(mkdir("dev/pts", 0755));
	DO(mkdir("dev/shm", 0755));
	DO(mkdir("dev/mqueue", 0755));
	DO(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"));
	DO(mount("shm", "dev/shm", "tmpfs", quiet, "mode=1777,size=64m"));
	DO(mount("mqueue", "dev/mqueue", "mqueue", quiet, NULL));
	DO(mount("sysfs", "sys", "sysfs", quiet | MS_RDONLY, NULL));
	for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
		if (mount("dev/null", masked[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
			DO(-1);
	for (size_t i = 0; i < sizeof(masked_dirs) / sizeof(masked_dirs[0]); i++)
		if (mount("tmpfs", masked_dirs[i], "tmpfs", MS_RDONLY, "size=0") < 0 && errno != ENOENT)
			DO(-1);
}

static void
drop_rights(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		DO(prctl(PR_CAPBSET_DROP, cap));
	DO(syscall(SYS_capset, &head, none));
	DO(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	DO(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static void __attribute__((noreturn))
inside(const char *rootfs)
{
	char *const args[] = { (char[]){ "true" }, NULL };
	char *const env[] = { NULL };

	mount_root(rootfs);
	mount_inside();
	DO(sethostname("floor", 5));
	DO(syscall(SYS_pivot_root, ".", "."));
	DO(umount2(".", MNT_DETACH));
	DO(chdir("/"));
	drop_rights();
	execve("/bin/true", args, env);
	_exit(127);
}

int
lp_floor_run(const char *rootfs, int cgroup_fd, bool net)
{
	static unsigned int count;
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | CLONE_PIDFD | (net ? CLONE_NEWNET : 0),
		.exit_signal = SIGCHLD,
	};
	char name[32];
	int pidfd = -1, cgroup = -1, status = 0;

	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	snprintf(name, sizeof(name), "floor.%d.%u", (int)getpid(), count++);
	if (cgroup_fd >= 0) {
		if (mkdirat(cgroup_fd, name, 0755) < 0 ||
		    (cgroup = openat(cgroup_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0) {
			perror("floor: cgroup");
			return -1;
		}
		args.flags |= CLONE_INTO_CGROUP | CLONE_NEWCGROUP;
		args.cgroup = (uint64_t)cgroup;
	}

	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		inside(rootfs);
	if (pid < 0) {
		perror("floor: clone3");
		status = -1;
	} else if (waitpid((pid_t)pid, &status, 0) < 0) {
		perror("floor: wait");
		status = -1;
	} else {
		status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	if (pidfd >= 0)
		close(pidfd);
	if (cgroup >= 0) {
		close(cgroup);
		if (unlinkat(cgroup_fd, name, AT_REMOVEDIR) < 0)
			perror("floor: rmdir");
	}
	return status;
}
