#include "images/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"

#define DEPTH_MAX 300
#define COPY_SIZE ((size_t)128 << 10)
#define LINK_MAX_BYTES 4096

struct walk {
	struct lp_digest_state state;
	uint64_t bytes;
	unsigned depth;
	int dir_fd;			/* of the level we are in, weak */
	char *copy;
	struct lp_err *err;
};

static const char *const kept[] = { "security.capability", "trusted.overlay.opaque" };

static void
add_attributes(struct walk *w, int fd)
{
	char value[256];

	for (size_t i = 0; i < lp_count(kept); i++) {
		ssize_t len = fgetxattr(fd, kept[i], value, sizeof(value));

		if (len < 0)
			continue;	/* not there: then it is not part of the digest */
		lp_digest_add(&w->state, kept[i], strlen(kept[i]) + 1);
		lp_digest_add(&w->state, value, (size_t)len);
	}
}

static int
add_content(struct walk *w, int fd)
{
	uint32_t crc = 0;
	ssize_t n;

	while ((n = read(fd, w->copy, COPY_SIZE)) > 0) {
		crc = lp_digest_crc32c(crc, w->copy, (size_t)n);
		w->bytes += (uint64_t)n;
	}
	if (n < 0)
		return lp_err_set(w->err, -errno, "read layer file");
	lp_digest_add(&w->state, &crc, sizeof(crc));
	return 0;
}

static void
add_stat(struct walk *w, const char *name, const struct stat *st)
{
	bool file = S_ISREG(st->st_mode);
	char line[192];
	int len = snprintf(line, sizeof(line), "%u %o %u:%u %" PRIu64 " %" PRIu64 " %" PRId64 ".%09ld ", w->depth, st->st_mode, st->st_uid,
	    st->st_gid, file ? (uint64_t)st->st_size : 0, S_ISCHR(st->st_mode) ? (uint64_t)st->st_rdev : 0,
	    file ? (int64_t)st->st_mtim.tv_sec : 0, file ? st->st_mtim.tv_nsec : 0L);

	lp_digest_add(&w->state, line, (size_t)len);
	lp_digest_add(&w->state, name, strlen(name) + 1);
}

static int walk_entry(void *arg, const char *name);

static int
walk_directory(struct walk *w, int fd)
{
	int above = w->dir_fd;
	int rc;

	if (++w->depth > DEPTH_MAX)
		return lp_err_say(w->err, -E2BIG, "layer: too deep");
	w->dir_fd = fd;
	rc = lp_path_each(fd, walk_entry, w, w->err);
	w->dir_fd = above;
	w->depth--;
	return rc;
}

static int
walk_entry(void *arg, const char *name)
{
	struct walk *w = arg;
	lp_auto_fd int fd = -1;
	char target[LINK_MAX_BYTES];
	struct stat st;
	ssize_t n;

	if (fstatat(w->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return lp_err_set(w->err, -errno, "stat layer file");
	add_stat(w, name, &st);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(w->dir_fd, name, target, sizeof(target));
		if (n < 0)
			return lp_err_set(w->err, -errno, "read layer link");
		lp_digest_add(&w->state, target, (size_t)n);
		return 0;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	fd = openat(w->dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME);
	if (fd < 0)
		return lp_err_set(w->err, -errno, "open layer file");
	add_attributes(w, fd);
	return S_ISDIR(st.st_mode) ? walk_directory(w, fd) : add_content(w, fd);
}

int
lp_tree_digest(int dir_fd, char out[static LP_DIGEST_TEXT], uint64_t *out_bytes, struct lp_err *err)
{
	struct walk w = { .dir_fd = dir_fd, .err = err };
	uint8_t digest[LP_DIGEST_BYTES];
	struct stat st;
	int rc;

	w.copy = malloc(COPY_SIZE);
	if (!w.copy)
		return lp_err_set(err, -ENOMEM, "digest of a layer");
	lp_digest_start(&w.state);
	rc = fstat(dir_fd, &st) < 0 ? lp_err_set(err, -errno, "stat layer") : 0;
	if (rc == 0) {
		add_stat(&w, "", &st);
		add_attributes(&w, dir_fd);
		rc = walk_directory(&w, dir_fd);
	}
	free(w.copy);
	if (rc < 0)
		return rc;
	lp_digest_end(&w.state, digest);
	lp_digest_text(digest, out);
	if (out_bytes)
		*out_bytes = w.bytes;
	return 0;
}
