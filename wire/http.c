/*
 * wire/http.c - headers, addresses, and the part of answering that both protocols share.
 */
#include "wire/http.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/auto.h"
#include "base/seam.h"
#include "base/text.h"
#include "wire/http_call.h"

/* ---- headers */

void
lp_http_headers_init(struct lp_http_headers *headers, size_t max)
{
	lp_buf_init(&headers->text, max);
	headers->count = 0;
}

void
lp_http_headers_fini(struct lp_http_headers *headers)
{
	lp_buf_fini(&headers->text);
	headers->count = 0;
}

static bool
is_token(unsigned char c)
{
	return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

int
lp_http_headers_add_len(struct lp_http_headers *headers, const char *name, size_t name_len, const char *value, size_t value_len)
{
	size_t before = headers->text.len;

	if (name_len == 0)
		return -EINVAL;
	for (size_t i = 0; i < name_len; i++) {
		if (!is_token((unsigned char)name[i]) && !(i == 0 && name[0] == ':'))
			return -EINVAL;
	}
	for (size_t i = 0; i < value_len; i++) {
		unsigned char c = (unsigned char)value[i];

		if ((c < ' ' && c != '\t') || c == 127)
			return -EINVAL;
	}
	for (size_t i = 0; i < name_len; i++)
		(void)lp_buf_char(&headers->text, (char)tolower((unsigned char)name[i]));	/* sticky */
	(void)lp_buf_char(&headers->text, 0);
	(void)lp_buf_add(&headers->text, value, value_len);
	if (lp_buf_char(&headers->text, 0) < 0) {
		int rc = headers->text.failed;

		headers->text.failed = 0;
		headers->text.len = before;
		return rc;
	}
	headers->count++;
	return 0;
}

int
lp_http_headers_add(struct lp_http_headers *headers, const char *name, const char *value)
{
	return lp_http_headers_add_len(headers, name, strlen(name), value, strlen(value));
}

bool
lp_http_headers_next(const struct lp_http_headers *headers, size_t *pos, const char **out_name, const char **out_value)
{
	if (*pos >= headers->text.len)
		return false;
	*out_name = headers->text.data + *pos;
	*pos += strlen(*out_name) + 1;
	*out_value = headers->text.data + *pos;
	*pos += strlen(*out_value) + 1;
	return true;
}

const char *
lp_http_headers_get(const struct lp_http_headers *headers, const char *name)
{
	const char *key, *value;
	size_t pos = 0;

	while (lp_http_headers_next(headers, &pos, &key, &value)) {
		if (strcmp(key, name) == 0)
			return value;
	}
	return NULL;
}

bool
lp_http_headers_lists(const struct lp_http_headers *headers, const char *name, const char *token)
{
	const char *key, *value;
	size_t pos = 0, len = strlen(token);

	while (lp_http_headers_next(headers, &pos, &key, &value)) {
		if (strcmp(key, name) != 0)
			continue;
		for (const char *at = value; *at;) {
			size_t size;

			at += strspn(at, ", \t");
			size = strcspn(at, ",");
			while (size && (at[size - 1] == ' ' || at[size - 1] == '\t'))
				size--;
			if (size == len && strncasecmp(at, token, len) == 0)
				return true;
			at += strcspn(at, ",");
		}
	}
	return false;
}

/* ---- the shared part of a call */

void
lp_http_part_init(struct lp_http_part *part, const struct lp_http_carrier *carrier, const struct lp_http_owner *owner, void *conn,
    struct lp_channel *channel)
{
	memset(part, 0, sizeof(*part));
	part->carrier = carrier;
	part->owner = owner;
	part->conn = conn;
	part->channel = channel;
	part->out_max = LP_HTTP_OUT;
	part->call.query = "";
	part->call.path = "";
	part->call.method = part->method;
	part->call.peer = lp_channel_peer(channel);
	part->call.remote = lp_channel_remote(channel);
	part->call.loop = lp_channel_loop(channel);
	lp_http_headers_init(&part->call.headers, owner->head_max);
	lp_http_headers_init(&part->answer, LP_HTTP_ANSWER_HEAD);
	lp_buf_init(&part->call.body, owner->body_max(conn));
}

void
lp_http_part_fini(struct lp_http_part *part)
{
	lp_http_headers_fini(&part->call.headers);
	lp_http_headers_fini(&part->answer);
	lp_buf_fini(&part->call.body);
	free(part->target);
	part->target = NULL;
}

int
lp_http_part_target(struct lp_http_part *part, const char *target, size_t len)
{
	char *query;

	/* "http://host/path" (a proxy's form) is refused like anything that is no path. */
	if (len == 0 || target[0] != '/' || memchr(target, 0, len) || memchr(target, ' ', len))
		return -EINVAL;
	free(part->target);
	part->target = strndup(target, len);
	if (!part->target)
		return -ENOMEM;
	query = strchr(part->target, '?');
	if (query)
		*query++ = 0;
	part->call.path = part->target;
	part->call.query = query ? query : "";
	return 0;
}

void
lp_http_part_gone(struct lp_http_part *part, int64_t now_ms)
{
	if (!part->handled)
		return;
	part->handled = false;
	if (part->call.hooks && part->call.hooks->gone)
		part->call.hooks->gone(&part->call, now_ms);
}

int
lp_http_part_body(struct lp_http_part *part, enum lp_http_body how, const void *data, size_t len, int64_t now_ms)
{
	switch (how) {
	case LP_HTTP_COLLECT:
		return len ? lp_buf_add(&part->call.body, data, len) : 0;
	case LP_HTTP_STREAM:
		if (part->handled && part->call.hooks && part->call.hooks->data)
			part->call.hooks->data(&part->call, data, len, now_ms);
		return 0;
	case LP_HTTP_ANSWERED:
		return 0;
	}
	return 0;
}

/* ---- answering */

int
lp_http_header(struct lp_http_call *call, const char *name, const char *value)
{
	struct lp_http_part *part = lp_http_part(call);

	return part->phase == LP_HTTP_WAITS ? lp_http_headers_add(&part->answer, name, value) : -EPIPE;
}

int
lp_http_reply(struct lp_http_call *call, int status, const char *type, const void *data, size_t len)
{
	struct lp_http_part *part = lp_http_part(call);
	int rc = 0;

	if (part->phase != LP_HTTP_WAITS)
		return -EPIPE;
	if (type)
		rc = lp_http_headers_add(&part->answer, "content-type", type);
	part->status = status;
	part->phase = LP_HTTP_STARTED;
	if (rc == 0)
		rc = part->carrier->head(part, (int64_t)len);
	if (rc == 0 && len && strcmp(call->method, "HEAD") != 0)
		rc = part->carrier->piece(part, data, len);
	if (rc < 0) {
		lp_http_abort(call);
		return rc;
	}
	lp_http_finish(call);
	return 0;
}

int
lp_http_reply_text(struct lp_http_call *call, int status, const char *text)
{
	lp_auto_buf struct lp_buf line;

	lp_buf_init(&line, 4096);
	(void)lp_buf_printf(&line, "%s\n", text);	/* what does not fit is left out */
	return lp_http_reply(call, status, "text/plain; charset=utf-8", lp_buf_text(&line), line.len);
}

int
lp_http_start(struct lp_http_call *call, int status, const char *type)
{
	struct lp_http_part *part = lp_http_part(call);
	int rc = 0;

	if (part->phase != LP_HTTP_WAITS)
		return -EPIPE;
	if (type)
		rc = lp_http_headers_add(&part->answer, "content-type", type);
	part->status = status;
	part->phase = LP_HTTP_STARTED;
	if (rc == 0)
		rc = part->carrier->head(part, -1);
	if (rc < 0)
		lp_http_abort(call);
	return rc;
}

int
lp_http_write(struct lp_http_call *call, const void *data, size_t len)
{
	struct lp_http_part *part = lp_http_part(call);
	int rc;

	if (part->phase != LP_HTTP_STARTED)
		return -EPIPE;
	if (len == 0 || strcmp(call->method, "HEAD") == 0)
		return 0;
	if (part->carrier->queued(part) > part->out_max)
		return -EMSGSIZE;
	rc = part->carrier->piece(part, data, len);
	if (rc == 0 && part->carrier->queued(part) > LP_HTTP_ROOM)
		part->was_long = true;
	return rc;
}

void
lp_http_finish(struct lp_http_call *call)
{
	struct lp_http_part *part = lp_http_part(call);

	if (part->phase != LP_HTTP_STARTED)
		return;
	part->phase = LP_HTTP_FINISHED;
	part->carrier->finish(part);
}

void
lp_http_abort(struct lp_http_call *call)
{
	struct lp_http_part *part = lp_http_part(call);

	if (part->phase == LP_HTTP_FINISHED || part->phase == LP_HTTP_BROKEN)
		return;
	part->phase = LP_HTTP_BROKEN;
	part->carrier->abort(part);
}

size_t
lp_http_queued(const struct lp_http_call *call)
{
	const struct lp_http_part *part = (const struct lp_http_part *)call;

	return part->carrier->queued(part);
}

void
lp_http_set_out_max(struct lp_http_call *call, size_t max)
{
	lp_http_part(call)->out_max = max;
}

void
lp_http_pause(struct lp_http_call *call, bool pause)
{
	lp_http_part(call)->carrier->pause(lp_http_part(call), pause);
}

void
lp_http_trust(struct lp_http_call *call)
{
	struct lp_http_part *part = lp_http_part(call);

	part->owner->trust(part->conn);
	call->body.max = part->owner->body_max(part->conn);
}

bool
lp_http_is_answered(const struct lp_http_call *call)
{
	return ((const struct lp_http_part *)call)->phase != LP_HTTP_WAITS;
}

int64_t
lp_http_last_read_ms(const struct lp_http_call *call)
{
	return lp_channel_last_read_ms(((const struct lp_http_part *)call)->channel);
}

int
lp_http_status(const struct lp_http_call *call)
{
	return ((const struct lp_http_part *)call)->status;
}

int
lp_http_upgrade(struct lp_http_call *call, const char *protocol, const struct lp_channel_ops *ops, void *arg, struct lp_channel **out)
{
	struct lp_http_part *part = lp_http_part(call);

	if (part->phase != LP_HTTP_WAITS || !part->carrier->upgrade)
		return -ENOTSUP;
	return part->carrier->upgrade(part, protocol, ops, arg, out);
}

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{ 100, "Continue" },		{ 101, "Switching Protocols" },	{ 200, "OK" },
	{ 201, "Created" },		{ 202, "Accepted" },		{ 204, "No Content" },
	{ 206, "Partial Content" },	{ 301, "Moved Permanently" },	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },	{ 400, "Bad Request" },		{ 401, "Unauthorized" },
	{ 403, "Forbidden" },		{ 404, "Not Found" },		{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },	{ 408, "Request Timeout" },	{ 409, "Conflict" },
	{ 410, "Gone" },		{ 412, "Precondition Failed" },	{ 413, "Request Entity Too Large" },
	{ 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" }, { 422, "Unprocessable Entity" },
	{ 429, "Too Many Requests" },	{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
	{ 501, "Not Implemented" },	{ 502, "Bad Gateway" },		{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
};

const char *
lp_http_reason(int status)
{
	for (size_t i = 0; i < lp_count(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Status";
}
