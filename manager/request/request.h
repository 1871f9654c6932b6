/*
 * manager/request/request.h - one request: who asks for what, and its answer.
 *
 * Life    from the handler's call until the answer has left (or the client has gone) and nothing holds it. Its call is
 *         NULL once the client has gone or was upgraded: whatever answers then does nothing
 */
#ifndef LP_MANAGER_REQUEST_H
#define LP_MANAGER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "manager/change/manager_state.h"
#include "manager/request/access.h"
#include "specs/kind.h"
#include "specs/status.h"
#include "wire/http.h"

struct lp_request;

/* What a handler wants to know later. Members may be NULL. */
struct lp_request_hooks {
	void (*data)(struct lp_request *request, const void *data, size_t len, int64_t now_ms);	/* streamed body; len 0: its end */
	void (*room)(struct lp_request *request, int64_t now_ms);
	void (*gone)(struct lp_request *request, int64_t now_ms);	/* once; request->call is NULL already */
};

struct lp_request {
	struct lp_manager *manager;
	struct lp_http_call *call;		/* NULL: gone or upgraded */
	struct lp_arena arena;
	struct lp_user user;
	struct lp_asked asked;			/* verb, resource, namespace, name, subresource, path */
	const struct lp_kind *kind;		/* NULL when the path names no resource */
	const char *made;			/* name of what the request made or changed, for the audit trail; NULL */
	const char *remark;			/* what else the audit trail should say; NULL */
	const char *tail;			/* what stands for * in the row's path, decoded; "" when nothing */
	int64_t now_ms;				/* when it was handed to the handler */

	const struct lp_request_hooks *hooks;	/* the handler's; NULL: none */
	void *own;				/* the handler's */
	uint32_t holds;
};

/* Keep the request beyond its call, while something asynchronous refers to it. */
void lp_request_hold(struct lp_request *request);
void lp_request_release(struct lp_request *request);

/* The call ended in an upgrade (lp_streams_accept): the request forgets it, and goes when nothing holds it. */
void lp_request_upgraded(struct lp_request *request);

/* ---- answers; the first one counts */

void lp_request_reply(struct lp_request *request, int code, const struct lp_json *object);
/* JSON text as it is. */
void lp_request_reply_text(struct lp_request *request, int code, const char *json, size_t len);
/* A Status document, with its own code; Retry-After when it says so. NULL (no memory): 500. */
void lp_request_refuse(struct lp_request *request, const struct lp_json *status);
/* A Status of this code with the words of err. */
void lp_request_fail(struct lp_request *request, int code, const struct lp_err *err);

/* ---- query parameters, decoded into the arena; NULL when absent */
const char *lp_request_query(struct lp_request *request, const char *name);
bool lp_request_query_bool(struct lp_request *request, const char *name);
int64_t lp_request_query_int(struct lp_request *request, const char *name, int64_t fallback);	/* fallback also when malformed */

#endif
