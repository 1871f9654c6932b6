/*
 * specs/status.h - faults of an object, and the Kubernetes Status document that tells a client of any failure.
 *
 * Words   those of Kubernetes: kubectl prints reason, message and causes as they are
 * Limits  a list keeps LP_FAULTS_MAX faults and counts the rest
 */
#ifndef LP_SPECS_STATUS_H
#define LP_SPECS_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/json.h"
#include "specs/kind.h"

enum lp_fault_reason {
	LP_FAULT_REQUIRED,		/* "Required value[: detail]" */
	LP_FAULT_INVALID,		/* "Invalid value: <value>: detail" */
	LP_FAULT_NOT_SUPPORTED,		/* "Unsupported value: <value>: supported values: ..." */
	LP_FAULT_DUPLICATE,		/* "Duplicate value: <value>" */
	LP_FAULT_FORBIDDEN,		/* "Forbidden: detail" */
	LP_FAULT_NOT_FOUND,		/* "Not found: <value>" */
	LP_FAULT_TOO_LONG,		/* "Too long: detail" */
	LP_FAULT_TYPE,			/* "Invalid value: <value>: detail", reason FieldValueTypeInvalid */
};

struct lp_fault {
	struct lp_fault *next;
	enum lp_fault_reason reason;
	const char *path;		/* "spec.containers[0].image" */
	const char *message;		/* "Required value" */
};

#define LP_FAULTS_MAX 64

struct lp_faults {
	struct lp_arena *arena;		/* weak: where paths and messages live */
	struct lp_fault *first, *last;
	size_t count;			/* all of them, also those beyond LP_FAULTS_MAX */
};

void lp_faults_init(struct lp_faults *faults, struct lp_arena *arena);

/*
 * `value` is what stood there (NULL: leave it out), printed as JSON; `detail` may be NULL.
 * The path is copied.
 */
void lp_faults_add(struct lp_faults *faults, enum lp_fault_reason reason, const char *path, const struct lp_json *value,
    const char *detail);

/* ---- Status documents; NULL when the arena is full. Give "code" to HTTP (lp_json_int(status, "code", 500)). */

/* status "Failure" for codes from 400, else "Success". `reason` NULL: the usual one for the code. No details. */
struct lp_json *lp_status_make(struct lp_arena *arena, int code, const char *reason, const char *message);

/* With details {name, group, kind = plural}; name "" is left out; uid may be NULL. */
struct lp_json *lp_status_about(struct lp_arena *arena, int code, const char *reason, const struct lp_kind *kind,
    const char *name, const char *uid, const char *message);

struct lp_json *lp_status_not_found(struct lp_arena *arena, const struct lp_kind *kind, const char *name);
struct lp_json *lp_status_already_exists(struct lp_arena *arena, const struct lp_kind *kind, const char *name);
/* `why` NULL: "the object has been modified; please apply your changes to the latest version and try again" */
struct lp_json *lp_status_conflict(
    struct lp_arena *arena, const struct lp_kind *kind, const char *name, const char *why);
struct lp_json *lp_status_forbidden(
    struct lp_arena *arena, const struct lp_kind *kind, const char *name, const char *why);
/* 422 with details.kind = Kind and one cause per fault. */
struct lp_json *lp_status_invalid(
    struct lp_arena *arena, const struct lp_kind *kind, const char *name, const struct lp_faults *faults);
/* 200 Success, as DELETE answers when the object is gone. */
struct lp_json *lp_status_deleted(
    struct lp_arena *arena, const struct lp_kind *kind, const char *name, const char *uid);

/* Add one cause to details (made when absent). */
void lp_status_cause(
    struct lp_arena *arena, struct lp_json *status, const char *reason, const char *message, const char *field);

/* The usual reason for an HTTP code: 404 -> "NotFound". Never NULL. */
const char *lp_status_reason(int code);

#endif
