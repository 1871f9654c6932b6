/*
 * wire/streams.c - sessions and flows: what SPDY and WebSocket have in common, and the answer to an upgrade.
 *
 * Theory  The connection's bytes go to the session's tongue, which finds the flow and tells the owner. What is sent gathers in
 *         `scratch` and goes to the channel at once. Owners may free the session from any callback: `busy` counts the frames
 *         that hold it. A flow's end is told from the loop, never from inside what the owner calls.
 */
#include "wire/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/seam.h"
#include "wire/streams_inside.h"

#define ARRIVE_MS 30000		/* for a client's streams after the upgrade */
#define CLOSE_MS  3000		/* for the peer's end after our last word */

/* ---- flows */

struct lp_streams_flow *
lp_streams_flow_new(struct lp_streams *streams)
{
	struct lp_streams_flow *flow = streams->flow_count < LP_STREAMS_FLOWS ? lp_seam.alloc(sizeof(*flow)) : NULL;

	if (!flow)
		return NULL;
	flow->streams = streams;
	lp_list_append(&streams->flows, &flow->link);
	streams->flow_count++;
	return flow;
}

static void
flow_drop(struct lp_streams_flow *flow, int64_t now_ms)
{
	struct lp_streams *streams = flow->streams;

	lp_defer_cancel(&flow->gone);
	lp_list_remove(&flow->link);
	streams->flow_count--;
	lp_streams_pause(flow, false);
	if (flow->told)
		streams->ops->flow_gone(streams->arg, flow, now_ms);
	free(flow);
}

/* The parsers go last: the frame that ends a session may stand inside one. */
static void
leave(struct lp_streams *streams)
{
	streams->busy--;
	if (!streams->freed || streams->busy > 0)
		return;
	lp_spdy_free(streams->spdy);
	lp_websocket_fini(&streams->socket);
	lp_buf_fini(&streams->scratch);
	free(streams);
}

static void
flow_gone(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_streams_flow *flow = lp_of(defer, struct lp_streams_flow, gone);
	struct lp_streams *streams = flow->streams;

	streams->busy++;
	flow_drop(flow, now_ms);
	leave(streams);
}

void
lp_streams_flow_end(struct lp_streams_flow *flow)
{
	flow->over = true;
	lp_loop_defer(flow->streams->loop, &flow->gone, flow_gone);
}

void
lp_streams_flow_open(struct lp_streams_flow *flow, int64_t now_ms)
{
	struct lp_streams *streams = flow->streams;

	if (flow->told)
		return;
	flow->told = true;
	lp_timer_stop(&streams->timer);
	streams->ops->open(streams->arg, flow, flow->port, now_ms);
}

void
lp_streams_data(struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len)
{
	struct lp_streams *streams = flow->streams;

	if (flow->over || !flow->told || streams->dead)
		return;
	if (channel == LP_STREAMS_END) {
		if (flow->end_told)
			return;
		flow->end_told = true;
	}
	streams->ops->data(streams->arg, flow, channel, data, len, lp_loop_now(streams->loop));
}

/* ---- ending */

static void
bury(struct lp_streams *streams, int64_t now_ms)
{
	streams->dead = true;
	streams->failed = NULL;
	lp_timer_stop(&streams->timer);
	lp_defer_cancel(&streams->begin);
	lp_client_free(streams->client);
	streams->client = NULL;
	lp_channel_free(streams->channel);
	streams->channel = NULL;
	while (!lp_list_empty(&streams->flows))
		flow_drop(lp_of(lp_list_first(&streams->flows), struct lp_streams_flow, link), now_ms);
}

static void
end(struct lp_streams *streams, const struct lp_err *why, int64_t now_ms)
{
	struct lp_err copy = *why;

	if (streams->dead)
		return;
	bury(streams, now_ms);
	if (!streams->freed)
		streams->ops->gone(streams->arg, streams, &copy, now_ms);
}

