/*
 * specs/patch_strategic.c - strategic merge, as apimachinery's strategicpatch does it on the server.
 *
 * Objects merge member by member. A list whose row says LP_MERGE is joined: elements match by the row's merge key (or by value
 * when it has none), directives take effect, and the result is put in order: elements that the patch names come in the
 * order of $setElementOrder (else of the patch), the others keep their place relative to them as far as both were there
 * before. That puts a new element in front of those the patch does not mention, as Kubernetes does.
 */
#include "specs/patch.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "specs/schema.h"

#define LIST_MAX 2000			/* elements of a merged list: matching is quadratic */
#define DIRECTIVE "$patch"
#define RETAIN "$retainKeys"
#define DELETE_FROM "$deleteFromPrimitiveList/"
#define SET_ORDER "$setElementOrder/"

struct strategic {
	struct lp_arena *arena;
	struct lp_err *err;
};

/* Takes directives and nulls out of a value that is stored as it is. */
static void
clean(struct lp_json *value)
{
	struct lp_json *next;

	if (!value)
		return;
	for (struct lp_json *child = lp_json_first(value); child; child = next) {
		bool directive = child->key && child->key[0] == '$' &&
		    (strcmp(child->key, DIRECTIVE) == 0 || strcmp(child->key, RETAIN) == 0 ||
		        lp_text_starts(child->key, DELETE_FROM) || lp_text_starts(child->key, SET_ORDER));
		bool deleted = !child->key && lp_text_same(lp_json_str(child, DIRECTIVE), "delete");

		next = child->next;
		if (directive || deleted || (child->key && child->type == LP_JSON_NULL))
			lp_json_remove_child(value, child);
		else
			clean(child);
	}
}

static struct lp_json *
clean_copy(struct lp_arena *arena, const struct lp_json *value)
{
	struct lp_json *copy = lp_json_copy(arena, value);

	clean(copy);
	return copy;
}

/* Do two elements stand for the same thing? */
static bool
same_element(const struct lp_json *a, const struct lp_json *b, const char *key)
{
	const struct lp_json *left, *right;

	if (!*key)
		return lp_json_equal(a, b);
	left = lp_json_get(a, key);
	right = lp_json_get(b, key);
	return left && right && lp_json_equal(left, right);
}

static struct lp_json *
find_element(const struct lp_json *list, const struct lp_json *like, const char *key)
{
	lp_json_each(child, list)
		if (same_element(child, like, key))
			return child;
	return NULL;
}

static long
element_index(const struct lp_json *list, const struct lp_json *like, const char *key)
{
	long index = 0;

	lp_json_each(child, list) {
		if (same_element(child, like, key))
			return index;
		index++;
	}
	return -1;
}

static struct lp_json *
take_first(struct lp_json *list)
{
	struct lp_json *child = lp_json_first(list);

	if (child)
		lp_json_remove_child(list, child);
	return child;
}

/* Puts `merged` in order: what `order` names in its order, the rest between as `before` had it. */
static struct lp_json *
ordered(struct lp_arena *arena, struct lp_json *merged, const struct lp_json *order, const struct lp_json *before,
    const char *key)
{
	struct lp_json *named = lp_json_new(arena, LP_JSON_ARRAY), *result = lp_json_new(arena, LP_JSON_ARRAY);
	struct lp_json *found, *child;

	lp_json_each(want, order) {
		found = find_element(merged, want, key);
		if (!found)
			continue;
		lp_json_remove_child(merged, found);
		lp_json_append(arena, named, found);
	}
	while (merged->len > 0 || lp_json_count(named) > 0) {
		struct lp_json *left = lp_json_first(merged), *right = lp_json_first(named);
		bool first = !right;

		if (left && right) {
			long l = element_index(before, left, key), r = element_index(before, right, key);

			first = l >= 0 && r >= 0 && l < r;
		}
		child = take_first(first ? merged : named);
		if (!lp_json_append(arena, result, child))
			return NULL;
	}
	return result;
}

static int merge_object(struct strategic *walk, enum lp_schema_id id, struct lp_json *target,
    const struct lp_json *patch, struct lp_json **out);

static int
no_key(struct strategic *walk, const char *name, const char *key)
{
	return lp_err_say(
	    walk->err, -EINVAL, "%.60s: an element does not contain declared merge key: %.60s", name, key);
}

