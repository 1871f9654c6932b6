/*
 * manager/control.h - controllers and the scheduler: pure functions over the cached objects and a time, and the glue that runs them.
 *
 * Pure    a controller sees a `look` and returns writes; it has no clock, no log, no effect, and may be run at any moment
 * Glue    a change of the objects or a due time means "look again" (debounced to one run per turn); the writes go through
 *         the same admission and store as everybody's; a write that lost a race is dropped, the next look decides anew
 */
#ifndef LP_MANAGER_CONTROL_H
#define LP_MANAGER_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "manager/cache.h"

struct lp_manager;

/* What the operator decided when the manager was started; numbers in host byte order. */
struct lp_settings {
	uint32_t pod_net, service_net;		/* 10.42.0.0, 10.43.0.0 */
	uint8_t pod_prefix, service_prefix;	/* 16, 16 */
	uint8_t node_prefix;			/* 24: length of one node's part of the pod range */
	uint16_t port_first, port_last;		/* NodePorts 30000-32767 */
	const char *cluster_domain;		/* "cluster.local" */
	const char *api_address;		/* address and port the API can be reached at, for the `kubernetes` Endpoints */
	uint16_t api_port;
	int64_t node_grace_ms;			/* silence after which a node is Unknown: 40000 */
	uint8_t pod_security;			/* enum lp_podsecurity_level of namespaces without labels: privileged */
};

/* All that a controller may look at. */
struct lp_look {
	const struct lp_cache *cache;
	const struct lp_settings *settings;
	int64_t now_ms;				/* since boot, for intervals */
	int64_t wall_ms;			/* since 1970, for timestamps */
	int64_t start_ms;			/* boot time of the manager's start: silence is counted from here at the earliest */
	struct lp_arena *arena;			/* for what the controller builds; lives until the writes were submitted */
	/* When the node was last heard, boot-time ms; -1 not since this manager started. */
	int64_t (*seen_ms)(void *arg, const char *node);
	void *seen_arg;
};

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

/* Builders for controllers; what they are given must live in the arena (or in cached objects). They never fail: the arena does. */
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

/* One controller: a row of the table in control.c. Returns nothing: what it could not do is in arena->failed. */
typedef void (*lp_control_fn)(const struct lp_look *look, struct lp_writes *writes);

struct lp_controller {
	const char *name;
	lp_control_fn run;
};

/* manager/control/<name>.c and place.c, each one function; the table in control.c names them. */
void lp_place_control(const struct lp_look *look, struct lp_writes *writes);		/* the scheduler */
void lp_endpoints_control(const struct lp_look *look, struct lp_writes *writes);
void lp_nodes_control(const struct lp_look *look, struct lp_writes *writes);
void lp_namespaces_control(const struct lp_look *look, struct lp_writes *writes);
void lp_podgc_control(const struct lp_look *look, struct lp_writes *writes);
void lp_services_control(const struct lp_look *look, struct lp_writes *writes);
void lp_owners_control(const struct lp_look *look, struct lp_writes *writes);
void lp_claims_control(const struct lp_look *look, struct lp_writes *writes);
void lp_volumes_control(const struct lp_look *look, struct lp_writes *writes);
void lp_events_control(const struct lp_look *look, struct lp_writes *writes);		/* forgets old events */

/* ---- glue */

/*
 * Carry the writes out (link.c does it with what a node reports). Everything is copied before this returns. done (may be
 * NULL) is called once, after the last one is stored or refused; failed counts the refused ones, err is the first of them.
 * An object that is gone is no failure.
 */
typedef void (*lp_writes_done_fn)(void *arg, size_t failed, const struct lp_err *err, int64_t now_ms);
int lp_writes_submit(struct lp_manager *manager, const struct lp_writes *writes, lp_writes_done_fn done, void *arg,
    struct lp_err *err);

struct lp_control;

int lp_control_new(struct lp_manager *manager, struct lp_control **out, struct lp_err *err);
void lp_control_free(struct lp_control *control);

/* Is a look due, or are writes of one under way? (Tests wait for rest.) */
bool lp_control_busy(const struct lp_control *control);

/* Something outside the objects changed (a node was heard again or fell silent): look again at the end of this turn. */
void lp_control_look(struct lp_control *control);

#endif
