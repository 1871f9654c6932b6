/*
 * specs/check_hooks.h - checks that look at several fields at once, called by check.c for each object it meets.
 *
 * `trail` leads to the object.
 */
#ifndef LP_SPECS_CHECK_HOOKS_H
#define LP_SPECS_CHECK_HOOKS_H

#include "base/json.h"
#include "specs/kinds.h"
#include "specs/status.h"
#include "specs/trail.h"

/* A fault at `name` below the trail (NULL: at the trail itself). */
void lp_check_fault(struct lp_faults *faults, const struct lp_trail *trail, const char *name,
    enum lp_fault_reason reason, const struct lp_json *value, const char *detail);

void lp_check_pod_object(
    enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail, struct lp_faults *faults);
void lp_check_pod_update(const struct lp_json *pod, const struct lp_json *old, struct lp_faults *faults);
void lp_check_pod_resize(const struct lp_json *pod, const struct lp_json *old, struct lp_faults *faults);
void lp_check_container_object(enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail,
    struct lp_faults *faults);
void lp_check_security_object(enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail,
    struct lp_faults *faults);
/* Of a pod's spec: what its probes, hooks and containers' restart policies may say. */
void lp_check_probes(const struct lp_json *spec, const struct lp_trail *trail, struct lp_faults *faults);
void lp_check_service_object(enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail,
    struct lp_faults *faults);
void lp_check_storage_object(enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail,
    struct lp_faults *faults);
void lp_check_bounds_object(enum lp_schema_id schema, const struct lp_json *object, const struct lp_trail *trail,
    struct lp_faults *faults);
/* A pod's time may get shorter. */
void lp_check_deadline_update(const struct lp_json *spec, const struct lp_json *before, struct lp_faults *faults);
void lp_check_storage_update(enum lp_schema_id schema, const struct lp_json *object, const struct lp_json *old, struct lp_faults *faults);
void lp_check_service_update(const struct lp_json *service, const struct lp_json *old, struct lp_faults *faults);

#endif
