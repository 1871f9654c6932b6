/*
 * wire/client_call.h - what client.c, client_h1.c and client_h2.c share; nobody else includes it.
 */
#ifndef LP_WIRE_CLIENT_CALL_H
#define LP_WIRE_CLIENT_CALL_H

#include <llhttp.h>
#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "wire/channel.h"
#include "wire/client.h"
#include "wire/resolve.h"

#define LP_CLIENT_OUT      (4u << 20)
#define LP_CLIENT_ROOM     (64u << 10)
#define LP_CLIENT_PUMP     (128u << 10)
#define LP_CLIENT_HEAD_MAX (64u << 10)

struct lp_client_carrier;

struct lp_client {
	struct lp_loop *loop;			/* weak */
	struct lp_client_opts opts;		/* its texts are copies */
	char *host, *name, *unix_path;
	char authority[300];
	struct lp_resolve *query;		/* NULL when none runs */
	struct lp_resolve_address addresses[LP_RESOLVE_MAX];
	size_t address_count, address_next;
	struct lp_channel *channel;		/* NULL while none */
	const struct lp_client_carrier *carrier;	/* NULL until ready */
	struct lp_list calls;
	struct lp_defer kick;
	struct lp_err why;			/* a failure told at the next kick; code 0: none */
	int64_t deadline_ms;			/* until ready */
	struct lp_timer deadline;
	uint16_t busy;				/* frames that hold this client */
	bool dead, closed, freed;		/* dead: no callbacks any more; closed: it was told */

	/* HTTP/1.1 */
	llhttp_t parser;
	struct lp_client_call *current;		/* whose answer is read; NULL when none */
	struct lp_buf header_name, header_value;
	bool last;				/* the connection ends with this answer */
	/* HTTP/2 */
	nghttp2_session *session;
};

struct lp_client_call {
	struct lp_list link;
	struct lp_client *client;		/* weak */
	const struct lp_client_call_ops *ops;
	void *arg;
	struct lp_timer timer;
	char *method, *path;
	struct lp_http_headers headers;		/* of the request, then of the answer */
	struct lp_buf out;			/* request body, from `at` on not yet taken */
	size_t at;
	size_t withheld;			/* HTTP/2: window bytes kept back while paused */
	int status;				/* 0 before the answer's head */
	int32_t stream;				/* HTTP/2; 0 while not sent */
	bool streaming, body, ended, sent, sent_end, deferred, was_long, paused, head_told, upgrade, over;
};

struct lp_client_carrier {
	/* The connection is ready. */
	int (*open)(struct lp_client *client);
	/* Send what can be sent: new calls, bodies. Negative: the connection is lost. */
	int (*pump)(struct lp_client *client, struct lp_err *err);
	int (*data)(struct lp_client *client, const void *data, size_t len, struct lp_err *err);
	/* The call is being taken away before its end. */
	void (*forget)(struct lp_client *client, struct lp_client_call *call);
	void (*pause)(struct lp_client_call *call, bool pause);
	void (*close)(struct lp_client *client);
};

extern const struct lp_client_carrier lp_client_h1, lp_client_h2;

/* For the carriers. Each may run the user's code: afterwards the call or the client may be gone. */
void lp_client_call_head(struct lp_client_call *call, int64_t now_ms);
void lp_client_call_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms);
void lp_client_kick(struct lp_client *client);
void lp_client_call_free(struct lp_client_call *call);
/* The upgrade was answered with 101: hand the channel over. */
void lp_client_switched(struct lp_client *client, const void *early, size_t len);

#endif
