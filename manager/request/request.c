#include "manager/request/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "manager/request/audit.h"

#define JSON_TYPE "application/json"

void
lp_request_hold(struct lp_request *request)
{
	request->holds++;
}

void
lp_request_release(struct lp_request *request)
{
	if (--request->holds > 0)
		return;
	lp_arena_fini(&request->arena);
	free(request);
}

void
lp_request_upgraded(struct lp_request *request)
{
	lp_audit_write(request, NULL, 101);
	request->call = NULL;
	lp_request_release(request);
}

void
lp_request_reply_text(struct lp_request *request, int code, const char *json, size_t len)
{
	if (!request->call || lp_http_is_answered(request->call))
		return;
	if (lp_http_reply(request->call, code, JSON_TYPE, json, len) < 0)
		lp_http_abort(request->call);
}

void
lp_request_reply(struct lp_request *request, int code, const struct lp_json *object)
{
	static const char none[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
	    "\"message\":\"Internal error occurred: out of memory\",\"reason\":\"InternalError\",\"code\":500}\n";
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, SIZE_MAX / 4);
	if (!object || request->arena.failed || lp_json_write(&text, object) < 0 || lp_buf_char(&text, '\n') < 0)
		lp_request_reply_text(request, 500, none, sizeof(none) - 1);
	else
		lp_request_reply_text(request, code, text.data, text.len);
}

void
lp_request_refuse(struct lp_request *request, const struct lp_json *status)
{
	int64_t after = lp_json_int(status, "details.retryAfterSeconds", 0);
	char text[24];

	if (request->call && after > 0 && !lp_http_is_answered(request->call)) {
		(void)snprintf(text, sizeof(text), "%" PRId64, after);
		(void)lp_http_header(request->call, "Retry-After", text);	/* without it the client decides by itself */
	}
	lp_request_reply(request, (int)lp_json_int(status, "code", 500), status);
}

void
lp_request_fail(struct lp_request *request, int code, const struct lp_err *err)
{
	lp_request_refuse(request, lp_status_make(&request->arena, code, NULL, err->text));
}

const char *
lp_request_query(struct lp_request *request, const char *name)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 64 << 10);
	if (!request->call || lp_http_query(request->call->query, name, 0, &text) < 0)
		return NULL;
	return lp_arena_str(&request->arena, lp_buf_text(&text));
}

bool
lp_request_query_bool(struct lp_request *request, const char *name)
{
	return request->call && lp_http_query_bool(request->call->query, name);
}

int64_t
lp_request_query_int(struct lp_request *request, const char *name, int64_t fallback)
{
	const char *text = lp_request_query(request, name);
	int64_t value;

	return text && lp_text_i64(text, 0, INT64_MAX, &value) == 0 ? value : fallback;
}
