#include "specs/check_hooks.h"

#include "base/text.h"

/* Probes, hooks and restart policies of a pod's containers, as far as they concern the pod. */

enum { DEFAULT_GRACE_S = 30 };

static const char *const probes[] = { "livenessProbe", "readinessProbe", "startupProbe" };

static void
check_probe_grace(const struct lp_json *container, const struct lp_trail *trail, struct lp_faults *faults)
{
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		const struct lp_json *probe = lp_json_get(container, probes[i]);
		const struct lp_json *grace = lp_json_get(probe, "terminationGracePeriodSeconds");
		struct lp_trail here = { .up = trail, .name = probes[i] };

		if (!grace)
			continue;
		if (lp_text_same(probes[i], "readinessProbe"))
			lp_check_fault(faults, &here, "terminationGracePeriodSeconds", LP_FAULT_INVALID, grace,
			    "must not be set for readinessProbes");
		else if (lp_json_int(probe, "terminationGracePeriodSeconds", 0) <= 0)
			lp_check_fault(faults, &here, "terminationGracePeriodSeconds", LP_FAULT_INVALID, grace, "must be greater than 0");
	}
}

static void
check_sleeps(const struct lp_json *container, int64_t grace_s, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const hooks[] = { "postStart", "preStop" };

	for (size_t i = 0; i < 2; i++) {
		const struct lp_json *sleep = lp_json_get(lp_json_get(lp_json_get(container, "lifecycle"), hooks[i]), "sleep");
		struct lp_trail lifecycle = { .up = trail, .name = "lifecycle" }, hook = { .up = &lifecycle, .name = hooks[i] };
		int64_t seconds = lp_json_int(sleep, "seconds", 0);

		if (sleep && (seconds < 0 || seconds > grace_s))
			lp_check_fault(faults, &hook, "sleep", LP_FAULT_INVALID, lp_json_get(sleep, "seconds"),
			    lp_arena_printf(faults->arena, "must be non-negative and less than terminationGracePeriodSeconds (%lld)", (long long)grace_s));
	}
}

/* What only those may have that stay. */
static void
check_init(const struct lp_json *container, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const fields[] = { "lifecycle", "livenessProbe", "readinessProbe", "startupProbe" };
	const struct lp_json *policy = lp_json_get(container, "restartPolicy");

	if (policy && !lp_text_same(lp_json_text(policy), "Always"))
		lp_check_fault(faults, trail, "restartPolicy", LP_FAULT_NOT_SUPPORTED, policy, "supported values: \"Always\"");
	if (policy)
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (lp_json_get(container, fields[i]))
			lp_check_fault(faults, trail, fields[i], LP_FAULT_FORBIDDEN, NULL,
			    "may not be set for init containers without restartPolicy=Always");
}

void
lp_check_probes(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults)
{
	static const char *const lists[] = { "initContainers", "containers" };
	int64_t grace_s = lp_json_int(spec, "terminationGracePeriodSeconds", DEFAULT_GRACE_S);

	for (size_t i = 0; i < 2; i++) {
		struct lp_trail list = { .up = trail, .name = lists[i] }, element = { .up = &list };

		lp_json_each(container, lp_json_get(spec, lists[i])) {
			if (i == 0)
				check_init(container, &element, faults);
			else if (lp_json_get(container, "restartPolicy"))
				lp_check_fault(faults, &element, "restartPolicy", LP_FAULT_FORBIDDEN, NULL, "may not be set for non-init containers");
			check_probe_grace(container, &element, faults);
			check_sleeps(container, grace_s, &element, faults);
			element.index++;
		}
	}
}
