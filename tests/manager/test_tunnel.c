#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/manager/device.h"
#include "wire/streams.h"

#define PODS "/api/v1/namespaces/default/pods"

/* ---- a device's stream */

struct stream_end {
	struct reply reply;		/* frames from the client */
	struct lp_client_call *call;
};

static struct fleet fleet;
static struct device device;
static uint16_t plain_port;
static size_t opens;			/* open lines seen so far */

static void
begin(void)
{
	struct lp_err err = { 0 };

	fleet_start(&fleet);
	if (api_get(&fleet.api, "/api/v1/namespaces/default").status == 404)
		CHECK_INT(api_post(&fleet.api, "/api/v1/namespaces", "{\"metadata\":{\"name\":\"default\"}}").status, 201);
	CHECK_OK(lp_server_listen(fleet.api.manager.server, "127.0.0.1:0", &plain_port, &err), &err);
	device_init(&device, &fleet, "n1");
	CHECK_INT(device_join(&device, NULL), 200);
	CHECK_INT(api_post(&fleet.api, PODS, "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":["
	    "{\"name\":\"c\",\"image\":\"i:1\"}]}}").status, 201);
	CHECK_INT(api_post(&fleet.api, PODS, "{\"metadata\":{\"name\":\"two\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":["
	    "{\"name\":\"x\",\"image\":\"i:1\"},{\"name\":\"y\",\"image\":\"i:1\"}]}}").status, 201);
	opens = 0;
}

static void
link_up(void)
{
	device_connect(&device);
	device_link(&device, NULL);
	CHECK(device_line(&device, "revision", 0, 2000) != NULL);
}

static void
end(void)
{
	device_free(&device);
	fleet_stop(&fleet);
}

static void
got_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	(void)headers;
	(void)now_ms;
	((struct stream_end *)lp_client_call_arg(call))->reply.status = status;
}

static void
got_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	(void)now_ms;
	CHECK_OK(lp_buf_add(&((struct stream_end *)lp_client_call_arg(call))->reply.text, data, len), NULL);
}

static void
got_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct stream_end *stream = lp_client_call_arg(call);

	(void)now_ms;
	stream->reply.err = *why;
	stream->reply.over = true;
	stream->call = NULL;
}

static const struct lp_client_call_ops stream_ops = { .head = got_head, .data = got_data, .done = got_done };

/* The device answers the next open line with its stream. */
static struct lp_json *
take_open(struct stream_end *stream)
{
	struct lp_json *line = device_line(&device, "open", opens++, 3000);
	char path[128];
	struct lp_client_request request = { .method = "POST", .path = path, .streaming = true };
	struct lp_err err = { 0 };

	CHECK(line != NULL);
	memset(stream, 0, sizeof(*stream));
	lp_buf_init(&stream->reply.text, 64u << 20);
	snprintf(path, sizeof(path), "/fleet/v1/stream/%s", lp_json_str(line, "stream"));
	CHECK_OK(lp_client_start(device.client, &request, &stream_ops, stream, &stream->call, &err), &err);
	return line;
}

static void
frame(struct stream_end *stream, uint8_t channel, const char *data, size_t len)
{
	struct lp_buf bytes;

	lp_buf_init(&bytes, len + 5);
	lp_buf_u8(&bytes, channel);
	lp_buf_u32(&bytes, (uint32_t)len);
	lp_buf_add(&bytes, data, len);
	CHECK_OK(lp_client_write(stream->call, bytes.data, bytes.len), NULL);
	lp_buf_fini(&bytes);
}

/* ---- logs: asked in the background of the test's own loop */

struct log_ask {
	struct lp_client *client;
	struct stream_end answer;
};

