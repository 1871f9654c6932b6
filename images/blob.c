#include "images/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/seam.h"
#include "base/text.h"

#define CHUNK ((size_t)128 << 10)

int
lp_blob_init(int dir_fd, struct lp_err *err)
{
	static const char *const names[] = { "sha256", "tmp", "partial" };

	for (size_t i = 0; i < lp_count(names); i++)
		if (lp_path_mkdirs(dir_fd, names[i], 0700, NULL, err) < 0)
			return lp_err_wrap(err, "blobs");
	return 0;
}

/* "<folder>/<hex>" of a digest. */
static int
blob_path(const char *folder, const char *digest, char *out, size_t size, struct lp_err *err)
{
	if (lp_digest_parse(digest, NULL) < 0)
		return lp_err_say(err, -EINVAL, "\"%.80s\" is not a digest", digest);
	(void)snprintf(out, size, "%s/%s", folder, digest + strlen("sha256:"));
	return 0;
}

static void
clear(struct lp_blob *blob, int dir_fd, const char *digest, uint64_t size)
{
	memset(blob, 0, sizeof(*blob));
	blob->dir_fd = dir_fd;
	blob->fd = -1;
	blob->want_size = size;
	if (digest)
		(void)snprintf(blob->want, sizeof(blob->want), "%s", digest);
	lp_digest_start(&blob->state);
}

int
lp_blob_begin(struct lp_blob *blob, int dir_fd, const char *digest, uint64_t size, struct lp_err *err)
{
	uint64_t salt[2];

	clear(blob, dir_fd, digest, size);
	if (digest && lp_digest_parse(digest, NULL) < 0)
		return lp_err_say(err, -EINVAL, "\"%.80s\" is not a digest", digest);
	lp_random(salt, sizeof(salt));
	(void)snprintf(blob->path, sizeof(blob->path), "tmp/");
	lp_text_hex(salt, sizeof(salt), blob->path + strlen(blob->path));
	if (lp_path_open(dir_fd, blob->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, &blob->fd, err) < 0)
		return lp_err_wrap(err, "new blob");
	return 0;
}

/* Hash what an earlier download left behind. */
static int
hash_present(struct lp_blob *blob, struct lp_err *err)
{
	lp_auto_free char *data = malloc(CHUNK);
	ssize_t n;

	if (!data)
		return lp_err_set(err, -ENOMEM, "continue blob");
	while ((n = pread(blob->fd, data, CHUNK, (off_t)blob->size)) > 0) {
		lp_digest_add(&blob->state, data, (size_t)n);
		blob->size += (uint64_t)n;
	}
	if (n < 0)
		return lp_err_set(err, -errno, "read partial blob");
	if (lseek(blob->fd, (off_t)blob->size, SEEK_SET) < 0)
		return lp_err_set(err, -errno, "seek in partial blob");
	return 0;
}

int
lp_blob_resume(struct lp_blob *blob, int dir_fd, const char *digest, uint64_t size, struct lp_err *err)
{
	clear(blob, dir_fd, digest, size);
	blob->keep = true;
	int rc = blob_path("partial", digest, blob->path, sizeof(blob->path), err);

	if (rc == 0)
		rc = lp_path_open(dir_fd, blob->path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, &blob->fd, err);
	if (rc < 0)
		return rc;
	rc = hash_present(blob, err);
	if (rc == 0 && size != UINT64_MAX && blob->size > size) {
		/* Longer than it can be: not what we began. Start again. */
		blob->keep = false;
		lp_blob_abort(blob);
		return lp_blob_resume(blob, dir_fd, digest, size, err);
	}
	if (rc < 0)
		lp_blob_abort(blob);
	return rc;
}

int
lp_blob_add(struct lp_blob *blob, const void *data, size_t len, struct lp_err *err)
{
	if (blob->want_size != UINT64_MAX && len > blob->want_size - blob->size) {
		blob->keep = false;
		return lp_err_say(err, -EBADMSG, "%s is longer than the %llu bytes it should have", *blob->want ? blob->want : "blob",
		    (unsigned long long)blob->want_size);
	}
	if (lp_path_write_all(blob->fd, data, len, err) < 0)
		return lp_err_wrap(err, "write blob");
	lp_digest_add(&blob->state, data, len);
	blob->size += len;
	return 0;
}

void
lp_blob_abort(struct lp_blob *blob)
{
	if (blob->fd < 0)
		return;
	lp_close(&blob->fd);
	if (!blob->keep)
		(void)unlinkat(blob->dir_fd, blob->path, 0);	/* what stays is removed by the next lock holder */
}

