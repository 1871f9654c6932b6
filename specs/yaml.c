/*
 * specs/yaml.c - libyaml's events as JSON.
 *
 * kubectl reads a file line by line before it parses it: CRLF becomes LF and the last line always ends. Both are done here
 * first. libyaml refuses \' in double quotes, go-yaml reads it as ': such a scalar is rewritten where libyaml stopped, and
 * the text is parsed again.
 */
#include "specs/yaml.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/auto.h"
#include "base/map.h"
#include "base/text.h"
#include "specs/yaml_scalar.h"

#define REPAIRS_MAX 100			/* scalars with \' in one text */
#define INDEX_FROM 32			/* members from which a mapping gets an index */

struct reader {
	struct lp_arena *arena;
	const struct lp_buf *text;	/* weak: what is parsed */
	yaml_parser_t parser;
	struct lp_map anchors;
	size_t bytes, bytes_max;	/* of scalars, after aliases are expanded */
	uint32_t nodes, nodes_max, depth, depth_max;
	bool repair;			/* the failure is a \' that can be rewritten */
	size_t repair_at;		/* characters before it */
	struct lp_err *err;
};

/* A mapping under construction. */
struct mapping {
	struct lp_json *node, *merges;	/* merges: array of what << named */
	struct lp_map index;
};

static int
fail_at(struct reader *reader, const yaml_mark_t *mark, int code, const char *why)
{
	return lp_err_say(reader->err, code, "yaml: line %zu, column %zu: %s", mark->line + 1, mark->column + 1, why);
}

