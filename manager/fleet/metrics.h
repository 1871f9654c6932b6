/*
 * manager/fleet/metrics.h - what nodes and pods use right now: metrics.k8s.io/v1beta1, and the node's own stats/summary.
 *
 * On request  nothing is collected or kept: a question opens one stream ("stats") to every connected node it is about, and is
 *             answered when all have answered or ANSWER_MS have passed; who did not answer is left out, as metrics-server does
 */
#ifndef LP_MANAGER_METRICS_H
#define LP_MANAGER_METRICS_H

#include "manager/request/request.h"

/* nodes and pods of metrics.k8s.io; request->kind says which. */
void lp_metrics_get(struct lp_request *request);
void lp_metrics_list(struct lp_request *request);

/* GET /api/v1/nodes/<name>/proxy/stats/summary */
void lp_metrics_summary(struct lp_request *request);

/* GET /fleet/v1/stats: {"items":[summary of every node that answers]} */
void lp_metrics_all(struct lp_request *request);

#endif
