/*
 * wire/client.c - one client connection: resolving, connecting, calls, ending.
 *
 * Theory  Calls wait in a list; the carrier (client_h1.c, client_h2.c) takes them when the connection is ready. Everything the
 *         user does only marks and kicks; frames leave from `kick`, at the end of the turn. User code may free the client from
 *         any callback: `busy` counts the frames that hold it, as in channel.c.
 */
#include "wire/client_call.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/seam.h"

#define CONNECT_MS 10000

static const struct lp_channel_ops channel_ops;

/* ---- calls */

void
lp_client_call_free(struct lp_client_call *call)
{
	lp_list_remove(&call->link);
	lp_timer_stop(&call->timer);
	lp_http_headers_fini(&call->headers);
	lp_buf_fini(&call->out);
	free(call->method);
	free(call->path);
	free(call);
}

void
lp_client_call_head(struct lp_client_call *call, int64_t now_ms)
{
	call->head_told = true;
	if (call->ops->head)
		call->ops->head(call, call->status, &call->headers, now_ms);
}

void
lp_client_call_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct lp_err copy = *why;

	if (call->over)
		return;
	call->over = true;
	lp_list_remove(&call->link);
	call->ops->done(call, &copy, now_ms);
	lp_client_call_free(call);
}

static void
call_stop(struct lp_client_call *call, int code, const char *words, int64_t now_ms)
{
	struct lp_client *client = call->client;
	struct lp_err err;

	(void)lp_err_say(&err, code, "%s", words);	/* the code is known */
	if (client->carrier)
		client->carrier->forget(client, call);
	lp_client_call_done(call, &err, now_ms);
}

static void
call_late(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_client_call *call = lp_of(timer, struct lp_client_call, timer);

	call_stop(call, -ETIMEDOUT, "no answer in time", now_ms);
}

static int
call_fill(struct lp_client_call *call, const struct lp_client_request *request)
{
	int rc = 0;

	call->method = strdup(request->method);
	call->path = strdup(request->path);
	if (!call->method || !call->path)
		return -ENOMEM;
	if (request->path[0] != '/' || strpbrk(request->path, " \r\n"))
		return -EINVAL;
	for (const struct lp_client_header *h = request->headers; rc == 0 && h && h->name; h++)
		rc = lp_http_headers_add(&call->headers, h->name, h->value);
	if (rc == 0 && request->type)
		rc = lp_http_headers_add(&call->headers, "content-type", request->type);
	if (rc == 0 && request->body)
		rc = lp_buf_add(&call->out, request->body, request->len);
	call->streaming = request->streaming;
	call->ended = !request->streaming;
	call->body = request->streaming || request->body;
	return rc;
}

int
lp_client_start(struct lp_client *client, const struct lp_client_request *request, const struct lp_client_call_ops *ops, void *arg,
    struct lp_client_call **out, struct lp_err *err)
{
	struct lp_client_call *call;
	int rc;

	if (client->dead || client->why.code)
		return lp_err_say(err, -ENOTCONN, "the connection is closed");
	call = lp_seam.alloc(sizeof(*call));
	if (!call)
		return lp_err_set(err, -ENOMEM, "request");
	call->client = client;
	call->ops = ops;
	call->arg = arg;
	lp_list_init(&call->link);
	lp_http_headers_init(&call->headers, LP_CLIENT_HEAD_MAX);
	lp_buf_init(&call->out, SIZE_MAX / 2);	/* pieces stop at LP_CLIENT_OUT, a whole body is the caller's choice */
	rc = call_fill(call, request);
	if (rc == 0 && request->timeout_ms)
		rc = lp_timer_start(client->loop, &call->timer, lp_loop_now(client->loop) + request->timeout_ms, call_late);
	if (rc < 0) {
		lp_client_call_free(call);
		return lp_err_set(err, rc, "%s %s", request->method, request->path);
	}
	lp_list_append(&client->calls, &call->link);
	lp_client_kick(client);
	if (out)
		*out = call;
	return 0;
}

