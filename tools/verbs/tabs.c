#include "tools/verbs/tabs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"

#define PADDING 2
#define COLUMNS 16

struct line {
	const char *cells[COLUMNS];
	size_t lens[COLUMNS], widths[COLUMNS];	/* bytes, and room on the screen with padding */
	size_t count;
};

static size_t
width_of(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static const char *
split_line(const char *p, struct line *line)
{
	size_t len;

	line->count = 0;
	for (;;) {
		len = line->count + 1 < COLUMNS ? strcspn(p, "\t\n") : strcspn(p, "\n");
		line->cells[line->count] = p;
		line->lens[line->count++] = len;
		p += len;
		if (*p != '\t')
			return *p ? p + 1 : p;
		p++;
	}
}

/* Give the lines from..to-1, which all have column c, their common width. */
static void
set_width(struct line *lines, size_t from, size_t to, size_t c)
{
	size_t width = 0;

	for (size_t i = from; i < to; i++) {
		size_t w = width_of(lines[i].cells[c], lines[i].lens[c]) + PADDING;

		width = w > width ? w : width;
	}
	for (size_t i = from; i < to; i++)
		lines[i].widths[c] = width;
}

static void
measure(struct line *lines, size_t count)
{
	for (size_t c = 0; c + 1 < COLUMNS; c++) {
		size_t from = 0;

		for (size_t i = 0; i <= count; i++) {
			bool has = i < count && lines[i].count > c + 1;

			if (has)
				continue;
			if (i > from)
				set_width(lines, from, i, c);
			from = i + 1;
		}
	}
}

static void
add_line(const struct line *line, struct lp_buf *out)
{
	size_t spaces = 0;

	for (size_t c = 0; c < line->count; c++) {
		/* Spaces before nothing are left out: no line ends with them. */
		if (line->lens[c])
			for (; spaces; spaces--)
				(void)lp_buf_char(out, ' ');
		for (size_t i = 0; i < line->lens[c]; i++) {
			unsigned char byte = (unsigned char)line->cells[c][i];

			(void)lp_buf_char(out, byte < ' ' || byte == 0x7f ? '?' : (char)byte);
		}
		if (c + 1 < line->count)
			spaces += line->widths[c] - width_of(line->cells[c], line->lens[c]);
	}
	(void)lp_buf_char(out, '\n');
}

int
lp_tabs_print(const char *text, struct lp_buf *out)
{
	lp_auto_free struct line *lines = NULL;
	size_t count = 0, i = 0;

	for (const char *p = text; *p; p++)
		count += *p == '\n' || !p[1];
	if (!count)
		return 0;
	lines = calloc(count, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	for (const char *p = text; *p && i < count; i++)
		p = split_line(p, &lines[i]);
	measure(lines, i);
	for (size_t n = 0; n < i; n++)
		add_line(&lines[n], out);
	return out->failed;
}
