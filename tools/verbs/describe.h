/*
 * tools/verbs/describe.h - what the describers of the kinds share.
 *
 * Text    is written with tabs and aligned at its end (tabs.h); levels indent by two spaces
 */
#ifndef LP_TOOLS_VERBS_DESCRIBE_H
#define LP_TOOLS_VERBS_DESCRIBE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "tools/verbs/context.h"

struct lp_describe {
	struct lp_context *ctx;
	struct lp_buf text;
	int64_t now_ms;			/* wall time */
};

/* A line at a level; the newline is added. */
void lp_describe_line(struct lp_describe *d, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* "Labels:\ta=b\n\tc=d" or "<none>", sorted by key; `between` stands between key and value. last-applied-configuration is left out. */
void lp_describe_map(struct lp_describe *d, int level, const char *title, const char *between, const struct lp_json *map);

/* "a=b,c=d" or "<none>". */
const char *lp_describe_pairs(struct lp_describe *d, const struct lp_json *map);

/* "Mon, 02 Jan 2006 15:04:05 +0000"; "" when NULL or unreadable. */
const char *lp_describe_time(struct lp_describe *d, const char *rfc3339);

/* Name and metadata that every kind shows first. */
void lp_describe_head(struct lp_describe *d, const struct lp_json *object);

/* The events about an object, oldest first. */
int lp_describe_events(struct lp_describe *d, const struct lp_json *object);

int lp_describe_pod(struct lp_describe *d, const struct lp_json *pod);
int lp_describe_node(struct lp_describe *d, const struct lp_json *node);
int lp_describe_service(struct lp_describe *d, const struct lp_json *service);

#endif
