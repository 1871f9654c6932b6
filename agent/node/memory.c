#include "agent/node/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

/* Is `name` in memory, and is it a mount of its own? */
static int
look(int run_fd, const char *name, bool *out_memory, bool *out_own, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	struct stat here, above;
	struct statfs fs;
	int rc = lp_path_open(run_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, &fd, err);

	if (rc < 0)
		return rc;
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &here) < 0 || fstat(run_fd, &above) < 0)
		return lp_err_set(err, -errno, "look at %s", name);
	*out_memory = (uint32_t)fs.f_type == TMPFS_MAGIC || (uint32_t)fs.f_type == RAMFS_MAGIC;	/* signed on 32 bits */
	*out_own = here.st_dev != above.st_dev;
	*out_fd = lp_take_fd(&fd);
	return 0;
}

static int
mount_one(int run_fd, const char *name, bool own, unsigned bytes, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	bool is_memory, is_own;
	char path[64], options[64];
	int rc = look(run_fd, name, &is_memory, &is_own, &fd, err);

	if (rc < 0 || (is_memory && (is_own || !own)))
		return rc;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	(void)snprintf(options, sizeof(options), "mode=0700,size=%u", bytes);
	if (mount("limpet", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return lp_err_set(err, -errno, "mount a tmpfs for %s in the run directory", name);
	return 0;
}

int
lp_memory_mount(int run_fd, struct lp_err *err)
{
	int rc = mount_one(run_fd, "pods", false, LP_MEMORY_PODS_BYTES, err);

	return rc < 0 ? rc : mount_one(run_fd, "logs", true, LP_MEMORY_LOGS_BYTES, err);
}

int
lp_memory_unmount(int run_fd, struct lp_err *err)
{
	static const char *const names[] = { "pods", "logs" };

	for (size_t i = 0; i < lp_count(names); i++) {
		lp_auto_fd int fd = -1;
		bool is_memory, is_own;
		char path[64];
		int rc = look(run_fd, names[i], &is_memory, &is_own, &fd, err);

		if (rc == -ENOENT) {
			lp_err_clear(err);
			continue;
		}
		if (rc < 0)
			return rc;
		if (!is_memory || !is_own)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (umount2(path, MNT_DETACH) < 0)
			return lp_err_set(err, -errno, "unmount %s in the run directory", names[i]);
	}
	return 0;
}
