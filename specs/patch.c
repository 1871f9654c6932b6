#include "specs/patch.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define OPERATIONS_MAX 10000

/* ---- RFC 7386 */

/* What stands where `target` stood; an object among targets is changed in place. */
static struct lp_json *
merge(struct lp_arena *arena, struct lp_json *target, const struct lp_json *patch)
{
	struct lp_json *result = target;

	if (patch->type != LP_JSON_OBJECT)
		return lp_json_copy(arena, patch);
	if (!result || result->type != LP_JSON_OBJECT)
		result = lp_json_new(arena, LP_JSON_OBJECT);
	lp_json_each(child, patch) {
		if (child->type == LP_JSON_NULL)
			lp_json_remove(result, child->key);
		else
			lp_json_set(arena, result, child->key, merge(arena, lp_json_get(result, child->key), child));
	}
	return result;
}

int
lp_patch_merge(struct lp_arena *arena, const struct lp_json *target, const struct lp_json *patch, struct lp_json **out,
    struct lp_err *err)
{
	struct lp_json *result;

	if (!patch || patch->type != LP_JSON_OBJECT)
		return lp_err_say(err, -EINVAL, "error decoding patch: a merge patch is an object");
	result = merge(arena, lp_json_copy(arena, target), patch);
	if (arena->failed)
		return lp_err_set(err, -ENOMEM, "apply merge patch");
	*out = result;
	return 0;
}

/* ---- RFC 6902 */

struct pointer {
	struct lp_json *parent;		/* NULL: the whole document */
	const char *token;		/* unescaped last part */
};

/* The next part of a JSON pointer, unescaped; *at moves behind it. NULL on a bad escape or without memory. */
static const char *
next_token(struct lp_arena *arena, const char **at)
{
	size_t len = strcspn(*at, "/"), used = 0;
	char *token = lp_arena_mem(arena, *at, len);

	if (!token)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		char c = token[i];

		if (c == '~') {
			if (token[i + 1] != '0' && token[i + 1] != '1')
				return NULL;
			c = token[++i] == '0' ? '~' : '/';
		}
		token[used++] = c;
	}
	token[used] = '\0';
	*at += len;
	return token;
}

/* Index of an element: decimal without leading zeros, below `limit`. */
static bool
read_index(const char *token, size_t limit, size_t *out)
{
	uint64_t index;

	if ((token[0] == '0' && token[1]) || limit == 0 || lp_text_u64(token, limit - 1, &index) < 0)
		return false;
	*out = (size_t)index;
	return true;
}

static struct lp_json *
child_of(const struct lp_json *parent, const char *token)
{
	size_t index;

	if (!parent)
		return NULL;
	if (parent->type == LP_JSON_OBJECT)
		return lp_json_get(parent, token);
	if (parent->type == LP_JSON_ARRAY && read_index(token, parent->len, &index))
		return lp_json_index(parent, index);
	return NULL;
}

static int
find_parent(struct lp_arena *arena, struct lp_json *document, const char *path, struct pointer *out, struct lp_err *err)
{
	const char *at = path;
	struct pointer result = { 0 };

	if (!path || (*path && *path != '/'))
		return lp_err_say(err, -EINVAL, "json patch: path \"%.100s\" is not a JSON pointer", path ? path : "");
	while (*at == '/') {
		at++;
		result.parent = result.token ? child_of(result.parent, result.token) : document;
		if (!result.parent || (result.parent->type != LP_JSON_OBJECT && result.parent->type != LP_JSON_ARRAY))
			return lp_err_say(err, -ENOENT, "json patch: path \"%.100s\" does not exist", path);
		result.token = next_token(arena, &at);
		if (!result.token)
			return lp_err_say(err, -EINVAL, "json patch: path \"%.100s\" is not a JSON pointer", path);
	}
	*out = result;
	return 0;
}

/* Put `value` before the index-th element. */
static void
insert_element(struct lp_json *array, size_t index, struct lp_json *value)
{
	struct lp_json *before = index == 0 ? NULL : lp_json_index(array, index - 1);

	value->key = NULL;
	value->next = before ? before->next : array->first;
	if (before)
		before->next = value;
	else
		array->first = value;
	if (!value->next)
		array->last = value;
	array->len++;
}

static int
add_at(struct lp_arena *arena, struct lp_json **document, const char *path, struct lp_json *value, struct lp_err *err)
{
	struct pointer at;
	size_t index;
	int rc = find_parent(arena, *document, path, &at, err);

	if (rc < 0)
		return rc;
	if (!at.parent) {
		*document = value;
		return 0;
	}
	if (at.parent->type == LP_JSON_OBJECT) {
		lp_json_set(arena, at.parent, at.token, value);
		return 0;
	}
	if (strcmp(at.token, "-") == 0)
		index = at.parent->len;
	else if (!read_index(at.token, (size_t)at.parent->len + 1, &index))
		return lp_err_say(err, -ENOENT, "json patch: path \"%.100s\" does not exist", path);
	if (value)
		insert_element(at.parent, index, value);
	return 0;
}

