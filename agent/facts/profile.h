/*
 * agent/facts/profile.h - what this node has for securityContext: seccomp profiles in files, security modules, devices.
 *
 * AppArmor  profiles are loaded by who owns the node, as Kubernetes has it; RuntimeDefault is the one called LP_PROFILE_DEFAULT
 * Files   <data>/seccomp/<localhostProfile>: docker-style JSON, as Kubernetes' Localhost profiles are; at most 1 MiB; put there by who owns
 *         the node, never by a manager
 */
#ifndef LP_AGENT_PROFILE_H
#define LP_AGENT_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "runtime/runtime.h"

/* The document, in the arena. -ENOENT and the like in words that name the file. */
int lp_profile_load(struct lp_arena *arena, int data_fd, const char *name, struct lp_json **out, struct lp_err *err);

#define LP_PROFILE_DEFAULT "limpet-default"

/* Is an AppArmor profile of this name loaded? Also false where securityfs is not mounted. */
bool lp_profile_is_loaded(const char *name);

/* Is the security module on in this kernel? */
bool lp_profile_has_apparmor(void);
bool lp_profile_has_selinux(void);

/* The host's device nodes, for privileged containers: everything in /dev but terminals, shm, mqueue. */
int lp_profile_devices(struct lp_arena *arena, const struct lp_device **out, size_t *out_count, struct lp_err *err);

#endif
