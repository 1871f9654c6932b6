/*
 * wire/http1.c - HTTP/1.1 over llhttp, server side.
 *
 * Theory  llhttp is paused at the end of each head and each message, so that a handler never runs inside the parser. While a
 *         request is answered, bytes that belong to the next one wait in `rest`; the connection is read all the same, because
 *         that is how we learn that the peer has gone. A finished answer is cleared away by `later`, from the loop.
 */
#include "wire/http1.h"

#include <errno.h>
#include <inttypes.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/seam.h"

#define REST_MAX (64u << 10)

struct h1_part {
	struct lp_http_part part;	/* first */
	struct lp_http1 *h1;		/* weak */
	enum lp_http_body how;
	bool chunked;
	size_t thrown;			/* body bytes that nobody wanted */
};

struct lp_http1 {
	llhttp_t parser;
	struct lp_channel *channel;	/* weak */
	const struct lp_http_owner *owner;
	void *conn;			/* weak */
	struct lp_defer later;
	struct h1_part *current;	/* NULL between requests */
	struct lp_buf name, value;	/* of the header that is being read */
	struct lp_buf target;
	struct lp_buf rest;
	size_t head_bytes;
	int refuse;			/* status for a request that must not reach the handler; 0: none */
	bool at_head, head_done, complete, upgrading, close_after, refused;
	bool busy, dead;		/* a frame below the handler's holds this; it was freed meanwhile */
};

/* ---- answering */

static void later(struct lp_defer *defer, int64_t now_ms);

static void
look_later(struct lp_http1 *h1)
{
	lp_loop_defer(lp_channel_loop(h1->channel), &h1->later, later);
}

static int
carry_head(struct lp_http_part *any, int64_t len)
{
	struct h1_part *part = (struct h1_part *)any;
	struct lp_http1 *h1 = part->h1;
	lp_auto_buf struct lp_buf head = { 0 };
	const char *name, *value;
	size_t pos = 0;
	bool old = h1->parser.http_major == 1 && h1->parser.http_minor == 0;

	lp_buf_init(&head, 2 * LP_HTTP_ANSWER_HEAD);
	(void)lp_buf_printf(&head, "HTTP/1.1 %d %s\r\n", any->status, lp_http_reason(any->status));	/* sticky, checked below */
	while (lp_http_headers_next(&any->answer, &pos, &name, &value))
		(void)lp_buf_printf(&head, "%s: %s\r\n", name, value);
	if (len < 0 && old)
		h1->close_after = true;		/* the end of the connection is the end of the body */
	else if (len < 0)
		part->chunked = true;
	if (part->chunked)
		(void)lp_buf_str(&head, "transfer-encoding: chunked\r\n");
	else if (len >= 0 && any->status != 204 && any->status != 304)
		(void)lp_buf_printf(&head, "content-length: %" PRId64 "\r\n", len);
	if (!h1->complete && len >= 0 && part->how == LP_HTTP_STREAM)
		h1->close_after = true;		/* the rest of a stream has no end worth waiting for */
	if (h1->close_after || (h1->complete && !llhttp_should_keep_alive(&h1->parser)))
		(void)lp_buf_str(&head, "connection: close\r\n");
	if (lp_buf_str(&head, "\r\n") < 0)
		return head.failed;
	return lp_channel_send(h1->channel, head.data, head.len);
}

static int
carry_piece(struct lp_http_part *any, const void *data, size_t len)
{
	struct h1_part *part = (struct h1_part *)any;
	struct lp_channel *channel = part->h1->channel;
	char size[24];
	int n, rc;

	if (!part->chunked)
		return lp_channel_send(channel, data, len);
	n = snprintf(size, sizeof(size), "%zx\r\n", len);
	rc = lp_channel_send(channel, size, (size_t)n);
	if (rc == 0)
		rc = lp_channel_send(channel, data, len);
	if (rc == 0)
		rc = lp_channel_send(channel, "\r\n", 2);
	if (rc < 0)
		lp_http_abort(&any->call);	/* a half chunk cannot be mended */
	return rc;
}

static void
carry_finish(struct lp_http_part *any)
{
	struct h1_part *part = (struct h1_part *)any;

	if (part->chunked && strcmp(any->call.method, "HEAD") != 0 && lp_channel_send(part->h1->channel, "0\r\n\r\n", 5) < 0)
		any->phase = LP_HTTP_BROKEN;
	look_later(part->h1);
}

static void
carry_abort(struct lp_http_part *any)
{
	look_later(((struct h1_part *)any)->h1);
}

static size_t
carry_queued(const struct lp_http_part *any)
{
	return lp_channel_queued(((const struct h1_part *)any)->h1->channel);
}

