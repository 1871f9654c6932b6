/*
 * wire/client.h - one connection to one server, on the loop.
 *
 * Use     HTTP/2 where ALPN agrees on it (several calls at a time), else HTTP/1.1 (one after the other, in order)
 * Life    requests may be made before the connection is ready; when it ends, every call gets done() with the reason and
 *         then closed() comes. A client does not reconnect: free it and make another (retry.h says when).
 * Names   literal addresses, "localhost", and names through resolve.h (hosts file, resolv.conf); never NSS
 */
#ifndef LP_WIRE_CLIENT_H
#define LP_WIRE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "wire/http.h"
#include "wire/tls.h"

struct lp_client;
struct lp_client_call;
struct lp_channel;
struct lp_channel_ops;

struct lp_client_opts {
	const char *host;		/* name or address */
	uint16_t port;
	const char *unix_path;		/* instead of host and port; trusted path; NULL: TCP */
	struct lp_tls_config *tls;	/* weak; NULL: plain */
	const char *name;		/* expected in the server's certificate; NULL: host */
	bool http2;			/* plain only: HTTP/2 with prior knowledge */
	int64_t connect_ms;		/* 0: 10 s for resolving, connecting, handshake */

	void (*ready)(struct lp_client *client, int64_t now_ms);	/* may be NULL */
	void (*closed)(struct lp_client *client, const struct lp_err *why, int64_t now_ms);	/* last; may free the client; may be NULL */
	void (*pong)(struct lp_client *client, int64_t now_ms);		/* an answer to lp_client_ping; may be NULL */
	void *arg;
};

struct lp_client_header {
	const char *name, *value;	/* a NULL name ends the array */
};

struct lp_client_request {
	const char *method, *path;	/* path with its query */
	const struct lp_client_header *headers;	/* NULL: none */
	const void *body;		/* NULL: none */
	size_t len;
	const char *type;		/* Content-Type of the body; NULL: none is sent */
	bool streaming;			/* the body comes through lp_client_write, until lp_client_end */
	int64_t timeout_ms;		/* until the whole answer is here; 0: none (endless answers) */
};

struct lp_client_call_ops {
	/* Status and headers; they are gone after this call. May be NULL. */
	void (*head)(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms);
	void (*data)(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms);	/* may be NULL */
	void (*room)(struct lp_client_call *call, int64_t now_ms);	/* streaming: the queue is short again; may be NULL */
	/* Last: why->code 0 when the answer is whole. The call is freed after this returns. */
	void (*done)(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms);
};

int lp_client_new(struct lp_loop *loop, const struct lp_client_opts *opts, struct lp_client **out, struct lp_err *err);
/* Closes; calls in progress get done(-ECANCELED) from inside, closed() is not called. */
void lp_client_free(struct lp_client *client);
void *lp_client_arg(const struct lp_client *client);
struct lp_loop *lp_client_loop(const struct lp_client *client);
bool lp_client_is_ready(const struct lp_client *client);
/* After ready. NULL when plain. */
struct lp_tls *lp_client_tls(const struct lp_client *client);
int64_t lp_client_last_read_ms(const struct lp_client *client);
/* The local address of the connection ("192.168.1.12"); -ENOTCONN. */
int lp_client_local_address(const struct lp_client *client, char *out, size_t size);

/* Start a call. out may be NULL. */
int lp_client_start(struct lp_client *client, const struct lp_client_request *request, const struct lp_client_call_ops *ops,
    void *arg, struct lp_client_call **out, struct lp_err *err);
void *lp_client_call_arg(const struct lp_client_call *call);
struct lp_client *lp_client_call_client(const struct lp_client_call *call);
int lp_client_write(struct lp_client_call *call, const void *data, size_t len);	/* -EMSGSIZE above 4 MiB, -EPIPE */
void lp_client_end(struct lp_client_call *call);		/* no more body */
size_t lp_client_queued(const struct lp_client_call *call);
void lp_client_pause(struct lp_client_call *call, bool pause);	/* stop taking the answer (up to 64 KiB may still come), and go on */
void lp_client_cancel(struct lp_client_call *call);		/* done(-ECANCELED) from inside */

/* HTTP/2 PING; pong() says it came back. -ENOTSUP on HTTP/1.1. */
int lp_client_ping(struct lp_client *client);

/*
 * An upgrade request on a fresh HTTP/1.1 connection (TLS with no or http/1.1 ALPN). On 101 the channel goes to `ops` and
 * the client is spent: switched() gets it and must free the client. Any other answer goes to failed() as status and body.
 */
struct lp_client_upgrade {
	const char *path;
	const char *protocol;			/* "websocket" */
	const struct lp_client_header *headers;
	const struct lp_channel_ops *ops;
	void *ops_arg;
	void (*switched)(void *arg, struct lp_channel *channel, const struct lp_http_headers *headers, int64_t now_ms);
	void (*failed)(void *arg, int status, const char *body, const struct lp_err *why, int64_t now_ms);	/* status 0: no answer */
	void *arg;
};
int lp_client_start_upgrade(struct lp_client *client, const struct lp_client_upgrade *upgrade, struct lp_err *err);

/* ---- for tools: ask once and wait, with a loop of its own */

struct lp_client_answer {
	int status;
	struct lp_buf body;			/* at most 64 MiB */
	struct lp_http_headers headers;
};
void lp_client_answer_fini(struct lp_client_answer *answer);
/* 0 when there is an answer, whatever its status; *out must be zeroed or finished. */
int lp_client_fetch(const struct lp_client_opts *opts, const struct lp_client_request *request, struct lp_client_answer *out,
    struct lp_err *err);

#endif
