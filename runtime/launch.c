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
#include "runtime/mount.h"
#include "runtime/record.h"
#include "runtime/seccomp.h"

enum { NOTES_MAX = 1024, EXEC_TIMEOUT_MS = 60000, LOOK_MS = 20, STOPS_MAX = 10, WAITID_PIDFD = 3 };

void
lp_launch_init(struct lp_launch *launch)
{
	memset(launch, 0, sizeof(*launch));
	launch->pidfd = launch->sock = launch->terminal = launch->listener = -1;
	lp_buf_init(&launch->notes, NOTES_MAX);
}

void
lp_launch_fini(struct lp_launch *launch)
{
	lp_close(&launch->pidfd);
	lp_close(&launch->sock);
	lp_close(&launch->terminal);
	lp_close(&launch->listener);
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

/* The ids of a bind: as its own rows say, or as the container's user namespace, or as they are. */
static int
shift_bind(const struct lp_mount *mount, int tree_fd, int userns_fd, struct lp_err *err)
{
	const char *what = mount->source.path ? mount->source.path : mount->target;
	const bool all = (mount->flags & LP_MOUNT_IDMAP_ALL) != 0;
	const struct lp_ns_config wanted = { .make = LP_NS_BIT(LP_NS_USER), .uids = mount->uids, .gids = mount->gids,
		.uid_count = mount->uid_count, .gid_count = mount->gid_count };
	struct lp_ns_set made;
	int rc;

	if (!(mount->flags & (LP_MOUNT_IDMAP | LP_MOUNT_IDMAP_ALL))) {
		if (userns_fd < 0 || (mount->flags & LP_MOUNT_NO_IDMAP))
			return 0;
		return lp_mount_idmap(tree_fd, userns_fd, (mount->flags & LP_MOUNT_RECURSIVE) != 0, what, err);
	}
	if (!mount->uid_count && !mount->gid_count) {
		if (userns_fd < 0)
			return lp_err_say(err, -EINVAL, "idmap without id mappings needs a user namespace");
		return lp_mount_idmap(tree_fd, userns_fd, all, what, err);
	}
	rc = lp_ns_make(&wanted, &made, err);
	if (rc < 0)
		return rc;
	rc = lp_mount_idmap(tree_fd, made.fds[LP_NS_USER], all, what, err);
	lp_ns_set_fini(&made);
	return rc;
}

static int
prepare_bind(const struct lp_container_config *config, const struct lp_mount *mount, int userns_fd, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1, tree = -1;
	uint32_t uid = 0, gid = 0;
	int rc;

	/* What is made for the container's root is stored with its own id where ids are shifted. */
	if (mount->flags & LP_MOUNT_NO_IDMAP)
		lp_ns_root(config->uids, config->uid_count, config->gids, config->gid_count, &uid, &gid);
	rc = lp_mount_source(mount, uid, gid, &fd, err);
	if (rc == 0)
		rc = lp_mount_clone(fd, (mount->flags & LP_MOUNT_RECURSIVE) != 0, &tree, err);
	if (rc == 0)
		rc = shift_bind(mount, tree, userns_fd, err);
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
			rc = prepare_bind(config, mount, userns_fd, &inside->binds[i], err);
		else if (mount->kind == LP_MOUNT_CGROUP && config->ns[LP_NS_CGROUP].how == LP_NS_HOST && inside->cgroup_mount < 0)
			rc = prepare_cgroup_mount(inside, err);
		if (rc < 0)
			return lp_err_wrap(err, "mount at %s", mount->target);
	}
	return 0;
}

/*
 * Which namespaces clone3 makes (flags), which are entered by descriptor. A new user namespace, and the new network, ipc and uts
 * namespaces that must belong to a user namespace of the container's, come from lp_ns_make: `made` owns them.
 */
