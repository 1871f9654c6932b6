#include "runtime/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/mount.h"
#include "runtime/seccomp.h"

enum { NOTES_MAX = 1024, EXEC_TIMEOUT_MS = 60000, PF_NOT_EXECUTED = 0x40, WAITID_PIDFD = 3 };

void
lp_launch_init(struct lp_launch *launch)
{
	memset(launch, 0, sizeof(*launch));
	launch->pidfd = launch->sock = launch->terminal = -1;
	lp_buf_init(&launch->notes, NOTES_MAX);
}

void
lp_launch_fini(struct lp_launch *launch)
{
	lp_close(&launch->pidfd);
	lp_close(&launch->sock);
	lp_close(&launch->terminal);
	lp_buf_fini(&launch->notes);
}

/* ---- preparing ---- */

static void
inside_init(struct lp_inside *inside, const struct lp_container_config *config)
{
	memset(inside, 0, sizeof(*inside));
	inside->config = config;
	inside->cgroup_mount = inside->sock = -1;
	for (int i = 0; i < LP_NS_COUNT; i++)
		inside->join[i] = -1;
	lp_rootfs_parts_init(&inside->rootfs);
}

static void
inside_fini(struct lp_inside *inside)
{
	for (size_t i = 0; inside->binds && i < inside->config->mount_count; i++)
		lp_close(&inside->binds[i]);
	free(inside->binds);
	lp_rootfs_parts_fini(&inside->rootfs);
	lp_close(&inside->cgroup_mount);
	lp_close(&inside->sock);
}

static int
prepare_bind(const struct lp_mount *mount, int userns_fd, int *out_fd, struct lp_err *err)
{
	const bool recursive = (mount->flags & LP_MOUNT_RECURSIVE) != 0;
	lp_auto_fd int fd = -1, tree = -1;
	int rc = lp_mount_place(&mount->source, &fd, err);

	if (rc == 0)
		rc = lp_mount_clone(fd, recursive, &tree, err);
	if (rc == 0 && userns_fd >= 0 && !(mount->flags & LP_MOUNT_NO_IDMAP))
		rc = lp_mount_idmap(tree, userns_fd, recursive, mount->source.path ? mount->source.path : mount->target, err);
	if (rc == 0)
		*out_fd = lp_take_fd(&tree);
	return rc;
}

static int
prepare_cgroup_mount(struct lp_inside *inside, struct lp_err *err)
{
	lp_auto_fd int root = -1;
	int rc = lp_cgroup_root_open(NULL, &root, err);

	if (rc == -EOPNOTSUPP) {
		lp_err_clear(err);
		return 0;
	}
	return rc < 0 ? rc : lp_mount_clone(root, false, &inside->cgroup_mount, err);
}

static int
prepare_mounts(struct lp_inside *inside, int userns_fd, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;
	int rc = 0;

	inside->binds = calloc(config->mount_count + 1, sizeof(inside->binds[0]));
	if (!inside->binds)
		return lp_err_set(err, -ENOMEM, "mounts");
	for (size_t i = 0; i < config->mount_count; i++)
		inside->binds[i] = -1;
	for (size_t i = 0; rc == 0 && i < config->mount_count; i++) {
		const struct lp_mount *mount = &config->mounts[i];

		if (mount->kind == LP_MOUNT_BIND)
			rc = prepare_bind(mount, userns_fd, &inside->binds[i], err);
		else if (mount->kind == LP_MOUNT_CGROUP && config->ns[LP_NS_CGROUP].how == LP_NS_HOST && inside->cgroup_mount < 0)
			rc = prepare_cgroup_mount(inside, err);
		if (rc < 0)
			return lp_err_wrap(err, "mount at %s", mount->target);
	}
	return 0;
}

/*
 * Which namespaces clone3 makes (flags), which are entered by descriptor. A new user namespace, and with it the new network,
 * ipc and uts namespaces that must belong to it, come from lp_ns_make: `made` owns them.
 */
