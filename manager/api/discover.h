/*
 * manager/api/discover.h - what the API serves: version, discovery (legacy and aggregated), OpenAPI, health.
 */
#ifndef LP_MANAGER_DISCOVER_H
#define LP_MANAGER_DISCOVER_H

#include "manager/request/request.h"

void lp_discover_version(struct lp_request *request);
void lp_discover_health(struct lp_request *request);
void lp_discover_root(struct lp_request *request);		/* / */
void lp_discover_core(struct lp_request *request);		/* /api */
void lp_discover_groups(struct lp_request *request);		/* /apis */
void lp_discover_group(struct lp_request *request);		/* /apis/<group> */
void lp_discover_resources(struct lp_request *request);		/* /api/v1, /apis/<group>/<version> */
void lp_discover_openapi_v2(struct lp_request *request);
void lp_discover_openapi_v3(struct lp_request *request);	/* /openapi/v3[/…] */
void lp_discover_no_crds(struct lp_request *request);		/* an empty list, so that kubectl words unknown kinds well */

#endif
