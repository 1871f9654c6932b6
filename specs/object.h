/*
 * specs/object.h - metadata: what every object has, whatever its kind.
 *
 * Rule    getters accept NULL and objects without metadata; strings that are absent are "" (never NULL), except where said
 */
#ifndef LP_SPECS_OBJECT_H
#define LP_SPECS_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "specs/kind.h"

const char *lp_object_api_version(const struct lp_json *object);
const char *lp_object_kind(const struct lp_json *object);
const char *lp_object_name(const struct lp_json *object);
const char *lp_object_namespace(const struct lp_json *object);
const char *lp_object_uid(const struct lp_json *object);
const char *lp_object_resource_version(const struct lp_json *object);
const char *lp_object_generate_name(const struct lp_json *object);

/* The value; NULL when absent. */
const char *lp_object_label(const struct lp_json *object, const char *key);
const char *lp_object_annotation(const struct lp_json *object, const char *key);
struct lp_json *lp_object_labels(const struct lp_json *object);			/* may be NULL */

bool lp_object_deleting(const struct lp_json *object);				/* has a deletionTimestamp */
int64_t lp_object_created_ms(const struct lp_json *object);			/* since 1970; 0 when unset */
bool lp_object_has_finalizers(const struct lp_json *object);
bool lp_object_has_finalizer(const struct lp_json *object, const char *name);
/* A copy without this finalizer. NULL: no memory. */
struct lp_json *lp_object_without_finalizer(struct lp_arena *arena, const struct lp_json *object, const char *name);
/* The owner with controller: true, or NULL. */
struct lp_json *lp_object_controller(const struct lp_json *object);
/* Is one of the ownerReferences this uid? */
bool lp_object_owned_by(const struct lp_json *object, const char *uid);

/* The kind of this document, by its apiVersion and kind. NULL when unknown. */
const struct lp_kind *lp_object_kind_of(const struct lp_json *object);

/* New object with kind, apiVersion, metadata.name and (when not "") namespace. */
struct lp_json *lp_object_new(
    struct lp_arena *arena, const struct lp_kind *kind, const char *namespace, const char *name);

/* generateName + 5 characters of bcdfghjklmnpqrstvwxz2456789; `random` are 5 random bytes. The prefix is cut to fit 63. */
const char *lp_object_generate(struct lp_arena *arena, const char *prefix, const uint8_t random[static 5]);

/* Random UUID (version 4) from 16 random bytes. */
#define LP_OBJECT_UID 37
void lp_object_uid_print(const uint8_t random[static 16], char out[static LP_OBJECT_UID]);

/* The condition of this type in status.conditions, or NULL. */
struct lp_json *lp_object_condition(const struct lp_json *object, const char *type);
/* Its status is "True". */
bool lp_object_condition_true(const struct lp_json *object, const char *type);

/* Set a condition; lastTransitionTime moves only when the status does. True when something changed. */
bool lp_object_set_condition(struct lp_arena *arena, struct lp_json *object, const char *type, const char *status,
    const char *reason, const char *message, int64_t now_wall_ms);

/* {"kind","namespace","name","uid","apiVersion","resourceVersion"} of the object, for involvedObject. */
struct lp_json *lp_object_reference(struct lp_arena *arena, const struct lp_json *object);
/* ownerReferences entry with controller and blockOwnerDeletion. */
struct lp_json *lp_object_owner(struct lp_arena *arena, const struct lp_json *object);

#endif
