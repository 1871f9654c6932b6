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

#endif
