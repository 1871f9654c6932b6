/*
 * specs/kinds.c - the rows of specs/kinds as data.
 *
 * The tables are read three times: for the texts (one pool of constant characters), for the rows of each schema (offsets
 * into pool and struct, no pointers) and for the lookup by id. A schema's rows live in a function of their own, whose two
 * local names `self` and `texts` let the same row text say "this struct" and "these texts".
 */
#include "specs/kinds.h"

#include <string.h>

#include "specs/rule.h"
#include "specs/schema.h"

/* ---- texts: name \0 default or merge key \0 documentation \0 */

#define SCHEMA(name, long_name) struct lp_texts_##name { char lp_name[sizeof(long_name)];
#define LP_TEXT(member, json, second, doc) char member[sizeof(json "\0" second "\0" doc)];
#define FIELD(type, member, json, preset, rule, flags, proto, doc) LP_TEXT(member, json, preset, doc)
#define OBJECT(schema, member, json, preset, rule, flags, proto, doc) LP_TEXT(member, json, preset, doc)
#define LIST(schema, member, json, key, rule, flags, proto, doc) LP_TEXT(member, json, key, doc)
#define ITEMS(type, member, json, key, rule, flags, proto, doc) LP_TEXT(member, json, key, doc)
#define MAP(type, member, json, key, rule, flags, proto, doc) LP_TEXT(member, json, key, doc)
#define END(name) };
#include "specs/kinds/all.def"
#undef SCHEMA
#undef LP_TEXT
#undef END

#define SCHEMA(name, long_name) static const struct lp_texts_##name texts_##name = { .lp_name = long_name,
#define LP_TEXT(member, json, second, doc) .member = json "\0" second "\0" doc,
#define END(name) };
#include "specs/kinds/all.def"
#undef SCHEMA
#undef LP_TEXT
#undef FIELD
#undef OBJECT
#undef LIST
#undef ITEMS
#undef MAP
#undef END

/* ---- rows */

#define LP_ROW(member, nested, t, s, r, f, p)                                                              \
	{ .text = offsetof(texts, member), .offset = offsetof(self, member), .schema = (nested), .proto = (p), \
	  .type = LP_TYPE_##t, .shape = LP_SHAPE_##s, .rule = LP_RULE_##r, .flags = (f) },
#define SCHEMA(name, long_name)                                                                         \
	static struct lp_schema rows_##name(void)                                                       \
	{                                                                                               \
		typedef struct lp_spec_##name self;                                                     \
		typedef struct lp_texts_##name texts;                                                   \
		static const struct lp_field rows[] = {
#define FIELD(type, member, json, preset, rule, flags, proto, doc) LP_ROW(member, 0, type, ONE, rule, flags, proto)
#define OBJECT(schema, member, json, preset, rule, flags, proto, doc) \
	LP_ROW(member, LP_SCHEMA_##schema, OBJECT, ONE, rule, flags, proto)
#define LIST(schema, member, json, key, rule, flags, proto, doc) \
	LP_ROW(member, LP_SCHEMA_##schema, OBJECT, LIST, rule, flags, proto)
#define ITEMS(type, member, json, key, rule, flags, proto, doc) LP_ROW(member, 0, type, LIST, rule, flags, proto)
#define MAP(type, member, json, key, rule, flags, proto, doc) LP_ROW(member, 0, type, MAP, rule, flags, proto)
#define END(which)                                                                                           \
		};                                                                                          \
		return (struct lp_schema){ .id = LP_SCHEMA_##which, .fields = rows,                          \
			.count = sizeof(rows) / sizeof(rows[0]), .size = sizeof(self),                      \
			.texts = (const char *)&texts_##which, .name = texts_##which.lp_name };               \
	}
#include "specs/kinds/all.def"
#undef SCHEMA
#undef FIELD
#undef OBJECT
#undef LIST
#undef ITEMS
#undef MAP
#undef END

/* ---- lookup */

#define SCHEMA(name, long_name) \
	case LP_SCHEMA_##name:  \
		return rows_##name();
#define FIELD(...)
#define OBJECT(...)
#define LIST(...)
#define ITEMS(...)
#define MAP(...)
#define END(name)
struct lp_schema
lp_schema_get(enum lp_schema_id id)
{
	switch (id) {
#include "specs/kinds/all.def"
	case LP_SCHEMA_none:
	case LP_SCHEMA_count:
		break;
	}
	return (struct lp_schema){ .id = LP_SCHEMA_none, .texts = "", .name = "" };
}

const char *
lp_schema_field_name(const struct lp_schema *schema, const struct lp_field *field)
{
	return schema->texts + field->text;
}

static const char *
second_text(const struct lp_schema *schema, const struct lp_field *field)
{
	const char *name = schema->texts + field->text;

	return name + strlen(name) + 1;
}

const char *
lp_schema_field_preset(const struct lp_schema *schema, const struct lp_field *field)
{
	return field->shape == LP_SHAPE_ONE ? second_text(schema, field) : "";
}

const char *
lp_schema_field_key(const struct lp_schema *schema, const struct lp_field *field)
{
	return field->shape == LP_SHAPE_LIST ? second_text(schema, field) : "";
}

const char *
lp_schema_field_doc(const struct lp_schema *schema, const struct lp_field *field)
{
	const char *second = second_text(schema, field);

	return second + strlen(second) + 1;
}

const struct lp_field *
lp_schema_find(const struct lp_schema *schema, const char *json_name)
{
	if (!json_name)
		return NULL;
	for (size_t i = 0; i < schema->count; i++)
		if (strcmp(schema->texts + schema->fields[i].text, json_name) == 0)
			return &schema->fields[i];
	return NULL;
}

const char *
lp_kinds_map_get(const struct lp_spec_map *map, const char *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->items[i].key, key) == 0)
			return map->items[i].value;
	return NULL;
}
