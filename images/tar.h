/*
 * images/tar.h - tar headers: v7, ustar, pax and GNU long names, from any source of bytes. Pure but for that source.
 *
 * Limits  names and link targets 4,095 bytes, pax records 1 MiB an entry, 64 attributes an entry, sizes below 2^63;
 *         numbers are octal or GNU base-256; ids 0 to 2^32-2
 * Left out global pax headers (git's comments), access and change times
 * Errors  -EBADMSG broken (checksum, number, truncated), -E2BIG over a limit, -ENOTSUP sparse and multi-volume entries
 * Source  POSIX.1-2017 pax "ustar Interchange Format"; GNU tar manual "Basic Tar Format"
 */
#ifndef LP_IMAGES_TAR_H
#define LP_IMAGES_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"

#define LP_TAR_BLOCK 512
#define LP_TAR_PATH_MAX 4095
#define LP_TAR_XATTRS_MAX 64

enum lp_tar_type { LP_TAR_FILE, LP_TAR_HARDLINK, LP_TAR_SYMLINK, LP_TAR_CHAR, LP_TAR_BLOCK_DEVICE, LP_TAR_DIRECTORY, LP_TAR_FIFO };

struct lp_tar_xattr {
	const char *name;
	const void *value;
	size_t len;
};

/* One entry. The texts are valid until the next lp_tar_next. */
struct lp_tar_entry {
	enum lp_tar_type type;
	const char *name, *target;	/* as written; target "" when there is none */
	uint32_t mode;			/* permission bits only, 07777 */
	uint32_t uid, gid;
	uint64_t size;			/* bytes of content that follow; 0 for all but files */
	struct timespec mtime;
	struct lp_tar_xattr xattrs[LP_TAR_XATTRS_MAX];
	size_t xattr_count;
};

/* Exactly len bytes into data, or an error; -ENODATA when the source is at its end before the first byte. */
typedef int (*lp_tar_read_fn)(void *arg, void *data, size_t len, struct lp_err *err);
typedef int (*lp_tar_skip_fn)(void *arg, uint64_t len, struct lp_err *err);

struct lp_tar {
	lp_tar_read_fn read;
	lp_tar_skip_fn skip;
	void *arg;
	uint64_t left, padding;		/* content of the present entry not yet read, and what fills its last block */
	uint64_t offset;		/* of the next byte in the source */
	struct lp_buf local, long_name, long_target;	/* pax records and GNU names of the present entry */
	char short_name[LP_TAR_BLOCK], short_target[LP_TAR_BLOCK];
};

void lp_tar_init(struct lp_tar *tar, lp_tar_read_fn read, lp_tar_skip_fn skip, void *arg);
void lp_tar_fini(struct lp_tar *tar);

/* The next entry (what is left of the present one is skipped): 1, 0 at the end, or a negative errno. */
int lp_tar_next(struct lp_tar *tar, struct lp_tar_entry *out, struct lp_err *err);

/* Content of the present entry: at most len bytes, 0 at its end. */
int64_t lp_tar_read(struct lp_tar *tar, void *data, size_t len, struct lp_err *err);

/* "/a//./b/" -> "a/b", the root -> "". -EXDEV for "..", -E2BIG for a component over 255 bytes or more than depth of them. */
int lp_tar_clean(const char *name, uint32_t depth, char out[static LP_TAR_PATH_MAX + 1], struct lp_err *err);

/* Does a relative link that stands at the cleaned `path` climb above the root? Judged by its letters alone. */
bool lp_tar_climbs(const char *path, const char *target);

#endif
