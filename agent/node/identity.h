/*
 * agent/node/identity.h - who this device is: its name, its manager, its key and certificates.
 *
 * Shape   one state file, node/identity, mode 0600: whole or not at all. The key is made here and never leaves.
 * Errors  -ENOENT this device has not joined
 */
#ifndef LP_AGENT_IDENTITY_H
#define LP_AGENT_IDENTITY_H

#include "base/arena.h"
#include "base/err.h"

struct lp_identity {
	struct lp_arena arena;
	const char *name;		/* of the node */
	const char *url;		/* of the manager */
	const char *key;		/* PEM, private */
	const char *certificate;	/* PEM chain, leaf first */
	const char *ca;			/* PEM */
	const char *fleet_key;		/* PEM, public: signs revisions; pinned at join */
};

void lp_identity_init(struct lp_identity *identity);
void lp_identity_fini(struct lp_identity *identity);

int lp_identity_load(int node_fd, struct lp_identity *out, struct lp_err *err);
int lp_identity_store(int node_fd, const struct lp_identity *identity, struct lp_err *err);

#endif
