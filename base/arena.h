/*
 * base/arena.h - memory that is given back all at once.
 *
 * Limits  `max` bytes in total; beyond it, or without memory, allocation returns NULL and `failed` stays set,
 *         so a builder checks once at its end
 */
#ifndef LP_BASE_ARENA_H
#define LP_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct lp_arena_block;

struct lp_arena {
	struct lp_arena_block *blocks;	/* newest first; NULL while nothing was allocated */
	size_t total, max;		/* bytes handed out, allowed */
	bool failed;
};

void lp_arena_init(struct lp_arena *arena, size_t max);
void lp_arena_fini(struct lp_arena *arena);

/* Zeroed, aligned for any type as malloc does it. NULL when the ceiling or memory is reached. */
void *lp_arena_alloc(struct lp_arena *arena, size_t size);

/* Copies of text; NULL on failure or when text is NULL. */
char *lp_arena_str(struct lp_arena *arena, const char *text);
char *lp_arena_mem(struct lp_arena *arena, const char *text, size_t len);
char *lp_arena_printf(struct lp_arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define lp_auto_arena __attribute__((cleanup(lp_arena_fini)))

#endif
