#include "runtime/seccomp_calls.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ARM's private calls begin at 0xf0000; kept 16 bits wide. */
#define PRIVATE 0x0f0000
#define SHORT(nr) (int16_t)((nr) >= PRIVATE ? (nr) - PRIVATE + 0x4000 : (nr))

/* A name is an offset: pointers would be relocated at every start. */
struct row {
	uint16_t name;
	int16_t nr[LP_SECCOMP_ABIS];
};

static const struct names {
#define CALL(name, x86_64, i386, x32, arm64, arm) char name##_[sizeof(#name)];
#include "runtime/seccomp_calls.def"
#undef CALL
} names = {
#define CALL(name, x86_64, i386, x32, arm64, arm) #name,
#include "runtime/seccomp_calls.def"
#undef CALL
};

static const struct row rows[] = {
#if defined(__x86_64__)
#define CALL(name, x86_64, i386, x32, arm64, arm) { offsetof(struct names, name##_), { SHORT(x86_64), SHORT(i386), SHORT(x32) } },
#elif defined(__aarch64__)
#define CALL(name, x86_64, i386, x32, arm64, arm) { offsetof(struct names, name##_), { SHORT(arm64), SHORT(arm) } },
#else
#define CALL(name, x86_64, i386, x32, arm64, arm) { offsetof(struct names, name##_), { SHORT(arm) } },
#endif
#include "runtime/seccomp_calls.def"
#undef CALL
};

int
lp_seccomp_call(enum lp_seccomp_abi abi, const char *name)
{
	size_t low = 0, high = sizeof(rows) / sizeof(rows[0]);

	while (low < high) {
		const size_t middle = (low + high) / 2;
		const int order = strcmp(name, (const char *)&names + rows[middle].name);

		if (order == 0) {
			int nr = rows[middle].nr[abi];

			return nr >= 0x4000 ? nr - 0x4000 + PRIVATE : nr;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return LP_SECCOMP_NO_CALL;
}
