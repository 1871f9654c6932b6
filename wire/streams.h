/*
 * wire/streams.h - one shape of kubectl stream: exec, attach and port-forward over SPDY or WebSocket.
 *
 * Shape   a session is one upgraded connection; a flow is what the other end serves: exec and attach have one flow, a
 *         port-forward one per TCP connection. A flow has channels, as WebSocket v4 numbers them:
 *           0 stdin (port-forward: bytes towards the port)   1 stdout (bytes from the port)   2 stderr
 *           3 status JSON (port-forward: error text)         4 resize JSON                    255 end of stdin
 * Server  lp_streams_accept answers the upgrade; open() comes when the client's streams are all there
 * Client  lp_streams_dial speaks WebSocket v5 (v4 for port-forward)
 * Safety  lp_streams_free from any callback; after gone() of the session nothing comes any more
 */
#ifndef LP_WIRE_STREAMS_H
#define LP_WIRE_STREAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "wire/client.h"
#include "wire/http.h"

#define LP_STREAMS_STDIN  0
#define LP_STREAMS_STDOUT 1
#define LP_STREAMS_STDERR 2
#define LP_STREAMS_STATUS 3
#define LP_STREAMS_RESIZE 4
#define LP_STREAMS_END    255

struct lp_streams;
struct lp_streams_flow;

struct lp_streams_ops {
	/* A flow is there; port 0 unless it is a port-forward. Keep state with lp_streams_flow_set. */
	void (*open)(void *arg, struct lp_streams_flow *flow, uint16_t port, int64_t now_ms);
	/* Server side: STDIN, RESIZE, END. Client side: STDOUT, STDERR, STATUS. */
	void (*data)(void *arg, struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len, int64_t now_ms);
	/* What was queued on the connection has left, after more than 64 KiB were waiting. May be NULL. */
	void (*room)(void *arg, struct lp_streams_flow *flow, int64_t now_ms);
	/* The flow has ended (by either side); it must not be used any more. Comes once for every open(). */
	void (*flow_gone)(void *arg, struct lp_streams_flow *flow, int64_t now_ms);
	/* The session has ended, after its flows. Free it here or later. */
	void (*gone)(void *arg, struct lp_streams *streams, const struct lp_err *why, int64_t now_ms);
};

struct lp_streams_opts {
	bool forward;			/* port-forward; else exec or attach */
	bool stdin_open, stdout_open, stderr_open, tty;	/* which streams the client asked for */
	const uint16_t *ports;		/* WebSocket port-forward: the ?ports= of the request, ended by 0; NULL: none */
};

/* Does this request ask for an upgrade that we can speak? */
bool lp_streams_wanted(const struct lp_http_call *call);

/*
 * Answer the upgrade of `call` (which ends here, see lp_http_upgrade). On failure the call is unanswered and still the
 * caller's: -ENOTSUP (reply 400 or 403), -ENOMEM.
 */
int lp_streams_accept(struct lp_http_call *call, const struct lp_streams_opts *opts, const struct lp_streams_ops *ops, void *arg,
    struct lp_streams **out, struct lp_err *err);

/*
 * The client's side: upgrade a fresh connection. The client is used up and freed by the session. path with query;
 * headers may be NULL. failed() instead of open() when the server refuses (free the session there or later); gone() does not
 * come then. Failing to start leaves the client to the caller.
 */
int lp_streams_dial(struct lp_client *client, const char *path, const struct lp_client_header *headers,
    const struct lp_streams_opts *opts, const struct lp_streams_ops *ops,
    void (*failed)(void *arg, int status, const char *body, const struct lp_err *why, int64_t now_ms), void *arg,
    struct lp_streams **out, struct lp_err *err);

/* Close at once; flow_gone() comes for open flows from inside, gone() does not. NULL is allowed. */
void lp_streams_free(struct lp_streams *streams);

/* 0, -EMSGSIZE (the peer reads too slowly: 4 MiB wait), -EPIPE (ended). */
int lp_streams_send(struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len);
/*
 * Server: end the flow. exec: `status` is the Status JSON, sent after all output. port-forward: text of the error, NULL for a
 * normal end. The session of an exec closes itself a moment later.
 */
void lp_streams_finish(struct lp_streams_flow *flow, const char *status);
size_t lp_streams_queued(const struct lp_streams_flow *flow);
/* Stop and go on reading (exec: the connection; port-forward flows share it, so use it briefly). */
void lp_streams_pause(struct lp_streams_flow *flow, bool pause);

void lp_streams_flow_set(struct lp_streams_flow *flow, void *user);
void *lp_streams_flow_get(const struct lp_streams_flow *flow);
struct lp_streams *lp_streams_of(const struct lp_streams_flow *flow);

#endif
