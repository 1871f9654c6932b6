/*
 * tools/static/libc_stub.c - what glibc drags into a static program for languages, wide text, exceptions and scanf, cut off.
 *
 * Why     an assertion alone brings message catalogues, iconv with its modules and a dynamic loader for them; libnl
 *         brings locales (for strerror_l) and scanf (for /proc/net/psched and DECnet addresses, which only traffic control and
 *         history read); clean-up for C++ exceptions brings an unwinder. We have no language but English in UTF-8,
 *         no exceptions, no wide streams, no %ls, no pthread_cancel and no pthread_exit. Without them: 460 KB less, nothing that
 *         could load foreign code, and no .eh_frame, which is another 0.5 MB.
 * Rules   our code calls neither scanf nor newlocale (tools/check-headers); threads end by returning from their function
 * Where   only in build/limpet as clang and lld link it; tests have the whole libc
 * Source  glibc 2.41: assert/assert.c, intl/dcgettext.c, locale/newlocale.c, iconv/gconv_dl.c, wcsmbs/wcsmbsload.c, elf/dl-load.c,
 *         sysdeps/nptl/unwind*.c; libnl 3.7: lib/utils.c get_psched_settings() and nl_strerror_l(), lib/addr.c. What libc no longer asks for is
 *         simply not linked; what it asks for in addition comes from libc again, or does not link.
 */
#include <assert.h>
#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

/* libc's own names for them; no header has these. */
char *__dcgettext(const char *domain, const char *text, int category);
int __vfwprintf_internal(FILE *file, const wchar_t *format, va_list arguments, unsigned flags);
extern const void *const __wcsmbs_gconv_fcts_c[8];
void __wcsmbs_load_conv(void *locale);
void __wcsmbs_clone_conv(void *copy);
int __wcsmbs_named_conv(void *copy, const char *name);
void *__wcsmbs_getfct(const char *to, const char *from, size_t *steps);
void _nl_cleanup_ctype(void *locale);
extern int __gconv_lock;
int __gconv_release_step(void *step);
size_t __wcsrtombs(char *to, const wchar_t **from, size_t len, mbstate_t *state);
size_t __wcrtomb(char *to, wchar_t from, mbstate_t *state);
size_t __mbsrtowcs(wchar_t *to, const char **from, size_t len, mbstate_t *state);
#ifdef __x86_64__
void _dl_init_paths(const char *paths, const char *source, const char *hwcaps, const char *mask, void *subdirs, size_t count);
#endif
const char *_dl_get_origin(void);
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

/* ---- wide characters: no stream of ours is wide and no format has %ls ---- */

int
__vfwprintf_internal(FILE *file, const wchar_t *format, va_list arguments, unsigned flags)
{
	(void)file;
	(void)format;
	(void)arguments;
	(void)flags;
	return -1;
}

/* The loading of conversions, all of it: whoever converts has called what our code does not call. */
const void *const __wcsmbs_gconv_fcts_c[8] = { NULL };

void
__wcsmbs_load_conv(void *locale)
{
	(void)locale;
	abort();
}

void
__wcsmbs_clone_conv(void *copy)
{
	(void)copy;
	abort();
}

int
__wcsmbs_named_conv(void *copy, const char *name)
{
	(void)copy;
	(void)name;
	return 1;
}

void *
__wcsmbs_getfct(const char *to, const char *from, size_t *steps)
{
	(void)to;
	(void)from;
	*steps = 0;
	return NULL;
}

void
_nl_cleanup_ctype(void *locale)
{
	(void)locale;	/* nothing was loaded */
}

/* fclose gives the conversions of a wide stream back. */
int __gconv_lock;

int
__gconv_release_step(void *step)
{
	(void)step;
	return 0;
}

/* printf's %ls and %lc, and wide standard error. */
size_t
__wcsrtombs(char *to, const wchar_t **from, size_t len, mbstate_t *state)
{
	(void)to;
	(void)from;
	(void)len;
	(void)state;
	return (size_t)-1;
}

size_t
__wcrtomb(char *to, wchar_t from, mbstate_t *state)
{
	(void)to;
	(void)from;
	(void)state;
	return (size_t)-1;
}

size_t
__mbsrtowcs(wchar_t *to, const char **from, size_t len, mbstate_t *state)
{
	(void)to;
	(void)from;
	(void)len;
	(void)state;
	return (size_t)-1;
}

/* ---- a loader ---- */

/* Where libraries would be looked for. Elsewhere its file brings more that libc wants. */
#ifdef __x86_64__
void
_dl_init_paths(const char *paths, const char *source, const char *hwcaps, const char *mask, void *subdirs, size_t count)
{
	(void)paths;
	(void)source;
	(void)hwcaps;
	(void)mask;
	(void)subdirs;
	(void)count;
}
#endif

/* Where the program lies, for libraries beside it: a readlink for each start. */
const char *
_dl_get_origin(void)
{
	return (const char *)-1;	/* libc's way to say that it is not known */
}