static void
carry_pause(struct lp_http_part *any, bool pause)
{
	lp_channel_pause(((struct h1_part *)any)->h1->channel, pause);
}

static int
carry_upgrade(struct lp_http_part *any, const char *protocol, const struct lp_channel_ops *ops, void *arg, struct lp_channel **out)
{
	struct lp_http1 *h1 = ((struct h1_part *)any)->h1;
	struct lp_channel *channel = h1->channel;
	lp_auto_buf struct lp_buf head = { 0 };
	const char *name, *value;
	size_t pos = 0;
	int rc;

	if (!h1->complete || !h1->upgrading)
		return -ENOTSUP;
	lp_buf_init(&head, 2 * LP_HTTP_ANSWER_HEAD);
	(void)lp_buf_printf(&head, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n", protocol);
	while (lp_http_headers_next(&any->answer, &pos, &name, &value))
		(void)lp_buf_printf(&head, "%s: %s\r\n", name, value);
	if (lp_buf_str(&head, "\r\n") < 0)
		return head.failed;
	rc = lp_channel_send(channel, head.data, head.len);
	if (rc == 0)
		rc = lp_channel_adopt(channel, ops, arg, lp_buf_text(&h1->rest), h1->rest.len);
	if (rc < 0)
		return rc;
	any->status = 101;
	any->handled = false;		/* the call ends here, without gone() */
	*out = channel;
	h1->owner->lost(h1->conn);
	return 0;
}

static const struct lp_http_carrier carrier = {
	.head = carry_head,
	.piece = carry_piece,
	.finish = carry_finish,
	.abort = carry_abort,
	.queued = carry_queued,
	.pause = carry_pause,
	.upgrade = carry_upgrade,
};

/* ---- parser callbacks */

static struct lp_http1 *
of(llhttp_t *parser)
{
	return parser->data;
}

static int
grow(struct lp_http1 *h1, struct lp_buf *buf, const char *at, size_t len)
{
	h1->head_bytes += len;
	if (h1->head_bytes > h1->owner->head_max || lp_buf_add(buf, at, len) < 0) {
		h1->refuse = 431;
		return -1;
	}
	return 0;
}

static int
header_end(struct lp_http1 *h1)
{
	int rc = 0;

	if (h1->name.len)
		rc = lp_http_headers_add_len(&h1->current->part.call.headers, h1->name.data, h1->name.len, lp_buf_text(&h1->value),
		    h1->value.len);
	lp_buf_reset(&h1->name);
	lp_buf_reset(&h1->value);
	if (rc < 0)
		h1->refuse = rc == -EINVAL ? 400 : 431;
	return rc < 0 ? -1 : 0;
}

static int
on_begin(llhttp_t *parser)
{
	struct lp_http1 *h1 = of(parser);
	struct h1_part *part = lp_seam.alloc(sizeof(*part));

	if (!part)
		return -1;
	lp_http_part_init(&part->part, &carrier, h1->owner, h1->conn, h1->channel);
	part->h1 = h1;
	h1->current = part;
	h1->head_bytes = 0;
	h1->at_head = h1->head_done = h1->complete = h1->upgrading = false;
	return 0;
}

static int
on_url(llhttp_t *parser, const char *at, size_t len)
{
	return grow(of(parser), &of(parser)->target, at, len);
}

static int
on_name(llhttp_t *parser, const char *at, size_t len)
{
	return grow(of(parser), &of(parser)->name, at, len);
}

static int
on_value(llhttp_t *parser, const char *at, size_t len)
{
	return grow(of(parser), &of(parser)->value, at, len);
}

static int
on_value_end(llhttp_t *parser)
{
	return header_end(of(parser));
}

static int
on_head(llhttp_t *parser)
{
	of(parser)->at_head = true;
	return HPE_PAUSED;
}

static int
on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct lp_http1 *h1 = of(parser);
	struct h1_part *part = h1->current;
	int64_t now_ms = lp_loop_now(lp_channel_loop(h1->channel));

	if (part->how == LP_HTTP_ANSWERED || part->part.phase == LP_HTTP_FINISHED || part->part.phase == LP_HTTP_BROKEN) {
		part->thrown += len;
		return part->thrown > h1->owner->body_max(h1->conn) ? -1 : 0;
	}
	if (lp_http_part_body(&part->part, part->how, at, len, now_ms) < 0) {
		h1->refuse = 413;
		return -1;
	}
	return 0;
}

