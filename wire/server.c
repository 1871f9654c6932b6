/*
 * wire/server.c - listeners, connections, limits.
 *
 * Theory  A connection chooses its protocol when it is ready: by ALPN, or on a plain one by its first bytes (HTTP/2's preface
 *         cannot begin an HTTP/1.1 request). One timer per connection says when somebody must look again; what is too late
 *         follows from the connection's phase. Strangers are connections that have not proven who they are.
 */
#include "wire/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/list.h"
#include "base/seam.h"
#include "base/text.h"
#include "wire/channel.h"
#include "wire/http1.h"
#include "wire/http2.h"
#include "wire/resolve.h"

#define HANDSHAKES    4			/* steps in one turn of the loop */
#define ACCEPTS       32		/* connections in one turn */
#define CHANNEL_QUEUE (256u << 20)	/* whole answers; pieces stop at the call's out_max */
#define LISTENERS     8
#define PAUSE_MS      1000		/* without descriptors or memory, accept again after this */

struct listener {
	struct lp_watch watch;
	struct lp_server *server;
	int fd;
	bool local;
};

struct lp_server {
	struct lp_loop *loop;		/* weak */
	struct lp_server_opts opts;
	struct lp_http_owner owner;
	struct listener listeners[LISTENERS];
	size_t listener_count;
	struct lp_list conns;
	size_t count, strangers;
	struct lp_channel_budget budget;
	bool full;			/* no listener is watched: as many connections as there may be */
	struct lp_timer pause;
};

struct conn {
	struct lp_list link;
	struct lp_server *server;	/* weak */
	struct lp_channel *channel;	/* NULL once it belongs to somebody else */
	struct lp_timer timer;
	struct lp_http1 *h1;		/* one of the two, or none before the first byte */
	struct lp_http2 *h2;
	int64_t since_ms;		/* when this phase began */
	int64_t born_ms;
	enum lp_http1_phase phase;
	bool stranger, expired;
};

/* ---- connections */

static void accept_look(struct lp_server *server);

static void
conn_free(struct conn *conn, int64_t now_ms)
{
	struct lp_server *server = conn->server;
	struct lp_http1 *h1 = conn->h1;
	struct lp_http2 *h2 = conn->h2;

	conn->h1 = NULL;
	conn->h2 = NULL;
	lp_timer_stop(&conn->timer);
	lp_http1_free(h1, now_ms);
	lp_http2_free(h2, now_ms);
	lp_channel_free(conn->channel);
	lp_list_remove(&conn->link);
	server->count--;
	server->strangers -= conn->stranger;
	free(conn);
	accept_look(server);
}

static int64_t
limit_ms(int64_t chosen, int64_t otherwise)
{
	return chosen ? chosen : otherwise;
}

/* When the connection is too late, given what it does; -1: never. */
static int64_t
due_ms(const struct conn *conn)
{
	const struct lp_server_opts *opts = &conn->server->opts;
	int64_t due = -1;

	if (conn->h2) {
		if (lp_http2_streams(conn->h2) == 0)
			due = conn->since_ms + limit_ms(opts->idle_ms, 180000);
		else
			due = lp_channel_last_read_ms(conn->channel) + 600000;
	} else if (conn->h1) {
		switch (conn->phase) {
		case LP_HTTP1_IDLE:
			due = conn->since_ms + limit_ms(opts->idle_ms, 180000);
			break;
		case LP_HTTP1_HEAD:
			due = conn->since_ms + limit_ms(opts->head_ms, 10000);
			break;
		case LP_HTTP1_BODY:
			due = conn->since_ms + limit_ms(opts->body_ms, 60000);
			break;
		case LP_HTTP1_ANSWER:
			break;
		}
	} else {
		due = conn->born_ms + limit_ms(opts->head_ms, 10000);
	}
	if (conn->stranger) {
		int64_t end = conn->born_ms + limit_ms(opts->stranger_ms, 30000);

		due = due < 0 || end < due ? end : due;
	}
	return due;
}

static void
conn_due(struct lp_timer *timer, int64_t now_ms)
{
	struct conn *conn = lp_of(timer, struct conn, timer);
	int64_t due = due_ms(conn);

	if (due < 0)
		return;
	if (due > now_ms) {
		if (lp_timer_start(conn->server->loop, timer, due, conn_due) < 0)
			conn_free(conn, now_ms);
		return;
	}
	if (conn->h1 && conn->phase != LP_HTTP1_IDLE && conn->phase != LP_HTTP1_ANSWER) {
		conn->phase = LP_HTTP1_ANSWER;
		lp_http1_timeout(conn->h1);
		return;
	}
	conn_free(conn, now_ms);
}

