#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/text.h"
#include "tests/harness.h"
#include "tests/wire/certs.h"
#include "wire/channel.h"
#include "wire/client.h"
#include "wire/server.h"

static struct lp_loop *loop;
static struct lp_server *server;
static uint16_t port;
static int server_gone;

/* ---- a server */

static void
echo_room(struct lp_http_call *call, int64_t now_ms)
{
	(void)now_ms;
	lp_http_pause(call, false);
}

static void
echo_data(struct lp_http_call *call, const void *data, size_t len, int64_t now_ms)
{
	(void)now_ms;
	if (len == 0) {
		lp_http_finish(call);
		return;
	}
	CHECK_OK(lp_http_write(call, data, len), NULL);
	if (lp_http_queued(call) > 256 * 1024)
		lp_http_pause(call, true);
}

static void
count_gone(struct lp_http_call *call, int64_t now_ms)
{
	(void)call;
	(void)now_ms;
	server_gone++;
}

static const struct lp_http_call_hooks hooks = { .data = echo_data, .room = echo_room, .gone = count_gone };

static enum lp_http_body
serve_head(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	(void)arg;
	(void)now_ms;
	return strcmp(call->path, "/echo") == 0 ? LP_HTTP_STREAM : LP_HTTP_COLLECT;
}

static void
up_data(struct lp_channel *channel, const void *data, size_t len, int64_t now_ms)
{
	(void)now_ms;
	CHECK_OK(lp_channel_send(channel, data, len), NULL);
}

static void
up_closed(struct lp_channel *channel, const struct lp_err *why, int64_t now_ms)
{
	(void)why;
	(void)now_ms;
	lp_channel_free(channel);
}

static const struct lp_channel_ops echo_channel = { .data = up_data, .closed = up_closed };

static void
serve(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	struct lp_channel *channel;

	(void)arg;
	(void)now_ms;
	call->hooks = &hooks;
	if (strcmp(call->path, "/echo") == 0) {
		lp_http_start(call, 200, "application/octet-stream");
	} else if (strcmp(call->path, "/endless") == 0) {
		lp_http_start(call, 200, "application/json");
		lp_http_write(call, "{}\n", 3);
	} else if (strcmp(call->path, "/big") == 0) {
		static char big[2 << 20];

		lp_http_reply(call, 200, "application/octet-stream", big, sizeof(big));
	} else if (strcmp(call->path, "/silent") == 0) {
		return;
	} else if (strcmp(call->path, "/abort") == 0) {
		lp_http_start(call, 200, "text/plain");
		lp_http_write(call, "half", 4);
		lp_http_abort(call);
	} else if (strcmp(call->path, "/upgrade") == 0) {
		lp_http_header(call, "X-Chosen", "v4");
		CHECK_OK(lp_http_upgrade(call, "echo", &echo_channel, NULL, &channel), NULL);
	} else {
		lp_http_header(call, "X-Method", call->method);
		lp_http_reply(call, call->body.len ? 201 : 200, "text/plain", call->body.len ? call->body.data : call->path,
		    call->body.len ? call->body.len : strlen(call->path));
	}
}

static void
start(struct lp_tls_config *tls)
{
	struct lp_server_opts opts = { .tls = tls, .head = serve_head, .handle = serve };
	struct lp_err err = { 0 };

	CHECK_OK(lp_loop_new(&loop, &err), &err);
	CHECK_OK(lp_server_new(loop, &opts, &server, &err), &err);
	CHECK_OK(lp_server_listen(server, "127.0.0.1:0", &port, &err), &err);
}

static void
stop(void)
{
	lp_server_free(server);
	lp_loop_free(loop);
}

/* ---- a client */

struct answer {
	int status, heads, dones;
	char method[16];
	struct lp_buf body;
	struct lp_err err;
	struct lp_client *free_in_data, *free_in_done;
	bool cancel_in_data, pause_in_data;
};

static void
got_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct answer *answer = lp_client_call_arg(call);
	const char *method = lp_http_headers_get(headers, "x-method");

	(void)now_ms;
	answer->status = status;
	answer->heads++;
	snprintf(answer->method, sizeof(answer->method), "%s", method ? method : "");
}