static void
log_start(struct log_ask *ask, const char *path)
{
	struct lp_client_header headers[] = { { "Authorization", "Bearer admin" }, { NULL, NULL } };
	struct lp_client_opts opts = { .host = "127.0.0.1", .port = plain_port };
	struct lp_client_request request = { .method = "GET", .path = path, .headers = headers };
	struct lp_err err = { 0 };

	memset(ask, 0, sizeof(*ask));
	lp_buf_init(&ask->answer.reply.text, 64u << 20);
	CHECK_OK(lp_client_new(fleet.api.loop, &opts, &ask->client, &err), &err);
	CHECK_OK(lp_client_start(ask->client, &request, &stream_ops, &ask->answer, &ask->answer.call, &err), &err);
}

static void
log_end(struct log_ask *ask)
{
	lp_client_free(ask->client);
	reply_free(&ask->answer.reply);
}

TEST(a_log_passes_from_the_device_to_the_client)
{
	struct log_ask ask;
	struct stream_end stream;
	struct lp_json *line;

	begin();
	link_up();
	log_start(&ask, PODS "/a/log?follow=true&tailLines=5&timestamps=1");
	line = take_open(&stream);
	CHECK_STR(lp_json_str(line, "verb"), "logs");
	CHECK_STR(lp_json_str(line, "pod"), "a");
	CHECK_STR(lp_json_str(line, "container"), "c");
	CHECK_INT(lp_json_int(line, "options.tailLines", -1), 5);
	CHECK(lp_json_bool(line, "options.follow", false));
	CHECK(lp_json_bool(line, "options.timestamps", false));
	frame(&stream, LP_STREAMS_STDOUT, "one\n", 4);
	FLEET_UNTIL(&fleet, ask.answer.reply.text.len == 4);
	CHECK_INT(ask.answer.reply.status, 200);
	frame(&stream, LP_STREAMS_STDOUT, "two\n", 4);
	lp_client_end(stream.call);
	FLEET_UNTIL(&fleet, ask.answer.reply.over && stream.reply.over);
	CHECK_STR(ask.answer.reply.text.data, "one\ntwo\n");
	CHECK_INT(ask.answer.reply.err.code, 0);
	log_end(&ask);
	reply_free(&stream.reply);
	end();
}

TEST(a_long_log_and_a_slow_reader_lose_nothing)
{
	struct log_ask ask;
	struct stream_end stream;
	size_t sent = 0;
	char block[20000];

	begin();
	link_up();
	log_start(&ask, PODS "/a/log");
	(void)take_open(&stream);
	lp_client_pause(ask.answer.call, true);
	while (sent < (6u << 20)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)((sent + i) % 251);
		if (lp_client_queued(stream.call) < (1u << 20)) {
			frame(&stream, LP_STREAMS_STDOUT, block, sizeof(block));
			sent += sizeof(block);
		} else if (ask.answer.reply.text.len == 0) {
			lp_client_pause(ask.answer.call, false);	/* the device is held up: now read */
		}
		CHECK_OK(lp_loop_turn(fleet.api.loop, 0, NULL), NULL);
	}
	lp_client_pause(ask.answer.call, false);
	lp_client_end(stream.call);
	FLEET_UNTIL(&fleet, ask.answer.reply.over);
	CHECK_INT(ask.answer.reply.err.code, 0);
	CHECK_INT(ask.answer.reply.text.len, sent);
	for (size_t i = 0; i < sent; i++) {
		if (ask.answer.reply.text.data[i] != (char)(i % 251))
			FAIL("byte %zu differs", i);
	}
	log_end(&ask);
	reply_free(&stream.reply);
	end();
}

TEST(what_the_device_objects_to_becomes_the_clients_status)
{
	static const char status[] = "{\"status\":\"Failure\",\"reason\":\"BadRequest\",\"code\":400,\"message\":\"previous container not found\"}";
	struct log_ask ask;
	struct stream_end stream;

	begin();
	link_up();
	log_start(&ask, PODS "/a/log?previous=true");
	(void)take_open(&stream);
	frame(&stream, LP_STREAMS_STATUS, status, strlen(status));
	lp_client_end(stream.call);
	FLEET_UNTIL(&fleet, ask.answer.reply.over);
	CHECK_INT(ask.answer.reply.status, 400);
	CHECK_HAS(ask.answer.reply.text.data, "previous container not found");
	log_end(&ask);
	reply_free(&stream.reply);
	end();
}