int
lp_client_write(struct lp_client_call *call, const void *data, size_t len)
{
	if (call->ended || call->over)
		return -EPIPE;
	if (call->out.len - call->at > LP_CLIENT_OUT)
		return -EMSGSIZE;
	if (call->at > LP_CLIENT_ROOM && call->at > call->out.len / 2) {
		lp_buf_consume(&call->out, call->at);
		call->at = 0;
	}
	if (lp_buf_add(&call->out, data, len) < 0) {
		call->out.failed = 0;
		return -ENOMEM;
	}
	if (call->out.len - call->at > LP_CLIENT_ROOM)
		call->was_long = true;
	lp_client_kick(call->client);
	return 0;
}

void
lp_client_end(struct lp_client_call *call)
{
	if (call->ended)
		return;
	call->ended = true;
	lp_client_kick(call->client);
}

size_t
lp_client_queued(const struct lp_client_call *call)
{
	return call->out.len - call->at;
}

void
lp_client_pause(struct lp_client_call *call, bool pause)
{
	if (call->paused == pause)
		return;
	call->paused = pause;
	if (call->client->carrier)
		call->client->carrier->pause(call, pause);
}

void
lp_client_cancel(struct lp_client_call *call)
{
	if (!call->over)
		call_stop(call, -ECANCELED, "cancelled", lp_loop_now(call->client->loop));
}

void *
lp_client_call_arg(const struct lp_client_call *call)
{
	return call->arg;
}

struct lp_client *
lp_client_call_client(const struct lp_client_call *call)
{
	return call->client;
}

/* ---- ending */

static void
release(struct lp_client *client)
{
	if (client->session)
		nghttp2_session_del(client->session);
	lp_buf_fini(&client->header_name);
	lp_buf_fini(&client->header_value);
	free(client->host);
	free(client->name);
	free(client->unix_path);
	free(client);
}

static void
leave(struct lp_client *client)
{
	client->busy--;
	if (client->freed && client->busy == 0)
		release(client);
}

/* Nothing works any more: every call is told. The caller holds the client. */
static void
bury(struct lp_client *client, const struct lp_err *why, int64_t now_ms)
{
	struct lp_err copy = *why;

	client->dead = true;
	lp_timer_stop(&client->deadline);
	lp_defer_cancel(&client->kick);
	lp_resolve_cancel(client->query);
	client->query = NULL;
	lp_channel_free(client->channel);
	client->channel = NULL;
	while (!lp_list_empty(&client->calls))
		lp_client_call_done(lp_of(lp_list_first(&client->calls), struct lp_client_call, link), &copy, now_ms);
	client->current = NULL;
}

static void
end(struct lp_client *client, const struct lp_err *why, int64_t now_ms)
{
	struct lp_err copy = *why;

	if (client->dead)
		return;
	if (copy.code == 0)
		(void)lp_err_say(&copy, -ECONNRESET, "the server closed the connection");	/* calls that wait were not answered */
	bury(client, &copy, now_ms);
	if (!client->freed && client->opts.closed)
		client->opts.closed(client, &copy, now_ms);
}

void
lp_client_free(struct lp_client *client)
{
	struct lp_err err;

	if (!client || client->freed)
		return;
	client->freed = true;
	client->busy++;
	(void)lp_err_say(&err, -ECANCELED, "the connection was given up");	/* the code is known */
	bury(client, &err, lp_loop_now(client->loop));
	leave(client);
}

/* ---- moving */

static void
kicked(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_client *client = lp_of(defer, struct lp_client, kick);
	struct lp_err err = { 0 };

	client->busy++;
	if (client->why.code)
		end(client, &client->why, now_ms);
	else if (!client->dead && client->carrier && client->channel && client->carrier->pump(client, &err) < 0)
		end(client, &err, now_ms);
	if (!client->dead) {
		lp_list_each(link, &client->calls) {
			struct lp_client_call *call = lp_of(link, struct lp_client_call, link);

			if (!call->was_long || call->out.len - call->at >= LP_CLIENT_ROOM / 2 || call->over)
				continue;
			call->was_long = false;
			if (call->ops->room) {
				call->ops->room(call, now_ms);
				lp_client_kick(client);	/* the list may be another one now: the next turn looks at the others */
				break;
			}
		}
	}
	leave(client);
}

