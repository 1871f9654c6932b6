#include "specs/status.h"

#include <string.h>

#include "base/auto.h"
#include "base/buf.h"

static const struct {
	int code;
	char reason[24];
} usual[] = {
	{ 400, "BadRequest" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "NotFound" },
	{ 405, "MethodNotAllowed" },
	{ 406, "NotAcceptable" },
	{ 409, "Conflict" },
	{ 410, "Expired" },
	{ 413, "RequestEntityTooLarge" },
	{ 415, "UnsupportedMediaType" },
	{ 422, "Invalid" },
	{ 429, "TooManyRequests" },
	{ 500, "InternalError" },
	{ 503, "ServiceUnavailable" },
	{ 504, "Timeout" },
};

static const struct {
	char reason[28];
	char words[24];
} fault_words[] = {
	[LP_FAULT_REQUIRED] = { "FieldValueRequired", "Required value" },
	[LP_FAULT_INVALID] = { "FieldValueInvalid", "Invalid value" },
	[LP_FAULT_NOT_SUPPORTED] = { "FieldValueNotSupported", "Unsupported value" },
	[LP_FAULT_DUPLICATE] = { "FieldValueDuplicate", "Duplicate value" },
	[LP_FAULT_FORBIDDEN] = { "FieldValueForbidden", "Forbidden" },
	[LP_FAULT_NOT_FOUND] = { "FieldValueNotFound", "Not found" },
	[LP_FAULT_TOO_LONG] = { "FieldValueTooLong", "Too long" },
	[LP_FAULT_TYPE] = { "FieldValueTypeInvalid", "Invalid value" },
};

void
lp_faults_init(struct lp_faults *faults, struct lp_arena *arena)
{
	*faults = (struct lp_faults){ .arena = arena };
}

/* The value as Kubernetes quotes it in a message: JSON, cut when long. */
static int
add_value(struct lp_buf *out, const struct lp_json *value)
{
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, 1 << 20);
	if (lp_json_write(&text, value) < 0 || text.len > 256) {
		if (value->type == LP_JSON_STRING)
			return lp_buf_printf(out, "\"%.200s...\"", value->text);
		return lp_buf_str(out, "(too long to show)");
	}
	return lp_buf_add(out, text.data, text.len);
}

void
lp_faults_add(struct lp_faults *faults, enum lp_fault_reason reason, const char *path, const struct lp_json *value,
    const char *detail)
{
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_fault *fault;

	faults->count++;
	if (faults->count > LP_FAULTS_MAX)
		return;

	lp_buf_init(&text, 4096);
	lp_buf_str(&text, fault_words[reason].words);
	if (value && reason != LP_FAULT_REQUIRED && reason != LP_FAULT_FORBIDDEN && reason != LP_FAULT_TOO_LONG) {
		lp_buf_str(&text, ": ");
		add_value(&text, value);
	}
	if (detail && *detail)
		lp_buf_printf(&text, ": %s", detail);

	fault = lp_arena_alloc(faults->arena, sizeof(*fault));
	if (!fault)
		return;			/* the count alone refuses the object */
	fault->reason = reason;
	fault->path = lp_arena_str(faults->arena, path);
	fault->message = lp_arena_str(faults->arena, text.failed ? fault_words[reason].words : lp_buf_text(&text));
	if (!fault->path || !fault->message)
		return;
	if (faults->last)
		faults->last->next = fault;
	else
		faults->first = fault;
	faults->last = fault;
}

const char *
lp_status_reason(int code)
{
	for (size_t i = 0; i < lp_count(usual); i++)
		if (usual[i].code == code)
			return usual[i].reason;
	return code < 500 ? "Unknown" : "InternalError";
}

struct lp_json *
lp_status_make(struct lp_arena *arena, int code, const char *reason, const char *message)
{
	struct lp_json *status = lp_json_new(arena, LP_JSON_OBJECT);

	lp_json_set_str(arena, status, "kind", "Status");
	lp_json_set_str(arena, status, "apiVersion", "v1");
	lp_json_set_object(arena, status, "metadata");
	lp_json_set_str(arena, status, "status", code >= 400 ? "Failure" : "Success");
	if (message && *message)
		lp_json_set_str(arena, status, "message", message);
	if (code >= 400)
		lp_json_set_str(arena, status, "reason", reason ? reason : lp_status_reason(code));
	lp_json_set_int(arena, status, "code", code);
	return arena->failed ? NULL : status;
}

