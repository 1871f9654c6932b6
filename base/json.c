#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Values: walking, comparing, building. Parsing is json_parse.c, printing json_print.c. */

struct lp_json *
lp_json_first(const struct lp_json *parent)
{
	if (!parent || (parent->type != LP_JSON_ARRAY && parent->type != LP_JSON_OBJECT))
		return NULL;
	return parent->first;
}

static struct lp_json *
member(const struct lp_json *object, const char *key, size_t len)
{
	if (!object || object->type != LP_JSON_OBJECT)
		return NULL;
	lp_json_each(child, object)
		if (strncmp(child->key, key, len) == 0 && child->key[len] == '\0')
			return child;
	return NULL;
}

struct lp_json *
lp_json_get(const struct lp_json *object, const char *key)
{
	return member(object, key, strlen(key));
}

struct lp_json *
lp_json_path(const struct lp_json *object, const char *path)
{
	struct lp_json *at = NULL;

	for (;;) {
		size_t len = strcspn(path, ".");

		at = member(object, path, len);
		if (!at || path[len] == '\0')
			return at;
		object = at;
		path += len + 1;
	}
}

struct lp_json *
lp_json_index(const struct lp_json *array, size_t index)
{
	struct lp_json *at = array && array->type == LP_JSON_ARRAY ? array->first : NULL;

	while (at && index-- > 0)
		at = at->next;
	return at;
}

const char *
lp_json_text(const struct lp_json *value)
{
	return value && value->type == LP_JSON_STRING ? value->text : NULL;
}

const char *
lp_json_str(const struct lp_json *object, const char *path)
{
	return lp_json_text(lp_json_path(object, path));
}

int64_t
lp_json_int(const struct lp_json *object, const char *path, int64_t fallback)
{
	const struct lp_json *value = lp_json_path(object, path);

	return value && value->type == LP_JSON_INT ? value->integer : fallback;
}

bool
lp_json_bool(const struct lp_json *object, const char *path, bool fallback)
{
	const struct lp_json *value = lp_json_path(object, path);

	return value && value->type == LP_JSON_BOOL ? value->boolean : fallback;
}

double
lp_json_double(const struct lp_json *value)
{
	if (value && value->type == LP_JSON_INT)
		return (double)value->integer;
	return value && value->type == LP_JSON_DOUBLE ? strtod(value->text, NULL) : 0;
}

size_t
lp_json_count(const struct lp_json *parent)
{
	return lp_json_first(parent) ? parent->len : 0;
}

static bool
equal_children(const struct lp_json *a, const struct lp_json *b)
{
	const struct lp_json *other = b->first;

	if (a->len != b->len)
		return false;
	lp_json_each(child, a) {
		if (a->type == LP_JSON_OBJECT)
			other = lp_json_get(b, child->key);
		if (!other || !lp_json_equal(child, other))
			return false;
		other = other->next;
	}
	return true;
}

/* The depth of both sides was bounded when they were parsed. */
bool
lp_json_equal(const struct lp_json *a, const struct lp_json *b)
{
	if (!a || !b)
		return a == b;
	if (a->type != b->type)
		return false;
	switch ((enum lp_json_type)a->type) {
	case LP_JSON_NULL:
		return true;
	case LP_JSON_BOOL:
		return a->boolean == b->boolean;
	case LP_JSON_INT:
		return a->integer == b->integer;
	case LP_JSON_DOUBLE:
		return strcmp(a->text, b->text) == 0 || lp_json_double(a) == lp_json_double(b);
	case LP_JSON_STRING:
		return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
	case LP_JSON_ARRAY:
	case LP_JSON_OBJECT:
		return equal_children(a, b);
	}
	return false;
}

/* ---- build */

struct lp_json *
lp_json_new(struct lp_arena *arena, enum lp_json_type type)
{
	struct lp_json *value = lp_arena_alloc(arena, sizeof(*value));

	if (value)
		value->type = (uint8_t)type;
	return value;
}

struct lp_json *
lp_json_new_str(struct lp_arena *arena, const char *text)
{
	struct lp_json *value = lp_json_new(arena, text ? LP_JSON_STRING : LP_JSON_NULL);

	if (!value || !text)
		return value;
	value->text = lp_arena_str(arena, text);
	value->len = (uint32_t)strlen(text);
	return value->text ? value : NULL;
}

struct lp_json *
lp_json_new_int(struct lp_arena *arena, int64_t number)
{
	struct lp_json *value = lp_json_new(arena, LP_JSON_INT);

	if (value)
		value->integer = number;
	return value;
}

struct lp_json *
lp_json_new_bool(struct lp_arena *arena, bool truth)
{
	struct lp_json *value = lp_json_new(arena, LP_JSON_BOOL);

	if (value)
		value->boolean = truth;
	return value;
}

