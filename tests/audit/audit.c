/*
 * tests/audit/audit.c - what a process can do and see where it runs: one fact a line, in a fixed order, for golden files.
 *
 * Use      audit                 the facts of the process that runs it
 *          audit --table ARCH    the "blocked" lines that runtime/seccomp_default.def means for amd64, arm64 or armhf
 *          audit --stay          nothing, until it is told to end
 *          AUDIT_HOST="net=4026531840 pid=..." names the namespaces of the host: "own" or "host" is told instead of numbers
 * Lines    capabilities, no_new_privs, seccomp, user and groups, id maps, namespace, blocked (system calls by name), socket, mount,
 *          device, masked, meter (files of the kernel that tell of the host), limit, rlimit, setting, keyring, escape (what is tried and must not work)
 * Harmless each call is made in a child of its own with arguments that no call can use (-1 throughout); those that would do something even
 *          so are not tried. A call is blocked when it answers ENOSYS or EPERM
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"

enum { CALLS_MAX = 500, TEXT_MAX = 65536 };

static const char *
word(int code)
{
	static char number[16];

	switch (code) {
	case 0:
		return "works";
	case EPERM:
		return "EPERM";
	case EACCES:
		return "EACCES";
	case ENOSYS:
		return "ENOSYS";
	case EROFS:
		return "EROFS";
	case ENOENT:
		return "ENOENT";
	case EINVAL:
		return "EINVAL";
	}
	(void)snprintf(number, sizeof(number), "errno %d", code);
	return number;
}

/* A whole small file; "" when it cannot be read. */
static const char *
text_of(const char *path)
{
	static char text[TEXT_MAX];
	lp_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && used < sizeof(text) - 1) {
		got = read(fd, text + used, sizeof(text) - 1 - used);
		used += got > 0 ? (size_t)got : 0;
	}
	text[used] = '\0';
	return text;
}

/* Run in a child: its exit status, or -1 when a signal ended it. */
static int
apart(int (*what)(const void *arg), const void *arg)
{
	pid_t pid;
	int status = 0;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)alarm(5);
		_exit(what(arg));
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- rights */

static void
tell_caps(void)
{
	static const char *const sets[] = { "CapBnd:", "CapPrm:", "CapEff:", "CapInh:", "CapAmb:" };
	static const char *const names[] = { "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
		"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio",
		"sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
		"lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
		"perfmon", "bpf", "checkpoint_restore" };
	const char *status = text_of("/proc/self/status");

	for (size_t i = 0; i < lp_count(sets); i++) {
		const char *at = strstr(status, sets[i]);
		uint64_t bits = at ? strtoull(at + strlen(sets[i]), NULL, 16) : 0;

		(void)printf("capabilities %.6s:", sets[i]);
		for (size_t n = 0; n < lp_count(names); n++)
			if (bits >> n & 1)
				(void)printf(" %s", names[n]);
		(void)printf("\n");
	}
}

static void
tell_self(void)
{
	gid_t groups[64];
	int count = getgroups(64, groups);

	(void)printf("no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	(void)printf("seccomp %s\n", strstr(text_of("/proc/self/status"), "Seccomp:\t2") ? "filter" : "none");
	(void)printf("user %u:%u groups", getuid(), getgid());
	for (int i = 0; i < count; i++)
		(void)printf(" %u", groups[i]);
	(void)printf("\n");
}

/* How many ids there are, and whether root is the host's. Where they lie outside differs from pod to pod. */
static void
tell_map(const char *name)
{
	char path[64];
	unsigned long inside, outside, count;
	char *end;

	(void)snprintf(path, sizeof(path), "/proc/self/%s", name);
	inside = strtoul(text_of(path), &end, 10);
	outside = strtoul(end, &end, 10);
	count = strtoul(end, &end, 10);
	(void)printf("map %s %lu %s %lu\n", name, inside, inside == outside ? "host" : "shifted", count);
}

static void
tell_namespaces(void)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts" };
	const char *host = getenv("AUDIT_HOST");

	for (size_t i = 0; i < lp_count(names); i++) {
		char path[64], link[64] = "", wanted[64];
		const char *number, *at = NULL;

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		if (readlink(path, link, sizeof(link) - 1) < 0)
			continue;
		number = strchr(link, '[');
		(void)snprintf(wanted, sizeof(wanted), "%s=%.*s ", names[i], number ? (int)strcspn(number + 1, "]") : 0, number ? number + 1 : "");
		at = host ? strstr(host, wanted) : NULL;
		(void)printf("namespace %s %s\n", names[i], at ? "host" : "own");
	}
}

