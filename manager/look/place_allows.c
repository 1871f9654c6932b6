/*
 * manager/look/place_allows.c - pure: which nodes a pod or a volume allows, and whether a pod still counts (place.h).
 */
#include "base/text.h"
#include "manager/look/place.h"
#include "specs/object.h"
#include "specs/selector.h"

bool
lp_place_active(const struct lp_json *pod)
{
	const char *phase = lp_json_str(pod, "status.phase");

	return !lp_text_same(phase, "Succeeded") && !lp_text_same(phase, "Failed");
}

static bool
term_selects(struct lp_arena *arena, const struct lp_json *term, const struct lp_json *node)
{
	const struct lp_json *expressions = lp_json_get(term, "matchExpressions"),
	                     *fields = lp_json_get(term, "matchFields");
	struct lp_selector by_label, by_field;

	if (lp_json_count(expressions) == 0 && lp_json_count(fields) == 0)
		return false;		/* an empty term selects nothing */
	if (lp_selector_expressions(arena, expressions, &by_label, NULL) < 0 ||
	    lp_selector_expressions(arena, fields, &by_field, NULL) < 0)
		return false;
	return lp_selector_match_labels(&by_label, lp_object_labels(node)) && lp_selector_match_fields(&by_field, node);
}

bool
lp_place_terms(struct lp_arena *arena, const struct lp_json *terms, const struct lp_json *node)
{
	lp_json_each(term, terms)
		if (term_selects(arena, term, node))
			return true;
	return false;
}

bool
lp_place_selects(struct lp_arena *arena, const struct lp_json *pod, const struct lp_json *node)
{
	const struct lp_json *labels = lp_object_labels(node);
	const struct lp_json *terms = lp_json_path(pod,
	    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms");

	lp_json_each(want, lp_json_path(pod, "spec.nodeSelector"))
		if (!lp_text_same(lp_json_text(lp_json_get(labels, want->key)), lp_json_text(want)))
			return false;
	return !terms || lp_place_terms(arena, terms, node);
}
