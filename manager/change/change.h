/*
 * manager/change/change.h - one change of one object, from the wish to the committed result. The only way into the store.
 *
 * Path    read the body once (admit.c) -> decide (decide.c, retire.c: pure over the cached object) -> store -> cache -> done.
 *         When another write came between, the decision is made anew from what is there now; what the wish itself made a
 *         condition (resourceVersion, uid) then fails by itself
 * Done    called once, maybe from inside lp_change_start when nothing had to be stored; the change is freed after it
 * Refused status is the Kubernetes Status to send; else result is the object as stored (or, removed, as it last was)
 */
#ifndef LP_MANAGER_CHANGE_H
#define LP_MANAGER_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "manager/change/manager_state.h"
#include "manager/store/cached.h"
#include "manager/store/store.h"

enum lp_change_verb {
	LP_CHANGE_CREATE,	/* body */
	LP_CHANGE_UPDATE,	/* body; subresource "", "status" or "finalize" */
	LP_CHANGE_PATCH,	/* body, patch; subresource "" or "status" */
	LP_CHANGE_BIND,		/* node: spec.nodeName of a pod that has none */
	LP_CHANGE_DELETE,	/* grace_s, propagation */
};

enum lp_change_patch { LP_CHANGE_MERGE, LP_CHANGE_JSON, LP_CHANGE_STRATEGIC };

enum lp_change_strict { LP_CHANGE_WARN, LP_CHANGE_STRICT, LP_CHANGE_IGNORE };	/* unknown and duplicate fields */

struct lp_change;
typedef void (*lp_change_done_fn)(struct lp_change *change, int64_t now_ms);

/* A value taken from a range for this change until it is stored (allocate.h). */
struct lp_change_taken {
	struct lp_change_taken *next;
	const char *key;
};

struct lp_change {
	struct lp_manager *manager;
	struct lp_arena arena;			/* before the start: the wish; then what the present try makes, results included */

	/* the wish */
	enum lp_change_verb verb;
	const struct lp_kind *kind;
	const char *namespace;			/* "" for cluster-scoped kinds */
	const char *name;			/* CREATE: "" = the body's, or made from its generateName */
	const char *subresource;		/* "" = the object itself */
	struct lp_json *body;
	enum lp_change_patch patch;
	const char *node;
	const char *uid;			/* condition; NULL none */
	int64_t revision;			/* condition; 0 none */
	int64_t grace_s;			/* -1: the object's own */
	const char *propagation;		/* "Background", "Foreground", "Orphan"; NULL = Background */
	bool dry_run;
	bool ours;				/* a controller or the link: no warnings, and fields that the API keeps may change */
	enum lp_change_strict strict;
	lp_change_done_fn done;
	void *arg;

	/* the result */
	struct lp_json *status;			/* refused; NULL when accepted */
	struct lp_cached *result;		/* NULL when refused */
	bool created, removed, unchanged;
	struct lp_json *warnings;		/* array of strings; NULL when none */
	struct lp_json *remarks;		/* more of them, of the present try */
	const char *audit;			/* what the audit trail should add to its line; NULL nothing */

	/* inside */
	struct lp_store_write write;
	struct lp_cached *base;			/* what the decision was made from; NULL nothing */
	struct lp_change_taken *taken;
	struct lp_arena wish;			/* the wish since the start */
	uint32_t tries;
};

/* Zeroed, with an arena; NULL without memory. */
struct lp_change *lp_change_new(struct lp_manager *manager, enum lp_change_verb verb, const struct lp_kind *kind);
void lp_change_free(struct lp_change *change);		/* only before it was started */

/* Begin; from here the change belongs to itself. done() is told the end. */
void lp_change_start(struct lp_change *change, int64_t now_ms);

/* For admit.c, decide.c and retire.c: note one more warning; refuse with a Status (NULL: out of memory). */
void lp_change_warn(struct lp_change *change, const char *text);
void lp_change_remark(struct lp_change *change, const char *text);	/* a warning of the decision, made anew at each try */
int lp_change_refuse(struct lp_change *change, struct lp_json *status);

#endif