/* Put details before code, where the API server has them. */
static struct lp_json *
add_details(struct lp_arena *arena, struct lp_json *status)
{
	struct lp_json *details = lp_json_get(status, "details");
	int64_t code = lp_json_int(status, "code", 500);

	if (details)
		return details;
	lp_json_remove(status, "code");
	details = lp_json_set_object(arena, status, "details");
	lp_json_set_int(arena, status, "code", code);
	return details;
}

static struct lp_json *
about(struct lp_arena *arena, int code, const char *reason, const struct lp_kind *kind, const char *called,
    const char *name, const char *uid, const char *message)
{
	struct lp_json *status = lp_status_make(arena, code, reason, message);
	struct lp_json *details = add_details(arena, status);

	if (name && *name)
		lp_json_set_str(arena, details, "name", name);
	if (kind->group[0])
		lp_json_set_str(arena, details, "group", kind->group);
	lp_json_set_str(arena, details, "kind", called);
	if (uid && *uid)
		lp_json_set_str(arena, details, "uid", uid);
	return arena->failed ? NULL : status;
}

struct lp_json *
lp_status_about(struct lp_arena *arena, int code, const char *reason, const struct lp_kind *kind, const char *name,
    const char *uid, const char *message)
{
	return about(arena, code, reason, kind, kind->plural, name, uid, message);
}

struct lp_json *
lp_status_not_found(struct lp_arena *arena, const struct lp_kind *kind, const char *name)
{
	char text[LP_KIND_TEXT];

	return lp_status_about(arena, 404, NULL, kind, name, NULL,
	    lp_arena_printf(arena, "%s \"%s\" not found", lp_kind_resource(kind, text), name));
}

struct lp_json *
lp_status_already_exists(struct lp_arena *arena, const struct lp_kind *kind, const char *name)
{
	char text[LP_KIND_TEXT];

	return lp_status_about(arena, 409, "AlreadyExists", kind, name, NULL,
	    lp_arena_printf(arena, "%s \"%s\" already exists", lp_kind_resource(kind, text), name));
}

struct lp_json *
lp_status_conflict(struct lp_arena *arena, const struct lp_kind *kind, const char *name, const char *why)
{
	char text[LP_KIND_TEXT];

	return lp_status_about(arena, 409, "Conflict", kind, name, NULL,
	    lp_arena_printf(arena, "Operation cannot be fulfilled on %s \"%s\": %s", lp_kind_resource(kind, text), name,
	    why ? why : "the object has been modified; please apply your changes to the latest version and try again"));
}

struct lp_json *
lp_status_forbidden(struct lp_arena *arena, const struct lp_kind *kind, const char *name, const char *why)
{
	char text[LP_KIND_TEXT];

	return lp_status_about(arena, 403, NULL, kind, name, NULL,
	    lp_arena_printf(arena, "%s \"%s\" is forbidden: %s", lp_kind_resource(kind, text), name, why));
}

void
lp_status_cause(
    struct lp_arena *arena, struct lp_json *status, const char *reason, const char *message, const char *field)
{
	struct lp_json *causes = lp_json_need_array(arena, add_details(arena, status), "causes");
	struct lp_json *cause = lp_json_append(arena, causes, lp_json_new(arena, LP_JSON_OBJECT));

	if (reason && *reason)
		lp_json_set_str(arena, cause, "reason", reason);
	if (message && *message)
		lp_json_set_str(arena, cause, "message", message);
	if (field && *field)
		lp_json_set_str(arena, cause, "field", field);
}

struct lp_json *
lp_status_invalid(struct lp_arena *arena, const struct lp_kind *kind, const char *name, const struct lp_faults *faults)
{
	lp_auto_buf struct lp_buf text = { 0 };
	struct lp_json *status;
	bool many = faults->first && faults->first->next;

	lp_buf_init(&text, 1 << 16);
	lp_buf_printf(&text, "%s%s%s \"%s\" is invalid: %s", kind->kind, kind->group[0] ? "." : "", kind->group, name,
	    many ? "[" : "");
	for (const struct lp_fault *fault = faults->first; fault; fault = fault->next)
		lp_buf_printf(&text, "%s%s: %s", fault == faults->first ? "" : ", ", fault->path, fault->message);
	if (many)
		lp_buf_char(&text, ']');

	status = about(arena, 422, NULL, kind, kind->kind, name, NULL, lp_buf_text(&text));
	for (const struct lp_fault *fault = faults->first; fault; fault = fault->next)
		lp_status_cause(arena, status, fault_words[fault->reason].reason, fault->message, fault->path);
	return arena->failed ? NULL : status;
}

struct lp_json *
lp_status_deleted(struct lp_arena *arena, const struct lp_kind *kind, const char *name, const char *uid)
{
	return lp_status_about(arena, 200, NULL, kind, name, uid, NULL);
}
