/*
 * manager/look/view.h - pure: objects -> what node N must be.
 *
 * Durable   lp_view_node: the node itself, its pods, what they mention, all services; each object as the exact text that is
 *           signed and stored on the node, without status, resourceVersion and managedFields, so that a report of the node does
 *           not change its own view. Members are sorted: the same object has the same digest.
 * Fleeting  lp_view_peers: the other nodes and the endpoints that are not on this one
 * Number    give lp_cache_revision() of the moment as the revision's number: it rises, and survives a restart
 * Errors    -ENOENT no such node, -ENOMEM, -EMSGSIZE
 */
#ifndef LP_MANAGER_VIEW_H
#define LP_MANAGER_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "manager/look/look.h"
#include "manager/store/cache.h"

#define LP_VIEW_DIGEST 72		/* "sha256:" and 64 hex digits */

struct lp_view_object {
	const char *kind, *namespace, *name, *uid;
	const char *text;		/* compact JSON, members sorted */
	size_t len;
	char digest[LP_VIEW_DIGEST];	/* of text */
};

struct lp_view {
	const struct lp_view_object **objects;	/* sorted by kind, namespace, name */
	size_t count;
	const char *node;
	const char *pod_cidr;		/* "" while it has none */
};

/* Everything lives in the arena. */
int lp_view_node(
    const struct lp_cache *cache, const char *node, struct lp_arena *arena, struct lp_view *out, struct lp_err *err);

/* Do two views of one node ask for the same? Then no new revision is due. */
bool lp_view_same(const struct lp_view *a, const struct lp_view *b);

/* Appends the NodeRevision text that is to be signed: compact JSON. */
int lp_view_revision(const struct lp_view *view, const struct lp_settings *settings, int64_t number, int64_t wall_ms,
    struct lp_buf *out);

/* Appends the `peers` line, without its line feed. */
int lp_view_peers(
    const struct lp_cache *cache, const char *node, struct lp_arena *arena, struct lp_buf *out, struct lp_err *err);

#endif
