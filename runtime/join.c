#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/handoff.h"
#include "runtime/mount.h"
#include "runtime/process.h"
#include "runtime/terminal.h"

/*
 * The child of lp_container_exec. It is undumpable before anything of the container can see it, enters the mount namespace
 * with nothing open that leads back but its own message socket and streams, and the user namespace last.
 */

static int
enter(const struct lp_inside_exec *inside, struct lp_err *err)
{
	/* The pid namespace was entered by the parent, for us. Mounts last: from then on every path is the container's. */
	static const enum lp_ns order[] = { LP_NS_NET, LP_NS_IPC, LP_NS_UTS, LP_NS_CGROUP, LP_NS_MOUNT };

	for (size_t i = 0; i < lp_count(order); i++) {
		int fd = inside->join[order[i]];

		if (fd >= 0 && setns(fd, lp_ns_flag(order[i])) < 0)
			return lp_err_set(err, -errno, "enter the %s namespace", lp_ns_name(order[i]));
	}
	return 0;
}

static int
open_terminal(const struct lp_inside_exec *inside, struct lp_process_start *start, struct lp_err *err)
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

static int
run(struct lp_inside_exec *inside, struct lp_process_start *start, struct lp_err *err)
{
	int proc_fd;
	int rc = lp_process_reset(err);

	if (rc == 0)
		rc = lp_mount_proc(&proc_fd, err);
	if (rc == 0)
		rc = lp_process_limits(start, proc_fd, err);
	if (rc == 0)
		rc = enter(inside, err);
	if (rc == 0)
		rc = lp_process_as_root(inside->uids, inside->uid_count, inside->gids, inside->gid_count, err);
	if (rc == 0)
		rc = open_terminal(inside, start, err);
	if (rc == 0)
		rc = lp_process_become(start, err);
	return rc < 0 ? rc : lp_process_exec(start->config, err);
}

void
lp_join_main(struct lp_inside_exec *inside)
{
	struct lp_process_start start = {
		.config = inside->config,
		.uids = inside->uids, .uid_count = inside->uid_count,
		.gids = inside->gids, .gid_count = inside->gid_count,
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
