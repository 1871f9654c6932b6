#include "agent/pod/pinning.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/convert/convert.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/hierarchy.h"
#include "agent/pod/pod.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/quantity.h"

#define ANNOTATION "limpet.dev/cpu-pinning"

enum { WORD_BITS = 64, NUMBER_MAX = 8 };

/* ---- sets */

static bool
has(const struct lp_cpus *cpus, size_t n)
{
	return n < LP_PINNING_CPUS && cpus->bits[n / WORD_BITS] & UINT64_C(1) << n % WORD_BITS;
}

static void
put(struct lp_cpus *cpus, size_t n)
{
	cpus->bits[n / WORD_BITS] |= UINT64_C(1) << n % WORD_BITS;
}

static int
take_number(const char **at, uint64_t *out)
{
	size_t digits = strspn(*at, "0123456789");
	char text[NUMBER_MAX];

	if (digits == 0 || digits >= sizeof(text))
		return -EINVAL;
	memcpy(text, *at, digits);
	text[digits] = '\0';
	*at += digits;
	return lp_text_u64(text, LP_PINNING_CPUS - 1, out);
}

int
lp_pinning_parse(const char *text, struct lp_cpus *out)
{
	struct lp_cpus cpus = { { 0 } };
	uint64_t first, last;

	while (*text) {
		if (take_number(&text, &first) < 0)
			return -EINVAL;
		last = first;
		if (*text == '-' && (text++, take_number(&text, &last) < 0))
			return -EINVAL;
		if (last < first || (*text && *text++ != ','))
			return -EINVAL;
		for (; first <= last; first++)
			put(&cpus, first);
	}
	*out = cpus;
	return 0;
}

void
lp_pinning_print(const struct lp_cpus *cpus, char out[static LP_PINNING_TEXT])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t n = 0; n < LP_PINNING_CPUS && len < LP_PINNING_TEXT - 2 * NUMBER_MAX; n++) {
		size_t last = n;

		if (!has(cpus, n))
			continue;
		while (has(cpus, last + 1))
			last++;
		len += (size_t)snprintf(out + len, LP_PINNING_TEXT - len, last > n ? "%s%zu-%zu" : "%s%zu", len ? "," : "", n, last);
		n = last;
	}
}

size_t
lp_pinning_count(const struct lp_cpus *cpus)
{
	size_t count = 0;

	for (size_t n = 0; n < LP_PINNING_CPUS; n++)
		count += has(cpus, n);
	return count;
}

bool
lp_pinning_meet(const struct lp_cpus *a, const struct lp_cpus *b)
{
	for (size_t i = 0; i < lp_count(a->bits); i++)
		if (a->bits[i] & b->bits[i])
			return true;
	return false;
}

void
lp_pinning_remove(struct lp_cpus *from, const struct lp_cpus *what)
{
	for (size_t i = 0; i < lp_count(from->bits); i++)
		from->bits[i] &= ~what->bits[i];
}

void
lp_pinning_add(struct lp_cpus *to, const struct lp_cpus *what)
{
	for (size_t i = 0; i < lp_count(to->bits); i++)
		to->bits[i] |= what->bits[i];
}

int
lp_pinning_take(const struct lp_cpus *pool, size_t count, struct lp_cpus *out)
{
	*out = (struct lp_cpus){ { 0 } };
	if (lp_pinning_count(pool) <= count)
		return -ENOSPC;
	for (size_t n = LP_PINNING_CPUS; n-- > 0 && count > 0;)
		if (has(pool, n)) {
			put(out, n);
			count--;
		}
	return 0;
}

size_t
lp_pinning_wants(const struct lp_spec_pod *pod, const struct lp_spec_container *container, bool policy, bool annotated)
{
	const char *limit = container->resources ? lp_kinds_map_get(&container->resources->limits, "cpu") : NULL;
	const char *request = container->resources ? lp_kinds_map_get(&container->resources->requests, "cpu") : NULL;
	int64_t milli = lp_quantity_text_milli(limit, 0);

	if (!annotated && !(policy && lp_convert_qos(pod) == LP_CONVERT_GUARANTEED))
		return 0;
	return milli >= 1000 && milli % 1000 == 0 && lp_quantity_text_milli(request ? request : limit, 0) == milli ? (size_t)milli / 1000 : 0;
}

/* ---- this node's */

static void
online(struct lp_cpus *out)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	*out = (struct lp_cpus){ { 0 } };
	for (long n = 0; n < count && n < LP_PINNING_CPUS; n++)
		put(out, (size_t)n);
}

