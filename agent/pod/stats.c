#include "agent/pod/stats.h"

#include <string.h>

#include "agent/node/measure.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/hierarchy.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/clock.h"

/* A sample is good for a rate from half a second on, and speaks of the present for a minute; watchers get a new one after five seconds. */
enum { YOUNG_MS = 500, OLD_MS = 60000, RENEW_MS = 5000, NANOS_PER_USEC = 1000 };

/* ---- samples */

static bool
is_running(const struct lp_pod_container *container)
{
	return container->known && container->status.run == LP_CONTROL_RUN_RUNNING;
}

static int
use_of(const struct lp_pod *pod, const struct lp_pod_container *container, struct lp_measure_use *out)
{
	lp_auto_fd int fd = -1;
	int rc = lp_hierarchy_open(pod, container->name, container->status.attempt, &fd, NULL);

	return rc < 0 ? rc : lp_measure_cgroup(fd, out, NULL);
}

static bool
sample_fits(const struct lp_stats_sample *sample, uint64_t attempt, int64_t now_ms)
{
	return sample->at_ms && sample->attempt == attempt && now_ms - sample->at_ms >= YOUNG_MS && now_ms - sample->at_ms <= OLD_MS;
}

/* A younger one stays: another reader waits for it to ripen. */
static bool
needs_sample(const struct lp_stats_sample *sample, uint64_t attempt, int64_t now_ms)
{
	return !sample->at_ms || sample->attempt != attempt || now_ms - sample->at_ms > OLD_MS;
}

static bool
prepare_one(struct lp_pod *pod, struct lp_pod_container *container, int64_t now_ms)
{
	uint64_t attempt = container->status.attempt;
	struct lp_measure_use use;

	if (needs_sample(&container->sample, attempt, now_ms) && use_of(pod, container, &use) == 0)
		container->sample = (struct lp_stats_sample){ .at_ms = now_ms, .cpu_usec = use.cpu_usec, .attempt = attempt };
	return sample_fits(&container->sample, attempt, now_ms);
}

bool
lp_stats_prepare(struct lp_agent *agent, int64_t now_ms)
{
	struct lp_measure_node node;
	size_t pos = 0;
	void *value;
	bool ready;

	if (needs_sample(&agent->sample, 0, now_ms)) {
		lp_measure_node(agent->data_fd, &node);
		agent->sample = (struct lp_stats_sample){ .at_ms = now_ms, .cpu_usec = node.cpu_usec };
	}
	ready = sample_fits(&agent->sample, 0, now_ms);
	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		struct lp_pod *pod = value;

		for (size_t i = 0; i < pod->container_count; i++)
			if (is_running(&pod->containers[i]))
				ready = prepare_one(pod, &pod->containers[i], now_ms) && ready;
	}
	return ready;
}

/* Nanocores since the sample; a new sample when this one is long enough ago. */
static uint64_t
rate(struct lp_stats_sample *sample, uint64_t cpu_usec, uint64_t attempt, int64_t now_ms)
{
	int64_t past_ms = now_ms - sample->at_ms;
	uint64_t nanocores;

	if (!sample_fits(sample, attempt, now_ms) || cpu_usec < sample->cpu_usec)
		return 0;
	nanocores = (cpu_usec - sample->cpu_usec) * 1000000 / (uint64_t)past_ms;
	if (past_ms >= RENEW_MS)
		*sample = (struct lp_stats_sample){ .at_ms = now_ms, .cpu_usec = cpu_usec, .attempt = attempt };
	return nanocores;
}

/* ---- the document */

struct summary {
	struct lp_agent *agent;
	struct lp_arena *arena;
	const char *time;
	int64_t now_ms;
};

static void
set_u64(struct lp_arena *arena, struct lp_json *object, const char *key, uint64_t value)
{
	(void)lp_json_set_int(arena, object, key, (int64_t)(value > INT64_MAX ? INT64_MAX : value));
}

