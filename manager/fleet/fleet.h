/*
 * manager/fleet/fleet.h - the devices' links: revisions and peers down, reports up, streams on request.
 *
 * Liveness lives here, in memory; manager->seen_ms asks for it
 * Source   DESIGN.md section 4 "The link"
 */
#ifndef LP_MANAGER_FLEET_H
#define LP_MANAGER_FLEET_H

#include "base/err.h"
#include "manager/look/writes.h"
#include "manager/request/request.h"

/* Also sets manager->links and manager->seen_ms. */
int lp_fleet_new(struct lp_manager *manager, struct lp_links **out, struct lp_err *err);
void lp_fleet_free(struct lp_links *links);

/* Send a line (JSON object, without line feed) down a node's link, now. -ENOTCONN: it has none; -EAGAIN: it reads too slowly. */
int lp_fleet_send(struct lp_links *links, const char *node, const char *line, size_t len);

/* The manager ends: tell every device when to come back, spread over as long as their return would take. Let the loop turn afterwards. */
void lp_fleet_goodbye(struct lp_links *links);

bool lp_fleet_has_link(const struct lp_links *links, const char *node);

/* Pure: what a node's report asks to be written; it may speak of itself and of its own pods only, the rest is passed over. */
void lp_fleet_take_report(const struct lp_cache *cache, const char *node, const struct lp_json *body, struct lp_writes *writes);

/* Handlers: GET /fleet/v1/link, POST /fleet/v1/report, POST /fleet/v1/stream/<id>. */
void lp_fleet_link(struct lp_request *request);
void lp_fleet_report(struct lp_request *request);
void lp_fleet_stream(struct lp_request *request);

#endif