void
lp_client_kick(struct lp_client *client)
{
	if (!client->dead)
		lp_loop_defer(client->loop, &client->kick, kicked);
}

static void
channel_ready(struct lp_channel *channel, int64_t now_ms)
{
	struct lp_client *client = lp_channel_arg(channel);
	struct lp_tls *tls = lp_channel_tls(channel);
	const char *alpn = tls ? lp_tls_alpn(tls) : NULL;
	bool http2 = tls ? alpn && strcmp(alpn, "h2") == 0 : client->opts.http2;
	struct lp_err err;

	client->busy++;
	lp_timer_stop(&client->deadline);
	client->carrier = http2 ? &lp_client_h2 : &lp_client_h1;
	if (client->carrier->open(client) < 0) {
		(void)lp_err_set(&err, -ENOMEM, "connection");	/* the code is known */
		end(client, &err, now_ms);
	} else {
		lp_client_kick(client);
		if (client->opts.ready)
			client->opts.ready(client, now_ms);
	}
	leave(client);
}

static void
channel_data(struct lp_channel *channel, const void *data, size_t len, int64_t now_ms)
{
	struct lp_client *client = lp_channel_arg(channel);
	struct lp_err err = { 0 };

	client->busy++;
	if (client->carrier->data(client, data, len, &err) < 0)
		end(client, &err, now_ms);
	leave(client);
}

static void
channel_drained(struct lp_channel *channel, int64_t now_ms)
{
	(void)now_ms;
	lp_client_kick(lp_channel_arg(channel));
}

