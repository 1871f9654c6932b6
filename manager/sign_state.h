/*
 * manager/sign_state.h - what the files of the authority share: sign.c (keys), sign_join.c (devices), sign_token.c (tokens).
 */
#ifndef LP_MANAGER_SIGN_STATE_H
#define LP_MANAGER_SIGN_STATE_H

#include "base/map.h"
#include "manager/sign.h"

/* On the Node object: the SHA-256 of the public key info that may speak for it. Set at join, kept by admission. */
#define LP_SIGN_KEY_ANNOTATION "limpet.dev/key"

struct lp_sign_pair {
	char *certificate;		/* PEM; "" for the fleet key */
	char *key_pem;
	struct lp_cert_key *key;
};

struct lp_sign {
	struct lp_manager *manager;	/* weak */
	int dir_fd, tokens_fd;
	struct lp_sign_pair authority, fleet, server, admin;
	uint8_t spki[LP_DIGEST_BYTES];	/* of the authority: what tokens carry */
	struct lp_tls_tickets *tickets;
	struct lp_tls_config *tls;
	struct lp_timer tickets_timer;
	struct lp_map reserved;		/* id of a token -> number of joins under way (as a pointer) */
};

int lp_sign_certificate(struct lp_sign *sign, const struct lp_cert_key *subject, const struct lp_cert_profile *profile,
    struct lp_buf *out, struct lp_err *err);
bool lp_sign_node_has_key(struct lp_manager *manager, const char *name, const uint8_t spki[static LP_DIGEST_BYTES]);

/* ---- tokens: "lp1.<id>.<secret>.<authority>" for joining, "lpa.<id>.<secret>" for the API */

#define LP_SIGN_TOKEN_ID 13		/* 12 hex digits and the NUL */

/* May a device join with it now? 0, -EACCES with the reason. The use is held until one of the two below. */
int lp_sign_token_reserve(struct lp_sign *sign, const char *token, char out_id[static LP_SIGN_TOKEN_ID], struct lp_err *err);
/* The use is over: durable before this returns. */
int lp_sign_token_use(struct lp_sign *sign, const char *id, struct lp_err *err);
void lp_sign_token_release(struct lp_sign *sign, const char *id);

/* manager->bearer */
int lp_sign_bearer(struct lp_sign *sign, const char *token, struct lp_arena *arena, struct lp_user *out);

#endif
