/*
 * runtime/record.h - who a container is: boot, cgroup, pid, start time.
 *
 * Door    lp_record_start_ticks is in runtime.h
 * Source  proc(5), /proc/<pid>/stat field 22 and /proc/sys/kernel/random/boot_id; DESIGN.md section 12
 */
#ifndef LP_RUNTIME_RECORD_H
#define LP_RUNTIME_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "runtime/runtime.h"

/* Has the process executed a program since it was cloned? -ESRCH no such process. */
int lp_record_executed(pid_t pid, bool *out, struct lp_err *err);

/* Is the process of the record still the one that lives under its number? Opens its pidfd; -ESRCH when not. */
int lp_record_find(const struct lp_container_record *record, int *out_pidfd, struct lp_err *err);

#endif
