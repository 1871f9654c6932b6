/*
 * manager/api/feed.h - sends changes down the watch streams.
 *
 * Shape   a feed remembers the revision it has told; at the end of each turn, and whenever its client has read on, it tells
 *         what the cache's history has after it. A slow reader costs nothing but its place; one that falls out of the history gets 410
 * Start   resourceVersion absent or 0: the present objects as ADDED, then changes; N: changes after N;
 *         sendInitialEvents: objects, then a bookmark that says so
 */
#ifndef LP_MANAGER_FEED_H
#define LP_MANAGER_FEED_H

#include "manager/request/request.h"

int lp_feeds_new(struct lp_manager *manager, struct lp_feeds **out, struct lp_err *err);
/* Feeds still open end with their calls. */
void lp_feeds_free(struct lp_feeds *feeds);

/* The handler of list requests with watch=true. */
void lp_feed_watch(struct lp_request *request);

#endif