static struct lp_json *
begin(const struct summary *summary, struct lp_json *row, const char *key)
{
	struct lp_json *object = lp_json_set_object(summary->arena, row, key);

	(void)lp_json_set_str(summary->arena, object, "time", summary->time);
	return object;
}

static void
add_use(const struct summary *summary, struct lp_json *row, const struct lp_measure_use *use, uint64_t nanocores)
{
	struct lp_arena *arena = summary->arena;
	struct lp_json *cpu = begin(summary, row, "cpu"), *memory = begin(summary, row, "memory"), *io = begin(summary, row, "io");

	set_u64(arena, cpu, "usageNanoCores", nanocores);
	set_u64(arena, cpu, "usageCoreNanoSeconds", use->cpu_usec * NANOS_PER_USEC);
	set_u64(arena, memory, "workingSetBytes", use->memory_bytes);
	set_u64(arena, memory, "rssBytes", use->anon_bytes);
	if (use->memory_limit_bytes) {
		set_u64(arena, memory, "limitBytes", use->memory_limit_bytes);
		set_u64(arena, memory, "availableBytes", use->memory_limit_bytes > use->memory_bytes ? use->memory_limit_bytes - use->memory_bytes : 0);
	}
	(void)lp_json_set_bool(arena, memory, "exact", use->exact);
	set_u64(arena, io, "readBytes", use->read_bytes);
	set_u64(arena, io, "writeBytes", use->written_bytes);
	set_u64(arena, lp_json_set_object(arena, row, "process_stats"), "process_count", use->pids);
}

static void
add_net(const struct summary *summary, struct lp_json *row, const char *name, pid_t pid)
{
	struct lp_measure_net net;
	struct lp_json *network;

	if (lp_measure_net(pid, &net, NULL) < 0)
		return;		/* it has just ended */
	network = begin(summary, row, "network");
	(void)lp_json_set_str(summary->arena, network, "name", name);
	set_u64(summary->arena, network, "rxBytes", net.rx_bytes);
	set_u64(summary->arena, network, "rxErrors", net.rx_errors);
	set_u64(summary->arena, network, "txBytes", net.tx_bytes);
	set_u64(summary->arena, network, "txErrors", net.tx_errors);
}

static void
add_container(const struct summary *summary, struct lp_json *list, struct lp_pod *pod, struct lp_pod_container *container,
    struct lp_measure_use *sum, uint64_t *sum_nanocores)
{
	struct lp_measure_use use;
	char started[LP_CLOCK_TEXT];
	struct lp_json *row;
	uint64_t nanocores;

	if (!is_running(container) || use_of(pod, container, &use) < 0)
		return;
	nanocores = rate(&container->sample, use.cpu_usec, container->status.attempt, summary->now_ms);
	row = lp_json_append(summary->arena, list, lp_json_new(summary->arena, LP_JSON_OBJECT));
	lp_clock_print(container->status.started_ms, started);
	(void)lp_json_set_str(summary->arena, row, "name", container->name);
	(void)lp_json_set_str(summary->arena, row, "startTime", started);
	add_use(summary, row, &use, nanocores);
	*sum_nanocores += nanocores;
	sum->cpu_usec += use.cpu_usec;
	sum->memory_bytes += use.memory_bytes;
	sum->anon_bytes += use.anon_bytes;
	sum->pids += use.pids;
	sum->read_bytes += use.read_bytes;
	sum->written_bytes += use.written_bytes;
	sum->exact = use.exact;
}

