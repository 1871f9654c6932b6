/*
 * agent/convert/wants.h - pure: the few figures of a pod's spec that the node looks at often.
 */
#ifndef LP_AGENT_WANTS_H
#define LP_AGENT_WANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/convert/convert.h"

struct lp_wants {
	enum lp_convert_qos qos;
	int64_t cpu_milli, memory_bytes, disk_bytes;	/* requests of the whole pod */
	int32_t priority;
	bool critical;			/* never evicted */
	bool limited_storage;		/* its disk use has to be measured */
};

void lp_wants_read(const struct lp_spec_pod *pod, struct lp_wants *out);

#endif