static void
link_last(struct lp_json *parent, struct lp_json *child)
{
	child->next = NULL;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->len++;
}

struct lp_json *
lp_json_copy(struct lp_arena *arena, const struct lp_json *value)
{
	struct lp_json *copy;

	if (!value)
		return NULL;
	copy = lp_json_new(arena, (enum lp_json_type)value->type);
	if (!copy)
		return NULL;
	switch ((enum lp_json_type)value->type) {
	case LP_JSON_NULL:
		break;
	case LP_JSON_BOOL:
		copy->boolean = value->boolean;
		break;
	case LP_JSON_INT:
		copy->integer = value->integer;
		break;
	case LP_JSON_DOUBLE:
	case LP_JSON_STRING:
		copy->text = lp_arena_mem(arena, value->text, value->len);
		copy->len = value->len;
		if (!copy->text)
			return NULL;
		break;
	case LP_JSON_ARRAY:
	case LP_JSON_OBJECT:
		lp_json_each(child, value) {
			struct lp_json *twin = lp_json_copy(arena, child);

			if (!twin)
				return NULL;
			if (child->key && !(twin->key = lp_arena_str(arena, child->key)))
				return NULL;
			link_last(copy, twin);
		}
		break;
	}
	return copy;
}

/* Put `value` where `old` is; both are children of parent. */
static void
replace(struct lp_json *parent, struct lp_json *old, struct lp_json *value)
{
	struct lp_json **at = &parent->first;

	while (*at != old)
		at = &(*at)->next;
	value->next = old->next;
	*at = value;
	if (parent->last == old)
		parent->last = value;
	old->next = NULL;
}

struct lp_json *
lp_json_set(struct lp_arena *arena, struct lp_json *object, const char *key, struct lp_json *value)
{
	struct lp_json *old;

	if (!object || !value || object->type != LP_JSON_OBJECT)
		return NULL;
	old = lp_json_get(object, key);
	if (old == value)
		return value;
	value->key = old ? old->key : lp_arena_str(arena, key);
	if (!value->key)
		return NULL;
	if (old)
		replace(object, old, value);
	else
		link_last(object, value);
	return value;
}

struct lp_json *
lp_json_append(struct lp_arena *arena, struct lp_json *array, struct lp_json *value)
{
	(void)arena;
	if (!array || !value || array->type != LP_JSON_ARRAY)
		return NULL;
	value->key = NULL;
	link_last(array, value);
	return value;
}

struct lp_json *
lp_json_set_str(struct lp_arena *arena, struct lp_json *object, const char *key, const char *text)
{
	return lp_json_set(arena, object, key, lp_json_new_str(arena, text));
}

struct lp_json *
lp_json_set_int(struct lp_arena *arena, struct lp_json *object, const char *key, int64_t value)
{
	return lp_json_set(arena, object, key, lp_json_new_int(arena, value));
}

struct lp_json *
lp_json_set_bool(struct lp_arena *arena, struct lp_json *object, const char *key, bool value)
{
	return lp_json_set(arena, object, key, lp_json_new_bool(arena, value));
}

struct lp_json *
lp_json_set_object(struct lp_arena *arena, struct lp_json *object, const char *key)
{
	return lp_json_set(arena, object, key, lp_json_new(arena, LP_JSON_OBJECT));
}

struct lp_json *
lp_json_set_array(struct lp_arena *arena, struct lp_json *object, const char *key)
{
	return lp_json_set(arena, object, key, lp_json_new(arena, LP_JSON_ARRAY));
}

struct lp_json *
lp_json_need_object(struct lp_arena *arena, struct lp_json *object, const char *key)
{
	struct lp_json *there = lp_json_get(object, key);

	return there && there->type == LP_JSON_OBJECT ? there : lp_json_set_object(arena, object, key);
}

struct lp_json *
lp_json_need_array(struct lp_arena *arena, struct lp_json *object, const char *key)
{
	struct lp_json *there = lp_json_get(object, key);

	return there && there->type == LP_JSON_ARRAY ? there : lp_json_set_array(arena, object, key);
}

bool
lp_json_remove_child(struct lp_json *parent, const struct lp_json *child)
{
	struct lp_json *before = NULL;

	lp_json_each(at, parent) {
		if (at == child) {
			if (before)
				before->next = at->next;
			else
				parent->first = at->next;
			if (parent->last == at)
				parent->last = before;
			parent->len--;
			return true;
		}
		before = at;
	}
	return false;
}

bool
lp_json_remove(struct lp_json *object, const char *key)
{
	struct lp_json *there = lp_json_get(object, key);

	return there && lp_json_remove_child(object, there);
}
