/*
 * wire/http2.c - HTTP/2 over nghttp2, server side.
 *
 * Theory  Handlers run inside nghttp2's callbacks, which allow everything but another round of receiving or sending; so nothing
 *         is sent there, and `pump` moves frames into the channel at the end of the turn. Each call has a queue of its own from
 *         which nghttp2 takes DATA as windows allow. We give windows back ourselves: the connection's at once, a stream's
 *         unless its call is paused, so that one slow call holds up no other.
 */
#include "wire/http2.h"

#include <errno.h>
#include <inttypes.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/list.h"
#include "base/seam.h"

#define PUMP_MAX    (128u << 10)	/* frames in the channel's queue; the rest waits in the calls */
#define HEADERS_MAX 32
#define WINDOW      (1 << 20)		/* of the connection; a stream's is 64 KiB: what may still come to a paused call */

struct h2_part {
	struct lp_http_part part;	/* first */
	struct lp_list link;
	struct lp_http2 *h2;		/* weak */
	int32_t stream;
	enum lp_http_body how;
	struct lp_buf out;		/* the answer's body, from `at` on not yet taken */
	size_t at;
	size_t withheld;		/* window bytes kept back while paused */
	int refuse;			/* status for a head that must not reach the handler; 0: none */
	bool ended, eof_sent, remote_end, paused, deferred, room;
};

struct lp_http2 {
	nghttp2_session *session;
	struct lp_channel *channel;	/* weak */
	const struct lp_http_owner *owner;
	void *conn;			/* weak */
	struct lp_list parts;
	size_t count;
	struct lp_defer later;
	bool finished;
	int64_t now_ms;			/* of the turn that nghttp2's callbacks run in */
};

static void pump_later(struct lp_http2 *h2);

/* ---- answering */

