#include "runtime/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/mount.h"
#include "runtime/reaper.h"

enum { PID_TEXT = 32, MAP_TEXT = 4096, SYSCTL_PATH = 256, READ_MAX = 65536 };

static const struct {
	const char *name;
	int flag;
} kinds[LP_NS_COUNT] = {
	[LP_NS_USER]   = { "user",   CLONE_NEWUSER },
	[LP_NS_NET]    = { "net",    CLONE_NEWNET },
	[LP_NS_IPC]    = { "ipc",    CLONE_NEWIPC },
	[LP_NS_UTS]    = { "uts",    CLONE_NEWUTS },
	[LP_NS_PID]    = { "pid",    CLONE_NEWPID },
	[LP_NS_MOUNT]  = { "mnt",    CLONE_NEWNS },
	[LP_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP },
	[LP_NS_TIME]   = { "time",   CLONE_NEWTIME },
};

const char *
lp_ns_name(enum lp_ns ns)
{
	return kinds[ns].name;
}

int
lp_ns_flag(enum lp_ns ns)
{
	return kinds[ns].flag;
}

void
lp_ns_set_init(struct lp_ns_set *set)
{
	for (int i = 0; i < LP_NS_COUNT; i++)
		set->fds[i] = -1;
	set->reaper = 0;
	set->reaper_fd = set->reaper_go = -1;
}

void
lp_ns_set_fini(struct lp_ns_set *set)
{
	for (int i = 0; i < LP_NS_COUNT; i++)
		lp_close(&set->fds[i]);
	lp_close(&set->reaper_fd);
	lp_close(&set->reaper_go);
}

int
lp_ns_map(const struct lp_idmap *map, size_t count, uint32_t inside, uint32_t *out)
{
	if (count == 0) {
		*out = inside;
		return 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (inside < map[i].inside || inside - map[i].inside >= map[i].count)
			continue;
		*out = map[i].outside + (inside - map[i].inside);
		return 0;
	}
	return -ERANGE;
}

void
lp_ns_root(const struct lp_idmap *uids, size_t uid_count, const struct lp_idmap *gids, size_t gid_count, uint32_t *out_uid,
    uint32_t *out_gid)
{
	if (lp_ns_map(uids, uid_count, 0, out_uid) < 0)
		*out_uid = uids[0].outside;
	if (lp_ns_map(gids, gid_count, 0, out_gid) < 0)
		*out_gid = gids[0].outside;
}

/* Some file below /proc/sys, and no other than it says. */
static bool
is_plain(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < SYSCTL_PATH && !strstr(name, "..") && !strstr(name, "//") && name[0] != '/' && name[0] != '.';
}

bool
lp_ns_sysctl_allowed(const char *name, uint32_t made)
{
	static const struct {
		const char *name;	/* a final dot means everything below */
		enum lp_ns ns;
	} rows[] = {
		{ "net.",		LP_NS_NET },
		{ "kernel.msgmax",	LP_NS_IPC },
		{ "kernel.msgmnb",	LP_NS_IPC },
		{ "kernel.msgmni",	LP_NS_IPC },
		{ "kernel.sem",		LP_NS_IPC },
		{ "kernel.shmall",	LP_NS_IPC },
		{ "kernel.shmmax",	LP_NS_IPC },
		{ "kernel.shmmni",	LP_NS_IPC },
		{ "kernel.shm_rmid_forced", LP_NS_IPC },
		{ "fs.mqueue.",		LP_NS_IPC },
		{ "kernel.domainname",	LP_NS_UTS },
	};
	char dotted[SYSCTL_PATH];
	size_t len = strlen(name);

	if (!is_plain(name))
		return false;
	for (size_t i = 0; i <= len; i++)
		dotted[i] = name[i] == '/' ? '.' : name[i];
	for (size_t i = 0; i < lp_count(rows); i++) {
		size_t row = strlen(rows[i].name);
		bool below = rows[i].name[row - 1] == '.';

		if ((below ? strncmp(dotted, rows[i].name, row) : strcmp(dotted, rows[i].name)) == 0)
			return (made & LP_NS_BIT(rows[i].ns)) != 0;
	}
	return false;
}

/* ---- the helper ---- */

struct helper_note {
	struct lp_err err;	/* code 0: done */
};

