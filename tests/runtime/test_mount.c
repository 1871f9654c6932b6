#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "runtime/mount.h"
#include "tests/harness.h"

static struct lp_err err;

static int
open_root(void)
{
	int fd = -1;

	CHECK_OK(lp_path_root(lp_test_dir(), false, &fd, &err), &err);
	return fd;
}

TEST(a_target_is_made_as_directory_or_file)
{
	lp_auto_fd int root = open_root(), fd = -1;
	struct stat st;

	CHECK_OK(lp_mount_target(root, "/a/b/c", true, false, &fd, &err), &err);
	CHECK(fstat(fd, &st) == 0 && S_ISDIR(st.st_mode));
	lp_close(&fd);
	CHECK_OK(lp_mount_target(root, "/a/b/file", false, false, &fd, &err), &err);
	CHECK(fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0);
	lp_close(&fd);
	CHECK_ERR(lp_mount_target(root, "/a/b/file", true, false, &fd, &err), -ENOTDIR);
	CHECK_ERR(lp_mount_target(root, "/a/b", false, false, &fd, &err), -EISDIR);
	CHECK_ERR(lp_mount_target(root, "/a/new/", false, false, &fd, &err), -EINVAL);
	CHECK_INT(fd, -1);
}

TEST(links_resolve_inside_the_root_and_never_outside)
{
	lp_auto_fd int root = open_root(), fd = -1;
	struct stat got, want;

	CHECK(mkdirat(root, "etc", 0755) == 0);
	CHECK(symlinkat("/../../etc", root, "out") == 0);
	CHECK(symlinkat("loop", root, "loop") == 0);
	CHECK_OK(lp_mount_target(root, "/out", true, false, &fd, &err), &err);
	CHECK(fstat(fd, &got) == 0 && fstatat(root, "etc", &want, 0) == 0 && got.st_ino == want.st_ino);
	lp_close(&fd);
	CHECK_ERR(lp_mount_target(root, "/out", true, true, &fd, &err), -ELOOP);
	CHECK_HAS(err.text, "not a symbolic link");
	CHECK_ERR(lp_mount_target(root, "/loop/x", true, false, &fd, &err), -ELOOP);
	CHECK_OK(lp_mount_target(root, "/out/new", true, false, &fd, &err), &err);
	CHECK(fstatat(root, "etc/new", &want, 0) == 0);
}

TEST(a_link_to_nothing_gets_what_it_leads_to_inside_the_root)
{
	lp_auto_fd int root = open_root(), fd = -1;
	struct stat got, want;

	CHECK(mkdirat(root, "etc", 0755) == 0 && mkdirat(root, "real", 0755) == 0 && mkdirat(root, "real/sub", 0755) == 0);
	CHECK(symlinkat("../run/resolve/stub.conf", root, "etc/resolv.conf") == 0);
	CHECK_OK(lp_mount_target(root, "/etc/resolv.conf", false, false, &fd, &err), &err);
	CHECK(fstat(fd, &got) == 0 && S_ISREG(got.st_mode));
	CHECK(fstatat(root, "run/resolve/stub.conf", &want, AT_SYMLINK_NOFOLLOW) == 0 && got.st_ino == want.st_ino);
	lp_close(&fd);
	/* Out of the root is the root; a step up is one from where a link leads, not from where it lies; links lead to links. */
	CHECK(symlinkat("/../../../limpet-test-nowhere/./x", root, "etc/out") == 0);
	CHECK(symlinkat("/real/sub", root, "far") == 0 && symlinkat("../beside", root, "real/sub/up") == 0);
	CHECK(symlinkat("far/up", root, "twice") == 0);
	CHECK_OK(lp_mount_target(root, "/etc/out/deep", true, false, &fd, &err), &err);
	lp_close(&fd);
	CHECK(fstatat(root, "limpet-test-nowhere/x/deep", &want, 0) == 0 && S_ISDIR(want.st_mode));
	CHECK(access("/limpet-test-nowhere", F_OK) < 0);
	CHECK_OK(lp_mount_target(root, "/twice", false, false, &fd, &err), &err);
	lp_close(&fd);
	CHECK(fstatat(root, "real/beside", &want, 0) == 0 && S_ISREG(want.st_mode));
	/* Two that lead to each other and nowhere, a part that is a file, a target that may be no link. */
	CHECK(symlinkat("b/x", root, "a") == 0 && symlinkat("a/x", root, "b") == 0);
	CHECK_ERR(lp_mount_target(root, "/a", false, false, &fd, &err), -ELOOP);
	CHECK_ERR(lp_mount_target(root, "/real/beside/x", false, false, &fd, &err), -ENOTDIR);
	CHECK(symlinkat("nothing", root, "etc/plain") == 0);
	CHECK_ERR(lp_mount_target(root, "/etc/plain", true, true, &fd, &err), -ELOOP);
	CHECK_INT(fd, -1);
}

TEST(the_kernels_words_come_with_a_refusal)
{
	const struct lp_mount_option option = { "nonesuch", "1" };
	int fd = -1;

	lp_test_need_root();
	CHECK_ERR(lp_mount_new("tmpfs", &option, 1, 0, &fd, &err), -EINVAL);
	CHECK_HAS(err.text, "option nonesuch: mount tmpfs");
	CHECK_ERR(lp_mount_new("nonesuch", NULL, 0, 0, &fd, &err), -ENODEV);
	CHECK_INT(fd, -1);
}

TEST(a_file_system_that_cannot_shift_ids_is_named)
{
	lp_auto_fd int user = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
	int proc = -1;

	lp_test_need_root();
	CHECK(user >= 0);
	CHECK_OK(lp_mount_proc(&proc, &err), &err);
	CHECK(lp_mount_idmap(proc, user, false, "/some/where", &err) < 0);
	CHECK_HAS(err.text, "/some/where");
}

TEST(attributes_hold_for_a_detached_copy_only)
{
	lp_auto_fd int root = open_root(), tree = -1;
	struct statvfs fs;

	lp_test_need_root();
	CHECK_OK(lp_mount_clone(root, false, &tree, &err), &err);
	CHECK_OK(lp_mount_set(tree, lp_mount_attrs(LP_MOUNT_RO | LP_MOUNT_NOSUID), MS_PRIVATE, false, &err), &err);
	CHECK(fstatvfs(tree, &fs) == 0);
	CHECK(fs.f_flag & ST_RDONLY);
	CHECK(mkdirat(tree, "x", 0755) < 0 && errno == EROFS);
	CHECK(mkdirat(root, "x", 0755) == 0);
}
