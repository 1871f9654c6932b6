#include "specs/schema.h"
#include "specs/trail.h"

#include <errno.h>

struct drop {
	struct lp_arena *arena;
	struct lp_drop *out;
};

static void
note(struct drop *drop, enum lp_drop_kind kind, const struct lp_trail *trail)
{
	struct lp_dropped *entry;
	const char *path;

	drop->out->count++;
	if (kind != LP_DROP_IGNORED)
		drop->out->strict++;
	if (drop->out->count > LP_DROP_MAX)
		return;
	entry = lp_arena_alloc(drop->arena, sizeof(*entry));
	path = lp_trail_text(drop->arena, trail);
	if (!entry)
		return;
	entry->kind = kind;
	switch (kind) {
	case LP_DROP_UNKNOWN:
		entry->text = lp_arena_printf(drop->arena, "unknown field \"%s\"", path);
		break;
	case LP_DROP_DUPLICATE:
		entry->text = lp_arena_printf(drop->arena, "duplicate field \"%s\"", path);
		break;
	case LP_DROP_IGNORED:
		entry->text = lp_arena_printf(drop->arena, "%s: accepted, but limpet does not act on it", path);
		break;
	}
	if (!entry->text)
		return;
	if (drop->out->last)
		drop->out->last->next = entry;
	else
		drop->out->first = entry;
	drop->out->last = entry;
}

/* Does the value say anything? An empty list, an empty text, false and 0 ask for nothing. */
static bool
says_something(const struct lp_json *value)
{
	switch ((enum lp_json_type)value->type) {
	case LP_JSON_NULL:
		return false;
	case LP_JSON_BOOL:
		return value->boolean;
	case LP_JSON_INT:
		return value->integer != 0;
	case LP_JSON_DOUBLE:
	case LP_JSON_OBJECT:
		return true;
	case LP_JSON_STRING:
	case LP_JSON_ARRAY:
		return value->len > 0;
	}
	return true;
}

static void drop_members(struct drop *drop, enum lp_schema_id id, struct lp_json *object, const struct lp_trail *trail);

/* Free JSON and maps: everything is known, but nothing may stand twice. */
static void
find_duplicates(struct drop *drop, struct lp_json *object, const struct lp_trail *trail)
{
	lp_json_each(child, object) {
		struct lp_trail here = { .up = trail, .name = child->key };

		if (child->duplicate)
			note(drop, LP_DROP_DUPLICATE, &here);
	}
}

static void
drop_field(struct drop *drop, const struct lp_field *field, struct lp_json *value, const struct lp_trail *trail)
{
	struct lp_trail element = { .up = trail };

	if (field->shape == LP_SHAPE_MAP) {
		find_duplicates(drop, value, trail);
		return;
	}
	if (field->type != LP_TYPE_OBJECT)
		return;
	if (field->shape == LP_SHAPE_ONE) {
		drop_members(drop, field->schema, value, trail);
		return;
	}
	lp_json_each(child, value) {
		drop_members(drop, field->schema, child, &element);
		element.index++;
	}
}

static void
drop_members(struct drop *drop, enum lp_schema_id id, struct lp_json *object, const struct lp_trail *trail)
{
	struct lp_schema schema = lp_schema_get(id);
	struct lp_json *next;

	if (!object || object->type != LP_JSON_OBJECT)
		return;
	for (struct lp_json *child = lp_json_first(object); child; child = next) {
		const struct lp_field *field = lp_schema_find(&schema, child->key);
		struct lp_trail here = { .up = trail, .name = child->key };

		next = child->next;
		if (child->duplicate)
			note(drop, LP_DROP_DUPLICATE, &here);
		if (!field) {
			note(drop, LP_DROP_UNKNOWN, &here);
			lp_json_remove_child(object, child);
			continue;
		}
		if ((field->flags & LP_IGNORED) && says_something(child))
			note(drop, LP_DROP_IGNORED, &here);
		drop_field(drop, field, child, &here);
	}
}

int
lp_drop_object(
    struct lp_arena *arena, const struct lp_kind *kind, struct lp_json *object, struct lp_drop *out, struct lp_err *err)
{
	struct drop drop = { .arena = arena, .out = out };

	*out = (struct lp_drop){ 0 };
	drop_members(&drop, kind->schema, object, NULL);
	return arena->failed ? lp_err_set(err, -ENOMEM, "look for unknown fields") : 0;
}

const char *
lp_drop_strict(struct lp_arena *arena, const struct lp_drop *drop)
{
	lp_auto_buf struct lp_buf out = { 0 };
	bool first = true;

	if (drop->strict == 0)
		return NULL;
	lp_buf_init(&out, 64 << 10);
	lp_buf_str(&out, "strict decoding error: ");
	for (const struct lp_dropped *entry = drop->first; entry; entry = entry->next) {
		if (entry->kind == LP_DROP_IGNORED)
			continue;
		lp_buf_printf(&out, "%s%s", first ? "" : ", ", entry->text);
		first = false;
	}
	return lp_arena_str(arena, lp_buf_text(&out));
}
