#include "manager/api/discover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/text.h"
#include "manager/api/openapi_v2.h"
#include "specs/openapi.h"

/* The Kubernetes whose words and defaults we speak: kubectl warns when its own version is far from this. */
#define KUBERNETES_MAJOR "1"
#define KUBERNETES_MINOR "32"
#define KUBERNETES_VERSION "v" KUBERNETES_MAJOR "." KUBERNETES_MINOR ".0+limpet-" LP_VERSION

void
lp_discover_version(struct lp_request *request)
{
	struct lp_arena *arena = &request->arena;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT);

	lp_json_set_str(arena, json, "major", KUBERNETES_MAJOR);
	lp_json_set_str(arena, json, "minor", KUBERNETES_MINOR);
	lp_json_set_str(arena, json, "gitVersion", KUBERNETES_VERSION);
	lp_json_set_str(arena, json, "gitCommit", "");
	lp_json_set_str(arena, json, "gitTreeState", "");
	lp_json_set_str(arena, json, "buildDate", "");
	lp_json_set_str(arena, json, "goVersion", "");
	lp_json_set_str(arena, json, "compiler", "clang");
	lp_json_set_str(arena, json, "platform", "linux");
	lp_request_reply(request, 200, json);
}

void
lp_discover_health(struct lp_request *request)
{
	if (request->call && !lp_http_is_answered(request->call) &&
	    lp_http_reply(request->call, 200, "text/plain; charset=utf-8", "ok", 2) < 0)
		lp_http_abort(request->call);
}

void
lp_discover_root(struct lp_request *request)
{
	static const char *const paths[] = { "/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3",
		"/readyz", "/version" };
	struct lp_arena *arena = &request->arena;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT), *list = lp_json_set_array(arena, json, "paths");

	for (size_t i = 0; i < lp_count(paths); i++)
		lp_json_append(arena, list, lp_json_new_str(arena, paths[i]));
	lp_request_reply(request, 200, json);
}

/* ---- what the API serves, from the table of kinds */

static bool
served(const struct lp_kind *kind)
{
	return !(kind->verbs & LP_KIND_LOCAL);
}

/* Is this the first kind of its group (or group and version)? Groups are told in the order of the table. */
static bool
first_of(size_t index, bool version)
{
	const struct lp_kind *kind = lp_kind_at(index);

	for (size_t i = 0; i < index; i++) {
		const struct lp_kind *other = lp_kind_at(i);

		if (served(other) && strcmp(other->group, kind->group) == 0 &&
		    (!version || strcmp(other->version, kind->version) == 0))
			return false;
	}
	return true;
}

struct subresource {
	const char *name, *kind, *group, *version;	/* kind NULL: that of the object */
	uint16_t needs;
	bool get, create, update;
};

static const struct subresource subresources[] = {
	{ "attach",      "PodAttachOptions",      "",       "",   LP_KIND_STREAMS,  true,  true,  false },
	{ "binding",     "Binding",               "",       "",   LP_KIND_BINDING,  false, true,  false },
	{ "eviction",    "Eviction",              "policy", "v1", LP_KIND_EVICTION, false, true,  false },
	{ "exec",        "PodExecOptions",        "",       "",   LP_KIND_STREAMS,  true,  true,  false },
	{ "finalize",    NULL,                    "",       "",   LP_KIND_FINALIZE, false, false, true },
	{ "log",         NULL,                    "",       "",   LP_KIND_STREAMS,  true,  false, false },
	{ "portforward", "PodPortForwardOptions", "",       "",   LP_KIND_STREAMS,  true,  true,  false },
	{ "resize",      NULL,                    "",       "",   LP_KIND_RESIZE,   true,  false, true },
	{ "status",      NULL,                    "",       "",   LP_KIND_STATUS,   true,  false, true },
};

static void
add_verbs(struct lp_arena *arena, struct lp_json *row, const struct lp_kind *kind, const struct subresource *sub)
{
	static const struct {
		const char *verb;
		uint16_t needs;
	} verbs[] = {
		{ "create", LP_KIND_WRITE }, { "delete", LP_KIND_WRITE }, { "deletecollection", LP_KIND_WRITE },
		{ "get", LP_KIND_GET | LP_KIND_METRICS }, { "list", LP_KIND_GET | LP_KIND_METRICS },
		{ "patch", LP_KIND_WRITE }, { "update", LP_KIND_WRITE }, { "watch", LP_KIND_GET },
	};
	struct lp_json *list = lp_json_set_array(arena, row, "verbs");

	for (size_t i = 0; i < lp_count(verbs); i++) {
		const char *verb = verbs[i].verb;
		bool patch = sub && sub->update && sub->get && strcmp(verb, "patch") == 0;

		if (sub ? (sub->create && strcmp(verb, "create") == 0) || (sub->get && strcmp(verb, "get") == 0) ||
		    (sub->update && strcmp(verb, "update") == 0) || patch : (kind->verbs & verbs[i].needs) != 0)
			lp_json_append(arena, list, lp_json_new_str(arena, verb));
	}
}

