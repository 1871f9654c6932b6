/*
 * manager/manager.h - everything the manager knows; start-up order, shutdown.
 *
 * Order   data directory, store, cache, certificate authority, server, links, controllers; then "ready" on standard output
 *         and the PID file; SIGTERM and SIGINT take it down in reverse, what was accepted is stored first
 */
#ifndef LP_MANAGER_MANAGER_H
#define LP_MANAGER_MANAGER_H

#include "base/loop.h"
#include "manager/cache.h"
#include "manager/control.h"
#include "manager/store.h"

struct lp_audit;	/* audit.h: who changed what */
struct lp_allocate;	/* allocate.h: addresses and ports */
struct lp_feeds;	/* feed.h: watch streams */
struct lp_links;	/* fleet.h: devices */
struct lp_sign;		/* sign.h: certificate authority, tokens, fleet key */
struct lp_tunnels;	/* tunnel.h: kubectl streams joined to device streams */
struct lp_server;	/* wire/server.h */

struct lp_user;	/* access.h */

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

/* `limpet manager …`: runs until a signal. 0, 1 (an error, one line on standard error), 2 (wrong usage). */
int lp_manager_main(int argc, char **argv);

/*
 * The core without the network: store, cache, feeds, controllers. The world test starts here. The settings are copied, their
 * strings must live as long.
 */
int lp_manager_start(struct lp_manager *manager, struct lp_loop *loop, struct lp_store *store,
    const struct lp_settings *settings, struct lp_err *err);
void lp_manager_stop(struct lp_manager *manager);

/* The defaults of every setting. */
void lp_manager_defaults(struct lp_settings *settings);

/* Stop the loop because of something that only a new start can heal (a broken store). Logged once. */
void lp_manager_fail(struct lp_manager *manager, const struct lp_err *why);

#endif