static int
choose_namespaces(struct lp_inside *inside, struct lp_ns_set *made, uint64_t *out_flags, struct lp_err *err)
{
	const struct lp_container_config *config = inside->config;
	const struct lp_ns_choice *ns = config->ns;
	const bool users = ns[LP_NS_USER].how != LP_NS_HOST;
	struct lp_ns_config wanted = { .uids = config->uids, .gids = config->gids,
		.uid_count = config->uid_count, .gid_count = config->gid_count,
		.sysctls = config->sysctls, .sysctl_count = config->sysctl_count,
		.user_fd = ns[LP_NS_USER].how == LP_NS_JOIN ? &ns[LP_NS_USER].fd : NULL };
	uint64_t flags = 0;

	if (ns[LP_NS_MOUNT].how != LP_NS_NEW && !config->rootfs.ready.path)
		return lp_err_say(err, -EINVAL, "without a mount namespace of its own a container needs a ready root, by path");
	for (int i = 0; i < LP_NS_COUNT; i++) {
		if (ns[i].how == LP_NS_JOIN)
			inside->join[i] = ns[i].fd;
		else if (ns[i].how == LP_NS_NEW && users && i <= LP_NS_UTS)
			wanted.make |= LP_NS_BIT(i);
		else if (ns[i].how == LP_NS_NEW && i != LP_NS_CGROUP && i != LP_NS_TIME)	/* those two: from inside */
			flags |= (uint64_t)(unsigned)lp_ns_flag((enum lp_ns)i);
	}
	*out_flags = flags;
	if (!wanted.make)
		return 0;
	wanted.hostname = wanted.make & LP_NS_BIT(LP_NS_UTS) ? config->hostname : NULL;
	wanted.domainname = wanted.make & LP_NS_BIT(LP_NS_UTS) ? config->domainname : NULL;
	inside->made = wanted.make;
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
	/* As in join.c: who may not come back stays. */
	if (own >= 0 && setns(own, CLONE_NEWPID) < 0 && errno != EPERM)
		rc = lp_err_set(err, -errno, "leave the pid namespace");
	lp_close(&inside->sock);
	return rc;
}

int
lp_launch_container(const struct lp_container_config *config, int cgroup_fd, bool wait, struct lp_launch *launch, struct lp_err *err)
{
	struct lp_container_config mapped;
	struct lp_ns_maps maps = { 0 };
	struct lp_inside inside;
	struct lp_ns_set made;
	uint64_t flags = 0;
	uint32_t uid = 0, gid = 0;
	int proc_fd, rc;

	rc = lp_mount_proc(&proc_fd, err);	/* the child will find it there */
	/* A user namespace that is joined says itself what its ids are. */
	if (rc == 0 && config->ns[LP_NS_USER].how == LP_NS_JOIN && config->uid_count == 0 && config->gid_count == 0) {
		rc = lp_ns_maps_of(config->ns[LP_NS_USER].fd, &maps, err);
		mapped = *config;
		mapped.uids = maps.uids;
		mapped.gids = maps.gids;
		mapped.uid_count = maps.uid_count;
		mapped.gid_count = maps.gid_count;
		config = &mapped;
	}
	inside_init(&inside, config);
	inside.wait = wait;
	launch->hooks = config->hooks;
	lp_ns_set_init(&made);
	if (rc == 0)
		rc = lp_seccomp_program(&config->process, &inside.seccomp, &inside.seccomp_bytes, err);
	if (rc == 0)
		rc = choose_namespaces(&inside, &made, &flags, err);
	lp_ns_root(config->uids, config->uid_count, config->gids, config->gid_count, &uid, &gid);
	if (rc == 0)
		rc = lp_rootfs_prepare(&config->rootfs, inside.join[LP_NS_USER], uid, gid, &inside.rootfs, err);
	if (rc == 0)
		rc = prepare_mounts(&inside, inside.join[LP_NS_USER], err);
	if (rc == 0)
		rc = clone_child(&inside, flags, cgroup_fd, launch, err);
	inside_fini(&inside);
	lp_ns_set_fini(&made);
	lp_ns_maps_fini(&maps);
	return rc;
}

/* ---- listening ---- */

