#include "specs/schema.h"

static struct lp_json *
write_value(struct lp_arena *arena, const struct lp_field *field, const struct lp_json *value)
{
	struct lp_json *list;

	if (field->type != LP_TYPE_OBJECT || field->shape == LP_SHAPE_MAP)
		return lp_json_copy(arena, value);
	if (field->shape == LP_SHAPE_ONE)
		return lp_write_object(arena, field->schema, value);
	list = lp_json_new(arena, LP_JSON_ARRAY);
	lp_json_each(child, value)
		lp_json_append(arena, list, lp_write_object(arena, field->schema, child));
	return list;
}

static bool
is_empty(const struct lp_field *field, const struct lp_json *value)
{
	return value->type == LP_JSON_NULL || (field->shape != LP_SHAPE_ONE && lp_json_count(value) == 0);
}

struct lp_json *
lp_write_object(struct lp_arena *arena, enum lp_schema_id id, const struct lp_json *object)
{
	struct lp_schema schema = lp_schema_get(id);
	struct lp_json *copy;

	if (!object || object->type != LP_JSON_OBJECT)
		return lp_json_copy(arena, object);
	copy = lp_json_new(arena, LP_JSON_OBJECT);
	for (size_t i = 0; i < schema.count; i++) {
		const char *name = lp_schema_field_name(&schema, &schema.fields[i]);
		const struct lp_json *value = lp_json_get(object, name);

		if (value && !is_empty(&schema.fields[i], value))
			lp_json_set(arena, copy, name, write_value(arena, &schema.fields[i], value));
	}
	lp_json_each(child, object)
		if (!lp_schema_find(&schema, child->key))
			lp_json_set(arena, copy, child->key, lp_json_copy(arena, child));
	return arena->failed ? NULL : copy;
}
