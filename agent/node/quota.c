#include "agent/node/quota.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>


#define OURS 0x40000000u	/* away from the small ids that people give by hand */

uint32_t
lp_quota_id(const char *uid)
{
	uint32_t hash = UINT32_C(2166136261);		/* FNV-1a */

	for (; *uid; uid++)
		hash = (hash ^ (uint8_t)*uid) * UINT32_C(16777619);
	return OURS | (hash & (OURS - 1));
}

static bool
is_unsupported(int code)
{
	/* no quota on, no project quota compiled in, a file system without, a kernel without quotactl_fd (5.14) */
	return code == ENOSYS || code == ESRCH || code == EOPNOTSUPP || code == ENOTTY || code == EINVAL || code == ENOENT;
}

/* QCMD(Q_SETQUOTA, PRJQUOTA), whose shift does not fit an int. */
#define SET_PROJECT_QUOTA ((unsigned)Q_SETQUOTA << SUBCMDSHIFT | PRJQUOTA)

static int
set_limit(int dir_fd, uint32_t id, uint64_t bytes)
{
	struct if_dqblk limits = { .dqb_bhardlimit = bytes / QIF_DQBLKSIZE, .dqb_valid = QIF_BLIMITS };

	return syscall(SYS_quotactl_fd, dir_fd, SET_PROJECT_QUOTA, id, &limits) < 0 ? -errno : 0;
}

int
lp_quota_limit(int dir_fd, uint32_t id, uint64_t bytes, struct lp_err *err)
{
	struct fsxattr attributes;
	int rc = set_limit(dir_fd, id, bytes < QIF_DQBLKSIZE ? QIF_DQBLKSIZE : bytes);

	if (rc < 0)
		return lp_err_set(err, is_unsupported(-rc) ? -EOPNOTSUPP : rc, "project quota");
	if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &attributes) < 0)
		return lp_err_set(err, is_unsupported(errno) ? -EOPNOTSUPP : -errno, "project quota");
	attributes.fsx_projid = id;
	attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	if (ioctl(dir_fd, FS_IOC_FSSETXATTR, &attributes) < 0)
		return lp_err_set(err, is_unsupported(errno) ? -EOPNOTSUPP : -errno, "project quota");
	return 0;
}

int
lp_quota_forget(int dir_fd, uint32_t id, struct lp_err *err)
{
	int rc = set_limit(dir_fd, id, 0);

	return rc == 0 || is_unsupported(-rc) ? 0 : lp_err_set(err, rc, "project quota");
}
