#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "tools/verbs/describe.h"
#include "tools/verbs/resource.h"

static const char *
words(struct lp_describe *d, const struct lp_json *list)
{
	const char *text = "";

	lp_json_each(word, list)
		text = lp_arena_printf(&d->ctx->arena, "%s%s%s", text, *text ? "," : "", lp_json_text(word) ?: "") ?: "";
	return *text ? text : "<none>";
}

/* "10.42.0.5:3000,10.42.0.6:3000" for the port of that name. */
static const char *
endpoints_of(struct lp_describe *d, const struct lp_json *endpoints, const char *port_name)
{
	struct lp_arena *arena = &d->ctx->arena;
	const char *text = "";
	int shown = 0, more = 0;

	lp_json_each(subset, lp_json_get(endpoints, "subsets")) {
		lp_json_each(port, lp_json_get(subset, "ports")) {
			if (!lp_text_same(lp_json_str(port, "name") ?: "", port_name))
				continue;
			lp_json_each(address, lp_json_get(subset, "addresses")) {
				if (shown == 3) {
					more++;
					continue;
				}
				text = lp_arena_printf(arena, "%s%s%s:%" PRId64, text, shown ? "," : "", lp_json_str(address, "ip") ?: "",
				    lp_json_int(port, "port", 0)) ?: "";
				shown++;
			}
		}
	}
	if (more)
		text = lp_arena_printf(arena, "%s + %d more...", text, more) ?: "";
	return *text ? text : "";
}

static void
add_port(struct lp_describe *d, const struct lp_json *port, const struct lp_json *endpoints)
{
	const char *name = lp_json_str(port, "name"), *protocol = lp_json_str(port, "protocol") ?: "TCP";
	const struct lp_json *target = lp_json_get(port, "targetPort");

	lp_describe_line(d, 0, "Port:\t%s\t%" PRId64 "/%s", name && *name ? name : "<unset>", lp_json_int(port, "port", 0), protocol);
	if (lp_json_text(target))
		lp_describe_line(d, 0, "TargetPort:\t%s/%s", lp_json_text(target), protocol);
	else
		lp_describe_line(d, 0, "TargetPort:\t%" PRId64 "/%s", lp_json_int(port, "targetPort", lp_json_int(port, "port", 0)), protocol);
	if (lp_json_int(port, "nodePort", 0))
		lp_describe_line(d, 0, "NodePort:\t%s\t%" PRId64 "/%s", name && *name ? name : "<unset>", lp_json_int(port, "nodePort", 0), protocol);
	lp_describe_line(d, 0, "Endpoints:\t%s", endpoints_of(d, endpoints, name ? name : ""));
}

int
lp_describe_service(struct lp_describe *d, const struct lp_json *service)
{
	struct lp_arena *arena = &d->ctx->arena;
	const char *policy = lp_json_str(service, "spec.externalTrafficPolicy"), *external = lp_json_str(service, "spec.externalName");
	struct lp_json *endpoints = NULL;
	int rc = lp_context_get(d->ctx, lp_resource_path(arena, lp_kind_find("v1", "Endpoints"), lp_object_namespace(service),
	    lp_object_name(service), NULL, NULL), &endpoints);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	d->ctx->message = NULL;		/* a service without endpoints is no failure */
	lp_describe_head(d, service);
	lp_describe_map(d, 0, "Labels:", "=", lp_object_labels(service));
	lp_describe_map(d, 0, "Annotations:", ": ", lp_json_path(service, "metadata.annotations"));
	lp_describe_line(d, 0, "Selector:\t%s", lp_describe_pairs(d, lp_json_path(service, "spec.selector")));
	lp_describe_line(d, 0, "Type:\t%s", lp_json_str(service, "spec.type") ?: "");
	if (lp_json_str(service, "spec.ipFamilyPolicy"))
		lp_describe_line(d, 0, "IP Family Policy:\t%s", lp_json_str(service, "spec.ipFamilyPolicy"));
	if (lp_json_path(service, "spec.ipFamilies"))
		lp_describe_line(d, 0, "IP Families:\t%s", words(d, lp_json_path(service, "spec.ipFamilies")));
	lp_describe_line(d, 0, "IP:\t%s", lp_json_str(service, "spec.clusterIP") ?: "");
	lp_describe_line(d, 0, "IPs:\t%s", words(d, lp_json_path(service, "spec.clusterIPs")));
	if (lp_json_first(lp_json_path(service, "spec.externalIPs")))
		lp_describe_line(d, 0, "External IPs:\t%s", words(d, lp_json_path(service, "spec.externalIPs")));
	if (external && *external)
		lp_describe_line(d, 0, "External Name:\t%s", external);
	lp_json_each(port, lp_json_path(service, "spec.ports"))
		add_port(d, port, endpoints);
	lp_describe_line(d, 0, "Session Affinity:\t%s", lp_json_str(service, "spec.sessionAffinity") ?: "None");
	if (policy && *policy)
		lp_describe_line(d, 0, "External Traffic Policy:\t%s", policy);
	if (lp_json_str(service, "spec.internalTrafficPolicy"))
		lp_describe_line(d, 0, "Internal Traffic Policy:\t%s", lp_json_str(service, "spec.internalTrafficPolicy"));
	return lp_describe_events(d, service);
}
