/*
 * manager/request/access.h - who is asking, and may they.
 *
 * People    client certificate: CN = user, every O = a group; bearer token: what the token says; neither: system:anonymous
 * May       system:masters everything; system:node:<n> only what /fleet/v1 gives it, and to read itself and its own pods;
 *           system:anonymous /version, /healthz, /livez, /readyz and POST /fleet/v1/join; everybody else nothing
 */
#ifndef LP_MANAGER_ACCESS_H
#define LP_MANAGER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define LP_ACCESS_GROUPS 16

/* Who asks; strings live as long as the call. */
struct lp_user {
	const char *name;			/* "system:anonymous" when nobody proved anything */
	const char *groups[LP_ACCESS_GROUPS];
	size_t group_count;
	const char *node;			/* name of the node when this is one, else NULL */
};

/* What is asked. */
struct lp_asked {
	const char *verb;			/* "get", "list", "watch", "create", ... ; for other paths the method in lower case */
	const char *group, *resource, *subresource, *namespace, *name;	/* NULL where there is none */
	const char *path;			/* for what is no resource, else NULL */
	const char *object_node;		/* spec.nodeName of the Pod asked for, NULL otherwise */
};

bool lp_access_in_group(const struct lp_user *user, const char *group);

/* 0; -EPERM forbidden; -EACCES nobody (401). The words say why, as Kubernetes does. */
int lp_access_check(const struct lp_user *user, const struct lp_asked *asked, struct lp_err *err);

#endif
