#include "runtime/reaper.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "runtime/caps.h"
#include "runtime/mount.h"

/* A mount namespace that holds one empty directory. */
static int
empty_root(struct lp_err *err)
{
	static const struct lp_mount_option options[] = { { "mode", "0555" }, { "size", "4096" } };
	lp_auto_fd int root = -1, host = -1;
	int rc;

	if (unshare(CLONE_NEWNS) < 0)
		return lp_err_set(err, -errno, "new mount namespace");
	host = openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host < 0)
		return lp_err_set(err, -errno, "open /");
	rc = lp_mount_set(host, 0, MS_PRIVATE, true, err);
	if (rc == 0)
		rc = lp_mount_new("tmpfs", options, lp_count(options),
		    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &root, err);
	if (rc == 0)
		rc = lp_mount_attach(root, host, err);
	if (rc < 0)
		return rc;
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return lp_err_set(err, -errno, "leave the owner's file systems");
	return 0;
}

int
lp_reaper_prepare(struct lp_err *err)
{
	int rc;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NAME, "pause", 0, 0, 0) < 0 || setsid() < 0)
		return lp_err_set(err, -errno, "first process of the pid namespace");
	rc = empty_root(err);
	return rc < 0 ? lp_err_wrap(err, "first process of the pid namespace") : 0;
}

void
lp_reaper_main(void)
{
	static const struct lp_caps none;
	sigset_t child;
	int signal;

	(void)sigfillset(&child);
	(void)sigprocmask(SIG_SETMASK, &child, NULL);	/* a full set is always right */
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	if (lp_caps_bound(0, NULL) < 0 || lp_caps_apply(&none, NULL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    close_range(0, ~0u, 0) < 0)
		_exit(1);	/* the namespace ends with us: joining it fails by name */
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		(void)sigwait(&child, &signal);	/* also after an interruption: look again */
	}
}
