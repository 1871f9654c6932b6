/*
 * specs/trail.h - where a walker is in a document: a chain of stack frames, printed only when something is to be said.
 *
 * Use     struct lp_trail here = { .up = trail, .name = "ports" };  or { .up = trail, .index = 3 } for an element
 */
#ifndef LP_SPECS_TRAIL_H
#define LP_SPECS_TRAIL_H

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"

struct lp_trail {
	const struct lp_trail *up;	/* NULL at the root */
	const char *name;		/* member; NULL: an element of a list */
	const char *key;		/* of a map, printed as [key]; NULL otherwise */
	size_t index;
};

/* "spec.containers[0].ports[1].name"; plain leaves the numbers out. */
void lp_trail_print(const struct lp_trail *trail, struct lp_buf *out);
void lp_trail_print_plain(const struct lp_trail *trail, struct lp_buf *out);

/* The same in an arena; "" when memory is out. */
const char *lp_trail_text(struct lp_arena *arena, const struct lp_trail *trail);

#endif
