/*
 * agent/link/uplink.h - the one connection to the manager: revisions and peers come down, reports go up, streams on request.
 *
 * Theory  One HTTP/2 connection over mutual TLS, dialled from here: GET /fleet/v1/link answers with endless JSON lines;
 *         POST /fleet/v1/report carries what changed, one at a time; POST /fleet/v1/stream/<id> is opened when a line asks.
 *         HTTP/2 PING is the liveness. When anything of it ends, everything of it ends, and retry.h says when to dial again
 * Source  DESIGN.md section 4 "The link"
 */
#ifndef LP_AGENT_UPLINK_H
#define LP_AGENT_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

struct lp_agent;
struct lp_uplink;
struct lp_client_call;
struct lp_client_call_ops;

int lp_uplink_new(struct lp_agent *agent, struct lp_uplink **out, struct lp_err *err);
void lp_uplink_free(struct lp_uplink *uplink);

/* Dial anew: what the manager sent last could not be kept. */
void lp_uplink_again(struct lp_uplink *uplink);

/* Is the link up, and no report on its way? */
bool lp_uplink_may_report(const struct lp_uplink *uplink);
/* Send a NodeReport. done(agent, accepted) follows; -EAGAIN when one is on its way or the link is down. */
int lp_uplink_report(struct lp_uplink *uplink, const char *body, size_t len, void (*done)(struct lp_agent *agent, bool accepted), struct lp_err *err);

/* Open the stream that an `open` line named: a streaming POST, both bodies endless. `ops` as in wire/client.h. */
int lp_uplink_stream(struct lp_uplink *uplink, const char *id, const struct lp_client_call_ops *ops, void *arg, struct lp_client_call **out,
    struct lp_err *err);

#endif
