#include "manager/api/routes.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/api/discover.h"
#include "manager/api/feed.h"
#include "manager/api/verbs.h"
#include "manager/fleet/fleet.h"
#include "manager/fleet/metrics.h"
#include "manager/fleet/tunnel.h"
#include "manager/request/audit.h"
#include "manager/request/request.h"
#include "manager/sign/sign.h"

enum { ARENA_MAX = 512 << 20, SEGMENTS_MAX = 10, REFUSAL_MAX = 64 << 10 };

typedef void (*route_fn)(struct lp_request *request);

/* Paths that are no resources; * is one segment, ** all that remain. */
static const struct path_route {
	const char *method, *path;
	route_fn fn;
	enum lp_http_body body;
} path_routes[] = {
	{ "GET",    "/version",              lp_discover_version,    LP_HTTP_COLLECT },
	{ "GET",    "/healthz",              lp_discover_health,     LP_HTTP_COLLECT },
	{ "GET",    "/livez",                lp_discover_health,     LP_HTTP_COLLECT },
	{ "GET",    "/readyz",               lp_discover_health,     LP_HTTP_COLLECT },
	{ "GET",    "/",                     lp_discover_root,       LP_HTTP_COLLECT },
	{ "GET",    "/api",                  lp_discover_core,       LP_HTTP_COLLECT },
	{ "GET",    "/apis",                 lp_discover_groups,     LP_HTTP_COLLECT },
	{ "GET",    "/api/v1",               lp_discover_resources,  LP_HTTP_COLLECT },
	{ "GET",    "/apis/*",               lp_discover_group,      LP_HTTP_COLLECT },
	{ "GET",    "/apis/*/*",             lp_discover_resources,  LP_HTTP_COLLECT },
	{ "GET",    "/openapi/v2",           lp_discover_openapi_v2, LP_HTTP_COLLECT },
	{ "GET",    "/openapi/v3",           lp_discover_openapi_v3, LP_HTTP_COLLECT },
	{ "GET",    "/openapi/v3/**",        lp_discover_openapi_v3, LP_HTTP_COLLECT },
	{ "GET",    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", lp_discover_no_crds, LP_HTTP_COLLECT },
	{ "GET",    "/api/v1/nodes/*/proxy/stats/summary", lp_metrics_summary, LP_HTTP_COLLECT },
	{ "POST",   "/fleet/v1/join",        lp_sign_join,           LP_HTTP_COLLECT },
	{ "POST",   "/fleet/v1/renew",       lp_sign_renew,          LP_HTTP_COLLECT },
	{ "GET",    "/fleet/v1/tokens",      lp_sign_tokens,         LP_HTTP_COLLECT },
	{ "POST",   "/fleet/v1/tokens",      lp_sign_tokens,         LP_HTTP_COLLECT },
	{ "DELETE", "/fleet/v1/tokens/*",    lp_sign_tokens,         LP_HTTP_COLLECT },
	{ "GET",    "/fleet/v1/stats",       lp_metrics_all,          LP_HTTP_COLLECT },
	{ "GET",    "/fleet/v1/link",        lp_fleet_link,           LP_HTTP_STREAM },
	{ "POST",   "/fleet/v1/report",      lp_fleet_report,         LP_HTTP_COLLECT },
	{ "POST",   "/fleet/v1/stream/*",    lp_fleet_stream,         LP_HTTP_STREAM },
};

/* What can be asked of a resource; needs is what the kind must offer (enum lp_kind_verbs). */
static const struct verb_route {
	const char *verb, *subresource;
	route_fn fn;
	uint16_t needs;
} verb_routes[] = {
	{ "get",              "",            lp_verbs_get,          LP_KIND_GET },
	{ "list",             "",            lp_verbs_list,         LP_KIND_GET },
	{ "watch",            "",            lp_feed_watch,         LP_KIND_GET },
	{ "create",           "",            lp_verbs_create,       LP_KIND_WRITE },
	{ "update",           "",            lp_verbs_update,       LP_KIND_WRITE },
	{ "patch",            "",            lp_verbs_patch,        LP_KIND_WRITE },
	{ "delete",           "",            lp_verbs_delete,       LP_KIND_WRITE },
	{ "deletecollection", "",            lp_verbs_delete_all,   LP_KIND_WRITE },
	{ "get",              "",            lp_metrics_get,        LP_KIND_METRICS },
	{ "list",             "",            lp_metrics_list,       LP_KIND_METRICS },
	{ "get",              "status",      lp_verbs_get,          LP_KIND_STATUS },
	{ "update",           "status",      lp_verbs_update,       LP_KIND_STATUS },
	{ "patch",            "status",      lp_verbs_patch,        LP_KIND_STATUS },
	{ "get",              "resize",      lp_verbs_get,          LP_KIND_RESIZE },
	{ "update",           "resize",      lp_verbs_update,       LP_KIND_RESIZE },
	{ "patch",            "resize",      lp_verbs_patch,        LP_KIND_RESIZE },
	{ "update",           "finalize",    lp_verbs_update,       LP_KIND_FINALIZE },
	{ "create",           "binding",     lp_verbs_bind,         LP_KIND_BINDING },
	{ "create",           "eviction",    lp_verbs_evict,        LP_KIND_EVICTION },
	{ "get",              "log",         lp_tunnel_log,         LP_KIND_STREAMS },
	{ "get",              "exec",        lp_tunnel_exec,        LP_KIND_STREAMS },
	{ "create",           "exec",        lp_tunnel_exec,        LP_KIND_STREAMS },
	{ "get",              "attach",      lp_tunnel_attach,      LP_KIND_STREAMS },
	{ "create",           "attach",      lp_tunnel_attach,      LP_KIND_STREAMS },
	{ "get",              "portforward", lp_tunnel_portforward, LP_KIND_STREAMS },
	{ "create",           "portforward", lp_tunnel_portforward, LP_KIND_STREAMS },
};

/* Where a request goes, or why it cannot. */
struct target {
	route_fn fn;
	enum lp_http_body body;
	int code;			/* 0, 404, 405 */
};

/* ---- paths */

struct segments {
	const char *items[SEGMENTS_MAX];
	size_t count;
};

static int
split(struct lp_request *request, const char *path, struct segments *out)
{
	out->count = 0;
	while (*path == '/') {
		size_t len = strcspn(++path, "/");
		lp_auto_buf struct lp_buf text = { 0 };

		if (len == 0 && path[len] == '\0')
			break;
		lp_buf_init(&text, 1024);
		if (len == 0 || out->count == SEGMENTS_MAX || lp_http_unescape(path, len, &text) < 0)
			return -EINVAL;
		out->items[out->count] = lp_arena_str(&request->arena, lp_buf_text(&text));
		if (!out->items[out->count++])
			return -ENOMEM;
		path += len;
	}
	return *path ? -EINVAL : 0;
}

/* Does the path fit the row? *tail is what stands for * or **. */
static bool
fits(const char *pattern, const char *path, const char **tail)
{
	while (*pattern) {
		if (strcmp(pattern, "**") == 0) {
			*tail = path;
			return *path != '\0';
		}
		if (*pattern == '*') {
			size_t len = strcspn(path, "/");

			if (len == 0)
				return false;
			*tail = path;
			path += len;
			pattern++;
			continue;
		}
		if (*pattern++ != *path++)
			return false;
	}
	return *path == '\0';
}

static struct target
find_path(struct lp_request *request, const char *path)
{
	struct target target = { .code = 404, .body = LP_HTTP_COLLECT };

	for (size_t i = 0; i < lp_count(path_routes); i++) {
		const struct path_route *row = &path_routes[i];
		const char *tail = "";

		if (!fits(row->path, path, &tail))
			continue;
		if (strcmp(row->method, request->call->method) != 0) {
			target.code = 405;
			continue;
		}
		request->tail = tail;
		target = (struct target){ .fn = row->fn, .body = row->body };
		break;
	}
	return target;
}

/* ---- resources */

static const char *
verb_of(struct lp_request *request, bool named)
{
	const char *method = request->call->method;

	if (strcmp(method, "GET") == 0)
		return named ? "get" : lp_request_query_bool(request, "watch") ? "watch" : "list";
	if (strcmp(method, "POST") == 0)
		return named && !request->asked.subresource ? NULL : "create";
	if (strcmp(method, "DELETE") == 0)
		return named ? "delete" : "deletecollection";
	if (!named)
		return NULL;
	return strcmp(method, "PUT") == 0 ? "update" : strcmp(method, "PATCH") == 0 ? "patch" : NULL;
}

/* [namespaces/NS/]RESOURCE[/NAME[/SUB]] after group and version; namespaces themselves are such a resource too. */
static bool
read_resource(struct lp_request *request, const struct segments *segments, size_t at)
{
	struct lp_asked *asked = &request->asked;
	const char *const *items = segments->items + at;
	size_t count = segments->count - at;
	bool core = !*asked->group;

	if (core && count >= 1 && strcmp(items[0], "namespaces") == 0 && (count < 3 || (count == 3 &&
	    (strcmp(items[2], "status") == 0 || strcmp(items[2], "finalize") == 0)))) {
		asked->resource = items[0];
	} else if (count >= 3 && strcmp(items[0], "namespaces") == 0) {
		asked->namespace = items[1];
		items += 2;
		count -= 2;
		asked->resource = items[0];
	} else if (count >= 1) {
		asked->resource = items[0];
	}
	if (!asked->resource || count > 3)
		return false;
	asked->name = count > 1 ? items[1] : NULL;
	asked->subresource = count > 2 ? items[2] : NULL;
	return true;
}

/* Objects with a name need their namespace, cluster-wide kinds have none; lists may span all namespaces. */
static bool
scope_fits(const struct lp_asked *asked, const struct lp_kind *kind)
{
	if (!kind->namespaced)
		return !asked->namespace;
	return asked->namespace || (!asked->name && strcmp(asked->verb, "create") != 0);
}

static struct target
find_resource(struct lp_request *request, const struct segments *segments)
{
	bool core = segments->count >= 3 && strcmp(segments->items[0], "api") == 0;
	bool group = segments->count >= 4 && strcmp(segments->items[0], "apis") == 0;
	struct target target = { .code = 404, .body = LP_HTTP_COLLECT };
	struct lp_asked *asked = &request->asked;
	const char *subresource;

	if (!core && !group)
		return target;
	asked->group = core ? "" : segments->items[1];
	if (!read_resource(request, segments, core ? 2 : 3))
		return target;
	asked->verb = verb_of(request, asked->name != NULL);
	request->kind = lp_kind_by_resource(asked->group, segments->items[core ? 1 : 2], asked->resource);
	if (!request->kind || (request->kind->verbs & LP_KIND_LOCAL)) {
		request->kind = NULL;
		return target;
	}
	target.code = 405;
	if (!asked->verb)
		return target;
	if (!scope_fits(asked, request->kind)) {
		target.code = strcmp(asked->verb, "create") == 0 ? 405 : 404;
		return target;
	}
	subresource = asked->subresource ? asked->subresource : "";
	target.code = 404;
	for (size_t i = 0; i < lp_count(verb_routes); i++) {
		const struct verb_route *row = &verb_routes[i];

		if (strcmp(row->subresource, subresource) != 0 || !(request->kind->verbs & row->needs))
			continue;
		target.code = 405;
		if (strcmp(row->verb, asked->verb) == 0)
			return (struct target){ .fn = row->fn, .body = LP_HTTP_COLLECT };
	}
	return target;
}

static struct target
find(struct lp_request *request)
{
	struct segments segments;
	struct target target;

	request->tail = "";
	if (split(request, request->call->path, &segments) < 0)
		return (struct target){ .code = 404 };
	target = find_path(request, request->call->path);
	if (target.code == 404)
		target = find_resource(request, &segments);
	if (request->asked.resource == NULL) {
		char *verb = lp_arena_str(&request->arena, request->call->method);

		for (char *at = verb; at && *at; at++)
			*at = *at >= 'A' && *at <= 'Z' ? (char)(*at + 32) : *at;
		request->asked.verb = verb ? verb : "get";
		request->asked.path = request->call->path;
	}
	return target;
}

/* ---- who */

static int
read_user(struct lp_request *request, struct lp_err *err)
{
	const struct lp_cert_identity *peer = request->call->peer;
	const char *header = lp_http_headers_get(&request->call->headers, "authorization");
	struct lp_manager *manager = request->manager;
	struct lp_user *user = &request->user;

	user->name = "system:anonymous";
	if (peer) {
		user->name = peer->name;
		for (size_t i = 0; i < peer->group_count && i < LP_ACCESS_GROUPS; i++)
			user->groups[user->group_count++] = peer->groups[i];
		if (lp_text_starts(peer->name, "system:node:") && lp_access_in_group(user, "system:nodes"))
			user->node = peer->name + strlen("system:node:");
		return 0;
	}
	if (!header)
		return 0;
	if (strncasecmp(header, "Bearer ", 7) != 0 || !manager->bearer ||
	    manager->bearer(manager->sign, header + 7, &request->arena, user) < 0)
		return lp_err_say(err, -EACCES, "Unauthorized");
	lp_http_trust(request->call);
	return 0;
}

static int
check_access(struct lp_request *request, struct lp_err *err)
{
	struct lp_asked *asked = &request->asked;

	if (read_user(request, err) < 0)
		return -EACCES;
	if (!asked->verb)
		asked->verb = "use";		/* a method that no row has: who may not see this gets no 405 either */
	if (request->user.node && request->kind && strcmp(request->kind->kind, "Pod") == 0 && asked->name) {
		struct lp_cached *pod = lp_cache_find(request->manager->cache, request->kind, asked->namespace, asked->name);

		asked->object_node = pod ? pod->node : NULL;
	}
	return lp_access_check(&request->user, asked, err);
}

/* ---- requests */

static void
request_init(struct lp_request *request, struct lp_manager *manager, struct lp_http_call *call, int64_t now_ms)
{
	*request = (struct lp_request){ .manager = manager, .call = call, .now_ms = now_ms, .holds = 1 };
	lp_arena_init(&request->arena, ARENA_MAX);
}

static void
call_data(struct lp_http_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct lp_request *request = call->user;

	if (request->hooks && request->hooks->data)
		request->hooks->data(request, data, len, now_ms);
}

static void
call_room(struct lp_http_call *call, int64_t now_ms)
{
	struct lp_request *request = call->user;

	if (request->hooks && request->hooks->room)
		request->hooks->room(request, now_ms);
}

static void
call_gone(struct lp_http_call *call, int64_t now_ms)
{
	struct lp_request *request = call->user;

	lp_audit_write(request, call->remote, lp_http_status(call));
	request->call = NULL;
	if (request->hooks && request->hooks->gone)
		request->hooks->gone(request, now_ms);
	lp_request_release(request);
}

static const struct lp_http_call_hooks call_hooks = { .data = call_data, .room = call_room, .gone = call_gone };

/* ---- refusals before a handler */

static void
refuse_code(struct lp_request *request, int code)
{
	static const char *const words[] = {
		"the server could not find the requested resource",
		"the server does not allow this method on the requested resource",
	};
	struct lp_json *status = lp_status_make(&request->arena, code, NULL, words[code == 404 ? 0 : 1]);

	if (status)
		lp_json_set_object(&request->arena, status, "details");
	lp_request_refuse(request, status);
}

static void
refuse_access(struct lp_request *request, const struct lp_err *err)
{
	const struct lp_asked *asked = &request->asked;
	struct lp_json *status;

	if (err->code == -EACCES)
		status = lp_status_make(&request->arena, 401, NULL, "Unauthorized");
	else if (request->kind)
		status = lp_status_about(&request->arena, 403, NULL, request->kind, asked->name ? asked->name : "", NULL, err->text);
	else
		status = lp_status_make(&request->arena, 403, NULL, err->text);
	lp_request_refuse(request, status);
}

enum lp_http_body
lp_routes_head(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	struct lp_request request;
	struct lp_err err = { 0 };
	struct target target;

	request_init(&request, arg, call, now_ms);
	target = find(&request);
	if (check_access(&request, &err) < 0) {
		refuse_access(&request, &err);
		lp_audit_write(&request, call->remote, lp_http_status(call));
		target.body = LP_HTTP_ANSWERED;
	} else if (target.code != 0) {
		refuse_code(&request, target.code);
		target.body = LP_HTTP_ANSWERED;
	}
	lp_arena_fini(&request.arena);
	return target.body;
}

void
lp_routes_handle(void *arg, struct lp_http_call *call, int64_t now_ms)
{
	struct lp_request *request = lp_seam.alloc(sizeof(*request));
	struct lp_err err = { 0 };
	struct target target;

	if (!request) {
		(void)lp_http_reply_text(call, 503, "out of memory");	/* nothing more can be done */
		return;
	}
	request_init(request, arg, call, now_ms);
	call->hooks = &call_hooks;
	call->user = request;
	target = find(request);
	/* asked again, because the head was looked at in another turn */
	if (check_access(request, &err) < 0)
		refuse_access(request, &err);
	else if (target.code != 0)
		refuse_code(request, target.code);
	else
		target.fn(request);
}

void
lp_routes_refuse(void *arg, struct lp_http_call *call, int status, const char *why)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text = { 0 };
	const struct lp_json *answer;

	(void)arg;
	lp_arena_init(&arena, REFUSAL_MAX);
	lp_buf_init(&text, REFUSAL_MAX);
	answer = lp_status_make(&arena, status, NULL, why);
	if (answer && lp_json_write(&text, answer) == 0)
		(void)lp_http_reply(call, status, "application/json", text.data, text.len);	/* it aborts the call when it fails */
	else
		(void)lp_http_reply_text(call, status, why);
}
