#include "images/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/images/ball.h"

static struct lp_err err;
static struct lp_unpack_result result;
static int root = -1;

/* Unpack into <test dir>/root; what is outside of it is watched by `outside`. */
static int
unpack_with(struct lp_buf *tar, const struct lp_unpack_limits *limits)
{
	lp_auto_fd int fd = -1;
	struct lp_stream *stream = NULL;
	int rc;

	lp_test_need_root();
	if (root < 0) {
		CHECK_OK(lp_path_root(lp_test_path("root"), true, &root, &err), &err);
		(void)lp_test_file("outside", "untouched", SIZE_MAX);
	}
	lp_ball_end(tar);
	fd = lp_ball_open("layer.tar", tar);
	struct lp_stream_source source = { .fd = fd, .size = tar->len };
	CHECK_OK(lp_stream_open(&source, &stream, &err), &err);
	rc = lp_unpack(stream, root, limits, &result, &err);
	lp_stream_close(stream);
	lp_buf_reset(tar);
	return rc;
}

static int
unpack(struct lp_buf *tar)
{
	return unpack_with(tar, NULL);
}

static struct stat
look(const char *name)
{
	struct stat st;

	CHECK_INT(fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st;
}

static bool
there(const char *name)
{
	struct stat st;

	return fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool
opaque(const char *name)
{
	lp_auto_fd int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char value[2];

	CHECK(fd >= 0);
	return fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)) == 1 && value[0] == 'y';
}

static void
check_text(const char *name, const char *want)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 1 << 20);
	CHECK_OK(lp_path_read(root, name, &text, &err), &err);
	CHECK_STR(lp_buf_text(&text), want);
}

#define TAR(b)                       \
	lp_auto_buf struct lp_buf b; \
	lp_buf_init(&b, (size_t)16 << 20)

TEST(files_get_owner_mode_time_and_content)
{
	TAR(b);
	lp_ball_dir(&b, "./");
	lp_ball_dir(&b, "bin/");
	lp_ball_pax(&b, "uid", "1000", "gid", "2000", NULL);
	lp_ball_entry(&b, '0', "bin/su", NULL, 04755, "x", 1);
	lp_ball_entry(&b, '2', "bin/sh", "/bin/su", 0777, NULL, 0);
	lp_ball_entry(&b, '1', "bin/again", "bin/su", 0, NULL, 0);
	lp_ball_entry(&b, '6', "pipe", NULL, 0622, NULL, 0);
	CHECK_OK(unpack(&b), &err);
	CHECK_INT(look("bin/su").st_mode, S_IFREG | 04755);
	CHECK_INT(look("bin/su").st_uid, 1000);
	CHECK_INT(look("bin/su").st_gid, 2000);
	CHECK_INT(look("bin/su").st_mtim.tv_sec, 1700000000);
	CHECK_INT(look("bin").st_mtim.tv_sec, 1700000000);
	CHECK_INT(look(".").st_mtim.tv_sec, 1700000000);
	CHECK_INT(look("bin/su").st_nlink, 2);
	CHECK_INT(look("pipe").st_mode, S_IFIFO | 0622);
	CHECK(S_ISLNK(look("bin/sh").st_mode));
	check_text("bin/su", "x");
	CHECK_INT(result.entries, 6);
	CHECK_INT(result.bytes, 1);
}

TEST(missing_parents_are_made_and_later_entries_win)
{
	TAR(b);
	lp_ball_file(&b, "a/b/c/d", "first");
	lp_ball_file(&b, "a/b/c/d", "second");
	lp_ball_file(&b, "a/x", "file");
	lp_ball_dir(&b, "a/x");
	lp_ball_file(&b, "a/x/y", "in it");
	lp_ball_file(&b, "z/deep/er", "gone");
	lp_ball_file(&b, "z", "now a file");
	lp_ball_dir(&b, "z/");
	lp_ball_file(&b, "z/deep/er", "back");
	CHECK_OK(unpack(&b), &err);
	check_text("a/b/c/d", "second");
	check_text("a/x/y", "in it");
	check_text("z/deep/er", "back");
}

