/*
 * wire/http.h - one shape of message for HTTP/1.1 and HTTP/2, and one shape of answering it.
 *
 * Shape   header names are lower case; path and query are kept as sent (percent-encoded), without '?'
 * Server  a call is one request and its answer. The handler answers at once, later, or piece by piece, and sets the
 *         call's hooks if it wants to know more. on_gone is the last hook and comes exactly once for every call that
 *         reached handle(): when the whole answer has been handed to the connection, or the peer has gone. It comes from the
 *         loop, never from inside a function below. The call must not be touched afterwards.
 * Limits  request heads and collected bodies by the server's options; an answer's queue by out_max (4 MiB + whole replies)
 */
#ifndef LP_WIRE_HTTP_H
#define LP_WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/cert.h"

struct lp_channel;
struct lp_channel_ops;
struct lp_loop;

/* ---- headers */

struct lp_http_headers {
	struct lp_buf text;	/* name NUL value NUL ... */
	size_t count;
};

void lp_http_headers_init(struct lp_http_headers *headers, size_t max);
void lp_http_headers_fini(struct lp_http_headers *headers);
/* The name is lowered; -EINVAL for bytes that do not belong into a header, -EMSGSIZE. */
int lp_http_headers_add(struct lp_http_headers *headers, const char *name, const char *value);
int lp_http_headers_add_len(struct lp_http_headers *headers, const char *name, size_t name_len, const char *value, size_t value_len);
/* The first value; NULL when absent. `name` in lower case. */
const char *lp_http_headers_get(const struct lp_http_headers *headers, const char *name);
/* Walk: size_t pos = 0; while (lp_http_headers_next(h, &pos, &name, &value)) */
bool lp_http_headers_next(const struct lp_http_headers *headers, size_t *pos, const char **out_name, const char **out_value);
/* Does a comma-separated list (all lines of that name) hold this token, without regard to case? */
bool lp_http_headers_lists(const struct lp_http_headers *headers, const char *name, const char *token);

/* ---- a request on the server */

struct lp_http_call;

struct lp_http_call_hooks {
	/* Request body, for LP_HTTP_STREAM calls; len 0 once at its end. */
	void (*data)(struct lp_http_call *call, const void *data, size_t len, int64_t now_ms);
	/* The queue of the answer has become short again (after it held more than 64 KiB). */
	void (*room)(struct lp_http_call *call, int64_t now_ms);
	/* Last word. */
	void (*gone)(struct lp_http_call *call, int64_t now_ms);
};

struct lp_http_call {
	/* the request; valid until gone() */
	const char *method;			/* "GET" */
	const char *path;			/* "/api/v1/pods" */
	const char *query;			/* "watch=true"; "" when none */
	struct lp_http_headers headers;
	struct lp_buf body;			/* LP_HTTP_COLLECT: all of it */
	const struct lp_cert_identity *peer;	/* NULL without a client certificate; never expired, but for the renewal path */
	const char *remote;			/* "192.168.1.7:51442" */
	bool http2;
	struct lp_loop *loop;			/* weak */

	/* the handler's */
	const struct lp_http_call_hooks *hooks;	/* NULL: none */
	void *user;
};

enum lp_http_body {
	LP_HTTP_COLLECT,	/* gather the body, then handle() */
	LP_HTTP_STREAM,		/* handle() now; pieces come to hooks->data */
	LP_HTTP_ANSWERED,	/* replied already: no handle(), the body is thrown away */
};

/* Add a header to the answer, before reply or start. */
int lp_http_header(struct lp_http_call *call, const char *name, const char *value);
/* A whole answer. Bytes are copied. type may be NULL when len is 0. */
int lp_http_reply(struct lp_http_call *call, int status, const char *type, const void *data, size_t len);
int lp_http_reply_text(struct lp_http_call *call, int status, const char *text);	/* text/plain, newline added */
/* An answer piece by piece (chunked or DATA frames), perhaps endless. */
int lp_http_start(struct lp_http_call *call, int status, const char *type);
/* -EMSGSIZE when the peer reads too slowly (queue above out_max); -EPIPE after its end. */
int lp_http_write(struct lp_http_call *call, const void *data, size_t len);
void lp_http_finish(struct lp_http_call *call);
/* Give up: the peer sees a broken answer. gone() follows from the loop. */
void lp_http_abort(struct lp_http_call *call);
/* Bytes of the answer that have not left. */
size_t lp_http_queued(const struct lp_http_call *call);
void lp_http_set_out_max(struct lp_http_call *call, size_t max);
/* STREAM: stop taking the request body (up to 64 KiB may still come), and go on. */
void lp_http_pause(struct lp_http_call *call, bool pause);
/* This caller has proven who it is (a bearer token): its connection leaves the limits for strangers. */
void lp_http_trust(struct lp_http_call *call);
bool lp_http_is_answered(const struct lp_http_call *call);
/* When its connection last brought a byte (PINGs of HTTP/2 count); boot-time ms. */
int64_t lp_http_last_read_ms(const struct lp_http_call *call);
/* The answer's status, for logs; 0 before. */
int lp_http_status(const struct lp_http_call *call);

/*
 * Answer "101 Switching Protocols" with the headers added before, and hand the raw channel over. HTTP/1.1 only (-ENOTSUP).
 * The call ends here: gone() is NOT called, the request is invalid afterwards. Bytes the peer sent early come as data().
 */
int lp_http_upgrade(struct lp_http_call *call, const char *protocol, const struct lp_channel_ops *ops, void *arg,
    struct lp_channel **out);

/* ---- pieces of addresses */

/* The n-th value of a query parameter, decoded ('+' is a space). -ENOENT, -EINVAL (bad escapes, NUL), -EMSGSIZE. */
int lp_http_query(const char *query, const char *name, size_t nth, struct lp_buf *out);
/* Convenience into a fixed array: true when present and it fits. */
bool lp_http_query_str(const char *query, const char *name, char *out, size_t size);
/* "true" or "1"; absent, "", "false", "0" and anything else are false. */
bool lp_http_query_bool(const char *query, const char *name);
/* Percent-decode a path segment of `len` characters. */
int lp_http_unescape(const char *text, size_t len, struct lp_buf *out);
/* Percent-encode everything but unreserved characters. */
int lp_http_escape(struct lp_buf *out, const char *text);

struct lp_http_url {
	bool tls;
	char host[256];		/* without brackets */
	uint16_t port;		/* 443 or 80 when not given */
	char path[512];		/* "" or "/..."; without a final slash */
};
/* "https://host:port/path", "http://...". -EINVAL. */
int lp_http_url(const char *text, struct lp_http_url *out, struct lp_err *err);

const char *lp_http_reason(int status);

#endif