static void
add_pod(const struct summary *summary, struct lp_json *list, struct lp_pod *pod)
{
	struct lp_arena *arena = summary->arena;
	struct lp_json *row = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT)), *reference, *containers;
	struct lp_measure_use sum = { 0 };
	char started[LP_CLOCK_TEXT];
	uint64_t nanocores = 0;
	pid_t pid = 0;

	reference = lp_json_set_object(arena, row, "podRef");
	(void)lp_json_set_str(arena, reference, "name", pod->name);
	(void)lp_json_set_str(arena, reference, "namespace", pod->namespace);
	(void)lp_json_set_str(arena, reference, "uid", pod->uid);
	lp_clock_print(pod->go_ms, started);
	(void)lp_json_set_str(arena, row, "startTime", started);
	containers = lp_json_set_array(arena, row, "containers");
	for (size_t i = 0; i < pod->container_count; i++) {
		add_container(summary, containers, pod, &pod->containers[i], &sum, &nanocores);
		if (is_running(&pod->containers[i]))
			pid = pod->containers[i].status.pid;
	}
	add_use(summary, row, &sum, nanocores);
	if (pid > 0 && !lp_pod_is_host_network(pod))
		add_net(summary, row, "eth0", pid);
}

static void
add_node(const struct summary *summary, struct lp_json *document)
{
	struct lp_agent *agent = summary->agent;
	struct lp_arena *arena = summary->arena;
	struct lp_json *node = lp_json_set_object(arena, document, "node"), *cpu, *memory, *fs, *limits;
	struct lp_measure_node use;
	char started[LP_CLOCK_TEXT];
	uint64_t available;

	lp_measure_node(agent->data_fd, &use);
	lp_clock_print(agent->started_ms, started);
	(void)lp_json_set_str(arena, node, "nodeName", agent->name);
	(void)lp_json_set_str(arena, node, "startTime", started);
	cpu = begin(summary, node, "cpu");
	set_u64(arena, cpu, "usageNanoCores", rate(&agent->sample, use.cpu_usec, 0, summary->now_ms));
	set_u64(arena, cpu, "usageCoreNanoSeconds", use.cpu_usec * NANOS_PER_USEC);
	memory = begin(summary, node, "memory");
	available = use.memory_free_bytes + use.memory_inactive_file_bytes;
	set_u64(arena, memory, "availableBytes", available);
	set_u64(arena, memory, "usageBytes", use.memory_bytes - use.memory_free_bytes);
	set_u64(arena, memory, "workingSetBytes", use.memory_bytes > available ? use.memory_bytes - available : 0);
	set_u64(arena, memory, "rssBytes", use.memory_anon_bytes);
	add_net(summary, node, "", 1);
	fs = begin(summary, node, "fs");
	set_u64(arena, fs, "availableBytes", use.disk_free_bytes);
	set_u64(arena, fs, "capacityBytes", use.disk_bytes);
	set_u64(arena, fs, "usedBytes", use.disk_bytes - use.disk_free_bytes);
	set_u64(arena, fs, "inodesFree", use.inodes_free);
	set_u64(arena, fs, "inodes", use.inodes);
	limits = begin(summary, node, "rlimit");
	set_u64(arena, limits, "maxpid", use.pids_max);
	set_u64(arena, limits, "curproc", use.pids);
}

struct lp_json *
lp_stats_summary(struct lp_agent *agent, struct lp_arena *arena, int64_t now_ms)
{
	struct lp_json *document = lp_json_new(arena, LP_JSON_OBJECT), *pods;
	char time[LP_CLOCK_TEXT];
	const struct summary summary = { .agent = agent, .arena = arena, .time = time, .now_ms = now_ms };
	size_t pos = 0;
	void *value;

	lp_clock_print(lp_clock_wall_ms(), time);
	(void)lp_json_set_int(arena, document, "windowMs", agent->sample.at_ms ? now_ms - agent->sample.at_ms : 0);
	add_node(&summary, document);
	pods = lp_json_set_array(arena, document, "pods");
	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		struct lp_pod *pod = value;

		if (pod->json && pod->keeper == LP_PODPLAN_RUNNING && *pod->namespace)
			add_pod(&summary, pods, pod);
	}
	return arena->failed ? NULL : document;
}
