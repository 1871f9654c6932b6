/*
 * tools/verbs/kubeconfig.h - a kubeconfig file: one cluster, one user, one namespace, by its context.
 *
 * Fields  clusters[].cluster: server, certificate-authority[-data], tls-server-name; users[].user: client-certificate[-data],
 *         client-key[-data], token, tokenFile; contexts[].context: cluster, user, namespace. File names are relative to the file
 * Refused insecure-skip-tls-verify (we always verify), exec and auth-provider plugins (we run no helpers)
 */
#ifndef LP_TOOLS_VERBS_KUBECONFIG_H
#define LP_TOOLS_VERBS_KUBECONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "wire/tls.h"

struct lp_kubeconfig {
	const char *url, *host;
	uint16_t port;
	const char *tls_name;		/* NULL: host */
	const char *bearer;		/* "Bearer ..."; NULL: none */
	const char *namespace;		/* "default" when not given */
	struct lp_tls_config *tls;	/* owned by the caller; NULL: plain http */
};

/* context NULL: current-context. Strings live in the arena. */
int lp_kubeconfig_read(struct lp_arena *arena, const char *path, const char *context, struct lp_kubeconfig *out, struct lp_err *err);

/* Is there anything under this name? */
bool lp_kubeconfig_is_there(const char *path);

#endif
