/*
 * images/stream.h - bytes of a file region, decompressed on the way if they are gzip or zstd, hashed on both sides.
 *
 * Rule    the form is told by the first bytes, not by a name; gzip members and zstd frames may follow each other
 * Limits  out_max bytes after decompression (-E2BIG); zstd window at most 128 MiB
 * Errors  -EBADMSG broken or truncated compression, -EIO
 */
#ifndef LP_IMAGES_STREAM_H
#define LP_IMAGES_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/err.h"

struct lp_stream;

enum lp_stream_form { LP_STREAM_PLAIN, LP_STREAM_GZIP, LP_STREAM_ZSTD };

struct lp_stream_source {
	int fd;				/* stays the caller's */
	off_t offset;			/* pread from here; -1 = read() whatever comes, for pipes */
	uint64_t size;			/* bytes from offset; without meaning when offset is -1 */
	uint64_t out_max;		/* bytes after decompression; 0 = no ceiling */
	bool hash;			/* lp_stream_finish tells digests */
	void (*progress)(void *arg, uint64_t bytes);	/* source bytes read since the last call; may be NULL */
	void *arg;
};

int lp_stream_open(const struct lp_stream_source *source, struct lp_stream **out, struct lp_err *err);
void lp_stream_close(struct lp_stream *stream);

enum lp_stream_form lp_stream_form(const struct lp_stream *stream);

/* Some bytes (> 0), 0 at the end, or a negative errno. */
ssize_t lp_stream_read(struct lp_stream *stream, void *data, size_t len, struct lp_err *err);
/* Exactly len, -EBADMSG at an early end. */
int lp_stream_read_all(struct lp_stream *stream, void *data, size_t len, struct lp_err *err);
int lp_stream_skip(struct lp_stream *stream, uint64_t len, struct lp_err *err);

/* Read to the end (what follows the tar counts too) and tell the digests of both sides ("" when not asked to hash). */
int lp_stream_finish(struct lp_stream *stream, char out_packed[static LP_DIGEST_TEXT], char out_plain[static LP_DIGEST_TEXT], struct lp_err *err);

/* Bytes given out so far. */
uint64_t lp_stream_done(const struct lp_stream *stream);

#endif
