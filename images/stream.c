#include "images/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "base/auto.h"

#define IN_SIZE ((size_t)128 << 10)
#define WINDOW_LOG_MAX 27

struct lp_stream {
	struct lp_stream_source source;
	enum lp_stream_form form;
	bool source_end;		/* the source has no more */
	bool end;			/* nothing more comes out */
	bool between;			/* gzip, zstd: at the border of two members or frames */
	uint64_t taken;			/* bytes read from the source */
	uint64_t done;			/* bytes given out */
	unsigned char *in;
	size_t in_pos, in_len;
	z_stream gzip;
	ZSTD_DStream *zstd;
	struct lp_digest_state packed, plain;
};

/* Read more of the source behind what is left in the buffer. */
static int
fill(struct lp_stream *s, struct lp_err *err)
{
	size_t want;
	ssize_t n;

	if (s->in_pos > 0) {
		memmove(s->in, s->in + s->in_pos, s->in_len - s->in_pos);
		s->in_len -= s->in_pos;
		s->in_pos = 0;
	}
	want = IN_SIZE - s->in_len;
	if (s->source.offset >= 0 && want > s->source.size - s->taken)
		want = (size_t)(s->source.size - s->taken);
	if (s->source_end || want == 0) {
		s->source_end = s->source_end || s->in_len < IN_SIZE;
		return 0;
	}
	do {
		n = s->source.offset >= 0 ? pread(s->source.fd, s->in + s->in_len, want, s->source.offset + (off_t)s->taken)
					  : read(s->source.fd, s->in + s->in_len, want);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return lp_err_set(err, -errno, "read archive");
	if (n == 0) {
		if (s->source.offset >= 0)
			return lp_err_say(err, -EBADMSG, "the archive is truncated");
		s->source_end = true;
		return 0;
	}
	if (s->source.hash && s->form != LP_STREAM_PLAIN)
		lp_digest_add(&s->packed, s->in + s->in_len, (size_t)n);
	s->in_len += (size_t)n;
	s->taken += (uint64_t)n;
	if (s->source.progress)
		s->source.progress(s->source.arg, (uint64_t)n);
	return 0;
}

static int
start_form(struct lp_stream *s, struct lp_err *err)
{
	static const unsigned char zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const unsigned char gzip_magic[] = { 0x1f, 0x8b };
	int rc;

	s->form = LP_STREAM_PLAIN;
	while (s->in_len < sizeof(zstd_magic) && !s->source_end) {
		rc = fill(s, err);
		if (rc < 0)
			return rc;
	}
	if (s->in_len >= sizeof(gzip_magic) && !memcmp(s->in, gzip_magic, sizeof(gzip_magic)))
		s->form = LP_STREAM_GZIP;
	else if (s->in_len >= sizeof(zstd_magic) && !memcmp(s->in, zstd_magic, sizeof(zstd_magic)))
		s->form = LP_STREAM_ZSTD;
	if (s->source.hash && s->form != LP_STREAM_PLAIN)
		lp_digest_add(&s->packed, s->in, s->in_len);	/* fill() did not yet know that it must */
	if (s->form == LP_STREAM_GZIP && inflateInit2(&s->gzip, 15 + 16) != Z_OK)
		return lp_err_set(err, -ENOMEM, "start gzip");
	if (s->form == LP_STREAM_ZSTD) {
		s->zstd = ZSTD_createDStream();
		if (!s->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
			return lp_err_set(err, -ENOMEM, "start zstd");
	}
	return 0;
}

int
lp_stream_open(const struct lp_stream_source *source, struct lp_stream **out, struct lp_err *err)
{
	struct lp_stream *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return lp_err_set(err, -ENOMEM, "open archive");
	s->source = *source;
	lp_digest_start(&s->packed);
	lp_digest_start(&s->plain);
	s->in = malloc(IN_SIZE);
	rc = s->in ? start_form(s, err) : lp_err_set(err, -ENOMEM, "open archive");
	if (rc < 0) {
		lp_stream_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

void
lp_stream_close(struct lp_stream *s)
{
	if (!s)
		return;
	if (s->form == LP_STREAM_GZIP)
		(void)inflateEnd(&s->gzip);	/* -Z_STREAM_ERROR when it was never started */
	(void)ZSTD_freeDStream(s->zstd);
	free(s->in);
	free(s);
}

enum lp_stream_form
lp_stream_form(const struct lp_stream *s)
{
	return s->form;
}

uint64_t
lp_stream_done(const struct lp_stream *s)
{
	return s->done;
}

static ssize_t
read_plain(struct lp_stream *s, unsigned char *out, size_t len)
{
	size_t n = s->in_len - s->in_pos;

	if (n > len)
		n = len;
	memcpy(out, s->in + s->in_pos, n);
	s->in_pos += n;
	return (ssize_t)n;
}

static ssize_t
read_gzip(struct lp_stream *s, unsigned char *out, size_t len, struct lp_err *err)
{
	int rc;

	if (s->between && s->in[s->in_pos] == 0) {	/* padding behind the last member */
		s->in_pos++;
		return 0;
	}
	if (s->between && inflateReset(&s->gzip) != Z_OK)
		return lp_err_set(err, -EINVAL, "next gzip member");
	s->between = false;
	s->gzip.next_in = s->in + s->in_pos;
	s->gzip.avail_in = (uInt)(s->in_len - s->in_pos);
	s->gzip.next_out = out;
	s->gzip.avail_out = (uInt)len;
	rc = inflate(&s->gzip, Z_NO_FLUSH);
	s->in_pos = s->in_len - s->gzip.avail_in;
	if (rc == Z_MEM_ERROR)
		return lp_err_set(err, -ENOMEM, "gzip");
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return lp_err_say(err, -EBADMSG, "broken gzip data%s%s", s->gzip.msg ? ": " : "", s->gzip.msg ? s->gzip.msg : "");
	s->between = rc == Z_STREAM_END;
	return (ssize_t)(len - s->gzip.avail_out);
}

static ssize_t
read_zstd(struct lp_stream *s, unsigned char *out, size_t len, struct lp_err *err)
{
	ZSTD_inBuffer in = { s->in, s->in_len, s->in_pos };
	ZSTD_outBuffer to = { out, len, 0 };
	size_t rc = ZSTD_decompressStream(s->zstd, &to, &in);

	s->in_pos = in.pos;
	if (ZSTD_isError(rc))
		return lp_err_say(err, -EBADMSG, "broken zstd data: %s", ZSTD_getErrorName(rc));
	s->between = rc == 0;
	return (ssize_t)to.pos;
}

/* One step: some bytes, or 0 when more input is needed or the end is reached (s->end). */
static ssize_t
step(struct lp_stream *s, unsigned char *out, size_t len, struct lp_err *err)
{
	if (s->in_pos == s->in_len) {
		int rc = fill(s, err);

		if (rc < 0)
			return rc;
	}
	/* With no input left a decoder may still hold output; at a border it does not. */
	if (s->in_pos == s->in_len && s->source_end && (s->form == LP_STREAM_PLAIN || s->between)) {
		s->end = true;
		return 0;
	}
	switch (s->form) {
	case LP_STREAM_PLAIN:
		return read_plain(s, out, len);
	case LP_STREAM_GZIP:
		return read_gzip(s, out, len, err);
	case LP_STREAM_ZSTD:
		return read_zstd(s, out, len, err);
	}
	return -EINVAL;
}

ssize_t
lp_stream_read(struct lp_stream *s, void *data, size_t len, struct lp_err *err)
{
	if (len > IN_SIZE)
		len = IN_SIZE;
	while (!s->end && len > 0) {
		size_t pos = s->in_pos, had = s->in_len;
		ssize_t n = step(s, data, len, err);

		if (n < 0)
			return n;
		if (n == 0 && !s->end && s->source_end && pos == had && s->in_pos == s->in_len)
			return lp_err_say(err, -EBADMSG, "the archive is truncated");
		if (n == 0)
			continue;
		s->done += (uint64_t)n;
		if (s->source.out_max && s->done > s->source.out_max)
			return lp_err_say(err, -E2BIG, "more than %llu bytes after decompression", (unsigned long long)s->source.out_max);
		if (s->source.hash)
			lp_digest_add(&s->plain, data, (size_t)n);
		return n;
	}
	return 0;
}

int
lp_stream_read_all(struct lp_stream *s, void *data, size_t len, struct lp_err *err)
{
	char *to = data;

	while (len > 0) {
		ssize_t n = lp_stream_read(s, to, len, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return lp_err_say(err, -EBADMSG, "the archive is truncated");
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

int
lp_stream_skip(struct lp_stream *s, uint64_t len, struct lp_err *err)
{
	char waste[8192];

	while (len > 0) {
		size_t part = len < sizeof(waste) ? (size_t)len : sizeof(waste);
		int rc = lp_stream_read_all(s, waste, part, err);

		if (rc < 0)
			return rc;
		len -= part;
	}
	return 0;
}

int
lp_stream_finish(struct lp_stream *s, char out_packed[static LP_DIGEST_TEXT], char out_plain[static LP_DIGEST_TEXT], struct lp_err *err)
{
	uint8_t digest[LP_DIGEST_BYTES];
	char waste[8192];
	ssize_t n;

	while ((n = lp_stream_read(s, waste, sizeof(waste), err)) > 0)
		continue;
	if (n < 0)
		return (int)n;
	out_packed[0] = out_plain[0] = '\0';
	if (!s->source.hash)
		return 0;
	lp_digest_end(&s->plain, digest);
	lp_digest_text(digest, out_plain);
	if (s->form != LP_STREAM_PLAIN)
		lp_digest_end(&s->packed, digest);
	lp_digest_text(digest, out_packed);
	return 0;
}
