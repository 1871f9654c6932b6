/*
 * manager/manager.h - start-up order, shutdown; what the manager knows is in change/manager_state.h.
 *
 * Order   data directory, store, cache, certificate authority, server, links, controllers; then "ready" on standard output
 *         and the PID file; SIGTERM and SIGINT take it down in reverse, what was accepted is stored first
 */
#ifndef LP_MANAGER_MANAGER_H
#define LP_MANAGER_MANAGER_H

#include "manager/change/manager_state.h"

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

#endif
