/* tests/runtime/test_seccomp_calls.c - our table of system calls against libseccomp's. */
#include "tests/harness.h"

#include <seccomp.h>
#include <stdlib.h>

#include "base/auto.h"
#include "runtime/seccomp_calls.h"

enum { LAST_CALL = 1200, X32_BIT = 0x40000000, ARM_PRIVATE = 0xf0000 };

static const uint32_t judges[LP_SECCOMP_ABIS] = {
#if defined(__x86_64__)
	[LP_SECCOMP_X86_64] = SCMP_ARCH_X86_64, [LP_SECCOMP_X86] = SCMP_ARCH_X86, [LP_SECCOMP_X32] = SCMP_ARCH_X32,
#elif defined(__aarch64__)
	[LP_SECCOMP_ARM64] = SCMP_ARCH_AARCH64, [LP_SECCOMP_ARM] = SCMP_ARCH_ARM,
#else
	[LP_SECCOMP_ARM] = SCMP_ARCH_ARM,
#endif
};

static int
judged(int abi, const char *name)
{
	int nr = seccomp_syscall_resolve_name_arch(judges[abi], name);

	if (nr >= 0 && judges[abi] == SCMP_ARCH_X32)
		nr &= ~X32_BIT;
	return nr >= 0 || (nr <= -100 && nr > -300) ? nr : LP_SECCOMP_NO_CALL;
}

TEST(every_row_says_what_libseccomp_says)
{
	static const char *const names[] = {
#define CALL(name, x86_64, i386, x32, arm64, arm) #name,
#include "runtime/seccomp_calls.def"
#undef CALL
	};

	for (int abi = 0; abi < LP_SECCOMP_ABIS; abi++)
		for (size_t i = 0; i < lp_count(names); i++)
			CHECK_INT(lp_seccomp_call((enum lp_seccomp_abi)abi, names[i]), judged(abi, names[i]));
}

static int
look_for(int abi, int nr)
{
	char *name = seccomp_syscall_resolve_num_arch(judges[abi], nr);

	if (!name)
		return 0;
	CHECK_INT(lp_seccomp_call((enum lp_seccomp_abi)abi, name), judged(abi, name));
	free(name);
	return 1;
}

TEST(every_call_that_libseccomp_knows_is_there)
{
	for (int abi = 0; abi < LP_SECCOMP_ABIS; abi++) {
		int known = 0;

		for (int nr = 0; nr < LAST_CALL; nr++) {
			known += look_for(abi, judges[abi] == SCMP_ARCH_X32 ? nr | X32_BIT : nr);
			known += judges[abi] == SCMP_ARCH_ARM ? look_for(abi, ARM_PRIVATE + nr) : 0;
		}
		for (int nr = -299; nr <= -100; nr++)
			known += look_for(abi, nr);
		CHECK(known > 300);
	}
}

TEST(what_is_no_call_has_no_number)
{
	static const char *const names[] = { "", "a", "opena", "ope", "zzz", "READ", "read ", "_" };

	for (size_t i = 0; i < lp_count(names); i++)
		CHECK_INT(lp_seccomp_call(LP_SECCOMP_NATIVE, names[i]), LP_SECCOMP_NO_CALL);
	CHECK(lp_seccomp_call(LP_SECCOMP_NATIVE, "read") >= 0);
}
