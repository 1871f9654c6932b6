#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/copyup.h"
#include "tests/harness.h"

static struct lp_err err;

static int
make_dir(const char *name)
{
	int fd;

	CHECK(mkdir(lp_test_path(name), 0755) == 0);
	fd = open(lp_test_path(name), O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

TEST(files_links_pipes_and_directories_come_along_with_their_looks)
{
	int from = make_dir("from"), to = make_dir("to"), fd;
	static char bytes[100000];
	struct stat st, was;
	char text[16] = "";

	CHECK(mkdirat(from, "d", 0750) == 0 && symlinkat("../../etc", from, "d/l") == 0 && mkfifoat(from, "p", 0600) == 0);
	fd = openat(from, "d/big", O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
	memset(bytes, 'x', sizeof(bytes));
	CHECK_INT(write(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	CHECK(fchmod(fd, 04751) == 0);
	CHECK(fstat(fd, &was) == 0);
	(void)close(fd);
	CHECK(fchmodat(from, ".", 01711, 0) == 0);
	CHECK_OK(lp_copyup_tree(from, to, &err), &err);
	CHECK(fstatat(to, "d/big", &st, AT_SYMLINK_NOFOLLOW) == 0);
	CHECK_INT(st.st_size, sizeof(bytes));
	CHECK_INT(st.st_mode, was.st_mode);
	CHECK_INT(st.st_mtim.tv_nsec, was.st_mtim.tv_nsec);
	CHECK(fstatat(to, "d", &st, 0) == 0);
	CHECK_INT(st.st_mode & 07777, 0750);
	CHECK(fstatat(to, "p", &st, 0) == 0 && S_ISFIFO(st.st_mode));
	CHECK_INT(readlinkat(to, "d/l", text, sizeof(text)), 9);
	CHECK_INT(memcmp(text, "../../etc", 9), 0);
	CHECK(fstat(to, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 01711);
}

TEST(a_tree_that_is_too_deep_is_an_error)
{
	int from = make_dir("deep"), to = make_dir("copy"), at = dup(from);

	for (int i = 0; i < 70; i++) {
		int next;

		CHECK(mkdirat(at, "d", 0755) == 0);
		next = openat(at, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		CHECK(next >= 0);
		(void)close(at);
		at = next;
	}
	CHECK_ERR(lp_copyup_tree(from, to, &err), -ELOOP);
}
