/*
 * tools/verbs/table.h - text in aligned columns, as kubectl prints it: three spaces between, none at the end of a line.
 */
#ifndef LP_TOOLS_VERBS_TABLE_H
#define LP_TOOLS_VERBS_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"

#define LP_TABLE_COLUMNS 32

struct lp_table {
	struct lp_arena *arena;		/* weak */
	const char **cells;		/* columns * rows */
	size_t columns, rows, room;
	size_t widths[LP_TABLE_COLUMNS];	/* kept between prints, so that a watch stays aligned */
};

void lp_table_init(struct lp_table *table, struct lp_arena *arena, size_t columns);

/* A row of `columns` texts; NULL reads as "". Copied. */
int lp_table_add(struct lp_table *table, const char *const *cells);

/* Prints and forgets the rows. */
int lp_table_print(struct lp_table *table, struct lp_buf *out);

struct lp_table_look {
	bool wide;			/* columns of every priority */
	bool namespaces;		/* NAMESPACE first */
	bool no_headers;
	bool labels;			/* LABELS last */
	const char *prefix;		/* "pod/" before names; NULL: none */
};

/* The rows of a meta.k8s.io/v1 Table document, its header first (unless no_headers). The table must be fresh or of the same document kind. */
int lp_table_from_server(struct lp_table *table, struct lp_arena *arena, const struct lp_json *columns, const struct lp_json *rows,
    const struct lp_table_look *look);

#endif
