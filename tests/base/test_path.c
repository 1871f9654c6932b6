#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

static struct lp_err err;

static int
open_test_dir(void)
{
	int fd = open(lp_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

TEST(directories_are_made_with_their_parents)
{
	lp_auto_fd int dir = open_test_dir(), deep = -1;
	struct stat st;

	CHECK_OK(lp_path_mkdirs(dir, "a/b/c", 0750, &deep, &err), &err);
	CHECK_INT(fstat(deep, &st), 0);
	CHECK(S_ISDIR(st.st_mode));
	CHECK_OK(lp_path_mkdirs(dir, "a/b/c", 0750, NULL, &err), &err);
	CHECK_INT(fcntl(deep, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(no_path_leads_out)
{
	static const char *const out[] = { "..", "../x", "a/../../x", "/etc/passwd", "up/x", "abs/passwd", "a/up2/../../x" };
	lp_auto_fd int dir = open_test_dir(), inner = -1;

	CHECK_OK(lp_path_mkdirs(dir, "inner/a", 0700, NULL, &err), &err);
	CHECK_OK(lp_path_open(dir, "inner", O_RDONLY | O_DIRECTORY, 0, &inner, &err), &err);
	CHECK_INT(symlinkat("..", inner, "up"), 0);
	CHECK_INT(symlinkat("/etc", inner, "abs"), 0);
	CHECK_INT(symlinkat("../..", inner, "a/up2"), 0);
	lp_test_file("x", "outside", SIZE_MAX);
	for (size_t i = 0; i < lp_count(out); i++) {
		lp_auto_fd int fd = -1;

		CHECK_ERR(lp_path_open(inner, out[i], O_RDONLY, 0, &fd, &err), -EXDEV);
		CHECK_INT(fd, -1);
	}
}

TEST(nothing_is_made_outside)
{
	lp_auto_fd int dir = open_test_dir(), inner = -1;

	CHECK_OK(lp_path_mkdirs(dir, "inner", 0700, &inner, &err), &err);
	CHECK_INT(symlinkat("..", inner, "up"), 0);
	CHECK(lp_path_mkdirs(inner, "../made", 0700, NULL, &err) < 0);
	CHECK(lp_path_mkdirs(inner, "up/made", 0700, NULL, &err) < 0);
	CHECK_INT(faccessat(dir, "made", F_OK, 0), -1);
}

TEST(inside_an_image_links_stay_inside)
{
	lp_auto_fd int dir = open_test_dir(), root = -1, fd = -1;
	lp_auto_buf struct lp_buf text;
	struct stat st;

	lp_buf_init(&text, 100);
	CHECK_OK(lp_path_mkdirs(dir, "root/etc", 0755, NULL, &err), &err);
	CHECK_OK(lp_path_open(dir, "root", O_RDONLY | O_DIRECTORY, 0, &root, &err), &err);
	lp_test_file("passwd", "the host's", SIZE_MAX);
	lp_test_file("root/etc/passwd", "the image's", SIZE_MAX);
	CHECK_INT(symlinkat("/etc", root, "conf"), 0);
	CHECK_INT(symlinkat("../../../../etc", root, "up"), 0);
	CHECK_OK(lp_path_open_in_root(root, "conf/passwd", O_RDONLY, 0, &fd, &err), &err);
	CHECK_OK(lp_path_read_fd(fd, &text, &err), &err);
	CHECK_STR(text.data, "the image's");
	lp_close(&fd);
	CHECK_OK(lp_path_open_in_root(root, "../../passwd/../up/passwd", O_RDONLY, 0, &fd, &err) < 0 ?
	         lp_path_open_in_root(root, "up/passwd", O_RDONLY, 0, &fd, &err) : 0, &err);
	CHECK_OK(lp_path_mkdirs_in_root(root, "conf/new/dir", 0755, NULL, &err), &err);
	CHECK_INT(fstatat(root, "etc/new/dir", &st, 0), 0);
}

TEST(a_round_of_links_is_an_error)
{
	lp_auto_fd int dir = open_test_dir(), fd = -1;

	CHECK_INT(symlinkat("b", dir, "a"), 0);
	CHECK_INT(symlinkat("a", dir, "b"), 0);
	CHECK_ERR(lp_path_open(dir, "a", O_RDONLY, 0, &fd, &err), -ELOOP);
	CHECK_ERR(lp_path_open_in_root(dir, "a/x", O_RDONLY, 0, &fd, &err), -ELOOP);
}

TEST(magic_links_are_not_followed)
{
	lp_auto_fd int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;

	CHECK(proc >= 0);
	CHECK(lp_path_open(proc, "self/fd/0", O_RDONLY, 0, &fd, &err) < 0);
	CHECK(lp_path_open(proc, "self/root/etc/passwd", O_RDONLY, 0, &fd, &err) < 0);
}

TEST(removing_a_tree_follows_no_link)
{
	lp_auto_fd int dir = open_test_dir(), tree = -1;

	lp_test_file("stays", "x", SIZE_MAX);
	CHECK_OK(lp_path_mkdirs(dir, "tree/a/b", 0700, &tree, &err), &err);
	lp_test_file("tree/a/file", "x", SIZE_MAX);
	CHECK_INT(symlinkat("../../..", tree, "up"), 0);
	CHECK_INT(symlinkat("../../../stays", tree, "link"), 0);
	CHECK_OK(lp_path_remove(dir, "tree", &err), &err);
	CHECK_INT(faccessat(dir, "tree", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	CHECK_INT(faccessat(dir, "stays", F_OK, 0), 0);
	CHECK_OK(lp_path_remove(dir, "tree", &err), &err);
	CHECK_OK(lp_path_remove(dir, "stays", &err), &err);
	CHECK_INT(faccessat(dir, "stays", F_OK, 0), -1);
}

TEST(reading_keeps_the_ceiling)
{
	lp_auto_fd int dir = open_test_dir();
	lp_auto_buf struct lp_buf text;

	lp_test_file("ten", "0123456789", SIZE_MAX);
	lp_buf_init(&text, 10);
	CHECK_OK(lp_path_read(dir, "ten", &text, &err), &err);
	CHECK_STR(text.data, "0123456789");
	lp_buf_fini(&text);
	lp_buf_init(&text, 9);
	CHECK_ERR(lp_path_read(dir, "ten", &text, &err), -EMSGSIZE);
	CHECK_ERR(lp_path_read(dir, "none", &text, &err), -ENOENT);
	CHECK_HAS(err.text, "none");
}

static int
collect(void *arg, const char *name)
{
	(void)lp_buf_printf(arg, "%s ", name);
	return strcmp(name, "stop") == 0 ? 7 : 0;
}

TEST(names_come_sorted_and_the_caller_may_stop)
{
	lp_auto_fd int dir = open_test_dir();
	lp_auto_buf struct lp_buf names;

	lp_buf_init(&names, 100);
	lp_test_file("c", "", 0);
	lp_test_file("a", "", 0);
	lp_test_file("b", "", 0);
	CHECK_OK(lp_path_each(dir, collect, &names, &err), &err);
	CHECK_STR(names.data, "a b c ");
	lp_test_file("stop", "", 0);
	lp_test_file("zz", "", 0);
	lp_buf_reset(&names);
	CHECK_INT(lp_path_each(dir, collect, &names, &err), 7);
	CHECK_STR(names.data, "a b c stop ");
}

TEST(the_root_is_made_only_if_asked)
{
	lp_auto_fd int fd = -1;

	CHECK_ERR(lp_path_root(lp_test_path("not/there"), false, &fd, &err), -ENOENT);
	CHECK_OK(lp_path_root(lp_test_path("not/there"), true, &fd, &err), &err);
	CHECK(fd >= 0);
}

TEST(a_tree_deeper_than_descriptors_reach_is_removed)
{
	lp_auto_fd int dir = open_test_dir(), at = -1;

	CHECK_OK(lp_path_mkdirs(dir, "tree/.nested-0", 0755, &at, &err), &err);	/* a name that is taken */
	for (int i = 0; i < 3000; i++) {
		int next;

		CHECK(mkdirat(at, "d", 0755) == 0);
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(next >= 0);
		lp_close(&at);
		at = next;
		if (i % 500 == 0)
			lp_close(&(int){ openat(at, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) });
	}
	CHECK_OK(lp_path_remove(dir, "tree", &err), &err);
	CHECK(faccessat(dir, "tree", F_OK, 0) < 0);
}