static void
add_words(struct lp_arena *arena, struct lp_json *row, const char *key, const char *words)
{
	struct lp_json *list = *words ? lp_json_set_array(arena, row, key) : NULL;

	while (*words) {
		size_t len = strcspn(words, ",");

		lp_json_append(arena, list, lp_json_new_str(arena, lp_arena_mem(arena, words, len)));
		words += len + (words[len] == ',');
	}
}

/* ---- legacy documents */

static void
add_resource(struct lp_arena *arena, struct lp_json *list, const struct lp_kind *kind)
{
	struct lp_json *row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));

	lp_json_set_str(arena, row, "name", kind->plural);
	lp_json_set_str(arena, row, "singularName", kind->singular);
	lp_json_set_bool(arena, row, "namespaced", kind->namespaced);
	lp_json_set_str(arena, row, "kind", kind->kind);
	add_verbs(arena, row, kind, NULL);
	add_words(arena, row, "shortNames", kind->shorts);
	add_words(arena, row, "categories", kind->category);
	for (size_t i = 0; i < lp_count(subresources); i++) {
		const struct subresource *sub = &subresources[i];

		if (!(kind->verbs & sub->needs))
			continue;
		row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));
		lp_json_set_str(arena, row, "name", lp_arena_printf(arena, "%s/%s", kind->plural, sub->name));
		lp_json_set_str(arena, row, "singularName", "");
		lp_json_set_bool(arena, row, "namespaced", kind->namespaced);
		if (*sub->group)
			lp_json_set_str(arena, row, "group", sub->group);
		if (*sub->version)
			lp_json_set_str(arena, row, "version", sub->version);
		lp_json_set_str(arena, row, "kind", sub->kind ? sub->kind : kind->kind);
		add_verbs(arena, row, kind, sub);
	}
}

/* /api/v1 and /apis/<group>/<version>: group and version are the last segments of the path. */
void
lp_discover_resources(struct lp_request *request)
{
	struct lp_arena *arena = &request->arena;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT), *list;
	const char *path = request->call->path;
	const char *wanted = strncmp(path, "/apis/", 6) == 0 ? path + 6 : "v1";
	char text[LP_KIND_TEXT];
	bool any = false;

	lp_json_set_str(arena, json, "kind", "APIResourceList");
	lp_json_set_str(arena, json, "apiVersion", "v1");
	lp_json_set_str(arena, json, "groupVersion", lp_arena_str(arena, wanted));
	list = lp_json_set_array(arena, json, "resources");
	for (size_t i = 0; lp_kind_at(i); i++)
		if (served(lp_kind_at(i)) && strcmp(lp_kind_api_version(lp_kind_at(i), text), wanted) == 0) {
			add_resource(arena, list, lp_kind_at(i));
			any = true;
		}
	if (any)
		lp_request_reply(request, 200, json);
	else
		lp_request_refuse(request, lp_status_make(arena, 404, NULL, "the server could not find the requested resource"));
}

/* The versions of a group, and which one is best: the first in the table. */
static struct lp_json *
group_of(struct lp_arena *arena, const char *group)
{
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT), *versions, *one = NULL;
	char text[LP_KIND_TEXT];

	lp_json_set_str(arena, json, "name", group);
	versions = lp_json_set_array(arena, json, "versions");
	for (size_t i = 0; lp_kind_at(i); i++) {
		const struct lp_kind *kind = lp_kind_at(i);

		if (!served(kind) || strcmp(kind->group, group) != 0 || !first_of(i, true))
			continue;
		one = lp_json_append(arena, versions, lp_json_new(arena, LP_JSON_OBJECT));
		lp_json_set_str(arena, one, "groupVersion", lp_kind_api_version(kind, text));
		lp_json_set_str(arena, one, "version", kind->version);
	}
	if (!one)
		return NULL;
	lp_json_set(arena, json, "preferredVersion", lp_json_copy(arena, lp_json_first(versions)));
	return json;
}

void
lp_discover_group(struct lp_request *request)
{
	struct lp_json *json = group_of(&request->arena, request->tail);

	if (!json || !*request->tail) {
		lp_request_refuse(request, lp_status_make(&request->arena, 404, NULL, "the server could not find the requested resource"));
		return;
	}
	lp_json_set_str(&request->arena, json, "kind", "APIGroup");
	lp_json_set_str(&request->arena, json, "apiVersion", "v1");
	lp_request_reply(request, 200, json);
}

