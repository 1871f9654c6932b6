#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/check_hooks.h"
#include "specs/rule.h"

static bool
is_empty(const struct lp_json *value)
{
	return !value || ((value->type == LP_JSON_STRING || value->type == LP_JSON_ARRAY) && value->len == 0);
}

static void
check_port_pairs(
    const struct lp_json *ports, const struct lp_json *port, const struct lp_trail *trail, struct lp_faults *faults)
{
	bool name = false, pair = false, node = false;
	const struct lp_json *node_port = lp_json_get(port, "nodePort");

	for (const struct lp_json *other = lp_json_first(ports); other != port; other = other->next) {
		bool protocol = lp_text_same(lp_json_str(other, "protocol"), lp_json_str(port, "protocol"));
		const char *text = lp_json_str(port, "name");

		name |= text && *text && lp_text_same(lp_json_str(other, "name"), text);
		pair |= protocol && lp_json_int(other, "port", 0) == lp_json_int(port, "port", -1);
		node |= protocol && lp_json_int(port, "nodePort", 0) > 0 &&
		    lp_json_int(other, "nodePort", 0) == lp_json_int(port, "nodePort", 0);
	}
	if (name)
		lp_check_fault(faults, trail, "name", LP_FAULT_DUPLICATE, lp_json_get(port, "name"), NULL);
	if (pair)
		lp_check_fault(faults, trail, NULL, LP_FAULT_DUPLICATE, port, NULL);
	if (node)
		lp_check_fault(faults, trail, "nodePort", LP_FAULT_DUPLICATE, node_port, NULL);
}

static void
check_ports(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *ports = lp_json_get(spec, "ports");
	const char *type = lp_json_str(spec, "type");
	bool cluster_only = lp_text_same(type, "ClusterIP");
	struct lp_trail list = { .up = trail, .name = "ports" }, element = { .up = &list };

	if (lp_json_count(ports) == 0 && !lp_text_same(lp_json_str(spec, "clusterIP"), "None") &&
	    !lp_text_same(type, "ExternalName"))
		lp_check_fault(faults, trail, "ports", LP_FAULT_REQUIRED, NULL, NULL);
	lp_json_each(port, ports) {
		if (lp_json_count(ports) > 1 && is_empty(lp_json_get(port, "name")))
			lp_check_fault(faults, &element, "name", LP_FAULT_REQUIRED, NULL, NULL);
		if (cluster_only && lp_json_int(port, "nodePort", 0) != 0)
			lp_check_fault(faults, &element, "nodePort", LP_FAULT_FORBIDDEN, NULL,
			    "may not be used when `type` is 'ClusterIP'");
		check_port_pairs(ports, port, &element, faults);
		element.index++;
	}
}

static void
check_cluster_ip(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	const struct lp_json *ip = lp_json_get(spec, "clusterIP");
	const char *type = lp_json_str(spec, "type"), *text = lp_json_text(ip);
	struct lp_trail list = { .up = trail, .name = "clusterIPs" }, first = { .up = &list };

	if (is_empty(ip))
		return;
	if (lp_text_same(type, "ExternalName"))
		lp_check_fault(faults, trail, "clusterIP", LP_FAULT_FORBIDDEN, NULL,
		    "may not be set when `type` is 'ExternalName'");
	else if (strcmp(text, "None") != 0)
		lp_rule_check(LP_RULE_IP, lp_trail_text(faults->arena, &first), ip, faults);
	else if (!lp_text_same(type, "ClusterIP"))
		lp_check_fault(faults, &first, NULL, LP_FAULT_INVALID, ip,
		    lp_arena_printf(faults->arena, "may not be set to 'None' for %s services", type ? type : ""));
}

static void
check_spec(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	const char *type = lp_json_str(spec, "type");
	bool outside = lp_text_same(type, "NodePort") || lp_text_same(type, "LoadBalancer");
	const struct lp_json *external = lp_json_get(spec, "externalName"),
	                     *policy = lp_json_get(spec, "externalTrafficPolicy");
	int64_t seconds = lp_json_int(spec, "sessionAffinityConfig.clientIP.timeoutSeconds", 1);

	check_ports(spec, trail, faults);
	check_cluster_ip(spec, trail, faults);
	if (lp_text_same(type, "ExternalName")) {
		struct lp_trail here = { .up = trail, .name = "externalName" };

		if (is_empty(external))
			lp_check_fault(faults, &here, NULL, LP_FAULT_REQUIRED, NULL, NULL);
		else
			lp_rule_check(LP_RULE_SUBDOMAIN, lp_trail_text(faults->arena, &here), external, faults);
	}
	if (!outside && !is_empty(policy) && lp_json_count(lp_json_get(spec, "externalIPs")) == 0)
		lp_check_fault(faults, trail, "externalTrafficPolicy", LP_FAULT_INVALID, policy,
		    "may only be set for externally-accessible services");
	if (seconds < 1 || seconds > 86400) {
		struct lp_trail config = { .up = trail, .name = "sessionAffinityConfig" },
		                client = { .up = &config, .name = "clientIP" };

		lp_check_fault(faults, &client, "timeoutSeconds", LP_FAULT_INVALID,
		    lp_json_path(spec, "sessionAffinityConfig.clientIP.timeoutSeconds"),
		    "must be greater than 0 and less than 86400");
	}
}

void
lp_check_service_object(
    enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults)
{
	if (schema == LP_SCHEMA_service_spec)
		check_spec(object, trail, faults);
}

void
lp_check_service_update(const struct lp_json *service, const struct lp_json *old, struct lp_faults *faults)
{
	const struct lp_json *ip = lp_json_path(service, "spec.clusterIP"),
	                     *before = lp_json_path(old, "spec.clusterIP");
	bool named = lp_text_same(lp_json_str(service, "spec.type"), "ExternalName") ||
	    lp_text_same(lp_json_str(old, "spec.type"), "ExternalName");

	if (!named && !is_empty(before) && !lp_text_same(lp_json_text(ip), before->text))
		lp_faults_add(
		    faults, LP_FAULT_INVALID, "spec.clusterIPs[0]", ip ? ip : before, "may not change once set");
}
