/*
 * agent/convert/convert_parts.h - the parts of convert, one file a topic: security, resources, mounts, the pod's own files.
 *
 * Rule    pure, like convert.h; only convert*.c include this
 */
#ifndef LP_AGENT_CONVERT_PARTS_H
#define LP_AGENT_CONVERT_PARTS_H

#include "agent/convert/convert.h"
#include "agent/facts/env.h"

/* ---- security ---- */

bool lp_convert_privileged(const struct lp_spec_container *container);
/* uid, gid, groups, capabilities, no_new_privs, seccomp, labels. */
int lp_convert_process_rights(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_facts_image *who, const struct lp_facts *facts,
    struct lp_process_config *out, struct lp_err *err);
/* Masked paths, devices. */
int lp_convert_container_rights(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_spec_container *container,
    const struct lp_facts *facts, struct lp_container_config *config, struct lp_err *err);
int lp_convert_sysctls(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_control_pod *out,
    struct lp_err *err);
int lp_convert_users(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_control_pod *out, struct lp_err *err);

/* ---- resources ---- */

int32_t lp_convert_oom_score(const struct lp_spec_pod *pod, const struct lp_spec_container *container, const struct lp_facts *facts);

/* ---- mounts ---- */

int lp_convert_mounts(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_spec_container *container, const struct lp_image *image, const struct lp_volume *volumes, size_t volume_count,
    const struct lp_facts *facts, struct lp_container_config *out, struct lp_err *err);
/* The tmpfs volumes that the keeper makes. */
int lp_convert_tmpfs(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_control_pod *out, struct lp_err *err);

/* ---- probes and hooks ---- */

/* `env`: what $(VAR) in a command stands for. `address`: whom to ask where the pod names no host. */
int lp_convert_probes(struct lp_arena *arena, const struct lp_spec_container *container, const struct lp_env *env, const char *address,
    struct lp_control_container *out, struct lp_err *err);

/* ---- files ---- */

/* What the pod calls itself, one label; and what its kernel says, with the domain when setHostnameAsFQDN asks for it. */
const char *lp_convert_host_name(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_facts *facts);
const char *lp_convert_kernel_name(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json,
    const struct lp_facts *facts);

#endif