/* Cpus that belong to somebody. */
static void
pinned(const struct lp_agent *agent, struct lp_cpus *out)
{
	size_t pos = 0;
	void *value;

	*out = (struct lp_cpus){ { 0 } };
	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *pod = value;

		for (size_t i = 0; pod->keeper != LP_PODPLAN_NONE && i < pod->container_count; i++)
			lp_pinning_add(out, &pod->containers[i].cpus);
	}
}

static const struct lp_spec_container *
container_at(const struct lp_spec_pod *view, size_t i)
{
	size_t inits = view->spec->init_containers.count;

	return i < inits ? view->spec->init_containers.items[i] : view->spec->containers.items[i - inits];
}

int
lp_pinning_reserve(struct lp_pod *pod, const struct lp_spec_pod *view, struct lp_err *err)
{
	const struct lp_agent *agent = pod->agent;
	bool annotated = lp_text_same(lp_object_annotation(pod->json, ANNOTATION), "static");
	struct lp_cpus pool, taken;
	size_t reserved = (size_t)((agent->allowance.cpu_milli + 999) / 1000);

	online(&pool);
	pinned(agent, &taken);
	lp_pinning_remove(&pool, &taken);
	for (size_t n = 0; n < reserved && n < LP_PINNING_CPUS; n++)
		pool.bits[n / WORD_BITS] &= ~(UINT64_C(1) << n % WORD_BITS);
	for (size_t i = 0; i < pod->container_count; i++) {
		size_t count = lp_pinning_wants(view, container_at(view, i), agent->allowance.cpu_static, annotated);
		struct lp_cpus *own = &pod->containers[i].cpus;

		*own = (struct lp_cpus){ { 0 } };
		if (count == 0)
			continue;
		/* Without a reserve the last cpu stays for the others; with one, that is theirs. */
		if (reserved > 0 && lp_pinning_count(&pool) == count)
			*own = pool;
		else if (lp_pinning_take(&pool, count, own) < 0)
			return lp_err_say(err, -ENOSPC, "not enough cpus available to satisfy request: requested=%zu, available=%zu", count,
			    lp_pinning_count(&pool));
		lp_pinning_remove(&pool, own);
	}
	return 0;
}

/* What is left for everybody; false while nothing is taken. */
static bool
shared(const struct lp_agent *agent, struct lp_cpus *out)
{
	struct lp_cpus taken;

	online(out);
	pinned(agent, &taken);
	lp_pinning_remove(out, &taken);
	return lp_pinning_count(&taken) > 0;
}

const char *
lp_pinning_cpuset(const struct lp_pod *pod, size_t n, char out[static LP_PINNING_TEXT])
{
	struct lp_cpus pool;

	if (lp_pinning_count(&pod->containers[n].cpus) > 0)
		lp_pinning_print(&pod->containers[n].cpus, out);
	else if (shared(pod->agent, &pool))
		lp_pinning_print(&pool, out);
	else
		return NULL;
	return out;
}

static void
move_to(const struct lp_pod *pod, const struct lp_pod_container *container, const char *pool)
{
	const struct lp_cgroup_limits limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .cpuset_cpus = pool };
	lp_auto_fd int fd = -1;
	uint32_t missing;
	struct lp_err err = { 0 };

	if (lp_hierarchy_open(pod, container->name, container->status.attempt, &fd, &err) < 0)
		return;		/* it has just ended */
	if (lp_cgroup_update(fd, &limits, &missing, &err) < 0)
		lp_log(LP_LOG_WARN, "a container runs on cpus that are another's", "pod=%s/%s container=%s why=\"%s\"", pod->namespace, pod->name,
		    container->name, err.text);
}

void
lp_pinning_apply(struct lp_agent *agent)
{
	char text[LP_PINNING_TEXT];
	struct lp_cpus pool;
	size_t pos = 0;
	void *value;

	if (agent->cgroup_fd < 0 || (!shared(agent, &pool) && !agent->pooled))
		return;
	agent->pooled = true;		/* from now on: the pool also grows again */
	lp_pinning_print(&pool, text);
	while (lp_map_next(&agent->pods, &pos, NULL, &value)) {
		const struct lp_pod *pod = value;

		for (size_t i = 0; i < pod->container_count; i++) {
			const struct lp_pod_container *container = &pod->containers[i];

			if (container->known && container->status.run == LP_CONTROL_RUN_RUNNING && lp_pinning_count(&container->cpus) == 0)
				move_to(pod, container, text);
		}
	}
}
