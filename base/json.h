/*
 * base/json.h - JSON (RFC 8259) in one arena: parse, walk, build, print.
 *
 * Shape   a value is a node; members and elements are a list of nodes in document order, a member carries its key
 * Numbers integers that fit int64 are INT and exact; others are DOUBLE and keep their text, so they are printed as written
 * Limits  bytes, depth and nodes; strings must be UTF-8; NUL inside a string is refused ("\u0000")
 * Twice   of two members with one key the last wins and is marked `duplicate` (Kubernetes warns, strict refuses)
 * Memory  builders return NULL and mark the arena `failed` when it is full, and accept NULL everywhere: check arena->failed once
 */
#ifndef LP_BASE_JSON_H
#define LP_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum lp_json_type {
	LP_JSON_NULL,
	LP_JSON_BOOL,
	LP_JSON_INT,
	LP_JSON_DOUBLE,
	LP_JSON_STRING,
	LP_JSON_ARRAY,
	LP_JSON_OBJECT,
};

struct lp_json {
	uint8_t type;			/* enum lp_json_type */
	bool duplicate;			/* this member's key stood more than once in the source */
	uint32_t len;			/* STRING, DOUBLE: characters of text; ARRAY, OBJECT: number of children */
	union {
		bool boolean;
		int64_t integer;
		const char *text;	/* STRING: unescaped, NUL-terminated; DOUBLE: as written */
		struct lp_json *first;	/* ARRAY, OBJECT: first child, NULL when empty */
	};
	struct lp_json *last;		/* ARRAY, OBJECT: last child */
	struct lp_json *next;		/* sibling; NULL at the end */
	const char *key;		/* member of an object: its name, else NULL */
};

struct lp_json_limits {
	size_t bytes;			/* of text; 0 = 3 MiB, as the API server */
	uint32_t depth;			/* 0 = 64 */
	uint32_t nodes;			/* 0 = 200,000 */
};

/*
 * One document, nothing behind it but white space. -EINVAL with line and column, -E2BIG over a limit, -ENOMEM.
 * limits may be NULL. The text is copied: it need not outlive the call.
 */
int lp_json_parse(struct lp_arena *arena, const char *text, size_t len, const struct lp_json_limits *limits,
    struct lp_json **out, struct lp_err *err);

/* ---- walk; every function accepts NULL or a node of another type and then finds nothing */

#define lp_json_each(child, parent) \
	for (struct lp_json *child = lp_json_first(parent); child; child = child->next)

struct lp_json *lp_json_first(const struct lp_json *parent);
struct lp_json *lp_json_get(const struct lp_json *object, const char *key);

/* "spec.template.metadata": members of members. Keys with dots cannot be reached this way. */
struct lp_json *lp_json_path(const struct lp_json *object, const char *path);
struct lp_json *lp_json_index(const struct lp_json *array, size_t index);

/* The string itself, or NULL when it is no string. */
const char *lp_json_text(const struct lp_json *value);
/* Member (dotted path) as string / integer / boolean; NULL or the fallback when absent or of another type. */
const char *lp_json_str(const struct lp_json *object, const char *path);
int64_t lp_json_int(const struct lp_json *object, const char *path, int64_t fallback);
bool lp_json_bool(const struct lp_json *object, const char *path, bool fallback);
double lp_json_double(const struct lp_json *value);	/* INT or DOUBLE, else 0 */
size_t lp_json_count(const struct lp_json *parent);

/* Same value? The order of members does not matter, that of elements does; 1 and 1.0 differ. */
bool lp_json_equal(const struct lp_json *a, const struct lp_json *b);

/* ---- build */

struct lp_json *lp_json_new(struct lp_arena *arena, enum lp_json_type type);
struct lp_json *lp_json_new_str(struct lp_arena *arena, const char *text);	/* NULL text -> JSON null */
struct lp_json *lp_json_new_int(struct lp_arena *arena, int64_t value);
struct lp_json *lp_json_new_bool(struct lp_arena *arena, bool value);
struct lp_json *lp_json_copy(struct lp_arena *arena, const struct lp_json *value);

/* Add or replace a member (in its place) / append an element. The value must not be in another parent. Return the value. */
struct lp_json *lp_json_set(struct lp_arena *arena, struct lp_json *object, const char *key, struct lp_json *value);
struct lp_json *lp_json_append(struct lp_arena *arena, struct lp_json *array, struct lp_json *value);

struct lp_json *lp_json_set_str(struct lp_arena *arena, struct lp_json *object, const char *key, const char *text);
struct lp_json *lp_json_set_int(struct lp_arena *arena, struct lp_json *object, const char *key, int64_t value);
struct lp_json *lp_json_set_bool(struct lp_arena *arena, struct lp_json *object, const char *key, bool value);
struct lp_json *lp_json_set_object(struct lp_arena *arena, struct lp_json *object, const char *key);	/* new, empty */
struct lp_json *lp_json_set_array(struct lp_arena *arena, struct lp_json *object, const char *key);	/* new, empty */
/* The member if it is an object/array, else a new empty one put there. */
struct lp_json *lp_json_need_object(struct lp_arena *arena, struct lp_json *object, const char *key);
struct lp_json *lp_json_need_array(struct lp_arena *arena, struct lp_json *object, const char *key);

/* Take a member / an element out; true if it was there. */
bool lp_json_remove(struct lp_json *object, const char *key);
bool lp_json_remove_child(struct lp_json *parent, const struct lp_json *child);

/* ---- print */

int lp_json_write(struct lp_buf *out, const struct lp_json *value);		/* compact, document order */
int lp_json_write_sorted(struct lp_buf *out, const struct lp_json *value);	/* compact, members by key: for digests and signatures */
int lp_json_write_pretty(struct lp_buf *out, const struct lp_json *value, unsigned indent);	/* ends without newline */
int lp_json_write_string(struct lp_buf *out, const char *text, size_t len);	/* quoted and escaped */

#endif
