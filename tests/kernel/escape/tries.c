#include "tests/kernel/escape/tries.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"

/* Whatever happens instead of success is fine. */
static void
try(const char *what, long rc)
{
	(void)printf("%s: %s\n", what, rc < 0 ? strerrorname_np(errno) : "SUCCEEDED");
}

/* Calls with arguments that could not work anyway: a refusal comes before these are looked at. */
static void
denied(const char *what, long rc)
{
	bool refused = rc < 0 && (errno == EPERM || errno == ENOSYS || errno == EACCES);

	(void)printf("%s: %s%s\n", what, refused ? "" : "SUCCEEDED in being heard, ", rc < 0 ? strerrorname_np(errno) : "0");
}

static void
try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	try(path, fd);
	lp_close(&fd);
}

/* A cover may be opened: it gives nothing. */
static void
try_read(const char *path)
{
	char byte;
	lp_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : read(fd, &byte, 1);

	(void)printf("%s: %s\n", path, len > 0 ? "SUCCEEDED" : len == 0 ? "empty" : strerrorname_np(errno));
}

/* ---- the kernel's own files ---- */

static void
kernel_files(void)
{
	static const char *const written[] = { "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug",
		"/proc/sys/kernel/panic", "/proc/sys/vm/panic_on_oom", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/file-max",
		"/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/bus/input/devices",
		"/proc/mtrr", "/proc/scsi/scsi", "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run", "/sys/power/state", "/sys/module/kernel/parameters/panic",
		"/sys/fs/cgroup/release_agent", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/cgroup.subtree_control",
		"/sys/fs/cgroup/cgroup.kill", "/sys/kernel/debug/sched/features", "/sys/firmware/efi/vars/new_var", "/sys/kernel/security/lsm" };
	static const char *const read_only[] = { "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats",
		"/proc/kmsg", "/proc/acpi/wakeup", "/proc/interrupts", "/sys/firmware/dmi/tables/DMI", "/sys/kernel/debug/sleep_time",
		"/sys/devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj", "/dev/mem", "/dev/kmsg" };

	for (size_t i = 0; i < lp_count(written); i++)
		try_open(written[i], O_WRONLY);
	for (size_t i = 0; i < lp_count(read_only); i++)
		try_read(read_only[i]);
}

/* ---- devices ---- */

static void
devices(void)
{
	DIR *dir;

	try("block device", mknod("/disk", S_IFBLK | 0600, makedev(8, 0)));
	try("memory", mknod("/mem", S_IFCHR | 0600, makedev(1, 1)));
	try("kernel log", mknod("/dev/kmsg2", S_IFCHR | 0600, makedev(1, 11)));
	try("console", mknod("/tmp/tty0", S_IFCHR | 0600, makedev(4, 0)));
	/* Nodes that lie in a volume already. */
	dir = opendir("/planted");
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		char path[300];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "/planted/%s", entry->d_name);
		try_open(path, O_RDONLY);
		try_open(path, O_WRONLY);
	}
	if (dir)
		(void)closedir(dir);
}

/* ---- namespaces and cgroups ---- */