void
lp_streams_free(struct lp_streams *streams)
{
	if (!streams || streams->freed)
		return;
	streams->freed = true;
	streams->busy++;
	if (!streams->dead)
		bury(streams, lp_loop_now(streams->loop));
	leave(streams);
}

static void
too_late(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_streams *streams = lp_of(timer, struct lp_streams, timer);
	struct lp_err err = { 0 };

	if (streams->closing && streams->channel && lp_channel_queued(streams->channel)) {
		lp_channel_finish(streams->channel);	/* a slow reader gets all of it; closed() follows */
		return;
	}
	streams->busy++;
	if (!streams->closing)
		(void)lp_err_say(&err, -ETIMEDOUT, "the client did not open its streams");	/* told */
	end(streams, &err, now_ms);
	leave(streams);
}

void
lp_streams_close(struct lp_streams *streams)
{
	streams->closing = true;
	(void)lp_timer_start(streams->loop, &streams->timer, lp_loop_now(streams->loop) + CLOSE_MS, too_late);	/* the peer's end is the other way */
}

void
lp_streams_fail(struct lp_streams *streams, const struct lp_err *why)
{
	if (!streams->why.code)
		streams->why = *why;
	lp_loop_defer(streams->loop, &streams->begin, streams->begin.fn);
}

/* ---- the connection */

int
lp_streams_flush(struct lp_streams *streams)
{
	int rc = streams->scratch.failed ? streams->scratch.failed : 0;

	if (rc == 0 && streams->scratch.len)
		rc = streams->channel ? lp_channel_send(streams->channel, streams->scratch.data, streams->scratch.len) : -EPIPE;
	lp_buf_reset(&streams->scratch);
	if (streams->scratch.size > LP_STREAMS_MESSAGE / 4) {
		lp_buf_fini(&streams->scratch);
		lp_buf_init(&streams->scratch, SIZE_MAX / 2);
	}
	return rc;
}

int
lp_streams_got_message(void *arg, enum lp_websocket_op op, const void *data, size_t len)
{
	struct lp_streams *streams = arg;
	struct lp_err err = { 0 };

	if (streams->dead)
		return -ECANCELED;
	switch (op) {
	case LP_WEBSOCKET_BINARY:
		if (streams->tongue->message(streams, data, len, &err) < 0) {
			streams->why = err;
			return err.code;
		}
		return streams->dead ? -ECANCELED : 0;
	case LP_WEBSOCKET_PING:
		(void)lp_websocket_frame(&streams->socket, &streams->scratch, LP_WEBSOCKET_PONG, -1, data, len);	/* sticky */
		return lp_streams_flush(streams);
	case LP_WEBSOCKET_CLOSE:
		if (!streams->closing)
			(void)lp_websocket_close(&streams->socket, &streams->scratch, 1000, "");	/* sticky */
		(void)lp_streams_flush(streams);	/* a courtesy */
		lp_streams_close(streams);
		lp_channel_finish(streams->channel);
		return 0;
	case LP_WEBSOCKET_MORE:
	case LP_WEBSOCKET_TEXT:
	case LP_WEBSOCKET_PONG:
		return 0;
	}
	return 0;
}

static void
channel_data(struct lp_channel *channel, const void *data, size_t len, int64_t now_ms)
{
	struct lp_streams *streams = lp_channel_arg(channel);
	struct lp_err err = { 0 };
	int rc;

	streams->busy++;
	rc = streams->has_socket ? lp_websocket_feed(&streams->socket, data, len, &err) :
	    streams->tongue->feed(streams, data, len, &err);
	if (rc < 0 && !streams->dead)
		end(streams, err.code ? &err : &streams->why, now_ms);
	leave(streams);
}

static void
channel_drained(struct lp_channel *channel, int64_t now_ms)
{
	struct lp_streams *streams = lp_channel_arg(channel);

	streams->busy++;
	lp_list_each(link, &streams->flows) {
		struct lp_streams_flow *flow = lp_of(link, struct lp_streams_flow, link);

		if (flow->told && !flow->over && streams->ops->room)
			streams->ops->room(streams->arg, flow, now_ms);
		if (streams->dead)
			break;
	}
	leave(streams);
}

