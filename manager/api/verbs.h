/*
 * manager/api/verbs.h - the handlers of the rows in routes.c that read and change objects.
 *
 * Rule    each answers its request once, now or from done(); bodies are read here, decisions are made in decide.c
 */
#ifndef LP_MANAGER_VERBS_H
#define LP_MANAGER_VERBS_H

#include "manager/request/request.h"

/* verbs_read.c */
void lp_verbs_get(struct lp_request *request);
void lp_verbs_list(struct lp_request *request);

/* verbs_write.c */
void lp_verbs_create(struct lp_request *request);
void lp_verbs_update(struct lp_request *request);
void lp_verbs_patch(struct lp_request *request);
void lp_verbs_bind(struct lp_request *request);
void lp_verbs_delete(struct lp_request *request);
void lp_verbs_evict(struct lp_request *request);
void lp_verbs_delete_all(struct lp_request *request);

#endif
