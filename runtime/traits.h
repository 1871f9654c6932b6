/*
 * runtime/traits.h - how a process runs: CPUs, scheduler, io priority, personality, limits, security labels.
 *
 * Rule    set by the child while it is still the owner's root; what cannot be set is an error with the name of the field
 * Source  OCI runtime-spec config.md "process"; sched_setattr(2), ioprio_set(2), personality(2), proc_pid_attr(5)
 */
#ifndef LP_RUNTIME_TRAITS_H
#define LP_RUNTIME_TRAITS_H

#include <sched.h>

#include "base/err.h"
#include "runtime/runtime.h"

/* The first act of a child: the CPUs to begin with. */
int lp_traits_begin(const struct lp_process_config *config, struct lp_err *err);

/* The rest. proc_fd: a procfs in which we have a number. */
int lp_traits_apply(const struct lp_process_config *config, int proc_fd, struct lp_err *err);

/* "0-3,7" -> a set. -EINVAL not of that form, -ERANGE a CPU that no set holds. */
int lp_traits_cpus(const char *text, cpu_set_t *out);

/* "RLIMIT_NOFILE"; "rlimit" for a number that has no name. */
const char *lp_traits_rlimit_name(int resource);

/* Has the kernel this security module (their file systems say so)? */
bool lp_traits_has_selinux(int proc_fd);

#endif
