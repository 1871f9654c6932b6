#include <string.h>

#include "agent/convert.h"
#include "agent/convert_parts.h"
#include "base/auto.h"
#include "specs/quantity.h"

/* Requests and limits: quality of service, cgroup limits, the OOM killer's order. */

enum { PIDS_MAX = 1024 };

enum lp_convert_qos
lp_convert_qos(const struct lp_spec_pod *pod)
{
	static const char *const names[] = { "cpu", "memory" };
	bool any = false, guaranteed = true;

	for (size_t i = 0; i < pod->spec->init_containers.count + pod->spec->containers.count; i++) {
		const struct lp_spec_container *container = i < pod->spec->init_containers.count
							       ? pod->spec->init_containers.items[i]
							       : pod->spec->containers.items[i - pod->spec->init_containers.count];
		const struct lp_spec_resource_requirements *resources = container->resources;

		for (size_t n = 0; n < lp_count(names); n++) {
			const char *limit = resources ? lp_kinds_map_get(&resources->limits, names[n]) : NULL;
			const char *request = resources ? lp_kinds_map_get(&resources->requests, names[n]) : NULL;

			any = any || limit || request;
			/* A request that is absent is the limit. */
			if (!limit || (request && lp_quantity_text_milli(limit, 0) != lp_quantity_text_milli(request, 0)))
				guaranteed = false;
		}
	}
	if (!any)
		return LP_CONVERT_BEST_EFFORT;
	return guaranteed ? LP_CONVERT_GUARANTEED : LP_CONVERT_BURSTABLE;
}

const char *
lp_convert_qos_name(enum lp_convert_qos qos)
{
	switch (qos) {
	case LP_CONVERT_GUARANTEED:
		return "Guaranteed";
	case LP_CONVERT_BURSTABLE:
		return "Burstable";
	case LP_CONVERT_BEST_EFFORT:
		return "BestEffort";
	}
	return "";
}

const char *
lp_convert_qos_folder(enum lp_convert_qos qos)
{
	switch (qos) {
	case LP_CONVERT_GUARANTEED:
		return "guaranteed";
	case LP_CONVERT_BURSTABLE:
		return "burstable";
	case LP_CONVERT_BEST_EFFORT:
		return "besteffort";
	}
	return "";
}

/* Memory share of the node decides how early the OOM killer looks here. Source: kubelet qos/policy.go. */
int32_t
lp_convert_oom_score(enum lp_convert_qos qos, const struct lp_spec_container *container, const struct lp_facts *facts)
{
	const struct lp_spec_resource_requirements *resources = container->resources;
	const char *text = resources ? lp_kinds_map_get(&resources->requests, "memory") : NULL;
	int64_t request, score;

	if (qos == LP_CONVERT_GUARANTEED)
		return facts->may_protect ? -997 : 0;
	if (qos == LP_CONVERT_BEST_EFFORT || facts->memory_bytes <= 0)
		return 1000;
	if (!text && resources)
		text = lp_kinds_map_get(&resources->limits, "memory");
	request = lp_quantity_text_value(text, 0);
	score = 1000 - (int64_t)((double)request * 1000 / (double)facts->memory_bytes);
	return (int32_t)(score < 3 ? 3 : score > 999 ? 999 : score);
}

void
lp_convert_limits(const struct lp_spec_container *container, struct lp_cgroup_limits *out)
{
	const struct lp_spec_resource_requirements *resources = container->resources;
	const char *cpu_limit, *memory_limit, *cpu_request;

	out->swap_max_bytes = LP_CGROUP_SWAP_UNSET;
	out->pids_max = PIDS_MAX;
	if (!resources)
		return;
	cpu_limit = lp_kinds_map_get(&resources->limits, "cpu");
	memory_limit = lp_kinds_map_get(&resources->limits, "memory");
	cpu_request = lp_kinds_map_get(&resources->requests, "cpu");
	out->cpu_max_milli = (uint64_t)lp_quantity_text_milli(cpu_limit, 0);
	out->cpu_request_milli = (uint64_t)lp_quantity_text_milli(cpu_request ? cpu_request : cpu_limit, 0);
	out->memory_max_bytes = (uint64_t)lp_quantity_text_value(memory_limit, 0);
	if (memory_limit) {
		out->swap_max_bytes = 0;
		out->memory_oom_group = true;
	}
}
