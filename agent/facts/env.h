/*
 * agent/facts/env.h - pure: the environment of a container, and $(VAR) in its command.
 *
 * Order   image, service links, envFrom, env; a later one replaces an earlier one of the same name
 * Source  Kubernetes "Define Dependent Environment Variables", kubelet getServiceEnvVarMap and makeEnvironmentVariables
 * Errors  -ENOENT with "configmap \"x\" not found" or "couldn't find key k in ConfigMap ns/x", as the kubelet says
 */
#ifndef LP_AGENT_ENV_H
#define LP_AGENT_ENV_H

#include "agent/facts/facts.h"
#include "base/arena.h"
#include "base/err.h"
#include "specs/kinds.h"

struct lp_env_var {
	const char *name, *value;
};

struct lp_env {
	struct lp_arena *arena;		/* weak */
	struct lp_env_var *vars;
	size_t count, size;
	size_t spec_from;		/* variables of the pod's own begin here: $(VAR) sees only those */
};

/* All of it. -ENOMEM through arena->failed too. */
int lp_env_build(struct lp_env *out, struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_image *image, const struct lp_facts *facts, struct lp_err *err);

/* NULL-terminated "K=V". */
const char *const *lp_env_list(const struct lp_env *env);

/* $(VAR) replaced, $$ is $, unknown names stay as they are. */
const char *lp_env_expand(const struct lp_env *env, const char *text);

/* The same, but an unknown name is -EINVAL; for subPathExpr. */
int lp_env_expand_all(const struct lp_env *env, const char *text, const char **out, struct lp_err *err);

/* metadata.name, metadata.labels['x'], status.podIP ... ; -EINVAL for a path that is none. *out may become "". */
int lp_env_field(struct lp_arena *arena, const struct lp_json *pod, const char *path, const struct lp_facts *facts, const char **out,
    struct lp_err *err);

/* limits.cpu, requests.ephemeral-storage, limits.hugepages-2Mi and the like of a container, divided and rounded up. */
int lp_env_resource(struct lp_arena *arena, const struct lp_spec_container *container, const char *resource, const char *divisor,
    const struct lp_facts *facts, const char **out, struct lp_err *err);

#endif
