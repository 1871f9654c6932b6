/*
 * specs/parse.c - JSON documents as structs, and the types of their fields.
 *
 * The words of a refusal are those of Go's decoder as the API server passes them on, so that people find them on the web.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "specs/quantity.h"
#include "specs/schema.h"
#include "specs/trail.h"

struct parse {
	const struct lp_kind *kind;
	struct lp_err *err;
};

static const char *
short_name(const struct lp_schema *schema)
{
	const char *dot = strrchr(schema->name, '.');

	return dot ? dot + 1 : schema->name;
}

static const char *
go_scalar(enum lp_type type)
{
	switch (type) {
	case LP_TYPE_INT32:
		return "int32";
	case LP_TYPE_INT64:
		return "int64";
	case LP_TYPE_BOOL:
		return "bool";
	case LP_TYPE_DOUBLE:
		return "float64";
	case LP_TYPE_QUANTITY:
		return "resource.Quantity";
	case LP_TYPE_INTSTR:
		return "intstr.IntOrString";
	case LP_TYPE_BYTES:
		return "[]uint8";
	case LP_TYPE_TIME:
	case LP_TYPE_MICROTIME:
		return "v1.Time";
	case LP_TYPE_STRING:
	case LP_TYPE_OBJECT:
	case LP_TYPE_ANY:
		return "string";
	}
	return "string";
}

static void
add_go_type(struct lp_buf *out, const struct lp_field *field, enum lp_shape shape)
{
	if (shape == LP_SHAPE_LIST)
		lp_buf_str(out, "[]");
	else if (shape == LP_SHAPE_MAP)
		lp_buf_str(out, "map[string]");
	if (field->type == LP_TYPE_OBJECT) {
		struct lp_schema nested = lp_schema_get(field->schema);

		lp_buf_printf(out, "v1.%s", short_name(&nested));
	} else {
		lp_buf_str(out, go_scalar(field->type));
	}
}

static void
add_found(struct lp_buf *out, const struct lp_json *value)
{
	switch ((enum lp_json_type)value->type) {
	case LP_JSON_NULL:
		lp_buf_str(out, "null");
		return;
	case LP_JSON_BOOL:
		lp_buf_str(out, "bool");
		return;
	case LP_JSON_INT:
		lp_buf_printf(out, "number %" PRId64, value->integer);
		return;
	case LP_JSON_DOUBLE:
		lp_buf_printf(out, "number %.40s", value->text);
		return;
	case LP_JSON_STRING:
		lp_buf_str(out, "string");
		return;
	case LP_JSON_ARRAY:
		lp_buf_str(out, "array");
		return;
	case LP_JSON_OBJECT:
		lp_buf_str(out, "object");
		return;
	}
}

/* Ends the walk with "... cannot be handled as a Pod: " and why. */
static int
refuse(const struct parse *parse, const char *why)
{
	char version[LP_KIND_TEXT];

	return lp_err_say(parse->err, -EINVAL, "%s in version \"%s\" cannot be handled as a %s: %s", parse->kind->kind,
	    lp_kind_api_version(parse->kind, version), parse->kind->kind, why);
}

static int
wrong_type(const struct parse *parse, const struct lp_schema *schema, const struct lp_field *field, enum lp_shape shape,
    const struct lp_trail *trail, const struct lp_json *value)
{
	lp_auto_buf struct lp_buf out = { 0 }, path = { 0 };

	lp_buf_init(&out, 4096);
	lp_buf_init(&path, 2048);
	lp_buf_str(&out, "json: cannot unmarshal ");
	add_found(&out, value);
	lp_buf_printf(&out, " into Go struct field %s.", short_name(schema));
	lp_trail_print_plain(trail, &path);
	lp_buf_str(&out, lp_buf_text(&path));
	lp_buf_str(&out, " of type ");
	add_go_type(&out, field, shape);
	return refuse(parse, lp_buf_text(&out));
}

/* Where base64 stops being base64; -1 when it is fine. */
static long
bad_base64(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t count = 0, pads = 0, at;

	for (at = 0; text[at]; at++) {
		if (text[at] == '\n' || text[at] == '\r')
			continue;
		if (text[at] == '=') {
			pads++;
			if (pads > 2 || (count + pads) % 4 == 1 || (count + pads) % 4 == 2)
				return (long)at;
			continue;
		}
		if (pads > 0 || !strchr(letters, text[at]))
			return (long)at;
		count++;
	}
	return (count + pads) % 4 == 0 ? -1 : (long)at;
}