TEST(a_device_that_breaks_off_breaks_the_log_off)
{
	struct log_ask ask;
	struct stream_end stream;

	begin();
	link_up();
	log_start(&ask, PODS "/a/log?follow=true");
	(void)take_open(&stream);
	frame(&stream, LP_STREAMS_STDOUT, "half", 4);
	FLEET_UNTIL(&fleet, ask.answer.reply.text.len == 4);
	device_drop(&device);
	FLEET_UNTIL(&fleet, ask.answer.reply.over);
	CHECK(ask.answer.reply.err.code != 0);
	log_end(&ask);
	reply_free(&stream.reply);

	/* Not connected at all. */
	log_start(&ask, PODS "/a/log");
	FLEET_UNTIL(&fleet, ask.answer.reply.over);
	CHECK_INT(ask.answer.reply.status, 503);
	CHECK_HAS(ask.answer.reply.text.data, "not connected");
	log_end(&ask);
	end();
}

TEST(a_client_that_leaves_ends_the_devices_stream)
{
	struct log_ask ask;
	struct stream_end stream;

	begin();
	link_up();
	log_start(&ask, PODS "/a/log?follow=true");
	(void)take_open(&stream);
	FLEET_UNTIL(&fleet, stream.reply.status == 200);
	log_end(&ask);
	FLEET_UNTIL(&fleet, stream.reply.over);
	reply_free(&stream.reply);
	end();
}

TEST(who_asks_for_the_wrong_thing_is_told_at_once)
{
	struct answer answer;

	begin();
	answer = api_get(&fleet.api, PODS "/none/log");
	CHECK_INT(answer.status, 404);
	answer = api_get(&fleet.api, PODS "/two/log");
	CHECK_INT(answer.status, 400);
	CHECK_HAS(answer.text, "choose one of: [x y]");
	answer = api_get(&fleet.api, PODS "/a/log?container=z");
	CHECK_INT(answer.status, 400);
	CHECK_HAS(answer.text, "container z is not valid for pod a");
	answer = api_get(&fleet.api, PODS "/a/log?tailLines=x");
	CHECK_INT(answer.status, 400);
	answer = api_post(&fleet.api, PODS "/a/exec?command=sh&stdout=1", NULL);
	CHECK_INT(answer.status, 400);
	CHECK_HAS(answer.text, "Upgrade request required");
	end();
}

TEST(nobody_takes_a_stream_that_is_not_its_own)
{
	struct log_ask ask;
	struct device other;
	struct reply reply;
	struct lp_json *line;
	char path[128];

	begin();
	link_up();
	device_init(&other, &fleet, "n2");
	CHECK_INT(device_join(&other, NULL), 200);
	device_connect(&other);
	log_start(&ask, PODS "/a/log");
	line = device_line(&device, "open", 0, 2000);
	CHECK(line != NULL);
	snprintf(path, sizeof(path), "/fleet/v1/stream/%s", lp_json_str(line, "stream"));
	device_ask(&other, &reply, "POST", path, "");
	CHECK_INT(reply.status, 404);
	reply_free(&reply);
	device_ask(&device, &reply, "POST", "/fleet/v1/stream/0123456789abcdef0123456789abcdef", "");
	CHECK_INT(reply.status, 404);
	reply_free(&reply);
	log_end(&ask);
	device_free(&other);
	end();
}

/* ---- exec */

static struct lp_streams *session;
static struct lp_streams_flow *flow;
static struct lp_buf out, status;
static int gone;

static void
s_open(void *arg, struct lp_streams_flow *one, uint16_t port, int64_t now_ms)
{
	(void)arg;
	(void)port;
	(void)now_ms;
	flow = one;
}

static void
s_data(void *arg, struct lp_streams_flow *one, uint8_t channel, const void *data, size_t len, int64_t now_ms)
{
	(void)arg;
	(void)one;
	(void)now_ms;
	CHECK_OK(lp_buf_add(channel == LP_STREAMS_STATUS ? &status : &out, data, len), NULL);
}