int
lp_ns_write_sysctls(int proc_fd, const struct lp_sysctl *sysctls, size_t count, uint32_t made, struct lp_err *err)
{
	for (size_t i = 0; i < count; i++) {
		char path[SYSCTL_PATH + 4];
		int rc;

		if (!is_plain(sysctls[i].name))
			return lp_err_say(err, -EINVAL, "sysctl %.100s contains an invalid path", sysctls[i].name);
		if (!lp_ns_sysctl_allowed(sysctls[i].name, made))
			return lp_err_say(err, -EPERM, "sysctl %s is not one of the container's own namespaces", sysctls[i].name);
		(void)snprintf(path, sizeof(path), "sys/%s", sysctls[i].name);
		for (char *c = path; *c; c++)
			*c = *c == '.' ? '/' : *c;
		rc = lp_path_put(proc_fd, path, sysctls[i].value, err);
		if (rc < 0)
			return lp_err_wrap(err, "sysctl %s", sysctls[i].name);
	}
	return 0;
}

static int
helper_work(const struct lp_ns_config *config, int proc_fd, struct lp_err *err)
{
	if (config->hostname && sethostname(config->hostname, strlen(config->hostname)) < 0)
		return lp_err_set(err, -errno, "host name %s", config->hostname);
	if (config->domainname && setdomainname(config->domainname, strlen(config->domainname)) < 0)
		return lp_err_set(err, -errno, "domain name %s", config->domainname);
	return lp_ns_write_sysctls(proc_fd, config->sysctls, config->sysctl_count, config->make, err);
}

/* In another's user namespace the new ones are its own. */
static int
make_for(const struct lp_ns_config *config, struct lp_err *err)
{
	int flags = 0;

	for (int i = 0; i < LP_NS_COUNT; i++)
		flags |= config->make & LP_NS_BIT(i) ? kinds[i].flag : 0;
	if (setns(*config->user_fd, CLONE_NEWUSER) < 0)
		return lp_err_set(err, -errno, "enter the user namespace");
	return unshare(flags) < 0 ? lp_err_set(err, -errno, "new namespaces") : 0;
}

/* Files of /proc/sys belong to the namespace's root, which the maps have just given us, if they have one. */
static int
become_root(const struct lp_ns_config *config, struct lp_err *err)
{
	const uint32_t uid = config->uid_count && lp_ns_map(config->uids, config->uid_count, 0, &(uint32_t){ 0 }) < 0 ? config->uids[0].inside : 0;
	const uint32_t gid = config->gid_count && lp_ns_map(config->gids, config->gid_count, 0, &(uint32_t){ 0 }) < 0 ? config->gids[0].inside : 0;

	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
		/* A namespace that we have entered may have none at all. */
		if (config->user_fd && errno == EINVAL)
			return 0;
		return lp_err_set(err, -errno, "become root of the user namespace");
	}
	return 0;
}

static void __attribute__((noreturn))
helper_main(const struct lp_ns_config *config, int sock, int proc_fd)
{
	struct helper_note note = { .err = { 0 } };
	char go;
	int rc = 0;

	/* Either the parent's word that the maps are written, or its end. */
	if (recv(sock, &go, 1, 0) == 1) {
		if (config->user_fd)
			rc = make_for(config, &note.err);
		if (rc == 0 && (config->user_fd || (config->make & LP_NS_BIT(LP_NS_USER))))
			rc = become_root(config, &note.err);
		if (rc == 0)
			rc = helper_work(config, proc_fd, &note.err);
		if (rc == 0 && (config->make & LP_NS_BIT(LP_NS_PID)))
			rc = lp_reaper_prepare(&note.err);
		(void)send(sock, &note, sizeof(note), MSG_NOSIGNAL);	/* nobody listens: the parent is gone */
		/* Until the parent has opened our namespaces; a reaper until it was released. */
		if (recv(sock, &go, 1, 0) == 1 && rc == 0 && (config->make & LP_NS_BIT(LP_NS_PID)))
			lp_reaper_main();
	}
	_exit(0);
}

static int
write_map(int proc_fd, pid_t pid, const char *file, const struct lp_idmap *map, size_t count, struct lp_err *err)
{
	char path[PID_TEXT + 16], text[MAP_TEXT];
	size_t len = 0;

	if (count == 0 || count > LP_IDMAP_MAX)
		return lp_err_say(err, -EINVAL, "a user namespace needs 1 to %d lines in its %s", LP_IDMAP_MAX, file);
	for (size_t i = 0; i < count; i++)
		len += len >= sizeof(text) ? 0 : (size_t)snprintf(text + len, sizeof(text) - len, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n",
		    map[i].inside, map[i].outside, map[i].count);
	if (len >= sizeof(text))
		return lp_err_say(err, -E2BIG, "%s has more text than a page", file);
	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	if (lp_path_put(proc_fd, path, text, err) < 0)
		return lp_err_wrap(err, "%s", file);
	return 0;
}

