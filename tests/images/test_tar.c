#include "images/tar.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "tests/harness.h"
#include "tests/images/ball.h"

struct source {
	const char *data;
	size_t len, at;
};

static int
source_read(void *arg, void *data, size_t len, struct lp_err *err)
{
	struct source *s = arg;

	if (s->at == s->len)
		return -ENODATA;
	if (len > s->len - s->at)
		return lp_err_say(err, -EBADMSG, "truncated");
	memcpy(data, s->data + s->at, len);
	s->at += len;
	return 0;
}

static int
source_skip(void *arg, uint64_t len, struct lp_err *err)
{
	struct source *s = arg;

	if (len > s->len - s->at)
		return lp_err_say(err, -EBADMSG, "truncated");
	s->at += len;
	return 0;
}

static struct source src;
static struct lp_tar tar;
static struct lp_tar_entry e;
static struct lp_err err;

static void
start(const struct lp_buf *bytes, size_t len)
{
	lp_tar_fini(&tar);
	src = (struct source){ bytes->data, len, 0 };
	lp_tar_init(&tar, source_read, source_skip, &src);
}

/* Walk all of it: 0 or the error. */
static int
walk(const struct lp_buf *bytes, size_t len)
{
	int rc;

	start(bytes, len);
	while ((rc = lp_tar_next(&tar, &e, &err)) > 0)
		continue;
	return rc;
}

TEST(entries_come_with_their_content_and_kind)
{
	lp_auto_buf struct lp_buf b;
	char text[64];

	lp_buf_init(&b, 1 << 20);
	lp_ball_dir(&b, "etc/");
	lp_ball_file(&b, "etc/motd", "hello");
	lp_ball_entry(&b, '2', "etc/link", "motd", 0777, NULL, 0);
	lp_ball_entry(&b, '1', "etc/hard", "etc/motd", 0644, NULL, 0);
	lp_ball_entry(&b, '3', "dev", NULL, 0644, NULL, 0);
	lp_ball_entry(&b, '\0', "old/", NULL, 0755, NULL, 0);
	lp_ball_end(&b);
	start(&b, b.len);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_STR(e.name, "etc/");
	CHECK_INT(e.type, LP_TAR_DIRECTORY);
	CHECK_INT(e.mode, 0755);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_STR(e.name, "etc/motd");
	CHECK_INT(e.size, 5);
	CHECK_INT(e.mtime.tv_sec, 1700000000);
	CHECK_INT(lp_tar_read(&tar, text, 3, &err), 3);
	CHECK_INT(lp_tar_read(&tar, text + 3, 60, &err), 2);
	CHECK_INT(lp_tar_read(&tar, text, 60, &err), 0);
	CHECK(!memcmp(text, "hello", 5));
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_INT(e.type, LP_TAR_SYMLINK);
	CHECK_STR(e.target, "motd");
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_INT(e.type, LP_TAR_HARDLINK);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_INT(e.type, LP_TAR_CHAR);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_INT(e.type, LP_TAR_DIRECTORY);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 0);
	lp_tar_fini(&tar);
}

TEST(pax_records_and_gnu_names_replace_the_header)
{
	lp_auto_buf struct lp_buf b;
	char name[3000];

	lp_buf_init(&b, 1 << 20);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	lp_ball_pax(&b, "path", name, "uid", "70000", "gid", "4294967294", "mtime", "1600000000.25", "SCHILY.xattr.user.x", "v=1", NULL);
	lp_ball_file(&b, "short", "x");
	lp_ball_entry(&b, 'L', "././@LongLink", NULL, 0, name, sizeof(name));
	lp_ball_entry(&b, 'K', "././@LongLink", NULL, 0, name, 200);
	lp_ball_entry(&b, '2', "short", "t", 0777, NULL, 0);
	lp_ball_file(&b, "after", "y");
	lp_ball_end(&b);
	start(&b, b.len);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_STR(e.name, name);
	CHECK_INT(e.uid, 70000);
	CHECK_INT(e.gid, 4294967294);
	CHECK_INT(e.mtime.tv_sec, 1600000000);
	CHECK_INT(e.mtime.tv_nsec, 250000000);
	CHECK_INT(e.xattr_count, 1);
	CHECK_STR(e.xattrs[0].name, "user.x");
	CHECK_INT(e.xattrs[0].len, 3);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_STR(e.name, name);
	CHECK_INT(strlen(e.target), 200);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_STR(e.name, "after");
	CHECK_INT(lp_tar_next(&tar, &e, &err), 0);
	lp_tar_fini(&tar);
}