static int
verify(struct lp_blob *blob, char out_digest[static LP_DIGEST_TEXT], struct lp_err *err)
{
	uint8_t digest[LP_DIGEST_BYTES];

	lp_digest_end(&blob->state, digest);
	lp_digest_text(digest, out_digest);
	if (blob->want_size != UINT64_MAX && blob->size != blob->want_size)
		return lp_err_say(err, -EBADMSG, "%s has %llu bytes instead of %llu", *blob->want ? blob->want : "blob",
		    (unsigned long long)blob->size, (unsigned long long)blob->want_size);
	if (*blob->want && strcmp(blob->want, out_digest) != 0)
		return lp_err_say(err, -EBADMSG, "content is %s instead of %s", out_digest, blob->want);
	return 0;
}

static int
publish(struct lp_blob *blob, const char *digest, struct lp_err *err)
{
	char path[128];
	lp_auto_fd int dir = -1;
	int rc = blob_path("sha256", digest, path, sizeof(path), err);

	if (rc < 0)
		return rc;
	if (lp_seam.fsync(blob->fd) < 0)
		return lp_err_set(err, -errno, "sync blob");
	if (lp_seam.rename(blob->dir_fd, blob->path, blob->dir_fd, path) < 0)
		return lp_err_set(err, -errno, "name blob %s", digest);
	rc = lp_path_open(blob->dir_fd, "sha256", O_RDONLY | O_DIRECTORY, 0, &dir, err);
	if (rc < 0)
		return rc;
	if (lp_seam.fsync(dir) < 0)
		return lp_err_set(err, -errno, "sync blobs");
	return 0;
}

int
lp_blob_commit(struct lp_blob *blob, char *out_digest, struct lp_err *err)
{
	char digest[LP_DIGEST_TEXT];
	int rc = verify(blob, digest, err);

	if (rc == -EBADMSG)
		blob->keep = false;	/* nothing of it can be trusted */
	if (rc == 0)
		rc = publish(blob, digest, err);
	if (rc < 0) {
		lp_blob_abort(blob);
		return rc;
	}
	lp_close(&blob->fd);
	if (out_digest)
		memcpy(out_digest, digest, sizeof(digest));
	return 0;
}

int
lp_blob_put(int dir_fd, const void *data, size_t len, char out_digest[static LP_DIGEST_TEXT], struct lp_err *err)
{
	struct lp_blob blob;
	int rc = lp_blob_begin(&blob, dir_fd, NULL, UINT64_MAX, err);

	if (rc == 0)
		rc = lp_blob_add(&blob, data, len, err);
	if (rc == 0)
		return lp_blob_commit(&blob, out_digest, err);
	lp_blob_abort(&blob);
	return rc;
}

int
lp_blob_open(int dir_fd, const char *digest, int *out_fd, uint64_t *out_size, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char path[128];
	struct stat st;
	int rc = blob_path("sha256", digest, path, sizeof(path), err);

	if (rc < 0)
		return rc;
	rc = lp_path_open(dir_fd, path, O_RDONLY | O_NOFOLLOW, 0, &fd, err);
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "stat blob %s", digest);
	if (!S_ISREG(st.st_mode))
		return lp_err_say(err, -EBADMSG, "blob %s is not a file", digest);
	if (out_size)
		*out_size = (uint64_t)st.st_size;
	*out_fd = lp_take_fd(&fd);
	return 0;
}

bool
lp_blob_have(int dir_fd, const char *digest)
{
	lp_auto_fd int fd = -1;

	return lp_blob_open(dir_fd, digest, &fd, NULL, NULL) == 0;
}

int
lp_blob_read(int dir_fd, const char *digest, struct lp_buf *out, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	char found[LP_DIGEST_TEXT];
	size_t before = out->len;
	int rc = lp_blob_open(dir_fd, digest, &fd, NULL, err);

	if (rc == 0)
		rc = lp_path_read_fd(fd, out, err);
	if (rc < 0)
		return rc;
	lp_digest_print(lp_buf_text(out) + before, out->len - before, found);
	if (strcmp(found, digest) != 0)
		return lp_err_say(err, -EBADMSG, "stored blob %s is damaged", digest);
	return 0;
}

int
lp_blob_remove(int dir_fd, const char *digest, struct lp_err *err)
{
	char path[128];
	int rc = blob_path("sha256", digest, path, sizeof(path), err);

	if (rc < 0)
		return rc;
	if (unlinkat(dir_fd, path, 0) < 0 && errno != ENOENT)
		return lp_err_set(err, -errno, "remove blob %s", digest);
	return 0;
}