static void
conn_look(struct conn *conn, int64_t now_ms)
{
	int64_t due;

	if (conn->h1) {
		enum lp_http1_phase phase = lp_http1_phase(conn->h1);

		if (phase != conn->phase)
			conn->since_ms = now_ms;
		conn->phase = phase;
	} else {
		conn->since_ms = now_ms;
	}
	due = due_ms(conn);
	if (due < 0)
		lp_timer_stop(&conn->timer);
	else
		(void)lp_timer_start(conn->server->loop, &conn->timer, due, conn_due);	/* without memory the old time stands */
}

static void
conn_trust(struct conn *conn)
{
	if (!conn->stranger)
		return;
	conn->stranger = false;
	conn->server->strangers--;
	accept_look(conn->server);
}

/* ---- what the protocols ask of us */

static void
owner_refuse(void *arg, struct lp_http_call *call, int status, const char *why)
{
	struct conn *conn = arg;

	if (conn->server->opts.refuse)
		conn->server->opts.refuse(conn->server->opts.arg, call, status, why);
	else
		(void)lp_http_reply_text(call, status, why);	/* it aborts the call when it fails */
}

static enum lp_http_body
owner_head(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	struct conn *conn = arg;
	const struct lp_server_opts *opts = &conn->server->opts;

	if (conn->expired && !(opts->expired_path && strcmp(call->path, opts->expired_path) == 0)) {
		owner_refuse(conn, call, 401, "the certificate has expired: renew it");
		return LP_HTTP_ANSWERED;
	}
	return opts->head ? opts->head(opts->arg, call, now_ms) : LP_HTTP_COLLECT;
}

static void
owner_handle(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	struct conn *conn = arg;

	conn->server->opts.handle(conn->server->opts.arg, call, now_ms);
}

static size_t
owner_body_max(void *arg)
{
	const struct conn *conn = arg;
	const struct lp_server_opts *opts = &conn->server->opts;

	return conn->stranger ? (opts->stranger_body_max ? opts->stranger_body_max : 64u << 10) :
	    (opts->body_max ? opts->body_max : 3u << 20);
}

static void
owner_trust(void *arg)
{
	conn_trust(arg);
}

static void
owner_changed(void *arg, int64_t now_ms)
{
	conn_look(arg, now_ms);
}

static void
owner_lost(void *arg)
{
	struct conn *conn = arg;

	conn->channel = NULL;
	conn_free(conn, lp_loop_now(conn->server->loop));
}

static void
owner_drop(void *arg, int64_t now_ms)
{
	conn_free(arg, now_ms);
}

/* ---- channels */

static int
conn_speak(struct conn *conn, bool http2, int64_t now_ms)
{
	int rc = http2 ? lp_http2_new(conn->channel, &conn->server->owner, conn, &conn->h2) :
	    lp_http1_new(conn->channel, &conn->server->owner, conn, &conn->h1);

	if (rc == 0)
		conn_look(conn, now_ms);
	return rc;
}

static void
channel_ready(struct lp_channel *channel, int64_t now_ms)
{
	struct conn *conn = lp_channel_arg(channel);
	struct lp_server *server = conn->server;
	const struct lp_cert_identity *peer = lp_channel_peer(channel);
	struct lp_tls *tls = lp_channel_tls(channel);
	const char *alpn = tls ? lp_tls_alpn(tls) : NULL;

	if (peer) {
		if (server->opts.admit && !server->opts.admit(server->opts.arg, peer)) {
			conn_free(conn, now_ms);
			return;
		}
		conn->expired = peer->expired;
		if (!peer->expired)
			conn_trust(conn);
	}
	conn_look(conn, now_ms);
	if (tls && conn_speak(conn, alpn && strcmp(alpn, "h2") == 0, now_ms) < 0)
		conn_free(conn, now_ms);
}

