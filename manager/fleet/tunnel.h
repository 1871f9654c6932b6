/*
 * manager/fleet/tunnel.h - joins a kubectl stream to a device's stream: logs, exec, attach, port-forward.
 */
#ifndef LP_MANAGER_TUNNEL_H
#define LP_MANAGER_TUNNEL_H

#include "base/err.h"
#include "manager/request/request.h"

/* Also sets manager->tunnels. */
int lp_tunnel_new(struct lp_manager *manager, struct lp_tunnels **out, struct lp_err *err);
void lp_tunnel_free(struct lp_tunnels *tunnels);

/* The link by which the node was asked has ended: whoever still waits for a stream of it hears so at once. `tunnels` may be NULL. */
void lp_tunnel_node_gone(struct lp_tunnels *tunnels, const char *node, int64_t now_ms);

/* Handlers of pods/<name>/log, exec, attach, portforward. */
void lp_tunnel_log(struct lp_request *request);
void lp_tunnel_exec(struct lp_request *request);
void lp_tunnel_attach(struct lp_request *request);
void lp_tunnel_portforward(struct lp_request *request);

#endif
