#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"
#include "wire/server.h"
#include "wire/streams.h"

static struct lp_loop *loop;
static struct lp_server *server;
static uint16_t port;

#define UNTIL(condition)                                                \
	do {                                                            \
		int64_t deadline_ = 0;                                  \
		while (!(condition)) {                                  \
			CHECK_OK(lp_loop_turn(loop, 5, NULL), NULL);    \
			if (!lp_test_wait(&deadline_, 10000))           \
				FAIL("waited in vain for " #condition); \
		}                                                       \
	} while (0)

/* ---- the server: stdin comes back on stdout, sizes on stderr; at its end the status */

static int flows, flows_gone, sessions_gone;
static struct lp_streams *session;
static size_t total;
static bool free_at_data;

static void
s_open(void *arg, struct lp_streams_flow *flow, uint16_t p, int64_t now_ms)
{
	(void)arg;
	(void)now_ms;
	flows++;
	total = 0;
	lp_streams_flow_set(flow, (void *)(uintptr_t)p);
	if (p == 99)
		lp_streams_finish(flow, "port 99 is closed");
}

static void
s_data(void *arg, struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len, int64_t now_ms)
{
	char line[64];

	(void)arg;
	(void)now_ms;
	if (free_at_data) {
		lp_streams_free(session);
		session = NULL;
		sessions_gone++;
		return;
	}
	if (channel == LP_STREAMS_STDIN) {
		total += len;
		CHECK_OK(lp_streams_send(flow, LP_STREAMS_STDOUT, data, len), NULL);
	} else if (channel == LP_STREAMS_RESIZE) {
		CHECK_OK(lp_streams_send(flow, LP_STREAMS_STDERR, data, len), NULL);
	} else if (channel == LP_STREAMS_END) {
		snprintf(line, sizeof(line), "{\"status\":\"Success\",\"message\":\"%zu\"}", total);
		lp_streams_finish(flow, line);
		CHECK_ERR(lp_streams_send(flow, LP_STREAMS_STDOUT, "x", 1), -EPIPE);
	}
}

static void
s_flow_gone(void *arg, struct lp_streams_flow *flow, int64_t now_ms)
{
	(void)arg;
	(void)flow;
	(void)now_ms;
	flows_gone++;
}

static void
s_gone(void *arg, struct lp_streams *streams, const struct lp_err *why, int64_t now_ms)
{
	(void)arg;
	(void)why;
	(void)now_ms;
	sessions_gone++;
	CHECK(streams == session);
	lp_streams_free(streams);
	session = NULL;
}

static const struct lp_streams_ops server_ops = { .open = s_open, .data = s_data, .flow_gone = s_flow_gone, .gone = s_gone };

static void
handle(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	static const uint16_t ports[] = { 80, 0 }, closed[] = { 99, 0 };
	struct lp_streams_opts opts = { .stdin_open = true, .stdout_open = true, .stderr_open = true };
	struct lp_err err = { 0 };

	(void)arg;
	(void)now_ms;
	opts.forward = strncmp(call->path, "/forward", 8) == 0;
	opts.ports = strcmp(call->path, "/forward-closed") == 0 ? closed : ports;
	if (strcmp(call->path, "/no") == 0 || !lp_streams_wanted(call)) {
		lp_http_reply_text(call, 403, "no");
		return;
	}
	if (lp_streams_accept(call, &opts, &server_ops, NULL, &session, &err) < 0)
		lp_http_reply_text(call, 400, err.text);
}

static void
start(void)
{
	struct lp_server_opts opts = { .handle = handle };
	struct lp_err err = { 0 };

	CHECK_OK(lp_loop_new(&loop, &err), &err);
	CHECK_OK(lp_server_new(loop, &opts, &server, &err), &err);
	CHECK_OK(lp_server_listen(server, "127.0.0.1:0", &port, &err), &err);
}

static void
stop(void)
{
	lp_streams_free(session);
	lp_server_free(server);
	lp_loop_free(loop);
}

/* ---- the client */

static struct lp_streams *mine;
static struct lp_streams_flow *flow_mine;
static struct lp_buf out, errs, status;
static int mine_gone, mine_flow_gone, refusals;

static void
c_open(void *arg, struct lp_streams_flow *flow, uint16_t p, int64_t now_ms)
{
	(void)arg;
	(void)p;
	(void)now_ms;
	flow_mine = flow;
}

static void
c_data(void *arg, struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len, int64_t now_ms)
{
	(void)arg;
	(void)flow;
	(void)now_ms;
	CHECK_OK(lp_buf_add(channel == LP_STREAMS_STDOUT ? &out : channel == LP_STREAMS_STDERR ? &errs : &status, data, len), NULL);
}

static void
c_flow_gone(void *arg, struct lp_streams_flow *flow, int64_t now_ms)
{
	(void)arg;
	(void)now_ms;
	CHECK(flow == flow_mine);
	flow_mine = NULL;
	mine_flow_gone++;
}

static void
c_gone(void *arg, struct lp_streams *streams, const struct lp_err *why, int64_t now_ms)
{
	(void)arg;
	(void)why;
	(void)now_ms;
	mine_gone++;
	lp_streams_free(streams);
	mine = NULL;
}

static void
c_failed(void *arg, int code, const char *body, const struct lp_err *why, int64_t now_ms)
{
	(void)arg;
	(void)why;
	(void)now_ms;
	refusals = code;
	CHECK_HAS(body, "no");
	lp_streams_free(mine);
	mine = NULL;
}

static const struct lp_streams_ops client_ops = { .open = c_open, .data = c_data, .flow_gone = c_flow_gone, .gone = c_gone };

static void
dial(const char *path)
{
	struct lp_client_opts copts = { .host = "127.0.0.1", .port = port };
	struct lp_streams_opts opts = { .forward = strncmp(path, "/forward", 8) == 0, .stdin_open = true, .stdout_open = true };
	struct lp_client *client = NULL;
	struct lp_err err = { 0 };

	lp_buf_init(&out, 64u << 20);
	lp_buf_init(&errs, 1u << 20);
	lp_buf_init(&status, 1u << 20);
	CHECK_OK(lp_client_new(loop, &copts, &client, &err), &err);
	CHECK_OK(lp_streams_dial(client, path, NULL, &opts, &client_ops, c_failed, NULL, &mine, &err), &err);
}

static void
drop_buffers(void)
{
	lp_buf_fini(&out);
	lp_buf_fini(&errs);
	lp_buf_fini(&status);
}

TEST(an_exec_carries_input_output_sizes_and_a_status)
{
	start();
	dial("/exec");
	UNTIL(flow_mine);
	CHECK_OK(lp_streams_send(flow_mine, LP_STREAMS_STDIN, "hello", 5), NULL);
	CHECK_OK(lp_streams_send(flow_mine, LP_STREAMS_RESIZE, "{\"Width\":80}", 12), NULL);
	UNTIL(out.len == 5 && errs.len == 12);
	CHECK_STR(out.data, "hello");
	CHECK_STR(errs.data, "{\"Width\":80}");
	CHECK_OK(lp_streams_send(flow_mine, LP_STREAMS_END, "", 0), NULL);
	UNTIL(mine_gone && sessions_gone);
	CHECK_STR(status.data, "{\"status\":\"Success\",\"message\":\"5\"}");
	CHECK_INT(flows, 1);
	CHECK_INT(flows_gone, 1);
	CHECK_INT(mine_flow_gone, 1);
	drop_buffers();
	stop();
}

TEST(megabytes_pass_without_loss)
{
	char block[30000];
	size_t sent = 0, got;

	start();
	dial("/exec");
	UNTIL(flow_mine);
	while (sent < (8u << 20)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (char)((sent + i) * 13 >> 2);
		if (lp_streams_queued(flow_mine) < (256u << 10)) {
			CHECK_OK(lp_streams_send(flow_mine, LP_STREAMS_STDIN, block, sizeof(block)), NULL);
			sent += sizeof(block);
		}
		CHECK_OK(lp_loop_turn(loop, 0, NULL), NULL);
	}
	CHECK_OK(lp_streams_send(flow_mine, LP_STREAMS_END, "", 0), NULL);
	UNTIL(mine_gone);
	CHECK_INT(out.len, sent);
	for (got = 0; got < out.len && out.data[got] == (char)(got * 13 >> 2); got++)
		continue;
	CHECK_INT(got, sent);
	drop_buffers();
	stop();
}

TEST(a_port_forward_carries_bytes_and_tells_an_error_as_text)
{
	start();
	dial("/forward");
	UNTIL(flow_mine);
	CHECK_OK(lp_streams_send(flow_mine, LP_STREAMS_STDIN, "GET /", 5), NULL);
	UNTIL(out.len == 5);
	CHECK_STR(out.data, "GET /");
	lp_streams_finish(flow_mine, NULL);
	UNTIL(mine_gone && sessions_gone);
	CHECK_INT(flows_gone, 1);
	drop_buffers();

	dial("/forward-closed");
	UNTIL(mine_gone == 2);
	CHECK_STR(status.data, "port 99 is closed");
	drop_buffers();
	stop();
}

TEST(a_refusal_is_told_with_its_status)
{
	start();
	dial("/no");
	UNTIL(refusals);
	CHECK_INT(refusals, 403);
	CHECK_INT(mine_gone, 0);
	CHECK_INT(flows, 0);
	for (int i = 0; i < 5; i++)
		CHECK_OK(lp_loop_turn(loop, 1, NULL), NULL);
	drop_buffers();
	stop();
}

TEST(either_side_may_vanish_or_be_freed_at_any_moment)
{
	start();
	dial("/exec");
	UNTIL(flow_mine);
	lp_streams_free(mine);
	CHECK_INT(mine_flow_gone, 1);
	CHECK_INT(mine_gone, 0);
	UNTIL(sessions_gone == 1);
	CHECK_INT(flows_gone, 1);
	drop_buffers();

	dial("/exec");
	UNTIL(flow_mine);
	free_at_data = true;
	CHECK_OK(lp_streams_send(flow_mine, LP_STREAMS_STDIN, "boom", 4), NULL);
	UNTIL(mine_gone == 1);
	CHECK_INT(flows_gone, 2);
	drop_buffers();

	/* While it is still dialling. */
	dial("/exec");
	lp_streams_free(mine);
	for (int i = 0; i < 5; i++)
		CHECK_OK(lp_loop_turn(loop, 1, NULL), NULL);
	drop_buffers();
	stop();
}
