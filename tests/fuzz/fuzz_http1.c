/*
 * tests/fuzz/fuzz_http1.c - whole plain connections to a real server: HTTP/1.1, or HTTP/2 when the bytes begin so.
 * Every call that was handled is told gone() once, and no connection is left behind.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/channel.h"
#include "wire/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct lp_loop *loop;
static struct lp_server *server;
static size_t handled, gone;

static void
call_gone(struct lp_http_call *call, int64_t now_ms)
{
	(void)call;
	(void)now_ms;
	gone++;
}

static void
call_data(struct lp_http_call *call, const void *data, size_t len, int64_t now_ms)
{
	(void)now_ms;
	if (len == 0)
		lp_http_finish(call);
	else if (lp_http_write(call, data, len) < 0)
		lp_http_abort(call);
}

static const struct lp_http_call_hooks hooks = { .data = call_data, .gone = call_gone };

static enum lp_http_body
head(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	(void)arg;
	(void)now_ms;
	if (call->path[1] == 's')
		return LP_HTTP_STREAM;
	if (call->path[1] != 'x')
		return LP_HTTP_COLLECT;
	(void)lp_http_reply_text(call, 401, "no");
	return LP_HTTP_ANSWERED;
}

static void
handle(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	char value[16];

	(void)arg;
	(void)now_ms;
	handled++;
	call->hooks = &hooks;
	(void)lp_http_query_str(call->query, "a", value, sizeof(value));
	if (call->path[1] == 's')
		(void)lp_http_start(call, 200, "text/plain");
	else
		(void)lp_http_reply(call, 200, "text/plain", call->body.data, call->body.len);
}

static void
start(void)
{
	struct lp_server_opts opts = { .head = head, .handle = handle, .head_max = 2048, .stranger_body_max = 2048 };
	int rc = lp_loop_new(&loop, NULL);

	assert(rc == 0);
	rc = lp_server_new(loop, &opts, &server, NULL);
	assert(rc == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	int fds[2], rc;
	char sink[4096];

	if (!loop)
		start();
	if (len > 32768 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	handled = gone = 0;
	rc = lp_server_adopt(server, fds[1], NULL);
	assert(rc == 0);
	if (len && write(fds[0], data, len) < 0)
		len = 0;
	for (int i = 0; i < 6; i++) {
		(void)lp_loop_turn(loop, 0, NULL);
		while (read(fds[0], sink, sizeof(sink)) > 0)
			continue;
	}
	close(fds[0]);
	for (int i = 0; i < 20 && lp_server_connections(server); i++)
		(void)lp_loop_turn(loop, 1, NULL);
	assert(lp_server_connections(server) == 0);
	assert(handled == gone);
	return 0;
}
