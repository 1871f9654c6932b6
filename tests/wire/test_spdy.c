#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/harness.h"
#include "wire/spdy.h"

/* What the server's side saw, as one line of text. */
static struct lp_buf seen;
static bool refuse;

static bool
opened(void *arg, uint32_t stream, const struct lp_spdy_headers *headers, bool fin)
{
	(void)arg;
	lp_buf_printf(&seen, "open %u %s %s %s%s;", stream, headers->stream_type, headers->port, headers->request_id, fin ? " fin" : "");
	return !refuse;
}

static void
data(void *arg, uint32_t stream, const void *bytes, size_t len, bool fin)
{
	(void)arg;
	lp_buf_printf(&seen, "data %u %.*s%s;", stream, (int)len, (const char *)bytes, fin ? " fin" : "");
}

static void
reset(void *arg, uint32_t stream)
{
	(void)arg;
	lp_buf_printf(&seen, "reset %u;", stream);
}

static void
goaway(void *arg)
{
	(void)arg;
	lp_buf_printf(&seen, "goaway;");
}

static const struct lp_spdy_ops ops = { .opened = opened, .data = data, .reset = reset, .goaway = goaway };

/* ---- a client */

static z_stream deflater;

static void
client_start(void)
{
	memset(&deflater, 0, sizeof(deflater));
	CHECK_INT(deflateInit(&deflater, 9), Z_OK);
	refuse = false;
	lp_buf_init(&seen, 1 << 20);
}

static void
syn(struct lp_buf *out, uint32_t stream, uint8_t flags, const char *const *pairs)
{
	struct lp_buf block;
	unsigned char packed[4096];
	uint32_t count = 0;

	lp_buf_init(&block, 4096);
	while (pairs[2 * count])
		count++;
	lp_buf_u32(&block, count);
	for (uint32_t i = 0; i < 2 * count; i++) {
		lp_buf_u32(&block, (uint32_t)strlen(pairs[i]));
		lp_buf_str(&block, pairs[i]);
	}
	deflater.next_in = (Bytef *)block.data;
	deflater.avail_in = (uInt)block.len;
	deflater.next_out = packed;
	deflater.avail_out = sizeof(packed);
	CHECK_INT(deflate(&deflater, Z_SYNC_FLUSH), Z_OK);
	size_t len = sizeof(packed) - deflater.avail_out;

	lp_buf_u32(out, 0x80030001);
	lp_buf_u32(out, (uint32_t)flags << 24 | (uint32_t)(10 + len));
	lp_buf_u32(out, stream);
	lp_buf_u32(out, 0);
	lp_buf_u16(out, 0);
	lp_buf_add(out, packed, len);
	lp_buf_fini(&block);
}

static const char *const stdout_pairs[] = { "streamtype", "stdout", NULL };
static const char *const forward_pairs[] = { "port", "8080", "streamtype", "data", "requestid", "7", "other", "", NULL };

TEST(streams_are_opened_used_and_answered)
{
	struct lp_spdy *spdy = NULL;
	struct lp_buf in, answer;
	struct lp_err err = { 0 };

	client_start();
	lp_buf_init(&in, 1 << 16);
	lp_buf_init(&answer, 1 << 16);
	CHECK_OK(lp_spdy_new(&spdy, &ops, NULL, &err), &err);
	syn(&in, 1, 0, stdout_pairs);
	syn(&in, 3, 1, forward_pairs);
	lp_spdy_data(&in, 1, "hello", 5, false);
	lp_spdy_data(&in, 1, "", 0, true);
	lp_spdy_reset(&in, 1, 5);
	lp_buf_add(&in, "\x80\x03\0\x06\0\0\0\x04\0\0\0\x09", 12);	/* ping 9 */
	lp_buf_add(&in, "\x80\x03\0\x04\0\0\0\x04\0\0\0\0", 12);	/* settings, ignored */
	lp_spdy_goaway(&in, 3);
	CHECK_OK(lp_spdy_feed(spdy, in.data, in.len, &answer, &err), &err);
	CHECK_STR(seen.data, "open 1 stdout  ;open 3 data 8080 7 fin;data 1 hello;data 1  fin;reset 1;goaway;");
	/* the two constant replies, then the ping */
	CHECK_INT(answer.len, 8 + 4 + 16 + 8 + 4 + 8 + 12);
	CHECK_MEM(answer.data, "\x80\x03\0\x02\0\0\0\x14\0\0\0\x01\x78\xf9\xe3\xc6\xa7\xc2", 18);
	CHECK_MEM(answer.data + 28, "\x80\x03\0\x02\0\0\0\x0c\0\0\0\x03\x02\x61\0\0\0\0\xff\xff", 20);
	CHECK_MEM(answer.data + 48, "\x80\x03\0\x06\0\0\0\x04\0\0\0\x09", 12);
	lp_spdy_free(spdy);
	deflateEnd(&deflater);
	lp_buf_fini(&in);
	lp_buf_fini(&answer);
	lp_buf_fini(&seen);
}

