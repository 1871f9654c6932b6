#include "tools/verbs/threeway.h"

#include <stdbool.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"
#include "specs/schema.h"

struct three {
	const struct lp_json *original, *modified, *current;	/* each may be NULL */
};

static struct lp_json *diff(struct lp_arena *arena, enum lp_schema_id schema, struct three t);

/* Does `current` hold all that `modified` says? Defaults that a server added do not count. */
static bool
covers(const struct lp_json *current, const struct lp_json *modified)
{
	const struct lp_json *c;

	if (!current || current->type != modified->type)
		return false;
	if (modified->type == LP_JSON_OBJECT) {
		lp_json_each(member, modified)
			if (!covers(lp_json_get(current, member->key), member))
				return false;
		return true;
	}
	if (modified->type != LP_JSON_ARRAY)
		return lp_json_equal(current, modified);
	if (lp_json_count(current) != lp_json_count(modified))
		return false;
	c = lp_json_first(current);
	lp_json_each(element, modified) {
		if (!covers(c, element))
			return false;
		c = c->next;
	}
	return true;
}

/* ---- lists that merge by a key */

static const struct lp_json *
by_key(const struct lp_json *list, const char *key, const struct lp_json *like)
{
	const struct lp_json *value = lp_json_get(like, key);

	lp_json_each(element, list)
		if (value && lp_json_equal(lp_json_get(element, key), value))
			return element;
	return NULL;
}

static void
set_order(struct lp_arena *arena, struct lp_json *patch, const char *name, const char *key, const struct lp_json *modified)
{
	struct lp_json *order = lp_json_set_array(arena, patch, lp_arena_printf(arena, "$setElementOrder/%s", name));

	lp_json_each(element, modified) {
		struct lp_json *mark = lp_json_append(arena, order, lp_json_new(arena, LP_JSON_OBJECT));

		(void)lp_json_set(arena, mark, key, lp_json_copy(arena, lp_json_get(element, key)));
	}
}

static void
diff_keyed(struct lp_arena *arena, struct lp_json *patch, const char *name, const char *key, enum lp_schema_id schema, struct three t)
{
	struct lp_json *list = lp_json_new(arena, LP_JSON_ARRAY);

	lp_json_each(element, t.modified) {
		struct three inner = { by_key(t.original, key, element), element, by_key(t.current, key, element) };
		struct lp_json *change = inner.current ? diff(arena, schema, inner) : lp_json_copy(arena, element);

		if (inner.current && !lp_json_first(change))
			continue;
		(void)lp_json_set(arena, change, key, lp_json_copy(arena, lp_json_get(element, key)));
		(void)lp_json_append(arena, list, change);
	}
	lp_json_each(element, t.original) {
		if (by_key(t.modified, key, element) || !by_key(t.current, key, element))
			continue;
		struct lp_json *gone = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));

		(void)lp_json_set_str(arena, gone, "$patch", "delete");
		(void)lp_json_set(arena, gone, key, lp_json_copy(arena, lp_json_get(element, key)));
	}
	if (!lp_json_first(list))
		return;
	set_order(arena, patch, name, key, t.modified);
	(void)lp_json_set(arena, patch, name, list);
}

/* ---- lists of plain values that merge as sets */

static bool
holds(const struct lp_json *list, const struct lp_json *value)
{
	lp_json_each(element, list)
		if (lp_json_equal(element, value))
			return true;
	return false;
}

static void
diff_set(struct lp_arena *arena, struct lp_json *patch, const char *name, struct three t)
{
	struct lp_json *more = lp_json_new(arena, LP_JSON_ARRAY), *less = lp_json_new(arena, LP_JSON_ARRAY);

	lp_json_each(value, t.modified)
		if (!holds(t.current, value))
			(void)lp_json_append(arena, more, lp_json_copy(arena, value));
	lp_json_each(value, t.original)
		if (!holds(t.modified, value) && holds(t.current, value))
			(void)lp_json_append(arena, less, lp_json_copy(arena, value));
	if (lp_json_first(more))
		(void)lp_json_set(arena, patch, name, more);
	if (lp_json_first(less))
		(void)lp_json_set(arena, patch, lp_arena_printf(arena, "$deleteFromPrimitiveList/%s", name), less);
}

/* ---- objects */

static void
diff_member(struct lp_arena *arena, struct lp_json *patch, const struct lp_schema *schema, const struct lp_field *field, struct three t)
{
	const char *name = t.modified->key;
	bool objects = t.modified->type == LP_JSON_OBJECT && t.current && t.current->type == LP_JSON_OBJECT;
	bool lists = t.modified->type == LP_JSON_ARRAY && t.current && t.current->type == LP_JSON_ARRAY;
	const char *key = field && (field->flags & LP_MERGE) ? lp_schema_field_key(schema, field) : "";

	if (objects) {
		bool known = field && field->type == LP_TYPE_OBJECT && field->shape == LP_SHAPE_ONE;
		struct lp_json *change = diff(arena, known ? (enum lp_schema_id)field->schema : LP_SCHEMA_none, t);

		if (lp_json_first(change))
			(void)lp_json_set(arena, patch, name, change);
	} else if (lists && *key) {
		diff_keyed(arena, patch, name, key, (enum lp_schema_id)field->schema, t);
	} else if (lists && field && (field->flags & LP_MERGE)) {
		diff_set(arena, patch, name, t);
	} else if (!covers(t.current, t.modified)) {
		(void)lp_json_set(arena, patch, name, lp_json_copy(arena, t.modified));
	} else if (t.original && !lp_json_equal(t.original, t.modified) && !lp_json_equal(t.current, t.modified)) {
		(void)lp_json_set(arena, patch, name, lp_json_copy(arena, t.modified));	/* something was taken out of a whole list */
	}
}

static struct lp_json *
diff(struct lp_arena *arena, enum lp_schema_id id, struct three t)
{
	struct lp_json *patch = lp_json_new(arena, LP_JSON_OBJECT);
	struct lp_schema schema = { 0 };

	if (id != LP_SCHEMA_none)
		schema = lp_schema_get(id);
	lp_json_each(member, t.modified) {
		const struct lp_field *field = id != LP_SCHEMA_none ? lp_schema_find(&schema, member->key) : NULL;
		struct three inner = { lp_json_get(t.original, member->key), member, lp_json_get(t.current, member->key) };

		if (member->type == LP_JSON_NULL) {
			if (inner.current)
				(void)lp_json_set(arena, patch, member->key, lp_json_new(arena, LP_JSON_NULL));
			continue;
		}
		diff_member(arena, patch, &schema, field, inner);
	}
	lp_json_each(member, t.original)
		if (!lp_json_get(t.modified, member->key) && lp_json_get(t.current, member->key))
			(void)lp_json_set(arena, patch, member->key, lp_json_new(arena, LP_JSON_NULL));
	return patch;
}

struct lp_json *
lp_threeway_patch(struct lp_arena *arena, enum lp_schema_id schema, const struct lp_json *original, const struct lp_json *modified,
    const struct lp_json *current)
{
	struct lp_json *patch = diff(arena, schema, (struct three){ original, modified, current });

	/* These say what it is and where, and are never changed. */
	(void)lp_json_remove(patch, "apiVersion");
	(void)lp_json_remove(patch, "kind");
	(void)lp_json_remove(patch, "status");
	return arena->failed ? NULL : patch;
}
