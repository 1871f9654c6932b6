/*
 * runtime/hook.h - programs of the caller's that run at fixed points of a container's life.
 *
 * Rule    nothing of ours but the two streams crosses into a hook; its first words are the reason when it fails
 * Source  OCI runtime-spec config.md "POSIX-platform Hooks"
 */
#ifndef LP_RUNTIME_HOOK_H
#define LP_RUNTIME_HOOK_H

#include <sys/types.h>

#include "base/err.h"
#include "runtime/runtime.h"

/* Each in order, with head, pid and tail on its stdin; the first failure ends it. */
int lp_hook_group(const struct lp_hook_group *group, pid_t pid, struct lp_err *err);

#endif
