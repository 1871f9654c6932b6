#include <string.h>

#include "base/text.h"
#include "specs/check_hooks.h"
#include "specs/schema.h"

/* What the `resize` subresource may change of a pod: cpu and memory of its containers. Source: kubernetes ValidatePodResize. */

static const char *const lists[] = { "initContainers", "containers" };
static const char *const halves[] = { "limits", "requests" };

static const struct lp_json *
find(const struct lp_json *list, const char *name)
{
	lp_json_each(container, list)
		if (lp_text_same(lp_json_str(container, "name"), name))
			return container;
	return NULL;
}

static bool
is_resizable(const char *name)
{
	return strcmp(name, "cpu") == 0 || strcmp(name, "memory") == 0;
}

static bool
same(const struct lp_json *a, const struct lp_json *b)
{
	return (!a && !b) || (a && b && lp_json_equal(a, b));
}

/* Every member of a that is not named `but` is the same in b. */
static bool
covers(const struct lp_json *a, const struct lp_json *b, const char *but, const char *but_too)
{
	lp_json_each(member, a)
		if (!lp_text_same(member->key, but) && !lp_text_same(member->key, but_too) && !same(member, lp_json_get(b, member->key)))
			return false;
	return true;
}

static bool
same_but(const struct lp_json *a, const struct lp_json *b, const char *but, const char *but_too)
{
	return covers(a, b, but, but_too) && covers(b, a, but, but_too);
}

/* Are all other resources the same, and is none of ours gone? */
static bool
only_amounts(const struct lp_json *now, const struct lp_json *before, const char **out_gone)
{
	for (size_t i = 0; i < 2; i++) {
		const struct lp_json *a = lp_json_get(now, halves[i]), *b = lp_json_get(before, halves[i]);

		if (!same_but(a, b, "cpu", "memory"))
			return false;
		lp_json_each(row, b)
			if (is_resizable(row->key) && !lp_json_get(a, row->key))
				*out_gone = halves[i];
	}
	return same_but(now, before, "limits", "requests");
}

static bool
same_containers(const struct lp_json *now, const struct lp_json *before, const char **out_gone)
{
	if (lp_json_count(now) != lp_json_count(before))
		return false;
	lp_json_each(container, now) {
		const struct lp_json *old = find(before, lp_json_str(container, "name"));

		if (!old || !same_but(container, old, "resources", NULL) ||
		    !only_amounts(lp_json_get(container, "resources"), lp_json_get(old, "resources"), out_gone))
			return false;
	}
	return true;
}

void
lp_check_pod_resize(const struct lp_json *pod, const struct lp_json *old, struct lp_faults *faults)
{
	const struct lp_json *spec = lp_json_get(pod, "spec"), *before = lp_json_get(old, "spec");
	const char *gone = NULL;
	bool ok = same_but(spec, before, lists[0], lists[1]);

	for (size_t i = 0; ok && i < 2; i++)
		ok = same_containers(lp_json_get(spec, lists[i]), lp_json_get(before, lists[i]), &gone);
	if (!ok)
		lp_faults_add(faults, LP_FAULT_FORBIDDEN, "spec", NULL, "only cpu and memory resources are mutable");
	else if (gone)
		lp_faults_add(faults, LP_FAULT_FORBIDDEN, "spec.containers", NULL,
		    strcmp(gone, "limits") == 0 ? "resource limits cannot be removed" : "resource requests cannot be removed");
	else if (strcmp(lp_default_quality(spec), lp_default_quality(before)) != 0)
		lp_faults_add(faults, LP_FAULT_INVALID, "spec", lp_json_new_str(faults->arena, lp_default_quality(before)),
		    "Pod QOS Class may not change as a result of resizing");
}
