/*
 * base/auto.h - resources that give themselves back at the end of a scope.
 *
 * Use     lp_auto_fd int fd = -1;  lp_auto_free char *s = NULL;  then hand over with lp_take_fd(&fd), lp_take(&s)
 * Rule    initialise at the declaration; every destructor accepts -1 or NULL
 */
#ifndef LP_BASE_AUTO_H
#define LP_BASE_AUTO_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The object that embeds `member` at `ptr`. */
#define lp_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))

#define lp_count(array) (sizeof(array) / sizeof((array)[0]))

static inline void
lp_auto_close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);	/* nothing can be done about a failed close on this path */
}

static inline void
lp_auto_free_ptr(void *ptr)
{
	free(*(void **)ptr);
}

static inline void
lp_auto_close_dir(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static inline void
lp_auto_close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

#define lp_auto_fd __attribute__((cleanup(lp_auto_close_fd)))
#define lp_auto_free __attribute__((cleanup(lp_auto_free_ptr)))
#define lp_auto_dir __attribute__((cleanup(lp_auto_close_dir)))
#define lp_auto_file __attribute__((cleanup(lp_auto_close_file)))

/* Hand a descriptor over: the variable is -1 afterwards. */
static inline int
lp_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Hand a pointer over: the variable is NULL afterwards. */
#define lp_take(pptr)                                   \
	__extension__({                                 \
		__typeof__(*(pptr)) lp_taken_ = *(pptr); \
		*(pptr) = NULL;                         \
		lp_taken_;                              \
	})

/* Close a descriptor now and remember that it is gone. */
static inline void
lp_close(int *fd)
{
	lp_auto_close_fd(fd);
	*fd = -1;
}

#endif