static void
namespaces(void)
{
	static const struct {
		const char *name;
		int flag;
	} kinds[] = { { "user", CLONE_NEWUSER }, { "mnt", CLONE_NEWNS }, { "pid", CLONE_NEWPID }, { "net", CLONE_NEWNET }, { "ipc", CLONE_NEWIPC },
		{ "uts", CLONE_NEWUTS }, { "cgroup", CLONE_NEWCGROUP }, { "time", 0x80 } };
	uint64_t args[11] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD };

	for (size_t i = 0; i < lp_count(kinds); i++) {
		char path[32];
		int fd;
		long pid;

		denied(kinds[i].name, unshare(kinds[i].flag));
		(void)snprintf(path, sizeof(path), "/proc/1/ns/%s", kinds[i].name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			denied(path, setns(fd, kinds[i].flag));
		lp_close(&fd);
		pid = kinds[i].flag == 0x80 ? -1 : syscall(SYS_clone, kinds[i].flag | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0)
			_exit(0);
		if (kinds[i].flag != 0x80)
			denied("clone", pid);
	}
	denied("clone3", syscall(SYS_clone3, args, sizeof(args)));
	denied("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
	denied("umount", umount2("/proc/kcore", MNT_DETACH));
	denied("pivot_root", syscall(SYS_pivot_root, "/", "/tmp"));
	denied("fsopen", syscall(SYS_fsopen, "cgroup", 0));
	denied("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
}

static void
cgroups(void)
{
	try("cgroup of version 1 with its release agent", mount("cgroup", "/tmp", "cgroup", 0, "rdma"));
	try("cgroup of version 2", mount("cgroup2", "/tmp", "cgroup2", 0, NULL));
	try("subcgroup", mkdir("/sys/fs/cgroup/escape", 0755));
	try("subcgroup above", mkdir("/sys/fs/cgroup/../escape", 0755));
	try_open("/sys/fs/cgroup/cgroup.procs", O_WRONLY);
	try_open("/sys/fs/cgroup/release_agent", O_WRONLY);
	try_open("/sys/fs/cgroup/notify_on_release", O_WRONLY);
	try("agent of what is mounted there", access("/tmp/release_agent", F_OK));
}

/* ---- calls ---- */

static void
calls(void)
{
	denied("init_module", syscall(SYS_init_module, NULL, 0L, ""));
	denied("finit_module", syscall(SYS_finit_module, -1, "", 0));
	denied("kexec_load", syscall(SYS_kexec_load, 0L, 0L, NULL, 0L));
	denied("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0L, NULL, 0L));
	denied("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
	denied("swapon", syscall(SYS_swapon, "/nothing", 0));
	denied("bpf", syscall(SYS_bpf, 0, NULL, 0));
	denied("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0L));
	denied("userfaultfd", syscall(SYS_userfaultfd, 0));
	denied("io_uring_setup", syscall(SYS_io_uring_setup, 0, NULL));
	denied("add_key", syscall(SYS_add_key, "user", "limpet-escape", "x", 1L, KEY_SPEC_SESSION_KEYRING));
	denied("request_key", syscall(SYS_request_key, "user", "limpet-escape", NULL, 0));
	denied("keyctl", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 0));
	denied("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY));	/* CVE-2014-3519 and "shocker" */
	denied("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/", NULL, NULL, 0));
	denied("process_vm_writev", syscall(SYS_process_vm_writev, 1, NULL, 0L, NULL, 0L, 0L));
	denied("pidfd_getfd", syscall(SYS_pidfd_getfd, -1, 0, 0));
	denied("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
	denied("acct", syscall(SYS_acct, "/acct"));
#ifdef SYS_iopl
	denied("iopl", syscall(SYS_iopl, 3));
#endif
	denied("syslog", syscall(SYS_syslog, 3, NULL, 0));
	denied("sethostname", sethostname("owned", 5));
	denied("settimeofday", syscall(SYS_settimeofday, NULL, NULL));
}

/* Calls by another door: the filter's numbers are those of one architecture. */
static void
other_abis(void)
{
#ifdef __x86_64__
	int status = 0;
	pid_t pid;

	denied("x32", syscall(0x40000000 | SYS_getpid));
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		long rc;

		__asm__ volatile("int $0x80" : "=a"(rc) : "a"(20L) : "memory");	/* getpid of i386 */
		_exit(rc > 0);
	}
	(void)waitpid(pid, &status, 0);
	(void)printf("i386: %s\n", WIFEXITED(status) && WEXITSTATUS(status) ? "SUCCEEDED" : "refused");
#endif
	denied("clone flags", syscall(SYS_clone, (unsigned long)(CLONE_NEWUSER | CLONE_NEWNS), 0L, 0L, 0L, 0L));
}

/* A stream that is nothing is our own nothing: the host's could be given another mode. */
static void
streams(void)
{
	struct stat ours, st;

	(void)stat("/dev/null", &ours);
	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode))
			(void)printf("stream %d: %s\n", fd, st.st_dev == ours.st_dev && st.st_ino == ours.st_ino ? "ours" :
			    fchmod(fd, st.st_mode & 07777) == 0 ? "SUCCEEDED in changing the host's" : "foreign");
}

/* The terminal of whoever started us, when the streams are it. */
static void
terminal(void)
{
	try("put a character into it", ioctl(0, TIOCSTI, "x"));
	try("make it ours", ioctl(0, TIOCSCTTY, 0));
	try("make it ours by force", ioctl(0, TIOCSCTTY, 1));
	try("its console", ioctl(0, TIOCCONS));
	try("paste", ioctl(0, TIOCLINUX, "\3"));
	try("its foreground", tcsetpgrp(0, getpid()));
}

/* ---- sockets ---- */

static void
sockets(void)
{
	static const struct {
		const char *name;
		int family;
	} families[] = { { "AF_PACKET", AF_PACKET }, { "AF_ALG", AF_ALG }, { "AF_VSOCK", AF_VSOCK }, { "AF_KEY", AF_KEY }, { "AF_CAN", AF_CAN },
		{ "AF_TIPC", AF_TIPC }, { "AF_RDS", AF_RDS }, { "AF_BLUETOOTH", AF_BLUETOOTH }, { "AF_XDP", AF_XDP } };
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "\0limpet-escape" };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	try("abstract socket of the host", connect(sock, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 14));
	(void)close(sock);
	for (size_t i = 0; i < lp_count(families); i++)
		try(families[i].name, socket(families[i].family, SOCK_RAW | SOCK_CLOEXEC, 0));
	try("raw IP", socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1));
	try("netfilter", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 12));
	try("audit", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 9));
}