static int
open_all(int proc_fd, pid_t pid, uint32_t which, struct lp_ns_set *out, struct lp_err *err)
{
	for (int i = 0; i < LP_NS_COUNT; i++) {
		char path[PID_TEXT + 16];

		if (!(which & LP_NS_BIT(i)))
			continue;
		(void)snprintf(path, sizeof(path), "%d/ns/%s", (int)pid, kinds[i].name);
		/* A magic link by nature; proc_fd is our own procfs, so what it names is the kernel's. */
		out->fds[i] = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
		if (out->fds[i] < 0)
			return lp_err_set(err, -errno, "open %s namespace", kinds[i].name);
	}
	return 0;
}

static int
helper_result(int sock, struct lp_err *err)
{
	struct helper_note note;
	ssize_t len;

	if (send(sock, "g", 1, MSG_NOSIGNAL) != 1)
		return lp_err_set(err, -errno, "tell the namespace helper to go on");
	do {
		len = recv(sock, &note, sizeof(note), 0);
	} while (len < 0 && errno == EINTR);
	if (len != (ssize_t)sizeof(note))
		return lp_err_say(err, -ECHILD, "the namespace helper died");
	if (note.err.code) {
		if (err)
			*err = note.err;
		return note.err.code;
	}
	return 0;
}

static int
drive_helper(const struct lp_ns_config *config, pid_t pid, int sock, int proc_fd, struct lp_ns_set *set, struct lp_err *err)
{
	int rc;

	if (config->make & LP_NS_BIT(LP_NS_USER)) {
		rc = write_map(proc_fd, pid, "uid_map", config->uids, config->uid_count, err);
		if (rc == 0)
			rc = write_map(proc_fd, pid, "gid_map", config->gids, config->gid_count, err);
		if (rc < 0)
			return rc;
	}
	rc = helper_result(sock, err);
	return rc < 0 ? rc : open_all(proc_fd, pid, config->make, set, err);
}

/* A child, and a socket between us: each side gets its own end. The child's number; 0 in the child. */
static pid_t
clone_helper(struct clone_args *args, const char *what, int *out_sock, struct lp_err *err)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return lp_err_set(err, -errno, "socket pair");
	pid = (pid_t)syscall(SYS_clone3, args, sizeof(*args));
	if (pid < 0)
		pid = lp_err_set(err, -errno, "%s", what);
	/* Of an end that both hold the other side would never see the close. */
	(void)close(pair[pid != 0]);
	*out_sock = pair[pid == 0];
	return pid;
}

int
lp_ns_make(const struct lp_ns_config *config, struct lp_ns_set *out, struct lp_err *err)
{
	const uint32_t others = LP_NS_BIT(LP_NS_NET) | LP_NS_BIT(LP_NS_IPC) | LP_NS_BIT(LP_NS_UTS);
	const uint32_t allowed = config->user_fd ? others : others | LP_NS_BIT(LP_NS_USER) | LP_NS_BIT(LP_NS_PID);
	const bool reaper = (config->make & LP_NS_BIT(LP_NS_PID)) != 0;
	int pidfd = -1;
	struct clone_args args = { .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD };
	lp_auto_fd int sock = -1;
	struct lp_ns_set set;
	int proc_fd, rc;
	pid_t pid;

	if (config->make & ~allowed)
		return lp_err_say(err, -EINVAL, "only user, net, ipc, uts and pid namespaces are made together");
	for (int i = 0; i < LP_NS_COUNT; i++)
		args.flags |= config->make & LP_NS_BIT(i) && !config->user_fd ? (uint64_t)(unsigned)kinds[i].flag : 0;
	rc = lp_mount_proc(&proc_fd, err);
	if (rc < 0)
		return rc;
	pid = clone_helper(&args, "clone into new namespaces", &sock, err);
	if (pid < 0)
		return pid;
	if (pid == 0)
		helper_main(config, sock, proc_fd);
	lp_ns_set_init(&set);
	set.reaper_fd = pidfd;
	rc = drive_helper(config, pid, sock, proc_fd, &set, err);
	if (rc < 0 && reaper)
		(void)kill(pid, SIGKILL);	/* still ours: not reaped yet */
	if (rc == 0 && reaper) {
		set.reaper = pid;
		set.reaper_go = lp_take_fd(&sock);
		*out = set;
		return 0;
	}
	lp_close(&sock);	/* lets the helper go */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	lp_close(&set.reaper_fd);
	if (rc < 0) {
		lp_ns_set_fini(&set);
		return rc;
	}
	*out = set;
	return 0;
}

void
lp_ns_release(struct lp_ns_set *set)
{
	if (set->reaper_go >= 0)
		(void)send(set->reaper_go, "g", 1, MSG_NOSIGNAL);	/* it has ended: that is seen at its pidfd */
	lp_close(&set->reaper_go);
}

