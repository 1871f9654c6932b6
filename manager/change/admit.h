/*
 * manager/change/admit.h - what an object must look like before it is stored: shape, unknown fields, defaults, owned metadata, checks.
 *
 * Result  0, or a negative errno with change->status set
 */
#ifndef LP_MANAGER_ADMIT_H
#define LP_MANAGER_ADMIT_H

#include "manager/change/change.h"
#include "specs/status.h"

/* On a Node: which key speaks for it. Only joining writes it (sign_join.c); admission keeps it whatever a client sends. */
#define LP_ADMIT_NODE_KEY "limpet.dev/key"

/* Once per change, before the first decision: kind, version, namespace and name of the body, its types, unknown fields. */
int lp_admit_body(struct lp_change *change);

/* Types and unknown fields of an object of this kind (a patched one). */
int lp_admit_fields(struct lp_change *change, struct lp_json *object);

/* A new object: metadata that the server owns, defaults, addresses from the ranges, checks, its namespace. */
int lp_admit_create(struct lp_change *change, struct lp_json *object, int64_t wall_ms);

/* A changed object; `old` is what is there. Keeps what a client may not change, then defaults, ranges and checks. */
int lp_admit_update(struct lp_change *change, struct lp_json *object, const struct lp_json *old);

/* ---- admit_security.c: Pod Security Standards, by the labels of the namespace */

/* Labels of a Namespace that cannot be read; those that it had already are no fault. */
void lp_admit_security_labels(const struct lp_change *change, const struct lp_json *object, const struct lp_json *old,
    struct lp_faults *faults);

/* A Pod its namespace does not allow is refused (403); what would be refused is warned of; old NULL: a new object. */
int lp_admit_security(struct lp_change *change, const struct lp_json *object, const struct lp_json *old);

#endif