static nghttp2_ssize
read_data(nghttp2_session *session, int32_t stream, uint8_t *to, size_t len, uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct h2_part *part = source->ptr;
	size_t have = part->out.len - part->at;

	(void)session;
	(void)stream;
	(void)arg;
	if (have == 0 && !part->ended) {
		part->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (have > len)
		have = len;
	if (have)
		memcpy(to, part->out.data + part->at, have);
	part->at += have;
	if (part->at == part->out.len) {
		part->at = 0;
		lp_buf_reset(&part->out);
		if (part->out.size > LP_HTTP_ROOM) {
			lp_buf_fini(&part->out);
			lp_buf_init(&part->out, SIZE_MAX / 2);
		}
		if (part->ended) {
			*flags |= NGHTTP2_DATA_FLAG_EOF;
			part->eof_sent = true;
		}
	}
	if (part->part.was_long && part->out.len - part->at < LP_HTTP_ROOM / 2)
		part->room = true;
	return (nghttp2_ssize)have;
}

static void
nv_set(nghttp2_nv *nv, const char *name, const char *value)
{
	nv->name = (uint8_t *)(uintptr_t)name;	/* nghttp2 copies both */
	nv->namelen = strlen(name);
	nv->value = (uint8_t *)(uintptr_t)value;
	nv->valuelen = strlen(value);
	nv->flags = NGHTTP2_NV_FLAG_NONE;
}

static int
carry_head(struct lp_http_part *any, int64_t len)
{
	struct h2_part *part = (struct h2_part *)any;
	nghttp2_data_provider2 provider = { .source = { .ptr = part }, .read_callback = read_data };
	nghttp2_nv nv[HEADERS_MAX + 2];
	char status[16], length[24];
	const char *name, *value;
	size_t count = 0, pos = 0;
	bool bare = len == 0 || strcmp(any->call.method, "HEAD") == 0 || any->status == 204 || any->status == 304;

	(void)snprintf(status, sizeof(status), "%d", any->status);
	nv_set(&nv[count++], ":status", status);
	while (lp_http_headers_next(&any->answer, &pos, &name, &value)) {
		if (strcmp(name, "connection") == 0 || strcmp(name, "transfer-encoding") == 0)
			continue;
		if (count == HEADERS_MAX)
			return -EMSGSIZE;
		nv_set(&nv[count++], name, value);
	}
	if (len >= 0 && any->status != 204 && any->status != 304) {
		(void)snprintf(length, sizeof(length), "%" PRId64, len);
		nv_set(&nv[count++], "content-length", length);
	}
	if (nghttp2_submit_response2(part->h2->session, part->stream, nv, count, bare ? NULL : &provider) != 0)
		return -ENOMEM;
	if (bare)
		part->eof_sent = true;
	pump_later(part->h2);
	return 0;
}

static void
resume(struct h2_part *part)
{
	if (part->deferred) {
		part->deferred = false;
		(void)nghttp2_session_resume_data(part->h2->session, part->stream);	/* fails only if it waits for no data */
	}
	pump_later(part->h2);
}

static int
carry_piece(struct lp_http_part *any, const void *data, size_t len)
{
	struct h2_part *part = (struct h2_part *)any;

	if (part->at > LP_HTTP_ROOM && part->at > part->out.len / 2) {
		lp_buf_consume(&part->out, part->at);
		part->at = 0;
	}
	if (lp_buf_add(&part->out, data, len) < 0) {
		part->out.failed = 0;
		return -ENOMEM;
	}
	resume(part);
	return 0;
}

static void
carry_finish(struct lp_http_part *any)
{
	struct h2_part *part = (struct h2_part *)any;

	part->ended = true;
	resume(part);
}

static void
carry_abort(struct lp_http_part *any)
{
	struct h2_part *part = (struct h2_part *)any;

	(void)nghttp2_submit_rst_stream(part->h2->session, NGHTTP2_FLAG_NONE, part->stream, NGHTTP2_INTERNAL_ERROR);	/* -ENOMEM: it stays */
	pump_later(part->h2);
}

static size_t
carry_queued(const struct lp_http_part *any)
{
	const struct h2_part *part = (const struct h2_part *)any;

	return part->out.len - part->at;
}

static void
carry_pause(struct lp_http_part *any, bool pause)
{
	struct h2_part *part = (struct h2_part *)any;

	part->paused = pause;
	if (!pause && part->withheld) {
		(void)nghttp2_session_consume_stream(part->h2->session, part->stream, part->withheld);	/* a closed stream needs none */
		part->withheld = 0;
		pump_later(part->h2);
	}
}

static const struct lp_http_carrier carrier = {
	.head = carry_head,
	.piece = carry_piece,
	.finish = carry_finish,
	.abort = carry_abort,
	.queued = carry_queued,
	.pause = carry_pause,
	.upgrade = NULL,
};

/* ---- receiving */

static void
part_free(struct h2_part *part, int64_t now_ms)
{
	part->part.phase = LP_HTTP_BROKEN;
	lp_http_part_gone(&part->part, now_ms);
	lp_list_remove(&part->link);
	part->h2->count--;
	lp_http_part_fini(&part->part);
	lp_buf_fini(&part->out);
	free(part);
}

static int
on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct lp_http2 *h2 = arg;
	struct h2_part *part;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	part = lp_seam.alloc(sizeof(*part));
	if (!part)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	lp_http_part_init(&part->part, &carrier, h2->owner, h2->conn, h2->channel);
	part->part.call.http2 = true;
	part->h2 = h2;
	part->stream = frame->hd.stream_id;
	lp_buf_init(&part->out, SIZE_MAX / 2);
	lp_list_append(&h2->parts, &part->link);
	h2->count++;
	(void)nghttp2_session_set_stream_user_data(session, part->stream, part);	/* the stream is there */
	h2->owner->changed(h2->conn, h2->now_ms);
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len, const uint8_t *value,
    size_t value_len, uint8_t flags, void *arg)
{
	struct h2_part *part = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	int rc = 0;

	(void)flags;
	(void)arg;
	if (!part || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	if (name_len == 7 && memcmp(name, ":method", 7) == 0) {
		if (value_len >= sizeof(part->part.method))
			part->refuse = 400;
		else
			memcpy(part->part.method, value, value_len);
	} else if (name_len == 5 && memcmp(name, ":path", 5) == 0) {
		rc = lp_http_part_target(&part->part, (const char *)value, value_len);
	} else if (name[0] == ':') {
		rc = name_len == 10 && memcmp(name, ":authority", 10) == 0 ?
		    lp_http_headers_add_len(&part->part.call.headers, "host", 4, (const char *)value, value_len) : 0;
	} else {
		rc = lp_http_headers_add_len(&part->part.call.headers, (const char *)name, name_len, (const char *)value, value_len);
	}
	if (rc < 0)
		part->refuse = rc == -EINVAL ? 400 : 431;
	return 0;
}

static void
refuse(struct h2_part *part, int status, const char *why)
{
	part->how = LP_HTTP_ANSWERED;
	if (part->part.phase == LP_HTTP_WAITS)
		part->h2->owner->refuse(part->h2->conn, &part->part.call, status, why);
	else
		lp_http_abort(&part->part.call);
}

static void
head_read(struct h2_part *part)
{
	struct lp_http2 *h2 = part->h2;

	if (part->refuse) {
		refuse(part, part->refuse, part->refuse == 431 ? "the request's head is too large" : "the request's head is not one");
		return;
	}
	part->how = h2->owner->head(h2->conn, &part->part.call, h2->now_ms);
	if (part->how == LP_HTTP_STREAM) {
		part->part.handled = true;
		h2->owner->handle(h2->conn, &part->part.call, h2->now_ms);
	}
}

static void
request_read(struct h2_part *part)
{
	struct lp_http2 *h2 = part->h2;

	part->remote_end = true;
	if (part->how == LP_HTTP_COLLECT && part->part.phase == LP_HTTP_WAITS) {
		part->part.handled = true;
		h2->owner->handle(h2->conn, &part->part.call, h2->now_ms);
	} else if (part->how == LP_HTTP_STREAM) {
		(void)lp_http_part_body(&part->part, part->how, "", 0, h2->now_ms);	/* a stream's end cannot fail */
	}
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct h2_part *part = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)arg;
	if (!part || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		head_read(part);
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		request_read(part);
	return 0;
}

static int
on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *arg)
{
	struct lp_http2 *h2 = arg;
	struct h2_part *part = nghttp2_session_get_stream_user_data(session, stream);

	(void)flags;
	(void)nghttp2_session_consume_connection(session, len);	/* both fail only without memory, and then the window stays */
	if (!part)
		return 0;
	if (lp_http_part_body(&part->part, part->how, data, len, h2->now_ms) < 0)
		refuse(part, 413, "the request is too large");
	if (part->paused)
		part->withheld += len;
	else
		(void)nghttp2_session_consume_stream(session, stream, len);
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
	struct lp_http2 *h2 = arg;
	struct h2_part *part = nghttp2_session_get_stream_user_data(session, stream);

	(void)code;
	if (part)
		part_free(part, h2->now_ms);
	h2->owner->changed(h2->conn, h2->now_ms);
	return 0;
}

