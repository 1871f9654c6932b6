#include "specs/selector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define VALUES_MAX 64

/* ---- keys and values of labels */

static bool
is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits, - _ . with letters or digits at both ends. */
static bool
is_qualified(const char *text, size_t len)
{
	if (len == 0 || !is_alnum(text[0]) || !is_alnum(text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(text[i]) && text[i] != '-' && text[i] != '_' && text[i] != '.')
			return false;
	return true;
}

const char *
lp_selector_bad_key(const char *key)
{
	const char *slash = strchr(key, '/'), *name = slash ? slash + 1 : key;
	char prefix[256];

	if (slash) {
		size_t len = (size_t)(slash - key);

		if (len == 0)
			return "prefix part must be non-empty";
		if (len > 253)
			return "prefix part must be no more than 253 characters";
		memcpy(prefix, key, len);
		prefix[len] = '\0';
		if (!lp_text_is_dns_subdomain(prefix))
			return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
			       "characters, '-' or '.', "
			       "and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
			       "for validation is "
			       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
	}
	if (!*name)
		return "name part must be non-empty";
	if (strlen(name) > 63)
		return "name part must be no more than 63 characters";
	if (!is_qualified(name, strlen(name)))
		return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
		       "with an alphanumeric "
		       "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
		       "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
	return NULL;
}

const char *
lp_selector_bad_value(const char *value)
{
	if (!*value)
		return NULL;
	if (strlen(value) > 63)
		return "must be no more than 63 characters";
	if (!is_qualified(value, strlen(value)))
		return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
		       "and must start and "
		       "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
		       "for validation is "
		       "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
	return NULL;
}

/* ---- building */

static struct lp_requirement *
add_requirement(struct lp_arena *arena, struct lp_selector *selector, enum lp_selector_op op, const char *key)
{
	struct lp_requirement *requirement = lp_arena_alloc(arena, sizeof(*requirement));

	if (!requirement)
		return NULL;
	requirement->op = op;
	requirement->key = key;
	requirement->values = lp_arena_alloc(arena, VALUES_MAX * sizeof(*requirement->values));
	if (!requirement->values)
		return NULL;
	if (selector->last)
		selector->last->next = requirement;
	else
		selector->first = requirement;
	selector->last = requirement;
	selector->count++;
	return requirement;
}

static int
add_value(struct lp_requirement *requirement, const char *value, struct lp_err *err)
{
	if (requirement->count >= VALUES_MAX)
		return lp_err_say(err, -EINVAL, "unable to parse requirement: too many values");
	requirement->values[requirement->count++] = value;
	return 0;
}

static int
add_pair(struct lp_arena *arena, struct lp_selector *out, enum lp_selector_op op, const char *key, const char *value,
    struct lp_err *err)
{
	struct lp_requirement *requirement = add_requirement(arena, out, op, key);

	if (!requirement || !value)
		return lp_err_set(err, -ENOMEM, "read selector");
	return add_value(requirement, value, err);
}

/* ---- label selector text */

struct reader {
	struct lp_arena *arena;
	const char *at;
	struct lp_err *err;
};

static void
skip_space(struct reader *reader)
{
	while (*reader->at == ' ' || *reader->at == '\t')
		reader->at++;
}

/* A key, value or word; "" when there is none. NULL without memory. */
static const char *
read_word(struct reader *reader)
{
	size_t len;

	skip_space(reader);
	len = strcspn(reader->at, " \t,=!()<>");
	reader->at += len;
	return lp_arena_mem(reader->arena, reader->at - len, len);
}

static int
bad_text(struct reader *reader, const char *found, const char *expected)
{
	return lp_err_say(
	    reader->err, -EINVAL, "unable to parse requirement: found '%.40s', expected: %s", found, expected);
}

static int
check_value(struct reader *reader, const char *value)
{
	const char *why = lp_selector_bad_value(value);

	return why ? lp_err_say(reader->err, -EINVAL,
	                 "unable to parse requirement: values[0][...]: Invalid value: \"%.63s\": %.120s", value, why)
	           : 0;
}

/* "(a, b)" behind in or notin. */
static int
read_values(struct reader *reader, struct lp_requirement *requirement)
{
	int rc;

	skip_space(reader);
	if (*reader->at != '(')
		return bad_text(reader, reader->at, "'('");
	do {
		const char *value;

		reader->at++;
		value = read_word(reader);
		if (!value)
			return lp_err_set(reader->err, -ENOMEM, "read selector");
		rc = check_value(reader, value);
		if (rc == 0)
			rc = add_value(requirement, value, reader->err);
		if (rc < 0)
			return rc;
		skip_space(reader);
	} while (*reader->at == ',');
	if (*reader->at != ')')
		return bad_text(reader, reader->at, "',' or ')'");
	reader->at++;
	return 0;
}

/* Behind a key: the operator and its values. */
static int
read_operator(struct reader *reader, struct lp_selector *out, const char *key)
{
	struct lp_requirement *requirement;
	enum lp_selector_op op;
	const char *word;
	int rc;

	skip_space(reader);
	if (!*reader->at || *reader->at == ',')
		return add_requirement(reader->arena, out, LP_SELECTOR_EXISTS, key)
		    ? 0
		    : lp_err_set(reader->err, -ENOMEM, "read selector");
	if (*reader->at == '=' || *reader->at == '!' ) {
		op = *reader->at == '=' ? LP_SELECTOR_IN : LP_SELECTOR_NOT_IN;
		if (*reader->at == '!' && reader->at[1] != '=')
			return bad_text(reader, reader->at, "in, notin, =, ==, !=, gt, lt");
		reader->at += 1 + (reader->at[1] == '=');
		word = read_word(reader);
		rc = word ? check_value(reader, word) : 0;
		return rc < 0 ? rc : add_pair(reader->arena, out, op, key, word, reader->err);
	}
	if (*reader->at == '<' || *reader->at == '>') {
		op = *reader->at == '>' ? LP_SELECTOR_GREATER : LP_SELECTOR_LESS;
		reader->at++;
		return add_pair(reader->arena, out, op, key, read_word(reader), reader->err);
	}
	word = read_word(reader);
	if (!word)
		return lp_err_set(reader->err, -ENOMEM, "read selector");
	if (strcmp(word, "in") != 0 && strcmp(word, "notin") != 0)
		return bad_text(reader, *word ? word : reader->at, "in, notin, =, ==, !=, gt, lt");
	requirement =
	    add_requirement(reader->arena, out, strcmp(word, "in") == 0 ? LP_SELECTOR_IN : LP_SELECTOR_NOT_IN, key);
	return requirement ? read_values(reader, requirement) : lp_err_set(reader->err, -ENOMEM, "read selector");
}

static int
read_requirement(struct reader *reader, struct lp_selector *out)
{
	bool absent;
	const char *key, *why;

	skip_space(reader);
	absent = *reader->at == '!';
	if (absent)
		reader->at++;
	key = read_word(reader);
	if (!key)
		return lp_err_set(reader->err, -ENOMEM, "read selector");
	if (!*key)
		return bad_text(reader, reader->at, "identifier, or '!'");
	why = lp_selector_bad_key(key);
	if (why)
		return lp_err_say(reader->err, -EINVAL,
		    "unable to parse requirement: <nil>: Invalid value: \"%.63s\": %.120s", key, why);
	if (!absent)
		return read_operator(reader, out, key);
	return add_requirement(reader->arena, out, LP_SELECTOR_ABSENT, key)
	    ? 0
	    : lp_err_set(reader->err, -ENOMEM, "read selector");
}

int
lp_selector_labels(struct lp_arena *arena, const char *text, struct lp_selector *out, struct lp_err *err)
{
	struct reader reader = { .arena = arena, .at = text, .err = err };
	struct lp_selector result = { 0 };
	int rc;

	if (text)
		skip_space(&reader);
	while (text && *reader.at) {
		if (result.count >= LP_SELECTOR_MAX)
			return lp_err_say(
			    err, -EINVAL, "unable to parse requirement: more than %d of them", LP_SELECTOR_MAX);
		rc = read_requirement(&reader, &result);
		if (rc < 0)
			return rc;
		skip_space(&reader);
		if (!*reader.at)
			break;
		if (*reader.at != ',')
			return bad_text(&reader, reader.at, "',' or 'end of string'");
		reader.at++;
		skip_space(&reader);
		if (!*reader.at)
			return bad_text(&reader, "", "identifier after ','");
	}
	*out = result;
	return 0;
}

/* ---- field selector text: values may escape , = and \ with a backslash */

static int
read_field(
    struct lp_arena *arena, const struct lp_kind *kind, const char **at, struct lp_selector *out, struct lp_err *err)
{
	size_t len = strcspn(*at, "=!,"), value_len = 0;
	char *key = lp_arena_mem(arena, *at, len), *value;
	enum lp_selector_op op = LP_SELECTOR_IN;
	const char *from = *at + len;

	if (!key)
		return lp_err_set(err, -ENOMEM, "read field selector");
	if (*from == '!' && from[1] == '=')
		op = LP_SELECTOR_NOT_IN;
	else if (*from != '=')
		return lp_err_say(err, -EINVAL, "invalid selector: '%.60s'; can't understand '%.60s'", *at, key);
	from += op == LP_SELECTOR_NOT_IN || from[1] == '=' ? 2 : 1;
	if (!lp_kind_selectable(kind, key))
		return lp_err_say(err, -EINVAL, "field label not supported: %.80s", key);

	value = lp_arena_alloc(arena, strlen(from) + 1);
	if (!value)
		return lp_err_set(err, -ENOMEM, "read field selector");
	for (; *from && *from != ','; from++) {
		if (*from == '\\' && from[1])
			from++;
		value[value_len++] = *from;
	}
	*at = from;
	return add_pair(arena, out, op, key, value, err);
}

int
lp_selector_fields(
    struct lp_arena *arena, const struct lp_kind *kind, const char *text, struct lp_selector *out, struct lp_err *err)
{
	struct lp_selector result = { 0 };
	int rc;

	while (text && *text) {
		if (*text == ',') {
			text++;
			continue;
		}
		if (result.count >= LP_SELECTOR_MAX)
			return lp_err_say(err, -EINVAL, "invalid selector: more than %d requirements", LP_SELECTOR_MAX);
		rc = read_field(arena, kind, &text, &result, err);
		if (rc < 0)
			return rc;
	}
	*out = result;
	return 0;
}

/* ---- selectors as objects */

static int
add_map(struct lp_arena *arena, const struct lp_json *map, struct lp_selector *out, struct lp_err *err)
{
	lp_json_each(child, map) {
		if (child->type != LP_JSON_STRING)
			return lp_err_say(err, -EINVAL, "selector: the value of %.63s is not text", child->key);
		int rc = add_pair(arena, out, LP_SELECTOR_IN, child->key, child->text, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
add_expression(struct lp_arena *arena, const struct lp_json *expression, struct lp_selector *out, struct lp_err *err)
{
	static const struct {
		char name[16];
		enum lp_selector_op op;
	} operators[] = {
		{ "In", LP_SELECTOR_IN },         { "NotIn", LP_SELECTOR_NOT_IN },  { "Exists", LP_SELECTOR_EXISTS },
		{ "DoesNotExist", LP_SELECTOR_ABSENT }, { "Gt", LP_SELECTOR_GREATER }, { "Lt", LP_SELECTOR_LESS },
	};
	const char *key = lp_json_str(expression, "key"), *operator = lp_json_str(expression, "operator");
	struct lp_requirement *requirement = NULL;

	for (size_t i = 0; key && operator && i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strcmp(operators[i].name, operator) == 0) {
			requirement = add_requirement(arena, out, operators[i].op, key);
			if (!requirement)
				return lp_err_set(err, -ENOMEM, "read selector");
		}
	if (!requirement)
		return lp_err_say(err, -EINVAL, "\"%.40s\" is not a valid label selector operator", operator ? operator : "");
	lp_json_each(value, lp_json_get(expression, "values")) {
		int rc = value->type == LP_JSON_STRING ? add_value(requirement, value->text, err) : -EINVAL;

		if (rc < 0)
			return rc;
	}
	return 0;
}

int
lp_selector_expressions(
    struct lp_arena *arena, const struct lp_json *expressions, struct lp_selector *out, struct lp_err *err)
{
	struct lp_selector result = { 0 };

	lp_json_each(expression, expressions) {
		int rc = add_expression(arena, expression, &result, err);

		if (rc < 0)
			return rc;
	}
	*out = result;
	return 0;
}

int
lp_selector_object(struct lp_arena *arena, const struct lp_json *selector, struct lp_selector *out, struct lp_err *err)
{
	struct lp_selector result = { .nothing = !selector };
	int rc = add_map(arena, lp_json_get(selector, "matchLabels"), &result, err);

	if (rc < 0)
		return rc;
	lp_json_each(expression, lp_json_get(selector, "matchExpressions")) {
		rc = add_expression(arena, expression, &result, err);
		if (rc < 0)
			return rc;
	}
	*out = result;
	return 0;
}

int
lp_selector_map(struct lp_arena *arena, const struct lp_json *map, struct lp_selector *out, struct lp_err *err)
{
	struct lp_selector result = { .nothing = lp_json_count(map) == 0 };
	int rc = add_map(arena, map, &result, err);

	if (rc == 0)
		*out = result;
	return rc;
}

/* ---- matching */

static bool
contains(const struct lp_requirement *requirement, const char *value)
{
	for (size_t i = 0; i < requirement->count; i++)
		if (strcmp(requirement->values[i], value) == 0)
			return true;
	return false;
}

static bool
numbers_compare(const struct lp_requirement *requirement, const char *value, bool greater)
{
	int64_t have, want;

	if (!value || requirement->count != 1 || lp_text_i64(value, INT64_MIN, INT64_MAX, &have) < 0 ||
	    lp_text_i64(requirement->values[0], INT64_MIN, INT64_MAX, &want) < 0)
		return false;
	return greater ? have > want : have < want;
}

/* `value` NULL: the key is absent. */
static bool
match(const struct lp_requirement *requirement, const char *value)
{
	switch (requirement->op) {
	case LP_SELECTOR_IN:
		return value && contains(requirement, value);
	case LP_SELECTOR_NOT_IN:
		return !value || !contains(requirement, value);
	case LP_SELECTOR_EXISTS:
		return value != NULL;
	case LP_SELECTOR_ABSENT:
		return value == NULL;
	case LP_SELECTOR_GREATER:
		return numbers_compare(requirement, value, true);
	case LP_SELECTOR_LESS:
		return numbers_compare(requirement, value, false);
	}
	return false;
}

bool
lp_selector_match_labels(const struct lp_selector *selector, const struct lp_json *labels)
{
	if (selector->nothing)
		return false;
	for (const struct lp_requirement *requirement = selector->first; requirement; requirement = requirement->next)
		if (!match(requirement, lp_json_text(lp_json_get(labels, requirement->key))))
			return false;
	return true;
}

static const char *
field_text(const struct lp_json *object, const char *path, char number[static 24])
{
	const struct lp_json *value = lp_json_path(object, strcmp(path, "source") == 0 ? "source.component" : path);

	if (!value)
		return "";
	if (value->type == LP_JSON_BOOL)
		return value->boolean ? "true" : "false";
	if (value->type == LP_JSON_INT) {
		(void)snprintf(number, 24, "%" PRId64, value->integer);
		return number;
	}
	return value->type == LP_JSON_STRING ? value->text : "";
}

bool
lp_selector_match_fields(const struct lp_selector *selector, const struct lp_json *object)
{
	char number[24];

	if (selector->nothing)
		return false;
	for (const struct lp_requirement *requirement = selector->first; requirement; requirement = requirement->next) {
		const char *value = field_text(object, requirement->key, number);

		if (!*value &&
		    (strcmp(requirement->key, "spec.unschedulable") == 0 ||
		        strcmp(requirement->key, "spec.hostNetwork") == 0))
			value = "false";
		if (!match(requirement, value))
			return false;
	}
	return true;
}

const char *
lp_selector_pinned(const struct lp_selector *selector, const char *key)
{
	for (const struct lp_requirement *requirement = selector->first; requirement; requirement = requirement->next)
		if (requirement->op == LP_SELECTOR_IN && requirement->count == 1 && strcmp(requirement->key, key) == 0)
			return requirement->values[0];
	return NULL;
}
