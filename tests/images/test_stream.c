#include "images/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/images/ball.h"

static void
make_text(struct lp_buf *text)
{
	lp_buf_init(text, (size_t)16 << 20);
	for (int i = 0; i < 40000; i++)
		CHECK_OK(lp_buf_printf(text, "line %d of a text that packs well\n", i), NULL);
}

/* Read all of fd; compares with text unless it fails. Returns 0 or the error. */
static int
read_all(int fd, off_t offset, uint64_t size, const struct lp_buf *text, struct lp_err *err)
{
	struct lp_stream_source source = { .fd = fd, .offset = offset, .size = size, .hash = true };
	char packed[LP_DIGEST_TEXT], plain[LP_DIGEST_TEXT], want[LP_DIGEST_TEXT];
	struct lp_stream *stream = NULL;
	lp_auto_buf struct lp_buf got;
	int rc = lp_stream_open(&source, &stream, err);
	char part[1000];
	ssize_t n;

	lp_buf_init(&got, (size_t)16 << 20);
	if (rc < 0)
		return rc;
	while ((n = lp_stream_read(stream, part, sizeof(part), err)) > 0)
		CHECK_OK(lp_buf_add(&got, part, (size_t)n), NULL);
	rc = n < 0 ? (int)n : lp_stream_finish(stream, packed, plain, err);
	lp_stream_close(stream);
	if (rc < 0)
		return rc;
	CHECK_INT(got.len, text->len);
	CHECK(!got.len || !memcmp(got.data, text->data, got.len));
	lp_digest_print(text->data, text->len, want);
	CHECK_STR(plain, want);
	return 0;
}

TEST(plain_gzip_and_zstd_give_the_same_bytes)
{
	lp_auto_buf struct lp_buf text, gz, zst;
	struct lp_err err;

	make_text(&text);
	lp_buf_init(&gz, (size_t)16 << 20);
	lp_buf_init(&zst, (size_t)16 << 20);
	lp_ball_gzip(&text, &gz);
	lp_ball_zstd(&text, &zst);
	CHECK_OK(read_all(lp_ball_open("plain", &text), 0, text.len, &text, &err), &err);
	CHECK_OK(read_all(lp_ball_open("gz", &gz), 0, gz.len, &text, &err), &err);
	CHECK_OK(read_all(lp_ball_open("zst", &zst), 0, zst.len, &text, &err), &err);
	CHECK_OK(read_all(lp_ball_open("gz2", &gz), -1, 0, &text, &err), &err);
}

TEST(members_and_frames_may_follow_each_other_and_zeros_may_follow_gzip)
{
	lp_auto_buf struct lp_buf a, b, both, gz, zst;
	struct lp_err err;

	make_text(&a);
	make_text(&b);
	make_text(&both);
	CHECK_OK(lp_buf_add(&both, b.data, b.len), NULL);
	lp_buf_init(&gz, (size_t)16 << 20);
	lp_buf_init(&zst, (size_t)16 << 20);
	lp_ball_gzip(&a, &gz);
	lp_ball_gzip(&b, &gz);
	CHECK_OK(lp_buf_add(&gz, "\0\0\0\0\0", 5), NULL);
	lp_ball_zstd(&a, &zst);
	lp_ball_zstd(&b, &zst);
	CHECK_OK(read_all(lp_ball_open("gz", &gz), 0, gz.len, &both, &err), &err);
	CHECK_OK(read_all(lp_ball_open("zst", &zst), 0, zst.len, &both, &err), &err);
}

TEST(a_region_of_a_file_is_read_alone)
{
	lp_auto_buf struct lp_buf text, file;
	struct lp_err err;

	make_text(&text);
	lp_buf_init(&file, (size_t)16 << 20);
	CHECK_OK(lp_buf_str(&file, "before"), NULL);
	lp_ball_gzip(&text, &file);
	size_t len = file.len - 6;
	CHECK_OK(lp_buf_str(&file, "behind"), NULL);
	CHECK_OK(read_all(lp_ball_open("f", &file), 6, len, &text, &err), &err);
}

TEST(every_truncation_of_packed_bytes_is_an_error)
{
	lp_auto_buf struct lp_buf text, gz, zst;
	struct lp_err err;

	lp_buf_init(&text, 1 << 20);
	CHECK_OK(lp_buf_str(&text, "a short text, a short text, a short text"), NULL);
	lp_buf_init(&gz, 1 << 20);
	lp_buf_init(&zst, 1 << 20);
	lp_ball_gzip(&text, &gz);
	lp_ball_zstd(&text, &zst);
	lp_auto_fd int g = lp_ball_open("gz", &gz), z = lp_ball_open("zst", &zst);
	for (size_t len = 4; len < gz.len; len++)
		CHECK_ERR(read_all(g, 0, len, &text, &err), -EBADMSG);
	for (size_t len = 4; len < zst.len; len++)
		CHECK_ERR(read_all(z, 0, len, &text, &err), -EBADMSG);
	CHECK_ERR(read_all(g, 0, gz.len + 10, &text, &err), -EBADMSG);
}

TEST(broken_and_endless_data_end_with_an_error)
{
	lp_auto_buf struct lp_buf text, gz;
	struct lp_stream *stream = NULL;
	struct lp_err err;
	char part[4096];
	ssize_t n;

	make_text(&text);
	lp_buf_init(&gz, (size_t)16 << 20);
	lp_ball_gzip(&text, &gz);
	lp_auto_fd int fd = lp_ball_open("gz", &gz);
	struct lp_stream_source source = { .fd = fd, .size = gz.len, .out_max = 100000 };
	CHECK_OK(lp_stream_open(&source, &stream, &err), &err);
	while ((n = lp_stream_read(stream, part, sizeof(part), &err)) > 0)
		continue;
	CHECK_ERR((int)n, -E2BIG);
	lp_stream_close(stream);
	for (size_t i = 12; i < gz.len; i += 1999) {
		gz.data[i] = (char)~gz.data[i];
		lp_auto_fd int bad = lp_ball_open("bad", &gz);
		CHECK_ERR(read_all(bad, 0, gz.len, &text, &err), -EBADMSG);
		gz.data[i] = (char)~gz.data[i];
	}
}
