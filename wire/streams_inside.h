/*
 * wire/streams_inside.h - what streams.c, streams_spdy.c, streams_socket.c and streams_dial.c share.
 */
#ifndef LP_WIRE_STREAMS_INSIDE_H
#define LP_WIRE_STREAMS_INSIDE_H

#include "base/list.h"
#include "wire/channel.h"
#include "wire/spdy.h"
#include "wire/streams.h"
#include "wire/websocket.h"

#define LP_STREAMS_MESSAGE  (1u << 20)	/* the longest WebSocket message */
#define LP_STREAMS_REQUEST  40		/* SPDY request ids */
#define LP_STREAMS_FLOWS    256
#define LP_STREAMS_CHANNELS 5

/* What a session speaks. */
struct lp_streams_tongue {
	/* The upgrade is done (from the loop). */
	int (*begin)(struct lp_streams *streams, int64_t now_ms);
	/* Bytes of the connection; NULL with a WebSocket, whose messages come to `message`. */
	int (*feed)(struct lp_streams *streams, const void *data, size_t len, struct lp_err *err);
	int (*message)(struct lp_streams *streams, const void *data, size_t len, struct lp_err *err);
	int (*send)(struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len);
	/* Say the flow's last words. */
	int (*finish)(struct lp_streams_flow *flow, const char *status);
};

extern const struct lp_streams_tongue lp_streams_spdy, lp_streams_spdy_in_socket, lp_streams_socket, lp_streams_socket_client;

struct lp_streams_flow {
	struct lp_list link;
	struct lp_streams *streams;	/* weak */
	void *user;
	struct lp_defer gone;
	uint16_t port;
	uint8_t index;			/* WebSocket port-forward: channels 2 * index and 2 * index + 1 */
	uint8_t port_bytes[2];		/* WebSocket port-forward, client: of the port still to skip on each channel */
	char request[LP_STREAMS_REQUEST];
	uint32_t stream[LP_STREAMS_CHANNELS];	/* SPDY ids by channel; 0: none. port-forward: [0] data, [3] error */
	bool told;			/* open() was called */
	bool over;			/* finished, or given up by the peer; gone() follows */
	bool paused, end_told;
};

struct lp_streams {
	struct lp_loop *loop;		/* weak */
	const struct lp_streams_tongue *tongue;
	const struct lp_streams_ops *ops;
	void *arg;
	struct lp_streams_opts opts;
	uint16_t ports[LP_STREAMS_FLOWS + 1];
	struct lp_channel *channel;	/* NULL before the upgrade and after the end */
	struct lp_client *client;	/* dialling: until the upgrade */
	void (*failed)(void *arg, int status, const char *body, const struct lp_err *why, int64_t now_ms);
	char key[32];			/* dialling: Sec-WebSocket-Key */
	struct lp_spdy *spdy;		/* NULL unless SPDY */
	struct lp_websocket socket;
	bool has_socket, half_close, closing;
	bool begun, dead, freed;
	uint16_t busy;
	unsigned paused;		/* flows that want to read no more */
	struct lp_list flows;
	size_t flow_count;
	uint32_t last_stream;
	struct lp_buf scratch;		/* bytes on their way to the channel */
	struct lp_defer begin;
	struct lp_timer timer;		/* for streams that must come, then for the peer's end */
	struct lp_err why;		/* a failure told at the next turn */
};

/* For the tongues. */
struct lp_streams *lp_streams_new(struct lp_loop *loop, const struct lp_streams_tongue *tongue, const struct lp_streams_opts *opts,
    const struct lp_streams_ops *ops, void *arg);
struct lp_streams_flow *lp_streams_flow_new(struct lp_streams *streams);
void lp_streams_flow_open(struct lp_streams_flow *flow, int64_t now_ms);
/* The peer (or we) are done with it: flow_gone comes from the loop. */
void lp_streams_flow_end(struct lp_streams_flow *flow);
/* scratch -> channel, wrapped in a WebSocket message when there is one around it. */
int lp_streams_flush(struct lp_streams *streams);
/* An exec session has said its last word: close, and wait a little for the peer. */
void lp_streams_close(struct lp_streams *streams);
int lp_streams_got_message(void *arg, enum lp_websocket_op op, const void *data, size_t len);
void lp_streams_fail(struct lp_streams *streams, const struct lp_err *why);
void lp_streams_data(struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len);
/* The new owner of the connection begins. */
void lp_streams_started(struct lp_streams *streams, struct lp_channel *channel);

extern const struct lp_channel_ops lp_streams_channel_ops;

#endif