static void
channel_data(struct lp_channel *channel, const void *data, size_t len, int64_t now_ms)
{
	struct conn *conn = lp_channel_arg(channel);

	if (!conn->h1 && !conn->h2 && conn_speak(conn, len >= 3 && memcmp(data, "PRI", 3) == 0, now_ms) < 0) {
		conn_free(conn, now_ms);
		return;
	}
	if (conn->h2) {
		lp_http2_data(conn->h2, data, len, now_ms);
	} else {
		bool idle = lp_http1_phase(conn->h1) == LP_HTTP1_IDLE;

		lp_http1_data(conn->h1, data, len, now_ms);
		/* The connection may be gone or somebody else's; otherwise a head that only began must be timed. */
		if (idle && lp_channel_arg(channel) == conn && lp_channel_is_ready(channel) && conn->h1)
			conn_look(conn, now_ms);
	}
}

static void
channel_drained(struct lp_channel *channel, int64_t now_ms)
{
	struct conn *conn = lp_channel_arg(channel);

	if (conn->h1)
		lp_http1_drained(conn->h1, now_ms);
	if (conn->h2)
		lp_http2_drained(conn->h2, now_ms);
}

static void
channel_closed(struct lp_channel *channel, const struct lp_err *why, int64_t now_ms)
{
	(void)why;		/* whoever answered a call is told by gone() */
	conn_free(lp_channel_arg(channel), now_ms);
}

static const struct lp_channel_ops channel_ops = {
	.ready = channel_ready,
	.data = channel_data,
	.drained = channel_drained,
	.closed = channel_closed,
};

static int
conn_open(struct lp_server *server, int fd, bool local, struct lp_err *err)
{
	struct lp_channel_opts opts = { .tls = local ? NULL : server->opts.tls, .server = true, .queue_max = CHANNEL_QUEUE,
		.budget = &server->budget };
	struct conn *conn = lp_seam.alloc(sizeof(*conn));
	int64_t now_ms = lp_loop_now(server->loop);
	int rc;

	if (!conn) {
		lp_close(&fd);
		return lp_err_set(err, -ENOMEM, "connection");
	}
	conn->server = server;
	conn->born_ms = conn->since_ms = now_ms;
	rc = lp_channel_new(server->loop, fd, &opts, &channel_ops, conn, &conn->channel, err);
	if (rc < 0) {
		free(conn);
		return rc;
	}
	lp_list_append(&server->conns, &conn->link);
	server->count++;
	if (!local) {
		conn->stranger = true;
		server->strangers++;
	}
	conn_look(conn, now_ms);
	return 0;
}

/* ---- listeners */

static void listener_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms);

static bool
is_full(const struct lp_server *server)
{
	size_t most = server->opts.max_connections ? server->opts.max_connections : 16384;
	size_t strangers = server->opts.max_strangers ? server->opts.max_strangers : 512;

	return server->count >= most || server->strangers >= strangers;
}

static void
accept_again(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_server *server = lp_of(timer, struct lp_server, pause);

	for (size_t i = 0; i < server->listener_count; i++) {
		struct listener *listener = &server->listeners[i];

		if (!listener->local && is_full(server))
			server->full = true;		/* accept_look comes back */
		else if (!listener->watch.loop &&
		    lp_watch_start(server->loop, &listener->watch, listener->fd, EPOLLIN, listener_ready, NULL) < 0)
			(void)lp_timer_start(server->loop, timer, now_ms + PAUSE_MS, accept_again);	/* its place is kept */
	}
}

/* No descriptors or no memory: a listener left readable would make the loop spin, so look away for a second. */
static void
accept_pause(struct lp_server *server, int64_t now_ms)
{
	if (lp_timer_start(server->loop, &server->pause, now_ms + PAUSE_MS, accept_again) < 0)
		return;
	for (size_t i = 0; i < server->listener_count; i++)
		lp_watch_stop(&server->listeners[i].watch);
}

/* Who comes when the house is full waits in the kernel's queue, until somebody leaves or proves who he is. */
static void
accept_look(struct lp_server *server)
{
	if (!server->full || is_full(server) || lp_timer_start(server->loop, &server->pause, lp_loop_now(server->loop), accept_again) < 0)
		return;		/* without memory the next one who leaves tries again */
	server->full = false;
}

static void
accept_stop(struct lp_server *server)
{
	server->full = true;
	for (size_t i = 0; i < server->listener_count; i++) {
		if (!server->listeners[i].local)
			lp_watch_stop(&server->listeners[i].watch);
	}
}