/* ---- aggregated documents */

/* The version of apidiscovery.k8s.io that the client offers first and we have; NULL: it wants the legacy form. */
static const char *
aggregated_version(const struct lp_request *request)
{
	const char *accept = lp_http_headers_get(&request->call->headers, "accept");
	const char *at = accept ? strstr(accept, "g=apidiscovery.k8s.io;v=") : NULL;

	if (!at || !strstr(accept, "as=APIGroupDiscoveryList"))
		return NULL;
	at += strlen("g=apidiscovery.k8s.io;v=");
	if (strncmp(at, "v2;", 3) == 0)
		return "v2";
	return strncmp(at, "v2beta1;", 8) == 0 ? "v2beta1" : NULL;
}

static void
set_kind(struct lp_arena *arena, struct lp_json *row, const char *group, const char *version, const char *kind)
{
	struct lp_json *response = lp_json_set_object(arena, row, "responseKind");

	lp_json_set_str(arena, response, "group", group);
	lp_json_set_str(arena, response, "version", version);
	lp_json_set_str(arena, response, "kind", kind);
}

static void
add_aggregated(struct lp_arena *arena, struct lp_json *list, const struct lp_kind *kind)
{
	struct lp_json *row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT)), *subs = NULL;

	lp_json_set_str(arena, row, "resource", kind->plural);
	set_kind(arena, row, kind->group, kind->version, kind->kind);
	lp_json_set_str(arena, row, "scope", kind->namespaced ? "Namespaced" : "Cluster");
	lp_json_set_str(arena, row, "singularResource", kind->singular);
	add_verbs(arena, row, kind, NULL);
	add_words(arena, row, "shortNames", kind->shorts);
	add_words(arena, row, "categories", kind->category);
	for (size_t i = 0; i < lp_count(subresources); i++) {
		const struct subresource *sub = &subresources[i];
		struct lp_json *one;

		if (!(kind->verbs & sub->needs))
			continue;
		if (!subs)
			subs = lp_json_set_array(arena, row, "subresources");
		one = lp_json_append(arena, subs, lp_json_new(arena, LP_JSON_OBJECT));
		lp_json_set_str(arena, one, "subresource", sub->name);
		set_kind(arena, one, *sub->group ? sub->group : kind->group, *sub->version ? sub->version : kind->version,
		    sub->kind ? sub->kind : kind->kind);
		add_verbs(arena, one, kind, sub);
	}
}

static void
add_group(struct lp_arena *arena, struct lp_json *items, const char *group)
{
	struct lp_json *item = lp_json_append(arena, items, lp_json_new(arena, LP_JSON_OBJECT));
	struct lp_json *metadata = lp_json_set_object(arena, item, "metadata"), *versions;

	if (*group)
		lp_json_set_str(arena, metadata, "name", group);
	versions = lp_json_set_array(arena, item, "versions");
	for (size_t i = 0; lp_kind_at(i); i++) {
		const struct lp_kind *kind = lp_kind_at(i);
		struct lp_json *version, *resources;

		if (!served(kind) || strcmp(kind->group, group) != 0 || !first_of(i, true))
			continue;
		version = lp_json_append(arena, versions, lp_json_new(arena, LP_JSON_OBJECT));
		lp_json_set_str(arena, version, "version", kind->version);
		lp_json_set_str(arena, version, "freshness", "Current");
		resources = lp_json_set_array(arena, version, "resources");
		for (size_t k = i; lp_kind_at(k); k++)
			if (served(lp_kind_at(k)) && strcmp(lp_kind_at(k)->group, group) == 0 &&
			    strcmp(lp_kind_at(k)->version, kind->version) == 0)
				add_aggregated(arena, resources, lp_kind_at(k));
	}
}

/* JSON with an ETag; 304 when the client has it. */
static void
reply_tagged(struct lp_request *request, const char *type, const void *data, size_t len)
{
	const char *has = lp_http_headers_get(&request->call->headers, "if-none-match");
	char digest[LP_DIGEST_TEXT], tag[LP_DIGEST_TEXT];

	lp_digest_print(data, len, digest);
	(void)snprintf(tag, sizeof(tag), "\"%.64s\"", digest + strlen("sha256:"));
	(void)lp_http_header(request->call, "ETag", tag);	/* without it the client asks again */
	if (has && strstr(has, tag) ? lp_http_reply(request->call, 304, NULL, NULL, 0) < 0 :
	    lp_http_reply(request->call, 200, type, data, len) < 0)
		lp_http_abort(request->call);
}