/* libyaml counts lines of what it has scanned; where bytes are no text it knows only how many came before. */
static int
fail_bytes(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;
	yaml_mark_t mark = { 0 };

	for (size_t i = 0; i < parser->problem_offset && i < reader->text->len; i++) {
		mark.column++;
		if (reader->text->data[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return fail_at(reader, &mark, -EINVAL, parser->problem ? parser->problem : "not text");
}

static int
next_event(struct reader *reader, yaml_event_t *event)
{
	const yaml_parser_t *parser = &reader->parser;

	if (yaml_parser_parse(&reader->parser, event))
		return 0;
	if (parser->error == YAML_MEMORY_ERROR)
		return lp_err_set(reader->err, -ENOMEM, "read YAML");
	if (parser->error == YAML_READER_ERROR)
		return fail_bytes(reader);
	reader->repair = parser->problem && strcmp(parser->problem, "found unknown escape character") == 0;
	reader->repair_at = parser->problem_mark.index;
	return fail_at(reader, &parser->problem_mark, -EINVAL, parser->problem ? parser->problem : "not YAML");
}

/* One more value, `len` bytes of text; aliases count again each time. */
static int
count(struct reader *reader, const yaml_mark_t *mark, size_t len)
{
	reader->nodes++;
	reader->bytes += len;
	if (reader->nodes > reader->nodes_max)
		return fail_at(reader, mark, -E2BIG, "too many values");
	if (reader->bytes > reader->bytes_max)
		return fail_at(reader, mark, -E2BIG, "too much text");
	return 0;
}

static int
count_tree(struct reader *reader, const yaml_mark_t *mark, const struct lp_json *value)
{
	int rc = count(reader, mark, value->type == LP_JSON_STRING ? value->len : 0);

	if (rc == 0 && value->key)
		rc = count(reader, mark, strlen(value->key));
	lp_json_each(child, value) {
		if (rc < 0)
			break;
		rc = count_tree(reader, mark, child);
	}
	return rc;
}

static int
remember(struct reader *reader, const yaml_char_t *anchor, struct lp_json *value)
{
	if (!anchor)
		return 0;
	if (lp_map_put(&reader->anchors, (const char *)anchor, value, NULL) < 0)
		return lp_err_set(reader->err, -ENOMEM, "read YAML");
	return 0;
}

/* ---- scalars */

static bool
has_tag(const yaml_char_t *tag, const char *name)
{
	static const char common[] = "tag:yaml.org,2002:";

	return tag && strncmp((const char *)tag, common, sizeof(common) - 1) == 0 &&
	    strcmp((const char *)tag + sizeof(common) - 1, name) == 0;
}

static int
read_binary(struct reader *reader, const yaml_event_t *event, struct lp_json **out)
{
	lp_auto_buf struct lp_buf bytes = { 0 };

	lp_buf_init(&bytes, reader->bytes_max);
	if (lp_text_base64_decode(&bytes, (const char *)event->data.scalar.value, event->data.scalar.length) < 0)
		return fail_at(reader, &event->start_mark, -EINVAL, "!!binary is not base64");
	if (memchr(lp_buf_text(&bytes), '\0', bytes.len) || !lp_text_is_utf8(lp_buf_text(&bytes), bytes.len))
		return fail_at(reader, &event->start_mark, -EINVAL, "!!binary holds bytes that are no text");
	*out = lp_json_new_str(reader->arena, lp_buf_text(&bytes));
	return 0;
}

static int
read_scalar(struct reader *reader, const yaml_event_t *event, struct lp_json **out)
{
	const yaml_char_t *tag = event->data.scalar.tag;
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	int rc = count(reader, &event->start_mark, len);

	if (rc < 0)
		return rc;
	if (memchr(text, '\0', len))
		return fail_at(reader, &event->start_mark, -EINVAL, "a NUL character inside text");
	if (has_tag(tag, "binary"))
		return read_binary(reader, event, out);
	if (tag && !has_tag(tag, "str") && !has_tag(tag, "int") && !has_tag(tag, "float") && !has_tag(tag, "bool") &&
	    !has_tag(tag, "null") && !has_tag(tag, "timestamp") && strcmp((const char *)tag, "!") != 0)
		return fail_at(reader, &event->start_mark, -EINVAL, "tags of one's own are not supported");
	if (plain && (tag ? strcmp((const char *)tag, "!") == 0 || has_tag(tag, "str") : false))
		plain = false;
	else if (tag && !has_tag(tag, "str") && strcmp((const char *)tag, "!") != 0)
		plain = true;		/* !!int "3" */
	if (plain &&
	    (strcmp(text, ".nan") == 0 || strcmp(text, ".NaN") == 0 || strcmp(text, ".inf") == 0 ||
	        strcmp(text, "-.inf") == 0))
		return fail_at(reader, &event->start_mark, -EINVAL, "JSON has no number for this");
	*out = plain ? lp_yaml_scalar_resolve(reader->arena, text, len) : lp_json_new(reader->arena, LP_JSON_STRING);
	if (*out && !plain) {
		(*out)->text = lp_arena_mem(reader->arena, text, len);
		(*out)->len = (uint32_t)len;
		if (!(*out)->text)
			*out = NULL;
	}
	return *out ? 0 : lp_err_set(reader->err, -ENOMEM, "read YAML");
}

static int
read_alias(struct reader *reader, const yaml_event_t *event, struct lp_json **out)
{
	const struct lp_json *there = lp_map_get(&reader->anchors, (const char *)event->data.alias.anchor);
	int rc;

	if (!there)
		return fail_at(reader, &event->start_mark, -EINVAL, "an alias without its anchor, or inside of it");
	rc = count_tree(reader, &event->start_mark, there);
	if (rc < 0)
		return rc;
	*out = lp_json_copy(reader->arena, there);
	return *out ? 0 : lp_err_set(reader->err, -ENOMEM, "read YAML");
}

/* ---- mappings */

static struct lp_json *
mapping_find(struct mapping *mapping, const char *key)
{
	return mapping->node->len >= INDEX_FROM ? lp_map_get(&mapping->index, key) : lp_json_get(mapping->node, key);
}

static void
link_member(struct lp_json *object, const char *key, struct lp_json *value)
{
	value->key = key;
	value->next = NULL;
	if (object->last)
		object->last->next = value;
	else
		object->first = value;
	object->last = value;
	object->len++;
}

/* Adds a member; a key that was there keeps its place, gets the new value and is marked. */
static int
mapping_put(struct reader *reader, struct mapping *mapping, const char *key, struct lp_json *value)
{
	struct lp_json *old = mapping_find(mapping, key);

	if (old) {
		struct lp_json *next = old->next;
		const char *old_key = old->key;

		*old = *value;
		old->next = next;
		old->key = old_key;
		old->duplicate = true;
		return 0;
	}
	link_member(mapping->node, key, value);
	if (mapping->node->len < INDEX_FROM)
		return 0;
	if (mapping->node->len == INDEX_FROM) {
		lp_json_each(child, mapping->node)
			if (lp_map_put(&mapping->index, child->key, child, NULL) < 0)
				return lp_err_set(reader->err, -ENOMEM, "read YAML");
		return 0;
	}
	return lp_map_put(&mapping->index, key, value, NULL) < 0 ? lp_err_set(reader->err, -ENOMEM, "read YAML") : 0;
}

/* What << named: members that the mapping does not have itself; the first of several wins. */
static int
mapping_merge(struct reader *reader, struct mapping *mapping, const struct lp_json *from, const yaml_mark_t *mark)
{
	int rc;

	if (from->type == LP_JSON_ARRAY) {
		lp_json_each(child, from) {
			if (child->type != LP_JSON_OBJECT)
				return fail_at(
				    reader, mark, -EINVAL, "map merge requires map or sequence of maps as the value");
			rc = mapping_merge(reader, mapping, child, mark);
			if (rc < 0)
				return rc;
		}
		return 0;
	}
	if (from->type != LP_JSON_OBJECT)
		return fail_at(reader, mark, -EINVAL, "map merge requires map or sequence of maps as the value");
	for (struct lp_json *child = from->first, *next; child; child = next) {
		next = child->next;
		if (mapping_find(mapping, child->key))
			continue;
		rc = mapping_put(reader, mapping, child->key, child);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Keys are text; numbers and booleans become text as in JSON made by Go. */
static const char *
key_text(struct reader *reader, const struct lp_json *key)
{
	switch ((enum lp_json_type)key->type) {
	case LP_JSON_STRING:
	case LP_JSON_DOUBLE:
		return key->text;
	case LP_JSON_INT:
		return lp_arena_printf(reader->arena, "%lld", (long long)key->integer);
	case LP_JSON_BOOL:
		return key->boolean ? "true" : "false";
	case LP_JSON_NULL:
	case LP_JSON_ARRAY:
	case LP_JSON_OBJECT:
		return NULL;
	}
	return NULL;
}

static int read_node(struct reader *reader, yaml_event_t *event, struct lp_json **out);

/* One key and its value; `event` is the key's. */
static int
read_member(struct reader *reader, yaml_event_t *event, struct mapping *mapping)
{
	bool merge = event->type == YAML_SCALAR_EVENT && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    strcmp((const char *)event->data.scalar.value, "<<") == 0;
	yaml_mark_t mark = event->start_mark;
	struct lp_json *key, *value;
	yaml_event_t of_value;
	const char *name;
	int rc = read_node(reader, event, &key);

	if (rc < 0)
		return rc;
	name = key_text(reader, key);
	if (!name)
		return fail_at(reader, &mark, -EINVAL, "a key must be text, a number or a boolean");
	rc = next_event(reader, &of_value);
	if (rc < 0)
		return rc;
	rc = read_node(reader, &of_value, &value);
	yaml_event_delete(&of_value);
	if (rc < 0)
		return rc;
	if (merge)
		return lp_json_append(reader->arena, mapping->merges, value)
		    ? 0
		    : lp_err_set(reader->err, -ENOMEM, "read YAML");
	return mapping_put(reader, mapping, name, value);
}

static int
read_mapping(struct reader *reader, const yaml_event_t *start, struct lp_json **out)
{
	struct mapping mapping = { .node = lp_json_new(reader->arena, LP_JSON_OBJECT),
		.merges = lp_json_new(reader->arena, LP_JSON_ARRAY) };
	yaml_mark_t mark = start->start_mark;
	yaml_event_t event;
	int rc = count(reader, &mark, 0);

	lp_map_init(&mapping.index);
	if (rc == 0 && (!mapping.node || !mapping.merges))
		rc = lp_err_set(reader->err, -ENOMEM, "read YAML");
	while (rc == 0) {
		bool end;

		rc = next_event(reader, &event);
		if (rc < 0)
			break;
		end = event.type == YAML_MAPPING_END_EVENT;
		if (!end)
			rc = read_member(reader, &event, &mapping);
		yaml_event_delete(&event);
		if (end)
			break;
	}
	for (struct lp_json *from = rc == 0 ? mapping.merges->first : NULL, *next; rc == 0 && from; from = next) {
		next = from->next;
		rc = mapping_merge(reader, &mapping, from, &mark);
	}
	lp_map_fini(&mapping.index);
	*out = mapping.node;
	return rc;
}

static int
read_sequence(struct reader *reader, const yaml_event_t *start, struct lp_json **out)
{
	struct lp_json *list = lp_json_new(reader->arena, LP_JSON_ARRAY), *value = NULL;
	yaml_event_t event;
	int rc = count(reader, &start->start_mark, 0);

	if (rc == 0 && !list)
		rc = lp_err_set(reader->err, -ENOMEM, "read YAML");
	while (rc == 0) {
		bool end;

		rc = next_event(reader, &event);
		if (rc < 0)
			break;
		end = event.type == YAML_SEQUENCE_END_EVENT;
		if (!end)
			rc = read_node(reader, &event, &value);
		yaml_event_delete(&event);
		if (end)
			break;
		if (rc == 0)
			lp_json_append(reader->arena, list, value);
	}
	*out = list;
	return rc;
}

/* The node that begins with `event`, which the caller deletes. */
static int
read_node(struct reader *reader, yaml_event_t *event, struct lp_json **out)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	int rc;

	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(reader, event, out);
	if (event->type == YAML_SCALAR_EVENT) {
		rc = read_scalar(reader, event, out);
		return rc < 0 ? rc : remember(reader, event->data.scalar.anchor, *out);
	}
	if (reader->depth >= reader->depth_max)
		return fail_at(reader, &event->start_mark, -E2BIG, "nested too deeply");
	reader->depth++;
	if (event->type == YAML_MAPPING_START_EVENT) {
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		rc = tag && !has_tag(tag, "map") ? -EINVAL : read_mapping(reader, event, out);
	} else if (event->type == YAML_SEQUENCE_START_EVENT) {
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		rc = tag && !has_tag(tag, "seq") ? -EINVAL : read_sequence(reader, event, out);
	} else {
		return fail_at(reader, &event->start_mark, -EINVAL, "not a value");
	}
	reader->depth--;
	if (rc == -EINVAL && tag && !has_tag(tag, "map") && !has_tag(tag, "seq"))
		return fail_at(reader, &event->start_mark, -EINVAL, "tags of one's own are not supported");
	return rc < 0 ? rc : remember(reader, anchor, *out);
}

/* ---- documents */

static int
read_documents(struct reader *reader, struct lp_json *documents)
{
	yaml_event_t event;
	struct lp_json *value;
	int rc;

	for (;;) {
		bool node, end;

		rc = next_event(reader, &event);
		if (rc < 0)
			return rc;
		end = event.type == YAML_STREAM_END_EVENT;
		node = !end && event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT &&
		    event.type != YAML_DOCUMENT_END_EVENT;
		if (event.type == YAML_DOCUMENT_START_EVENT) {
			lp_map_fini(&reader->anchors);
			lp_map_init(&reader->anchors);
		}
		if (node)
			rc = read_node(reader, &event, &value);
		yaml_event_delete(&event);
		if (rc < 0 || end)
			return rc;
		if (node && value->type != LP_JSON_NULL)
			lp_json_append(reader->arena, documents, value);
	}
}

static int
parse_text(struct reader *reader, const struct lp_buf *text, struct lp_json **out)
{
	struct lp_json *documents = lp_json_new(reader->arena, LP_JSON_ARRAY);
	int rc;

	reader->text = text;
	if (!documents || !yaml_parser_initialize(&reader->parser))
		return lp_err_set(reader->err, -ENOMEM, "read YAML");
	lp_map_init(&reader->anchors);
	yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader->parser, (const unsigned char *)lp_buf_text(text), text->len);
	rc = read_documents(reader, documents);
	lp_map_fini(&reader->anchors);
	yaml_parser_delete(&reader->parser);
	if (rc == 0)
		*out = documents;
	return rc;
}

/* The text as kubectl's line reader hands it on: no byte order mark, LF only, the last line ended. */
static int
normalise(struct lp_buf *out, const char *text, size_t len)
{
	size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (at < len) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line = end ? (size_t)(end - (text + at)) : len - at;

		lp_buf_add(out, text + at, line > 0 && text[at + line - 1] == '\r' ? line - 1 : line);
		lp_buf_char(out, '\n');
		at += line + 1;
	}
	return out->failed;
}

/* Takes the backslash out of every \' of the double-quoted scalar that goes on at character `index`. */
static bool
repair(struct lp_buf *text, size_t index)
{
	size_t at = 0, to;

	for (; at < text->len && index > 0; index--)
		do
			at++;
		while (at < text->len && ((unsigned char)text->data[at] & 0xc0) == 0x80);
	if (at + 1 >= text->len || text->data[at] != '\\' || text->data[at + 1] != '\'')
		return false;
	for (to = at; at < text->len && text->data[at] != '"';) {
		if (text->data[at] == '\\' && at + 1 < text->len) {
			if (text->data[at + 1] != '\'')
				text->data[to++] = text->data[at];
			text->data[to++] = text->data[at + 1];
			at += 2;
		} else {
			text->data[to++] = text->data[at++];
		}
	}
	memmove(text->data + to, text->data + at, text->len - at + 1);
	text->len -= at - to;
	return true;
}

static int
parse_yaml(struct lp_arena *arena, const char *text, size_t len, const struct lp_json_limits *limits,
    struct lp_json **out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf copy = { 0 };
	int rc;

	lp_buf_init(&copy, len + len / 2 + 4096);
	if (normalise(&copy, text, len) < 0)
		return lp_err_set(err, -ENOMEM, "read YAML");
	for (unsigned tries = 0;; tries++) {
		struct reader reader = {
			.arena = arena,
			.bytes_max = limits->bytes,
			.nodes_max = limits->nodes,
			.depth_max = limits->depth,
			.err = err,
		};

		rc = parse_text(&reader, &copy, out);
		if (rc != -EINVAL || !reader.repair || tries >= REPAIRS_MAX || !repair(&copy, reader.repair_at))
			return rc;
	}
}

/* ---- JSON documents one behind the other */

/* Length of the object at the start of `text`, strings respected; 0 when it does not end. */
static size_t
object_length(const char *text, size_t len)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t at = 0; at < len; at++) {
		char c = text[at];

		if (quoted && c == '\\')
			at++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '['))
			depth++;
		else if (!quoted && (c == '}' || c == ']') && --depth == 0)
			return at + 1;
	}
	return 0;
}

