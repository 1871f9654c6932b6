#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "tests/harness.h"
#include "tests/wire/certs.h"
#include "wire/server.h"

struct site {
	struct lp_loop *loop;
	struct lp_server *server;
	struct lp_timer ticker;
	uint16_t port;
	int gone, handled;
	size_t most;			/* connections at a time */
	int64_t seen;			/* bytes of request bodies */
};

static struct site site;

static void
site_gone(struct lp_http_call *call, int64_t now_ms)
{
	(void)call;
	(void)now_ms;
	site.gone++;
}

static void
site_data(struct lp_http_call *call, const void *data, size_t len, int64_t now_ms)
{
	(void)now_ms;
	site.seen += (int64_t)len;
	if (len)
		CHECK_OK(lp_http_write(call, data, len), NULL);
	else
		lp_http_finish(call);
}

static void
site_room(struct lp_http_call *call, int64_t now_ms)
{
	char block[65536];

	(void)now_ms;
	if (strcmp(call->path, "/big") != 0)
		return;
	memset(block, 'x', sizeof(block));
	while (call->user && lp_http_queued(call) < 2 * sizeof(block)) {
		call->user = (void *)((uintptr_t)call->user - 1);
		lp_http_write(call, block, sizeof(block));
	}
	if (!call->user)
		lp_http_finish(call);
}

static const struct lp_http_call_hooks hooks = { .gone = site_gone, .data = site_data, .room = site_room };

static enum lp_http_body
site_head(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	(void)arg;
	(void)now_ms;
	if (strcmp(call->path, "/echo-stream") == 0)
		return LP_HTTP_STREAM;
	if (strcmp(call->path, "/closed") == 0) {
		lp_http_reply_text(call, 403, "closed");
		return LP_HTTP_ANSWERED;
	}
	return LP_HTTP_COLLECT;
}

static void
site_handle(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	char line[512];

	(void)arg;
	site.handled++;
	if (lp_server_connections(site.server) > site.most)
		site.most = lp_server_connections(site.server);
	call->hooks = &hooks;
	if (strcmp(call->path, "/echo-stream") == 0) {
		lp_http_start(call, 200, "application/octet-stream");
	} else if (strcmp(call->path, "/echo") == 0) {
		lp_http_reply(call, 201, "application/json", call->body.data, call->body.len);
	} else if (strcmp(call->path, "/big") == 0) {
		lp_http_start(call, 200, "application/octet-stream");
		call->user = (void *)(uintptr_t)160;	/* 10 MiB in blocks of 64 KiB */
		site_room(call, now_ms);
	} else if (strcmp(call->path, "/never") == 0) {
		lp_http_start(call, 200, "text/plain");
		lp_http_write(call, "begun\n", 6);
	} else {
		lp_http_header(call, "X-Test", "yes");
		snprintf(line, sizeof(line), "%s %s?%s peer=%s h2=%d", call->method, call->path, call->query,
		    call->peer ? call->peer->name : "-", call->http2);
		lp_http_reply_text(call, 200, line);
	}
}

static void
site_start(struct lp_tls_config *tls, const struct lp_server_opts *more)
{
	struct lp_server_opts opts = more ? *more : (struct lp_server_opts){ .tls = NULL };
	struct lp_err err = { 0 };

	opts.tls = tls;
	opts.head = site_head;
	opts.handle = site_handle;
	memset(&site, 0, sizeof(site));
	CHECK_OK(lp_loop_new(&site.loop, &err), &err);
	CHECK_OK(lp_server_new(site.loop, &opts, &site.server, &err), &err);
	CHECK_OK(lp_server_listen(site.server, "127.0.0.1:0", &site.port, &err), &err);
}

static void
site_stop(void)
{
	lp_server_free(site.server);
	lp_loop_free(site.loop);
}

