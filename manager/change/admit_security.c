/*
 * manager/change/admit_security.c - Pod Security Standards at admission (admit.h); what they ask is in specs/podsecurity.
 *
 * Source  k8s.io/pod-security-admission: a pod is judged when it is made and when its images or containers change; a stricter
 *         label on a namespace refuses no pod that is there, it is warned of them
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "manager/change/admit.h"
#include "specs/object.h"
#include "specs/podsecurity.h"

enum { PODS_MAX = 3000 };	/* looked at when a namespace's label changes */

static void
read_labels(const struct lp_change *change, const struct lp_json *namespace, struct lp_podsecurity out[static LP_PODSECURITY_MODES],
    struct lp_faults *faults)
{
	lp_podsecurity_read(lp_object_labels(namespace), (enum lp_podsecurity_level)change->manager->settings.pod_security, out, faults);
}

static bool
is_kind(const struct lp_change *change, const char *kind)
{
	return strcmp(change->kind->kind, kind) == 0 && change->kind->group[0] == '\0';
}

void
lp_admit_security_labels(const struct lp_change *change, const struct lp_json *object, const struct lp_json *old, struct lp_faults *faults)
{
	struct lp_podsecurity unused[LP_PODSECURITY_MODES];
	const struct lp_json *labels = lp_object_labels(object), *before = lp_object_labels(old);

	if (is_kind(change, "Namespace") && !(labels && before && lp_json_equal(labels, before)))
		read_labels(change, object, unused, faults);
}

/* ---- pods */

/* Did a container come or go, or run another image? */
static bool
is_significant(const struct lp_json *spec, const struct lp_json *before)
{
	static const char *const lists[] = { "containers", "initContainers", "ephemeralContainers" };

	for (size_t i = 0; i < lp_count(lists); i++) {
		const struct lp_json *list = lp_json_get(spec, lists[i]), *old = lp_json_get(before, lists[i]);
		const struct lp_json *b = lp_json_first(old);

		if (lp_json_count(list) != lp_json_count(old))
			return true;
		for (const struct lp_json *a = lp_json_first(list); a && b; a = a->next, b = b->next)
			if (!lp_text_same(lp_json_str(a, "image"), lp_json_str(b, "image")) ||
			    !lp_text_same(lp_json_str(a, "name"), lp_json_str(b, "name")))
				return true;
	}
	return false;
}

static const char *
why_not(struct lp_change *change, const struct lp_podsecurity *standard, const struct lp_json *pod)
{
	return lp_podsecurity_check(&change->arena, standard, lp_json_get(pod, "metadata"), lp_json_get(pod, "spec"), true);
}

static int
judge_pod(struct lp_change *change, const struct lp_json *pod)
{
	struct lp_cached *namespace = lp_cache_find(change->manager->cache, lp_kind_find("v1", "Namespace"), NULL, change->namespace);
	struct lp_podsecurity standard[LP_PODSECURITY_MODES];
	struct lp_arena *arena = &change->arena;
	const struct lp_json *object = namespace ? lp_cached_json(namespace) : NULL;
	const char *why;

	if (!object)
		return lp_change_refuse(change, NULL);		/* it was there a moment ago: no memory to read it */
	read_labels(change, object, standard, NULL);
	why = why_not(change, &standard[LP_PODSECURITY_AUDIT], pod);
	if (why)
		change->audit = lp_arena_printf(arena, "would violate PodSecurity \"%s\": %s",
		    lp_podsecurity_name(arena, &standard[LP_PODSECURITY_AUDIT]), why);
	why = why_not(change, &standard[LP_PODSECURITY_ENFORCE], pod);
	if (why)
		return lp_change_refuse(change, lp_status_forbidden(arena, change->kind, change->name, lp_arena_printf(arena,
		    "violates PodSecurity \"%s\": %s", lp_podsecurity_name(arena, &standard[LP_PODSECURITY_ENFORCE]), why)));
	why = why_not(change, &standard[LP_PODSECURITY_WARN], pod);
	if (why)
		lp_change_remark(change, lp_arena_printf(arena, "would violate PodSecurity \"%s\": %s",
		    lp_podsecurity_name(arena, &standard[LP_PODSECURITY_WARN]), why));
	return arena->failed ? lp_change_refuse(change, NULL) : 0;
}

