/*
 * tools/verbs/resource.h - "pods", "pod/web", "po,svc", "all", "node n1 n2": words -> kinds and names; kinds and names -> URLs. Pure.
 */
#ifndef LP_TOOLS_VERBS_RESOURCE_H
#define LP_TOOLS_VERBS_RESOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "specs/kind.h"

#define LP_RESOURCE_MAX 256

struct lp_resource {
	const struct lp_kind *kind;
	const char *name;		/* NULL: all of that kind */
};

struct lp_resources {
	struct lp_resource items[LP_RESOURCE_MAX];
	size_t count;
	bool several_kinds;		/* names are shown as kind/name */
};

/*
 * The words of a command: "TYPE[,TYPE] [NAME...]" or "TYPE/NAME ...". -EINVAL in kubectl's words: `the server doesn't have a
 * resource type "x"`. A bare name without a type is of `fallback` when that is not NULL.
 */
int lp_resource_parse(struct lp_arena *arena, const char *const *words, int count, const struct lp_kind *fallback, struct lp_resources *out,
    struct lp_err *err);

/* "/api/v1/namespaces/default/pods/web/log?a=b": namespace NULL = of all, name, sub and query may be NULL. NULL: no memory. */
const char *lp_resource_path(struct lp_arena *arena, const struct lp_kind *kind, const char *namespace, const char *name, const char *sub,
    const char *query);

/* Add "key=value", escaped, to a query that may be NULL. */
const char *lp_resource_query(struct lp_arena *arena, const char *query, const char *key, const char *value);

/* "pod/web", "endpointslice.discovery.k8s.io/x": what kubectl prints after a change. */
const char *lp_resource_title(struct lp_arena *arena, const struct lp_kind *kind, const char *name);

#endif
