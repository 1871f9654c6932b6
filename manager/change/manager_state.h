/*
 * manager/change/manager_state.h - everything the manager knows: what its rooms share.
 *
 * Owner   manager.c and main.c make and end it; each room keeps its own part of it, and sees those of higher rooms as a pointer only
 * Upward  nothing goes up but the two calls that a higher room sets here: bearer and seen_ms
 */
#ifndef LP_MANAGER_MANAGER_STATE_H
#define LP_MANAGER_MANAGER_STATE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/loop.h"
#include "manager/look/look.h"
#include "manager/store/cache.h"
#include "manager/store/store.h"

struct lp_audit;	/* audit.h: who changed what */
struct lp_allocate;	/* allocate.h: addresses and ports */
struct lp_feeds;	/* feed.h: watch streams */
struct lp_links;	/* fleet.h: devices */
struct lp_sign;		/* sign.h: certificate authority, tokens, fleet key */
struct lp_tunnels;	/* tunnel.h: kubectl streams joined to device streams */
struct lp_control;	/* control.h: controllers and what runs them */
struct lp_server;	/* wire/server.h */
struct lp_user;		/* access.h */

struct lp_manager {
	struct lp_loop *loop;
	struct lp_store *store;
	struct lp_cache *cache;
	struct lp_allocate *allocate;
	struct lp_audit *audit;		/* NULL: nobody keeps a record */
	struct lp_feeds *feeds;
	struct lp_control *control;
	struct lp_server *server;	/* NULL in tests that talk to the core directly */
	struct lp_sign *sign;
	/* Whose bearer token is it? Set by sign.c; NULL: none is accepted. 0, or -EACCES. Strings live in the arena. */
	int (*bearer)(struct lp_sign *sign, const char *token, struct lp_arena *arena, struct lp_user *out);
	/* When was a node last heard? Set by fleet.c; NULL: never. Boot-time ms, -1 not since the start. */
	int64_t (*seen_ms)(void *arg, const char *node);
	void *seen_arg;
	struct lp_links *links;
	struct lp_tunnels *tunnels;
	struct lp_settings settings;
	int data_fd;			/* <data dir>/manager; everything of ours lies below */
	int64_t start_ms;		/* boot time of the start */
	int exit_code;			/* what lp_manager_main returns */
};

/* Stop the loop because of something that only a new start can heal (a broken store). Logged once. */
void lp_manager_fail(struct lp_manager *manager, const struct lp_err *why);

#endif
