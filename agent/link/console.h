/*
 * agent/link/console.h - logs, exec and attach: joins a stream that the manager asked for to log files and keepers of this node.
 *
 * Theory  an `open` line of the link names a stream; the console opens it through uplink.h (POST /fleet/v1/stream/<id>), and
 *         then frames (u8 channel, u32 big-endian length, payload) go both ways: 0 stdin, 1 stdout, 2 stderr, 3 Status JSON
 *         at the end, 4 resize, 255 end of stdin. A reader that is slow slows its own stream, nobody else
 */
#ifndef LP_AGENT_CONSOLE_H
#define LP_AGENT_CONSOLE_H

#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

struct lp_agent;
struct lp_console;

int lp_console_new(struct lp_agent *agent, struct lp_console **out, struct lp_err *err);
/* Ends every session. NULL is fine. */
void lp_console_free(struct lp_console *console);

/* An `open` line: {"stream","verb","namespace","pod","uid","container","options"}. Whatever is wrong is said on the stream. */
void lp_console_open(struct lp_console *console, const struct lp_json *line, int64_t now_ms);

#endif
