/*
 * manager/api/filter.h - which objects a list, watch or deletecollection means, and in which form the client wants them.
 */
#ifndef LP_MANAGER_FILTER_H
#define LP_MANAGER_FILTER_H

#include <stdbool.h>

#include "manager/request/request.h"
#include "manager/store/cached.h"
#include "specs/print.h"
#include "specs/selector.h"

struct lp_filter {
	const struct lp_kind *kind;
	const char *namespace;			/* NULL: all */
	struct lp_selector labels, fields;
};

enum lp_filter_form { LP_FILTER_PLAIN, LP_FILTER_TABLE, LP_FILTER_PARTIAL };

/* From labelSelector and fieldSelector; 0 or the request was refused (400). Lives in the request's arena. */
int lp_filter_read(struct lp_request *request, struct lp_filter *out);

/* Does it belong? */
bool lp_filter_match(const struct lp_filter *filter, struct lp_cached *object);

/* The objects that belong, in order; an array in the arena, valid while the cache does not change. NULL, count 0: none. */
struct lp_cached **lp_filter_list(const struct lp_filter *filter, const struct lp_cache *cache, struct lp_arena *arena,
    size_t *out_count);

/* What the Accept header wants. 0, or the request was refused (406). */
int lp_filter_accept(struct lp_request *request, enum lp_filter_form *out);

/* ?includeObject=None|Metadata|Object */
enum lp_print_include lp_filter_include(struct lp_request *request);

#endif