/* ---- rights ---- */

static void
capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	struct __user_cap_data_struct more[2];

	if (syscall(SYS_capget, &head, data) < 0 || data[0].inheritable || data[1].inheritable)
		(void)printf("inheritable capabilities: SUCCEEDED\n");
	more[0] = data[0];
	more[1] = data[1];
	more[0].permitted |= 1u << CAP_SYS_ADMIN;
	more[0].effective |= 1u << CAP_SYS_ADMIN;
	try("permitted", syscall(SYS_capset, &head, more));
	more[0] = data[0];
	more[0].inheritable |= 1u << CAP_SYS_ADMIN;
	try("inheritable", syscall(SYS_capset, &head, more));
	try("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
	try("file capability", setxattr("/bin/busybox", "security.capability", "\1\0\0\2\0\0\40\0\0\0\0\0\0\0\0\0\0\0\0\0", 20, 0));
	try("new privileges", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	try("seccomp off", prctl(PR_SET_SECCOMP, 0, 0, 0, 0));
}

static void
overlay(void)
{
	try("redirect", setxattr("/etc", "trusted.overlay.redirect", "/../..", 6, 0));	/* CVE-2021-3493 and its like */
	try("opaque", setxattr("/etc", "trusted.overlay.opaque", "y", 1, 0));
	try("metacopy", setxattr("/bin/busybox", "trusted.overlay.metacopy", "", 0, 0));
	try("origin", setxattr("/etc", "trusted.overlay.origin", "x", 1, 0));
	try("overlay of its own", mount("overlay", "/tmp", "overlay", 0, "lowerdir=/etc,upperdir=/tmp,workdir=/home"));
}

/* ---- ways out ---- */

/* The old way out of a chroot: a directory that is held while the root moves below it. */
static void
way_up(void)
{
	struct stat root, now;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)mkdir("/deep", 0755);
	(void)stat("/", &root);
	if (chroot("/deep") < 0)
		(void)printf("chroot: %s\n", strerrorname_np(errno));
	(void)!fchdir(fd);
	for (int i = 0; i < 64; i++)
		(void)!chdir("..");
	(void)stat(".", &now);
	(void)printf("above the root: %s\n", root.st_dev == now.st_dev && root.st_ino == now.st_ino ? "itself" : "SUCCEEDED");
	(void)close(fd);
	for (int i = 0; i < 2; i++) {
		static const char *const paths[] = { "/proc/1/root", "/proc/1/cwd/../../../.." };

		(void)printf("%s: %s\n", paths[i], stat(paths[i], &now) < 0 ? strerrorname_np(errno) :
		    access("/proc/1/root/limpet-secret", F_OK) == 0 ? "SUCCEEDED" : "itself");
	}
}

