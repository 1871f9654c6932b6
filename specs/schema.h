/*
 * specs/schema.h - the rows of specs/kinds as data, and the walkers that work on any of them.
 *
 * Truth   the JSON document; walkers change it in place or read it, structs (specs/kinds.h) are views of it
 * Order   what the manager does with a body:  lp_parse_shape (wrong types: 400), lp_drop_object (unknown, duplicate and
 *         ignored fields: warnings, or 400 when strict), lp_default_object, then lp_check_create or lp_check_update (422)
 * Rows    hold no pointers, so that an executable that never looks at them pays nothing at exec: texts are offsets
 * Limits  the document's own (base/json.h: depth, nodes); recursion follows the document
 */
#ifndef LP_SPECS_SCHEMA_H
#define LP_SPECS_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "specs/kind.h"
#include "specs/kinds.h"
#include "specs/status.h"

enum lp_type {
	LP_TYPE_OBJECT,
	LP_TYPE_STRING,
	LP_TYPE_BYTES,			/* base64 */
	LP_TYPE_TIME,
	LP_TYPE_MICROTIME,
	LP_TYPE_QUANTITY,
	LP_TYPE_INTSTR,
	LP_TYPE_INT32,
	LP_TYPE_INT64,
	LP_TYPE_BOOL,
	LP_TYPE_DOUBLE,
	LP_TYPE_ANY,			/* free JSON */
};

enum lp_shape {
	LP_SHAPE_ONE,
	LP_SHAPE_LIST,
	LP_SHAPE_MAP,			/* text -> type */
};

enum lp_field_flags {
	LP_REQUIRED = 1 << 0,		/* missing or empty is a fault */
	LP_IGNORED = 1 << 1,		/* accepted, nothing acts on it: earns a warning */
	LP_MERGE = 1 << 2,		/* strategic merge joins this list: by key, or as a set when it has none */
	LP_RETAIN = 1 << 3,		/* strategic merge knows $retainKeys here */
	LP_FIXED = 1 << 4,		/* the API refuses a change */
	LP_LIVE = 1 << 5,		/* a node applies a change while the container runs */
	LP_RESTART = 1 << 6,		/* a change restarts the container */
	LP_RECREATE = 1 << 7,		/* a change needs a new pod */
};

struct lp_field {
	uint16_t text; /* in the schema's texts: name \0 default \0 documentation; LIST: the merge key for default */
	uint16_t offset;		/* of the member in lp_spec_<schema> */
	uint16_t schema;		/* enum lp_schema_id of an OBJECT, else 0 */
	uint16_t proto; /* protobuf number; n * 1000 + m: field m of the message inlined at n; 0 = none known */
	uint8_t type, shape, rule;	/* enum lp_type, lp_shape, lp_rule */
	uint8_t flags;
};

struct lp_schema {
	enum lp_schema_id id;
	const struct lp_field *fields;	/* NULL for LP_SCHEMA_none */
	size_t count;
	size_t size;			/* of lp_spec_<schema> */
	const char *texts;
	const char *name;		/* as in OpenAPI: "io.k8s.api.core.v1.Pod" */
};

struct lp_schema lp_schema_get(enum lp_schema_id id);
const struct lp_field *lp_schema_find(const struct lp_schema *schema, const char *json_name);
const char *lp_schema_field_name(const struct lp_schema *schema, const struct lp_field *field);
const char *lp_schema_field_preset(const struct lp_schema *schema, const struct lp_field *field);	/* "" = none */
const char *lp_schema_field_key(const struct lp_schema *schema, const struct lp_field *field);		/* "" = none */
const char *lp_schema_field_doc(const struct lp_schema *schema, const struct lp_field *field);

/* ---- parse.c */

/*
 * Has every known field its type? -EINVAL in the API server's words: `Pod in version "v1" cannot be handled as a Pod:
 * json: cannot unmarshal string into Go struct field Pod.spec.hostNetwork of type bool`. Times and quantities are read too.
 * JSON null counts as absent and is removed. Nothing else is changed.
 */
int lp_parse_shape(const struct lp_kind *kind, struct lp_json *object, struct lp_err *err);

/* The typed view; wrong types read as absent (lp_parse_shape refuses them). The document must outlive it. NULL: no memory. */
const void *lp_parse_view(struct lp_arena *arena, enum lp_schema_id schema, const struct lp_json *object);

/* struct lp_spec_pod *pod = lp_parse(arena, pod, json) */
#define lp_parse(arena, name, json) \
	((const struct lp_spec_##name *)lp_parse_view((arena), LP_SCHEMA_##name, (json)))

/* ---- drop.c: removes what the schema does not know */

enum lp_drop_kind {
	LP_DROP_UNKNOWN,		/* removed; strict refuses it */
	LP_DROP_DUPLICATE,		/* the last one stays; strict refuses it */
	LP_DROP_IGNORED,		/* stays: Kubernetes knows it, limpet does nothing with it (yet) */
};

struct lp_dropped {
	struct lp_dropped *next;
	enum lp_drop_kind kind;
	const char *text; /* `unknown field "spec.foo"`, `duplicate field "spec.foo"`, `spec.foo: accepted, but limpet
	                     does not act on it` */
};

struct lp_drop {
	struct lp_dropped *first, *last;	/* at most LP_DROP_MAX, in document order */
	size_t count;				/* all of them */
	size_t strict;				/* those that strict refuses */
};

#define LP_DROP_MAX 64

/* -ENOMEM only. */
int lp_drop_object(struct lp_arena *arena, const struct lp_kind *kind, struct lp_json *object, struct lp_drop *out,
    struct lp_err *err);

/* `strict decoding error: unknown field "spec.foo", duplicate field "x"`; NULL when strict has nothing to refuse. */
const char *lp_drop_strict(struct lp_arena *arena, const struct lp_drop *drop);

/* ---- default.c: fills in what Kubernetes fills in. Doing it twice changes nothing. -ENOMEM only. */
int lp_default_object(struct lp_arena *arena, const struct lp_kind *kind, struct lp_json *object, struct lp_err *err);
/* Quality of service of a pod's spec: every container limits cpu and memory and requests just that: "Guaranteed"; none names either: "BestEffort". */
const char *lp_default_quality(const struct lp_json *spec);

/* ---- check.c: every fault at once; 0 or -EINVAL (then faults->count > 0). Needs defaulted objects. */
int lp_check_create(const struct lp_kind *kind, const struct lp_json *object, struct lp_faults *faults);
int lp_check_update(
    const struct lp_kind *kind, const struct lp_json *object, const struct lp_json *old, struct lp_faults *faults);

/* A pod by its `resize` subresource: cpu and memory of containers, nothing else. */
int lp_check_resize(const struct lp_json *pod, const struct lp_json *old, struct lp_faults *faults);

/* ---- compare.c: what a node has to do when `from` becomes `to` (two objects of one schema). */

enum lp_apply {
	LP_APPLY_NONE,			/* same where it matters to a node */
	LP_APPLY_LIVE,
	LP_APPLY_RESTART,		/* the container that out_path names */
	LP_APPLY_RECREATE,
};

/* `out_path` (may be NULL, 128 bytes) gets the field that decided. */
#define LP_COMPARE_PATH 128
enum lp_apply lp_compare_objects(
    enum lp_schema_id schema, const struct lp_json *from, const struct lp_json *to, char *out_path);

/* ---- write.c: a copy with members in the order of their rows, unknown ones behind, nulls and empty lists left out */
struct lp_json *lp_write_object(struct lp_arena *arena, enum lp_schema_id schema, const struct lp_json *object);

#endif
