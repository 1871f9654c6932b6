#include "tools/verbs/jsonpath.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define TEMPLATE_MAX 4096
#define RANGES_MAX 16
#define NAME_MAX_LEN 256

struct walk {
	lp_jsonpath_fn call;
	void *arg;
	const char *path;		/* whole, for messages */
	struct lp_err *err;
};

static int
bad(struct lp_err *err, const char *path, const char *what)
{
	return lp_err_say(err, -EINVAL, "error parsing jsonpath %.120s, %s", path, what);
}

/* The end of a path: a brace, a space, or what ends a filter's operand. */
static bool
at_end(const char *p)
{
	return !*p || strchr("} =!<>)&|\t", *p);
}

/* A name after a dot, \. standing for a dot. Returns where it ends. */
static const char *
take_name(const char *p, char out[static NAME_MAX_LEN])
{
	size_t n = 0;

	while (!at_end(p) && *p != '.' && *p != '[' && n < NAME_MAX_LEN - 1) {
		if (*p == '\\' && p[1])
			p++;
		out[n++] = *p++;
	}
	out[n] = '\0';
	return p;
}

static int walk_path(struct walk *w, const struct lp_json *value, const char *p);

static int
walk_children(struct walk *w, const struct lp_json *value, const char *rest)
{
	lp_json_each(child, value) {
		int rc = walk_path(w, child, rest);

		if (rc)
			return rc;
	}
	return 0;
}

