#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "runtime/mount.h"
#include "runtime/runtime.h"

int
lp_container_exe_open(int *out_fd, struct lp_err *err)
{
	lp_auto_fd int exe = -1, tree = -1;
	int proc_fd, rc = lp_mount_proc(&proc_fd, err);

	if (rc < 0)
		return rc;
	exe = openat(proc_fd, "self/exe", O_PATH | O_CLOEXEC);	/* a magic link by nature, in a procfs of ours */
	if (exe < 0)
		return lp_err_set(err, -errno, "open our executable");
	rc = lp_mount_clone(exe, false, &tree, err);
	if (rc == 0)
		rc = lp_mount_set(tree, MOUNT_ATTR_RDONLY, MS_PRIVATE, false, err);
	if (rc == 0)
		*out_fd = lp_take_fd(&tree);
	return rc < 0 ? lp_err_wrap(err, "our executable") : 0;
}

int
lp_container_exe_seal(char *const argv[], struct lp_err *err)
{
	lp_auto_fd int exe = openat(AT_FDCWD, "/proc/self/exe", O_PATH | O_CLOEXEC), tree = -1;
	struct statfs fs;
	int rc;

	if (exe < 0 || fstatfs(exe, &fs) < 0)
		return lp_err_set(err, -errno, "open our executable");
	if (fs.f_flags & ST_RDONLY)
		return 0;
	rc = lp_mount_clone(exe, false, &tree, err);
	if (rc == -EPERM) {
		lp_err_clear(err);
		return 0;
	}
	if (rc == 0)
		rc = lp_mount_set(tree, MOUNT_ATTR_RDONLY, MS_PRIVATE, false, err);
	if (rc < 0)
		return lp_err_wrap(err, "our executable");
	(void)syscall(SYS_execveat, tree, "", argv, environ, AT_EMPTY_PATH);
	return lp_err_set(err, -errno, "start over from a read-only executable");
}
