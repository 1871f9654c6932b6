/*
 * runtime/seccomp_calls.h - the number of a system call, by its name.
 *
 * Numbers 0 and more; on i386 less than -100 where another call carries it (seccomp_calls.def); LP_SECCOMP_NO_CALL: none of this ABI
 */
#ifndef LP_RUNTIME_SECCOMP_CALLS_H
#define LP_RUNTIME_SECCOMP_CALLS_H

enum { LP_SECCOMP_NO_CALL = -1 };

/* What a kernel of this architecture can run; the first is native. */
enum lp_seccomp_abi {
#if defined(__x86_64__)
	LP_SECCOMP_X86_64,
	LP_SECCOMP_X86,
	LP_SECCOMP_X32,
#elif defined(__aarch64__)
	LP_SECCOMP_ARM64,
	LP_SECCOMP_ARM,
#elif defined(__arm__)
	LP_SECCOMP_ARM,
#else
#error "which system calls has this?"
#endif
	LP_SECCOMP_ABIS,
	LP_SECCOMP_NATIVE = 0
};

int lp_seccomp_call(enum lp_seccomp_abi abi, const char *name);

#endif