static void
got_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct answer *answer = lp_client_call_arg(call);

	(void)now_ms;
	CHECK_OK(lp_buf_add(&answer->body, data, len), NULL);
	if (answer->free_in_data)
		lp_client_free(answer->free_in_data);
	else if (answer->cancel_in_data)
		lp_client_cancel(call);
	else if (answer->pause_in_data)
		lp_client_pause(call, true);
}

static void
got_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct answer *answer = lp_client_call_arg(call);

	(void)now_ms;
	answer->err = *why;
	answer->dones++;
	if (answer->free_in_done)
		lp_client_free(answer->free_in_done);
}

static const struct lp_client_call_ops ops = { .head = got_head, .data = got_data, .done = got_done };

static int closed, pongs;
static struct lp_err closed_why;

static void
got_closed(struct lp_client *client, const struct lp_err *why, int64_t now_ms)
{
	(void)client;
	(void)now_ms;
	closed++;
	closed_why = *why;
}

static void
got_pong(struct lp_client *client, int64_t now_ms)
{
	(void)client;
	(void)now_ms;
	pongs++;
}

static struct lp_client *
dial(const char *host, struct lp_tls_config *tls, bool http2)
{
	struct lp_client_opts opts = { .host = host, .port = port, .tls = tls, .http2 = http2, .closed = got_closed, .pong = got_pong };
	struct lp_client *client = NULL;
	struct lp_err err = { 0 };

	closed = pongs = 0;
	CHECK_OK(lp_client_new(loop, &opts, &client, &err), &err);
	return client;
}

static struct lp_client_call *
ask(struct lp_client *client, struct answer *answer, struct lp_client_request request)
{
	struct lp_client_call *call = NULL;
	struct lp_err err = { 0 };

	memset(answer, 0, sizeof(*answer));
	lp_buf_init(&answer->body, 64u << 20);
	CHECK_OK(lp_client_start(client, &request, &ops, answer, &call, &err), &err);
	return call;
}

