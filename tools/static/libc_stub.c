/*
 * tools/static/libc_stub.c - what glibc drags into a static program for languages, character sets, exceptions and scanf, cut off.
 *
 * Why     an assertion alone brings message catalogues, iconv with its modules and a dynamic loader for them; libnl
 *         brings locales (for strerror_l) and scanf (for /proc/net/psched and DECnet addresses, which only traffic control and
 *         history read); clean-up for C++ exceptions brings an unwinder. We have no language but English in UTF-8,
 *         no exceptions, no pthread_cancel and no pthread_exit. Without them: 350 KB less, nothing that could load
 *         foreign code, and no .eh_frame, which is another 0.5 MB.
 * Rules   our code calls neither scanf nor newlocale (tools/check-headers); threads end by returning from their function
 * Where   only in build/limpet as clang and lld link it; tests have the whole libc
 * Source  glibc 2.41: assert/assert.c, intl/dcgettext.c, locale/newlocale.c, iconv/gconv_dl.c, sysdeps/nptl/unwind*.c;
 *         libnl 3.7: lib/utils.c get_psched_settings() and nl_strerror_l(), lib/addr.c. What libc no longer asks for is
 *         simply not linked; what it asks for in addition comes from libc again, or does not link.
 */
#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* libc's own names for them; no header has these. */
char *__dcgettext(const char *domain, const char *text, int category);
int __gconv_find_shlib(const char *name, void **out);
void __gconv_release_shlib(void *handle);
int __isoc23_fscanf(FILE *file, const char *format, ...);
int __isoc23_sscanf(const char *text, const char *format, ...);
_Noreturn void _Unwind_Resume(void *exception);
_Noreturn int _Unwind_ForcedUnwind(void *exception, void *stop, void *argument);
_Noreturn unsigned long _Unwind_GetCFA(void *context);
_Noreturn int __gcc_personality_v0(void);

void
__assert_fail(const char *expression, const char *file, unsigned line, const char *function)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "%s:%u: %s: assertion `%s' failed\n", file, line, function, expression);

	if (len > 0)
		(void)!write(STDERR_FILENO, text, len < (int)sizeof(text) ? (size_t)len : sizeof(text) - 1);	/* about to die */
	abort();
}

char *
__dcgettext(const char *domain, const char *text, int category)
{
	(void)domain;
	(void)category;
	return (char *)text;	/* the message is its own translation */
}

locale_t
newlocale(int mask, const char *name, locale_t base)
{
	(void)mask;
	(void)name;
	(void)base;
	errno = ENOENT;
	return NULL;
}

void
freelocale(locale_t locale)
{
	(void)locale;	/* newlocale gave none */
}

int
__gconv_find_shlib(const char *name, void **out)
{
	(void)name;
	*out = NULL;
	return 1;	/* __GCONV_NOCONV: built-in conversions only */
}

void
__gconv_release_shlib(void *handle)
{
	(void)handle;	/* none was found */
}

int
__isoc23_fscanf(FILE *file, const char *format, ...)
{
	(void)file;
	(void)format;
	return 0;	/* nothing matched */
}

/* 32-bit ARM has unwind tables of another kind, which its libgcc wants to keep. */
#ifndef __arm__
void
_Unwind_Resume(void *exception)
{
	(void)exception;
	abort();
}

int
_Unwind_ForcedUnwind(void *exception, void *stop, void *argument)
{
	(void)exception;
	(void)stop;
	(void)argument;
	abort();
}

unsigned long
_Unwind_GetCFA(void *context)
{
	(void)context;
	abort();
}

int
__gcc_personality_v0(void)
{
	abort();
}

int
__isoc23_sscanf(const char *text, const char *format, ...)
{
	(void)text;
	(void)format;
	return 0;
}
#endif