static size_t
spaces(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
		at++;
	return at;
}

static int
parse_json(struct lp_arena *arena, const char *text, size_t len, const struct lp_json_limits *limits,
    struct lp_json **out, struct lp_err *err)
{
	struct lp_json *documents = lp_json_new(arena, LP_JSON_ARRAY), *document;

	for (size_t at = spaces(text, len); at < len; at += spaces(text + at, len - at)) {
		size_t this = text[at] == '{' ? object_length(text + at, len - at) : 0;
		int rc = lp_json_parse(arena, text + at, this > 0 ? this : len - at, limits, &document, err);

		if (rc < 0)
			return rc;
		lp_json_append(arena, documents, document);
		at += this > 0 ? this : len - at;
	}
	if (arena->failed || !documents)
		return lp_err_set(err, -ENOMEM, "read JSON");
	*out = documents;
	return 0;
}

int
lp_yaml_parse(struct lp_arena *arena, const char *text, size_t len, const struct lp_json_limits *limits,
    struct lp_json **out, struct lp_err *err)
{
	struct lp_json_limits use = limits ? *limits : (struct lp_json_limits){ 0 };
	size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	struct lp_err ignored;
	int rc;

	use.bytes = use.bytes ? use.bytes : 3 << 20;
	use.depth = use.depth ? use.depth : 64;
	use.nodes = use.nodes ? use.nodes : 200000;
	if (len > use.bytes)
		return lp_err_say(err, -E2BIG, "yaml: %zu bytes are more than %zu", len, use.bytes);
	at += spaces(text + at, len - at);
	if (at >= len || text[at] != '{')
		return parse_yaml(arena, text, len, &use, out, err);
	/* It looks like JSON. If it is none, it may still be YAML in flow style; if neither, JSON's words are the better ones. */
	rc = parse_json(arena, text + at, len - at, &use, out, err);
	if (rc != -EINVAL || parse_yaml(arena, text, len, &use, out, &ignored) < 0)
		return rc;
	lp_err_clear(err);
	return 0;
}