/* A descriptor that may only be read is opened again for writing. */
static void
reopen(void)
{
	static const int modes[] = { O_RDONLY, O_PATH };

	for (size_t i = 0; i < lp_count(modes); i++) {
		char path[48];
		int fd = open("/attack", modes[i] | O_CLOEXEC);

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		try_open(path, O_RDWR);
		try_open(path, O_WRONLY | O_TRUNC);
		(void)printf("for writing: %s\n", access(path, W_OK) == 0 ? "SUCCEEDED" : strerrorname_np(errno));
		try("mode", fchmod(fd, 0777));
		lp_close(&fd);
	}
	try_open("/proc/self/exe", O_WRONLY);
	try("rename", rename("/attack", "/attack2"));
	try("unlink", unlink("/attack"));
	try("link", link("/attack", "/attack2"));
}

/* Nothing but the three streams is open, here and in whoever else is here. */
static void
descriptors(void)
{
	DIR *processes = opendir("/proc");

	for (struct dirent *process; processes && (process = readdir(processes));) {
		char path[300];
		DIR *fds;

		if (process->d_name[0] < '1' || process->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/fd", process->d_name);
		fds = opendir(path);
		for (struct dirent *fd; fds && (fd = readdir(fds));) {
			char link[600], to[300];
			ssize_t len;

			if (fd->d_name[0] == '.' || fd->d_name[0] < '3')
				continue;
			(void)snprintf(link, sizeof(link), "%s/%s", path, fd->d_name);
			len = readlink(link, to, sizeof(to) - 1);
			to[len > 0 ? len : 0] = '\0';
			if (len > 0 && strncmp(to, "/proc", 5) != 0)	/* our own two */
				(void)printf("%s -> %s: SUCCEEDED\n", link, to);
		}
		if (fds)
			(void)closedir(fds);
	}
	if (processes)
		(void)closedir(processes);
}

/* ---- the owner's executable ---- */

/*
 * Run by the kernel as the interpreter "/proc/self/exe" of a script, so this is the executable of whoever started the container (CVE-2019-5736).
 * While a process runs it opening for writing says ETXTBSY; what must hold after the last one has ended is that its mount is read-only.
 */
static void
overwrite(void)
{
	char path[48];
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	try_open(path, O_WRONLY);
	try_open(path, O_RDWR | O_TRUNC);
	(void)printf("for writing: %s\n", faccessat(fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) == 0 ? "SUCCEEDED" : strerrorname_np(errno));
	try("mode", fchmodat(AT_FDCWD, path, 0777, 0));
	try("remount", mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL));
	lp_close(&fd);
}

/*
 * Whoever joins is looked at all the time: its executable, its memory, its descriptors. What it executes here is ours to look at, so only another
 * executable counts, and memory that could be opened before.
 */
static bool
is_of_the_image(const char *path)
{
	return strcmp(path, "/attack") == 0 || strcmp(path, "/bin/busybox") == 0;
}

