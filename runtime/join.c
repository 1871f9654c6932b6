#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/container.h"
#include "runtime/devices.h"
#include "runtime/handoff.h"
#include "runtime/launch.h"
#include "runtime/mount.h"
#include "runtime/process.h"
#include "runtime/seccomp.h"
#include "runtime/terminal.h"
#include "runtime/traits.h"

/*
 * One more process inside a running container: the owner's side below, its child first. What to enter is read from the kernel,
 * not remembered: an adopted container is as good as one of our own.
 */

enum { WAITID_PIDFD = 3 };

/* What the owner prepares and the child uses. */
struct joiner {
	const struct lp_process_config *config;
	int join[LP_NS_COUNT];		/* -1: already there */
	struct lp_ns_maps maps;		/* of the user namespace entered */
	int root_fd;			/* of a container without a mount namespace of its own; else -1 */
	int null_fd;
	const void *seccomp;
	size_t seccomp_bytes;
	int sock;
};

/* ---- the child ---- */

/*
 * The child of lp_container_exec. It is undumpable before anything of the container can see it, enters the mount namespace
 * with nothing open that leads back but its own message socket and streams, and the user namespace last.
 */

static int
enter(const struct joiner *inside, struct lp_err *err)
{
	/* The pid namespace was entered by the parent, for us. Mounts last: from then on every path is the container's. */
	static const enum lp_ns order[] = { LP_NS_NET, LP_NS_IPC, LP_NS_UTS, LP_NS_CGROUP, LP_NS_TIME, LP_NS_MOUNT };

	for (size_t i = 0; i < lp_count(order); i++) {
		int fd = inside->join[order[i]];

		if (fd >= 0 && setns(fd, lp_ns_flag(order[i])) < 0)
			return lp_err_set(err, -errno, "enter the %s namespace", lp_ns_name(order[i]));
	}
	/* In our own mount namespace only its root tells where it lives. */
	if (inside->root_fd >= 0 && (fchdir(inside->root_fd) < 0 || chroot(".") < 0))
		return lp_err_set(err, -errno, "enter the container's root");
	return 0;
}

static int
open_terminal(const struct joiner *inside, struct lp_process_start *start, struct lp_err *err)
{
	lp_auto_fd int root = -1, pts = -1, master = -1;
	int rc;

	if (!start->config->terminal)
		return 0;
	root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return lp_err_set(err, -errno, "open /");
	rc = lp_path_open_in_root(root, "/dev/pts", O_RDONLY | O_DIRECTORY, 0, &pts, err);
	if (rc == 0)
		rc = lp_terminal_open(pts, start->config->rows, start->config->cols, &master, &start->slave, err);
	if (rc == 0)
		rc = lp_handoff_send(inside->sock, LP_HANDOFF_TERMINAL, NULL, master, err);
	return rc < 0 ? lp_err_wrap(err, "terminal") : 0;
}

/*
 * Closed streams are the container's own null: whoever holds the host's could give it another mode or owner. A container
 * without one gets that all the same.
 */
static void
find_null(struct lp_process_start *start)
{
	lp_auto_fd int root = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC), dev = -1;
	int fd;

	if (root >= 0 && lp_path_open_in_root(root, "/dev", O_PATH | O_DIRECTORY, 0, &dev, NULL) == 0 && lp_devices_null(dev, &fd, NULL) == 0)
		start->null_fd = fd;	/* close-on-exec, as the other */
}

static int
run(struct joiner *inside, struct lp_process_start *start, struct lp_err *err)
{
	int proc_fd;
	int rc = lp_process_reset(err);

	if (rc == 0)
		rc = lp_traits_begin(start->config, err);
	if (rc == 0)
		rc = lp_mount_proc(&proc_fd, err);
	if (rc == 0)
		rc = lp_process_limits(start, proc_fd, err);
	if (rc == 0)
		rc = enter(inside, err);
	if (rc == 0)
		rc = lp_process_as_root(start->uids, start->uid_count, start->gids, start->gid_count, err);
	if (rc == 0)
		rc = open_terminal(inside, start, err);
	if (rc == 0)
		find_null(start);
	if (rc == 0)
		rc = lp_process_enter(start, err);
	if (rc == 0)
		rc = lp_process_become(start, err);
	return rc < 0 ? rc : lp_process_exec(start->config, err);
}

static void __attribute__((noreturn))
join_main(struct joiner *inside)
{
	struct lp_process_start start = {
		.config = inside->config,
		.uids = inside->maps.uids, .uid_count = inside->maps.uid_count,
		.gids = inside->maps.gids, .gid_count = inside->maps.gid_count,
		.userns_fd = inside->join[LP_NS_USER],
		.null_fd = inside->null_fd,
		.slave = -1,
		.sock = inside->sock,
		.seccomp = inside->seccomp,
		.seccomp_bytes = inside->seccomp_bytes,
	};
	struct lp_err err = { 0 };

	(void)run(inside, &start, &err);	/* returns only to say why */
	(void)lp_handoff_send(inside->sock, LP_HANDOFF_FAILED, &err, -1, NULL);	/* the owner is gone: nobody to tell */
	_exit(127);
}