static int
walk_deep(struct walk *w, const struct lp_json *value, const char *name, const char *rest)
{
	lp_json_each(child, value) {
		int rc = child->key && !strcmp(child->key, name) ? walk_path(w, child, rest) : 0;

		if (rc == 0)
			rc = walk_deep(w, child, name, rest);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- filters: [?(@.type=="Ready")] */

static int
keep_first(void *arg, const struct lp_json *value)
{
	const struct lp_json **out = arg;

	*out = value;
	return 1;
}

struct operand {
	const struct lp_json *value;	/* of a path; NULL when nothing was found */
	char text[NAME_MAX_LEN];	/* of a literal, or of the value */
	bool there;
};

static const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

static const char *
take_operand(struct walk *w, const struct lp_json *at, const char *p, struct operand *out)
{
	lp_auto_buf struct lp_buf text = { 0 };
	size_t n = 0;

	memset(out, 0, sizeof(*out));
	p = skip_space(p);
	if (*p == '@') {
		struct walk inner = { keep_first, &out->value, w->path, w->err };

		if (walk_path(&inner, at, p + 1) < 0)
			return NULL;
		out->there = out->value != NULL;
		lp_buf_init(&text, NAME_MAX_LEN);
		if (out->value)
			(void)lp_jsonpath_value(&text, out->value);
		(void)snprintf(out->text, sizeof(out->text), "%s", lp_buf_text(&text));
		while (!at_end(p))
			p++;
		return skip_space(p);
	}
	char quote = *p == '"' || *p == '\'' ? *p++ : '\0';

	while (*p && (quote ? *p != quote : !at_end(p)) && n < sizeof(out->text) - 1)
		out->text[n++] = *p++;
	if (quote && *p != quote)
		return NULL;
	out->there = true;
	return skip_space(p + (quote != '\0'));
}

static int
compare(const struct operand *a, const struct operand *b)
{
	char *end_a, *end_b;
	double x = strtod(a->text, &end_a), y = strtod(b->text, &end_b);

	if (*a->text && *b->text && !*end_a && !*end_b)
		return x < y ? -1 : x > y;
	return strcmp(a->text, b->text);
}

/* p stands behind "[?(". */
static int
filter_fits(struct walk *w, const struct lp_json *value, const char *p, bool *out)
{
	struct operand left, right;
	int order;
	char op[3] = "";

	p = take_operand(w, value, p, &left);
	if (!p)
		return bad(w->err, w->path, "unterminated filter");
	if (*p == ')') {
		*out = left.there;
		return 0;
	}
	op[0] = *p++;
	if (*p == '=')
		op[1] = *p++;
	p = take_operand(w, value, p, &right);
	if (!p || *p != ')')
		return bad(w->err, w->path, "unterminated filter");
	order = compare(&left, &right);
	if (!strcmp(op, "=="))
		*out = left.there && order == 0;
	else if (!strcmp(op, "!="))
		*out = order != 0;
	else if (!strcmp(op, "<"))
		*out = left.there && order < 0;
	else if (!strcmp(op, ">"))
		*out = left.there && order > 0;
	else if (!strcmp(op, "<="))
		*out = left.there && order <= 0;
	else if (!strcmp(op, ">="))
		*out = left.there && order >= 0;
	else
		return bad(w->err, w->path, "unrecognized operator in a filter");
	return 0;
}

static int
walk_filter(struct walk *w, const struct lp_json *value, const char *inside, const char *rest)
{
	lp_json_each(child, value) {
		bool fits = false;
		int rc = filter_fits(w, child, inside, &fits);

		if (rc == 0 && fits)
			rc = walk_path(w, child, rest);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- [n], [a:b], ['name'] */

static int
walk_slice(struct walk *w, const struct lp_json *value, const char *p, const char *rest)
{
	long count = (long)lp_json_count(value), from, to, i = 0;
	char *end;

	from = strtol(p, &end, 10);
	if (end == p)
		from = 0;
	if (from < 0)
		from += count;
	to = from + 1;
	if (*end == ':') {
		p = end + 1;
		to = strtol(p, &end, 10);
		if (end == p)
			to = count;
		else if (to < 0)
			to += count;
	}
	if (*end != ']')
		return bad(w->err, w->path, "invalid array index");
	if (!value || value->type != LP_JSON_ARRAY)
		return 0;
	lp_json_each(child, value) {
		int rc = i >= from && i < to ? walk_path(w, child, rest) : 0;

		i++;
		if (rc)
			return rc;
	}
	return 0;
}

static const char *
closing(const char *p)
{
	char quote = '\0';

	for (; *p; p++) {
		if (quote)
			quote = *p == quote ? '\0' : quote;
		else if (*p == '"' || *p == '\'')
			quote = *p;
		else if (*p == ']')
			return p;
	}
	return NULL;
}

static int
walk_brackets(struct walk *w, const struct lp_json *value, const char *p)
{
	const char *end = closing(p);
	char name[NAME_MAX_LEN];

	if (!end)
		return bad(w->err, w->path, "unterminated array");
	if (!strncmp(p, "*]", 2))
		return walk_children(w, value, end + 1);
	if (!strncmp(p, "?(", 2))
		return walk_filter(w, value, p + 2, end + 1);
	if (*p == '\'' || *p == '"') {
		if (end - p < 2 || end[-1] != *p || (size_t)(end - p) - 2 >= sizeof(name))
			return bad(w->err, w->path, "invalid name in brackets");
		(void)snprintf(name, sizeof(name), "%.*s", (int)(end - p) - 2, p + 1);
		const struct lp_json *child = lp_json_get(value, name);

		return child ? walk_path(w, child, end + 1) : 0;
	}
	return walk_slice(w, value, p, end + 1);
}

static int
walk_path(struct walk *w, const struct lp_json *value, const char *p)
{
	char name[NAME_MAX_LEN];
	const struct lp_json *child;

	if (at_end(p))
		return w->call(w->arg, value);
	if (*p == '[')
		return walk_brackets(w, value, p + 1);
	if (*p != '.')
		return bad(w->err, w->path, "a path begins with a dot");
	p++;
	if (at_end(p))
		return w->call(w->arg, value);
	if (*p == '[')
		return walk_path(w, value, p);
	if (*p == '*')
		return walk_children(w, value, p + 1);
	if (*p == '.') {
		p = take_name(p + 1, name);
		return walk_deep(w, value, name, p);
	}
	p = take_name(p, name);
	child = lp_json_get(value, name);
	return child ? walk_path(w, child, p) : 0;
}

int
lp_jsonpath_each(const char *path, const struct lp_json *root, lp_jsonpath_fn call, void *arg, struct lp_err *err)
{
	struct walk w = { call, arg, path, err };
	const char *p = path;

	if (*p == '{')
		p++;
	if (*p == '$' || *p == '@')
		p++;
	return walk_path(&w, root, p);
}

int
lp_jsonpath_value(struct lp_buf *out, const struct lp_json *value)
{
	if (value->type == LP_JSON_STRING)
		return lp_buf_add(out, value->text, value->len);
	if (value->type == LP_JSON_NULL)
		return 0;
	return lp_json_write(out, value);
}

/* ---- templates */

struct printing {
	struct lp_buf *out;
	const char *template;
	struct lp_err *err;
	bool first;
	int depth;
	const char *body;		/* range: where its body begins */
};

static int print_part(struct printing *p, const char *at, const struct lp_json *root, const char **out_end);

static int
print_value(void *arg, const struct lp_json *value)
{
	struct printing *p = arg;

	if (!p->first)
		(void)lp_buf_char(p->out, ' ');
	p->first = false;
	(void)lp_jsonpath_value(p->out, value);
	return 0;
}

static int
print_range(void *arg, const struct lp_json *value)
{
	struct printing *outer = arg;
	struct printing inner = *outer;
	const char *end;

	return print_part(&inner, outer->body, value, &end);
}

static const char *
brace_end(const char *p)
{
	char quote = '\0';

	for (; *p; p++) {
		if (quote && *p == '\\' && p[1])
			p++;
		else if (quote)
			quote = *p == quote ? '\0' : quote;
		else if (*p == '"' || *p == '\'')
			quote = *p;
		else if (*p == '}')
			return p;
	}
	return NULL;
}

static void
print_literal(struct lp_buf *out, const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end) {
			p++;
			(void)lp_buf_char(out, *p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : *p);
		} else {
			(void)lp_buf_char(out, *p);
		}
	}
}

/* Where the body of a range that begins at `p` ends: its {end}. */
static const char *
range_end(const char *p)
{
	int depth = 1;

	while ((p = strchr(p, '{'))) {
		const char *word = skip_space(p + 1);

		if (!strncmp(word, "range", 5))
			depth++;
		else if (!strncmp(word, "end", 3) && --depth == 0)
			return p;
		p++;
	}
	return NULL;
}

static int
print_braces(struct printing *p, const char *at, const struct lp_json *root, const char **out_next)
{
	const char *end = brace_end(at), *word = skip_space(at + 1);
	int rc;

	if (!end)
		return bad(p->err, p->template, "unclosed action");
	*out_next = end + 1;
	if (!strncmp(word, "range ", 6)) {
		struct printing range = *p;
		const char *stop = range_end(end + 1);

		if (!stop || ++range.depth > RANGES_MAX)
			return bad(p->err, p->template, "not in range, nothing to end");
		range.body = end + 1;
		rc = lp_jsonpath_each(skip_space(word + 6), root, print_range, &range, p->err);
		*out_next = brace_end(stop) ? brace_end(stop) + 1 : stop + strlen(stop);
		return rc;
	}
	if (*word == '"' || *word == '\'') {
		const char *last = end - 1;

		while (last > word && *last != *word)
			last--;
		print_literal(p->out, word + 1, last);
		return 0;
	}
	p->first = true;
	return lp_jsonpath_each(word, root, print_value, p, p->err);
}

/* Until {end} or the template's end. */
static int
print_part(struct printing *p, const char *at, const struct lp_json *root, const char **out_end)
{
	while (*at) {
		int rc;

		if (*at != '{') {
			(void)lp_buf_char(p->out, *at++);
			continue;
		}
		if (!strncmp(skip_space(at + 1), "end", 3)) {
			if (p->depth == 0)
				return bad(p->err, p->template, "not in range, nothing to end");
			break;
		}
		rc = print_braces(p, at, root, &at);
		if (rc)
			return rc;
	}
	*out_end = at;
	return 0;
}

int
lp_jsonpath_print(const char *template, const struct lp_json *root, struct lp_buf *out, struct lp_err *err)
{
	struct printing p = { .out = out, .template = template, .err = err };
	const char *end;

	if (strlen(template) > TEMPLATE_MAX)
		return lp_err_say(err, -E2BIG, "a jsonpath template longer than %d bytes", TEMPLATE_MAX);
	if (!strchr(template, '{')) {	/* kubectl adds the braces itself */
		p.first = true;
		return lp_jsonpath_each(template, root, print_value, &p, err);
	}
	return print_part(&p, template, root, &end);
}