static int
choose_namespaces(struct lp_inside *inside, struct lp_ns_set *made, uint64_t *out_flags, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;
	const struct lp_ns_choice *ns = config->ns;
	const bool own_user = ns[LP_NS_USER].how == LP_NS_NEW;
	struct lp_ns_config wanted = { .uids = config->uids, .gids = config->gids,
		.uid_count = config->uid_count, .gid_count = config->gid_count,
		.sysctls = config->sysctls, .sysctl_count = config->sysctl_count };
	uint64_t flags = CLONE_NEWNS;

	if (ns[LP_NS_MOUNT].how != LP_NS_NEW)
		return lp_err_say(err, -EINVAL, "a container has a mount namespace of its own");
	for (int i = 0; i < LP_NS_COUNT; i++) {
		if (ns[i].how == LP_NS_JOIN)
			inside->join[i] = ns[i].fd;
		else if (ns[i].how == LP_NS_NEW && own_user && i <= LP_NS_UTS)
			wanted.make |= LP_NS_BIT(i);
		else if (ns[i].how == LP_NS_NEW && i != LP_NS_CGROUP)
			flags |= (uint64_t)(unsigned)lp_ns_flag((enum lp_ns)i);
	}
	*out_flags = flags;
	if (!own_user)
		return 0;
	wanted.hostname = wanted.make & LP_NS_BIT(LP_NS_UTS) ? config->hostname : NULL;
	if (lp_ns_make(&wanted, made, err) < 0)
		return lp_err_wrap(err, "namespaces");
	for (int i = 0; i < LP_NS_COUNT; i++)
		if (made->fds[i] >= 0)
			inside->join[i] = made->fds[i];
	return 0;
}

/* ---- cloning ---- */

int
lp_launch_clone(uint64_t flags, int cgroup_fd, pid_t *out_pid, int *out_pidfd, struct lp_err *err)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid;

	if (cgroup_fd >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)(unsigned)cgroup_fd;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return lp_err_set(err, -errno, "clone3");
	*out_pid = pid;
	if (pid > 0)
		*out_pidfd = pidfd;
	return 0;
}

/* Children go into the pid namespace fd names until it is undone with our own. */
static int
children_into(int pid_ns_fd, int *out_own, struct lp_err *err)
{
	lp_auto_fd int own = -1;
	int proc_fd, rc = lp_mount_proc(&proc_fd, err);

	if (rc < 0)
		return rc;
	own = openat(proc_fd, "self/ns/pid", O_RDONLY | O_CLOEXEC);	/* a magic link by nature, in a procfs of ours */
	if (own < 0)
		return lp_err_set(err, -errno, "open our pid namespace");
	if (setns(pid_ns_fd, CLONE_NEWPID) < 0)
		return lp_err_set(err, -errno, "enter the pid namespace");
	*out_own = lp_take_fd(&own);
	return 0;
}

static int
clone_child(struct lp_inside *inside, uint64_t flags, int cgroup_fd, struct lp_launch *launch, struct lp_err *err)
{
	const int pid_ns = inside->join[LP_NS_PID];
	lp_auto_fd int own = -1;
	int pair[2], rc = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return lp_err_set(err, -errno, "socket pair");
	launch->sock = pair[0];
	inside->sock = pair[1];
	if (pid_ns >= 0)
		rc = children_into(pid_ns, &own, err);
	if (rc == 0)
		rc = lp_launch_clone(flags, cgroup_fd, &launch->pid, &launch->pidfd, err);
	if (rc == 0 && launch->pid == 0) {
		(void)close(launch->sock);	/* the parent's end */
		lp_inside_main(inside);
	}
	if (own >= 0 && setns(own, CLONE_NEWPID) < 0)
		rc = lp_err_set(err, -errno, "leave the pid namespace");
	lp_close(&inside->sock);
	return rc;
}

int
lp_launch_container(const struct lp_container_config *config, int cgroup_fd, bool wait, struct lp_launch *launch, struct lp_err *err)
{
	struct lp_inside inside;
	struct lp_ns_set made;
	uint64_t flags = 0;
	uint32_t uid = 0, gid = 0;
	int proc_fd, rc;

	inside_init(&inside, config);
	inside.wait = wait;
	lp_ns_set_init(&made);
	rc = lp_mount_proc(&proc_fd, err);	/* the child will find it there */
	if (rc == 0)
		rc = lp_seccomp_program(&config->process, &inside.seccomp, &inside.seccomp_bytes, err);
	if (rc == 0)
		rc = choose_namespaces(&inside, &made, &flags, err);
	if (rc == 0 && (lp_ns_map(config->uids, config->uid_count, 0, &uid) < 0 || lp_ns_map(config->gids, config->gid_count, 0, &gid) < 0))
		rc = lp_err_say(err, -ERANGE, "the id map has no root");
	if (rc == 0)
		rc = lp_rootfs_prepare(&config->rootfs, inside.join[LP_NS_USER], uid, gid, &inside.rootfs, err);
	if (rc == 0)
		rc = prepare_mounts(&inside, inside.join[LP_NS_USER], err);
	if (rc == 0)
		rc = clone_child(&inside, flags, cgroup_fd, launch, err);
	inside_fini(&inside);
	lp_ns_set_fini(&made);
	return rc;
}