/* ---- system calls */

/* Those that do something with any arguments, or stop the one who calls. */
static bool
is_left_out(const char *name)
{
	static const char *const names[] = { "exit", "exit_group", "fork", "vfork", "pause", "sync", "vhangup", "rt_sigreturn", "sigreturn",
		"restart_syscall", "setsid", "arch_prctl", "set_tid_address", "brk", "sched_yield", "sigsuspend" };	/* the last holds back its alarm, too */

	for (size_t i = 0; i < lp_count(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static int
try_call(const void *arg)
{
	long rc = syscall(*(const long *)arg, -1L, -1L, -1L, -1L, -1L, -1L);

	return rc < 0 && errno > 0 && errno < 250 ? errno : 0;
}

static void
tell_calls(void)
{
	for (long nr = 0; nr < CALLS_MAX; nr++) {
		lp_auto_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)nr);
		int code;

		if (!name || is_left_out(name))
			continue;
		code = apart(try_call, &nr);
		if (code == ENOSYS || code == EPERM)
			(void)printf("blocked %s %s\n", name, word(code));
	}
}

#define ALLOW(name) { #name, 'a' },
#define DENY(name) { #name, 'd' },
#define WITH(caps, name) { #name, 'w' },
static const struct {
	const char *name;
	char what;
} table[] = {
#include "runtime/seccomp_default.def"
};

/* The calls whose arguments seccomp.c looks at, with -1 throughout; and chroot, whose capability a container has in a user namespace. */
static const struct {
	const char *name;
	int code;
} judged[] = { { "clone", EPERM }, { "clone3", ENOSYS }, { "socket", 0 }, { "socketpair", 0 }, { "personality", 0 }, { "chroot", 0 } };

static int
verdict_of(const char *name)
{
	for (size_t i = 0; i < lp_count(judged); i++)
		if (strcmp(judged[i].name, name) == 0)
			return judged[i].code;
	for (size_t i = 0; i < lp_count(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return table[i].what == 'a' ? 0 : EPERM;
	return ENOSYS;
}

static int
tell_table(const char *word_of_arch)
{
	uint32_t arch = strcmp(word_of_arch, "amd64") == 0 ? SCMP_ARCH_X86_64
		: strcmp(word_of_arch, "arm64") == 0       ? SCMP_ARCH_AARCH64
		: strcmp(word_of_arch, "armhf") == 0       ? SCMP_ARCH_ARM
							   : 0;

	if (!arch) {
		(void)fprintf(stderr, "audit: no such architecture: %s\n", word_of_arch);
		return 2;
	}
	for (int nr = 0; nr < CALLS_MAX; nr++) {
		lp_auto_free char *name = seccomp_syscall_resolve_num_arch(arch, nr);

		if (name && !is_left_out(name) && verdict_of(name))
			(void)printf("blocked %s %s\n", name, word(verdict_of(name)));
	}
	return 0;
}

static void
tell_sockets(void)
{
	static const struct {
		const char *name;
		int family;
	} families[] = { { "unix", AF_UNIX }, { "inet", AF_INET }, { "ax25", AF_AX25 }, { "ipx", AF_IPX }, { "appletalk", AF_APPLETALK },
		{ "x25", AF_X25 }, { "inet6", AF_INET6 }, { "netlink", AF_NETLINK }, { "packet", AF_PACKET }, { "rds", AF_RDS }, { "can", AF_CAN },
		{ "tipc", AF_TIPC }, { "bluetooth", AF_BLUETOOTH }, { "alg", AF_ALG }, { "nfc", AF_NFC }, { "vsock", AF_VSOCK }, { "xdp", AF_XDP } };
	static const struct {
		const char *name;
		int type;
	} types[] = { { "stream", SOCK_STREAM }, { "dgram", SOCK_DGRAM }, { "seqpacket", SOCK_SEQPACKET }, { "raw", SOCK_RAW } };

	for (size_t i = 0; i < lp_count(families); i++)
		for (size_t n = 0; n < lp_count(types); n++) {
			int fd = socket(families[i].family, types[n].type | SOCK_CLOEXEC, 0);

			if (fd < 0)
				continue;
			(void)printf("socket %s %s\n", families[i].name, types[n].name);
			(void)close(fd);
		}
	for (int protocol = 0; protocol < 23; protocol++) {
		int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

		if (fd < 0)
			continue;
		(void)printf("socket netlink %d\n", protocol);
		(void)close(fd);
	}
}

/* ---- the file system */

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
tell_mounts(void)
{
	static char copy[TEXT_MAX];
	char *lines[256], *save = NULL;
	size_t count = 0;

	(void)snprintf(copy, sizeof(copy), "%s", text_of("/proc/self/mountinfo"));
	for (char *line = strtok_r(copy, "\n", &save); line && count < lp_count(lines); line = strtok_r(NULL, "\n", &save)) {
		char target[256] = "", options[256] = "", *dash = strstr(line, " - "), *at = line;
		size_t len;

		for (int i = 0; i < 4; i++)	/* id, parent, device, root */
			at += strcspn(at, " ") + 1;
		len = strcspn(at, " ");
		(void)snprintf(target, sizeof(target), "%.*s", (int)len, at);
		at += len + 1;
		(void)snprintf(options, sizeof(options), "%.*s", (int)strcspn(at, " "), at);
		if (!dash || asprintf(&lines[count], "mount %s %.*s %s", target, (int)strcspn(dash + 3, " "), dash + 3, options) < 0)
			continue;
		count++;
	}
	qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 0; i < count; i++) {
		(void)printf("%s\n", lines[i]);
		free(lines[i]);
	}
}

static void
tell_devices(void)
{
	static const struct {
		const char *name;
		int major, minor, type;
	} made[] = { { "mem", 1, 1, S_IFCHR }, { "kmsg", 1, 11, S_IFCHR }, { "loop0", 7, 0, S_IFBLK }, { "sda", 8, 0, S_IFBLK }, { "null", 1, 3, S_IFCHR } };
	struct dirent **entries = NULL;
	int count = scandir("/dev", &entries, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.')
			(void)printf("device %s\n", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	for (size_t i = 0; i < lp_count(made); i++) {
		char path[64];
		int rc, fd;

		(void)snprintf(path, sizeof(path), "/tmp/audit-%s", made[i].name);
		(void)unlink(path);
		rc = mknod(path, (mode_t)made[i].type | 0600, makedev(made[i].major, made[i].minor)) < 0 ? errno : 0;
		fd = rc == 0 ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
		(void)printf("device-made %s %s\n", made[i].name, rc ? word(rc) : fd < 0 ? "made, not opened" : "opened");
		if (fd >= 0)
			(void)close(fd);
		(void)unlink(path);
	}
}

/* Does a path show anything? "hidden": not there, refused, covered or empty. */
static bool
is_shown(const char *path)
{
	struct stat status;
	char byte;
	bool shown = false;

	if (stat(path, &status) < 0 || (S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3)))
		return false;
	if (S_ISDIR(status.st_mode)) {
		DIR *dir = opendir(path);

		for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir))
			shown |= entry->d_name[0] != '.';
		if (dir)
			(void)closedir(dir);
		return shown;
	}
	if (S_ISREG(status.st_mode)) {
		lp_auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		return fd >= 0 && read(fd, &byte, 1) == 1;
	}
	return false;
}

static void
tell_paths(void)
{
	static const char *const hidden[] = { "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/system/cpu/cpu0/thermal_throttle",
		"/sys/devices/virtual/powercap", "/sys/firmware" };
	static const char *const meters[] = { "/proc/buddyinfo", "/proc/cmdline", "/proc/cpuinfo", "/proc/diskstats", "/proc/iomem", "/proc/ioports",
		"/proc/kallsyms", "/proc/kmsg", "/proc/kpagecount", "/proc/kpageflags", "/proc/loadavg", "/proc/meminfo", "/proc/modules",
		"/proc/net/dev", "/proc/pagetypeinfo", "/proc/partitions", "/proc/pressure/cpu", "/proc/slabinfo", "/proc/softirqs", "/proc/stat",
		"/proc/swaps", "/proc/sys/kernel/random/boot_id", "/proc/uptime", "/proc/version", "/proc/vmallocinfo", "/proc/vmstat",
		"/proc/zoneinfo", "/sys/class/dmi/id/product_name", "/sys/class/dmi/id/product_uuid", "/sys/class/net", "/sys/class/thermal",
		"/sys/fs/bpf", "/sys/fs/cgroup", "/sys/kernel/debug", "/sys/kernel/notes", "/sys/kernel/security", "/sys/kernel/tracing",
		"/sys/kernel/vmcoreinfo", "/dev/kmsg" };

	for (size_t i = 0; i < lp_count(hidden); i++)
		(void)printf("masked %s %s\n", hidden[i], is_shown(hidden[i]) ? "SHOWN" : "hidden");
	for (size_t i = 0; i < lp_count(meters); i++)
		if (is_shown(meters[i]))
			(void)printf("meter %s\n", meters[i]);
}

/* ---- limits and keys */

static void
tell_limits(void)
{
	const char *most = text_of("/sys/fs/cgroup/pids.max");

	(void)printf("limit pids %.*s\n", *most ? (int)strcspn(most, "\n") : 4, *most ? most : "none");
}

static void
tell_settings(void)
{
	static const char *const names[] = { "ping_group_range", "ip_unprivileged_port_start" };

	for (size_t i = 0; i < lp_count(names); i++) {
		char path[96];
		unsigned long first, last;
		char *end;

		(void)snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", names[i]);
		first = strtoul(text_of(path), &end, 10);
		last = strtoul(end, &end, 10);
		(void)printf("setting %s %lu %lu\n", names[i], first, last);
	}
}

static void
tell_rlimits(void)
{
	static const struct {
		const char *name;
		int resource;
	} rows[] = { { "core", RLIMIT_CORE }, { "data", RLIMIT_DATA }, { "fsize", RLIMIT_FSIZE }, { "memlock", RLIMIT_MEMLOCK },
		{ "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE }, { "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC },
		{ "rtprio", RLIMIT_RTPRIO }, { "sigpending", RLIMIT_SIGPENDING }, { "stack", RLIMIT_STACK } };

	for (size_t i = 0; i < lp_count(rows); i++) {
		struct rlimit limit = { 0 };

		(void)getrlimit((unsigned)rows[i].resource, &limit);
		(void)printf("rlimit %s %lld %lld\n", rows[i].name, (long long)limit.rlim_cur, (long long)limit.rlim_max);
	}
}

static void
tell_keyring(void)
{
	long rc = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* session */, 0);

	(void)printf("keyring session %s\n", rc < 0 ? word(errno) : "reachable");
	rc = syscall(SYS_add_key, "user", "audit", "x", 1, -3);
	(void)printf("keyring add %s\n", rc < 0 ? word(errno) : "works");
}