TEST(a_large_number_in_base_256_is_read)
{
	lp_auto_buf struct lp_buf b;
	unsigned sum = 0;

	lp_buf_init(&b, 1 << 20);
	lp_ball_file(&b, "f", "");
	memcpy(b.data + 108, "\x80\0\0\0\0\x01\x11\x70", 8);	/* 70000 */
	memset(b.data + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)b.data[i];
	(void)snprintf(b.data + 148, 8, "%06o", sum);
	lp_ball_end(&b);
	start(&b, b.len);
	CHECK_INT(lp_tar_next(&tar, &e, &err), 1);
	CHECK_INT(e.uid, 70000);
	lp_tar_fini(&tar);
}

TEST(every_truncation_inside_an_entry_is_an_error)
{
	lp_auto_buf struct lp_buf b;

	lp_buf_init(&b, 1 << 20);
	lp_ball_pax(&b, "path", "abc", NULL);
	lp_ball_file(&b, "f", "content");
	CHECK_INT(b.len, 2048);
	for (size_t len = 1; len < b.len; len++)
		CHECK_ERR(walk(&b, len), -EBADMSG);
	CHECK_INT(walk(&b, b.len), 0);
	lp_tar_fini(&tar);
}

TEST(every_flipped_header_byte_is_noticed)
{
	lp_auto_buf struct lp_buf b;

	lp_buf_init(&b, 1 << 20);
	lp_ball_file(&b, "file", "");
	lp_ball_end(&b);
	for (size_t i = 0; i < 512; i++) {
		b.data[i] ^= 0x11;
		CHECK(i >= 148 && i < 156 ? walk(&b, b.len) <= 0 : walk(&b, b.len) == -EBADMSG);
		b.data[i] ^= 0x11;
	}
	lp_tar_fini(&tar);
}

TEST(wrong_pax_records_are_refused)
{
	static const char *const wrong[] = { "8 path=a\n", "999 path=a\n", "10 patha\n\n\n", "10 path=ab", "x path=a\n", "11 size=-1\n",
		"19 uid=99999999999\n", "6 =ab\n", "-5 a=b\n", "18446744073709551625 a=b\n" };

	for (size_t i = 0; i < lp_count(wrong); i++) {
		lp_auto_buf struct lp_buf b;

		lp_buf_init(&b, 1 << 20);
		lp_ball_entry(&b, 'x', "p", NULL, 0, wrong[i], strlen(wrong[i]));
		lp_ball_file(&b, "f", "");
		lp_ball_end(&b);
		CHECK_ERR(walk(&b, b.len), -EBADMSG);
	}
	lp_tar_fini(&tar);
}

TEST(sparse_entries_and_giant_headers_are_refused_by_name)
{
	lp_auto_buf struct lp_buf b, c, d;
	lp_auto_free char *big = calloc(1, (2 << 20));

	lp_buf_init(&b, 8 << 20);
	lp_buf_init(&c, 8 << 20);
	lp_buf_init(&d, 8 << 20);
	lp_ball_entry(&b, 'S', "f", NULL, 0, NULL, 0);
	CHECK_ERR(walk(&b, b.len), -ENOTSUP);
	CHECK_HAS(err.text, "'S'");
	lp_ball_pax(&c, "GNU.sparse.major", "1", NULL);
	lp_ball_file(&c, "f", "");
	CHECK_ERR(walk(&c, c.len), -ENOTSUP);
	lp_ball_entry(&d, 'x', "p", NULL, 0, big, 2 << 20);
	CHECK_ERR(walk(&d, d.len), -E2BIG);
	lp_tar_fini(&tar);
}

TEST(names_are_cleaned_and_those_that_climb_are_found)
{
	char out[LP_TAR_PATH_MAX + 1];
	char longer[400];

	CHECK_OK(lp_tar_clean("//a/./b//c/", 9, out, &err), &err);
	CHECK_STR(out, "a/b/c");
	CHECK_OK(lp_tar_clean("./", 9, out, &err), &err);
	CHECK_STR(out, "");
	CHECK_OK(lp_tar_clean("...a/..b", 9, out, &err), &err);
	CHECK_STR(out, "...a/..b");
	CHECK_ERR(lp_tar_clean("../x", 9, out, &err), -EXDEV);
	CHECK_ERR(lp_tar_clean("a/../b", 9, out, &err), -EXDEV);
	CHECK_ERR(lp_tar_clean("a/..", 9, out, &err), -EXDEV);
	CHECK_ERR(lp_tar_clean("a/b/c", 2, out, &err), -E2BIG);
	memset(longer, 'x', sizeof(longer));
	longer[256] = '\0';
	CHECK_ERR(lp_tar_clean(longer, 9, out, &err), -E2BIG);
	longer[255] = '\0';
	CHECK_OK(lp_tar_clean(longer, 9, out, &err), &err);
	CHECK(!lp_tar_climbs("a/b", "../c"));
	CHECK(lp_tar_climbs("a/b", "../../c"));
	CHECK(lp_tar_climbs("b", "x/../../c"));
	CHECK(!lp_tar_climbs("b", "/etc/passwd"));
	CHECK(!lp_tar_climbs("a/b/c", "../.././x"));
}