static void
listener_ready(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct listener *listener = lp_of(watch, struct listener, watch);
	struct lp_server *server = listener->server;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd;

		if (!listener->local && is_full(server)) {
			accept_stop(server);
			return;
		}
		fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
				accept_pause(server, now_ms);
			return;
		}
		(void)conn_open(server, fd, listener->local, NULL);	/* the peer sees its connection closed */
	}
}

static int
listener_add(struct lp_server *server, int fd, bool local, struct lp_err *err)
{
	struct listener *listener = &server->listeners[server->listener_count];
	int rc;

	if (server->listener_count == LISTENERS) {
		lp_close(&fd);
		return lp_err_say(err, -E2BIG, "more than %d listening addresses", LISTENERS);
	}
	listener->server = server;
	listener->local = local;
	listener->fd = fd;
	rc = lp_watch_start(server->loop, &listener->watch, fd, EPOLLIN, listener_ready, err);
	if (rc < 0) {
		lp_close(&listener->fd);
		return rc;
	}
	server->listener_count++;
	return 0;
}

static int
listen_socket(const struct lp_resolve_address *at, const char *address, int *out_fd, struct lp_err *err)
{
	lp_auto_fd int fd = socket(at->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, zero = 0;

	if (fd < 0)
		return lp_err_set(err, -errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));	/* bind tells */
	if (at->addr.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (const struct sockaddr *)&at->addr, at->len) < 0 || listen(fd, 1024) < 0)
		return lp_err_set(err, -errno, "listen on %s", address);
	*out_fd = lp_take_fd(&fd);
	return 0;
}

int
lp_server_listen(struct lp_server *server, const char *address, uint16_t *out_port, struct lp_err *err)
{
	struct lp_resolve_address at;
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	char host[64];
	uint16_t port;
	int fd = -1, rc;

	if (lp_text_host_port(address, host, sizeof(host), &port) < 0 ||
	    lp_resolve_literal(host[0] ? host : "0.0.0.0", port, &at) < 0)
		return lp_err_say(err, -EINVAL, "\"%.64s\" is not an address and port to listen on", address);
	rc = listen_socket(&at, address, &fd, err);
	if (rc < 0)
		return rc;
	if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0) {
		rc = lp_err_set(err, -errno, "listen on %s", address);
		lp_close(&fd);
		return rc;
	}
	rc = listener_add(server, fd, false, err);
	if (rc == 0 && out_port)
		*out_port = ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)&bound)->sin_port :
		    ((struct sockaddr_in6 *)&bound)->sin6_port);
	return rc;
}

int
lp_server_listen_fd(struct lp_server *server, int fd, struct lp_err *err)
{
	return listener_add(server, fd, true, err);
}

int
lp_server_adopt(struct lp_server *server, int fd, struct lp_err *err)
{
	return conn_open(server, fd, false, err);
}

/* ---- life */

int
lp_server_new(struct lp_loop *loop, const struct lp_server_opts *opts, struct lp_server **out, struct lp_err *err)
{
	struct lp_server *server = lp_seam.alloc(sizeof(*server));

	if (!server)
		return lp_err_set(err, -ENOMEM, "server");
	server->loop = loop;
	server->opts = *opts;
	server->budget.per_turn = HANDSHAKES;
	lp_list_init(&server->conns);
	server->owner = (struct lp_http_owner){
		.head = owner_head,
		.handle = owner_handle,
		.body_max = owner_body_max,
		.refuse = owner_refuse,
		.trust = owner_trust,
		.changed = owner_changed,
		.lost = owner_lost,
		.drop = owner_drop,
		.head_max = opts->head_max ? opts->head_max : 64u << 10,
		.max_streams = opts->max_streams ? opts->max_streams : 100,
	};
	*out = server;
	return 0;
}

void
lp_server_free(struct lp_server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < server->listener_count; i++) {
		lp_watch_stop(&server->listeners[i].watch);
		lp_close(&server->listeners[i].fd);
	}
	while (!lp_list_empty(&server->conns))
		conn_free(lp_of(lp_list_first(&server->conns), struct conn, link), lp_loop_now(server->loop));
	lp_timer_stop(&server->pause);
	free(server);
}

void
lp_server_set_tls(struct lp_server *server, struct lp_tls_config *tls)
{
	server->opts.tls = tls;
}

size_t
lp_server_connections(const struct lp_server *server)
{
	return server->count;
}
