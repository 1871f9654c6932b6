#include "runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/caps.h"
#include "runtime/handoff.h"
#include "runtime/hook.h"
#include "runtime/seccomp.h"
#include "runtime/traits.h"

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { PATH_BYTES = 4096, FIRST_SPARE_FD = 3, FIRST_REALTIME = 32, FEW_GROUPS = 32 };

/* ---- a clean start ---- */

/*
 * The kernel's word, for libc's sigaction takes a lock for SIGABRT: a page that would be the container's. Source: struct sigaction of
 * the kernel begins with the handler; its set of signals has 8 bytes.
 */
static bool
is_usual(int signal)
{
	struct {
		void (*handler)(int);
		unsigned long rest[8];
	} now = { 0 };

	return syscall(SYS_rt_sigaction, signal, NULL, &now, (size_t)8) == 0 && now.handler == SIG_DFL;
}

int
lp_process_reset(struct lp_err *err)
{
	const struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;

	/* Nobody in the container may look into us while we are on our way. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return lp_err_set(err, -errno, "become undumpable");
	/* Handlers go at execve; ignored ones would stay. Real-time signals are nobody's to ignore here. */
	for (int signal = 1; signal < FIRST_REALTIME; signal++)
		if (!is_usual(signal))
			(void)sigaction(signal, &usual, NULL);	/* SIGKILL and SIGSTOP refuse, rightly */
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
		return lp_err_set(err, -errno, "unblock signals");
	if (setsid() < 0)
		return lp_err_set(err, -errno, "new session");
	(void)umask(0);
	return 0;
}

int
lp_process_as_root(const struct lp_idmap *uids, size_t uid_count, const struct lp_idmap *gids, size_t gid_count, struct lp_err *err)
{
	uint32_t uid, gid;

	lp_ns_root(uids, uid_count, gids, gid_count, &uid, &gid);
	(void)setfsgid(gid);	/* these two report the id before, never a failure: ask again */
	(void)setfsuid(uid);
	if (setfsgid(gid) != (int)gid || setfsuid(uid) != (int)uid)
		return lp_err_say(err, -EPERM, "could not take file system ids %u:%u", uid, gid);
	return lp_caps_raise(err);
}

/* ---- limits ---- */

static void
note(const struct lp_process_start *start, const struct lp_err *words)
{
	(void)lp_handoff_send(start->sock, LP_HANDOFF_NOTE, words, -1, NULL);	/* the owner is gone: nobody to tell */
}

static int
set_oom(const struct lp_process_start *start, int proc_fd, struct lp_err *err)
{
	char text[16];
	struct lp_err words = { 0 };
	int rc;

	if (!start->config->oom_score_set)
		return 0;
	(void)snprintf(text, sizeof(text), "%d", (int)start->config->oom_score_adj);
	rc = lp_path_put(proc_fd, "self/oom_score_adj", text, &words);
	if (rc == -EACCES) {	/* lowering it takes CAP_SYS_RESOURCE, which a restricted owner lacks */
		(void)lp_err_say(&words, rc, "oom_score_adj %s not set: no CAP_SYS_RESOURCE", text);
		note(start, &words);
		return 0;
	}
	if (rc < 0 && err)
		*err = words;
	return rc;
}

int
lp_process_limits(const struct lp_process_start *start, int proc_fd, struct lp_err *err)
{
	int rc = set_oom(start, proc_fd, err);

	return rc < 0 ? rc : lp_traits_apply(start->config, proc_fd, err);
}

/* ---- streams ---- */

/*
 * A pipe belongs to whoever made it; a container whose user is not root could not reopen /dev/stdout (nginx and many others
 * do). A terminal likewise. Others open /dev/stderr when they have gone over to a user of their own (lighttpd): whoever holds a
 * pipe may reopen it for writing. One with a name is somebody's file and keeps its mode.
 */
static int
give_stream(int fd, const struct stat *st, uint32_t uid)
{
	struct statfs fs;

	if (st->st_uid != uid && fchown(fd, uid, (gid_t)-1) < 0)
		return -errno;
	if (S_ISFIFO(st->st_mode) && fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC && fchmod(fd, 0622) < 0)
		return -errno;
	return 0;
}

static void
own_stream(const struct lp_process_start *start, int fd, uint32_t uid)
{
	struct lp_err words;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(fd))))
		return;
	rc = give_stream(fd, &st, uid);
	if (rc == 0)
		return;
	/* The stream itself works: only reopening it does not. */
	(void)lp_err_set(&words, rc, "standard stream %d cannot be given to the user", fd);
	note(start, &words);
}