/* ---- sending */

static void
tell_room(struct lp_http2 *h2, int64_t now_ms)
{
	lp_list_each(link, &h2->parts) {
		struct h2_part *part = lp_of(link, struct h2_part, link);

		if (!part->room)
			continue;
		part->room = part->part.was_long = false;
		if (part->part.handled && part->part.call.hooks && part->part.call.hooks->room)
			part->part.call.hooks->room(&part->part.call, now_ms);
	}
}

/* An answer that is complete while the request goes on: the rest of the request is not wanted. */
static void
end_early(struct lp_http2 *h2)
{
	lp_list_each(link, &h2->parts) {
		struct h2_part *part = lp_of(link, struct h2_part, link);

		if (part->eof_sent && !part->remote_end && part->part.phase == LP_HTTP_FINISHED) {
			part->remote_end = true;
			(void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, part->stream, NGHTTP2_NO_ERROR);	/* a courtesy */
			pump_later(h2);
		}
	}
}

static void
pump(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_http2 *h2 = lp_of(defer, struct lp_http2, later);

	h2->now_ms = now_ms;
	while (lp_channel_queued(h2->channel) < PUMP_MAX) {
		const uint8_t *data;
		nghttp2_ssize n = nghttp2_session_mem_send2(h2->session, &data);

		if (n < 0 || (n > 0 && lp_channel_send(h2->channel, data, (size_t)n) < 0)) {
			h2->owner->drop(h2->conn, now_ms);
			return;
		}
		if (n == 0)
			break;
	}
	end_early(h2);
	tell_room(h2, now_ms);
	if (!h2->finished && !nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session)) {
		h2->finished = true;
		lp_channel_finish(h2->channel);
	}
}

static void
pump_later(struct lp_http2 *h2)
{
	lp_loop_defer(lp_channel_loop(h2->channel), &h2->later, pump);
}

/* ---- life */

void
lp_http2_data(struct lp_http2 *h2, const void *data, size_t len, int64_t now_ms)
{
	h2->now_ms = now_ms;
	if (nghttp2_session_mem_recv2(h2->session, data, len) < 0)
		(void)nghttp2_session_terminate_session(h2->session, NGHTTP2_PROTOCOL_ERROR);	/* pump closes it */
	pump_later(h2);
}

void
lp_http2_drained(struct lp_http2 *h2, int64_t now_ms)
{
	(void)now_ms;
	pump_later(h2);
}

size_t
lp_http2_streams(const struct lp_http2 *h2)
{
	return h2->count;
}

void
lp_http2_free(struct lp_http2 *h2, int64_t now_ms)
{
	if (!h2)
		return;
	while (!lp_list_empty(&h2->parts))
		part_free(lp_of(lp_list_first(&h2->parts), struct h2_part, link), now_ms);
	lp_defer_cancel(&h2->later);
	nghttp2_session_del(h2->session);
	free(h2);
}

static int
session_new(struct lp_http2 *h2)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h2->owner->max_streams },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)h2->owner->head_max },
	};
	int rc = nghttp2_session_callbacks_new(&callbacks);

	if (rc == 0)
		rc = nghttp2_option_new(&option);
	if (rc == 0) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
		nghttp2_option_set_no_auto_window_update(option, 1);
		nghttp2_option_set_no_closed_streams(option, 1);
		rc = nghttp2_session_server_new2(&h2->session, callbacks, h2, option);
	}
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	if (rc == 0)
		rc = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings, lp_count(settings));
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
	return rc ? -ENOMEM : 0;
}

int
lp_http2_new(struct lp_channel *channel, const struct lp_http_owner *owner, void *conn, struct lp_http2 **out)
{
	struct lp_http2 *h2 = lp_seam.alloc(sizeof(*h2));
	int rc;

	if (!h2)
		return -ENOMEM;
	h2->channel = channel;
	h2->owner = owner;
	h2->conn = conn;
	lp_list_init(&h2->parts);
	rc = session_new(h2);
	if (rc < 0) {
		nghttp2_session_del(h2->session);
		free(h2);
		return rc;
	}
	pump_later(h2);
	*out = h2;
	return 0;
}