/* Text that has a form of its own: quantities, times, base64. */
static int
shape_text(const struct parse *parse, const struct lp_field *field, const struct lp_json *value)
{
	struct lp_quantity quantity;
	char why[192];
	int64_t ms;
	long at;

	switch ((enum lp_type)field->type) {
	case LP_TYPE_QUANTITY:
		if (lp_quantity_parse(value->text, &quantity) == 0)
			return 0;
		return refuse(parse,
		    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
	case LP_TYPE_TIME:
	case LP_TYPE_MICROTIME:
		if (lp_clock_parse(value->text, &ms) == 0)
			return 0;
		(void)snprintf(why, sizeof(why),
		    "parsing time \"%.60s\" as \"2006-01-02T15:04:05Z07:00\": not an RFC 3339 time", value->text);
		return refuse(parse, why);
	case LP_TYPE_BYTES:
		at = bad_base64(value->text);
		if (at < 0)
			return 0;
		(void)snprintf(why, sizeof(why), "illegal base64 data at input byte %ld", at);
		return refuse(parse, why);
	case LP_TYPE_STRING:
	case LP_TYPE_INTSTR:
	case LP_TYPE_OBJECT:
	case LP_TYPE_INT32:
	case LP_TYPE_INT64:
	case LP_TYPE_BOOL:
	case LP_TYPE_DOUBLE:
	case LP_TYPE_ANY:
		return 0;
	}
	return 0;
}

static bool
has_type(enum lp_type type, const struct lp_json *value)
{
	bool number = value->type == LP_JSON_INT;

	switch (type) {
	case LP_TYPE_STRING:
	case LP_TYPE_BYTES:
	case LP_TYPE_TIME:
	case LP_TYPE_MICROTIME:
		return value->type == LP_JSON_STRING;
	case LP_TYPE_QUANTITY:
		return value->type == LP_JSON_STRING || number || value->type == LP_JSON_DOUBLE;
	case LP_TYPE_INTSTR:
		if (number)
			return value->integer >= INT32_MIN && value->integer <= INT32_MAX;
		return value->type == LP_JSON_STRING;
	case LP_TYPE_INT32:
		return number && value->integer >= INT32_MIN && value->integer <= INT32_MAX;
	case LP_TYPE_INT64:
		return number;
	case LP_TYPE_BOOL:
		return value->type == LP_JSON_BOOL;
	case LP_TYPE_DOUBLE:
		return number || value->type == LP_JSON_DOUBLE;
	case LP_TYPE_OBJECT:
		return value->type == LP_JSON_OBJECT;
	case LP_TYPE_ANY:
		return true;
	}
	return false;
}

static int shape_members(
    const struct parse *parse, enum lp_schema_id id, struct lp_json *object, const struct lp_trail *trail);

static int
shape_value(const struct parse *parse, const struct lp_schema *schema, const struct lp_field *field,
    struct lp_json *value, const struct lp_trail *trail)
{
	if (!has_type(field->type, value))
		return wrong_type(parse, schema, field, LP_SHAPE_ONE, trail, value);
	if (field->type == LP_TYPE_OBJECT)
		return shape_members(parse, field->schema, value, trail);
	return value->type == LP_JSON_STRING ? shape_text(parse, field, value) : 0;
}

/* Members that are null are as good as absent. */
static void
remove_nulls(struct lp_json *object)
{
	struct lp_json *next;

	for (struct lp_json *child = lp_json_first(object); child; child = next) {
		next = child->next;
		if (child->type == LP_JSON_NULL)
			lp_json_remove_child(object, child);
	}
}

static int
shape_field(const struct parse *parse, const struct lp_schema *schema, const struct lp_field *field,
    struct lp_json *value, const struct lp_trail *trail)
{
	struct lp_trail element = { .up = trail };
	int rc;

	switch ((enum lp_shape)field->shape) {
	case LP_SHAPE_ONE:
		return shape_value(parse, schema, field, value, trail);
	case LP_SHAPE_LIST:
		if (value->type != LP_JSON_ARRAY)
			return wrong_type(parse, schema, field, LP_SHAPE_LIST, trail, value);
		lp_json_each(child, value) {
			rc = shape_value(parse, schema, field, child, &element);
			if (rc < 0)
				return rc;
			element.index++;
		}
		return 0;
	case LP_SHAPE_MAP:
		if (value->type != LP_JSON_OBJECT)
			return wrong_type(parse, schema, field, LP_SHAPE_MAP, trail, value);
		remove_nulls(value);
		lp_json_each(child, value) {
			rc = shape_value(parse, schema, field, child, trail);
			if (rc < 0)
				return rc;
		}
		return 0;
	}
	return 0;
}

static int
shape_members(const struct parse *parse, enum lp_schema_id id, struct lp_json *object, const struct lp_trail *trail)
{
	struct lp_schema schema = lp_schema_get(id);
	int rc;

	remove_nulls(object);
	lp_json_each(child, object) {
		const struct lp_field *field = lp_schema_find(&schema, child->key);
		struct lp_trail here = { .up = trail, .name = child->key };

		if (!field)
			continue;
		rc = shape_field(parse, &schema, field, child, &here);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int
lp_parse_shape(const struct lp_kind *kind, struct lp_json *object, struct lp_err *err)
{
	struct parse parse = { .kind = kind, .err = err };

	if (!object || object->type != LP_JSON_OBJECT)
		return refuse(&parse, "json: the document is not an object");
	return shape_members(&parse, kind->schema, object, NULL);
}

/* ---- views */

/* Text of a scalar that structs keep as text; NULL when it is none. */
static const char *
view_text(struct lp_arena *arena, const struct lp_json *value)
{
	if (value->type == LP_JSON_STRING || value->type == LP_JSON_DOUBLE)
		return value->text;
	if (value->type == LP_JSON_INT)
		return lp_arena_printf(arena, "%" PRId64, value->integer);
	return NULL;
}

static void
view_one(struct lp_arena *arena, const struct lp_field *field, const struct lp_json *value, void *member)
{
	switch ((enum lp_type)field->type) {
	case LP_TYPE_OBJECT:
		if (value->type == LP_JSON_OBJECT)
			*(const void **)member = lp_parse_view(arena, field->schema, value);
		return;
	case LP_TYPE_STRING:
	case LP_TYPE_BYTES:
	case LP_TYPE_TIME:
	case LP_TYPE_MICROTIME:
		*(const char **)member = lp_json_text(value);
		return;
	case LP_TYPE_QUANTITY:
		*(const char **)member = view_text(arena, value);
		return;
	case LP_TYPE_INTSTR:
		if (has_type(LP_TYPE_INTSTR, value))
			*(struct lp_spec_intstr *)member = (struct lp_spec_intstr){ .has = true,
				.value = value->type == LP_JSON_INT ? (int32_t)value->integer : 0,
				.text = lp_json_text(value) };
		return;
	case LP_TYPE_INT32:
	case LP_TYPE_INT64:
		if (has_type(field->type, value))
			*(struct lp_spec_int *)member = (struct lp_spec_int){ true, value->integer };
		return;
	case LP_TYPE_BOOL:
		if (value->type == LP_JSON_BOOL)
			*(struct lp_spec_bool *)member = (struct lp_spec_bool){ true, value->boolean };
		return;
	case LP_TYPE_DOUBLE:
		*(struct lp_spec_double *)member = (struct lp_spec_double){ true, lp_json_double(value) };
		return;
	case LP_TYPE_ANY:
		*(const struct lp_json **)member = value;
		return;
	}
}

/* All lists are laid out as { items, count }, which lp_spec_words stands for. */
static void
view_list(
    struct lp_arena *arena, const struct lp_field *field, const struct lp_json *value, struct lp_spec_words *member)
{
	bool numbers = field->type == LP_TYPE_INT32 || field->type == LP_TYPE_INT64;
	size_t width = numbers ? sizeof(int64_t) : sizeof(void *), count = 0;
	char *items;

	if (value->type != LP_JSON_ARRAY || value->len == 0)
		return;
	items = lp_arena_alloc(arena, value->len * width);
	if (!items)
		return;
	lp_json_each(child, value) {
		void *item = items + count * width;

		if (numbers) {
			*(int64_t *)item = child->type == LP_JSON_INT ? child->integer : 0;
		} else if (field->type == LP_TYPE_OBJECT) {
			*(const void **)item = lp_parse_view(arena, field->schema, child);
			if (!*(const void **)item)
				return;
		} else {
			*(const char **)item = lp_json_text(child);
			if (!*(const char **)item)
				continue;	/* not text: lp_parse_shape refuses it */
		}
		count++;
	}
	member->items = (const char *const *)items;
	member->count = count;
}

static void
view_map(struct lp_arena *arena, const struct lp_json *value, struct lp_spec_map *member)
{
	struct lp_spec_pair *pairs;
	size_t count = 0;

	if (value->type != LP_JSON_OBJECT || value->len == 0)
		return;
	pairs = lp_arena_alloc(arena, value->len * sizeof(*pairs));
	if (!pairs)
		return;
	lp_json_each(child, value) {
		pairs[count].key = child->key;
		pairs[count].value = view_text(arena, child);
		if (pairs[count].value)
			count++;
	}
	member->items = pairs;
	member->count = count;
}

const void *
lp_parse_view(struct lp_arena *arena, enum lp_schema_id id, const struct lp_json *object)
{
	struct lp_schema schema = lp_schema_get(id);
	char *view = lp_arena_alloc(arena, schema.size);

	if (!view)
		return NULL;
	lp_json_each(child, object) {
		const struct lp_field *field = lp_schema_find(&schema, child->key);
		void *member;

		if (!field || child->type == LP_JSON_NULL)
			continue;
		member = view + field->offset;
		switch ((enum lp_shape)field->shape) {
		case LP_SHAPE_ONE:
			view_one(arena, field, child, member);
			break;
		case LP_SHAPE_LIST:
			view_list(arena, field, child, member);
			break;
		case LP_SHAPE_MAP:
			view_map(arena, child, member);
			break;
		}
	}
	return arena->failed ? NULL : view;
}
