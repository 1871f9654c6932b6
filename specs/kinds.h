/*
 * specs/kinds.h - the structs that the tables in specs/kinds spell: one lp_spec_<schema> each.
 *
 * Shape   a struct is a view of a JSON document in an arena (lp_parse_*): it owns nothing and is never written
 * Absent  strings, objects and free JSON are NULL; numbers and booleans say `has`; lists and maps have count 0
 * Names   members are the JSON names in snake case; `spec.containers[0].imagePullPolicy` is
 *         pod->spec->containers.items[0]->image_pull_policy
 * Text    quantities, times and base64 stay text: lp_quantity_parse, lp_clock_parse, lp_text_base64_decode
 */
#ifndef LP_SPECS_KINDS_H
#define LP_SPECS_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct lp_spec_int {
	bool has;
	int64_t value;			/* 0 when absent */
};

struct lp_spec_bool {
	bool has;
	bool value;			/* false when absent */
};

struct lp_spec_double {
	bool has;
	double value;
};

/* A number or a word: a port or its name, a count or a percentage. */
struct lp_spec_intstr {
	bool has;
	int32_t value;			/* when text is NULL */
	const char *text;
};

struct lp_spec_words {
	const char *const *items;
	size_t count;
};

struct lp_spec_numbers {
	const int64_t *items;
	size_t count;
};

struct lp_spec_pair {
	const char *key, *value;
};

struct lp_spec_map {
	const struct lp_spec_pair *items;	/* in document order */
	size_t count;
};

/* NULL when the map has no such key. */
const char *lp_kinds_map_get(const struct lp_spec_map *map, const char *key);

#define LP_ONE_STRING const char *
#define LP_ONE_BYTES const char *
#define LP_ONE_TIME const char *
#define LP_ONE_MICROTIME const char *
#define LP_ONE_QUANTITY const char *
#define LP_ONE_INT32 struct lp_spec_int
#define LP_ONE_INT64 struct lp_spec_int
#define LP_ONE_BOOL struct lp_spec_bool
#define LP_ONE_DOUBLE struct lp_spec_double
#define LP_ONE_INTSTR struct lp_spec_intstr
#define LP_ONE_ANY const struct lp_json *
#define LP_MANY_STRING struct lp_spec_words
#define LP_MANY_BYTES struct lp_spec_words
#define LP_MANY_INT32 struct lp_spec_numbers
#define LP_MANY_INT64 struct lp_spec_numbers

#define SCHEMA(name, long_name) struct lp_spec_##name {
#define FIELD(type, member, json, preset, rule, flags, proto, doc) LP_ONE_##type member;
#define OBJECT(schema, member, json, preset, rule, flags, proto, doc) const struct lp_spec_##schema *member;
#define LIST(schema, member, json, key, rule, flags, proto, doc) \
	struct { const struct lp_spec_##schema *const *items; size_t count; } member;
#define ITEMS(type, member, json, preset, rule, flags, proto, doc) LP_MANY_##type member;
#define MAP(type, member, json, preset, rule, flags, proto, doc) struct lp_spec_map member;
#define END(name) };
#include "specs/kinds/all.def"
#undef SCHEMA
#undef FIELD
#undef OBJECT
#undef LIST
#undef ITEMS
#undef MAP
#undef END

#define SCHEMA(name, long_name) LP_SCHEMA_##name,
#define FIELD(...)
#define OBJECT(...)
#define LIST(...)
#define ITEMS(...)
#define MAP(...)
#define END(name)
enum lp_schema_id {
	LP_SCHEMA_none,
#include "specs/kinds/all.def"
	LP_SCHEMA_count
};
#undef SCHEMA
#undef FIELD
#undef OBJECT
#undef LIST
#undef ITEMS
#undef MAP
#undef END

#endif
