#include "specs/schema.h"
#include "specs/trail.h"

#include <stdio.h>

struct compare {
	enum lp_apply worst;
	char *path;			/* NULL when the caller does not ask */
};

static enum lp_apply
weight(const struct lp_field *field)
{
	if (field->flags & LP_RECREATE)
		return LP_APPLY_RECREATE;
	if (field->flags & LP_RESTART)
		return LP_APPLY_RESTART;
	return field->flags & LP_LIVE ? LP_APPLY_LIVE : LP_APPLY_NONE;
}

static void
note(struct compare *compare, enum lp_apply apply, const struct lp_trail *trail)
{
	lp_auto_buf struct lp_buf path = { 0 };

	if (apply <= compare->worst)
		return;
	compare->worst = apply;
	if (!compare->path)
		return;
	lp_buf_init(&path, 4096);
	lp_trail_print(trail, &path);
	(void)snprintf(compare->path, LP_COMPARE_PATH, "%s", lp_buf_text(&path));
}

static void compare_members(struct compare *compare, enum lp_schema_id id, const struct lp_json *from,
    const struct lp_json *to, const struct lp_trail *trail);

static void
compare_field(struct compare *compare, const struct lp_field *field, const struct lp_json *from,
    const struct lp_json *to, const struct lp_trail *trail)
{
	struct lp_trail element = { .up = trail };

	if (from == to || (from && to && lp_json_equal(from, to)))
		return;
	if (field->type != LP_TYPE_OBJECT || !from || !to || lp_json_count(from) == 0 || lp_json_count(to) == 0) {
		note(compare, weight(field), trail);
		/* What stands deeper in an object without a weight of its own still counts. */
		if (field->type == LP_TYPE_OBJECT && field->shape == LP_SHAPE_ONE && weight(field) == LP_APPLY_NONE)
			compare_members(compare, field->schema, from, to, trail);
		return;
	}
	if (field->shape == LP_SHAPE_ONE) {
		compare_members(compare, field->schema, from, to, trail);
		return;
	}
	if (lp_json_count(from) != lp_json_count(to)) {
		note(compare, weight(field), trail);
		return;
	}
	for (const struct lp_json *a = lp_json_first(from), *b = lp_json_first(to); a && b; a = a->next, b = b->next) {
		compare_members(compare, field->schema, a, b, &element);
		element.index++;
	}
}

static void
compare_members(struct compare *compare, enum lp_schema_id id, const struct lp_json *from, const struct lp_json *to,
    const struct lp_trail *trail)
{
	struct lp_schema schema = lp_schema_get(id);

	for (size_t i = 0; i < schema.count; i++) {
		const char *name = lp_schema_field_name(&schema, &schema.fields[i]);
		struct lp_trail here = { .up = trail, .name = name };

		compare_field(compare, &schema.fields[i], lp_json_get(from, name), lp_json_get(to, name), &here);
	}
}

enum lp_apply
lp_compare_objects(enum lp_schema_id schema, const struct lp_json *from, const struct lp_json *to, char *out_path)
{
	struct compare compare = { .worst = LP_APPLY_NONE, .path = out_path };

	if (out_path)
		out_path[0] = '\0';
	compare_members(&compare, schema, from, to, NULL);
	return compare.worst;
}
