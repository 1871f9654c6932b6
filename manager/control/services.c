/*
 * manager/control/services.c - pure: the service `kubernetes`, by which pods reach the API.
 */
#include <string.h>

#include "base/text.h"
#include "manager/control/control.h"
#include "specs/object.h"

static void
make_service(const struct lp_look *look, struct lp_writes *writes, const struct lp_kind *kind)
{
	struct lp_arena *arena = look->arena;
	struct lp_json *object = lp_object_new(arena, kind, "default", "kubernetes"), *labels, *spec, *port;
	char address[LP_TEXT_IPV4];

	lp_text_ipv4_print(look->settings->service_net + 1, address);
	labels = lp_json_set_object(arena, lp_json_get(object, "metadata"), "labels");
	lp_json_set_str(arena, labels, "component", "apiserver");
	lp_json_set_str(arena, labels, "provider", "kubernetes");
	spec = lp_json_set_object(arena, object, "spec");
	lp_json_set_str(arena, spec, "clusterIP", address);
	port = lp_json_append(arena, lp_json_set_array(arena, spec, "ports"), lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, port, "name", "https");
	lp_json_set_int(arena, port, "port", 443);
	lp_json_set_str(arena, port, "protocol", "TCP");
	lp_json_set_int(arena, port, "targetPort", look->settings->api_port);
	if (object && !arena->failed)
		lp_writes_create(writes, kind, object);
}

static struct lp_json *
wanted_subsets(const struct lp_look *look)
{
	struct lp_arena *arena = look->arena;
	struct lp_json *subsets = lp_json_new(arena, LP_JSON_ARRAY);
	struct lp_json *subset = lp_json_append(arena, subsets, lp_json_new(arena, LP_JSON_OBJECT)), *address, *port;

	address =
	    lp_json_append(arena, lp_json_set_array(arena, subset, "addresses"), lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, address, "ip", look->settings->api_address);
	port = lp_json_append(arena, lp_json_set_array(arena, subset, "ports"), lp_json_new(arena, LP_JSON_OBJECT));
	lp_json_set_str(arena, port, "name", "https");
	lp_json_set_int(arena, port, "port", look->settings->api_port);
	lp_json_set_str(arena, port, "protocol", "TCP");
	return subsets;
}

static void
keep_endpoints(const struct lp_look *look, struct lp_writes *writes)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Endpoints");
	struct lp_cached *cached = lp_cache_find(look->cache, kind, "default", "kubernetes");
	const struct lp_json *old = cached ? lp_cached_json(cached) : NULL, *subsets = lp_json_get(old, "subsets");
	struct lp_json *wanted = wanted_subsets(look), *object;

	if (!wanted || (subsets && lp_json_equal(subsets, wanted)) || (cached && cached->deleting))
		return;
	object = old ? lp_json_copy(look->arena, old) : lp_object_new(look->arena, kind, "default", "kubernetes");
	if (!lp_json_set(look->arena, object, "subsets", wanted))
		return;
	if (old)
		lp_writes_update(writes, kind, object);
	else
		lp_writes_create(writes, kind, object);
}

void
lp_services_control(const struct lp_look *look, struct lp_writes *writes)
{
	const struct lp_kind *kind = lp_kind_find("v1", "Service");
	const char *address = look->settings->api_address;

	if (!lp_cache_find(look->cache, lp_kind_find("v1", "Namespace"), NULL, "default"))
		return;			/* the next look */
	if (!lp_cache_find(look->cache, kind, "default", "kubernetes"))
		make_service(look, writes, kind);
	if (address && *address && !lp_text_starts(address, "127.") && strcmp(address, "0.0.0.0") != 0)
		keep_endpoints(look, writes);
}
