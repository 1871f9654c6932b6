#include "agent/node/evict.h"

static bool
has_requests(enum lp_pressure_signal signal)
{
	return signal == LP_PRESSURE_MEMORY || signal == LP_PRESSURE_NODEFS || signal == LP_PRESSURE_IMAGEFS;
}

bool
lp_evict_before(enum lp_pressure_signal signal, const struct lp_evict_pod *a, const struct lp_evict_pod *b)
{
	bool requests = has_requests(signal), a_over = a->use > a->request, b_over = b->use > b->request;

	if (a->known != b->known)
		return !a->known;
	if (requests && a->known && a_over != b_over)
		return a_over;
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return requests ? a->use - a->request > b->use - b->request : a->use > b->use;
}

int
lp_evict_choose(enum lp_pressure_signal signal, const struct lp_evict_pod *pods, size_t count)
{
	int best = -1;

	for (size_t i = 0; i < count; i++)
		if (!pods[i].critical && !pods[i].leaving && (best < 0 || lp_evict_before(signal, &pods[i], &pods[best])))
			best = (int)i;
	return best;
}
