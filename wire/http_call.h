/*
 * wire/http_call.h - what http.c, http1.c and http2.c share of a call on the server; nobody else includes it.
 */
#ifndef LP_WIRE_HTTP_CALL_H
#define LP_WIRE_HTTP_CALL_H

#include "base/loop.h"
#include "wire/channel.h"
#include "wire/http.h"

#define LP_HTTP_ROOM   (64u << 10)	/* a queue above this is long */
#define LP_HTTP_OUT    (4u << 20)
#define LP_HTTP_ANSWER_HEAD (16u << 10)

enum lp_http_phase { LP_HTTP_WAITS, LP_HTTP_STARTED, LP_HTTP_FINISHED, LP_HTTP_BROKEN };

struct lp_http_part;

/* How a protocol carries an answer. */
struct lp_http_carrier {
	/* Status and headers; len < 0: unknown, pieces follow. */
	int (*head)(struct lp_http_part *part, int64_t len);
	int (*piece)(struct lp_http_part *part, const void *data, size_t len);
	void (*finish)(struct lp_http_part *part);
	void (*abort)(struct lp_http_part *part);
	size_t (*queued)(const struct lp_http_part *part);
	void (*pause)(struct lp_http_part *part, bool pause);
	int (*upgrade)(struct lp_http_part *part, const char *protocol, const struct lp_channel_ops *ops, void *arg,
	    struct lp_channel **out);
};

/* The connection's owner (server.c), as the protocols see it. */
struct lp_http_owner {
	enum lp_http_body (*head)(void *conn, struct lp_http_call *call, int64_t now_ms);
	void (*handle)(void *conn, struct lp_http_call *call, int64_t now_ms);
	size_t (*body_max)(void *conn);
	/* Answers a request that never gets to handle(). */
	void (*refuse)(void *conn, struct lp_http_call *call, int status, const char *why);
	void (*trust)(void *conn);
	/* Something began or ended on this connection: look at the timers again. */
	void (*changed)(void *conn, int64_t now_ms);
	/* The channel belongs to somebody else now: forget the connection. It frees the protocol. */
	void (*lost)(void *conn);
	/* An answer broke: close the connection at once. It frees the protocol. Comes from the loop only. */
	void (*drop)(void *conn, int64_t now_ms);
	size_t head_max;
	uint32_t max_streams;
};

struct lp_http_part {
	struct lp_http_call call;		/* first */
	const struct lp_http_carrier *carrier;
	const struct lp_http_owner *owner;
	void *conn;				/* weak; the owner's */
	struct lp_channel *channel;		/* weak */
	struct lp_http_headers answer;
	size_t out_max;
	int status;
	enum lp_http_phase phase;
	bool handled;				/* handle() was called: gone() is owed */
	bool was_long;
	char *target;				/* backing of method, path and query */
	char method[16];
};

static inline struct lp_http_part *
lp_http_part(struct lp_http_call *call)
{
	return (struct lp_http_part *)call;
}

void lp_http_part_init(struct lp_http_part *part, const struct lp_http_carrier *carrier, const struct lp_http_owner *owner,
    void *conn, struct lp_channel *channel);
/* Frees what the part holds, not the part. */
void lp_http_part_fini(struct lp_http_part *part);
/* Split "path?query". -EINVAL when it is not a path. */
int lp_http_part_target(struct lp_http_part *part, const char *target, size_t len);
/* Pay the gone() that is owed, once. */
void lp_http_part_gone(struct lp_http_part *part, int64_t now_ms);
/* Collect a piece of the body, or hand it over. -EMSGSIZE. */
int lp_http_part_body(struct lp_http_part *part, enum lp_http_body how, const void *data, size_t len, int64_t now_ms);

#endif