TEST(whiteouts_take_the_form_overlayfs_reads)
{
	struct stat st;
	TAR(b);
	lp_ball_file(&b, "etc/.wh.gone", "");
	lp_ball_file(&b, "var/.wh..wh..opq", "");
	lp_ball_file(&b, "var/new", "n");
	lp_ball_file(&b, "own/file", "kept");
	lp_ball_file(&b, "own/.wh.file", "");
	lp_ball_file(&b, ".wh.own", "");
	lp_ball_file(&b, ".wh.later", "");
	lp_ball_dir(&b, "later");
	lp_ball_file(&b, ".wh..wh.plnk", "");
	CHECK_OK(unpack(&b), &err);
	st = look("etc/gone");
	CHECK(S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0));
	CHECK(opaque("var") && !opaque("etc"));
	check_text("own/file", "kept");
	CHECK(opaque("own"));
	CHECK(opaque("later"));
	CHECK(!there(".wh..wh.plnk") && !there("plnk"));
}

TEST(attributes_are_kept_by_an_allow_list)
{
	char value[64];
	TAR(b);
	lp_ball_pax(&b, "SCHILY.xattr.user.colour", "blue", "SCHILY.xattr.trusted.overlay.opaque", "y", "SCHILY.xattr.trusted.overlay.redirect",
	    "/etc", "SCHILY.xattr.user.overlay.opaque", "y", "SCHILY.xattr.security.selinux", "x", NULL);
	lp_ball_dir(&b, "d");
	CHECK_OK(unpack(&b), &err);
	lp_auto_fd int fd = openat(root, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_INT(fgetxattr(fd, "user.colour", value, sizeof(value)), 4);
	CHECK(fgetxattr(fd, "trusted.overlay.opaque", value, sizeof(value)) < 0);
	CHECK(fgetxattr(fd, "trusted.overlay.redirect", value, sizeof(value)) < 0);
	CHECK(fgetxattr(fd, "user.overlay.opaque", value, sizeof(value)) < 0);
	CHECK(fgetxattr(fd, "security.selinux", value, sizeof(value)) < 0);
}

TEST(file_capabilities_survive_the_owner)
{
	static const char record[] = "57 SCHILY.xattr.security.capability=\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\n";
	char value[64];
	TAR(b);
	CHECK_INT(sizeof(record) - 1, 57);
	lp_ball_entry(&b, 'x', "p", NULL, 0, record, sizeof(record) - 1);
	lp_ball_entry(&b, '0', "ping", NULL, 0755, "x", 1);
	CHECK_OK(unpack(&b), &err);
	lp_auto_fd int fd = openat(root, "ping", O_RDONLY | O_CLOEXEC);
	CHECK_INT(fgetxattr(fd, "security.capability", value, sizeof(value)), 20);
	CHECK_INT(value[5], 4);
}

TEST(devices_are_left_out_and_counted)
{
	TAR(b);
	lp_ball_entry(&b, '3', "dev/null", NULL, 0666, NULL, 0);
	lp_ball_entry(&b, '4', "dev/sda", NULL, 0666, NULL, 0);
	CHECK_OK(unpack(&b), &err);
	CHECK(!there("dev/null") && !there("dev/sda"));
	CHECK_INT(result.devices, 2);
}

/* Each of these must fail with -EXDEV, name the culprit, and leave what is outside alone. */
static void
check_leads_out(struct lp_buf *tar, const char *part)
{
	lp_auto_free char *text = NULL;

	CHECK_ERR(unpack(tar), -EXDEV);
	CHECK_HAS(err.text, part);
	text = lp_test_read(lp_test_path("outside"), NULL);
	CHECK_STR(text, "untouched");
}

TEST(no_entry_leads_out_of_the_image)
{
	TAR(b);
	lp_ball_file(&b, "../outside", "evil");
	check_leads_out(&b, "../outside");
	lp_ball_file(&b, "a/../../outside", "evil");
	check_leads_out(&b, "a/../../outside");
	lp_ball_entry(&b, '2', "up", "..", 0777, NULL, 0);
	check_leads_out(&b, "up");
	lp_ball_entry(&b, '2', "abs", lp_test_dir(), 0777, NULL, 0);
	lp_ball_file(&b, "abs/outside", "evil");
	check_leads_out(&b, "abs/outside");
	lp_ball_entry(&b, '1', "hard", "../outside", 0644, NULL, 0);
	check_leads_out(&b, "../outside");
	lp_ball_entry(&b, '1', "hard", "/etc/passwd", 0644, NULL, 0);
	check_leads_out(&b, "/etc/passwd");
	lp_ball_entry(&b, '2', "dir", "/", 0777, NULL, 0);
	lp_ball_entry(&b, '1', "hard", "dir/etc/passwd", 0644, NULL, 0);
	check_leads_out(&b, "dir/etc/passwd");
	lp_ball_entry(&b, '2', "proc", "/proc/self/cwd", 0777, NULL, 0);
	lp_ball_dir(&b, "proc/made/");
	check_leads_out(&b, "proc/made");
	lp_ball_file(&b, "../.wh.outside", "");
	check_leads_out(&b, "../.wh.outside");
	CHECK(!there("hard"));
}

TEST(an_absolute_link_is_kept_and_replaced_but_never_followed)
{
	TAR(b);
	lp_ball_entry(&b, '2', "etc", "/etc", 0777, NULL, 0);
	lp_ball_dir(&b, "etc/");
	lp_ball_file(&b, "etc/limpet-was-here", "mine");
	lp_ball_entry(&b, '2', "f", "/etc/limpet-was-here", 0777, NULL, 0);
	lp_ball_file(&b, "f", "mine too");
	CHECK_OK(unpack(&b), &err);
	check_text("etc/limpet-was-here", "mine");
	check_text("f", "mine too");
	CHECK(access("/etc/limpet-was-here", F_OK) < 0);
}

TEST(a_link_inside_the_layer_is_followed)
{
	TAR(b);
	lp_ball_dir(&b, "usr/lib/");
	lp_ball_entry(&b, '2', "lib", "usr/lib", 0777, NULL, 0);
	lp_ball_file(&b, "lib/libc.so", "c");
	CHECK_OK(unpack(&b), &err);
	check_text("usr/lib/libc.so", "c");
}

TEST(limits_hold)
{
	struct lp_unpack_limits limits = { .bytes = 10, .entries = 3, .depth = 4 };
	TAR(b);
	lp_ball_file(&b, "a", "123456");
	lp_ball_file(&b, "b", "123456");
	CHECK_ERR(unpack_with(&b, &limits), -E2BIG);
	for (int i = 0; i < 4; i++)
		lp_ball_file(&b, "same", "");
	CHECK_ERR(unpack_with(&b, &limits), -E2BIG);
	lp_ball_file(&b, "1/2/3/4/5", "");
	CHECK_ERR(unpack_with(&b, &limits), -E2BIG);
	CHECK_HAS(err.text, "too deep");
	lp_ball_file(&b, "1/2/3/4", "");
	CHECK_OK(unpack_with(&b, &limits), &err);
}

TEST(wrong_links_and_whiteouts_are_refused)
{
	TAR(b);
	lp_ball_entry(&b, '1', "hard", "nothing", 0644, NULL, 0);
	CHECK_ERR(unpack(&b), -EBADMSG);
	lp_ball_file(&b, ".wh.x", "");
	lp_ball_entry(&b, '1', "hard", "x", 0644, NULL, 0);
	CHECK_ERR(unpack(&b), -EBADMSG);
	lp_ball_file(&b, ".wh..", "");
	CHECK_ERR(unpack(&b), -EBADMSG);
	lp_ball_file(&b, ".wh.", "");
	CHECK_ERR(unpack(&b), -EBADMSG);
	lp_ball_entry(&b, '2', "l", "", 0777, NULL, 0);
	CHECK_ERR(unpack(&b), -EBADMSG);
	lp_ball_entry(&b, '0', ".", NULL, 0644, "x", 1);
	CHECK_ERR(unpack(&b), -EBADMSG);
	lp_ball_file(&b, "f", "");
	lp_ball_file(&b, "f/g", "");
	CHECK(unpack(&b) < 0);
	lp_ball_entry(&b, '1', "self", "f", 0644, NULL, 0);
	lp_ball_entry(&b, '1', "self", "self", 0644, NULL, 0);
	CHECK_OK(unpack(&b), &err);
}