static int
on_complete(llhttp_t *parser)
{
	struct lp_http1 *h1 = of(parser);

	h1->complete = true;
	h1->upgrading = parser->upgrade;
	if (!llhttp_should_keep_alive(parser))
		h1->close_after = true;
	return parser->upgrade ? 0 : HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_end,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* ---- reading requests */

/* A request that the parser or we refuse: say why, then close. */
static void
refuse(struct lp_http1 *h1, int status, const char *why)
{
	struct h1_part *part = h1->current;

	h1->close_after = h1->complete = h1->refused = true;	/* nothing more is parsed */
	if (!part) {
		char answer[256];
		int n = snprintf(answer, sizeof(answer), "HTTP/1.1 %d %s\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n%s\n",
		    status, lp_http_reason(status), why);

		(void)lp_channel_send(h1->channel, answer, (size_t)n);	/* a failure ends the channel */
		lp_channel_finish(h1->channel);
	} else if (part->part.phase == LP_HTTP_WAITS) {
		h1->owner->refuse(h1->conn, &part->part.call, status, why);
	} else {
		lp_http_abort(&part->part.call);
		look_later(h1);
	}
}

static void
body_wanted(struct lp_http1 *h1)
{
	const char *expect = lp_http_headers_get(&h1->current->part.call.headers, "expect");

	if (expect && strcmp(expect, "100-continue") == 0 && h1->current->part.phase == LP_HTTP_WAITS)
		(void)lp_channel_send(h1->channel, "HTTP/1.1 100 Continue\r\n\r\n", 25);	/* a failure ends the channel */
}

static void
head_read(struct lp_http1 *h1, int64_t now_ms)
{
	struct h1_part *part = h1->current;
	const char *method = llhttp_method_name((llhttp_method_t)h1->parser.method);
	uint64_t len = h1->parser.content_length;

	lp_buf_fini(&h1->name);
	lp_buf_fini(&h1->value);
	lp_buf_init(&h1->name, h1->owner->head_max);
	lp_buf_init(&h1->value, h1->owner->head_max);
	(void)snprintf(part->part.method, sizeof(part->part.method), "%s", method);
	h1->head_done = true;
	if (lp_http_part_target(&part->part, lp_buf_text(&h1->target), h1->target.len) < 0) {
		refuse(h1, 400, "the request's target is not a path");
		return;
	}
	lp_buf_fini(&h1->target);
	lp_buf_init(&h1->target, h1->owner->head_max);
	part->how = h1->owner->head(h1->conn, &part->part.call, now_ms);
	if (h1->dead)
		return;
	if (part->how == LP_HTTP_COLLECT && len > h1->owner->body_max(h1->conn)) {
		refuse(h1, 413, "the request is too large");
		return;
	}
	body_wanted(h1);
	if (part->how == LP_HTTP_STREAM) {
		part->part.handled = true;
		h1->owner->handle(h1->conn, &part->part.call, now_ms);
		if (h1->dead)
			return;
	}
	h1->owner->changed(h1->conn, now_ms);
}

static void
request_read(struct lp_http1 *h1, int64_t now_ms)
{
	struct h1_part *part = h1->current;

	if (part->how == LP_HTTP_COLLECT && part->part.phase == LP_HTTP_WAITS) {
		part->part.handled = true;
		h1->owner->handle(h1->conn, &part->part.call, now_ms);
	} else if (part->how == LP_HTTP_STREAM) {
		(void)lp_http_part_body(&part->part, part->how, "", 0, now_ms);	/* a stream's end cannot fail */
	}
	if (h1->dead)
		return;
	if (part->part.phase == LP_HTTP_FINISHED || part->part.phase == LP_HTTP_BROKEN)
		look_later(h1);
	h1->owner->changed(h1->conn, now_ms);
}

/* One run of the parser; false when it must stop. `*data` moves on. */
static bool
parse(struct lp_http1 *h1, const char **data, size_t *len)
{
	llhttp_errno_t rc = llhttp_execute(&h1->parser, *data, *len);
	size_t used = rc == HPE_OK ? *len : (size_t)(llhttp_get_error_pos(&h1->parser) - *data);

	*data += used;
	*len -= used;
	if (rc == HPE_OK)
		return false;
	if (rc != HPE_PAUSED && rc != HPE_PAUSED_UPGRADE) {
		refuse(h1, h1->refuse ? h1->refuse : 400, h1->refuse == 431 ? "the request's head is too large" :
		    h1->refuse == 413 ? "the request is too large" : "this is not an HTTP request");
		return false;
	}
	if (h1->at_head) {
		h1->at_head = false;
		llhttp_resume(&h1->parser);
		return true;
	}
	return false;
}

static void
feed(struct lp_http1 *h1, const char *data, size_t len, int64_t now_ms)
{
	bool more = true;

	h1->busy = true;
	while (more && !h1->complete) {
		more = parse(h1, &data, &len);
		if (more)
			head_read(h1, now_ms);
		if (h1->dead)
			goto out;
	}
	if (h1->complete && len && !h1->refused && lp_buf_add(&h1->rest, data, len) < 0)
		refuse(h1, 400, "too many requests at once");
	if (h1->complete && !h1->refused)
		request_read(h1, now_ms);
out:
	h1->busy = false;
	if (h1->dead)
		free(h1);
}

void
lp_http1_data(struct lp_http1 *h1, const void *data, size_t len, int64_t now_ms)
{
	if (h1->refused)
		return;
	if (h1->complete) {
		if (lp_buf_add(&h1->rest, data, len) < 0)
			h1->owner->drop(h1->conn, now_ms);	/* it talks on instead of listening */
		return;
	}
	feed(h1, data, len, now_ms);
}

/* Clear away a finished answer and go on with what waits. */
static void
later(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_http1 *h1 = lp_of(defer, struct lp_http1, later);
	struct h1_part *part = h1->current;
	struct lp_buf rest;

	if (!part || part->part.phase == LP_HTTP_WAITS || part->part.phase == LP_HTTP_STARTED)
		return;			/* a pipelined request began meanwhile */
	lp_http_part_gone(&part->part, now_ms);
	if (part->part.phase == LP_HTTP_BROKEN) {
		h1->owner->drop(h1->conn, now_ms);
		return;
	}
	if (h1->close_after) {
		lp_channel_finish(h1->channel);
		return;
	}
	if (!h1->complete)
		return;			/* the rest of the body is thrown away as it comes */
	lp_http_part_fini(&part->part);
	free(part);
	h1->current = NULL;
	if (h1->upgrading)
		llhttp_resume_after_upgrade(&h1->parser);
	else
		llhttp_resume(&h1->parser);
	h1->complete = h1->upgrading = h1->head_done = false;
	lp_channel_pause(h1->channel, false);
	rest = h1->rest;
	lp_buf_init(&h1->rest, REST_MAX);
	h1->owner->changed(h1->conn, now_ms);
	if (rest.len)
		feed(h1, rest.data, rest.len, now_ms);
	lp_buf_fini(&rest);
}

/* ---- life */

int
lp_http1_new(struct lp_channel *channel, const struct lp_http_owner *owner, void *conn, struct lp_http1 **out)
{
	struct lp_http1 *h1 = lp_seam.alloc(sizeof(*h1));

	if (!h1)
		return -ENOMEM;
	llhttp_init(&h1->parser, HTTP_REQUEST, &settings);
	h1->parser.data = h1;
	h1->channel = channel;
	h1->owner = owner;
	h1->conn = conn;
	lp_buf_init(&h1->name, owner->head_max);
	lp_buf_init(&h1->value, owner->head_max);
	lp_buf_init(&h1->target, owner->head_max);
	lp_buf_init(&h1->rest, REST_MAX);
	*out = h1;
	return 0;
}

void
lp_http1_free(struct lp_http1 *h1, int64_t now_ms)
{
	if (!h1)
		return;
	h1->dead = true;
	lp_defer_cancel(&h1->later);
	if (h1->current) {
		h1->current->part.phase = LP_HTTP_BROKEN;
		lp_http_part_gone(&h1->current->part, now_ms);
		lp_defer_cancel(&h1->later);
		lp_http_part_fini(&h1->current->part);
	}
	free(h1->current);
	lp_buf_fini(&h1->name);
	lp_buf_fini(&h1->value);
	lp_buf_fini(&h1->target);
	lp_buf_fini(&h1->rest);
	if (!h1->busy)
		free(h1);
}

void
lp_http1_drained(struct lp_http1 *h1, int64_t now_ms)
{
	struct h1_part *part = h1->current;

	if (!part || !part->part.was_long)
		return;
	part->part.was_long = false;
	if (part->part.handled && part->part.call.hooks && part->part.call.hooks->room)
		part->part.call.hooks->room(&part->part.call, now_ms);
}

enum lp_http1_phase
lp_http1_phase(const struct lp_http1 *h1)
{
	if (!h1->current)
		return LP_HTTP1_IDLE;
	if (!h1->head_done)
		return LP_HTTP1_HEAD;
	return h1->complete || h1->current->part.phase != LP_HTTP_WAITS || h1->current->how == LP_HTTP_STREAM ? LP_HTTP1_ANSWER :
	    LP_HTTP1_BODY;
}

void
lp_http1_timeout(struct lp_http1 *h1)
{
	refuse(h1, 408, "the request did not come in time");
}