/* The pid a pidfd stands for, from our own fdinfo. -ESRCH when it is gone. */
static int
pid_of(int proc_fd, int pidfd, pid_t *out, struct lp_err *err)
{
	char path[PID_TEXT + 24];
	struct lp_buf text;
	const char *line;
	uint64_t pid = 0;
	int rc;

	(void)snprintf(path, sizeof(path), "self/fdinfo/%d", pidfd);
	lp_buf_init(&text, 4096);
	rc = lp_path_read(proc_fd, path, &text, err);
	line = rc < 0 ? NULL : strstr(lp_buf_text(&text), "\nPid:");
	if (rc == 0 && (!line || lp_text_word_u64(line + 1, 1, INT_MAX, &pid) < 0 || pid == 0))
		rc = lp_err_set(err, -ESRCH, "process behind a pidfd");
	lp_buf_fini(&text);
	*out = (pid_t)pid;
	return rc < 0 ? rc : 0;
}

int
lp_ns_open(int pidfd, uint32_t which, struct lp_ns_set *out, struct lp_err *err)
{
	int proc_fd;
	struct lp_ns_set set;
	pid_t pid = 0;
	int rc = lp_mount_proc(&proc_fd, err);

	if (rc == 0)
		rc = pid_of(proc_fd, pidfd, &pid, err);
	if (rc < 0)
		return rc;
	lp_ns_set_init(&set);
	rc = open_all(proc_fd, pid, which, &set, err);
	/* Still the same process? Then the descriptors are its. */
	if (rc == 0 && syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
		rc = lp_err_set(err, -errno, "process ended while its namespaces were opened");
	if (rc < 0) {
		lp_ns_set_fini(&set);
		return rc;
	}
	*out = set;
	return 0;
}

/* ---- maps ---- */

static int
read_map(int proc_fd, pid_t pid, const char *file, struct lp_idmap **out, size_t *out_count, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	lp_auto_free struct lp_idmap *map = NULL;
	char path[PID_TEXT + 16];
	size_t count = 0, lines = 0;
	int rc;

	lp_buf_init(&text, READ_MAX);
	(void)snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	rc = lp_path_read(proc_fd, path, &text, err);
	if (rc < 0)
		return rc;
	for (const char *c = lp_buf_text(&text); *c; c++)
		lines += *c == '\n';
	map = calloc(lines + 1, sizeof(*map));
	if (!map)
		return lp_err_set(err, -ENOMEM, "%s", file);
	for (const char *line = lp_buf_text(&text); count < lines; line += strcspn(line, "\n") + 1) {
		uint64_t number[3];

		for (size_t i = 0; i < 3; i++)
			if (lp_text_word_u64(line, i, UINT32_MAX, &number[i]) < 0)
				return lp_err_say(err, -EBADMSG, "%s is not of the known form", file);
		map[count++] = (struct lp_idmap){ .inside = (uint32_t)number[0], .outside = (uint32_t)number[1], .count = (uint32_t)number[2] };
	}
	*out = lp_take(&map);
	*out_count = count;
	return 0;
}

void
lp_ns_maps_fini(struct lp_ns_maps *maps)
{
	free(maps->uids);
	free(maps->gids);
	memset(maps, 0, sizeof(*maps));
}

int
lp_ns_maps_read(int proc_fd, pid_t pid, struct lp_ns_maps *out, struct lp_err *err)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = read_map(proc_fd, pid, "uid_map", &out->uids, &out->uid_count, err);
	return rc < 0 ? rc : read_map(proc_fd, pid, "gid_map", &out->gids, &out->gid_count, err);
}

/* Somebody has to be in it for its maps to be read. */
static void __attribute__((noreturn))
guest_main(int userns_fd, int sock)
{
	struct helper_note note = { .err = { 0 } };
	char go;

	if (setns(userns_fd, CLONE_NEWUSER) < 0)
		(void)lp_err_set(&note.err, -errno, "enter the user namespace");
	(void)send(sock, &note, sizeof(note), MSG_NOSIGNAL);	/* nobody listens: the parent is gone */
	(void)recv(sock, &go, 1, 0);				/* until the parent has read */
	_exit(0);
}

int
lp_ns_maps_of(int userns_fd, struct lp_ns_maps *out, struct lp_err *err)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	lp_auto_fd int sock = -1;
	int proc_fd, rc;
	pid_t pid;

	memset(out, 0, sizeof(*out));
	rc = lp_mount_proc(&proc_fd, err);
	if (rc < 0)
		return rc;
	pid = clone_helper(&args, "clone to look into a user namespace", &sock, err);
	if (pid < 0)
		return pid;
	if (pid == 0)
		guest_main(userns_fd, sock);
	rc = helper_result(sock, err);
	if (rc == 0)
		rc = lp_ns_maps_read(proc_fd, pid, out, err);
	lp_close(&sock);	/* lets the guest go */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return rc;
}
