#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/convert/convert.h"
#include "agent/convert/convert_parts.h"
#include "base/auto.h"
#include "base/text.h"
#include "specs/quantity.h"

/* Requests and limits: quality of service, cgroup limits, the OOM killer's order. */

enum { PIDS_MAX = 1024, CPU_PERIOD_MS = 100, GUARANTEED_SCORE = -997, LEAST_SCORE = 3, HUGE_PAGES_MAX = 4 };

#define PAGE_BYTES 4096

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

/* ---- what a container asks for */

static int64_t
amount_of(const struct lp_spec_container *container, bool limit, const char *name, bool milli)
{
	const struct lp_spec_resource_requirements *resources = container->resources;
	const char *text = resources ? lp_kinds_map_get(limit ? &resources->limits : &resources->requests, name) : NULL;
	int64_t value;

	/* A request that is absent is the limit. */
	if (!text && !limit && resources)
		text = lp_kinds_map_get(&resources->limits, name);
	value = milli ? lp_quantity_text_milli(text, 0) : lp_quantity_text_value(text, 0);
	return value > 0 ? value : 0;
}

static bool
is_sidecar(const struct lp_spec_container *init)
{
	return lp_text_same(init->restart_policy, "Always");
}

/* What does not fit is as much as there is: a sum that wraps around would be below every ceiling. */
static int64_t
plus(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Source: k8s.io/component-helpers resource/helpers.go PodRequests, PodLimits; kubelet cm/helpers_linux.go ResourceConfigForPod. */
int64_t
lp_convert_sum(const struct lp_spec_pod *pod, bool limit, const char *name, bool *out_all)
{
	const bool milli = strcmp(name, "cpu") == 0;
	int64_t running = 0, sidecars = 0, most = 0, overhead;
	bool all = true;

	for (size_t i = 0; i < pod->spec->containers.count; i++) {
		int64_t amount = amount_of(pod->spec->containers.items[i], limit, name, milli);

		all = all && amount > 0;
		running = plus(running, amount);
	}
	for (size_t i = 0; i < pod->spec->init_containers.count; i++) {
		const struct lp_spec_container *init = pod->spec->init_containers.items[i];
		int64_t amount = amount_of(init, limit, name, milli);

		all = all && amount > 0;
		if (is_sidecar(init))
			sidecars = plus(sidecars, amount);
		else if (plus(sidecars, amount) > most)
			most = plus(sidecars, amount);
	}
	overhead = milli ? lp_quantity_text_milli(lp_kinds_map_get(&pod->spec->overhead, name), 0)
			 : lp_quantity_text_value(lp_kinds_map_get(&pod->spec->overhead, name), 0);
	if (out_all)
		*out_all = all;
	running = plus(running, sidecars);
	return plus(running > most ? running : most, limit && !all ? 0 : overhead);
}

/* ---- the OOM killer's order */

static int64_t
clamp_score(int64_t score)
{
	return score < LEAST_SCORE ? LEAST_SCORE : score > 999 ? 999 : score;
}

/* The least score among the containers that a sidecar serves: it must not go before them. */
static int64_t
least_score(const struct lp_spec_pod *pod, int64_t memory_bytes)
{
	int64_t least = 1000;

	for (size_t i = 0; i < pod->spec->containers.count; i++) {
		int64_t request = amount_of(pod->spec->containers.items[i], false, "memory", false);
		int64_t score = 1000 - (int64_t)((double)request * 1000 / (double)memory_bytes);

		least = score < least ? score : least;
	}
	return least;
}

/* Memory share of the node decides how early the OOM killer looks here. Source: kubelet qos/policy.go. */
int32_t
lp_convert_oom_score(const struct lp_spec_pod *pod, const struct lp_spec_container *container, const struct lp_facts *facts)
{
	enum lp_convert_qos qos = lp_convert_qos(pod);
	int64_t score, least;

	if (qos == LP_CONVERT_GUARANTEED || lp_text_same(pod->spec->priority_class_name, "system-node-critical"))
		return facts->may_protect ? GUARANTEED_SCORE : 0;
	if (qos == LP_CONVERT_BEST_EFFORT || facts->memory_bytes <= 0)
		return 1000;
	score = 1000 - (int64_t)((double)amount_of(container, false, "memory", false) * 1000 / (double)facts->memory_bytes);
	for (size_t i = 0; i < pod->spec->init_containers.count; i++)
		if (pod->spec->init_containers.items[i] == container && is_sidecar(container)) {
			least = least_score(pod, facts->memory_bytes);
			score = score < least ? score : least;
		}
	return (int32_t)clamp_score(score);
}

/* ---- cgroup limits */

/* "2Mi" -> "2MB", as the kernel names hugetlb.2MB.max. -EINVAL for what is no size of pages. */
static int
page_name(const char *size, char out[static 16])
{
	static const struct {
		const char *binary, *page;
	} units[] = { { "Ki", "KB" }, { "Mi", "MB" }, { "Gi", "GB" } };
	size_t digits = strspn(size, "0123456789");

	for (size_t i = 0; i < lp_count(units); i++)
		if (digits > 0 && digits < 6 && strcmp(size + digits, units[i].binary) == 0) {
			(void)snprintf(out, 16, "%.*s%s", (int)digits, size, units[i].page);
			return 0;
		}
	return -EINVAL;
}

static int
add_huge_page(struct lp_arena *arena, const char *size, int64_t bytes, struct lp_cgroup_limits *out)
{
	struct lp_cgroup_huge *rows = (struct lp_cgroup_huge *)(uintptr_t)out->huge;	/* ours: made below */
	char page[16];

	if (page_name(size, page) < 0)
		return 0;		/* the manager has refused it */
	for (size_t i = 0; i < out->huge_count; i++)
		if (strcmp(rows[i].page, page) == 0) {
			rows[i].bytes += (uint64_t)bytes;
			return 0;
		}
	if (!rows)
		out->huge = rows = lp_arena_alloc(arena, HUGE_PAGES_MAX * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	if (out->huge_count == HUGE_PAGES_MAX)
		return 0;
	rows[out->huge_count++] = (struct lp_cgroup_huge){ .page = lp_arena_str(arena, page), .bytes = (uint64_t)bytes };
	return 0;
}

static int
add_huge_pages(struct lp_arena *arena, const struct lp_spec_container *container, struct lp_cgroup_limits *out)
{
	const struct lp_spec_resource_requirements *resources = container->resources;
	int rc = 0;

	for (size_t i = 0; rc == 0 && resources && i < resources->limits.count; i++) {
		const char *name = resources->limits.items[i].key;

		if (lp_text_starts(name, "hugepages-"))
			rc = add_huge_page(arena, name + strlen("hugepages-"), lp_quantity_text_value(resources->limits.items[i].value, 0), out);
	}
	return rc;
}

/* Memory QoS: what was requested is never reclaimed; towards the limit allocations are slowed down. Source: KEP-2570. */
static void
add_memory_qos(const struct lp_facts *facts, int64_t request, int64_t limit, bool guaranteed, struct lp_cgroup_limits *out)
{
	int64_t top = limit > 0 ? limit : facts->memory_bytes;

	if (!facts->memory_qos)
		return;
	out->memory_min_bytes = (uint64_t)request;
	if (!guaranteed && top > request)
		out->memory_high_bytes = (uint64_t)(request + (top - request) / 10 * 9) / PAGE_BYTES * PAGE_BYTES;
}

/* At most what the owner of the node allows; 0: no limit. */
static void
cap(uint64_t *value, int64_t most)
{
	if (most && (!*value || *value > (uint64_t)most))
		*value = (uint64_t)most;
}

int
lp_convert_limits(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_spec_container *container,
    const struct lp_facts *facts, struct lp_cgroup_limits *out)
{
	int64_t memory_limit = amount_of(container, true, "memory", false);

	*out = (struct lp_cgroup_limits){ .swap_max_bytes = LP_CGROUP_SWAP_UNSET };
	out->pids_max = PIDS_MAX;
	if (facts->ceiling)
		cap(&out->pids_max, facts->ceiling->max_processes);
	out->cpu_max_milli = (uint64_t)amount_of(container, true, "cpu", true);
	out->cpu_request_milli = (uint64_t)amount_of(container, false, "cpu", true);
	out->memory_max_bytes = (uint64_t)memory_limit;
	if (memory_limit) {
		out->swap_max_bytes = 0;
		out->memory_oom_group = true;
	}
	add_memory_qos(facts, amount_of(container, false, "memory", false), memory_limit, lp_convert_qos(pod) == LP_CONVERT_GUARANTEED, out);
	return add_huge_pages(arena, container, out);
}

/* The pod's own cgroup holds its containers together: a limit only where all of them have one. */
int
lp_convert_pod_limits(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_cgroup_limits *out)
{
	size_t count = pod->spec->init_containers.count + pod->spec->containers.count;
	enum lp_convert_qos qos = lp_convert_qos(pod);
	int64_t cpu, memory;
	bool all_cpu, all_memory;
	int rc = 0;

	*out = (struct lp_cgroup_limits){ .swap_max_bytes = LP_CGROUP_SWAP_UNSET };
	cpu = lp_convert_sum(pod, true, "cpu", &all_cpu);
	memory = lp_convert_sum(pod, true, "memory", &all_memory);
	out->cpu_request_milli = (uint64_t)lp_convert_sum(pod, false, "cpu", NULL);
	if (qos == LP_CONVERT_BEST_EFFORT)
		out->cpu_weight = 1;
	out->cpu_max_milli = all_cpu ? (uint64_t)cpu : 0;
	out->memory_max_bytes = all_memory ? (uint64_t)memory : 0;
	if (facts->ceiling) {	/* a pod without limits of its own has those */
		cap(&out->cpu_max_milli, facts->ceiling->pod_cpu_milli);
		cap(&out->memory_max_bytes, facts->ceiling->pod_memory_bytes);
	}
	if (facts->memory_qos)
		out->memory_min_bytes = (uint64_t)lp_convert_sum(pod, false, "memory", NULL);
	out->pids_max = facts->pod_pids_max ? facts->pod_pids_max : PIDS_MAX * count;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = add_huge_pages(arena, i < pod->spec->init_containers.count
			? pod->spec->init_containers.items[i]
			: pod->spec->containers.items[i - pod->spec->init_containers.count], out);
	return rc;
}
