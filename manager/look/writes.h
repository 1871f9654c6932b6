/*
 * manager/look/writes.h - the writes that controllers and links want, as a list; control/ carries them out.
 *
 * Rule    what the builders are given must live in the arena (or in cached objects); they never fail: the arena does
 */
#ifndef LP_MANAGER_WRITES_H
#define LP_MANAGER_WRITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "manager/store/cached.h"

enum lp_write_verb {
	LP_WRITE_CREATE,	/* object */
	LP_WRITE_UPDATE,	/* object: everything but status; its metadata.resourceVersion is the condition */
	LP_WRITE_STATUS,	/* object: only its status counts, it replaces the former; resourceVersion and uid are the
				 * conditions, where the object has them */
	LP_WRITE_DELETE,	/* kind, namespace, name; uid is the condition; grace_s */
	LP_WRITE_PATCH,		/* object: RFC 7386 merge patch of everything but status; name and namespace are the row's */
	LP_WRITE_PATCH_STATUS,	/* object: {"status":{…}} as a merge patch; nothing else of it counts */
	LP_WRITE_BIND,		/* pod namespace, name, uid; node; fails if it is bound already */
	LP_WRITE_EVENT,		/* regarding, type, reason, message: repeated ones are counted up, not written anew */
};

struct lp_write {
	struct lp_write *next;
	enum lp_write_verb verb;
	const struct lp_kind *kind;
	const char *namespace, *name, *uid;	/* uid NULL: any */
	const struct lp_json *object;		/* CREATE UPDATE STATUS; EVENT: the object it is about */
	int64_t grace_s;			/* DELETE: -1 the object's own */
	const char *node;			/* BIND */
	const char *type, *reason, *message;	/* EVENT: type Normal or Warning */
	const char *component, *host;		/* EVENT: who says it, "default-scheduler"; on which node, may be NULL */
};

struct lp_writes {
	struct lp_write *first, *last;
	size_t count;
	struct lp_arena *arena;
	int64_t due_ms;				/* look again at this boot time even if nothing changes; INT64_MAX never */
	bool looking;				/* from a look: the same EVENT again means nothing new for a minute */
};

void lp_writes_init(struct lp_writes *writes, struct lp_arena *arena);
void lp_writes_create(struct lp_writes *writes, const struct lp_kind *kind, const struct lp_json *object);
void lp_writes_update(struct lp_writes *writes, const struct lp_kind *kind, const struct lp_json *object);
void lp_writes_status(struct lp_writes *writes, const struct lp_kind *kind, const struct lp_json *object);
void lp_writes_delete(struct lp_writes *writes, struct lp_cached *object, int64_t grace_s);
void lp_writes_bind(struct lp_writes *writes, struct lp_cached *pod, const char *node);
void lp_writes_event(struct lp_writes *writes, struct lp_cached *regarding, const char *component, const char *type,
    const char *reason, const char *message);
void lp_writes_merge(struct lp_writes *writes, const struct lp_kind *kind, const char *namespace, const char *name,
    const char *uid, const struct lp_json *patch, bool status);
/* The sooner of this and what others asked for. */
void lp_writes_look_again(struct lp_writes *writes, int64_t due_ms);

#endif
