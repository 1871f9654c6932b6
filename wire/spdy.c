/*
 * wire/spdy.c - SPDY/3.1 frames, the server's part of what kubectl needs.
 *
 * Source  SPDY Protocol draft 3.1, sections 2.2, 2.6 and 2.6.10; the two constant reply blocks are those of the API server
 */
#include "wire/spdy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/auto.h"
#include "base/seam.h"

#define CONTROL_MAX (64u << 10)
#define HEADERS_MAX (16u << 10)
#define DICTIONARY_LEN 1423

enum { SYN_STREAM = 1, SYN_REPLY = 2, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, HEADERS = 8, WINDOW_UPDATE = 9 };
enum { FLAG_FIN = 1, RST_REFUSED = 3 };

struct lp_spdy {
	const struct lp_spdy_ops *ops;
	void *arg;
	z_stream inflate;
	struct lp_buf frame;		/* a control frame's body, until it is whole */
	uint8_t head[8];
	uint8_t head_len;
	uint32_t left;			/* body bytes to come */
	uint32_t last_stream;
	bool replied;			/* the first SYN_REPLY was sent: later blocks are others */
};

/* The dictionary of section 2.6.10.1: words with their length, then text. */
static const char *const dictionary_words[] = {
	"options", "head", "post", "put", "delete", "trace", "accept", "accept-charset", "accept-encoding", "accept-language",
	"accept-ranges", "age", "allow", "authorization", "cache-control", "connection", "content-base", "content-encoding",
	"content-language", "content-length", "content-location", "content-md5", "content-range", "content-type", "date", "etag",
	"expect", "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
	"last-modified", "location", "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization", "range", "referer",
	"retry-after", "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary", "via", "warning",
	"www-authenticate", "method", "get", "status", "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive",
	"origin",
};
static const char dictionary_text[] =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information"
    "204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error"
    "501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, "
    "Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

static int
dictionary_set(z_stream *stream)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 2 * DICTIONARY_LEN);
	for (size_t i = 0; i < lp_count(dictionary_words); i++) {
		(void)lp_buf_u32(&text, (uint32_t)strlen(dictionary_words[i]));	/* sticky, checked below */
		(void)lp_buf_str(&text, dictionary_words[i]);
	}
	if (lp_buf_str(&text, dictionary_text) < 0)
		return -ENOMEM;
	return inflateSetDictionary(stream, (const Bytef *)text.data, (uInt)text.len) == Z_OK ? 0 : -EPROTO;
}

int
lp_spdy_new(struct lp_spdy **out, const struct lp_spdy_ops *ops, void *arg, struct lp_err *err)
{
	struct lp_spdy *spdy = lp_seam.alloc(sizeof(*spdy));

	if (!spdy)
		return lp_err_set(err, -ENOMEM, "SPDY");
	spdy->ops = ops;
	spdy->arg = arg;
	lp_buf_init(&spdy->frame, CONTROL_MAX);
	if (inflateInit(&spdy->inflate) != Z_OK) {
		free(spdy);
		return lp_err_set(err, -ENOMEM, "SPDY");
	}
	*out = spdy;
	return 0;
}

void
lp_spdy_free(struct lp_spdy *spdy)
{
	if (!spdy)
		return;
	(void)inflateEnd(&spdy->inflate);	/* an unfinished stream is what it always is */
	lp_buf_fini(&spdy->frame);
	free(spdy);
}

