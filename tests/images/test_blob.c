#include "images/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"

static int
blobs(void)
{
	struct lp_err err;
	int fd = -1;

	CHECK_OK(lp_path_root(lp_test_path("blobs"), true, &fd, &err), &err);
	CHECK_OK(lp_blob_init(fd, &err), &err);
	return fd;
}

static int
count(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
	return 0;
}

static int
files_in(int dir_fd, const char *name)
{
	lp_auto_fd int fd = -1;
	int n = 0;

	CHECK_OK(lp_path_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0, &fd, NULL), NULL);
	CHECK_OK(lp_path_each(fd, count, &n, NULL), NULL);
	return n;
}

TEST(bytes_come_back_under_their_digest)
{
	lp_auto_fd int dir = blobs();
	lp_auto_buf struct lp_buf text;
	char digest[LP_DIGEST_TEXT];
	struct lp_err err;

	lp_buf_init(&text, 100);
	CHECK_OK(lp_blob_put(dir, "hello\n", 6, digest, &err), &err);
	CHECK_STR(digest, "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
	CHECK(lp_blob_have(dir, digest));
	CHECK_OK(lp_blob_read(dir, digest, &text, &err), &err);
	CHECK_STR(text.data, "hello\n");
	CHECK_INT(files_in(dir, "tmp"), 0);
	CHECK_OK(lp_blob_remove(dir, digest, &err), &err);
	CHECK(!lp_blob_have(dir, digest));
	CHECK_OK(lp_blob_remove(dir, digest, &err), &err);
}

TEST(a_wrong_digest_never_gets_a_name)
{
	lp_auto_fd int dir = blobs();
	char digest[LP_DIGEST_TEXT];
	struct lp_blob blob;
	struct lp_err err;

	lp_digest_print("right", 5, digest);
	CHECK_OK(lp_blob_begin(&blob, dir, digest, UINT64_MAX, &err), &err);
	CHECK_OK(lp_blob_add(&blob, "wrong", 5, &err), &err);
	CHECK_ERR(lp_blob_commit(&blob, NULL, &err), -EBADMSG);
	CHECK_HAS(err.text, digest);
	CHECK(!lp_blob_have(dir, digest));
	CHECK_INT(files_in(dir, "tmp") + files_in(dir, "sha256"), 0);
}

TEST(a_wrong_size_is_refused_before_and_at_the_end)
{
	lp_auto_fd int dir = blobs();
	struct lp_blob blob;
	struct lp_err err;

	CHECK_OK(lp_blob_begin(&blob, dir, NULL, 4, &err), &err);
	CHECK_ERR(lp_blob_add(&blob, "12345", 5, &err), -EBADMSG);
	lp_blob_abort(&blob);
	CHECK_OK(lp_blob_begin(&blob, dir, NULL, 4, &err), &err);
	CHECK_OK(lp_blob_add(&blob, "123", 3, &err), &err);
	CHECK_ERR(lp_blob_commit(&blob, NULL, &err), -EBADMSG);
	lp_blob_abort(&blob);
	CHECK_INT(files_in(dir, "tmp") + files_in(dir, "sha256"), 0);
}

TEST(a_download_goes_on_at_the_byte_where_it_stopped)
{
	lp_auto_fd int dir = blobs();
	char digest[LP_DIGEST_TEXT];
	struct lp_blob blob;
	struct lp_err err;

	lp_digest_print("first-second", 12, digest);
	CHECK_OK(lp_blob_resume(&blob, dir, digest, 12, &err), &err);
	CHECK_INT(blob.size, 0);
	CHECK_OK(lp_blob_add(&blob, "first-", 6, &err), &err);
	lp_blob_abort(&blob);
	CHECK_OK(lp_blob_resume(&blob, dir, digest, 12, &err), &err);
	CHECK_INT(blob.size, 6);
	CHECK_OK(lp_blob_add(&blob, "second", 6, &err), &err);
	CHECK_OK(lp_blob_commit(&blob, NULL, &err), &err);
	CHECK(lp_blob_have(dir, digest));
	CHECK_INT(files_in(dir, "partial"), 0);
}

TEST(a_download_that_turned_out_wrong_starts_over)
{
	lp_auto_fd int dir = blobs();
	char digest[LP_DIGEST_TEXT];
	struct lp_blob blob;
	struct lp_err err;

	lp_digest_print("abc", 3, digest);
	CHECK_OK(lp_blob_resume(&blob, dir, digest, 3, &err), &err);
	CHECK_OK(lp_blob_add(&blob, "abX", 3, &err), &err);
	CHECK_ERR(lp_blob_commit(&blob, NULL, &err), -EBADMSG);
	CHECK_INT(files_in(dir, "partial"), 0);
	CHECK_OK(lp_blob_resume(&blob, dir, digest, 3, &err), &err);
	CHECK_INT(blob.size, 0);
	lp_blob_abort(&blob);
}

TEST(a_blob_that_rotted_on_disk_is_not_handed_out)
{
	lp_auto_fd int dir = blobs();
	lp_auto_fd int fd = -1;
	lp_auto_buf struct lp_buf text;
	char digest[LP_DIGEST_TEXT], path[128];
	struct lp_err err;

	lp_buf_init(&text, 100);
	CHECK_OK(lp_blob_put(dir, "hello", 5, digest, &err), &err);
	(void)snprintf(path, sizeof(path), "sha256/%s", digest + 7);
	fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0 && pwrite(fd, "j", 1, 0) == 1);
	CHECK_ERR(lp_blob_read(dir, digest, &text, &err), -EBADMSG);
}

TEST(a_digest_that_is_a_path_is_refused)
{
	lp_auto_fd int dir = blobs(), fd = -1;

	CHECK_ERR(lp_blob_open(dir, "sha256:../../etc/passwd", &fd, NULL, NULL), -EINVAL);
	CHECK_ERR(lp_blob_remove(dir, "../x", NULL), -EINVAL);
}
