#include "tools/verbs/table.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "specs/object.h"

#define GAP 3

void
lp_table_init(struct lp_table *table, struct lp_arena *arena, size_t columns)
{
	memset(table, 0, sizeof(*table));
	table->arena = arena;
	table->columns = columns < LP_TABLE_COLUMNS ? columns : LP_TABLE_COLUMNS;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t
width_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

int
lp_table_add(struct lp_table *table, const char *const *cells)
{
	if (table->rows == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		const char **more = lp_arena_alloc(table->arena, room * table->columns * sizeof(*more));

		if (!more)
			return -ENOMEM;
		if (table->rows)
			memcpy(more, table->cells, table->rows * table->columns * sizeof(*more));
		table->cells = more;
		table->room = room;
	}
	for (size_t i = 0; i < table->columns; i++) {
		const char *text = lp_arena_str(table->arena, cells[i] ? cells[i] : "");
		size_t width;

		if (!text)
			return -ENOMEM;
		width = width_of(text);
		if (width > table->widths[i])
			table->widths[i] = width;
		table->cells[table->rows * table->columns + i] = text;
	}
	table->rows++;
	return 0;
}

/* What a server or an image said does not get to move the terminal's cursor. */
static void
print_cell(struct lp_buf *out, const char *text)
{
	for (; *text; text++)
		(void)lp_buf_char(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

int
lp_table_print(struct lp_table *table, struct lp_buf *out)
{
	for (size_t r = 0; r < table->rows; r++) {
		const char **row = &table->cells[r * table->columns];
		size_t last = table->columns;

		while (last > 1 && !*row[last - 1])
			last--;
		for (size_t i = 0; i < last; i++) {
			print_cell(out, row[i]);
			if (i + 1 < last)
				for (size_t n = width_of(row[i]); n < table->widths[i] + GAP; n++)
					(void)lp_buf_char(out, ' ');
		}
		(void)lp_buf_char(out, '\n');
	}
	table->rows = 0;
	return out->failed;
}

static const char *
cell_text(struct lp_arena *arena, const struct lp_json *cell)
{
	lp_auto_buf struct lp_buf text = { 0 };

	if (!cell || cell->type == LP_JSON_NULL)
		return "<none>";
	if (cell->type == LP_JSON_STRING)
		return cell->text;
	lp_buf_init(&text, 65536);
	(void)lp_json_write(&text, cell);
	return lp_arena_str(arena, lp_buf_text(&text));
}

static const char *
labels_text(struct lp_arena *arena, const struct lp_json *object)
{
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, 65536);
	lp_json_each(label, lp_object_labels(object))
		(void)lp_buf_printf(&text, "%s%s=%s", text.len ? "," : "", label->key, lp_json_text(label) ? lp_json_text(label) : "");
	return text.len ? lp_arena_str(arena, text.data) : "<none>";
}

static const char *
upper(struct lp_arena *arena, const char *text)
{
	char *copy = lp_arena_str(arena, text ? text : "");

	for (char *p = copy; p && *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return copy;
}

static bool
shown(const struct lp_json *column, const struct lp_table_look *look)
{
	return look->wide || lp_json_int(column, "priority", 0) == 0;
}

static int
add_server_row(struct lp_table *table, struct lp_arena *arena, const struct lp_json *columns, const struct lp_json *row,
    const struct lp_table_look *look)
{
	const struct lp_json *cell = lp_json_first(lp_json_get(row, "cells")), *object = lp_json_get(row, "object");
	const char *cells[LP_TABLE_COLUMNS] = { 0 };
	size_t n = 0;

	if (look->namespaces)
		cells[n++] = lp_object_namespace(object);
	lp_json_each(column, columns) {
		const char *name = lp_json_str(column, "name");

		if (shown(column, look) && n < table->columns) {
			cells[n] = cell_text(arena, cell);
			if (look->prefix && name && !strcmp(name, "Name"))
				cells[n] = lp_arena_printf(arena, "%s%s", look->prefix, cells[n]);
			n++;
		}
		cell = cell ? cell->next : NULL;
	}
	if (look->labels && n < table->columns)
		cells[n++] = labels_text(arena, object);
	return lp_table_add(table, cells);
}

int
lp_table_from_server(struct lp_table *table, struct lp_arena *arena, const struct lp_json *columns, const struct lp_json *rows,
    const struct lp_table_look *look)
{
	const char *head[LP_TABLE_COLUMNS] = { 0 };
	size_t n = 0;
	int rc = 0;

	if (look->namespaces)
		head[n++] = "NAMESPACE";
	lp_json_each(column, columns)
		if (shown(column, look) && n < LP_TABLE_COLUMNS - 1)
			head[n++] = upper(arena, lp_json_str(column, "name"));
	if (look->labels)
		head[n++] = "LABELS";
	if (!table->arena)
		lp_table_init(table, arena, n);
	table->arena = arena;
	table->cells = NULL;
	table->rows = table->room = 0;
	if (!look->no_headers)
		rc = lp_table_add(table, head);
	lp_json_each(row, rows)
		if (rc == 0)
			rc = add_server_row(table, arena, columns, row, look);
	return rc;
}
