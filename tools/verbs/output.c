#include "tools/verbs/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/object.h"
#include "specs/yaml.h"
#include "tools/verbs/jsonpath.h"
#include "tools/verbs/resource.h"
#include "tools/verbs/table.h"

int
lp_output_parse(const char *text, struct lp_output *out, struct lp_err *err)
{
	static const struct {
		const char *word;
		enum lp_output_mode mode;
		bool template;
	} modes[] = {
		{ "wide",            LP_OUTPUT_WIDE,     false },
		{ "yaml",            LP_OUTPUT_YAML,     false },
		{ "json",            LP_OUTPUT_JSON,     false },
		{ "name",            LP_OUTPUT_NAME,     false },
		{ "jsonpath=",       LP_OUTPUT_JSONPATH, true },
		{ "custom-columns=", LP_OUTPUT_COLUMNS,  true },
	};

	*out = (struct lp_output){ LP_OUTPUT_TABLE, NULL };
	if (!text || !*text)
		return 0;
	for (size_t i = 0; i < lp_count(modes); i++) {
		if (modes[i].template ? !lp_text_starts(text, modes[i].word) : strcmp(text, modes[i].word) != 0)
			continue;
		*out = (struct lp_output){ modes[i].mode, modes[i].template ? text + strlen(modes[i].word) : NULL };
		return 0;
	}
	return lp_err_say(err, -EINVAL, "unable to match a printer suitable for the output format \"%.60s\", allowed formats are: "
	    "custom-columns=,json,jsonpath=,name,wide,yaml", text);
}

static bool
is_list(const struct lp_json *object)
{
	return lp_text_ends(lp_object_kind(object), "List") && lp_json_get(object, "items");
}

static int
print_name(struct lp_arena *arena, const struct lp_json *object, struct lp_buf *out)
{
	const struct lp_kind *kind = lp_object_kind_of(object);
	const char *name = lp_object_name(object);

	if (kind)
		return lp_buf_printf(out, "%s\n", lp_resource_title(arena, kind, name) ?: "");
	return lp_buf_printf(out, "%s/%s\n", lp_object_kind(object), name);
}

/* ---- custom columns: NAME:.metadata.name,IMAGE:.spec.containers[*].image */

struct cell {
	struct lp_buf text;
};

static int
add_value(void *arg, const struct lp_json *value)
{
	struct cell *cell = arg;

	if (cell->text.len)
		(void)lp_buf_char(&cell->text, ',');
	(void)lp_jsonpath_value(&cell->text, value);
	return 0;
}

static int
columns_row(struct lp_arena *arena, const char *const *paths, size_t count, const struct lp_json *object, struct lp_table *table,
    struct lp_err *err)
{
	const char *cells[LP_TABLE_COLUMNS] = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct cell cell;
		int rc;

		lp_buf_init(&cell.text, 65536);
		rc = lp_jsonpath_each(paths[i], object, add_value, &cell, err);
		cells[i] = rc == 0 ? lp_arena_str(arena, cell.text.len ? cell.text.data : "<none>") : NULL;
		lp_buf_fini(&cell.text);
		if (rc < 0)
			return rc;
	}
	return lp_table_add(table, cells) < 0 ? lp_err_set(err, -ENOMEM, "print") : 0;
}

static int
print_columns(const char *template, struct lp_arena *arena, const struct lp_json *object, struct lp_buf *out, struct lp_err *err)
{
	const char *heads[LP_TABLE_COLUMNS] = { 0 }, *paths[LP_TABLE_COLUMNS] = { 0 };
	struct lp_table table;
	size_t count = 0;
	int rc;

	for (const char *p = template; *p && count < LP_TABLE_COLUMNS; count++) {
		size_t head = strcspn(p, ":"), path = p[head] ? strcspn(p + head + 1, ",") : 0;

		if (!head || !path)
			return lp_err_say(err, -EINVAL, "unexpected custom-columns spec: %.80s, expected <header>:<json-path-expr>", p);
		heads[count] = lp_arena_mem(arena, p, head);
		paths[count] = lp_arena_mem(arena, p + head + 1, path);
		if (!heads[count] || !paths[count])
			return lp_err_set(err, -ENOMEM, "print");
		p += head + 1 + path;
		p += *p == ',';
	}
	if (!count)
		return lp_err_say(err, -EINVAL, "custom-columns format specified but no custom columns given");
	lp_table_init(&table, arena, count);
	rc = lp_table_add(&table, heads) < 0 ? lp_err_set(err, -ENOMEM, "print") : 0;
	if (rc == 0 && !is_list(object))
		rc = columns_row(arena, paths, count, object, &table, err);
	if (is_list(object))
		lp_json_each(item, lp_json_get(object, "items"))
			if (rc == 0)
				rc = columns_row(arena, paths, count, item, &table, err);
	return rc < 0 ? rc : lp_table_print(&table, out);
}

int
lp_output_print(const struct lp_output *how, struct lp_arena *arena, const struct lp_json *object, struct lp_buf *out, struct lp_err *err)
{
	int rc = 0;

	switch (how->mode) {
	case LP_OUTPUT_YAML:
		rc = lp_yaml_write(out, object);
		break;
	case LP_OUTPUT_JSON:
		(void)lp_json_write_pretty(out, object, 4);
		rc = lp_buf_char(out, '\n');
		break;
	case LP_OUTPUT_NAME:
		if (!is_list(object))
			rc = print_name(arena, object, out);
		else
			lp_json_each(item, lp_json_get(object, "items"))
				rc = print_name(arena, item, out);
		break;
	case LP_OUTPUT_JSONPATH:
		return lp_jsonpath_print(how->template, object, out, err);
	case LP_OUTPUT_COLUMNS:
		return print_columns(how->template, arena, object, out, err);
	case LP_OUTPUT_TABLE:
	case LP_OUTPUT_WIDE:
		return lp_err_say(err, -EINVAL, "a table is printed by the server");
	}
	return rc < 0 ? lp_err_set(err, rc, "print") : 0;
}

int
lp_output_flush(struct lp_buf *buf, struct lp_err *err)
{
	if (buf->failed)
		return lp_err_set(err, buf->failed, "print");
	if (buf->len && fwrite(buf->data, 1, buf->len, stdout) != buf->len)
		return lp_err_set(err, errno ? -errno : -EIO, "write the output");
	lp_buf_reset(buf);
	return 0;
}