static void
s_flow_gone(void *arg, struct lp_streams_flow *one, int64_t now_ms)
{
	(void)arg;
	(void)one;
	(void)now_ms;
	flow = NULL;
}

static void
s_gone(void *arg, struct lp_streams *streams, const struct lp_err *why, int64_t now_ms)
{
	(void)arg;
	(void)why;
	(void)now_ms;
	gone++;
	lp_streams_free(streams);
	session = NULL;
}

static void
s_failed(void *arg, int code, const char *body, const struct lp_err *why, int64_t now_ms)
{
	(void)arg;
	(void)now_ms;
	FAIL("the upgrade was refused: %d %s %s", code, body, why->text);
}

static const struct lp_streams_ops session_ops = { .open = s_open, .data = s_data, .flow_gone = s_flow_gone, .gone = s_gone };

static void
dial(const char *path, bool forward)
{
	struct lp_client_header headers[] = { { "Authorization", "Bearer admin" }, { NULL, NULL } };
	struct lp_client_opts copts = { .host = "127.0.0.1", .port = plain_port };
	struct lp_streams_opts opts = { .stdin_open = true, .stdout_open = true, .forward = forward };
	struct lp_client *client = NULL;
	struct lp_err err = { 0 };

	gone = 0;
	lp_buf_init(&out, 64u << 20);
	lp_buf_init(&status, 1u << 20);
	CHECK_OK(lp_client_new(fleet.api.loop, &copts, &client, &err), &err);
	CHECK_OK(lp_streams_dial(client, path, headers, &opts, &session_ops, s_failed, NULL, &session, &err), &err);
	FLEET_UNTIL(&fleet, flow);
}

static void
hang_up(void)
{
	lp_streams_free(session);
	session = NULL;
	lp_buf_fini(&out);
	lp_buf_fini(&status);
}

TEST(an_exec_joins_both_ends_and_its_status_is_last)
{
	static const char result[] = "{\"metadata\":{},\"status\":\"Success\"}";
	struct stream_end stream;
	struct lp_json *line;

	begin();
	link_up();
	dial(PODS "/a/exec?command=sh&command=-c&command=a%20b&stdin=true&stdout=true", false);
	CHECK_OK(lp_streams_send(flow, LP_STREAMS_STDIN, "early", 5), NULL);
	line = take_open(&stream);
	CHECK_STR(lp_json_str(line, "verb"), "exec");
	CHECK_STR(lp_json_text(lp_json_index(lp_json_path(line, "options.command"), 2)), "a b");
	CHECK(lp_json_bool(line, "options.stdin", false));
	CHECK(!lp_json_bool(line, "options.tty", true));
	FLEET_UNTIL(&fleet, stream.reply.text.len == 10);
	CHECK_MEM(stream.reply.text.data, "\0\0\0\0\5early", 10);
	CHECK_OK(lp_streams_send(flow, LP_STREAMS_END, "", 0), NULL);
	FLEET_UNTIL(&fleet, stream.reply.text.len == 15);
	CHECK_MEM(stream.reply.text.data + 10, "\xff\0\0\0\0", 5);
	frame(&stream, LP_STREAMS_STDOUT, "hello", 5);
	frame(&stream, LP_STREAMS_STATUS, result, strlen(result));
	lp_client_end(stream.call);
	FLEET_UNTIL(&fleet, gone);
	CHECK_STR(out.data, "hello");
	CHECK_STR(status.data, result);
	hang_up();
	reply_free(&stream.reply);
	end();
}

