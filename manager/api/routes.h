/*
 * manager/api/routes.h - from a path and a method to a handler: one table.
 *
 * Order   lp_routes_head looks at path, who asks, and whether they may (401, 403, 404, 405 before a body is read);
 *         lp_routes_handle makes the request (request.h) and calls the row's handler
 */
#ifndef LP_MANAGER_ROUTES_H
#define LP_MANAGER_ROUTES_H

#include <stdint.h>

#include "wire/http.h"

/* For wire/server.h; arg is the manager. */
enum lp_http_body lp_routes_head(void *arg, struct lp_http_call *call, int64_t now_ms);
void lp_routes_handle(void *arg, struct lp_http_call *call, int64_t now_ms);
/* As the server's `refuse`: what is refused before that (too large, an expired certificate) gets a Status too. */
void lp_routes_refuse(void *arg, struct lp_http_call *call, int status, const char *why);

#endif
