/*
 * specs/selector.h - label selectors, field selectors, node selector terms.
 *
 * Grammar labels "a=b,c!=d,e in (x,y),f notin (z),g,!h"; fields "metadata.name=x,status.phase!=Running"
 * Limits  LP_SELECTOR_MAX requirements, 64 values each
 * Errors  -EINVAL with the words of the API server
 */
#ifndef LP_SPECS_SELECTOR_H
#define LP_SPECS_SELECTOR_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "specs/kind.h"

#define LP_SELECTOR_MAX 64

enum lp_selector_op {
	LP_SELECTOR_IN,			/* also =; never matches an absent key */
	LP_SELECTOR_NOT_IN,		/* also !=; matches an absent key */
	LP_SELECTOR_EXISTS,
	LP_SELECTOR_ABSENT,
	LP_SELECTOR_GREATER,		/* node affinity: Gt, Lt */
	LP_SELECTOR_LESS,
};

struct lp_requirement {
	struct lp_requirement *next;
	enum lp_selector_op op;
	const char *key;
	const char **values;
	size_t count;
};

struct lp_selector {
	struct lp_requirement *first, *last;	/* NULL: selects everything */
	size_t count;
	bool nothing;				/* selects nothing, whatever the rest says */
};

/* NULL or "" selects everything. */
int lp_selector_labels(struct lp_arena *arena, const char *text, struct lp_selector *out, struct lp_err *err);
/* Unknown field: -EINVAL, `field label not supported: spec.foo`. */
int lp_selector_fields(
    struct lp_arena *arena, const struct lp_kind *kind, const char *text, struct lp_selector *out, struct lp_err *err);

/* A LabelSelector object {matchLabels, matchExpressions}: NULL selects nothing, {} everything. */
int lp_selector_object(
    struct lp_arena *arena, const struct lp_json *selector, struct lp_selector *out, struct lp_err *err);
/* A map of labels as in Service.spec.selector: NULL or {} selects nothing. */
int lp_selector_map(struct lp_arena *arena, const struct lp_json *map, struct lp_selector *out, struct lp_err *err);
/* Requirements of a node selector term: matchExpressions or matchFields. NULL selects everything. */
int lp_selector_expressions(
    struct lp_arena *arena, const struct lp_json *expressions, struct lp_selector *out, struct lp_err *err);

/* `labels` is a JSON object or NULL. */
bool lp_selector_match_labels(const struct lp_selector *selector, const struct lp_json *labels);
/* Fields are looked up in the object; absent ones read as "" and booleans as "true" or "false". */
bool lp_selector_match_fields(const struct lp_selector *selector, const struct lp_json *object);

/* The value that `metadata.name=x` style selectors pin a field to, or NULL: for an index. */
const char *lp_selector_pinned(const struct lp_selector *selector, const char *key);

/* Are these maps of labels valid? Used by checks: NULL or why not (Kubernetes' words). */
const char *lp_selector_bad_key(const char *key);
const char *lp_selector_bad_value(const char *value);

#endif
