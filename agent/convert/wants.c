#include "agent/convert/wants.h"

#include "agent/convert/storage.h"
#include "agent/node/evict.h"
#include "base/text.h"

/* Of all pods of a node together they can be added without a second thought. */
static int64_t
sum_of(const struct lp_spec_pod *pod, const char *name)
{
	const int64_t most = INT64_MAX >> 10, sum = lp_convert_sum(pod, false, name, NULL);

	return sum < most ? sum : most;
}

void
lp_wants_read(const struct lp_spec_pod *pod, struct lp_wants *out)
{
	const char *class = pod->spec->priority_class_name;
	bool node = lp_text_same(class, "system-node-critical"), cluster = lp_text_same(class, "system-cluster-critical");

	*out = (struct lp_wants){
		.qos = lp_convert_qos(pod),
		.cpu_milli = sum_of(pod, "cpu"),
		.memory_bytes = sum_of(pod, "memory"),
		.disk_bytes = sum_of(pod, "ephemeral-storage"),
		.priority = pod->spec->priority.has ? pod->spec->priority.value : 0,
		.limited_storage = lp_storage_limited(pod),
	};
	if ((node || cluster) && out->priority < LP_EVICT_CRITICAL)
		out->priority = (int32_t)LP_EVICT_CRITICAL;
	out->critical = node || out->priority >= LP_EVICT_CRITICAL;
}