/* One element of a patch list. */
static int
merge_element(struct strategic *walk, const struct lp_field *field, const char *name, const char *key,
    struct lp_json *merged, const struct lp_json *element)
{
	struct lp_json *found, *result;
	const char *directive = lp_json_str(element, DIRECTIVE);
	int rc;

	if (*key && (element->type != LP_JSON_OBJECT || !lp_json_get(element, key)))
		return no_key(walk, name, key);
	found = find_element(merged, element, key);
	if (directive && strcmp(directive, "delete") == 0) {
		while (found) {
			lp_json_remove_child(merged, found);
			found = find_element(merged, element, key);
		}
		return 0;
	}
	if (!found) {
		lp_json_append(walk->arena, merged, clean_copy(walk->arena, element));
		return 0;
	}
	if (!*key)
		return 0;
	rc = merge_object(walk, field->schema, found, element, &result);
	if (rc < 0)
		return rc;
	if (result != found) {			/* replaced: same place */
		result->key = NULL;
		result->next = found->next;
		*found = *result;
	}
	return 0;
}

/* {"$patch": "replace"} as an element: the list is the patch's other elements. */
static bool
replaces_list(const struct lp_json *patch)
{
	lp_json_each(element, patch)
		if (lp_text_same(lp_json_str(element, DIRECTIVE), "replace") && element->len == 1)
			return true;
	return false;
}

static struct lp_json *
replacement(struct strategic *walk, const struct lp_json *patch)
{
	struct lp_json *list = lp_json_new(walk->arena, LP_JSON_ARRAY);

	lp_json_each(element, patch)
		if (!lp_json_get(element, DIRECTIVE))
			lp_json_append(walk->arena, list, clean_copy(walk->arena, element));
	return list;
}

static int
merge_list(struct strategic *walk, const struct lp_schema *schema, const struct lp_field *field,
    const struct lp_json *target, const struct lp_json *patch, const struct lp_json *order, struct lp_json **out)
{
	const char *name = lp_schema_field_name(schema, field), *key = lp_schema_field_key(schema, field);
	struct lp_json *merged;

	if (lp_json_count(target) > LIST_MAX || lp_json_count(patch) > LIST_MAX || lp_json_count(order) > LIST_MAX)
		return lp_err_say(
		    walk->err, -E2BIG, "%s: a list of more than %d elements cannot be merged", name, LIST_MAX);
	if (replaces_list(patch)) {
		*out = replacement(walk, patch);
		return 0;
	}
	merged = target && target->type == LP_JSON_ARRAY ? lp_json_copy(walk->arena, target)
	                                                 : lp_json_new(walk->arena, LP_JSON_ARRAY);
	lp_json_each(element, patch) {
		int rc = merge_element(walk, field, name, key, merged, element);

		if (rc < 0)
			return rc;
	}
	if (walk->arena->failed)
		return lp_err_set(walk->err, -ENOMEM, "apply strategic merge patch");
	*out = ordered(walk->arena, merged, order ? order : patch, target, key);
	return 0;
}

/* $retainKeys: what it does not list goes. */
static int
retain_keys(struct strategic *walk, struct lp_json *target, const struct lp_json *patch)
{
	const struct lp_json *keys = lp_json_get(patch, RETAIN);
	struct lp_json *next;

	if (!keys)
		return 0;
	if (keys->type != LP_JSON_ARRAY)
		return lp_err_say(walk->err, -EINVAL, "%s is not a list", RETAIN);
	for (struct lp_json *child = lp_json_first(target); child; child = next) {
		bool kept = false;

		next = child->next;
		lp_json_each(key, keys)
			kept |= lp_text_same(lp_json_text(key), child->key);
		if (!kept)
			lp_json_remove_child(target, child);
	}
	return 0;
}

/* "$deleteFromPrimitiveList/finalizers": ["a"] */
static void
delete_from(struct lp_json *target, const struct lp_json *directive)
{
	struct lp_json *list = lp_json_get(target, directive->key + strlen(DELETE_FROM)), *found;

	lp_json_each(value, directive)
		while ((found = find_element(list, value, "")))
			lp_json_remove_child(list, found);
}

