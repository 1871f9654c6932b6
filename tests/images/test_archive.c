#include "images/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/images/ball.h"

static struct lp_err err;

static int
tmp(void)
{
	static int fd = -1;

	if (fd < 0)
		CHECK_OK(lp_path_root(lp_test_path("tmp"), true, &fd, &err), &err);
	return fd;
}

static int
open_ball(struct lp_buf *tar, struct lp_archive **out)
{
	*out = NULL;
	return lp_archive_open(lp_ball_open("a.tar", tar), tmp(), NULL, NULL, out, &err);
}

static void
check_piece(struct lp_archive *a, const char *name, const char *want)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 1000);
	CHECK_OK(lp_archive_read(a, name, &text, &err), &err);
	CHECK_STR(lp_buf_text(&text), want);
}

TEST(pieces_are_found_plain_packed_piped_and_in_a_directory)
{
	lp_auto_buf struct lp_buf b, gz;
	struct lp_archive *a;
	int ends[2];

	lp_buf_init(&b, 1 << 20);
	lp_buf_init(&gz, 1 << 20);
	lp_ball_file(&b, "./index.json", "{}");
	lp_ball_dir(&b, "blobs/");
	lp_ball_file(&b, "blobs/x", "piece");
	lp_ball_entry(&b, '2', "dir/link", "../blobs/./x", 0777, NULL, 0);
	lp_ball_entry(&b, '1', "hard", "dir/link", 0777, NULL, 0);
	lp_ball_end(&b);
	lp_ball_gzip(&b, &gz);
	CHECK_OK(open_ball(&b, &a), &err);
	CHECK(!lp_archive_spooled(a));
	check_piece(a, "index.json", "{}");
	check_piece(a, "blobs/x", "piece");
	check_piece(a, "dir/link", "piece");
	check_piece(a, "./hard", "piece");
	CHECK(!lp_archive_have(a, "blobs") && !lp_archive_have(a, "nothing"));
	lp_archive_close(a);
	CHECK_OK(open_ball(&gz, &a), &err);
	CHECK(lp_archive_spooled(a));
	check_piece(a, "hard", "piece");
	lp_archive_close(a);
	CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
	CHECK_INT(write(ends[1], b.data, b.len), (long)b.len);
	CHECK_INT(close(ends[1]), 0);
	CHECK_OK(lp_archive_open(ends[0], tmp(), NULL, NULL, &a, &err), &err);
	check_piece(a, "hard", "piece");
	lp_archive_close(a);
	CHECK_INT(close(ends[0]), 0);
	(void)lp_test_file("plain", "in a directory", SIZE_MAX);
	lp_auto_fd int dir = open(lp_test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK_OK(lp_archive_open(dir, tmp(), NULL, NULL, &a, &err), &err);
	check_piece(a, "plain", "in a directory");
	CHECK(!lp_archive_have(a, "../plain") && !lp_archive_have(a, "tmp"));
	lp_archive_close(a);
}

TEST(what_leads_out_of_the_archive_ends_it)
{
	const struct {
		char flag;
		const char *name, *target, *says;
	} cases[] = {
		{ '0', "../../etc/passwd", NULL, "../../etc/passwd" },
		{ '0', "/etc/passwd", NULL, "/etc/passwd" },
		{ '2', "l", "/etc/passwd", "/etc/passwd" },
		{ '2', "l", "../x", "../x" },
		{ '2', "d/l", "a/../../../x", "a/../../../x" },
		{ '1', "l", "/etc/passwd", "/etc/passwd" },
		{ '1', "l", "../x", "leads out" },
	};

	for (size_t i = 0; i < lp_count(cases); i++) {
		lp_auto_buf struct lp_buf b;
		struct lp_archive *a;

		lp_buf_init(&b, 1 << 20);
		lp_ball_entry(&b, cases[i].flag, cases[i].name, cases[i].target, 0644, NULL, 0);
		lp_ball_end(&b);
		CHECK_ERR(open_ball(&b, &a), -EXDEV);
		CHECK_HAS(err.text, cases[i].says);
	}
}

TEST(links_that_go_round_find_nothing)
{
	lp_auto_buf struct lp_buf b;
	struct lp_archive *a;

	lp_buf_init(&b, 1 << 20);
	lp_ball_entry(&b, '2', "a", "b", 0777, NULL, 0);
	lp_ball_entry(&b, '2', "b", "a", 0777, NULL, 0);
	lp_ball_end(&b);
	CHECK_OK(open_ball(&b, &a), &err);
	CHECK(!lp_archive_have(a, "a"));
	lp_archive_close(a);
}

TEST(what_is_no_archive_says_so)
{
	lp_auto_buf struct lp_buf b;
	struct lp_archive *a;

	lp_buf_init(&b, 1 << 20);
	CHECK_ERR(open_ball(&b, &a), -EINVAL);
	CHECK_STR(err.text, "the file is empty");
	for (int i = 0; i < 1000; i++)
		CHECK_OK(lp_buf_printf(&b, "no tar %d ", i), NULL);
	CHECK_ERR(open_ball(&b, &a), -EINVAL);
	CHECK_HAS(err.text, "not an image archive");
	lp_buf_reset(&b);
	CHECK_OK(lp_buf_str(&b, "short"), NULL);
	CHECK_ERR(open_ball(&b, &a), -EINVAL);
}

TEST(every_truncation_of_an_archive_is_noticed)
{
	lp_auto_buf struct lp_buf b;
	struct lp_archive *a;
	size_t whole;

	lp_buf_init(&b, 1 << 20);
	lp_ball_file(&b, "x", "content");
	lp_ball_file(&b, "y", "content");
	whole = b.len;
	for (size_t len = 513; len < whole; len += 17) {
		b.len = len;
		CHECK(len == 1024 || open_ball(&b, &a) == -EBADMSG);
	}
	b.len = whole;
}
