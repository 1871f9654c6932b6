#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "specs/object.h"
#include "specs/print.h"
#include "specs/quantity.h"
#include "tools/verbs/describe.h"
#include "tools/verbs/resource.h"

#define ROLE "node-role.kubernetes.io/"

static void
add_roles(struct lp_describe *d, const struct lp_json *node)
{
	const char *text = "";

	lp_json_each(label, lp_object_labels(node))
		if (lp_text_starts(label->key, ROLE) && label->key[strlen(ROLE)])
			text = lp_arena_printf(&d->ctx->arena, "%s%s%s", text, *text ? "," : "", label->key + strlen(ROLE)) ?: "";
	lp_describe_line(d, 0, "Roles:\t%s", *text ? text : "<none>");
}

static void
add_taints(struct lp_describe *d, const struct lp_json *taints)
{
	const char *title = "Taints:";

	if (!lp_json_first(taints))
		lp_describe_line(d, 0, "Taints:\t<none>");
	lp_json_each(taint, taints) {
		const char *value = lp_json_str(taint, "value");

		lp_describe_line(d, 0, "%s\t%s%s%s:%s", title, lp_json_str(taint, "key") ?: "", value && *value ? "=" : "", value ? value : "",
		    lp_json_str(taint, "effect") ?: "");
		title = "";
	}
}

static void
add_conditions(struct lp_describe *d, const struct lp_json *conditions)
{
	if (!lp_json_first(conditions))
		return;
	lp_describe_line(d, 0, "Conditions:");
	lp_describe_line(d, 1, "Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage");
	lp_describe_line(d, 1, "----\t------\t-----------------\t------------------\t------\t-------");
	lp_json_each(c, conditions)
		lp_describe_line(d, 1, "%s\t%s\t%s\t%s\t%s\t%s", lp_json_str(c, "type") ?: "", lp_json_str(c, "status") ?: "",
		    lp_describe_time(d, lp_json_str(c, "lastHeartbeatTime")), lp_describe_time(d, lp_json_str(c, "lastTransitionTime")),
		    lp_json_str(c, "reason") ?: "", lp_json_str(c, "message") ?: "");
}

static void
add_amounts(struct lp_describe *d, const char *title, const struct lp_json *amounts)
{
	if (!lp_json_first(amounts))
		return;
	lp_describe_line(d, 0, "%s:", title);
	lp_json_each(amount, amounts) {
		if (amount->type == LP_JSON_INT)
			lp_describe_line(d, 1, "%s:\t%" PRId64, amount->key, amount->integer);
		else
			lp_describe_line(d, 1, "%s:\t%s", amount->key, lp_json_text(amount) ?: "");
	}
}

static void
add_system(struct lp_describe *d, const struct lp_json *info)
{
	static const struct {
		const char *title, *key;
	} rows[] = {
		{ "Machine ID", "machineID" }, { "System UUID", "systemUUID" }, { "Boot ID", "bootID" }, { "Kernel Version", "kernelVersion" },
		{ "OS Image", "osImage" }, { "Operating System", "operatingSystem" }, { "Architecture", "architecture" },
		{ "Container Runtime Version", "containerRuntimeVersion" }, { "Kubelet Version", "kubeletVersion" },
		{ "Kube-Proxy Version", "kubeProxyVersion" },
	};

	if (!info)
		return;
	lp_describe_line(d, 0, "System Info:");
	for (size_t i = 0; i < lp_count(rows); i++)
		lp_describe_line(d, 1, "%s:\t%s", rows[i].title, lp_json_str(info, rows[i].key) ?: "");
}

struct totals {
	int64_t cpu_requests, cpu_limits, memory_requests, memory_limits;	/* thousandths of a core, bytes */
};

static void
add_up(struct totals *t, const struct lp_json *pod)
{
	lp_json_each(container, lp_json_path(pod, "spec.containers")) {
		t->cpu_requests += lp_quantity_text_milli(lp_json_str(container, "resources.requests.cpu"), 0);
		t->cpu_limits += lp_quantity_text_milli(lp_json_str(container, "resources.limits.cpu"), 0);
		t->memory_requests += lp_quantity_text_value(lp_json_str(container, "resources.requests.memory"), 0);
		t->memory_limits += lp_quantity_text_value(lp_json_str(container, "resources.limits.memory"), 0);
	}
}

static int
percent(int64_t part, int64_t whole)
{
	return whole > 0 ? (int)((double)part * 100.0 / (double)whole) : 0;
}

static const char *
cpu_text(struct lp_describe *d, int64_t milli)
{
	if (milli % 1000 == 0)
		return lp_arena_printf(&d->ctx->arena, "%" PRId64, milli / 1000) ?: "";
	return lp_arena_printf(&d->ctx->arena, "%" PRId64 "m", milli) ?: "";
}