/* ---- namespaces */

/* Pods that violate the new level for one and the same reason. */
struct group {
	const char *why, *first;
	size_t count;
};

static int
by_text(const void *a, const void *b)
{
	const char *const *one = a, *const *other = b;

	return strcmp(*one, *other);
}

static void
warn_of_groups(struct lp_change *change, const struct group *groups, size_t count)
{
	const char **texts = lp_arena_alloc(&change->arena, (count + 1) * sizeof(*texts));

	for (size_t i = 0; texts && i < count; i++) {
		const struct group *group = &groups[i];

		texts[i] = group->count == 1 ? lp_arena_printf(&change->arena, "%s: %s", group->first, group->why)
			: group->count == 2  ? lp_arena_printf(&change->arena, "%s (and 1 other pod): %s", group->first, group->why)
					     : lp_arena_printf(&change->arena, "%s (and %zu other pods): %s", group->first,
						   group->count - 1, group->why);
		if (!texts[i])
			return;		/* the arena says it */
	}
	if (texts)
		qsort(texts, count, sizeof(*texts), by_text);
	for (size_t i = 0; texts && i < count; i++)
		lp_change_remark(change, texts[i]);
}

/* Which pods of the namespace would not be let in any more? The list is in order of names. */
static void
warn_of_pods(struct lp_change *change, const struct lp_podsecurity *enforce)
{
	size_t total, count = 0, looked;
	struct lp_cached *const *pods = lp_cache_list(change->manager->cache, lp_kind_find("v1", "Pod"), change->name, &total);
	struct lp_arena *arena = &change->arena;
	struct group *groups;

	looked = total < PODS_MAX ? total : PODS_MAX;
	groups = lp_arena_alloc(arena, (looked + 1) * sizeof(*groups));
	for (size_t i = 0; groups && i < looked; i++) {
		const struct lp_json *pod = lp_cached_json(pods[i]);
		const char *why = lp_podsecurity_check(arena, enforce, lp_json_get(pod, "metadata"), lp_json_get(pod, "spec"), false);
		size_t at = 0;

		while (why && at < count && strcmp(groups[at].why, why) != 0)
			at++;
		if (why && at == count)
			groups[count++] = (struct group){ .why = why, .first = pods[i]->name };
		if (why)
			groups[at].count++;
	}
	if (looked < total)
		lp_change_remark(change, lp_arena_printf(arena,
		    "new PodSecurity enforce level only checked against the first %zu of %zu existing pods", looked, total));
	if (count == 0)
		return;
	lp_change_remark(change, lp_arena_printf(arena, "existing pods in namespace \"%s\" violate the new PodSecurity enforce level \"%s\"",
	    change->name, lp_podsecurity_name(arena, enforce)));
	warn_of_groups(change, groups, count);
}

static int
look_at_namespace(struct lp_change *change, const struct lp_json *object, const struct lp_json *old)
{
	struct lp_podsecurity now[LP_PODSECURITY_MODES], before[LP_PODSECURITY_MODES];
	const struct lp_podsecurity *enforce = &now[LP_PODSECURITY_ENFORCE], *former = &before[LP_PODSECURITY_ENFORCE];

	read_labels(change, object, now, NULL);
	read_labels(change, old, before, NULL);
	if (enforce->level != LP_PODSECURITY_PRIVILEGED && (enforce->minor != former->minor || enforce->level > former->level))
		warn_of_pods(change, enforce);
	return change->arena.failed ? lp_change_refuse(change, NULL) : 0;
}

int
lp_admit_security(struct lp_change *change, const struct lp_json *object, const struct lp_json *old)
{
	if (strcmp(change->subresource, "status") == 0)
		return 0;
	if (is_kind(change, "Namespace"))
		return old ? look_at_namespace(change, object, old) : 0;
	if (!is_kind(change, "Pod") || (old && !is_significant(lp_json_get(object, "spec"), lp_json_get(old, "spec"))))
		return 0;
	return judge_pod(change, object);
}