/* Runs a shell command beside the loop and returns its output (static) and status. */
static char output[1 << 16];
static int
run(const char *fmt, ...)
{
	char command[4096];
	va_list args;
	int pipe_fd[2], status = -1;
	size_t len = 0;
	struct lp_err err;
	int64_t deadline = 0;
	pid_t pid;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	CHECK_INT(pipe2(pipe_fd, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fd[1], 1);
		dup2(pipe_fd[1], 2);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(pipe_fd[1]);
	CHECK_INT(fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK), 0);
	for (;;) {
		ssize_t n;

		CHECK_OK(lp_loop_turn(site.loop, 2, &err), &err);
		n = read(pipe_fd[0], output + len, sizeof(output) - 1 - len);
		if (n > 0)
			len += (size_t)n;
		if (n == 0 || len == sizeof(output) - 1)
			break;
		CHECK(lp_test_wait(&deadline, 15000));
	}
	close(pipe_fd[0]);
	output[len] = 0;
	CHECK_INT(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
need_curl(void)
{
	if (access("/usr/bin/curl", X_OK) < 0)
		SKIP("curl is not installed");
}

/* One exchange of raw bytes over a plain socket; what came back, until the end or until `until` was seen. */
static void
raw(const char *send_text, const char *until)
{
	int fds[2];
	size_t len = 0;
	struct lp_err err;
	int64_t deadline = 0;

	certs_pair(fds);
	CHECK_OK(lp_server_adopt(site.server, fds[1], &err), &err);
	CHECK_INT(write(fds[0], send_text, strlen(send_text)), (long long)strlen(send_text));
	for (;;) {
		ssize_t n;

		CHECK_OK(lp_loop_turn(site.loop, 2, &err), &err);
		n = read(fds[0], output + len, sizeof(output) - 1 - len);
		if (n > 0)
			len += (size_t)n;
		output[len] = 0;
		if (n == 0 || (until && strstr(output, until)))
			break;
		CHECK(lp_test_wait(&deadline, 5000));
	}
	close(fds[0]);
}

TEST(a_plain_request_is_answered_and_the_connection_kept)
{
	site_start(NULL, NULL);
	raw("GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /z HTTP/1.1\r\nHost: x\r\n"
	    "Connection: close\r\n\r\n", NULL);
	CHECK_HAS(output, "GET /a?b=c peer=- h2=0\n");
	CHECK_HAS(output, "x-test: yes\r\n");
	CHECK_HAS(output, "HTTP/1.1 201 Created\r\n");
	CHECK_HAS(output, "content-length: 5\r\n\r\nhello");
	CHECK_HAS(output, "GET /z? peer=-");
	CHECK_HAS(strstr(output, "201"), "connection: close");
	CHECK_INT(site.handled, 3);
	CHECK_INT(site.gone, 3);
	site_stop();
}

TEST(a_request_may_come_one_byte_at_a_time)
{
	const char *text = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
	int fds[2];
	struct lp_err err;
	char got[1024] = "";
	size_t len = 0;

	site_start(NULL, NULL);
	certs_pair(fds);
	CHECK_OK(lp_server_adopt(site.server, fds[1], &err), &err);
	for (const char *c = text; *c; c++) {
		CHECK_INT(write(fds[0], c, 1), 1);
		CHECK_OK(lp_loop_turn(site.loop, 0, &err), &err);
	}
	for (int i = 0; i < 100 && lp_server_connections(site.server); i++) {
		ssize_t n;

		CHECK_OK(lp_loop_turn(site.loop, 10, &err), &err);
		n = read(fds[0], got + len, sizeof(got) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		if (n == 0)
			shutdown(fds[0], SHUT_RDWR);
	}
	CHECK_HAS(got, "content-length: 5\r\n");
	CHECK_HAS(got, "abcde");
	close(fds[0]);
	site_stop();
}

TEST(what_is_no_request_gets_a_400_and_the_door)
{
	site_start(NULL, NULL);
	raw("BLAH\r\n\r\n", NULL);
	CHECK_HAS(output, "400 Bad Request");
	raw("GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\n\r\n", NULL);
	CHECK_HAS(output, "400 Bad Request");
	raw("GET / HTTP/1.1\r\nHost : x\r\n\r\n", NULL);
	CHECK_HAS(output, "400 Bad Request");
	raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL);
	CHECK_HAS(output, "400 Bad Request");
	CHECK_INT(site.handled, 0);
	for (int i = 0; i < 100 && lp_server_connections(site.server); i++)
		CHECK_OK(lp_loop_turn(site.loop, 10, NULL), NULL);
	CHECK_INT(lp_server_connections(site.server), 0);
	site_stop();
}

TEST(too_large_a_head_or_body_is_refused)
{
	struct lp_server_opts opts = { .head_max = 1024, .stranger_body_max = 100 };
	char text[4096];

	site_start(NULL, &opts);
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\nX: %02000d\r\n\r\n", 1);
	raw(text, NULL);
	CHECK_HAS(output, "431 ");
	snprintf(text, sizeof(text), "GET /%02000d HTTP/1.1\r\nHost: x\r\n\r\n", 1);
	raw(text, NULL);
	CHECK_HAS(output, "431 ");
	raw("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", NULL);
	CHECK_HAS(output, "413 ");
	snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n80\r\n%0128d\r\n0\r\n\r\n", 1);
	raw(text, NULL);
	CHECK_HAS(output, "413 ");
	CHECK_INT(site.handled, 0);
	site_stop();
}

TEST(a_refusal_at_the_head_needs_no_body)
{
	site_start(NULL, NULL);
	raw("POST /closed HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NULL);
	CHECK_HAS(output, "403 Forbidden");
	CHECK_HAS(output, "GET /next");
	CHECK_INT(site.handled, 1);
	site_stop();
}

TEST(a_head_that_never_ends_times_out)
{
	struct lp_server_opts opts = { .head_ms = 50, .idle_ms = 50 };

	site_start(NULL, &opts);
	raw("GET / HTTP/1.1\r\nHos", NULL);
	CHECK_HAS(output, "408 ");
	raw("GET /idle HTTP/1.1\r\nHost: x\r\n\r\n", NULL);	/* ends because nothing follows */
	CHECK_HAS(output, "GET /idle");
	site_stop();
}

TEST(strangers_are_few_and_do_not_stay)
{
	struct lp_server_opts opts = { .stranger_ms = 60, .max_strangers = 3 };
	char command[512];

	need_curl();
	site_start(NULL, &opts);
	snprintf(command, sizeof(command), "for i in 1 2 3 4 5 6; do curl -sS -m 5 -N http://127.0.0.1:%u/never & done; wait; true", site.port);
	run("%s", command);
	CHECK_INT(site.handled, 6);		/* the others waited for their turn */
	CHECK_INT(site.gone, 6);
	CHECK_INT(site.most, 3);
	CHECK_INT(lp_server_connections(site.server), 0);
	site_stop();
}

TEST(the_peer_closing_in_the_middle_of_an_answer_is_noticed)
{
	site_start(NULL, NULL);
	raw("GET /never HTTP/1.1\r\nHost: x\r\n\r\n", "begun");
	for (int i = 0; i < 100 && !site.gone; i++) {
		struct lp_err err;

		CHECK_OK(lp_loop_turn(site.loop, 10, &err), &err);
	}
	CHECK_INT(site.gone, 1);
	site_stop();
}

static void
curl_all(const char *flags, const char *scheme, bool http2)
{
	char want[64];

	snprintf(want, sizeof(want), "peer=- h2=%d", http2);
	CHECK_INT(run("curl -sS %s '%s://localhost:%u/hello?x=1&y=2'", flags, scheme, site.port), 0);
	CHECK_HAS(output, "GET /hello?x=1&y=2");
	CHECK_HAS(output, want);
	CHECK_INT(run("head -c 60000 /dev/zero | tr '\\0' q >%s; curl -sS %s --data-binary @%s '%s://localhost:%u/echo' | cmp - %s && echo same",
	    lp_test_path("body"), flags, lp_test_path("body"), scheme, site.port, lp_test_path("body")), 0);
	CHECK_HAS(output, "same");
	CHECK_INT(run("head -c 3000000 /dev/urandom >%s; curl -sS %s -H Expect: -T %s '%s://localhost:%u/echo-stream' | cmp - %s && echo same",
	    lp_test_path("body"), flags, lp_test_path("body"), scheme, site.port, lp_test_path("body")), 0);
	CHECK_HAS(output, "same");
	CHECK_INT(site.seen, 3000000);
	CHECK_INT(run("curl -sS %s '%s://localhost:%u/big' | wc -c", flags, scheme, site.port), 0);
	CHECK_STR(output, "10485760\n");
	CHECK_INT(run("curl -sS %s -I '%s://localhost:%u/head'", flags, scheme, site.port), 0);
	CHECK_HAS(output, "content-length: ");
	CHECK_INT(run("curl -sS %s --limit-rate 20M -o /dev/null '%s://localhost:%u/big'", flags, scheme, site.port), 0);
	CHECK_INT(run("curl -sS %s -m 1 '%s://localhost:%u/never'", flags, scheme, site.port), 28);
	for (int i = 0; i < 100 && site.gone < site.handled; i++)
		CHECK_OK(lp_loop_turn(site.loop, 10, NULL), NULL);
	CHECK_INT(site.gone, site.handled);
}

TEST(curl_is_served_over_plain_http1)
{
	need_curl();
	site_start(NULL, NULL);
	curl_all("--http1.1", "http", false);
	site_stop();
}

TEST(curl_is_served_over_plain_http2)
{
	need_curl();
	site_start(NULL, NULL);
	curl_all("--http2-prior-knowledge", "http", true);
	site_stop();
}

TEST(curl_is_served_over_tls_by_both_protocols)
{
	const char *alpn[] = { "h2", "http/1.1", NULL };
	struct certs certs;
	struct lp_tls_tickets *tickets = NULL;
	struct lp_err err = { 0 };
	char flags[512];

	need_curl();
	certs_make(&certs);
	CHECK_OK(lp_tls_tickets_new(&tickets, &err), &err);
	struct lp_tls_config *tls = certs_server(&certs, tickets, alpn);
	lp_test_file("ca.pem", certs.ca, SIZE_MAX);
	lp_test_file("node.pem", certs.node, SIZE_MAX);
	lp_test_file("node.key", certs.node_secret, SIZE_MAX);
	site_start(tls, NULL);
	snprintf(flags, sizeof(flags), "--cacert %s", lp_test_path("ca.pem"));
	curl_all(flags, "https", true);
	site.seen = 0;
	snprintf(flags, sizeof(flags), "--http1.1 --cacert %s", lp_test_path("ca.pem"));
	curl_all(flags, "https", false);
	CHECK_INT(run("curl -sS %s --tls-max 1.2 --cert %s --key %s 'https://127.0.0.1:%u/who'", flags, lp_test_path("node.pem"),
	    lp_test_path("node.key"), site.port), 0);
	CHECK_HAS(output, "peer=system:node:n1");
	CHECK_INT(run("curl -sS http://127.0.0.1:%u/who", site.port), 0);
	CHECK_HAS(output, "Client sent an HTTP request to an HTTPS server.");
	site_stop();
	lp_tls_config_free(tls);
	lp_tls_tickets_free(tickets);
	certs_free(&certs);
}

TEST(an_expired_certificate_may_renew_and_nothing_else)
{
	struct lp_server_opts opts = { .expired_path = "/fleet/v1/renew" };
	int64_t now_ms = 1700000000000;
	struct certs certs;

	need_curl();
	certs_make(&certs);
	struct lp_tls_config *tls = certs_server(&certs, NULL, NULL);
	char *old = certs_sign(&certs, certs.node_key, "system:node:n1", "system:nodes", LP_CERT_CLIENT, now_ms - 1000000, now_ms);
	lp_test_file("ca.pem", certs.ca, SIZE_MAX);
	lp_test_file("node.pem", old, SIZE_MAX);
	lp_test_file("node.key", certs.node_secret, SIZE_MAX);
	site_start(tls, &opts);
	CHECK_INT(run("cd %s && curl -sS --cacert ca.pem --cert node.pem --key node.key https://127.0.0.1:%u/api", lp_test_dir(), site.port), 0);
	CHECK_HAS(output, "expired");
	CHECK_INT(site.handled, 0);
	CHECK_INT(run("cd %s && curl -sS --cacert ca.pem --cert node.pem --key node.key https://127.0.0.1:%u/fleet/v1/renew", lp_test_dir(),
	    site.port), 0);
	CHECK_HAS(output, "peer=system:node:n1");
	site_stop();
	free(old);
	lp_tls_config_free(tls);
	certs_free(&certs);
}

TEST(openssl_resumes_and_is_still_the_same_device)
{
	static const char *const versions[] = { "-tls1_2", "-tls1_3" };
	struct lp_tls_tickets *tickets = NULL;
	struct certs certs;
	struct lp_err err = { 0 };

	if (access("/usr/bin/openssl", X_OK) < 0)
		SKIP("openssl is not installed");
	certs_make(&certs);
	CHECK_OK(lp_tls_tickets_new(&tickets, &err), &err);
	struct lp_tls_config *tls = certs_server(&certs, tickets, NULL);
	lp_test_file("ca.pem", certs.ca, SIZE_MAX);
	lp_test_file("node.pem", certs.node, SIZE_MAX);
	lp_test_file("node.key", certs.node_secret, SIZE_MAX);
	site_start(tls, NULL);
	for (size_t i = 0; i < 2; i++) {
		CHECK_INT(run("cd %s && (printf 'GET /who HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n') | openssl s_client -ign_eof %s"
		    " -connect 127.0.0.1:%u -CAfile ca.pem -cert node.pem -key node.key -sess_out session 2>&1", lp_test_dir(), versions[i], site.port), 0);
		CHECK_HAS(output, "peer=system:node:n1");
		CHECK_HAS(output, "New, TLSv1");
		/* Without the key: only the ticket can say who it is. */
		CHECK_INT(run("cd %s && (printf 'GET /who HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n') | openssl s_client -ign_eof %s"
		    " -connect 127.0.0.1:%u -CAfile ca.pem -sess_in session 2>&1", lp_test_dir(), versions[i], site.port), 0);
		CHECK_HAS(output, "Reused, TLSv1");
		CHECK_HAS(output, "peer=system:node:n1");
		/* A ticket that the server cannot open any more, and no certificate: nobody. */
		lp_tls_tickets_rotate(tickets, INT64_C(4000000000000) + (int64_t)i * 1000000000);
		lp_tls_tickets_rotate(tickets, INT64_C(5000000000000) + (int64_t)i * 1000000000);
		CHECK_INT(run("cd %s && (printf 'GET /who HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n') | openssl s_client -ign_eof %s"
		    " -connect 127.0.0.1:%u -CAfile ca.pem -sess_in session 2>&1", lp_test_dir(), versions[i], site.port), 0);
		CHECK_HAS(output, "New, TLSv1");
		CHECK_HAS(output, "peer=- ");
	}
	site_stop();
	lp_tls_config_free(tls);
	lp_tls_tickets_free(tickets);
	certs_free(&certs);
}
