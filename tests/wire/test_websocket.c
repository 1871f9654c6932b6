#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"
#include "wire/websocket.h"

static struct lp_buf got;
static int messages;
static enum lp_websocket_op last_op;

static int
take(void *arg, enum lp_websocket_op op, const void *data, size_t len)
{
	(void)arg;
	messages++;
	last_op = op;
	lp_buf_reset(&got);
	return lp_buf_add(&got, data, len);
}

static void
pair(struct lp_websocket *client, struct lp_websocket *server, size_t max)
{
	messages = 0;
	lp_buf_init(&got, 1u << 24);
	lp_websocket_init(client, true, max, take, NULL);
	lp_websocket_init(server, false, max, take, NULL);
}

static void
unpair(struct lp_websocket *client, struct lp_websocket *server)
{
	lp_websocket_fini(client);
	lp_websocket_fini(server);
	lp_buf_fini(&got);
}

TEST(the_key_of_the_rfc_has_the_answer_of_the_rfc)
{
	char accept[LP_WEBSOCKET_ACCEPT];

	CHECK_OK(lp_websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", accept), NULL);
	CHECK_STR(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	CHECK_ERR(lp_websocket_accept("c2hvcnQ=", accept), -EINVAL);
	CHECK_ERR(lp_websocket_accept("", accept), -EINVAL);
}

TEST(messages_of_every_length_arrive_however_they_are_cut)
{
	static const size_t sizes[] = { 0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 300000 };
	struct lp_websocket client, server;
	char *data = malloc(300000);

	for (size_t i = 0; i < 300000; i++)
		data[i] = (char)(i * 7);
	pair(&client, &server, 1u << 20);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int way = 0; way < 2; way++) {
			struct lp_websocket *from = way ? &server : &client, *to = way ? &client : &server;
			struct lp_buf wire;
			int before = messages;

			lp_buf_init(&wire, 1u << 20);
			CHECK_OK(lp_websocket_frame(from, &wire, LP_WEBSOCKET_BINARY, 3, data, sizes[i]), NULL);
			for (size_t at = 0; at < wire.len;) {
				size_t part = sizes[i] < 1000 ? 1 : 997;

				if (part > wire.len - at)
					part = wire.len - at;
				CHECK_OK(lp_websocket_feed(to, wire.data + at, part, NULL), NULL);
				at += part;
			}
			CHECK_INT(messages, before + 1);
			CHECK_INT(got.len, sizes[i] + 1);
			CHECK_INT(got.data[0], 3);
			CHECK_MEM(got.data + 1, data, sizes[i]);
			lp_buf_fini(&wire);
		}
	}
	unpair(&client, &server);
	free(data);
}

TEST(fragments_are_joined_and_control_frames_may_come_between)
{
	static const unsigned char wire[] = {
		0x02, 0x83, 0, 0, 0, 0, 'a', 'b', 'c',		/* first piece */
		0x89, 0x82, 0, 0, 0, 0, 'h', 'i',		/* ping */
		0x80, 0x82, 1, 2, 3, 4, 'd' ^ 1, 'e' ^ 2,	/* last piece */
	};
	struct lp_websocket client, server;

	pair(&client, &server, 100);
	CHECK_OK(lp_websocket_feed(&server, wire, 17, NULL), NULL);
	CHECK_INT(messages, 1);
	CHECK_INT(last_op, LP_WEBSOCKET_PING);
	CHECK_STR(got.data, "hi");
	CHECK_OK(lp_websocket_feed(&server, wire + 17, sizeof(wire) - 17, NULL), NULL);
	CHECK_INT(messages, 2);
	CHECK_STR(got.data, "abcde");
	unpair(&client, &server);
}

TEST(what_breaks_the_rules_is_refused)
{
	static const struct {
		unsigned char bytes[16];
		size_t len;
		int code;
	} bad[] = {
		{ { 0x82, 0x01, 'x' }, 3, -EPROTO },				/* no mask */
		{ { 0xc2, 0x81, 0, 0, 0, 0, 'x' }, 7, -EPROTO },		/* reserved bit */
		{ { 0x81, 0x81, 0, 0, 0, 0, 'x' }, 7, -EPROTO },		/* text */
		{ { 0x80, 0x81, 0, 0, 0, 0, 'x' }, 7, -EPROTO },		/* continuation of nothing */
		{ { 0x09, 0x81, 0, 0, 0, 0, 'x' }, 7, -EPROTO },		/* split ping */
		{ { 0x89, 0xfe, 0, 126, 0, 0, 0, 0 }, 8, -EPROTO },		/* long ping */
		{ { 0x83, 0x81, 0, 0, 0, 0, 'x' }, 7, -EPROTO },		/* unknown kind */
		{ { 0x82, 0xfe, 0, 200, 0, 0, 0, 0 }, 8, -EMSGSIZE },		/* too long */
		{ { 0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0 }, 14, -EMSGSIZE },
		{ { 0x02, 0x81, 0, 0, 0, 0, 'x', 0x02, 0x81, 0, 0, 0, 0, 'y' }, 14, -EPROTO },	/* a message inside another */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lp_websocket client, server;
		struct lp_err err;

		pair(&client, &server, 100);
		CHECK_ERR(lp_websocket_feed(&server, bad[i].bytes, bad[i].len, &err), bad[i].code);
		unpair(&client, &server);
	}
	struct lp_websocket client, server;
	pair(&client, &server, 100);
	CHECK_ERR(lp_websocket_feed(&client, "\x82\x81\0\0\0\0x", 7, NULL), -EPROTO);	/* a masked frame from a server */
	unpair(&client, &server);
}

TEST(fragments_together_may_not_be_longer_than_a_message)
{
	static const unsigned char piece[] = { 0x02, 0x8a, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	unsigned char more[16];
	struct lp_websocket client, server;

	memcpy(more, piece, sizeof(more));
	more[0] = 0;
	pair(&client, &server, 25);
	CHECK_OK(lp_websocket_feed(&server, piece, sizeof(piece), NULL), NULL);
	CHECK_OK(lp_websocket_feed(&server, more, sizeof(more), NULL), NULL);
	CHECK_ERR(lp_websocket_feed(&server, more, sizeof(more), NULL), -EMSGSIZE);
	unpair(&client, &server);
}