static uint32_t
u32(const void *at)
{
	const uint8_t *b = at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* ---- header blocks */

static int
block_inflate(struct lp_spdy *spdy, const char *block, size_t len, struct lp_buf *out, struct lp_err *err)
{
	z_stream *z = &spdy->inflate;

	z->next_in = (Bytef *)(uintptr_t)block;
	z->avail_in = (uInt)len;
	while (z->avail_in) {
		char *room = lp_buf_room(out, 2048);
		int rc;

		if (!room)
			return lp_err_set(err, out->failed, "SPDY headers");
		z->next_out = (Bytef *)room;
		z->avail_out = 2048;
		rc = inflate(z, Z_SYNC_FLUSH);
		lp_buf_added(out, 2048 - z->avail_out);
		if (rc == Z_NEED_DICT && dictionary_set(z) == 0)
			continue;
		if (rc != Z_OK)
			return lp_err_say(err, -EPROTO, "SPDY headers that do not inflate");
	}
	return 0;
}

/* One length-prefixed string; NULL when there is none. It is NUL-terminated in place: the next length is read before. */
static char *
string_take(char **at, char *end, uint32_t *out_len)
{
	uint32_t len;
	char *text;

	if (end - *at < 4)
		return NULL;
	len = u32(*at);
	if (len > (size_t)(end - *at - 4))
		return NULL;
	text = *at + 4;
	*at = text + len;
	*out_len = len;
	return text;
}

static int
block_read(struct lp_buf *text, struct lp_spdy_headers *out, struct lp_err *err)
{
	char *at = text->data, *end;
	uint32_t count;

	*out = (struct lp_spdy_headers){ "", "", "" };
	if (text->len < 4)
		return lp_err_say(err, -EPROTO, "SPDY headers that are cut off");
	end = at + text->len;
	count = u32(at);
	at += 4;
	while (count--) {
		uint32_t name_len, value_len;
		char *name = string_take(&at, end, &name_len);
		char *value = name ? string_take(&at, end, &value_len) : NULL;
		static const struct {
			const char *name;
			size_t offset;
		} known[] = {
			{ "streamtype", offsetof(struct lp_spdy_headers, stream_type) },
			{ "port",       offsetof(struct lp_spdy_headers, port) },
			{ "requestid",  offsetof(struct lp_spdy_headers, request_id) },
		};

		if (!value)
			return lp_err_say(err, -EPROTO, "SPDY headers that are cut off");
		for (size_t i = 0; i < lp_count(known); i++) {
			if (name_len != strlen(known[i].name) || memcmp(name, known[i].name, name_len) != 0)
				continue;
			/* The bytes of the length before it are read: move the value there to end it with a NUL. */
			if (value_len) {
				memmove(value - 1, value, value_len);
				value[value_len - 1] = 0;
			}
			*(const char **)(void *)((char *)out + known[i].offset) = value_len ? value - 1 : "";
		}
	}
	return 0;
}

/* ---- frames in */

static int
control(struct lp_buf *out, uint16_t type, uint32_t len)
{
	(void)lp_buf_u16(out, 0x8003);	/* sticky, returned at the end */
	(void)lp_buf_u16(out, type);
	return lp_buf_u32(out, len);	/* flags 0 */
}

static int
reply(struct lp_spdy *spdy, uint32_t stream, struct lp_buf *answer)
{
	static const uint8_t first[] = { 0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2, 0x62, 0x60, 0x60, 0x60, 0, 0, 0, 0, 0xff, 0xff };
	static const uint8_t later[] = { 0x02, 0x61, 0, 0, 0, 0, 0xff, 0xff };
	const uint8_t *block = spdy->replied ? later : first;
	size_t len = spdy->replied ? sizeof(later) : sizeof(first);

	spdy->replied = true;
	(void)control(answer, SYN_REPLY, (uint32_t)(4 + len));
	(void)lp_buf_u32(answer, stream);
	return lp_buf_add(answer, block, len);
}

static int
take_syn(struct lp_spdy *spdy, uint8_t flags, struct lp_buf *answer, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	struct lp_spdy_headers headers;
	uint32_t stream;
	int rc;

	lp_buf_init(&text, HEADERS_MAX);
	if (spdy->frame.len < 10)
		return lp_err_say(err, -EPROTO, "a SPDY stream that is cut off");
	stream = u32(spdy->frame.data) & 0x7fffffff;
	if (!(stream & 1) || stream <= spdy->last_stream)
		return lp_err_say(err, -EPROTO, "SPDY stream %u after %u", stream, spdy->last_stream);
	rc = block_inflate(spdy, spdy->frame.data + 10, spdy->frame.len - 10, &text, err);
	if (rc == 0)
		rc = block_read(&text, &headers, err);
	if (rc < 0)
		return rc;
	spdy->last_stream = stream;
	if (!spdy->ops->opened(spdy->arg, stream, &headers, flags & FLAG_FIN))
		return lp_spdy_reset(answer, stream, RST_REFUSED);
	return reply(spdy, stream, answer);
}

static int
take_control(struct lp_spdy *spdy, struct lp_buf *answer, struct lp_err *err)
{
	uint16_t type = (uint16_t)(spdy->head[2] << 8 | spdy->head[3]);

	switch (type) {
	case SYN_STREAM:
		return take_syn(spdy, spdy->head[4], answer, err);
	case RST_STREAM:
		if (spdy->frame.len < 8)
			return lp_err_say(err, -EPROTO, "a SPDY reset that is cut off");
		spdy->ops->reset(spdy->arg, u32(spdy->frame.data) & 0x7fffffff);
		return 0;
	case PING:
		if (spdy->frame.len != 4)
			return lp_err_say(err, -EPROTO, "a SPDY ping of %zu bytes", spdy->frame.len);
		(void)control(answer, PING, 4);	/* sticky */
		return lp_buf_add(answer, spdy->frame.data, 4);
	case GOAWAY:
		spdy->ops->goaway(spdy->arg);
		return 0;
	default:
		return 0;		/* SETTINGS, HEADERS, WINDOW_UPDATE: nobody here acts on them */
	}
}

static int
take_head(struct lp_spdy *spdy, struct lp_err *err)
{
	spdy->left = u32(spdy->head + 4) & 0xffffff;
	if (!(spdy->head[0] & 0x80))
		return 0;
	if ((spdy->head[0] & 0x7f) != 0 || spdy->head[1] != 3)
		return lp_err_say(err, -EPROTO, "not SPDY version 3");
	if (spdy->left > CONTROL_MAX)
		return lp_err_say(err, -EMSGSIZE, "a SPDY control frame of %u bytes", spdy->left);
	lp_buf_reset(&spdy->frame);
	return 0;
}

/* A piece of the body; the last one ends the frame. */
static int
take_body(struct lp_spdy *spdy, const uint8_t *data, size_t len, struct lp_buf *answer, struct lp_err *err)
{
	bool is_control = spdy->head[0] & 0x80;

	spdy->left -= (uint32_t)len;
	if (spdy->left == 0)
		spdy->head_len = 0;
	if (!is_control) {
		bool fin = spdy->left == 0 && (spdy->head[4] & FLAG_FIN);

		if (len || fin)
			spdy->ops->data(spdy->arg, u32(spdy->head), data, len, fin);
		return 0;
	}
	if (lp_buf_add(&spdy->frame, data, len) < 0)
		return lp_err_set(err, spdy->frame.failed, "SPDY frame");
	if (spdy->left)
		return 0;
	return take_control(spdy, answer, err);
}

int
lp_spdy_feed(struct lp_spdy *spdy, const void *data, size_t len, struct lp_buf *answer, struct lp_err *err)
{
	const uint8_t *at = data;
	int rc = 0;

	while (rc == 0 && len) {
		size_t part;

		if (spdy->head_len < sizeof(spdy->head)) {
			spdy->head[spdy->head_len++] = *at++;
			len--;
			if (spdy->head_len < sizeof(spdy->head))
				continue;
			rc = take_head(spdy, err);
			if (rc < 0 || spdy->left)
				continue;
		}
		part = len < spdy->left ? len : spdy->left;
		rc = take_body(spdy, at, part, answer, err);
		at += part;
		len -= part;
	}
	return rc;
}

/* ---- frames out */

int
lp_spdy_data(struct lp_buf *out, uint32_t stream, const void *data, size_t len, bool fin)
{
	const uint8_t *at = data ? data : (const uint8_t *)"";

	do {
		size_t part = len < 0xffffff ? len : 0xffffff;

		len -= part;
		(void)lp_buf_u32(out, stream);	/* sticky, returned at the end */
		(void)lp_buf_u32(out, (uint32_t)part | (fin && len == 0 ? FLAG_FIN << 24 : 0));
		(void)lp_buf_add(out, at, part);
		at += part;
	} while (len);
	return out->failed;
}

int
lp_spdy_reset(struct lp_buf *out, uint32_t stream, uint32_t status)
{
	(void)control(out, RST_STREAM, 8);	/* sticky */
	(void)lp_buf_u32(out, stream);
	return lp_buf_u32(out, status);
}

int
lp_spdy_goaway(struct lp_buf *out, uint32_t last_stream)
{
	(void)control(out, GOAWAY, 8);	/* sticky */
	(void)lp_buf_u32(out, last_stream);
	return lp_buf_u32(out, 0);
}
