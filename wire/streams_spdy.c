/*
 * wire/streams_spdy.c - flows over SPDY: exec and attach with one stream per channel, port-forward with two per connection;
 * plain, or inside the messages of a WebSocket (kubectl from 1.31 on).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "wire/streams_inside.h"

#define RST_CANCEL 5

static const char *const types[LP_STREAMS_CHANNELS] = { "stdin", "stdout", "stderr", "error", "resize" };

static struct lp_streams_flow *
flow_of(const struct lp_streams *streams, uint32_t stream, uint8_t *out_channel)
{
	lp_list_each(link, &streams->flows) {
		struct lp_streams_flow *flow = lp_of(link, struct lp_streams_flow, link);

		for (uint8_t i = 0; i < LP_STREAMS_CHANNELS; i++) {
			if (flow->stream[i] == stream) {
				*out_channel = i;
				return flow;
			}
		}
	}
	return NULL;
}

/* ---- exec, attach */

static bool
exec_complete(const struct lp_streams_flow *flow)
{
	const struct lp_streams_opts *opts = &flow->streams->opts;

	return flow->stream[LP_STREAMS_STATUS] && (!opts->stdin_open || flow->stream[LP_STREAMS_STDIN]) &&
	    (!opts->stdout_open || flow->stream[LP_STREAMS_STDOUT]) &&
	    (!opts->stderr_open || opts->tty || flow->stream[LP_STREAMS_STDERR]) && (!opts->tty || flow->stream[LP_STREAMS_RESIZE]);
}

static bool
exec_opened(struct lp_streams *streams, uint32_t stream, const char *type, int64_t now_ms)
{
	struct lp_list *first = lp_list_first(&streams->flows);
	struct lp_streams_flow *flow = first ? lp_of(first, struct lp_streams_flow, link) : lp_streams_flow_new(streams);

	if (!flow || flow->over)
		return false;
	for (size_t i = 0; i < LP_STREAMS_CHANNELS; i++) {
		if (strcmp(types[i], type) != 0)
			continue;
		if (flow->stream[i])
			return false;
		flow->stream[i] = stream;
		if (exec_complete(flow))
			lp_streams_flow_open(flow, now_ms);
		return true;
	}
	return false;
}

/* ---- port-forward */

static struct lp_streams_flow *
forward_find(struct lp_streams *streams, const char *request)
{
	lp_list_each(link, &streams->flows) {
		struct lp_streams_flow *flow = lp_of(link, struct lp_streams_flow, link);

		if (strcmp(flow->request, request) == 0 && !flow->over)
			return flow;
	}
	return NULL;
}

static bool
forward_opened(struct lp_streams *streams, uint32_t stream, const struct lp_spdy_headers *headers, int64_t now_ms)
{
	struct lp_streams_flow *flow = forward_find(streams, headers->request_id);
	bool data = strcmp(headers->stream_type, "data") == 0;
	uint64_t port;

	if ((!data && strcmp(headers->stream_type, "error") != 0) || lp_text_u64(headers->port, 65535, &port) < 0 || port == 0 ||
	    strlen(headers->request_id) >= LP_STREAMS_REQUEST)
		return false;
	if (!flow) {
		flow = lp_streams_flow_new(streams);
		if (!flow)
			return false;
		(void)snprintf(flow->request, sizeof(flow->request), "%s", headers->request_id);
		flow->port = (uint16_t)port;
	}
	if (flow->port != port || flow->stream[data ? LP_STREAMS_STDIN : LP_STREAMS_STATUS])
		return false;
	flow->stream[data ? LP_STREAMS_STDIN : LP_STREAMS_STATUS] = stream;
	if (flow->stream[LP_STREAMS_STDIN] && flow->stream[LP_STREAMS_STATUS])
		lp_streams_flow_open(flow, now_ms);
	return true;
}

/* ---- what the peer says */

static bool
spdy_opened(void *arg, uint32_t stream, const struct lp_spdy_headers *headers, bool fin)
{
	struct lp_streams *streams = arg;
	int64_t now_ms = lp_loop_now(streams->loop);

	(void)fin;		/* an error stream that ends at once: we are the only ones to write there */
	if (streams->dead || streams->closing)
		return false;
	return streams->opts.forward ? forward_opened(streams, stream, headers, now_ms) :
	    exec_opened(streams, stream, headers->stream_type, now_ms);
}

