/*
 * runtime/seccomp.h - the system call filter: built once from a table, loaded as bytes.
 *
 * Rule    an allow list; unknown calls answer ENOSYS, known dangerous ones EPERM; foreign ABIs are off; sockets by family
 * Source  runtime/seccomp_default.def; TRUST.md rule 5 and "Defaults of a container that asks for nothing"
 */
#ifndef LP_RUNTIME_SECCOMP_H
#define LP_RUNTIME_SECCOMP_H

#include "base/err.h"
#include "runtime/runtime.h"

/*
 * The bytes for a process: those given, or the default filter for its capabilities, built at first use and kept in this
 * process (valid until the next call with other capabilities). *out_bytes 0: unconfined.
 */
int lp_seccomp_program(const struct lp_process_config *process, const void **out, size_t *out_bytes, struct lp_err *err);

/* Onto the calling process, for good; read back. Needs no_new_privs or CAP_SYS_ADMIN. */
int lp_seccomp_load(const void *program, size_t bytes, struct lp_err *err);

/*
 * The same with flags of seccomp(2), as lp_seccomp_compile gives them. With SECCOMP_FILTER_FLAG_NEW_LISTENER the listener comes
 * back in *out_listener (the caller's, close-on-exec), else -1. A flag that the kernel does not have: -EOPNOTSUPP, and nothing is loaded.
 */
int lp_seccomp_load_with(const void *program, size_t bytes, uint32_t flags, int *out_listener, struct lp_err *err);

#endif
