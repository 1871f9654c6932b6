#include "agent/wants.h"

#include "agent/evict.h"
#include "agent/storage.h"
#include "base/text.h"

void
lp_wants_read(const struct lp_spec_pod *pod, struct lp_wants *out)
{
	const char *class = pod->spec->priority_class_name;
	bool node = lp_text_same(class, "system-node-critical"), cluster = lp_text_same(class, "system-cluster-critical");

	*out = (struct lp_wants){
		.qos = lp_convert_qos(pod),
		.cpu_milli = lp_convert_sum(pod, false, "cpu", NULL),
		.memory_bytes = lp_convert_sum(pod, false, "memory", NULL),
		.disk_bytes = lp_convert_sum(pod, false, "ephemeral-storage", NULL),
		.priority = pod->spec->priority.has ? pod->spec->priority.value : 0,
		.limited_storage = lp_storage_limited(pod),
	};
	if ((node || cluster) && out->priority < LP_EVICT_CRITICAL)
		out->priority = (int32_t)LP_EVICT_CRITICAL;
	out->critical = node || out->priority >= LP_EVICT_CRITICAL;
}