TEST(bytes_may_come_one_at_a_time)
{
	struct lp_spdy *spdy = NULL;
	struct lp_buf in, answer;
	struct lp_err err = { 0 };

	client_start();
	lp_buf_init(&in, 1 << 16);
	lp_buf_init(&answer, 1 << 16);
	CHECK_OK(lp_spdy_new(&spdy, &ops, NULL, &err), &err);
	syn(&in, 1, 0, stdout_pairs);
	syn(&in, 3, 0, forward_pairs);
	lp_spdy_data(&in, 3, "xy", 2, true);
	for (size_t i = 0; i < in.len; i++)
		CHECK_OK(lp_spdy_feed(spdy, in.data + i, 1, &answer, &err), &err);
	CHECK_STR(seen.data, "open 1 stdout  ;open 3 data 8080 7;data 3 x;data 3 y fin;");
	lp_spdy_free(spdy);
	deflateEnd(&deflater);
	lp_buf_fini(&in);
	lp_buf_fini(&answer);
	lp_buf_fini(&seen);
}

TEST(a_stream_that_nobody_wants_is_reset)
{
	struct lp_spdy *spdy = NULL;
	struct lp_buf in, answer;

	client_start();
	refuse = true;
	lp_buf_init(&in, 1 << 16);
	lp_buf_init(&answer, 1 << 16);
	CHECK_OK(lp_spdy_new(&spdy, &ops, NULL, NULL), NULL);
	syn(&in, 1, 0, stdout_pairs);
	CHECK_OK(lp_spdy_feed(spdy, in.data, in.len, &answer, NULL), NULL);
	CHECK_MEM(answer.data, "\x80\x03\0\x03\0\0\0\x08\0\0\0\x01\0\0\0\x03", 16);
	lp_spdy_free(spdy);
	deflateEnd(&deflater);
	lp_buf_fini(&in);
	lp_buf_fini(&answer);
	lp_buf_fini(&seen);
}

static int
feed_fresh(const void *bytes, size_t len)
{
	struct lp_spdy *spdy = NULL;
	struct lp_buf answer;
	int rc;

	lp_buf_init(&answer, 1 << 16);
	CHECK_OK(lp_spdy_new(&spdy, &ops, NULL, NULL), NULL);
	rc = lp_spdy_feed(spdy, bytes, len, &answer, NULL);
	lp_spdy_free(spdy);
	lp_buf_fini(&answer);
	return rc;
}

TEST(what_is_no_spdy_is_refused)
{
	struct lp_buf in;

	client_start();
	lp_buf_init(&in, 1 << 16);
	CHECK_ERR(feed_fresh("\x80\x02\0\x01\0\0\0\x0a", 8), -EPROTO);		/* version 2 */
	CHECK_ERR(feed_fresh("\x80\x03\0\x01\0\xff\xff\xff", 8), -EMSGSIZE);
	CHECK_ERR(feed_fresh("\x80\x03\0\x01\0\0\0\0", 8), -EPROTO);		/* cut off */
	CHECK_ERR(feed_fresh("\x80\x03\0\x03\0\0\0\0", 8), -EPROTO);
	CHECK_ERR(feed_fresh("\x80\x03\0\x06\0\0\0\x01\0", 9), -EPROTO);
	CHECK_ERR(feed_fresh("\x80\x03\0\x01\0\0\0\x0e\0\0\0\x01\0\0\0\0\0\0junk", 22), -EPROTO);
	syn(&in, 2, 0, stdout_pairs);						/* even: not a client's */
	CHECK_ERR(feed_fresh(in.data, in.len), -EPROTO);
	lp_buf_fini(&in);
	lp_buf_fini(&seen);
	deflateEnd(&deflater);
}

TEST(headers_that_inflate_beyond_reason_are_refused)
{
	char *huge = malloc(40001);
	const char *pairs[] = { "streamtype", huge, NULL };
	struct lp_buf in, block;
	unsigned char packed[4096];

	memset(huge, 'a', 40000);
	huge[40000] = 0;
	client_start();
	lp_buf_init(&in, 1 << 16);
	lp_buf_init(&block, 1 << 20);
	lp_buf_u32(&block, 1);
	for (int i = 0; i < 2; i++) {
		lp_buf_u32(&block, (uint32_t)strlen(pairs[i]));
		lp_buf_str(&block, pairs[i]);
	}
	deflater.next_in = (Bytef *)block.data;
	deflater.avail_in = (uInt)block.len;
	deflater.next_out = packed;
	deflater.avail_out = sizeof(packed);
	CHECK_INT(deflate(&deflater, Z_SYNC_FLUSH), Z_OK);
	size_t len = sizeof(packed) - deflater.avail_out;
	lp_buf_u32(&in, 0x80030001);
	lp_buf_u32(&in, (uint32_t)(10 + len));
	lp_buf_u32(&in, 1);
	lp_buf_u32(&in, 0);
	lp_buf_u16(&in, 0);
	lp_buf_add(&in, packed, len);
	CHECK_ERR(feed_fresh(in.data, in.len), -EMSGSIZE);
	lp_buf_fini(&in);
	lp_buf_fini(&block);
	lp_buf_fini(&seen);
	deflateEnd(&deflater);
	free(huge);
}
