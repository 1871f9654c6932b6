/*
 * manager/request/write_change.c - from a body to a change, and from its end to an answer (write.h).
 */
#include <errno.h>
#include <string.h>

#include "manager/request/write.h"
#include "specs/protobuf.h"
#include "specs/yaml.h"

/* ---- media types */

static bool
type_is(const char *header, const char *type)
{
	size_t len = strlen(type);

	return strncasecmp(header, type, len) == 0 && (header[len] == '\0' || header[len] == ';' || header[len] == ' ');
}

static int
unsupported_type(struct lp_request *request, const char *accepted)
{
	lp_request_refuse(request, lp_status_make(&request->arena, 415, NULL, lp_arena_printf(&request->arena,
	    "the body of the request was in an unknown format - accepted media types include: %s", accepted)));
	return -EINVAL;
}

static int
read_yaml(struct lp_request *request, const struct lp_buf *body, struct lp_json **out, struct lp_err *err)
{
	struct lp_json *documents;
	int rc = lp_yaml_parse(&request->arena, body->data, body->len, NULL, &documents, err);

	if (rc < 0)
		return rc;
	if (lp_json_count(documents) != 1)
		return lp_err_say(err, -EINVAL, "the body has %zu documents, not one", lp_json_count(documents));
	*out = lp_json_first(documents);
	return 0;
}

/* An empty body is no error here: *out is NULL then. */
int
lp_write_body(struct lp_request *request, struct lp_json **out)
{
	const char *type = lp_http_headers_get(&request->call->headers, "content-type");
	const struct lp_buf *body = &request->call->body;
	struct lp_err err = { 0 };
	int rc;

	*out = NULL;
	if (body->len == 0)
		return 0;
	if (!type || !*type || type_is(type, "application/json"))
		rc = lp_json_parse(&request->arena, body->data, body->len, NULL, out, &err);
	else if (type_is(type, "application/yaml"))
		rc = read_yaml(request, body, out, &err);
	else if (type_is(type, "application/vnd.kubernetes.protobuf"))
		rc = lp_protobuf_decode(&request->arena, body->data, body->len, out, &err);
	else
		return unsupported_type(request, "application/json, application/yaml, application/vnd.kubernetes.protobuf");
	if (rc < 0)
		lp_request_fail(request, rc == -ENOMEM ? 500 : rc == -E2BIG ? 413 : 400, &err);
	return rc;
}

int
lp_write_patch_type(struct lp_request *request, enum lp_change_patch *out)
{
	static const struct {
		const char *type;
		enum lp_change_patch patch;
	} types[] = {
		{ "application/strategic-merge-patch+json", LP_CHANGE_STRATEGIC },
		{ "application/merge-patch+json",           LP_CHANGE_MERGE },
		{ "application/json-patch+json",            LP_CHANGE_JSON },
	};
	const char *type = lp_http_headers_get(&request->call->headers, "content-type");

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (type_is(type, types[i].type)) {
			*out = types[i].patch;
			return 0;
		}
	return unsupported_type(request, "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json");
}

/* ---- options of every write */

static int
bad_option(struct lp_request *request, const char *message)
{
	lp_request_refuse(request, lp_status_make(&request->arena, 400, NULL, message));
	return -EINVAL;
}

static int
read_options(struct lp_request *request, struct lp_change *change)
{
	const char *dry_run = lp_request_query(request, "dryRun"), *strict = lp_request_query(request, "fieldValidation");
	const char *manager = lp_request_query(request, "fieldManager");

	if (dry_run && *dry_run && strcmp(dry_run, "All") != 0)
		return bad_option(request, lp_arena_printf(&request->arena,
		    "dryRun: Unsupported value: \"%s\": supported values: \"All\"", dry_run));
	change->dry_run = dry_run && *dry_run;
	if (!strict || !*strict || strcmp(strict, "Warn") == 0)
		change->strict = LP_CHANGE_WARN;
	else if (strcmp(strict, "Strict") == 0)
		change->strict = LP_CHANGE_STRICT;
	else if (strcmp(strict, "Ignore") == 0)
		change->strict = LP_CHANGE_IGNORE;
	else
		return bad_option(request, lp_arena_printf(&request->arena,
		    "fieldValidation: Unsupported value: \"%s\": supported values: \"Ignore\", \"Strict\", \"Warn\"", strict));
	if (manager && strlen(manager) > 128)
		return bad_option(request, "fieldManager: Invalid value: must be no more than 128 characters");
	return 0;
}

/* ---- the answer */

/* As an HTTP header says it: 299 - "text". */
static void
add_warnings(struct lp_request *request, const struct lp_json *warnings)
{
	lp_json_each (one, warnings) {
		lp_auto_buf struct lp_buf text;

		lp_buf_init(&text, 4096);
		lp_buf_str(&text, "299 - \"");
		for (const char *at = lp_json_text(one); at && *at; at++) {
			if (*at == '"' || *at == '\\')
				lp_buf_char(&text, '\\');
			lp_buf_char(&text, (unsigned char)*at < ' ' ? ' ' : *at);
		}
		if (lp_buf_char(&text, '"') == 0)
			(void)lp_http_header(request->call, "Warning", text.data);	/* one that does not fit is left out */
	}
}

void
lp_write_done(struct lp_change *change, int64_t now_ms)
{
	struct lp_request *request = change->arg;
	bool created = change->created && change->verb == LP_CHANGE_CREATE;
	lp_auto_buf struct lp_buf text;

	(void)now_ms;			/* the answer has no time of its own */
	lp_buf_init(&text, SIZE_MAX / 4);
	request->made = lp_arena_str(&request->arena, change->name);
	request->remark = lp_arena_str(&request->arena, change->audit);
	if (request->call && !lp_http_is_answered(request->call)) {
		add_warnings(request, change->warnings);
		add_warnings(request, change->remarks);
		if (change->status) {
			lp_request_refuse(request, change->status);
		} else {
			lp_buf_add(&text, change->result->text, change->result->len);
			lp_buf_char(&text, '\n');
			lp_request_reply_text(request, created ? 201 : 200, text.data, text.len);
		}
	}
	lp_request_release(request);
}

struct lp_change *
lp_write_new(struct lp_request *request, enum lp_change_verb verb)
{
	struct lp_change *change = lp_change_new(request->manager, verb, request->kind);
	const struct lp_asked *asked = &request->asked;

	if (!change) {
		lp_request_refuse(request, NULL);
		return NULL;
	}
	change->namespace = lp_arena_str(&change->arena, asked->namespace ? asked->namespace : "");
	change->name = lp_arena_str(&change->arena, asked->name ? asked->name : "");
	change->subresource = lp_arena_str(&change->arena, asked->subresource ? asked->subresource : "");
	if (change->arena.failed || read_options(request, change) < 0) {
		if (change->arena.failed)
			lp_request_refuse(request, NULL);
		lp_change_free(change);
		return NULL;
	}
	return change;
}

void
lp_write_start(struct lp_request *request, struct lp_change *change, struct lp_json *body, lp_change_done_fn done)
{
	change->body = body;		/* the request is held until the change is over */
	change->done = done;
	change->arg = request;
	lp_request_hold(request);
	lp_change_start(change, request->now_ms);
}
