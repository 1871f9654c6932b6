#include "runtime/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

enum { DEVPTS_MAGIC = 0x1cd1 };

int
lp_terminal_resize(int master_fd, uint16_t rows, uint16_t cols, struct lp_err *err)
{
	struct winsize size = { .ws_row = rows, .ws_col = cols };

	if (ioctl(master_fd, TIOCSWINSZ, &size) < 0)
		return lp_err_set(err, -errno, "resize the terminal");
	return 0;
}

int
lp_terminal_open(int pts_fd, uint16_t rows, uint16_t cols, int *out_master, int *out_slave, struct lp_err *err)
{
	lp_auto_fd int master = -1, slave = -1;
	struct statfs fs;
	struct stat st;
	int unlock = 0, rc;

	if (fstatfs(pts_fd, &fs) < 0 || fs.f_type != DEVPTS_MAGIC)
		return lp_err_say(err, -EBADF, "/dev/pts of the container is not a devpts");
	rc = lp_path_open(pts_fd, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, 0, &master, err);
	if (rc < 0)
		return lp_err_wrap(err, "terminal");
	if (fstat(master, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return lp_err_say(err, -EBADF, "the terminal multiplexer of the container is something else");
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return lp_err_set(err, -errno, "unlock the terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return lp_err_set(err, -errno, "open the terminal's other side");
	rc = rows || cols ? lp_terminal_resize(master, rows, cols, err) : 0;
	if (rc < 0)
		return rc;
	*out_master = lp_take_fd(&master);
	*out_slave = lp_take_fd(&slave);
	return 0;
}