static int
connect_one(struct lp_client *client, const struct lp_resolve_address *at, struct lp_err *err)
{
	struct lp_channel_opts opts = { .tls = client->opts.tls, .name = client->name, .connecting = true,
		.handshake_ms = client->deadline_ms - lp_loop_now(client->loop) };
	int fd = socket(at->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return lp_err_set(err, -errno, "socket");
	if (connect(fd, (const struct sockaddr *)&at->addr, at->len) < 0 && errno != EINPROGRESS) {
		int code = errno;

		lp_close(&fd);
		return lp_err_set(err, -code, "connect to %s", client->unix_path ? client->unix_path : client->authority);
	}
	if (opts.handshake_ms < 1)
		opts.handshake_ms = 1;
	return lp_channel_new(client->loop, fd, &opts, &channel_ops, client, &client->channel, err);
}

static void
connect_next(struct lp_client *client, const struct lp_err *before, int64_t now_ms)
{
	struct lp_err err = *before;

	while (client->address_next < client->address_count) {
		if (connect_one(client, &client->addresses[client->address_next++], &err) == 0)
			return;
	}
	end(client, &err, now_ms);
}

static void
channel_closed(struct lp_channel *channel, const struct lp_err *why, int64_t now_ms)
{
	struct lp_client *client = lp_channel_arg(channel);
	struct lp_err copy = *why;

	client->busy++;
	if (!client->carrier && copy.code != -EKEYREJECTED && client->address_next < client->address_count) {
		lp_channel_free(client->channel);
		client->channel = NULL;
		connect_next(client, &copy, now_ms);
	} else {
		if (client->carrier)
			client->carrier->close(client);
		if (copy.code && copy.code != -EKEYREJECTED)
			(void)lp_err_wrap(&copy, "%s", client->authority);	/* words only */
		end(client, &copy, now_ms);
	}
	leave(client);
}

static const struct lp_channel_ops channel_ops = {
	.ready = channel_ready,
	.data = channel_data,
	.drained = channel_drained,
	.closed = channel_closed,
};

static void
resolved(void *arg, const struct lp_resolve_address *list, size_t count, const struct lp_err *why, int64_t now_ms)
{
	struct lp_client *client = arg;

	client->busy++;
	client->query = NULL;
	memcpy(client->addresses, list, count * sizeof(*list));
	client->address_count = count;
	connect_next(client, why, now_ms);
	leave(client);
}

static void
late(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_client *client = lp_of(timer, struct lp_client, deadline);
	struct lp_err err;

	client->busy++;
	(void)lp_err_say(&err, -ETIMEDOUT, "%s: no connection in time", client->authority);	/* the code is known */
	end(client, &err, now_ms);
	leave(client);
}

/* ---- making one */

static int
client_begin(struct lp_client *client, struct lp_err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct lp_resolve_address *first = &client->addresses[0];

	if (client->unix_path) {
		if (strlen(client->unix_path) >= sizeof(un.sun_path))
			return lp_err_set(err, -ENAMETOOLONG, "%s", client->unix_path);
		memcpy(un.sun_path, client->unix_path, strlen(client->unix_path) + 1);
		memcpy(&first->addr, &un, sizeof(un));
		first->len = sizeof(un);
	} else if (lp_resolve_literal(client->host, client->opts.port, first) < 0) {
		return lp_resolve_start(client->loop, client->host, client->opts.port, resolved, client, &client->query, err);
	}
	client->address_count = 1;
	client->address_next = 1;
	return connect_one(client, first, err);
}

int
lp_client_new(struct lp_loop *loop, const struct lp_client_opts *opts, struct lp_client **out, struct lp_err *err)
{
	struct lp_client *client = lp_seam.alloc(sizeof(*client));
	const char *host = opts->host ? opts->host : "localhost";
	int rc = 0;

	if (!client)
		return lp_err_set(err, -ENOMEM, "client");
	client->loop = loop;
	client->opts = *opts;
	lp_list_init(&client->calls);
	lp_buf_init(&client->header_name, LP_CLIENT_HEAD_MAX);
	lp_buf_init(&client->header_value, LP_CLIENT_HEAD_MAX);
	client->host = strdup(host);
	client->name = strdup(opts->name ? opts->name : host);
	client->unix_path = opts->unix_path ? strdup(opts->unix_path) : NULL;
	if (!client->host || !client->name || (opts->unix_path && !client->unix_path))
		rc = lp_err_set(err, -ENOMEM, "client");
	if (opts->unix_path)
		(void)snprintf(client->authority, sizeof(client->authority), "localhost");
	else
		(void)snprintf(client->authority, sizeof(client->authority), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, opts->port);
	client->deadline_ms = lp_loop_now(loop) + (opts->connect_ms ? opts->connect_ms : CONNECT_MS);
	if (rc == 0 && lp_timer_start(loop, &client->deadline, client->deadline_ms, late) < 0)
		rc = lp_err_set(err, -ENOMEM, "client");
	if (rc == 0)
		rc = client_begin(client, err);
	if (rc < 0) {
		client->opts.closed = NULL;
		lp_client_free(client);
		return rc;
	}
	*out = client;
	return 0;
}

void *
lp_client_arg(const struct lp_client *client)
{
	return client->opts.arg;
}

struct lp_loop *
lp_client_loop(const struct lp_client *client)
{
	return client->loop;
}

bool
lp_client_is_ready(const struct lp_client *client)
{
	return client->carrier && !client->dead;
}

struct lp_tls *
lp_client_tls(const struct lp_client *client)
{
	return client->channel ? lp_channel_tls(client->channel) : NULL;
}

int64_t
lp_client_last_read_ms(const struct lp_client *client)
{
	return client->channel ? lp_channel_last_read_ms(client->channel) : 0;
}

int
lp_client_local_address(const struct lp_client *client, char *out, size_t size)
{
	return client->channel ? lp_channel_local(client->channel, out, size) : -ENOTCONN;
}

int
lp_client_ping(struct lp_client *client)
{
	if (!client->session || client->dead)
		return -ENOTSUP;
	if (nghttp2_submit_ping(client->session, NGHTTP2_FLAG_NONE, NULL) != 0)
		return -ENOMEM;
	lp_client_kick(client);
	return 0;
}
