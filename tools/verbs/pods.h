/*
 * tools/verbs/pods.h - "web", "pod/web": the pod a verb works on, and which of its containers.
 */
#ifndef LP_TOOLS_VERBS_PODS_H
#define LP_TOOLS_VERBS_PODS_H

#include "tools/verbs/context.h"

/* Fetch the pod that a word names. */
int lp_pods_find(struct lp_context *ctx, const char *word, struct lp_json **out);

/*
 * The container: `name` if it is there, else the pod's default (annotation kubectl.kubernetes.io/default-container, else the
 * first; several are told on standard error). -EINVAL when there is no such container.
 */
int lp_pods_container(struct lp_context *ctx, const struct lp_json *pod, const char *name, const char **out);

#endif
