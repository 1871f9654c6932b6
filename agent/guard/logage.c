#include "agent/guard/logage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"

struct sweep {
	int logs_fd, pod_fd;
	int64_t before_ms;		/* wall time */
	size_t count;
};

static int
drop_file(void *arg, const char *name)
{
	struct sweep *sweep = arg;
	lp_auto_fd int fd = -1;
	struct stat st;

	if (fstatat(sweep->pod_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0 ||
	    (int64_t)st.st_mtim.tv_sec * 1000 >= sweep->before_ms)
		return 0;
	if (lp_text_ends(name, ".log.1"))
		sweep->count += unlinkat(sweep->pod_fd, name, 0) == 0;
	else if (lp_text_ends(name, ".log") && lp_path_open(sweep->pod_fd, name, O_WRONLY | O_NOFOLLOW, 0, &fd, NULL) == 0)
		sweep->count += ftruncate(fd, 0) == 0;
	return 0;
}

static int
drop_pod(void *arg, const char *uid)
{
	struct sweep *sweep = arg;
	lp_auto_fd int fd = -1;

	if (lp_path_open(sweep->logs_fd, uid, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, &fd, NULL) < 0)
		return 0;	/* it has just gone */
	sweep->pod_fd = fd;
	return lp_path_each(fd, drop_file, sweep, NULL);
}

int
lp_logage_drop(int logs_fd, int64_t max_age_ms, int64_t wall_ms, size_t *out_count, struct lp_err *err)
{
	struct sweep sweep = { .logs_fd = logs_fd, .before_ms = wall_ms - max_age_ms };
	int rc = lp_path_each(logs_fd, drop_pod, &sweep, err);

	if (out_count)
		*out_count = sweep.count;
	return rc;
}