/* ---- listening ---- */

static void
reap(struct lp_launch *launch)
{
	if (launch->pid <= 0)
		return;
	(void)kill(launch->pid, SIGKILL);	/* still ours: not reaped yet */
	while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	launch->pid = 0;
}

static int
next_message(struct lp_launch *launch, struct lp_handoff *message, int *out_fd, struct lp_err *err)
{
	struct pollfd poll_fd = { .fd = launch->sock, .events = POLLIN };
	int rc;

	do {
		rc = poll(&poll_fd, 1, EXEC_TIMEOUT_MS);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return lp_err_say(err, -ETIMEDOUT, "the container's first process was not ready in %d s", EXEC_TIMEOUT_MS / 1000);
	if (rc < 0)
		return lp_err_set(err, -errno, "wait for the container's first process");
	return lp_handoff_receive(launch->sock, message, out_fd, err);
}

static void
add_note(struct lp_launch *launch, const char *words)
{
	/* Sticky failure of the buffer means that the rest of the notes is cut: they are words for a person. */
	(void)lp_buf_printf(&launch->notes, "%s%s", launch->notes.len ? "; " : "", words);
}

/* End of file: the program runs, or somebody killed the child on its way. */
static int
check_executed(const struct lp_launch *launch, struct lp_err *err)
{
	int proc_fd;
	lp_auto_buf struct lp_buf stat = { 0 };
	siginfo_t info = { 0 };
	char path[32];
	const char *after;
	uint64_t flags = 0;

	if (waitid((idtype_t)WAITID_PIDFD, (id_t)launch->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
		return 0;	/* alive */
	lp_buf_init(&stat, 4096);
	(void)snprintf(path, sizeof(path), "%d/stat", (int)launch->pid);
	if (lp_mount_proc(&proc_fd, err) < 0 || lp_path_read(proc_fd, path, &stat, err) < 0)
		return err ? err->code : -EIO;
	after = strrchr(lp_buf_text(&stat), ')');
	if (!after || lp_text_word_u64(after, 7, UINT32_MAX, &flags) < 0)	/* ')' is word 0 */
		return lp_err_say(err, -EBADMSG, "/proc/%s is not of the known form", path);
	if (!(flags & PF_NOT_EXECUTED))
		return 0;	/* it ran, and has ended already */
	return lp_err_say(err, -ECHILD, "the container's first process was killed before its program ran (signal %d)",
	    info.si_code == CLD_EXITED ? 0 : info.si_status);
}

int
lp_launch_listen(struct lp_launch *launch, bool until_ready, struct lp_err *err)
{
	struct lp_handoff message;
	int rc, fd;

	for (;;) {
		rc = next_message(launch, &message, &fd, err);
		if (rc <= 0)
			break;
		if (message.kind == LP_HANDOFF_TERMINAL && fd >= 0 && launch->terminal < 0) {
			launch->terminal = fd;
			continue;
		}
		lp_close(&fd);
		if (message.kind == LP_HANDOFF_READY && until_ready)
			return 0;
		if (message.kind == LP_HANDOFF_NOTE) {
			add_note(launch, message.err.text);
			continue;
		}
		if (err)
			*err = message.err;
		rc = message.kind == LP_HANDOFF_FAILED && message.err.code < 0 ? message.err.code : -EPROTO;
		break;
	}
	if (rc == 0)
		rc = check_executed(launch, err);
	if (rc == 0 && until_ready)
		rc = lp_err_say(err, -ECHILD, "the container's first process ended before it was ready");
	lp_close(&launch->sock);
	if (rc < 0)
		reap(launch);
	return rc;
}

int
lp_launch_go(struct lp_launch *launch, struct lp_err *err)
{
	/* A child that is gone shows itself while we listen. */
	(void)lp_handoff_send(launch->sock, LP_HANDOFF_GO, NULL, -1, NULL);
	return lp_launch_listen(launch, false, err);
}
