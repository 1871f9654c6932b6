#include "agent/pod/hierarchy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/convert/convert.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/path.h"

enum { PATH_MAX_BYTES = 256, SYSTEM_MIN_BYTES = 32 << 20, OOM_SCORE = -999 };

static int
open_cgroup(const struct lp_agent *agent, const char *name, int *out_fd, struct lp_err *err)
{
	char path[PATH_MAX_BYTES];

	if (agent->cgroup_fd < 0)
		return lp_err_set(err, -ENOENT, "no cgroup v2");
	(void)snprintf(path, sizeof(path), "%s%s%s", agent->instance.id, *name ? "/" : "", name);
	return lp_cgroup_open(agent->cgroup_fd, path, out_fd, err);
}

/* Limits that cannot be set here are told by the node's condition. */
static void
limit(const struct lp_agent *agent, const char *name, const struct lp_cgroup_limits *limits)
{
	lp_auto_fd int fd = -1;
	uint32_t missing;
	struct lp_err err = { 0 };

	if (open_cgroup(agent, name, &fd, &err) < 0)
		return;		/* no pod of this class was ever here */
	if (lp_cgroup_update(fd, limits, &missing, &err) < 0)
		lp_log(LP_LOG_WARN, "a cgroup above the pods is not limited", "cgroup=%s why=\"%s\"", *name ? name : agent->instance.id, err.text);
}

static void
protect_self(const struct lp_agent *agent)
{
	lp_auto_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", OOM_SCORE);

	if (!agent->node.may_protect)
		return;
	if (fd < 0 || write(fd, text, (size_t)len) != len)
		lp_log(LP_LOG_WARN, "the agent is not protected from the OOM killer", "why=\"%s\"", strerror(errno));
}

/* Only where its memory is protected: elsewhere this would be a move for nothing. */
static void
enter_system(const struct lp_agent *agent)
{
	lp_auto_fd int fd = -1, procs_fd = -1;
	struct lp_err err = { 0 };

	if (open_cgroup(agent, "system", &fd, &err) < 0 || faccessat(fd, "memory.min", F_OK, 0) < 0)
		return;
	procs_fd = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (procs_fd < 0 || write(procs_fd, "0", 1) != 1)
		lp_log(LP_LOG_WARN, "the agent's memory may be reclaimed", "cgroup=%s/system why=\"%s\"", agent->instance.id, strerror(errno));
}

void
lp_hierarchy_protect(struct lp_agent *agent, bool enter)
{
	const struct lp_allowance *allowance = &agent->allowance;
	struct lp_cgroup_limits all = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET }, own = all;
	struct lp_measure_node node;

	protect_self(agent);
	lp_measure_node(agent->data_fd, &node);
	if (allowance->memory_bytes > 0 && allowance->memory_bytes < agent->node.memory_bytes)
		all.memory_max_bytes = (uint64_t)(agent->node.memory_bytes - allowance->memory_bytes);
	if (allowance->cpu_milli > 0 && allowance->cpu_milli < agent->node.cpu_milli)
		all.cpu_request_milli = (uint64_t)(agent->node.cpu_milli - allowance->cpu_milli);
	if (allowance->pids > 0 && (uint64_t)allowance->pids < node.pids_max)
		all.pids_max = node.pids_max - (uint64_t)allowance->pids;
	all.memory_min_bytes = own.memory_min_bytes = SYSTEM_MIN_BYTES;	/* protection goes only as far as every directory on the way has it */
	limit(agent, "", &all);
	limit(agent, "system", &own);
	if (enter)
		enter_system(agent);
}

void
lp_hierarchy_weigh(struct lp_agent *agent)
{
	struct lp_cgroup_limits burstable = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET }, guaranteed = burstable, rest = burstable;
	int64_t cpu_milli = 0, guaranteed_milli = 0, memory_bytes = 0;
	size_t pos = 0, count = 0;
	void *value;

	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *pod = value;

		if (pod->keeper == LP_PODPLAN_NONE || pod->keeper == LP_PODPLAN_SPAWNED)
			continue;	/* its keeper may not have made the directory yet */
		count++;
		if (pod->wants.qos == LP_CONVERT_GUARANTEED)
			guaranteed_milli += pod->wants.cpu_milli;
		if (pod->wants.qos != LP_CONVERT_BURSTABLE)
			continue;
		cpu_milli += pod->wants.cpu_milli;
		memory_bytes += pod->wants.memory_bytes;
	}
	if (agent->cgroup_fd < 0 ||
	    (agent->weighed_count == count && agent->weighed_milli == cpu_milli && agent->weighed_guaranteed_milli == guaranteed_milli &&
	     agent->weighed_bytes == memory_bytes))
		return;
	agent->weighed_bytes = memory_bytes;
	agent->weighed_count = count;
	agent->weighed_milli = cpu_milli;
	agent->weighed_guaranteed_milli = guaranteed_milli;
	burstable.cpu_request_milli = (uint64_t)cpu_milli;
	if (cpu_milli == 0)
		burstable.cpu_weight = 1;
	if (agent->allowance.memory_qos)
		burstable.memory_min_bytes = (uint64_t)memory_bytes;
	guaranteed.cpu_request_milli = (uint64_t)guaranteed_milli;	/* with a folder of their own they would all weigh 100 */
	rest.cpu_weight = 1;
	limit(agent, lp_convert_qos_folder(LP_CONVERT_GUARANTEED), &guaranteed);
	limit(agent, lp_convert_qos_folder(LP_CONVERT_BURSTABLE), &burstable);
	limit(agent, lp_convert_qos_folder(LP_CONVERT_BEST_EFFORT), &rest);
}

int
lp_hierarchy_open(const struct lp_pod *pod, const char *container, uint64_t attempt, int *out_fd, struct lp_err *err)
{
	char name[PATH_MAX_BYTES];

	if (container)
		(void)snprintf(name, sizeof(name), "%s/pod%s/%s.%" PRIu64, lp_convert_qos_folder(pod->wants.qos), pod->uid, container, attempt);
	else
		(void)snprintf(name, sizeof(name), "%s/pod%s", lp_convert_qos_folder(pod->wants.qos), pod->uid);
	return open_cgroup(pod->agent, name, out_fd, err);
}

int
lp_hierarchy_measure(const struct lp_pod *pod, struct lp_measure_use *out, struct lp_err *err)
{
	lp_auto_fd int fd = -1;
	int rc = lp_hierarchy_open(pod, NULL, 0, &fd, err);

	return rc < 0 ? rc : lp_measure_cgroup(fd, out, err);
}
