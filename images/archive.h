/*
 * images/archive.h - what an image arrives in: a directory, or a tar in a file or pipe, packed or not. Named pieces of bytes.
 *
 * Theory  a plain tar in a file is indexed in place; what is packed, or comes through a pipe, is first written to a
 *         temporary file. Nothing of the archive ever becomes a path of the host: names are keys of a map
 * Limits  100,000 entries; names as tar.h
 * Errors  -EXDEV a name or link that leads out, -EBADMSG truncated or broken, -EINVAL no tar, -ENOENT no such piece
 */
#ifndef LP_IMAGES_ARCHIVE_H
#define LP_IMAGES_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct lp_archive;

struct lp_archive_piece {
	int fd;				/* weak: valid while the archive is open, for directories until the next lp_archive_find */
	off_t offset;
	uint64_t size;
};

/*
 * fd stays the caller's and must stay open. tmp_fd: a directory for the temporary file, which has no name.
 * progress (may be NULL) is told the source bytes read since the last call while the temporary file is written.
 */
int lp_archive_open(int fd, int tmp_fd, void (*progress)(void *arg, uint64_t bytes), void *arg, struct lp_archive **out, struct lp_err *err);
void lp_archive_close(struct lp_archive *archive);

/* Was it copied into a temporary file? */
bool lp_archive_spooled(const struct lp_archive *archive);

bool lp_archive_have(struct lp_archive *archive, const char *name);
int lp_archive_find(struct lp_archive *archive, const char *name, struct lp_archive_piece *out, struct lp_err *err);
int lp_archive_read(struct lp_archive *archive, const char *name, struct lp_buf *out, struct lp_err *err);

#endif