/* Attached to, it cannot change what it executes meanwhile. */
static void
attach_to(const char *pid)
{
	pid_t id = (pid_t)strtol(pid, NULL, 10);
	char path[64], exe[300];
	ssize_t len;

	if (ptrace(PTRACE_SEIZE, id, NULL, NULL) < 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	len = readlink(path, exe, sizeof(exe) - 1);
	exe[len > 0 ? len : 0] = '\0';
	if (len > 0 && !is_of_the_image(exe))
		(void)printf("attached to %s, which runs %s: SUCCEEDED\n", pid, exe);
	(void)ptrace(PTRACE_INTERRUPT, id, NULL, NULL);
	(void)waitpid(id, NULL, __WALL);
	(void)ptrace(PTRACE_DETACH, id, NULL, NULL);
}

static void
look_at(const char *pid)
{
	char path[300], before[300], after[300];
	ssize_t len;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	len = readlink(path, before, sizeof(before) - 1);
	before[len > 0 ? len : 0] = '\0';
	if (len > 0 && !is_of_the_image(before))
		(void)printf("executable %s of %s: SUCCEEDED\n", before, pid);
	(void)snprintf(path, sizeof(path), "/proc/%s/fd/3", pid);
	len = readlink(path, after, sizeof(after) - 1);
	after[len > 0 ? len : 0] = '\0';
	if (len > 0 && before[0] == '\0' && strncmp(after, "/", 1) == 0 && strncmp(after, "/proc", 5) != 0 && !is_of_the_image(after))
		(void)printf("descriptor %s of %s: SUCCEEDED\n", after, pid);
	(void)snprintf(path, sizeof(path), "/proc/%s/root/limpet-secret", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		(void)printf("root of %s: SUCCEEDED\n", pid);
	lp_close(&fd);
}

static void
watch_joiners(void)
{
	size_t seen = 0;
	char pid[16];

	(void)printf("watching\n");
	(void)fflush(stdout);
	/* Numbers are given in turn: the next ones are looked at before they are there. */
	for (pid_t next = 2; access("/report/stop", F_OK) < 0;)
		for (pid_t id = next; id < next + 64; id++) {
			if (kill(id, 0) < 0)
				continue;
			(void)snprintf(pid, sizeof(pid), "%d", (int)id);
			for (int i = 0; i < 20; i++)
				look_at(pid);
			attach_to(pid);
			seen++;
			next = id + 1;
			break;
		}
	(void)printf("joiners seen: %zu\n", seen);
}

/* Whoever joins is stopped as soon as it may be. */
static void
stop_joiners(void)
{
	(void)printf("watching\n");
	(void)fflush(stdout);
	while (access("/report/stop", F_OK) < 0)
		for (pid_t id = 2; id < 400; id++)
			if (kill(id, SIGSTOP) == 0 && access("/report/stop", F_OK) == 0)
				break;
	for (pid_t id = 2; id < 400; id++)
		(void)kill(id, SIGCONT);
}

static void
processes(void)
{
	try("signal to whoever is outside", kill(getppid() ? getppid() : 999999, 0));
	try("ptrace of what is outside", ptrace(PTRACE_ATTACH, 999999, NULL, NULL));
	try_open("/proc/1/mem", getpid() == 1 ? O_WRONLY | O_DIRECTORY : O_WRONLY);
	try("priority", setpriority(0, 0, -20) == 0 && geteuid() != 0 ? 0 : -1);
	(void)printf("parent %d\n", (int)getppid());
}

/* The first process of a pid namespace that is not ours alone. */
static void
first(void)
{
	char text[300];

	try("executable", readlink("/proc/1/exe", text, sizeof(text)));
	try_open("/proc/1/exe", O_RDONLY);
	try_open("/proc/1/mem", O_RDWR);
	try_read("/proc/1/environ");
	try_read("/proc/1/maps");
	try_read("/proc/1/auxv");
	try("root", readlink("/proc/1/root", text, sizeof(text)));
	try_open("/proc/1/root/", O_RDONLY | O_DIRECTORY);
	try_open("/proc/1/cwd/", O_RDONLY | O_DIRECTORY);
	try_open("/proc/1/ns/mnt", O_RDONLY);
	try("seize", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
	(void)kill(1, SIGKILL);
	(void)kill(1, SIGSEGV);
	(void)kill(1, SIGSTOP);
	(void)printf("first process: %s\n", kill(1, 0) == 0 ? "lives" : "SUCCEEDED in ending it");
}

static void
user(void)
{
	try("root", geteuid() == 0 || getegid() == 0 ? 0 : -1);
	try("capabilities kept", prctl(PR_CAPBSET_DROP, 0, 0, 0, 0));
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	void (*run)(void);
} attacks[] = {
	{ "kernel_files", kernel_files },
	{ "devices",	  devices },
	{ "namespaces",	  namespaces },
	{ "cgroups",	  cgroups },
	{ "calls",	  calls },
	{ "sockets",	  sockets },
	{ "other_abis",	  other_abis },
	{ "terminal",	  terminal },
	{ "streams",	  streams },
	{ "capabilities", capabilities },
	{ "overlay",	  overlay },
	{ "way_up",	  way_up },
	{ "reopen",	  reopen },
	{ "descriptors",  descriptors },
	{ "overwrite",	  overwrite },
	{ "watch",	  watch_joiners },
	{ "stop",	  stop_joiners },
	{ "processes",	  processes },
	{ "user",	  user },
	{ "first",	  first },
};

void
tries_run(const char *name)
{
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < lp_count(attacks); i++) {
		if (strcmp(attacks[i].name, name) != 0)
			continue;
		errno = 0;
		attacks[i].run();
		(void)printf("attack over\n");
		(void)fflush(stdout);
		_exit(0);
	}
	(void)printf("no such attack: %s\n", name);
	(void)fflush(stdout);
	_exit(2);
}
