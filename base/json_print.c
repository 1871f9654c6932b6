#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/json.h"
#include "base/seam.h"

struct style {
	bool sorted;
	unsigned indent;	/* spaces per level; 0: everything on one line */
};

int
lp_json_write_string(struct lp_buf *out, const char *text, size_t len)
{
	size_t from = 0;

	(void)lp_buf_char(out, '"');	/* the buffer's failure is sticky and returned at the end */
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		const char *letter = c ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", c) : NULL;

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		(void)lp_buf_add(out, text + from, i - from);
		from = i + 1;
		/* The string above is pairs: a character and its letter. Odd places are letters, which are all >= 0x20. */
		if (letter)
			(void)lp_buf_printf(out, "\\%c", letter[1]);
		else
			(void)lp_buf_printf(out, "\\u%04x", c);
	}
	(void)lp_buf_add(out, text + from, len - from);
	return lp_buf_char(out, '"');
}

static void
new_line(struct lp_buf *out, const struct style *style, unsigned level)
{
	if (!style->indent)
		return;
	(void)lp_buf_char(out, '\n');
	for (unsigned i = 0; i < level * style->indent; i++)
		(void)lp_buf_char(out, ' ');
}

static int
by_key(const void *a, const void *b)
{
	const struct lp_json *const *left = a, *const *right = b;

	return strcmp((*left)->key, (*right)->key);
}

static void write_value(struct lp_buf *out, const struct lp_json *value, const struct style *style, unsigned level);

static void
write_child(struct lp_buf *out, const struct lp_json *child, const struct style *style, unsigned level, bool first)
{
	if (!first)
		(void)lp_buf_char(out, ',');
	new_line(out, style, level);
	if (child->key) {
		(void)lp_json_write_string(out, child->key, strlen(child->key));
		(void)lp_buf_str(out, style->indent ? ": " : ":");
	}
	write_value(out, child, style, level);
}

static void
write_sorted(struct lp_buf *out, const struct lp_json *value, const struct style *style, unsigned level)
{
	lp_auto_free const struct lp_json **order = lp_seam.alloc(value->len * sizeof(struct lp_json *));
	size_t n = 0;

	if (!order) {
		out->failed = -ENOMEM;
		return;
	}
	lp_json_each(child, value)
		order[n++] = child;
	qsort(order, n, sizeof(*order), by_key);
	for (size_t i = 0; i < n; i++)
		write_child(out, order[i], style, level, i == 0);
}

static void
write_children(struct lp_buf *out, const struct lp_json *value, const struct style *style, unsigned level)
{
	bool object = value->type == LP_JSON_OBJECT;

	(void)lp_buf_char(out, object ? '{' : '[');
	if (value->first) {
		if (object && style->sorted)
			write_sorted(out, value, style, level + 1);
		else
			lp_json_each(child, value)
				write_child(out, child, style, level + 1, child == value->first);
		new_line(out, style, level);
	}
	(void)lp_buf_char(out, object ? '}' : ']');
}

static void
write_value(struct lp_buf *out, const struct lp_json *value, const struct style *style, unsigned level)
{
	switch ((enum lp_json_type)value->type) {
	case LP_JSON_NULL:
		(void)lp_buf_str(out, "null");
		break;
	case LP_JSON_BOOL:
		(void)lp_buf_str(out, value->boolean ? "true" : "false");
		break;
	case LP_JSON_INT:
		(void)lp_buf_printf(out, "%lld", (long long)value->integer);
		break;
	case LP_JSON_DOUBLE:
		(void)lp_buf_add(out, value->text, value->len);
		break;
	case LP_JSON_STRING:
		(void)lp_json_write_string(out, value->text, value->len);
		break;
	case LP_JSON_ARRAY:
	case LP_JSON_OBJECT:
		write_children(out, value, style, level);
		break;
	}
}

static int
print(struct lp_buf *out, const struct lp_json *value, struct style style)
{
	if (!value)
		return lp_buf_str(out, "null");
	write_value(out, value, &style, 0);
	return out->failed;
}

int
lp_json_write(struct lp_buf *out, const struct lp_json *value)
{
	return print(out, value, (struct style){ 0 });
}

int
lp_json_write_sorted(struct lp_buf *out, const struct lp_json *value)
{
	return print(out, value, (struct style){ .sorted = true });
}

int
lp_json_write_pretty(struct lp_buf *out, const struct lp_json *value, unsigned indent)
{
	return print(out, value, (struct style){ .indent = indent });
}