static int
set_streams(const struct lp_process_start *start, uint32_t uid, struct lp_err *err)
{
	int fds[3];

	/* Out of the way first: the descriptors may be 0, 1, 2 in another order. */
	for (int i = 0; i < 3; i++) {
		int from = start->slave >= 0 ? start->slave : start->config->stdio[i];

		fds[i] = fcntl(from >= 0 ? from : start->null_fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
		if (fds[i] < 0)
			return lp_err_set(err, -errno, "standard stream %d", i);
	}
	for (int i = 0; i < 3; i++) {
		if (dup2(fds[i], i) < 0)
			return lp_err_set(err, -errno, "standard stream %d", i);
		own_stream(start, i, uid);
		(void)close(fds[i]);	/* a copy */
	}
	if (start->slave >= 0 && ioctl(0, TIOCSCTTY, 0) < 0)
		return lp_err_set(err, -errno, "controlling terminal");
	return 0;
}

/* ---- rights ---- */

/* A directory outside our root has no absolute name (CVE-2024-21626). A long name has a frame of its own: its pages are the container's. */
__attribute__((noinline)) static bool
is_inside_long(void)
{
	char got[PATH_BYTES];

	return syscall(SYS_getcwd, got, sizeof(got)) >= 0 && got[0] == '/';
}

static bool
is_inside(void)
{
	char got[128];
	long len = syscall(SYS_getcwd, got, sizeof(got));

	return len < 0 && errno == ERANGE ? is_inside_long() : len >= 0 && got[0] == '/';
}

static int
go_home(const struct lp_process_config *config, struct lp_err *err)
{
	const char *cwd = config->cwd && config->cwd[0] ? config->cwd : "/";

	if (cwd[0] != '/')
		return lp_err_say(err, -EINVAL, "working directory %s is not absolute", cwd);
	if (chdir(cwd) < 0)
		return lp_err_set(err, -errno, "chdir to cwd (\"%s\") set in config", cwd);
	if (!is_inside())
		return lp_err_say(err, -EXDEV, "working directory %s is outside of the container", cwd);
	return 0;
}

static int
enter_user(const struct lp_process_start *start, struct lp_err *err)
{
	if (start->userns_fd < 0)
		return 0;
	if (setns(start->userns_fd, CLONE_NEWUSER) < 0)
		return lp_err_set(err, -errno, "enter the user namespace");
	/* Every mount made so far is locked in the copy: it can be covered, never taken off or made writable. */
	if (start->own_mounts && (start->config->caps.bounding & (UINT64_C(1) << CAP_SYS_ADMIN)) && unshare(CLONE_NEWNS) < 0)
		return lp_err_set(err, -errno, "own mount namespace");
	return 0;
}

/* LP_CAP_ALL means all that there are to give; a named one that we lack is an error at capset. */
static void
settle_caps(const struct lp_process_start *start, struct lp_caps *caps)
{
	uint64_t ceiling, known;
	struct lp_err words;

	*caps = start->config->caps;
	if (caps->bounding != LP_CAP_ALL)
		return;
	ceiling = lp_caps_ceiling();
	known = lp_caps_known();
	caps->bounding = ceiling;
	caps->permitted &= ceiling;
	caps->effective &= ceiling;
	caps->inheritable &= ceiling;
	caps->ambient &= ceiling;
	if (ceiling != known) {
		(void)lp_err_say(&words, -EPERM, "capabilities %#llx are not ours to give", (unsigned long long)(known & ~ceiling));
		note(start, &words);
	}
}

/* In a user namespace of an ordinary user the groups are as they are: none can be set, and none be given up. */
static bool
groups_fixed(const struct lp_process_start *start)
{
	struct lp_err words;

	if (errno != EPERM || start->config->group_count > 0)
		return false;
	(void)lp_err_say(&words, -EPERM, "supplementary groups stay as they are: this user namespace may not set them");
	note(start, &words);
	return true;
}

static int
set_ids(const struct lp_process_start *start, bool *out_groups, struct lp_err *err)
{
	const struct lp_process_config *config = start->config;

	*out_groups = !config->keep_groups;
	/* by libc: on 32-bit machines the call of this name takes ids of 16 bits */
	if (!config->keep_groups && setgroups(config->group_count, config->groups) < 0) {
		if (!groups_fixed(start))
			return lp_err_set(err, -errno, "set %zu groups", config->group_count);
		*out_groups = false;
	}
	if (setresgid(config->gid, config->gid, config->gid) < 0)
		return lp_err_set(err, -errno, "set group id %u", config->gid);
	if (setresuid(config->uid, config->uid, config->uid) < 0)
		return lp_err_set(err, -errno, "set user id %u", config->uid);
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	const gid_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static int
verify_groups(const struct lp_process_config *config, struct lp_err *err)
{
	gid_t few[FEW_GROUPS];
	lp_auto_free gid_t *many = config->group_count > FEW_GROUPS ? calloc(config->group_count, sizeof(gid_t)) : NULL;
	gid_t *have = many ? many : few;
	const int wanted = (int)config->group_count;

	if (wanted > FEW_GROUPS && !many)
		return lp_err_set(err, -ENOMEM, "%d groups", wanted);
	if (getgroups(0, NULL) != wanted || (wanted && getgroups(wanted, have) != wanted))
		return lp_err_say(err, -EPERM, "groups are not what was set");
	qsort(have, (size_t)wanted, sizeof(gid_t), by_id);
	for (int i = 0; i < wanted; i++)
		if (!bsearch(&config->groups[i], have, (size_t)wanted, sizeof(gid_t), by_id))
			return lp_err_say(err, -EPERM, "group %u is not what was set", config->groups[i]);
	return 0;
}

static int
verify(const struct lp_process_config *config, const struct lp_caps *caps, bool groups, struct lp_err *err)
{
	int rc;
	uid_t uid[3];
	gid_t gid[3];

	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return lp_err_set(err, -errno, "read ids back");
	for (int i = 0; i < 3; i++)
		if (uid[i] != config->uid || gid[i] != config->gid)
			return lp_err_say(err, -EPERM, "ids are not what was set: %u:%u", uid[i], gid[i]);
	rc = groups ? verify_groups(config, err) : 0;
	if (rc < 0)
		return rc;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != (int)config->no_new_privs)
		return lp_err_say(err, -EPERM, "no_new_privs is not what was set");
	return lp_caps_verify(caps, err);
}

/* The listener of a filter that notifies goes to the owner at once; a filter that stops sendmsg stops that too. */
static int
load_filter(const struct lp_process_start *start, struct lp_err *err)
{
	lp_auto_fd int listener = -1;
	int rc;

	if (start->tell)
		(void)lp_handoff_send(start->sock, LP_HANDOFF_EXEC, NULL, -1, NULL);	/* who started us may be gone: we run all the same */
	rc = lp_seccomp_load_with(start->seccomp, start->seccomp_bytes,
	    start->config->seccomp == LP_SECCOMP_GIVEN ? start->config->seccomp_flags : 0, &listener, err);

	if (rc == 0 && listener >= 0)
		rc = lp_handoff_send(start->sock, LP_HANDOFF_LISTENER, NULL, listener, err);
	return rc;
}

static int
drop(const struct lp_process_start *start, const struct lp_caps *caps, struct lp_err *err)
{
	const struct lp_process_config *config = start->config;
	bool groups = true;
	int rc = lp_caps_bound(caps->bounding, err);

	if (rc < 0)
		return rc;
	if (config->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return lp_err_set(err, -errno, "no_new_privs");
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return lp_err_set(err, -errno, "keep capabilities across the change of user");
	rc = set_ids(start, &groups, err);
	/* Without no_new_privs a filter needs CAP_SYS_ADMIN: then it is loaded just before that goes. */
	if (rc == 0 && !config->no_new_privs) {
		rc = lp_caps_raise(err);
		if (rc == 0)
			rc = load_filter(start, err);
	}
	if (rc == 0)
		rc = lp_caps_apply(caps, err);
	if (rc == 0 && prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		rc = lp_err_set(err, -errno, "no longer keep capabilities");
	return rc < 0 ? rc : verify(config, caps, groups, err);
}

int
lp_process_enter(const struct lp_process_start *start, struct lp_err *err)
{
	const struct lp_process_config *config = start->config;
	uint32_t uid;
	int rc;

	if (lp_ns_map(start->uids, start->uid_count, config->uid, &uid) < 0)
		return lp_err_say(err, -ERANGE, "user id %u is not mapped in the container's user namespace", config->uid);
	rc = set_streams(start, uid, err);
	if (rc == 0)
		rc = go_home(config, err);
	if (rc < 0)
		return rc;
	/* A keyring of its own; kernels without keys have none to share. */
	if (!config->keep_keyring && syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS && errno != EPERM &&
	    errno != EDQUOT)
		return lp_err_set(err, -errno, "session keyring");
	return enter_user(start, err);
}

int
lp_process_become(const struct lp_process_start *start, struct lp_err *err)
{
	const struct lp_process_config *config = start->config;
	struct lp_caps caps;
	int rc;

	/* Nothing of the owner's crosses execve but what it asked for (of the rest, ours is close-on-exec by itself). */
	if (close_range(FIRST_SPARE_FD + config->keep_fds, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "close what is open at execve");
	settle_caps(start, &caps);
	rc = drop(start, &caps, err);
	if (rc < 0)
		return rc;
	(void)umask(config->umask || config->umask_set ? config->umask & 0777 : 022);
	if (config->no_new_privs)
		rc = load_filter(start, err);
	return rc == 0 && start->hooks ? lp_hook_group(start->hooks, start->pid, err) : rc;
}

/* ---- the program ---- */

static const char *
value_of(const char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* A directory answers EACCES like a file without x; only a file that exists ends the search with "permission denied". */
static bool
is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int
say_exec(struct lp_err *err, int code, const char *name, bool searched)
{
	switch (code) {
	case ENOENT:
	case ENOTDIR:
		if (searched)
			return lp_err_say(err, -ENOENT, "exec: \"%.150s\": executable file not found in $PATH", name);
		/* Of a file that is there, what it names in its first line or in its header is missing. */
		return lp_err_say(err, -ENOENT, "exec: \"%.100s\": %s %.100s: no such file or directory", name, is_file(name) ? "exec" : "stat", name);
	case EACCES:
	case EISDIR:
	case EPERM:
		return lp_err_say(err, -EACCES, "exec: \"%.150s\": permission denied", name);
	case ENOEXEC:
		return lp_err_say(err, -ENOEXEC, "exec: \"%.150s\": exec format error", name);
	default:
		return lp_err_set(err, -code, "exec: \"%.150s\"", name);
	}
}

static int
look_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EISDIR;
	return st.st_mode & 0111 ? 0 : EACCES;
}

int
lp_process_find(const struct lp_process_config *config, struct lp_err *err)
{
	const char *name = config->args[0], *path = value_of(config->env, "PATH");
	char full[PATH_BYTES];
	int code = ENOENT;

	if (config->no_program)
		return 0;
	if (strchr(name, '/')) {
		code = look_at(name);
		return code ? say_exec(err, code, name, false) : 0;
	}
	for (const char *dir = path ? path : USUAL_PATH; dir;) {
		size_t len = strcspn(dir, ":");
		int need = len == 0 || dir[0] != '/' ? -1 : snprintf(full, sizeof(full), "%.*s/%s", (int)len, dir, name);

		if (need > 0 && (size_t)need < sizeof(full)) {
			int now = look_at(full);

			if (now == 0)
				return 0;
			code = now == EACCES ? EACCES : code;
		}
		dir = dir[len] ? dir + len + 1 : NULL;
	}
	return say_exec(err, name[0] ? code : ENOENT, name, true);
}

int
lp_process_exec(const struct lp_process_config *config, struct lp_err *err)
{
	static const char *const nothing[] = { NULL };
	const char *const *env = config->env ? config->env : nothing;
	const char *name = config->args[0], *path = value_of(env, "PATH");
	char full[PATH_BYTES];
	int code = ENOENT;

	if (config->no_program)
		return lp_err_say(err, -EINVAL, "there is no process to start: config.json has none");
	if (!name[0])
		return say_exec(err, ENOENT, name, true);
	if (strchr(name, '/')) {
		(void)execve(name, (char *const *)(uintptr_t)config->args, (char *const *)(uintptr_t)env);
		return say_exec(err, errno, name, false);
	}
	for (const char *dir = path ? path : USUAL_PATH; dir;) {
		size_t len = strcspn(dir, ":");
		/* An empty part would mean the working directory, which no image should decide. */
		int need = len == 0 || dir[0] != '/' ? -1 : snprintf(full, sizeof(full), "%.*s/%s", (int)len, dir, name);

		if (need > 0 && (size_t)need < sizeof(full)) {
			(void)execve(full, (char *const *)(uintptr_t)config->args, (char *const *)(uintptr_t)env);
			if (errno == EACCES && is_file(full))
				code = EACCES;
			else if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
				return say_exec(err, errno, name, true);
		}
		dir = dir[len] ? dir + len + 1 : NULL;
	}
	return say_exec(err, code, name, true);
}
