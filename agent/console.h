/*
 * agent/console.h - logs, exec and attach: joins a stream that the manager asked for to log files and keepers of this node.
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
#include "runtime/runtime.h"

struct lp_agent;
struct lp_console;

int lp_console_new(struct lp_agent *agent, struct lp_console **out, struct lp_err *err);
/* Ends every session. NULL is fine. */
void lp_console_free(struct lp_console *console);

/* An `open` line: {"stream","verb","namespace","pod","uid","container","options"}. Whatever is wrong is said on the stream. */
void lp_console_open(struct lp_console *console, const struct lp_json *line, int64_t now_ms);

/* Answers of a keeper to lp_control_exec and lp_control_attach, by the id the console gave them. The descriptor is the console's. */
void lp_console_begun(struct lp_console *console, uint64_t id, int fd, const struct lp_err *err);
void lp_console_ended(struct lp_console *console, uint64_t id, const struct lp_container_exit *status);

#endif
