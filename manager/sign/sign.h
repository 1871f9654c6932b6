/*
 * manager/sign/sign.h - the certificate authority, the certificates it gives, join tokens, the fleet key.
 *
 * Files   below <data dir>/manager/ca, each a state file (base/state.h): the authority, the fleet key, the admin's and the server's
 *         certificate, ticket keys; below tokens/ one per token, its secret hashed
 * First   lp_sign_new makes what is missing; a server certificate that lacks a name or is old is made anew
 * Source  DESIGN.md section 8; TRUST.md rules 15, 16, 17
 */
#ifndef LP_MANAGER_SIGN_H
#define LP_MANAGER_SIGN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "manager/request/request.h"
#include "wire/cert.h"
#include "wire/tls.h"

struct lp_sign_opts {
	const char *const *names;	/* host names and addresses of the server certificate, NULL-terminated */
};

/* Also sets manager->sign and manager->bearer. */
int lp_sign_new(struct lp_manager *manager, const struct lp_sign_opts *opts, struct lp_sign **out, struct lp_err *err);
void lp_sign_free(struct lp_sign *sign);

/* For lp_server_opts: the listener's configuration, and whether a certificate is still welcome (revoked serials, removed nodes). */
struct lp_tls_config *lp_sign_tls(struct lp_sign *sign);
bool lp_sign_admit(void *manager, const struct lp_cert_identity *peer);

/* Is this device still ours, with its own key? The words are for the device. -EACCES. */
int lp_sign_check_node(struct lp_manager *manager, const struct lp_cert_identity *peer, struct lp_err *err);

/* The kubeconfig of the administrator (authority and certificate embedded) for a server URL. */
int lp_sign_kubeconfig(struct lp_sign *sign, const char *url, struct lp_buf *out, struct lp_err *err);

/* Sign a revision with the fleet key: DER. */
int lp_sign_bytes(struct lp_sign *sign, const void *data, size_t len, struct lp_buf *out, struct lp_err *err);

/* Handlers: POST /fleet/v1/join for anybody; POST /fleet/v1/renew for a node, also with an expired certificate. */
void lp_sign_join(struct lp_request *request);
void lp_sign_renew(struct lp_request *request);
/* /fleet/v1/tokens for system:masters: GET lists; POST {"ttlSeconds","uses"} or {"ttlSeconds","user","groups"} -> 201 {"id","token","caHash","expires"}; DELETE /<id> */
void lp_sign_tokens(struct lp_request *request);

#endif