static const char *
memory_text(struct lp_describe *d, int64_t bytes)
{
	const char *units[] = { "", "Ki", "Mi", "Gi", "Ti" };
	size_t unit = 0;

	while (bytes && bytes % 1024 == 0 && unit + 1 < lp_count(units)) {
		bytes /= 1024;
		unit++;
	}
	return lp_arena_printf(&d->ctx->arena, "%" PRId64 "%s", bytes, units[unit]) ?: "";
}

static void
add_pod(struct lp_describe *d, const struct lp_json *pod, int64_t cpu, int64_t memory)
{
	struct totals t = { 0 };

	add_up(&t, pod);
	lp_describe_line(d, 1, "%s\t%s\t%s (%d%%)\t%s (%d%%)\t%s (%d%%)\t%s (%d%%)\t%s", lp_object_namespace(pod), lp_object_name(pod),
	    cpu_text(d, t.cpu_requests), percent(t.cpu_requests, cpu), cpu_text(d, t.cpu_limits), percent(t.cpu_limits, cpu),
	    memory_text(d, t.memory_requests), percent(t.memory_requests, memory), memory_text(d, t.memory_limits),
	    percent(t.memory_limits, memory), lp_print_age(&d->ctx->arena, lp_json_str(pod, "metadata.creationTimestamp"), d->now_ms));
}

static int
add_pods(struct lp_describe *d, const struct lp_json *node)
{
	struct lp_arena *arena = &d->ctx->arena;
	const char *fields = lp_arena_printf(arena, "spec.nodeName=%s,status.phase!=Failed,status.phase!=Succeeded", lp_object_name(node));
	int64_t cpu = lp_quantity_text_milli(lp_json_str(node, "status.allocatable.cpu"), 0);
	int64_t memory = lp_quantity_text_value(lp_json_str(node, "status.allocatable.memory"), 0);
	struct totals t = { 0 };
	struct lp_json *list = NULL;
	int rc = lp_context_get(d->ctx, lp_resource_path(arena, lp_kind_find("v1", "Pod"), NULL, NULL, NULL,
	    lp_resource_query(arena, NULL, "fieldSelector", fields)), &list);

	if (rc < 0)
		return rc;
	lp_describe_line(d, 0, "Non-terminated Pods:\t(%zu in total)", lp_json_count(lp_json_get(list, "items")));
	lp_describe_line(d, 1, "Namespace\tName\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
	lp_describe_line(d, 1, "---------\t----\t------------\t----------\t---------------\t-------------\t---");
	lp_json_each(pod, lp_json_get(list, "items")) {
		add_pod(d, pod, cpu, memory);
		add_up(&t, pod);
	}
	lp_describe_line(d, 0, "Allocated resources:");
	lp_describe_line(d, 1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
	lp_describe_line(d, 1, "Resource\tRequests\tLimits");
	lp_describe_line(d, 1, "--------\t--------\t------");
	lp_describe_line(d, 1, "cpu\t%s (%d%%)\t%s (%d%%)", cpu_text(d, t.cpu_requests), percent(t.cpu_requests, cpu), cpu_text(d, t.cpu_limits),
	    percent(t.cpu_limits, cpu));
	lp_describe_line(d, 1, "memory\t%s (%d%%)\t%s (%d%%)", memory_text(d, t.memory_requests), percent(t.memory_requests, memory),
	    memory_text(d, t.memory_limits), percent(t.memory_limits, memory));
	return 0;
}

int
lp_describe_node(struct lp_describe *d, const struct lp_json *node)
{
	int rc;

	lp_describe_head(d, node);
	add_roles(d, node);
	lp_describe_map(d, 0, "Labels:", "=", lp_object_labels(node));
	lp_describe_map(d, 0, "Annotations:", ": ", lp_json_path(node, "metadata.annotations"));
	lp_describe_line(d, 0, "CreationTimestamp:\t%s", lp_describe_time(d, lp_json_str(node, "metadata.creationTimestamp")));
	add_taints(d, lp_json_path(node, "spec.taints"));
	lp_describe_line(d, 0, "Unschedulable:\t%s", lp_json_bool(node, "spec.unschedulable", false) ? "true" : "false");
	add_conditions(d, lp_json_path(node, "status.conditions"));
	lp_describe_line(d, 0, "Addresses:");
	lp_json_each(address, lp_json_path(node, "status.addresses"))
		lp_describe_line(d, 1, "%s:\t%s", lp_json_str(address, "type") ?: "", lp_json_str(address, "address") ?: "");
	add_amounts(d, "Capacity", lp_json_path(node, "status.capacity"));
	add_amounts(d, "Allocatable", lp_json_path(node, "status.allocatable"));
	add_system(d, lp_json_path(node, "status.nodeInfo"));
	if (lp_json_str(node, "spec.podCIDR"))
		lp_describe_line(d, 0, "PodCIDR:\t%s", lp_json_str(node, "spec.podCIDR"));
	rc = add_pods(d, node);
	return rc < 0 ? rc : lp_describe_events(d, node);
}