/* ---- the owner ---- */

void
lp_process_init(struct lp_process *process)
{
	process->pid = -1;
	process->pidfd = process->terminal = process->listener = -1;
}

void
lp_process_fini(struct lp_process *process)
{
	lp_close(&process->pidfd);
	lp_close(&process->terminal);
	lp_close(&process->listener);
}

int
lp_process_wait(struct lp_process *process, struct lp_container_exit *out, struct lp_err *err)
{
	siginfo_t info = { 0 };

	while (waitid((idtype_t)WAITID_PIDFD, (id_t)process->pidfd, &info, WEXITED | WNOHANG) < 0) {
		if (errno != EINTR)
			return lp_err_set(err, -errno, "wait for a process");
	}
	if (info.si_pid == 0)
		return lp_err_say(err, -EAGAIN, "the process still runs");
	out->oom_killed = false;
	out->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
	out->code = info.si_code == CLD_EXITED ? info.si_status & 0xff : 128 + info.si_status;
	return 0;
}

/* ---- what to enter ---- */

/* Two descriptors of the same namespace? */
static bool
same(int a, int b)
{
	struct stat st_a, st_b;

	return fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 && st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino;
}

/* The kinds of namespaces that this kernel has: those of 32-bit ARM have none for clocks. */
static uint32_t
kinds_here(int proc_fd)
{
	uint32_t which = 0;

	for (int i = 0; i < LP_NS_COUNT; i++) {
		struct stat status;
		char path[48];

		(void)snprintf(path, sizeof(path), "self/ns/%s", lp_ns_name((enum lp_ns)i));
		if (fstatat(proc_fd, path, &status, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
			which |= LP_NS_BIT(i);
	}
	return which;
}

/* The container's namespaces that are not ours; the others stay -1. */
static int
foreign_namespaces(int proc_fd, int pidfd, struct lp_ns_set *out, int *out_own_pid, struct lp_err *err)
{
	const uint32_t which = kinds_here(proc_fd);
	int rc = lp_ns_open(pidfd, which, out, err);

	for (int i = 0; rc == 0 && i < LP_NS_COUNT; i++) {
		lp_auto_fd int own = -1;
		char path[48];

		if (!(which & LP_NS_BIT(i)))
			continue;
		(void)snprintf(path, sizeof(path), "self/ns/%s", lp_ns_name((enum lp_ns)i));
		own = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);	/* a magic link by nature, in a procfs of ours */
		if (own < 0)
			return lp_err_set(err, -errno, "open our %s namespace", lp_ns_name((enum lp_ns)i));
		if (same(own, out->fds[i]))
			lp_close(&out->fds[i]);
		else if (i == LP_NS_PID)
			*out_own_pid = lp_take_fd(&own);
	}
	return rc;
}

/* ---- cloning ---- */

static int
clone_join(struct joiner *inside, int own_pid_ns, int cgroup_fd, struct lp_launch *launch, struct lp_err *err)
{
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return lp_err_set(err, -errno, "socket pair");
	launch->sock = pair[0];
	inside->sock = pair[1];
	if (inside->join[LP_NS_PID] >= 0 && setns(inside->join[LP_NS_PID], CLONE_NEWPID) < 0) {
		rc = lp_err_set(err, -errno, "enter the pid namespace");
	} else {
		rc = lp_launch_clone(0, cgroup_fd, &launch->pid, &launch->pidfd, err);
		if (rc == 0 && launch->pid == 0) {
			(void)close(launch->sock);	/* the parent's end */
			join_main(inside);
		}
		/* An ordinary user who came into the user namespace has lost the way back: further children are the container's. */
		if (own_pid_ns >= 0 && setns(own_pid_ns, CLONE_NEWPID) < 0 && errno != EPERM)
			rc = lp_err_set(err, -errno, "leave the pid namespace");
	}
	lp_close(&inside->sock);
	return rc;
}

static int
open_null(int *out_fd, struct lp_err *err)
{
	lp_auto_fd int dev = -1;
	int rc = lp_path_root("/dev", false, &dev, err);

	return rc < 0 ? rc : lp_devices_null(dev, out_fd, err);
}

static int
open_root(const struct lp_container *container, int proc_fd, int *out_fd, struct lp_err *err)
{
	char path[48];

	(void)snprintf(path, sizeof(path), "%d/root", (int)container->launch.pid);
	*out_fd = openat(proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);	/* a magic link by nature, in a procfs of ours */
	return *out_fd < 0 ? lp_err_set(err, -errno, "open the container's root") : 0;
}

/* Where in its cgroup. */
static int
choose_cgroup(const struct lp_container *container, const struct lp_process_config *config, int *out_fd, struct lp_err *err)
{
	const char *below = config->sub_cgroup ? config->sub_cgroup + strspn(config->sub_cgroup, "/") : "";
	int rc;

	if (!below[0] || container->cgroup < 0) {
		*out_fd = container->cgroup >= 0 ? fcntl(container->cgroup, F_DUPFD_CLOEXEC, 3) : -1;
		return container->cgroup >= 0 && *out_fd < 0 ? lp_err_set(err, -errno, "duplicate a cgroup's descriptor") : 0;
	}
	rc = lp_path_open(container->cgroup, below, O_PATH | O_DIRECTORY, 0, out_fd, err);
	if (rc == -EXDEV)
		return lp_err_say(err, rc, "bad sub cgroup path: %.200s is not a sub cgroup path", below);
	if (rc == -ENOENT)
		return lp_err_say(err, rc, "exec: adding pid of a new process to cgroups: /%.160s/cgroup.procs: no such file or directory", below);
	return rc < 0 ? lp_err_wrap(err, "cgroup %s", config->sub_cgroup) : 0;
}

/*
 * A cgroup that has given controllers to those below takes no processes itself: then the new one goes where the container's first process has
 * gone, unless the caller named a place.
 */
static int
cgroup_of_first(const struct lp_container *container, const struct lp_process_config *config, int proc_fd, int *out_fd, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	lp_auto_fd int root = -1;
	const char *line;
	char path[48];
	int rc;

	lp_close(out_fd);
	if (config->sub_cgroup)
		return lp_err_say(err, -EBUSY, "exec: adding pid of a new process to cgroups: /%.160s/cgroup.procs: device or resource busy",
		    config->sub_cgroup + strspn(config->sub_cgroup, "/"));
	lp_buf_init(&text, 16384);
	(void)snprintf(path, sizeof(path), "%d/cgroup", (int)container->launch.pid);
	rc = lp_path_read(proc_fd, path, &text, err);
	line = strstr(lp_buf_text(&text), "0::/");
	if (rc == 0 && !line)
		rc = lp_err_say(err, -ENOENT, "the container's first process has no cgroup");
	if (rc == 0)
		rc = lp_cgroup_root_open(NULL, &root, err);
	if (rc < 0)
		return rc;
	text.data[(size_t)(line - text.data) + strcspn(line, "\n")] = '\0';
	return lp_path_open(root, line[4] ? line + 4 : ".", O_PATH | O_DIRECTORY, 0, out_fd, err);
}

static int
prepare(const struct lp_container *container, int proc_fd, struct joiner *inside, struct lp_err *err)
{
	int rc = lp_seccomp_program(inside->config, &inside->seccomp, &inside->seccomp_bytes, err);

	if (rc == 0)
		rc = open_null(&inside->null_fd, err);
	if (rc == 0 && inside->join[LP_NS_MOUNT] < 0)
		rc = open_root(container, proc_fd, &inside->root_fd, err);
	if (rc < 0 || inside->join[LP_NS_USER] < 0)
		return rc;
	return lp_ns_maps_read(proc_fd, container->launch.pid, &inside->maps, err);
}

int
lp_container_exec(struct lp_container *container, const struct lp_process_config *config, struct lp_process *out, struct lp_err *err)
{
	struct joiner inside = { .config = config, .root_fd = -1, .null_fd = -1, .sock = -1 };
	lp_auto_fd int own_pid_ns = -1, cgroup = -1;
	int proc_fd = -1;
	struct lp_launch launch;
	struct lp_ns_set set;
	int rc;

	if (!config->args || !config->args[0])
		return lp_err_say(err, -EINVAL, "no command to run");
	if (container->phase.state != LP_CONTAINER_RUNNING)
		return lp_err_say(err, -ESRCH, "container %s is %s, not running", container->id, lp_machine_name(&container->phase));
	lp_launch_init(&launch);
	lp_ns_set_init(&set);
	rc = lp_mount_proc(&proc_fd, err);
	if (rc == 0)
		rc = foreign_namespaces(proc_fd, container->launch.pidfd, &set, &own_pid_ns, err);
	memcpy(inside.join, set.fds, sizeof(inside.join));
	if (rc == 0)
		rc = prepare(container, proc_fd, &inside, err);
	if (rc == 0)
		rc = choose_cgroup(container, config, &cgroup, err);
	if (rc == 0)
		rc = clone_join(&inside, own_pid_ns, cgroup, &launch, err);
	if (rc == -EBUSY) {
		lp_close(&launch.sock);
		rc = cgroup_of_first(container, config, proc_fd, &cgroup, err);
		if (rc == 0)
			rc = clone_join(&inside, own_pid_ns, cgroup, &launch, err);
	}
	if (rc == 0)
		rc = lp_launch_listen(&launch, false, err);
	if (rc == 0) {
		out->pid = launch.pid;
		out->pidfd = lp_take_fd(&launch.pidfd);
		out->terminal = lp_take_fd(&launch.terminal);
		out->listener = lp_take_fd(&launch.listener);
	}
	lp_close(&inside.null_fd);
	lp_close(&inside.root_fd);
	lp_ns_maps_fini(&inside.maps);
	lp_ns_set_fini(&set);
	lp_launch_fini(&launch);
	return rc;
}
