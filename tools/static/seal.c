/*
 * tools/static/seal.c - `limpet oci` starts over from a read-only executable before the first start has done anything.
 *
 * Why     lp_container_exe_seal (runtime/exe.c) makes commands that clone a container execute themselves once more (CVE-2019-5736).
 *         Done in main, libc's start is paid twice: relocations, its tables, and some 40 CPUID instructions, which leave a virtual
 *         machine (6 us each where we measured). Here, in front of libc's entry, the first start touches two pages.
 * How     the program's entry is lp_static_entry; it looks at the arguments on the stack and goes on to libc's _start. Nothing is
 *         relocated and no thread pointer is set: no libc, no table with addresses, no stack protector, nothing but system calls.
 * Trust   whatever fails or is not recognised here is left to lp_container_exe_seal, which looks again and reports
 * Where   only in build/limpet for amd64; elsewhere the call in main does it
 */
#ifdef __x86_64__
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define EARLY __attribute__((no_stack_protector, noinline))

/* For the assembly below only. */
void lp_static_seal(char **stack);

__asm__(".text\n"
	".globl lp_static_entry\n"
	".type lp_static_entry, @function\n"
	"lp_static_entry:\n"
	"	endbr64\n"
	"	mov %rsp, %rbx\n"	/* what _start expects: the stack, and rdx */
	"	mov %rdx, %r12\n"
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call lp_static_seal\n"
	"	mov %rbx, %rsp\n"
	"	mov %r12, %rdx\n"
	"	jmp _start\n"
	".size lp_static_entry, . - lp_static_entry\n");

EARLY static long
call(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
	return result;
}

EARLY static bool
is(const char *word, const char *other)
{
	while (*word && *word == *other) {
		word++;
		other++;
	}
	return *word == *other;
}

/* A superset of what clones a container: an option's value may be such a word, and starting over once too often is harmless. */
EARLY static bool
clones(char **argv)
{
	const char *name = argv[0];
	bool oci = false, word = false;

	if (!name || !argv[1])
		return false;
	for (const char *at = name; *at; at++)
		if (*at == '/')
			name = at + 1;
	oci = is(name, "limpet-oci") || is(name, "runc") || is(name, "crun") || is(argv[1], "oci");
	for (char **arg = argv + 1; *arg && !word; arg++)
		word = is(*arg, "create") || is(*arg, "run") || is(*arg, "exec");
	return oci && word;
}

EARLY void
lp_static_seal(char **stack)
{
	char **argv = stack + 1, **env = argv + *(long *)stack + 1;
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };
	struct statfs fs __attribute__((uninitialized));	/* zeroing it could mean memset */
	long exe, tree;

	if (!clones(argv))
		return;
	exe = call(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_PATH | O_CLOEXEC, 0, 0);
	if (exe < 0)
		return;
	if (call(SYS_fstatfs, exe, (long)&fs, 0, 0, 0) == 0 && !(fs.f_flags & ST_RDONLY)) {
		tree = call(SYS_open_tree, exe, (long)"", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH, 0, 0);
		if (tree >= 0 && call(SYS_mount_setattr, tree, (long)"", AT_EMPTY_PATH, (long)&attr, sizeof(attr)) == 0)
			(void)call(SYS_execveat, tree, (long)"", (long)argv, (long)env, AT_EMPTY_PATH);
		if (tree >= 0)
			(void)call(SYS_close, tree, 0, 0, 0, 0);
	}
	(void)call(SYS_close, exe, 0, 0, 0, 0);
}
#endif