/* ---- what must not work */

static int
try_open_write(const void *arg)
{
	return open(arg, O_WRONLY | O_CLOEXEC) < 0 ? errno : 0;
}

static int
try_unshare(const void *arg)
{
	return unshare(*(const int *)arg) < 0 ? errno : 0;
}

static int
try_root(const void *arg)
{
	(void)arg;
	return mkdir("/audit-root", 0700) < 0 ? errno : rmdir("/audit-root") < 0 ? errno : 0;
}

static int
try_signal(const void *arg)
{
	/* the parent of the container's first process is not seen; pid 1 is the pod's own or the host's */
	(void)arg;
	return kill(1, 0) < 0 ? errno : 0;
}

static int
try_execute_memory(const void *arg)
{
	(void)arg;
	return mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? errno : 0;
}

static void
tell_escapes(void)
{
	static const int user = CLONE_NEWUSER, mounts = CLONE_NEWNS, net = CLONE_NEWNET;
	static const char *const written[] = { "/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches",
		"/proc/sys/kernel/modprobe", "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run", "/sys/fs/cgroup/cgroup.procs",
		"/proc/self/setgroups", "/proc/irq/default_smp_affinity" };

	for (size_t i = 0; i < lp_count(written); i++)
		(void)printf("escape write %s %s\n", written[i], apart(try_open_write, written[i]) ? "refused" : "WORKS");
	(void)printf("escape unshare user %s\n", word(apart(try_unshare, &user)));
	(void)printf("escape unshare mount %s\n", word(apart(try_unshare, &mounts)));
	(void)printf("escape unshare net %s\n", word(apart(try_unshare, &net)));
	(void)printf("root is written %s\n", word(apart(try_root, NULL)));
	(void)printf("pid 1 is signalled %s\n", word(apart(try_signal, NULL)));
	(void)printf("memory is written and executed %s\n", word(apart(try_execute_memory, NULL)));
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--table") == 0)
		return tell_table(argv[2]);
	if (argc == 2 && strcmp(argv[1], "--stay") == 0) {
		(void)signal(SIGTERM, _exit);
		(void)pause();
	}
	tell_caps();
	tell_self();
	tell_map("uid_map");
	tell_map("gid_map");
	tell_namespaces();
	tell_sockets();
	tell_mounts();
	tell_devices();
	tell_paths();
	tell_limits();
	tell_rlimits();
	tell_settings();
	tell_keyring();
	tell_escapes();
	tell_calls();
	return fflush(stdout) == 0 ? 0 : 1;
}
