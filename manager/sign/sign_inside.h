/*
 * manager/sign/sign_inside.h - what sign.c, sign_token.c and sign_join.c share.
 */
#ifndef LP_MANAGER_SIGN_INSIDE_H
#define LP_MANAGER_SIGN_INSIDE_H

#include "base/digest.h"
#include "base/list.h"
#include "base/loop.h"
#include "manager/sign/sign.h"

#define LP_SIGN_DAY_MS (INT64_C(86400) * 1000)
#define LP_SIGN_ID     17		/* hex digits of a token's id, and the NUL */

/* One token, as it is stored: for joining (uses) or for a person or program (user). */
struct lp_sign_token {
	struct lp_list link;
	char id[LP_SIGN_ID];
	uint8_t hash[LP_DIGEST_BYTES];	/* of the secret's text */
	int64_t expires_ms;		/* since 1970 */
	int64_t uses;			/* JOIN: how many devices it still admits */
	char user[256];			/* "" : a join token */
	char groups[LP_ACCESS_GROUPS][128];
	size_t group_count;
};

struct lp_sign {
	struct lp_manager *manager;	/* weak */
	int ca_fd, tokens_fd;
	struct lp_cert_key *ca_key, *fleet_key;
	char *ca_pem, *fleet_pem;	/* certificate; public key */
	char *admin_pem, *admin_key_pem;
	char *server_pem, *server_key_pem;
	char **names;			/* of the server certificate; NULL-terminated */
	uint8_t ca_spki[LP_DIGEST_BYTES];
	struct lp_tls_tickets *tickets;
	struct lp_tls_config *tls;
	struct lp_timer daily;
	struct lp_list tokens;
	size_t token_count;
};

/* sign_token.c */
int lp_sign_tokens_load(struct lp_sign *sign, struct lp_err *err);
void lp_sign_tokens_fini(struct lp_sign *sign);
/* Checks "lp1.<id>.<secret>.<hash>" and takes one use away, durably. -EACCES. */
int lp_sign_token_use(struct lp_sign *sign, const char *text, char out_id[static LP_SIGN_ID], struct lp_err *err);
/* The use was for nothing: give it back. */
void lp_sign_token_give_back(struct lp_sign *sign, const char *id);
/* As manager->bearer. */
int lp_sign_token_bearer(struct lp_sign *sign, const char *text, struct lp_arena *arena, struct lp_user *out);

#endif