static void
reap(struct lp_launch *launch)
{
	if (launch->pid <= 0)
		return;
	if (launch->foreign) {
		(void)syscall(SYS_pidfd_send_signal, launch->pidfd, SIGKILL, NULL, 0);	/* gone already: as good */
		return;
	}
	(void)kill(launch->pid, SIGKILL);	/* still ours: not reaped yet */
	while (waitpid(launch->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	launch->pid = 0;
}

void
lp_launch_kill(struct lp_launch *launch)
{
	lp_close(&launch->sock);
	reap(launch);
}

/*
 * Other processes of the container may send it SIGSTOP, and its owner has other things to do than to wait for it: it goes on a
 * few times, and then it was stopped for good.
 */
static bool
is_held(const struct lp_launch *launch, int *stops)
{
	siginfo_t info = { 0 };

	if (waitid((idtype_t)WAITID_PIDFD, (id_t)launch->pidfd, &info, WSTOPPED | WNOHANG) < 0 || info.si_pid == 0)
		return false;
	if (++*stops > STOPS_MAX)
		return true;
	(void)kill(launch->pid, SIGCONT);	/* still ours: not reaped yet */
	return false;
}

static int
next_message(struct lp_launch *launch, struct lp_handoff *message, int *out_fd, struct lp_err *err)
{
	/* Who waits at a start socket may end without having listened; hooks have their own time. */
	struct pollfd fds[2] = { { .fd = launch->sock, .events = POLLIN }, { .fd = launch->foreign ? launch->pidfd : -1, .events = POLLIN } };
	const bool patient = launch->hooks || launch->foreign;
	int rc, stops = 0, waited_ms = 0;

	for (;;) {
		rc = poll(fds, 2, patient ? -1 : LOOK_MS);
		if (rc > 0 || (rc < 0 && errno != EINTR))
			break;
		if (rc == 0 && is_held(launch, &stops))
			return lp_err_say(err, -EINTR, "the process is stopped again and again before its program runs");
		if (rc == 0 && (waited_ms += LOOK_MS) >= EXEC_TIMEOUT_MS)
			break;
	}
	if (rc > 0 && !fds[0].revents)
		return 0;
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

/* A killed process closes its files a little before it can be waited for; its memory, and with it its executable, went first. */
static bool
is_ending(pid_t pid)
{
	char path[32], exe[16];
	int proc_fd;

	(void)snprintf(path, sizeof(path), "%d/exe", (int)pid);
	return lp_mount_proc(&proc_fd, NULL) == 0 && readlinkat(proc_fd, path, exe, sizeof(exe)) < 0 && errno == ENOENT;
}

/* End of file: the program runs, or somebody killed the child on its way. */
static int
check_executed(const struct lp_launch *launch, struct lp_err *err)
{
	struct pollfd end = { .fd = launch->pidfd, .events = POLLIN };
	siginfo_t info = { 0 };
	bool executed = false;

	if (launch->foreign) {
		/* Somebody else's child may be reaped by now: then its word must do. */
		if (launch->told && (lp_record_executed(launch->pid, &executed, NULL) < 0 || executed))
			return 0;
		return lp_err_say(err, -ECHILD, "the container's first process ended before its program ran");
	}
	if (waitid((idtype_t)WAITID_PIDFD, (id_t)launch->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return 0;	/* not ours to ask */
	if (info.si_pid == 0 && is_ending(launch->pid) && poll(&end, 1, EXEC_TIMEOUT_MS) == 1)
		(void)waitid((idtype_t)WAITID_PIDFD, (id_t)launch->pidfd, &info, WEXITED | WNOHANG | WNOWAIT);	/* as before */
	if (info.si_pid == 0)
		return 0;	/* alive */
	if (lp_record_executed(launch->pid, &executed, err) < 0)
		return err ? err->code : -EIO;
	if (executed)
		return 0;	/* and has ended already */
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
		if (message.kind == LP_HANDOFF_LISTENER && fd >= 0 && launch->listener < 0) {
			launch->listener = fd;
			continue;
		}
		lp_close(&fd);
		if (message.kind == LP_HANDOFF_EXEC && launch->foreign) {
			launch->told = true;
			continue;
		}
		if (message.kind == LP_HANDOFF_ASSEMBLED && launch->hooks && launch->hooks->before_pivot) {
			rc = launch->hooks->before_pivot(launch->hooks->arg, launch->pid, err);
			if (rc < 0)
				break;
			(void)lp_handoff_send(launch->sock, LP_HANDOFF_GO, NULL, -1, NULL);	/* a child that is gone shows itself */
			continue;
		}
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
	if (rc < 0)
		lp_launch_kill(launch);
	lp_close(&launch->sock);
	return rc;
}

int
lp_launch_go(struct lp_launch *launch, struct lp_err *err)
{
	/* A child that is gone shows itself while we listen. */
	(void)lp_handoff_send(launch->sock, LP_HANDOFF_GO, NULL, -1, NULL);
	return lp_launch_listen(launch, false, err);
}