TEST(megabytes_of_input_wait_for_a_device_that_is_slow_to_come)
{
	struct stream_end stream;
	size_t sent = 0;
	char block[30000];

	begin();
	link_up();
	dial(PODS "/a/exec?command=cat&stdin=true&stdout=true", false);
	memset(block, 'z', sizeof(block));
	for (int i = 0; i < 400; i++) {
		if (lp_streams_queued(flow) < (256u << 10)) {
			CHECK_OK(lp_streams_send(flow, LP_STREAMS_STDIN, block, sizeof(block)), NULL);
			sent += sizeof(block);
		}
		CHECK_OK(lp_loop_turn(fleet.api.loop, 0, NULL), NULL);
	}
	CHECK(flow != NULL);
	(void)take_open(&stream);
	while (sent < (6u << 20)) {
		if (lp_streams_queued(flow) < (256u << 10)) {
			CHECK_OK(lp_streams_send(flow, LP_STREAMS_STDIN, block, sizeof(block)), NULL);
			sent += sizeof(block);
		}
		CHECK_OK(lp_loop_turn(fleet.api.loop, 0, NULL), NULL);
	}
	FLEET_UNTIL(&fleet, stream.reply.text.len >= sent);
	hang_up();
	FLEET_UNTIL(&fleet, stream.reply.over);
	reply_free(&stream.reply);
	end();
}

TEST(a_device_that_leaves_fails_the_exec_with_words)
{
	struct stream_end stream;

	begin();
	link_up();
	dial(PODS "/a/exec?command=sh&stdin=true&stdout=true", false);
	(void)take_open(&stream);
	FLEET_UNTIL(&fleet, stream.reply.status == 200);
	device_drop(&device);
	FLEET_UNTIL(&fleet, gone);
	CHECK_HAS(status.data, "\"status\":\"Failure\"");
	CHECK_HAS(status.data, "node n1 was lost");
	hang_up();
	reply_free(&stream.reply);
	end();
}

TEST(a_device_that_leaves_before_it_came_fails_the_exec_at_once)
{
	begin();
	link_up();
	dial(PODS "/a/exec?command=sh&stdin=true&stdout=true", false);
	CHECK(device_line(&device, "open", opens++, 3000) != NULL);
	device_drop(&device);
	FLEET_UNTIL(&fleet, gone);	/* sooner than the time that a device has to come */
	CHECK_HAS(status.data, "\"status\":\"Failure\"");
	CHECK_HAS(status.data, "node n1 was lost");
	hang_up();
	end();
}

TEST(a_port_forward_reaches_the_port_and_says_what_fails)
{
	static const char refused[] = "{\"status\":\"Failure\",\"message\":\"connection refused\"}";
	struct stream_end stream;
	struct lp_json *line;

	begin();
	link_up();
	dial(PODS "/two/portforward?ports=8080", true);
	line = take_open(&stream);
	CHECK_STR(lp_json_str(line, "verb"), "portforward");
	CHECK_INT(lp_json_int(line, "options.port", 0), 8080);
	CHECK_OK(lp_streams_send(flow, LP_STREAMS_STDIN, "GET", 3), NULL);
	FLEET_UNTIL(&fleet, stream.reply.text.len == 8);
	frame(&stream, LP_STREAMS_STDOUT, "page", 4);
	FLEET_UNTIL(&fleet, out.len == 4);
	frame(&stream, LP_STREAMS_STATUS, refused, strlen(refused));
	lp_client_end(stream.call);
	FLEET_UNTIL(&fleet, gone);
	CHECK_STR(status.data, "connection refused");
	hang_up();
	reply_free(&stream.reply);
	end();
}

TEST(the_manager_may_end_with_everything_open)
{
	struct stream_end stream, log_stream;
	struct log_ask ask;

	begin();
	link_up();
	dial(PODS "/a/exec?command=sh&stdin=true&stdout=true", false);
	(void)take_open(&stream);
	log_start(&ask, PODS "/a/log?follow=true");
	(void)take_open(&log_stream);
	FLEET_UNTIL(&fleet, stream.reply.status == 200 && log_stream.reply.status == 200);
	fleet_down(&fleet);
	FLEET_UNTIL(&fleet, gone && ask.answer.reply.over && stream.reply.over && log_stream.reply.over && device.link.over);
	hang_up();
	log_end(&ask);
	reply_free(&stream.reply);
	reply_free(&log_stream.reply);
	end();
}