static int
get_at(struct lp_arena *arena, struct lp_json *document, const char *path, struct lp_json **out, struct lp_err *err)
{
	struct pointer at;
	int rc = find_parent(arena, document, path, &at, err);

	if (rc < 0)
		return rc;
	*out = at.parent ? child_of(at.parent, at.token) : document;
	return *out ? 0 : lp_err_say(err, -ENOENT, "json patch: path \"%.100s\" does not exist", path);
}

static int
remove_at(struct lp_arena *arena, struct lp_json *document, const char *path, struct lp_err *err)
{
	struct pointer at;
	struct lp_json *child;
	int rc = find_parent(arena, document, path, &at, err);

	if (rc < 0)
		return rc;
	child = at.parent ? child_of(at.parent, at.token) : NULL;
	if (!child)
		return lp_err_say(err, -ENOENT, "json patch: path \"%.100s\" does not exist", path);
	lp_json_remove_child(at.parent, child);
	return 0;
}

/* "replace": the value takes the place of what is there. */
static int
replace_at(
    struct lp_arena *arena, struct lp_json **document, const char *path, struct lp_json *value, struct lp_err *err)
{
	struct lp_json *old;
	struct pointer at;
	size_t index;
	int rc = get_at(arena, *document, path, &old, err);

	if (rc == 0)
		rc = find_parent(arena, *document, path, &at, err);
	if (rc < 0)
		return rc;
	if (!at.parent || at.parent->type == LP_JSON_OBJECT)
		return add_at(arena, document, path, value, err);
	if (!read_index(at.token, at.parent->len, &index) || !value)
		return lp_err_set(err, -ENOMEM, "apply JSON patch");
	lp_json_remove_child(at.parent, old);
	insert_element(at.parent, index, value);
	return 0;
}

static int
copy_or_move(
    struct lp_arena *arena, struct lp_json **document, const struct lp_json *operation, bool moves, struct lp_err *err)
{
	const char *from = lp_json_str(operation, "from"), *path = lp_json_str(operation, "path");
	struct lp_json *value;
	int rc;

	if (!from)
		return lp_err_say(err, -EINVAL, "json patch: an operation lacks \"from\"");
	if (moves && lp_text_starts(path, from) && path[strlen(from)] == '/')
		return lp_err_say(err, -EINVAL, "json patch: cannot move \"%.80s\" into itself", from);
	rc = get_at(arena, *document, from, &value, err);
	if (rc < 0)
		return rc;
	value = lp_json_copy(arena, value);
	if (!value)
		return lp_err_set(err, -ENOMEM, "apply JSON patch");
	if (moves && strcmp(from, path) == 0)
		return 0;
	if (moves)
		rc = remove_at(arena, *document, from, err);
	return rc < 0 ? rc : add_at(arena, document, path, value, err);
}

static int
apply_operation(struct lp_arena *arena, struct lp_json **document, const struct lp_json *operation, struct lp_err *err)
{
	const char *op = lp_json_str(operation, "op"), *path = lp_json_str(operation, "path");
	struct lp_json *value = lp_json_get(operation, "value"), *found;
	int rc;

	if (!op || !path)
		return lp_err_say(err, -EINVAL, "json patch: an operation lacks \"op\" or \"path\"");
	if (strcmp(op, "remove") == 0)
		return remove_at(arena, *document, path, err);
	if (strcmp(op, "copy") == 0 || strcmp(op, "move") == 0)
		return copy_or_move(arena, document, operation, strcmp(op, "move") == 0, err);
	if (strcmp(op, "add") != 0 && strcmp(op, "replace") != 0 && strcmp(op, "test") != 0)
		return lp_err_say(err, -EINVAL, "json patch: unexpected kind: %.40s", op);
	if (!value)
		return lp_err_say(err, -EINVAL, "json patch: \"%s\" of \"%.80s\" lacks \"value\"", op, path);
	if (strcmp(op, "add") == 0)
		return add_at(arena, document, path, lp_json_copy(arena, value), err);
	if (strcmp(op, "replace") == 0)
		return replace_at(arena, document, path, lp_json_copy(arena, value), err);
	rc = get_at(arena, *document, path, &found, err);
	if (rc == -ENOENT && value->type == LP_JSON_NULL)
		return 0;
	if (rc == 0 && !lp_json_equal(found, value))
		rc = lp_err_say(err, -ENOENT, "json patch: testing value %.100s failed", path);
	return rc;
}

int
lp_patch_json(struct lp_arena *arena, const struct lp_json *target, const struct lp_json *operations,
    struct lp_json **out, struct lp_err *err)
{
	struct lp_json *result = lp_json_copy(arena, target);

	if (!operations || operations->type != LP_JSON_ARRAY)
		return lp_err_say(err, -EINVAL, "error decoding patch: a JSON patch is an array");
	if (operations->len > OPERATIONS_MAX)
		return lp_err_say(err, -E2BIG, "json patch: more than %d operations", OPERATIONS_MAX);
	lp_json_each(operation, operations) {
		int rc = apply_operation(arena, &result, operation, err);

		if (arena->failed)
			return lp_err_set(err, -ENOMEM, "apply JSON patch");
		if (rc < 0)
			return rc;
	}
	if (!result)
		return lp_err_set(err, -ENOMEM, "apply JSON patch");
	*out = result;
	return 0;
}