static void
channel_closed(struct lp_channel *channel, const struct lp_err *why, int64_t now_ms)
{
	struct lp_streams *streams = lp_channel_arg(channel);

	streams->busy++;
	end(streams, why, now_ms);
	leave(streams);
}

const struct lp_channel_ops lp_streams_channel_ops = {
	.data = channel_data,
	.drained = channel_drained,
	.closed = channel_closed,
};

/* From the loop: begin, or tell a failure. */
static void
begin(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_streams *streams = lp_of(defer, struct lp_streams, begin);
	struct lp_err err;

	streams->busy++;
	if (streams->why.code) {
		end(streams, &streams->why, now_ms);
	} else if (!streams->begun) {
		streams->begun = true;
		if (streams->tongue->begin(streams, now_ms) < 0) {
			(void)lp_err_set(&err, -ENOMEM, "streams");	/* told */
			end(streams, &err, now_ms);
		}
	}
	leave(streams);
}

void
lp_streams_started(struct lp_streams *streams, struct lp_channel *channel)
{
	streams->channel = channel;
	(void)lp_timer_start(streams->loop, &streams->timer, lp_loop_now(streams->loop) + ARRIVE_MS, too_late);	/* else only its end ends it */
	lp_loop_defer(streams->loop, &streams->begin, begin);
}

struct lp_streams *
lp_streams_new(struct lp_loop *loop, const struct lp_streams_tongue *tongue, const struct lp_streams_opts *opts,
    const struct lp_streams_ops *ops, void *arg)
{
	struct lp_streams *streams = lp_seam.alloc(sizeof(*streams));
	size_t count = 0;

	if (!streams)
		return NULL;
	streams->loop = loop;
	streams->tongue = tongue;
	streams->ops = ops;
	streams->arg = arg;
	streams->opts = *opts;
	for (; opts->ports && opts->ports[count] && count < LP_STREAMS_FLOWS; count++)
		streams->ports[count] = opts->ports[count];
	streams->opts.ports = streams->ports;
	streams->begin.fn = begin;
	lp_list_init(&streams->flows);
	lp_buf_init(&streams->scratch, SIZE_MAX / 2);	/* the channel's queue is the ceiling */
	return streams;
}

/* ---- the owner's side */

int
lp_streams_send(struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len)
{
	struct lp_streams *streams = flow->streams;

	if (flow->over || streams->dead || !streams->channel)
		return -EPIPE;
	if (len == 0 && channel != LP_STREAMS_END)
		return 0;
	return streams->tongue->send(flow, channel, data, len);
}

void
lp_streams_finish(struct lp_streams_flow *flow, const char *status)
{
	struct lp_streams *streams = flow->streams;

	if (flow->over || streams->dead)
		return;
	(void)streams->tongue->finish(flow, status);	/* a connection that does not take it is ending */
	if (!streams->opts.forward)
		lp_streams_close(streams);
	lp_streams_flow_end(flow);
}

size_t
lp_streams_queued(const struct lp_streams_flow *flow)
{
	return flow->streams->channel ? lp_channel_queued(flow->streams->channel) : 0;
}

void
lp_streams_pause(struct lp_streams_flow *flow, bool pause)
{
	struct lp_streams *streams = flow->streams;

	if (flow->paused == pause)
		return;
	flow->paused = pause;
	streams->paused += pause ? 1 : -1u;
	if (streams->channel)
		lp_channel_pause(streams->channel, streams->paused > 0);
}

void
lp_streams_flow_set(struct lp_streams_flow *flow, void *user)
{
	flow->user = user;
}

void *
lp_streams_flow_get(const struct lp_streams_flow *flow)
{
	return flow->user;
}

struct lp_streams *
lp_streams_of(const struct lp_streams_flow *flow)
{
	return flow->streams;
}

/* ---- the answer to an upgrade */

