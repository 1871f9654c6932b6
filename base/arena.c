#include "base/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/seam.h"

enum { ALIGN = _Alignof(max_align_t), FIRST_BLOCK = 2048, LARGEST_BLOCK = 262144 };

struct lp_arena_block {
	struct lp_arena_block *next;
	size_t size, used;
	_Alignas(ALIGN) unsigned char data[];
};

void
lp_arena_init(struct lp_arena *arena, size_t max)
{
	*arena = (struct lp_arena){ .max = max };
}

void
lp_arena_fini(struct lp_arena *arena)
{
	while (arena->blocks) {
		struct lp_arena_block *block = arena->blocks;

		arena->blocks = block->next;
		free(block);
	}
	lp_arena_init(arena, arena->max);
}

static struct lp_arena_block *
grow(struct lp_arena *arena, size_t need)
{
	size_t size = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
	struct lp_arena_block *block;

	if (size > LARGEST_BLOCK)
		size = LARGEST_BLOCK;
	if (size < need)
		size = need;
	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	block = lp_seam.grow(NULL, sizeof(*block) + size);
	if (!block)
		return NULL;
	block->next = arena->blocks;
	block->size = size;
	block->used = 0;
	arena->blocks = block;
	return block;
}

static void *
take(struct lp_arena *arena, size_t size, size_t align)
{
	struct lp_arena_block *block = arena->blocks;
	size_t at;

	if (arena->failed || size > arena->max || arena->total > arena->max - size)
		goto full;
	at = block ? (block->used + align - 1) & ~(align - 1) : 0;
	if (!block || at > block->size || block->size - at < size) {
		block = grow(arena, size);
		if (!block)
			goto full;
		at = 0;
	}
	block->used = at + size;
	arena->total += size;
	return block->data + at;
full:
	arena->failed = true;
	return NULL;
}

void *
lp_arena_alloc(struct lp_arena *arena, size_t size)
{
	void *at = take(arena, size, ALIGN);

	return at ? memset(at, 0, size) : NULL;
}

char *
lp_arena_mem(struct lp_arena *arena, const char *text, size_t len)
{
	char *copy;

	if (!text)
		return NULL;
	copy = len < SIZE_MAX ? take(arena, len + 1, 1) : NULL;
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *
lp_arena_str(struct lp_arena *arena, const char *text)
{
	return text ? lp_arena_mem(arena, text, strlen(text)) : NULL;
}

char *
lp_arena_printf(struct lp_arena *arena, const char *fmt, ...)
{
	va_list args;
	char *out;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	out = len < 0 ? NULL : take(arena, (size_t)len + 1, 1);
	if (!out)
		return NULL;
	va_start(args, fmt);
	(void)vsnprintf(out, (size_t)len + 1, fmt, args);
	va_end(args);
	return out;
}
