/*
 * manager/request/write.h - what the handlers that change objects share: body, options, answer.
 */
#ifndef LP_MANAGER_WRITE_H
#define LP_MANAGER_WRITE_H

#include "manager/change/change.h"
#include "manager/request/request.h"

/* The body as JSON (also from YAML). 0, or the request was answered. An empty body gives NULL. */
int lp_write_body(struct lp_request *request, struct lp_json **out);

/* Which kind of patch the body is, by its type. 0, or the request was answered. */
int lp_write_patch_type(struct lp_request *request, enum lp_change_patch *out);

/* A change of what the request names, with dryRun and fieldValidation read. NULL: the request was answered. */
struct lp_change *lp_write_new(struct lp_request *request, enum lp_change_verb verb);

/* Start it for this request; done must release the request. body may be NULL. */
void lp_write_start(struct lp_request *request, struct lp_change *change, struct lp_json *body, lp_change_done_fn done);

/* Answers with the object or the Status. */
void lp_write_done(struct lp_change *change, int64_t now_ms);

#endif