#define UNTIL(condition)                                                \
	do {                                                            \
		int64_t deadline_ = 0;                                  \
		while (!(condition)) {                                  \
			CHECK_OK(lp_loop_turn(loop, 5, NULL), NULL);    \
			if (!lp_test_wait(&deadline_, 10000))           \
				FAIL("waited in vain for " #condition); \
		}                                                       \
	} while (0)

static void
ask_everything(struct lp_client *client, bool http2)
{
	struct answer a, b, c;
	struct lp_client_header headers[] = { { "X-One", "1" }, { NULL, NULL } };

	ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/first", .headers = headers });
	ask(client, &b, (struct lp_client_request){ .method = "POST", .path = "/second", .body = "hello", .len = 5, .type = "text/plain" });
	ask(client, &c, (struct lp_client_request){ .method = "HEAD", .path = "/third" });
	UNTIL(a.dones && b.dones && c.dones);
	CHECK_INT(a.err.code, 0);
	CHECK_INT(a.status, 200);
	CHECK_STR(a.body.data, "/first");
	CHECK_INT(b.status, 201);
	CHECK_STR(b.body.data, "hello");
	CHECK_STR(b.method, "POST");
	CHECK_INT(c.status, 200);
	CHECK_INT(c.body.len, 0);
	CHECK_INT(c.err.code, 0);
	lp_buf_fini(&a.body);
	lp_buf_fini(&b.body);
	CHECK_INT(lp_client_ping(client), http2 ? 0 : -ENOTSUP);
	if (http2)
		UNTIL(pongs == 1);
}

TEST(requests_are_answered_over_plain_http1)
{
	start(NULL);
	struct lp_client *client = dial("localhost", NULL, false);
	ask_everything(client, false);
	lp_client_free(client);
	stop();
}

TEST(requests_are_answered_over_plain_http2)
{
	start(NULL);
	struct lp_client *client = dial("127.0.0.1", NULL, true);
	ask_everything(client, true);
	lp_client_free(client);
	stop();
}

static void
pump_echo(struct lp_client *client, size_t total)
{
	struct answer a;
	struct lp_client_call *call = ask(client, &a, (struct lp_client_request){ .method = "POST", .path = "/echo", .streaming = true });
	char block[30000];
	size_t sent = 0, checked = 0;

	while (sent < total) {
		size_t len = total - sent < sizeof(block) ? total - sent : sizeof(block);

		for (size_t i = 0; i < len; i++)
			block[i] = (char)((sent + i) * 31 >> 3);
		if (lp_client_queued(call) < 300000) {
			CHECK_OK(lp_client_write(call, block, len), NULL);
			sent += len;
		}
		CHECK_OK(lp_loop_turn(loop, 0, NULL), NULL);
		CHECK_INT(a.dones, 0);
	}
	lp_client_end(call);
	UNTIL(a.dones);
	CHECK_INT(a.err.code, 0);
	CHECK_INT(a.body.len, total);
	for (; checked < total; checked++) {
		if (a.body.data[checked] != (char)(checked * 31 >> 3))
			FAIL("byte %zu differs", checked);
	}
	lp_buf_fini(&a.body);
}

TEST(ten_megabytes_go_both_ways_at_once)
{
	start(NULL);
	struct lp_client *h2 = dial("127.0.0.1", NULL, true), *h1 = dial("127.0.0.1", NULL, false);
	pump_echo(h2, 10u << 20);
	pump_echo(h1, 10u << 20);
	lp_client_free(h1);
	lp_client_free(h2);
	stop();
}

TEST(over_tls_the_protocol_is_agreed_and_several_streams_share_it)
{
	const char *both[] = { "h2", "http/1.1", NULL }, *one[] = { "http/1.1", NULL };
	struct certs certs;
	struct answer endless, a;
	struct lp_tls_tickets *tickets = NULL;
	struct lp_err err = { 0 };

	certs_make(&certs);
	CHECK_OK(lp_tls_tickets_new(&tickets, &err), &err);
	struct lp_tls_config *stls = certs_server(&certs, tickets, both), *ctls = certs_client(&certs, true, both);
	start(stls);
	struct lp_client *client = dial("127.0.0.1", ctls, false);
	ask(client, &endless, (struct lp_client_request){ .method = "GET", .path = "/endless" });
	UNTIL(endless.body.len == 3);
	ask_everything(client, true);
	pump_echo(client, 3u << 20);
	CHECK_INT(endless.dones, 0);
	char address[64] = "";
	CHECK_OK(lp_client_local_address(client, address, sizeof(address)), NULL);
	CHECK_STR(address, "127.0.0.1");
	lp_client_free(client);
	CHECK_INT(endless.dones, 1);
	CHECK_INT(endless.err.code, -ECANCELED);
	lp_buf_fini(&endless.body);

	/* The next connection resumes the session. */
	client = dial("localhost", ctls, false);
	ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/again" });
	UNTIL(a.dones);
	CHECK_INT(a.err.code, 0);
	lp_buf_fini(&a.body);
	CHECK(!lp_tls_resumed(lp_client_tls(client)));	/* another name than the session's */
	lp_client_free(client);
	client = dial("localhost", ctls, false);
	ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/again" });
	UNTIL(a.dones);
	lp_buf_fini(&a.body);
	CHECK(lp_tls_resumed(lp_client_tls(client)));
	lp_client_free(client);
	struct lp_tls_config *otls = certs_client(&certs, true, one);
	client = dial("localhost", otls, false);
	ask_everything(client, false);
	lp_client_free(client);
	stop();
	lp_tls_config_free(stls);
	lp_tls_config_free(ctls);
	lp_tls_config_free(otls);
	lp_tls_tickets_free(tickets);
	certs_free(&certs);
}

TEST(a_server_that_cannot_be_trusted_gets_no_request)
{
	struct certs certs, other;
	struct answer a;

	certs_make(&certs);
	certs_make(&other);
	struct lp_tls_config *stls = certs_server(&certs, NULL, NULL), *ctls = certs_client(&other, false, NULL);
	start(stls);
	struct lp_client *client = dial("127.0.0.1", ctls, false);
	ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/secret" });
	UNTIL(a.dones && closed);
	CHECK_INT(a.err.code, -EKEYREJECTED);
	CHECK_INT(closed_why.code, -EKEYREJECTED);
	lp_client_free(client);
	stop();
	lp_tls_config_free(stls);
	lp_tls_config_free(ctls);
	certs_free(&certs);
	certs_free(&other);
}

TEST(a_call_that_takes_too_long_ends_and_others_go_on)
{
	struct answer a, b;

	start(NULL);
	struct lp_client *client = dial("127.0.0.1", NULL, true);
	ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/silent", .timeout_ms = 30 });
	ask(client, &b, (struct lp_client_request){ .method = "GET", .path = "/endless" });
	UNTIL(a.dones && b.body.len);
	CHECK_INT(a.err.code, -ETIMEDOUT);
	CHECK_INT(b.dones, 0);
	UNTIL(server_gone == 1);
	lp_client_free(client);
	lp_buf_fini(&b.body);
	stop();
}

TEST(an_answer_that_breaks_off_is_an_error)
{
	struct answer a, b;

	start(NULL);
	struct lp_client *h2 = dial("127.0.0.1", NULL, true), *h1 = dial("127.0.0.1", NULL, false);
	ask(h2, &a, (struct lp_client_request){ .method = "GET", .path = "/abort" });
	ask(h1, &b, (struct lp_client_request){ .method = "GET", .path = "/abort" });
	UNTIL(a.dones && b.dones);
	CHECK_INT(a.err.code, -ECONNRESET);
	CHECK_INT(b.err.code, -ECONNRESET);
	lp_client_free(h1);
	lp_client_free(h2);
	lp_buf_fini(&a.body);
	lp_buf_fini(&b.body);
	stop();
}

TEST(a_client_may_be_freed_or_a_call_cancelled_inside_its_callbacks)
{
	struct answer a;

	start(NULL);
	for (int http2 = 0; http2 < 2; http2++) {
		struct lp_client *client = dial("127.0.0.1", NULL, http2);
		ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/endless" });
		a.free_in_data = client;
		UNTIL(a.dones);
		CHECK_INT(a.err.code, -ECANCELED);
		lp_buf_fini(&a.body);

		client = dial("127.0.0.1", NULL, http2);
		ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/x" });
		a.free_in_done = client;
		UNTIL(a.dones);
		CHECK_INT(a.err.code, 0);
		lp_buf_fini(&a.body);

		client = dial("127.0.0.1", NULL, http2);
		ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/endless" });
		a.cancel_in_data = true;
		UNTIL(a.dones);
		CHECK_INT(a.err.code, -ECANCELED);
		lp_buf_fini(&a.body);
		lp_client_free(client);
	}
	UNTIL(server_gone == 6 && lp_server_connections(server) == 0);
	stop();
}

TEST(a_paused_answer_waits_at_the_server_and_others_pass_it)
{
	struct answer a, b;

	start(NULL);
	struct lp_client *h2 = dial("127.0.0.1", NULL, true), *h1 = dial("127.0.0.1", NULL, false);
	struct lp_client_call *call = ask(h2, &a, (struct lp_client_request){ .method = "GET", .path = "/big" });
	a.pause_in_data = true;
	ask(h2, &b, (struct lp_client_request){ .method = "GET", .path = "/other" });
	UNTIL(a.body.len && b.dones);
	for (int64_t deadline = 0; lp_test_wait(&deadline, 50);)
		CHECK_OK(lp_loop_turn(loop, 1, NULL), NULL);
	CHECK(a.body.len <= 65536 + 16384);
	a.pause_in_data = false;
	lp_client_pause(call, false);
	UNTIL(a.dones);
	CHECK_INT(a.body.len, 2 << 20);
	lp_buf_fini(&a.body);
	lp_buf_fini(&b.body);

	call = ask(h1, &a, (struct lp_client_request){ .method = "GET", .path = "/big" });
	a.pause_in_data = true;
	UNTIL(a.body.len);
	for (int64_t deadline = 0; lp_test_wait(&deadline, 50);)
		CHECK_OK(lp_loop_turn(loop, 1, NULL), NULL);
	CHECK(a.body.len <= 65536);
	a.pause_in_data = false;
	lp_client_pause(call, false);
	UNTIL(a.dones);
	CHECK_INT(a.body.len, 2 << 20);
	lp_buf_fini(&a.body);
	lp_client_free(h1);
	lp_client_free(h2);
	stop();
}

TEST(nobody_listening_is_told_at_once)
{
	struct answer a;

	start(NULL);
	uint16_t kept = port;
	lp_server_free(server);
	server = NULL;
	port = kept;
	struct lp_client *client = dial("localhost", NULL, false);	/* two addresses are tried */
	ask(client, &a, (struct lp_client_request){ .method = "GET", .path = "/" });
	UNTIL(closed);
	CHECK_INT(a.err.code, -ECONNREFUSED);
	CHECK_INT(closed_why.code, -ECONNREFUSED);
	struct lp_err err;
	CHECK_ERR(lp_client_start(client, &(struct lp_client_request){ .method = "GET", .path = "/" }, &ops, &a, NULL, &err), -ENOTCONN);
	lp_client_free(client);
	lp_loop_free(loop);
}

/* ---- upgrades */

static struct lp_buf up_got;
static struct lp_channel *up_channel;
static int up_failed;

static void
echo_back(struct lp_channel *channel, const void *data, size_t len, int64_t now_ms)
{
	(void)channel;
	(void)now_ms;
	CHECK_OK(lp_buf_add(&up_got, data, len), NULL);
}

static const struct lp_channel_ops up_ops = { .data = echo_back, .closed = up_closed };

static void
up_switched(void *arg, struct lp_channel *channel, const struct lp_http_headers *headers, int64_t now_ms)
{
	(void)now_ms;
	up_channel = channel;
	CHECK_STR(lp_http_headers_get(headers, "x-chosen"), "v4");
	lp_client_free(arg);
	CHECK_OK(lp_channel_send(channel, "raw bytes", 9), NULL);
}

static void
up_refused(void *arg, int status, const char *body, const struct lp_err *why, int64_t now_ms)
{
	(void)arg;
	(void)why;
	(void)now_ms;
	up_failed = status;
	CHECK_STR(body, "/no");
}

TEST(an_upgraded_connection_carries_raw_bytes_both_ways)
{
	struct lp_client_upgrade upgrade = { .path = "/upgrade", .protocol = "echo", .ops = &up_ops, .switched = up_switched, .failed = up_refused };
	struct lp_err err = { 0 };

	start(NULL);
	lp_buf_init(&up_got, 1000);
	struct lp_client *client = dial("127.0.0.1", NULL, false);
	upgrade.arg = client;
	CHECK_OK(lp_client_start_upgrade(client, &upgrade, &err), &err);
	UNTIL(up_got.len == 9);
	CHECK_STR(up_got.data, "raw bytes");
	CHECK_INT(server_gone, 0);
	lp_channel_free(up_channel);
	lp_buf_fini(&up_got);

	client = dial("127.0.0.1", NULL, false);
	upgrade.path = "/no";
	CHECK_OK(lp_client_start_upgrade(client, &upgrade, &err), &err);
	UNTIL(up_failed);
	CHECK_INT(up_failed, 200);
	lp_client_free(client);
	for (int i = 0; i < 5; i++)
		CHECK_OK(lp_loop_turn(loop, 5, NULL), NULL);
	stop();
}

TEST(a_tool_asks_once_and_waits)
{
	struct lp_client_answer answer = { 0 };
	struct lp_client_opts opts = { .host = "localhost" };
	struct lp_client_request request = { .method = "POST", .path = "/x", .body = "abc", .len = 3 };
	struct lp_err err = { 0 };
	pid_t pid;

	start(NULL);
	pid = fork();
	if (pid == 0) {
		for (;;)
			(void)lp_loop_turn(loop, -1, NULL);
	}
	opts.port = port;
	CHECK_OK(lp_client_fetch(&opts, &request, &answer, &err), &err);
	CHECK_INT(answer.status, 201);
	CHECK_STR(answer.body.data, "abc");
	CHECK_STR(lp_http_headers_get(&answer.headers, "x-method"), "POST");
	lp_client_answer_fini(&answer);
	request = (struct lp_client_request){ .method = "GET", .path = "/silent", .timeout_ms = 50 };
	CHECK_ERR(lp_client_fetch(&opts, &request, &answer, &err), -ETIMEDOUT);
	opts.host = "no-such-host.invalid.";
	opts.connect_ms = 300;
	CHECK(lp_client_fetch(&opts, &request, &answer, &err) < 0);
	CHECK_INT(kill(pid, SIGKILL), 0);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	stop();
}
