#include "images/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/map.h"
#include "base/path.h"
#include "images/stream.h"
#include "images/tar.h"

#define ENTRIES_MAX 100000
#define LINKS_MAX 8
#define DEPTH_MAX 64
#define COPY_SIZE ((size_t)128 << 10)

struct entry {
	off_t offset;
	uint64_t size;
	char link[];			/* cleaned name it stands for; "" when it has bytes of its own */
};

struct lp_archive {
	int fd;				/* weak: of the tar or the directory; own_fd when spooled */
	int own_fd;			/* -1 when none */
	int piece_fd;			/* directory: the piece that was opened last, -1 when none */
	bool directory;
	uint64_t size, at;		/* of the tar; the place indexing has reached */
	struct lp_map entries;		/* tar: cleaned name -> struct entry */
};

static int
tar_read(void *arg, void *data, size_t len, struct lp_err *err)
{
	struct lp_archive *a = arg;
	char *to = data;

	if (a->at == a->size)
		return -ENODATA;
	if (len > a->size - a->at)
		return lp_err_say(err, -EBADMSG, "the archive is truncated");
	while (len > 0) {
		ssize_t n = pread(a->fd, to, len, (off_t)a->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? lp_err_set(err, -errno, "read archive") : lp_err_say(err, -EBADMSG, "the archive is truncated");
		to += n;
		len -= (size_t)n;
		a->at += (uint64_t)n;
	}
	return 0;
}

static int
tar_skip(void *arg, uint64_t len, struct lp_err *err)
{
	struct lp_archive *a = arg;

	if (len > a->size - a->at)
		return lp_err_say(err, -EBADMSG, "the archive is truncated");
	a->at += len;
	return 0;
}

/* The cleaned name of what a link stands for; a relative symbolic link starts in its own directory. */
static int
link_target(const char *name, const struct lp_tar_entry *e, char out[static LP_TAR_PATH_MAX + 1], struct lp_err *err)
{
	char joined[2 * LP_TAR_PATH_MAX + 2];
	const char *slash = strrchr(name, '/');
	size_t used = 0;
	char *p;

	if (*e->target == '/' || (e->type == LP_TAR_SYMLINK && lp_tar_climbs(name, e->target)))
		return lp_err_say(err, -EXDEV, "the link to \"%.100s\" leads out of the archive", e->target);
	if (e->type == LP_TAR_HARDLINK)
		return lp_tar_clean(e->target, DEPTH_MAX, out, err);
	if (slash)
		used = (size_t)(slash - name);
	memcpy(joined, name, used);
	joined[used] = '\0';
	/* "a/b" + "../c/./d": fold component by component, which lp_tar_climbs has found to stay inside. */
	for (const char *t = e->target; *t;) {
		size_t len = strcspn(t, "/");

		if (len == 2 && t[0] == '.' && t[1] == '.') {
			p = strrchr(joined, '/');
			used = p ? (size_t)(p - joined) : 0;
		} else if (len && !(len == 1 && t[0] == '.')) {
			if (used)
				joined[used++] = '/';
			memcpy(joined + used, t, len);
			used += len;
		}
		joined[used] = '\0';
		t += len;
		t += strspn(t, "/");
	}
	return lp_tar_clean(joined, DEPTH_MAX, out, err);
}

static int
add_entry(struct lp_archive *a, const struct lp_tar *tar, const struct lp_tar_entry *e, struct lp_err *err)
{
	char name[LP_TAR_PATH_MAX + 1], target[LP_TAR_PATH_MAX + 1] = "";
	lp_auto_free struct entry *entry = NULL;
	void *old = NULL;
	int rc = lp_tar_clean(e->name, DEPTH_MAX, name, err);

	if (rc == 0 && (e->type == LP_TAR_SYMLINK || e->type == LP_TAR_HARDLINK))
		rc = link_target(name, e, target, err);
	if (rc < 0)
		return lp_err_wrap(err, "\"%.100s\" in the archive", e->name);
	if (*e->name == '/')
		return lp_err_say(err, -EXDEV, "\"%.100s\" in the archive: an absolute name", e->name);
	if (!*name || (e->type != LP_TAR_FILE && !*target))
		return 0;		/* directories have no bytes, devices are nothing we open */
	entry = malloc(sizeof(*entry) + strlen(target) + 1);
	if (!entry)
		return lp_err_set(err, -ENOMEM, "index archive");
	entry->offset = (off_t)tar->offset;
	entry->size = e->size;
	memcpy(entry->link, target, strlen(target) + 1);
	rc = lp_map_put(&a->entries, name, entry, &old);
	if (rc < 0)
		return lp_err_set(err, rc, "index archive");
	(void)lp_take(&entry);
	free(old);
	return 0;
}

static int
index_tar(struct lp_archive *a, struct lp_err *err)
{
	struct lp_tar tar;
	struct lp_tar_entry e;
	size_t count = 0;
	int rc;

	lp_tar_init(&tar, tar_read, tar_skip, a);
	while ((rc = lp_tar_next(&tar, &e, err)) > 0) {
		if (++count > ENTRIES_MAX)
			rc = lp_err_say(err, -E2BIG, "the archive has more than %d entries", ENTRIES_MAX);
		else
			rc = add_entry(a, &tar, &e, err);
		if (rc < 0)
			break;
	}
	lp_tar_fini(&tar);
	if (rc == -EBADMSG && count == 0)
		return lp_err_say(err, -EINVAL, a->size < LP_TAR_BLOCK ? "too short for an image archive" : "not an image archive (no tar)");
	return rc;
}

/* Copy what is packed, or comes through a pipe, into a file without a name. */
static int
spool(struct lp_archive *a, struct lp_stream *stream, int tmp_fd, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	lp_auto_free char *copy = malloc(COPY_SIZE);
	ssize_t n;

	if (!copy)
		return lp_err_set(err, -ENOMEM, "copy archive");
	fd = openat(tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return lp_err_set(err, -errno, "make temporary file");
	while ((n = lp_stream_read(stream, copy, COPY_SIZE, err)) > 0) {
		int rc = lp_path_write_all(fd, copy, (size_t)n, err);

		if (rc < 0)
			return lp_err_wrap(err, "copy archive");
	}
	if (n < 0)
		return (int)n;
	a->size = lp_stream_done(stream);
	a->fd = a->own_fd = lp_take_fd(&fd);
	return 0;
}

static int
open_tar(struct lp_archive *a, const struct stat *st, int tmp_fd, void (*progress)(void *arg, uint64_t bytes), void *arg, struct lp_err *err)
{
	bool file = S_ISREG(st->st_mode);
	struct lp_stream_source source = {
		.fd = a->fd,
		.offset = file ? 0 : -1,
		.size = file ? (uint64_t)st->st_size : 0,
		.progress = progress,
		.arg = arg,
	};
	uint64_t room = 0, inodes;
	struct lp_stream *stream;
	int rc;

	if (file && st->st_size == 0)
		return lp_err_say(err, -EINVAL, "the file is empty");
	rc = lp_stream_open(&source, &stream, err);
	if (rc < 0)
		return rc;
	if (file && lp_stream_form(stream) == LP_STREAM_PLAIN) {
		a->size = (uint64_t)st->st_size;
	} else {
		rc = file ? lp_path_space(tmp_fd, &room, &inodes, err) : 0;
		if (rc == 0 && file && room < source.size)
			rc = lp_err_say(err, -ENOSPC, "not enough space: the archive needs at least %llu MiB, %llu MiB are free",
			    (unsigned long long)(source.size >> 20), (unsigned long long)(room >> 20));
		if (rc == 0)
			rc = spool(a, stream, tmp_fd, err);
	}
	lp_stream_close(stream);
	return rc < 0 ? rc : index_tar(a, err);
}

int
lp_archive_open(int fd, int tmp_fd, void (*progress)(void *arg, uint64_t bytes), void *arg, struct lp_archive **out, struct lp_err *err)
{
	struct lp_archive *a;
	struct stat st;
	int rc = 0;

	if (fstat(fd, &st) < 0)
		return lp_err_set(err, -errno, "stat archive");
	a = calloc(1, sizeof(*a));
	if (!a)
		return lp_err_set(err, -ENOMEM, "open archive");
	a->fd = fd;
	a->own_fd = a->piece_fd = -1;
	a->directory = S_ISDIR(st.st_mode);
	lp_map_init(&a->entries);
	if (!a->directory)
		rc = open_tar(a, &st, tmp_fd, progress, arg, err);
	if (rc < 0) {
		lp_archive_close(a);
		return rc;
	}
	*out = a;
	return 0;
}

void
lp_archive_close(struct lp_archive *a)
{
	const char *key;
	void *value;
	size_t pos = 0;

	if (!a)
		return;
	while (lp_map_next(&a->entries, &pos, &key, &value))
		free(value);
	lp_map_fini(&a->entries);
	lp_close(&a->own_fd);
	lp_close(&a->piece_fd);
	free(a);
}

bool
lp_archive_spooled(const struct lp_archive *a)
{
	return a->own_fd >= 0;
}

static int
find_file(struct lp_archive *a, const char *name, struct lp_archive_piece *out, struct lp_err *err)
{
	struct stat st;
	int rc;

	lp_close(&a->piece_fd);
	rc = lp_path_open(a->fd, name, O_RDONLY | O_NONBLOCK, 0, &a->piece_fd, err);
	if (rc < 0)
		return rc;
	if (fstat(a->piece_fd, &st) < 0)
		return lp_err_set(err, -errno, "stat %.100s", name);
	if (!S_ISREG(st.st_mode))
		return lp_err_say(err, -EINVAL, "%.100s is not a file", name);
	*out = (struct lp_archive_piece){ a->piece_fd, 0, (uint64_t)st.st_size };
	return 0;
}

int
lp_archive_find(struct lp_archive *a, const char *name, struct lp_archive_piece *out, struct lp_err *err)
{
	char clean[LP_TAR_PATH_MAX + 1];
	int rc = lp_tar_clean(name, DEPTH_MAX, clean, err);

	if (rc < 0)
		return lp_err_wrap(err, "\"%.100s\"", name);
	if (a->directory)
		return find_file(a, clean, out, err);
	const char *key = clean;

	for (int links = 0; links < LINKS_MAX; links++) {
		const struct entry *entry = lp_map_get(&a->entries, key);

		if (!entry)
			break;
		if (!*entry->link) {
			*out = (struct lp_archive_piece){ a->fd, entry->offset, entry->size };
			return 0;
		}
		key = entry->link;
	}
	return lp_err_say(err, -ENOENT, "the archive has no %.150s", name);
}

bool
lp_archive_have(struct lp_archive *a, const char *name)
{
	struct lp_archive_piece piece;

	return lp_archive_find(a, name, &piece, NULL) == 0;
}

int
lp_archive_read(struct lp_archive *a, const char *name, struct lp_buf *out, struct lp_err *err)
{
	struct lp_archive_piece piece = { 0 };
	int rc = lp_archive_find(a, name, &piece, err);
	char *room;

	if (rc < 0)
		return rc;
	if (piece.size > out->max - out->len)
		return lp_err_say(err, -E2BIG, "%.100s has %llu bytes", name, (unsigned long long)piece.size);
	room = lp_buf_room(out, (size_t)piece.size);
	if (!room)
		return lp_err_set(err, -ENOMEM, "read %.100s", name);
	for (uint64_t done = 0; done < piece.size;) {
		ssize_t n = pread(piece.fd, room + done, (size_t)(piece.size - done), piece.offset + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? lp_err_set(err, -errno, "read %.100s", name) : lp_err_say(err, -EBADMSG, "%.100s is truncated", name);
		done += (uint64_t)n;
	}
	lp_buf_added(out, (size_t)piece.size);
	return 0;
}