static void
reply_aggregated(struct lp_request *request, const char *version, bool core)
{
	struct lp_arena *arena = &request->arena;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT), *items;
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 8 << 20);
	lp_json_set_str(arena, json, "kind", "APIGroupDiscoveryList");
	lp_json_set_str(arena, json, "apiVersion", lp_arena_printf(arena, "apidiscovery.k8s.io/%s", version));
	lp_json_set_object(arena, json, "metadata");
	items = lp_json_set_array(arena, json, "items");
	for (size_t i = 0; lp_kind_at(i); i++)
		if (served(lp_kind_at(i)) && first_of(i, false) && core == !*lp_kind_at(i)->group)
			add_group(arena, items, lp_kind_at(i)->group);
	if (arena->failed || lp_json_write(&text, json) < 0) {
		lp_request_refuse(request, NULL);
		return;
	}
	reply_tagged(request, lp_arena_printf(arena, "application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList", version),
	    text.data, text.len);
}

void
lp_discover_core(struct lp_request *request)
{
	static const char legacy[] = "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[]}\n";
	const char *version = aggregated_version(request);

	if (version)
		reply_aggregated(request, version, true);
	else
		lp_request_reply_text(request, 200, legacy, sizeof(legacy) - 1);
}

void
lp_discover_groups(struct lp_request *request)
{
	const char *version = aggregated_version(request);
	struct lp_arena *arena = &request->arena;
	struct lp_json *json, *groups;

	if (version) {
		reply_aggregated(request, version, false);
		return;
	}
	json = lp_json_new(arena, LP_JSON_OBJECT);
	lp_json_set_str(arena, json, "kind", "APIGroupList");
	lp_json_set_str(arena, json, "apiVersion", "v1");
	groups = lp_json_set_array(arena, json, "groups");
	for (size_t i = 0; lp_kind_at(i); i++) {
		const struct lp_kind *kind = lp_kind_at(i);

		if (served(kind) && *kind->group && first_of(i, false))
			lp_json_append(arena, groups, group_of(arena, kind->group));
	}
	lp_request_reply(request, 200, json);
}

/* ---- OpenAPI */

void
lp_discover_openapi_v2(struct lp_request *request)
{
	lp_auto_buf struct lp_buf text;

	lp_buf_init(&text, 1 << 20);
	lp_openapi_v2_write(&text);
	if (text.failed)
		lp_request_refuse(request, NULL);
	else
		reply_tagged(request, "application/octet-stream", text.data, text.len);
}

static void
openapi_index(struct lp_request *request)
{
	struct lp_arena *arena = &request->arena;
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT), *paths = lp_json_set_object(arena, json, "paths");

	for (size_t i = 0; lp_kind_at(i); i++) {
		const struct lp_kind *kind = lp_kind_at(i);
		char digest[LP_DIGEST_TEXT], version[LP_KIND_TEXT];
		struct lp_json *one;
		lp_auto_buf struct lp_buf text;
		const char *path;

		lp_buf_init(&text, 16 << 20);
		if (!served(kind) || !first_of(i, true) || lp_openapi_v3(&text, kind->group, kind->version) < 0)
			continue;
		lp_digest_print(text.data, text.len, digest);
		path = lp_arena_printf(arena, "%s%s", *kind->group ? "apis/" : "api/", lp_kind_api_version(kind, version));
		one = lp_json_set_object(arena, paths, path);
		lp_json_set_str(arena, one, "serverRelativeURL", lp_arena_printf(arena, "/openapi/v3/%s?hash=%.32s", path,
		    digest + strlen("sha256:")));
	}
	lp_request_reply(request, 200, json);
}

void
lp_discover_openapi_v3(struct lp_request *request)
{
	const char *path = request->tail;
	const char *slash = strchr(path, '/');
	lp_auto_buf struct lp_buf text;
	const char *group = "", *version = NULL;

	lp_buf_init(&text, 16 << 20);
	if (!*path) {
		openapi_index(request);
		return;
	}
	if (strncmp(path, "api/", 4) == 0)
		version = path + 4;
	else if (slash && strncmp(path, "apis/", 5) == 0 && (slash = strchr(path + 5, '/')) != NULL) {
		group = lp_arena_mem(&request->arena, path + 5, (size_t)(slash - path - 5));
		version = slash + 1;
	}
	if (!version || !group || lp_openapi_v3(&text, group, version) < 0) {
		lp_request_refuse(request, lp_status_make(&request->arena, 404, NULL, "the server could not find the requested resource"));
		return;
	}
	reply_tagged(request, "application/json", text.data, text.len);
}

void
lp_discover_no_crds(struct lp_request *request)
{
	static const char none[] = "{\"kind\":\"CustomResourceDefinitionList\",\"apiVersion\":\"apiextensions.k8s.io/v1\","
	    "\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}\n";

	lp_request_reply_text(request, 200, none, sizeof(none) - 1);
}