/* "$setElementOrder/x" without x: only the order changes. */
static void
set_order(struct strategic *walk, const struct lp_schema *schema, struct lp_json *target, const struct lp_json *patch,
    const struct lp_json *directive)
{
	const char *name = directive->key + strlen(SET_ORDER);
	const struct lp_field *field = lp_schema_find(schema, name);
	struct lp_json *list = lp_json_get(target, name);

	if (!field || lp_json_get(patch, name) || !list || list->type != LP_JSON_ARRAY || list->len > LIST_MAX ||
	    lp_json_count(directive) > LIST_MAX)
		return;
	lp_json_set(walk->arena, target, name, ordered(walk->arena, lp_json_copy(walk->arena, list), directive, list,
	    lp_schema_field_key(schema, field)));
}

static int
merge_member(struct strategic *walk, const struct lp_schema *schema, struct lp_json *target,
    const struct lp_json *patch, const struct lp_json *child)
{
	const struct lp_field *field = lp_schema_find(schema, child->key);
	struct lp_json *old = lp_json_get(target, child->key), *result = NULL;
	const char *order;
	int rc = 0;

	if (child->type == LP_JSON_NULL) {
		lp_json_remove(target, child->key);
		return 0;
	}
	if (child->type == LP_JSON_OBJECT && (!field || field->shape != LP_SHAPE_LIST)) {
		bool fresh = !old || old->type != LP_JSON_OBJECT;

		if (fresh)
			old = lp_json_new(walk->arena, LP_JSON_OBJECT);
		rc = merge_object(
		    walk, field && field->shape == LP_SHAPE_ONE ? field->schema : LP_SCHEMA_none, old, child, &result);
	} else if (child->type == LP_JSON_ARRAY && field && (field->flags & LP_MERGE)) {
		order = lp_arena_printf(walk->arena, SET_ORDER "%s", child->key);
		if (!order)
			return lp_err_set(walk->err, -ENOMEM, "apply strategic merge patch");
		rc = merge_list(walk, schema, field, old, child, lp_json_get(patch, order), &result);
	} else {
		result = clean_copy(walk->arena, child);
	}
	if (rc == 0 && result != lp_json_get(target, child->key))
		lp_json_set(walk->arena, target, child->key, result);
	return rc;
}

/* `target` is changed in place and is *out, unless the patch replaces it. */
static int
merge_object(struct strategic *walk, enum lp_schema_id id, struct lp_json *target, const struct lp_json *patch,
    struct lp_json **out)
{
	struct lp_schema schema = lp_schema_get(id);
	const char *directive = lp_json_str(patch, DIRECTIVE);
	int rc;

	if (lp_json_get(patch, DIRECTIVE)) {
		if (lp_text_same(directive, "replace")) {
			*out = clean_copy(walk->arena, patch);
			return 0;
		}
		if (lp_text_same(directive, "delete")) {
			*out = lp_json_new(walk->arena, LP_JSON_OBJECT);
			return 0;
		}
		if (!lp_text_same(directive, "merge"))
			return lp_err_say(
			    walk->err, -EINVAL, "unknown patch type: %.40s", directive ? directive : "not text");
	}
	rc = retain_keys(walk, target, patch);
	if (rc < 0)
		return rc;
	lp_json_each(child, patch) {
		if (strcmp(child->key, DIRECTIVE) == 0 || strcmp(child->key, RETAIN) == 0)
			continue;
		if (lp_text_starts(child->key, DELETE_FROM))
			delete_from(target, child);
		else if (lp_text_starts(child->key, SET_ORDER))
			set_order(walk, &schema, target, patch, child);
		else
			rc = merge_member(walk, &schema, target, patch, child);
		if (rc < 0)
			return rc;
		if (walk->arena->failed)
			return lp_err_set(walk->err, -ENOMEM, "apply strategic merge patch");
	}
	*out = target;
	return 0;
}

int
lp_patch_strategic(struct lp_arena *arena, enum lp_schema_id schema, const struct lp_json *target,
    const struct lp_json *patch, struct lp_json **out, struct lp_err *err)
{
	struct strategic walk = { .arena = arena, .err = err };
	struct lp_json *copy = lp_json_copy(arena, target), *result = NULL;
	int rc;

	if (!patch || patch->type != LP_JSON_OBJECT)
		return lp_err_say(err, -EINVAL, "error decoding patch: a strategic merge patch is an object");
	if (!copy || copy->type != LP_JSON_OBJECT)
		return lp_err_set(err, copy ? -EINVAL : -ENOMEM, "apply strategic merge patch");
	rc = merge_object(&walk, schema, copy, patch, &result);
	if (rc < 0)
		return rc;
	if (arena->failed || !result)
		return lp_err_set(err, -ENOMEM, "apply strategic merge patch");
	*out = result;
	return 0;
}