static void
spdy_data(void *arg, uint32_t stream, const void *data, size_t len, bool fin)
{
	struct lp_streams *streams = arg;
	uint8_t channel;
	struct lp_streams_flow *flow = streams->dead ? NULL : flow_of(streams, stream, &channel);

	if (!flow || (channel != LP_STREAMS_STDIN && channel != LP_STREAMS_RESIZE))
		return;
	if (len)
		lp_streams_data(flow, channel, data, len);
	/* The owner may have ended the session: look the flow up again. */
	flow = fin && !streams->dead ? flow_of(streams, stream, &channel) : NULL;
	if (flow && channel == LP_STREAMS_STDIN)
		lp_streams_data(flow, LP_STREAMS_END, "", 0);
}

static void
spdy_reset(void *arg, uint32_t stream)
{
	struct lp_streams *streams = arg;
	uint8_t channel;
	struct lp_streams_flow *flow = streams->dead ? NULL : flow_of(streams, stream, &channel);

	if (!flow || flow->over)
		return;
	if (streams->opts.forward) {
		for (size_t i = 0; i < LP_STREAMS_CHANNELS; i++) {
			if (flow->stream[i] && flow->stream[i] != stream)
				(void)lp_spdy_reset(&streams->scratch, flow->stream[i], RST_CANCEL);	/* sticky */
		}
		lp_streams_flow_end(flow);
	} else if (channel == LP_STREAMS_STDIN) {
		lp_streams_data(flow, LP_STREAMS_END, "", 0);
	}
}

static void
spdy_goaway(void *arg)
{
	(void)arg;		/* the end of the connection follows */
}

static const struct lp_spdy_ops spdy_ops = { .opened = spdy_opened, .data = spdy_data, .reset = spdy_reset, .goaway = spdy_goaway };

/* ---- the tongue */

static int
begin(struct lp_streams *streams, int64_t now_ms)
{
	(void)now_ms;
	return streams->spdy ? 0 : lp_spdy_new(&streams->spdy, &spdy_ops, streams, NULL);
}

/* Frames are in scratch; with a WebSocket around, they become one message. */
static int
out(struct lp_streams *streams)
{
	lp_auto_buf struct lp_buf frames = { 0 };

	if (!streams->has_socket || !streams->scratch.len || streams->scratch.failed)
		return lp_streams_flush(streams);
	frames = streams->scratch;
	lp_buf_init(&streams->scratch, SIZE_MAX / 2);
	(void)lp_websocket_frame(&streams->socket, &streams->scratch, LP_WEBSOCKET_BINARY, -1, frames.data, frames.len);	/* sticky */
	return lp_streams_flush(streams);
}

static int
feed(struct lp_streams *streams, const void *data, size_t len, struct lp_err *err)
{
	lp_auto_buf struct lp_buf answer = { 0 };
	int rc = begin(streams, 0);

	lp_buf_init(&answer, LP_STREAMS_MESSAGE);
	if (rc == 0)
		rc = lp_spdy_feed(streams->spdy, data, len, &answer, err);
	else
		(void)lp_err_set(err, rc, "SPDY");	/* returned below */
	if (streams->dead)
		return 0;
	/* Answers go first, also those that came before a fault. */
	if (answer.len) {
		(void)lp_buf_add(&streams->scratch, answer.data, answer.len);	/* sticky */
		if (out(streams) < 0 && rc == 0)
			rc = lp_err_set(err, -EMSGSIZE, "SPDY");
	} else if (streams->scratch.len) {
		(void)out(streams);		/* resets; a failure ends the channel */
	}
	return rc;
}

static int
send_data(struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len)
{
	struct lp_streams *streams = flow->streams;
	uint32_t stream = streams->opts.forward ? flow->stream[LP_STREAMS_STDIN] : channel < LP_STREAMS_CHANNELS ? flow->stream[channel] : 0;

	if (!stream)
		return 0;		/* a stream that the client did not ask for */
	(void)lp_spdy_data(&streams->scratch, stream, data, len, false);	/* sticky */
	return out(streams);
}

static int
finish(struct lp_streams_flow *flow, const char *status)
{
	struct lp_streams *streams = flow->streams;
	uint32_t error = flow->stream[LP_STREAMS_STATUS];

	/* All output is before the status; then every stream ends. */
	if (error && status)
		(void)lp_spdy_data(&streams->scratch, error, status, strlen(status), false);	/* sticky */
	for (size_t i = 0; i < LP_STREAMS_CHANNELS; i++) {
		if (flow->stream[i])
			(void)lp_spdy_data(&streams->scratch, flow->stream[i], NULL, 0, true);
	}
	return out(streams);
}

const struct lp_streams_tongue lp_streams_spdy = { .begin = begin, .feed = feed, .message = NULL, .send = send_data, .finish = finish };
const struct lp_streams_tongue lp_streams_spdy_in_socket = { .begin = begin, .feed = NULL, .message = feed, .send = send_data,
	.finish = finish };
