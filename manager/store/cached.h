/*
 * manager/store/cached.h - one object as the manager holds it: immutable, counted, its text the truth.
 *
 * Shape   compact JSON with the resourceVersion spliced in, members kind, apiVersion, metadata first; the parsed form is made
 *         when first asked for and can be dropped again
 * Memory  one allocation for the fields, the text and the index values; one arena for the parsed form
 */
#ifndef LP_MANAGER_CACHED_H
#define LP_MANAGER_CACHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "specs/kind.h"

/* By what objects are found besides their name. */
enum lp_cache_index {
	LP_CACHE_BY_NODE,		/* Pods by spec.nodeName */
	LP_CACHE_BY_OWNER,		/* anything by the uid in each of its ownerReferences */
	LP_CACHE_BY_INVOLVED,		/* Events by involvedObject.uid */
	LP_CACHE_BY_INVOLVED_NAME,	/* Events by "<involvedObject.namespace>/<involvedObject.name>" */
	LP_CACHE_BY_CLAIM,		/* Pods by "<namespace>/<claim>" of each of their volumes, generic ephemeral ones too */
	LP_CACHE_INDEXES
};

struct lp_cached_value {
	enum lp_cache_index index;
	const char *value;
};

struct lp_cached {
	uint32_t refs;
	uint32_t len;			/* of text */
	const struct lp_kind *kind;
	int64_t revision;
	const char *namespace;		/* "" for cluster-scoped kinds */
	const char *name;
	const char *uid;		/* "" when the object has none (a mistake of ours) */
	const char *node;		/* Pod: spec.nodeName, NULL when not bound; else NULL */
	bool deleting;			/* has a deletionTimestamp */
	uint32_t revision_at, revision_len;	/* where in text the digits of the resourceVersion stand */
	const char *text;		/* NUL-terminated; begins {"kind":...,"apiVersion":...,"metadata":{ */
	const struct lp_cached_value *values;
	uint32_t value_count;
	struct lp_json *parsed;		/* NULL until asked for */
	struct lp_arena arena;		/* owns parsed */
};

/*
 * From stored text (without resourceVersion) and its revision; one reference is the caller's.
 * -EINVAL text that is no such object, -ENOMEM.
 */
int lp_cached_new(const struct lp_kind *kind, const char *text, size_t len, int64_t revision, struct lp_cached **out,
    struct lp_err *err);
struct lp_cached *lp_cached_ref(struct lp_cached *object);
void lp_cached_unref(struct lp_cached *object);		/* NULL is allowed */

/* The parsed form; read only; lives as long as the object, unless forgotten. NULL without memory. */
const struct lp_json *lp_cached_json(struct lp_cached *object);

/* Give the parsed form's memory back; nobody may hold a pointer into it. */
void lp_cached_forget_json(struct lp_cached *object);

/* Add the text to out, with another resourceVersion: what a DELETED event carries. Sticky failure in out. */
void lp_cached_print_as(const struct lp_cached *object, int64_t revision, struct lp_buf *out);

/* The text to store: members in our order, without metadata.resourceVersion. `object` is changed. -ENOMEM, -EMSGSIZE. */
int lp_cached_print(struct lp_arena *arena, struct lp_json *object, struct lp_buf *out, struct lp_err *err);

#endif
