#include "agent/guard/logage.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"

static int dir_fd;

static void
write_file(const char *path, int64_t seconds)
{
	const struct timespec times[2] = { { seconds, 0 }, { seconds, 0 } };
	lp_auto_fd int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, "x\n", 2), 2);
	CHECK_INT(futimens(fd, times), 0);
}

static long
size_of(const char *path)
{
	struct stat st;

	return fstatat(dir_fd, path, &st, 0) < 0 ? -1 : (long)st.st_size;
}

TEST(old_logs_go_and_young_ones_stay)
{
	char name[] = "/tmp/logage.XXXXXX";
	struct lp_err err;
	size_t count;

	CHECK(mkdtemp(name) != NULL);
	CHECK_OK(lp_path_root(name, false, &dir_fd, &err), &err);
	CHECK_INT(mkdirat(dir_fd, "u1", 0700), 0);
	write_file("u1/c.0.log.1", 1000);
	write_file("u1/c.0.log", 1000);
	write_file("u1/c.1.log.1", 5000);
	write_file("u1/c.1.log", 5000);
	write_file("u1/note", 1000);
	CHECK_OK(lp_logage_drop(dir_fd, 2000 * 1000, 4000 * 1000, &count, &err), &err);
	CHECK_INT(count, 2);
	CHECK_INT(size_of("u1/c.0.log.1"), -1);
	CHECK_INT(size_of("u1/c.0.log"), 0);
	CHECK_INT(size_of("u1/c.1.log.1"), 2);
	CHECK_INT(size_of("u1/c.1.log"), 2);
	CHECK_INT(size_of("u1/note"), 2);
	CHECK_OK(lp_logage_drop(dir_fd, 2000 * 1000, 4000 * 1000, &count, &err), &err);
	CHECK_INT(count, 0);
	CHECK_OK(lp_path_remove(dir_fd, "u1", &err), &err);
	lp_close(&dir_fd);
	CHECK_INT(rmdir(name), 0);
}