static bool
wants_socket(const struct lp_http_call *call)
{
	return strcmp(call->method, "GET") == 0 && lp_http_headers_lists(&call->headers, "upgrade", "websocket");
}

static bool
wants_spdy(const struct lp_http_call *call)
{
	return lp_http_headers_lists(&call->headers, "upgrade", "SPDY/3.1");
}

bool
lp_streams_wanted(const struct lp_http_call *call)
{
	return !call->http2 && lp_http_headers_lists(&call->headers, "connection", "upgrade") && (wants_socket(call) || wants_spdy(call));
}

/* The protocol that both know, best first; NULL when there is none. */
static const char *
choose(const struct lp_http_call *call, const char *header, const char *const *known)
{
	for (; *known; known++) {
		if (lp_http_headers_lists(&call->headers, header, *known))
			return *known;
	}
	return NULL;
}

static const char *
choose_spdy(const struct lp_http_call *call, bool forward)
{
	static const char *const execs[] = { "v4.channel.k8s.io", NULL }, *const forwards[] = { "portforward.k8s.io", NULL };

	return choose(call, "x-stream-protocol-version", forward ? forwards : execs);
}

static const char *
choose_socket(const struct lp_http_call *call, bool forward)
{
	static const char *const execs[] = { "v5.channel.k8s.io", "v4.channel.k8s.io", NULL };
	static const char *const forwards[] = { "SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io", NULL };

	return choose(call, "sec-websocket-protocol", forward ? forwards : execs);
}

static int
accept_headers(struct lp_http_call *call, bool socket, const char *protocol, struct lp_err *err)
{
	const char *key = lp_http_headers_get(&call->headers, "sec-websocket-key");
	const char *version = lp_http_headers_get(&call->headers, "sec-websocket-version");
	char accept[LP_WEBSOCKET_ACCEPT];

	if (!socket)
		return lp_http_header(call, "X-Stream-Protocol-Version", protocol);
	if (!key || !version || strcmp(version, "13") != 0 || lp_websocket_accept(key, accept) < 0)
		return lp_err_say(err, -ENOTSUP, "not a WebSocket request of version 13");
	if (lp_http_header(call, "Sec-WebSocket-Accept", accept) < 0)
		return -ENOMEM;
	return lp_http_header(call, "Sec-WebSocket-Protocol", protocol);
}

int
lp_streams_accept(struct lp_http_call *call, const struct lp_streams_opts *opts, const struct lp_streams_ops *ops, void *arg,
    struct lp_streams **out, struct lp_err *err)
{
	bool socket = wants_socket(call);
	const char *protocol = socket ? choose_socket(call, opts->forward) : choose_spdy(call, opts->forward);
	const struct lp_streams_tongue *tongue = !socket ? &lp_streams_spdy : protocol && strncmp(protocol, "SPDY", 4) == 0 ?
	    &lp_streams_spdy_in_socket : &lp_streams_socket;
	struct lp_channel *channel = NULL;
	struct lp_streams *streams;
	int rc;

	if (!lp_streams_wanted(call) || !protocol)
		return lp_err_say(err, -ENOTSUP, "unable to upgrade: no stream protocol that both sides know");
	streams = lp_streams_new(call->loop, tongue, opts, ops, arg);
	if (!streams)
		return lp_err_set(err, -ENOMEM, "streams");
	if (socket) {
		lp_websocket_init(&streams->socket, false, LP_STREAMS_MESSAGE, lp_streams_got_message, streams);
		streams->has_socket = true;
		streams->half_close = strcmp(protocol, "v5.channel.k8s.io") == 0;
	}
	rc = accept_headers(call, socket, protocol, err);
	if (rc == 0)
		rc = lp_http_upgrade(call, socket ? "websocket" : "SPDY/3.1", &lp_streams_channel_ops, streams, &channel);
	if (rc < 0) {
		streams->ops = NULL;	/* it has no flows: nobody is told */
		lp_streams_free(streams);
		return lp_err_set(err, rc, "unable to upgrade");
	}
	lp_streams_started(streams, channel);
	*out = streams;
	return 0;
}
