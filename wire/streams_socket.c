/*
 * wire/streams_socket.c - flows over WebSocket messages whose first byte is a channel: the server's side and the client's.
 *
 * Port-forward (v4): channels 2i and 2i + 1 are data and error of the i-th port; the server's first message on each is the
 * port, 16 bits little-endian.
 */
#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "wire/streams_inside.h"

#define CODE_NORMAL 1000

static int
put(struct lp_streams *streams, int channel, const void *data, size_t len)
{
	(void)lp_websocket_frame(&streams->socket, &streams->scratch, LP_WEBSOCKET_BINARY, channel, data, len);	/* sticky */
	return lp_streams_flush(streams);
}

static struct lp_streams_flow *
flow_at(const struct lp_streams *streams, uint8_t index)
{
	lp_list_each(link, &streams->flows) {
		struct lp_streams_flow *flow = lp_of(link, struct lp_streams_flow, link);

		if (flow->index == index && !flow->over)
			return flow;
	}
	return NULL;
}

/* ---- server */

static int
forward_begin(struct lp_streams *streams, int64_t now_ms)
{
	for (size_t i = 0; streams->ports[i] && i < LP_STREAMS_FLOWS / 2; i++) {
		struct lp_streams_flow *flow = lp_streams_flow_new(streams);
		uint8_t port[2] = { (uint8_t)streams->ports[i], (uint8_t)(streams->ports[i] >> 8) };

		if (!flow)
			return -ENOMEM;
		flow->index = (uint8_t)i;
		flow->port = streams->ports[i];
		if (put(streams, 2 * (int)i, port, 2) < 0 || put(streams, 2 * (int)i + 1, port, 2) < 0)
			return -ENOMEM;
		lp_streams_flow_open(flow, now_ms);
		if (streams->dead)
			return 0;
	}
	return 0;
}

static int
server_begin(struct lp_streams *streams, int64_t now_ms)
{
	struct lp_streams_flow *flow;

	if (streams->opts.forward)
		return forward_begin(streams, now_ms);
	flow = lp_streams_flow_new(streams);
	if (!flow)
		return -ENOMEM;
	lp_streams_flow_open(flow, now_ms);
	return 0;
}

static int
server_message(struct lp_streams *streams, const void *data, size_t len, struct lp_err *err)
{
	const uint8_t *bytes = data;
	struct lp_streams_flow *flow;

	(void)err;
	if (len == 0 || streams->closing)
		return 0;
	if (!streams->begun) {
		streams->begun = true;
		if (server_begin(streams, lp_loop_now(streams->loop)) < 0)
			return lp_err_set(err, -ENOMEM, "streams");
	}
	if (streams->dead)
		return 0;
	if (streams->opts.forward) {
		flow = bytes[0] & 1 ? NULL : flow_at(streams, bytes[0] / 2);
		if (flow && len > 1)
			lp_streams_data(flow, LP_STREAMS_STDIN, bytes + 1, len - 1);
		return 0;
	}
	flow = flow_at(streams, 0);
	if (!flow)
		return 0;
	if (streams->half_close && bytes[0] == LP_STREAMS_END) {
		if (len > 1 && bytes[1] == LP_STREAMS_STDIN)
			lp_streams_data(flow, LP_STREAMS_END, "", 0);
	} else if ((bytes[0] == LP_STREAMS_STDIN || bytes[0] == LP_STREAMS_RESIZE) && len > 1) {
		lp_streams_data(flow, bytes[0], bytes + 1, len - 1);
	}
	return 0;
}

static int
server_send(struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len)
{
	return put(flow->streams, flow->streams->opts.forward ? 2 * flow->index : channel, data, len);
}

static int
server_finish(struct lp_streams_flow *flow, const char *status)
{
	struct lp_streams *streams = flow->streams;
	bool last = !streams->opts.forward || streams->flow_count == 1;
	int rc = 0;

	if (status)
		rc = put(streams, streams->opts.forward ? 2 * flow->index + 1 : LP_STREAMS_STATUS, status, strlen(status));
	if (rc == 0 && last) {
		(void)lp_websocket_close(&streams->socket, &streams->scratch, CODE_NORMAL, "");	/* sticky */
		rc = lp_streams_flush(streams);
		lp_streams_close(streams);
	}
	return rc;
}

const struct lp_streams_tongue lp_streams_socket = {
	.begin = server_begin,
	.message = server_message,
	.send = server_send,
	.finish = server_finish,
};

/* ---- client */

static int
client_begin(struct lp_streams *streams, int64_t now_ms)
{
	struct lp_streams_flow *flow = lp_streams_flow_new(streams);

	if (!flow)
		return -ENOMEM;
	flow->port_bytes[0] = flow->port_bytes[1] = streams->opts.forward ? 2 : 0;
	flow->port = streams->ports[0];
	lp_streams_flow_open(flow, now_ms);
	return 0;
}

static int
client_message(struct lp_streams *streams, const void *data, size_t len, struct lp_err *err)
{
	const uint8_t *bytes = data;
	struct lp_streams_flow *flow;
	uint8_t channel;

	if (len == 0)
		return 0;
	if (!streams->begun) {
		streams->begun = true;
		if (client_begin(streams, lp_loop_now(streams->loop)) < 0)
			return lp_err_set(err, -ENOMEM, "streams");
	}
	flow = streams->dead ? NULL : flow_at(streams, 0);
	channel = *bytes++;
	len--;
	if (!flow)
		return 0;
	if (!streams->opts.forward) {
		if (channel >= LP_STREAMS_STDOUT && channel <= LP_STREAMS_STATUS)
			lp_streams_data(flow, channel, bytes, len);
		return 0;
	}
	if (channel > 1)
		return 0;
	while (len && flow->port_bytes[channel]) {
		flow->port_bytes[channel]--;
		bytes++;
		len--;
	}
	if (len)
		lp_streams_data(flow, channel == 0 ? LP_STREAMS_STDOUT : LP_STREAMS_STATUS, bytes, len);
	return 0;
}

static int
client_send(struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len)
{
	struct lp_streams *streams = flow->streams;
	static const uint8_t closed = LP_STREAMS_STDIN;

	if (channel != LP_STREAMS_END)
		return put(streams, channel, data, len);
	/* v4 has no half-close: a port-forward ends as a whole, by finish. */
	return streams->half_close ? put(streams, LP_STREAMS_END, &closed, 1) : 0;
}

static int
client_finish(struct lp_streams_flow *flow, const char *status)
{
	struct lp_streams *streams = flow->streams;

	(void)status;
	(void)lp_websocket_close(&streams->socket, &streams->scratch, CODE_NORMAL, "");	/* sticky */
	lp_streams_close(streams);
	return lp_streams_flush(streams);
}

const struct lp_streams_tongue lp_streams_socket_client = {
	.begin = client_begin,
	.message = client_message,
	.send = client_send,
	.finish = client_finish,
};
