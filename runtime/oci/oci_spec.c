#include "runtime/oci/oci_spec.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/auto.h"
#include "base/text.h"

/* ---- the table ---- */

enum kind { KIND_FLAG, KIND_TEXT, KIND_NUMBER, KIND_WORDS, KIND_NUMBERS, KIND_PART, KIND_LIST, KIND_MAP, KIND_PAIRS, KIND_RAW, KIND_NEVER };
enum range { I64, U64, I32, U32, U16 };
enum { MAY, NEED };

/* object_root, object_mount, ... and each object's first row and number of rows. */
#define OBJECT(object) object_##object,
enum object {
#include "runtime/oci/oci_fields.def"
};

#define OBJECT(object) first_##object, before_##object = first_##object - 1,
#define END(object) end_##object, after_##object = end_##object - 1,
#define FLAG(object, member, name) row_##object##_##member,
#define TEXT(object, member, name, need) row_##object##_##member,
#define NUMBER(object, member, name, range, need) row_##object##_##member,
#define WORDS(object, member, name) row_##object##_##member,
#define NUMBERS(object, member, name) row_##object##_##member,
#define PART(object, member, name, part, need) row_##object##_##member,
#define LIST(object, member, name, part) row_##object##_##member,
#define MAP(object, member, name, part) row_##object##_##member,
#define PAIRS(object, member, name) row_##object##_##member,
#define RAW(object, member, name) row_##object##_##member,
#define NEVER(object, member, name) row_##object##_##member,
enum row_number {
#include "runtime/oci/oci_fields.def"
};

struct shape {
	uint16_t first, end;	/* rows */
	uint16_t size;		/* of the struct */
};

#define OBJECT(object) [object_##object] = { first_##object, end_##object, sizeof(struct lp_oci_##object) },
static const struct shape shapes[] = {
#include "runtime/oci/oci_fields.def"
};

struct row {
	char name[25];
	uint8_t kind;		/* enum kind */
	uint8_t need;
	uint8_t more;		/* enum range, or enum object of a part */
	uint16_t offset;
};

#define AT(object, member) offsetof(struct lp_oci_##object, member)
#define FLAG(object, member, name) { name, KIND_FLAG, MAY, 0, AT(object, member) },
#define TEXT(object, member, name, need) { name, KIND_TEXT, need, 0, AT(object, member) },
#define NUMBER(object, member, name, range, need) { name, KIND_NUMBER, need, range, AT(object, member) },
#define WORDS(object, member, name) { name, KIND_WORDS, MAY, 0, AT(object, member) },
#define NUMBERS(object, member, name) { name, KIND_NUMBERS, MAY, 0, AT(object, member) },
#define PART(object, member, name, part, need) { name, KIND_PART, need, object_##part, AT(object, member) },
#define LIST(object, member, name, part) { name, KIND_LIST, MAY, object_##part, AT(object, member) },
#define MAP(object, member, name, part) { name, KIND_MAP, MAY, object_##part, AT(object, member) },
#define PAIRS(object, member, name) { name, KIND_PAIRS, MAY, 0, AT(object, member) },
#define RAW(object, member, name) { name, KIND_RAW, MAY, 0, AT(object, member) },
#define NEVER(object, member, name) { name, KIND_NEVER, MAY, 0, 0 },
static const struct row rows[] = {
#include "runtime/oci/oci_fields.def"
};

/* ---- where we are, for words ---- */

struct place {
	const struct place *up;	/* NULL at the top */
	const char *name;
	int index;		/* of a list, -1: none */
};

static size_t
print_place(const struct place *place, char *out, size_t size)
{
	size_t used = place->up ? print_place(place->up, out, size) : 0;
	int len;

	if (!place->name || used >= size)
		return used;
	len = place->index < 0 ? snprintf(out + used, size - used, "%s%s", used ? "." : "", place->name) :
	    snprintf(out + used, size - used, "%s%s[%d]", used ? "." : "", place->name, place->index);
	return used + (size_t)len;
}

static int
refuse(const struct place *place, struct lp_err *err, const char *what)
{
	char path[160] = "";

	(void)print_place(place, path, sizeof(path));
	return lp_err_say(err, -EINVAL, "%s%s%s", path, path[0] ? ": " : "", what);
}

/* ---- values ---- */

struct reader {
	struct lp_arena *arena;
	struct lp_err *err;
};

static int read_object(struct reader *reader, enum object object, const struct lp_json *json, void *out, const struct place *at);

static int
no_memory(struct reader *reader)
{
	return lp_err_set(reader->err, -ENOMEM, "config");
}

static int
read_number(struct reader *reader, enum range range, const struct lp_json *json, struct lp_oci_number *out, const struct place *at)
{
	static const struct { int64_t min, max; } ranges[] = {
		[I64] = { INT64_MIN, INT64_MAX }, [U64] = { 0, INT64_MAX }, [I32] = { INT32_MIN, INT32_MAX },
		[U32] = { 0, UINT32_MAX }, [U16] = { 0, UINT16_MAX },
	};
	uint64_t big;

	if (json->type == LP_JSON_DOUBLE && range == U64 && lp_text_u64(json->text, UINT64_MAX, &big) == 0) {
		*out = (struct lp_oci_number){ .value = (int64_t)big, .set = true };
		return 0;
	}
	if (json->type != LP_JSON_INT)
		return refuse(at, reader->err, json->type == LP_JSON_DOUBLE ? "the number is out of range" : "a number is expected");
	if (json->integer < ranges[range].min || json->integer > ranges[range].max)
		return refuse(at, reader->err, "the number is out of range");
	*out = (struct lp_oci_number){ .value = json->integer, .set = true };
	return 0;
}

static int
read_words(struct reader *reader, const struct lp_json *json, struct lp_oci_words *out, const struct place *at)
{
	const char **items;
	size_t count = 0;

	if (json->type != LP_JSON_ARRAY)
		return refuse(at, reader->err, "a list of strings is expected");
	items = lp_arena_alloc(reader->arena, (json->len + 1) * sizeof(*items));
	if (!items)
		return no_memory(reader);
	lp_json_each(item, json) {
		if (item->type != LP_JSON_STRING)
			return refuse(at, reader->err, "a list of strings is expected");
		items[count++] = item->text;
	}
	*out = (struct lp_oci_words){ .items = items, .count = count, .set = true };
	return 0;
}

/* The common shape of every list member of oci_spec.h. */
struct list {
	void *items;
	size_t count;
};

static int
read_ids(struct reader *reader, const struct lp_json *json, struct list *out, const struct place *at)
{
	uint32_t *items;

	if (json->type != LP_JSON_ARRAY)
		return refuse(at, reader->err, "a list of numbers is expected");
	items = lp_arena_alloc(reader->arena, (json->len + 1) * sizeof(*items));
	if (!items)
		return no_memory(reader);
	out->items = items;
	lp_json_each(item, json) {
		struct lp_oci_number number;
		int rc = read_number(reader, U32, item, &number, at);

		if (rc < 0)
			return rc;
		items[out->count++] = (uint32_t)number.value;
	}
	return 0;
}

static int
read_pairs(struct reader *reader, const struct lp_json *json, struct list *out, const struct place *at)
{
	struct lp_oci_pair *items;

	if (json->type != LP_JSON_OBJECT)
		return refuse(at, reader->err, "an object with strings is expected");
	items = lp_arena_alloc(reader->arena, (json->len + 1) * sizeof(*items));
	if (!items)
		return no_memory(reader);
	out->items = items;
	lp_json_each(item, json) {
		if (item->type != LP_JSON_STRING)
			return refuse(at, reader->err, "an object with strings is expected");
		items[out->count++] = (struct lp_oci_pair){ item->key, item->text };
	}
	return 0;
}

/* LIST: elements of an array; MAP: members of an object, each element begins with its key. */
static int
read_list(struct reader *reader, const struct row *row, const struct lp_json *json, struct list *out, const struct place *at)
{
	const size_t size = shapes[row->more].size;
	char *items;

	if (json->type != (row->kind == KIND_MAP ? LP_JSON_OBJECT : LP_JSON_ARRAY))
		return refuse(at, reader->err, row->kind == KIND_MAP ? "an object is expected" : "a list is expected");
	items = lp_arena_alloc(reader->arena, (json->len + 1) * size);
	if (!items)
		return no_memory(reader);
	out->items = items;
	lp_json_each(item, json) {
		struct place here = { .up = at->up, .name = at->name, .index = (int)out->count };
		int rc = read_object(reader, (enum object)row->more, item, items, &here);

		if (rc < 0)
			return rc;
		if (row->kind == KIND_MAP)
			*(const char **)(void *)items = item->key;
		items += size;
		out->count++;
	}
	return 0;
}

static int
read_part(struct reader *reader, const struct row *row, const struct lp_json *json, void **out, const struct place *at)
{
	*out = lp_arena_alloc(reader->arena, shapes[row->more].size);
	return *out ? read_object(reader, (enum object)row->more, json, *out, at) : no_memory(reader);
}

static int
read_member(struct reader *reader, const struct row *row, const struct lp_json *json, void *out, const struct place *at)
{
	switch ((enum kind)row->kind) {
	case KIND_FLAG:
		if (json->type != LP_JSON_BOOL)
			return refuse(at, reader->err, "true or false is expected");
		*(bool *)out = json->boolean;
		return 0;
	case KIND_TEXT:
		if (json->type != LP_JSON_STRING)
			return refuse(at, reader->err, "a string is expected");
		*(const char **)out = json->text;
		return 0;
	case KIND_NUMBER:
		return read_number(reader, (enum range)row->more, json, out, at);
	case KIND_WORDS:
		return read_words(reader, json, out, at);
	case KIND_NUMBERS:
		return read_ids(reader, json, out, at);
	case KIND_PART:
		return read_part(reader, row, json, out, at);
	case KIND_LIST:
	case KIND_MAP:
		return read_list(reader, row, json, out, at);
	case KIND_PAIRS:
		return read_pairs(reader, json, out, at);
	case KIND_RAW:
		*(const struct lp_json **)out = json;
		return 0;
	case KIND_NEVER:
		(void)refuse(at, reader->err, "is not supported");
		if (reader->err)
			reader->err->code = -ENOTSUP;
		return -ENOTSUP;
	}
	return -EINVAL;
}

static int
read_object(struct reader *reader, enum object object, const struct lp_json *json, void *out, const struct place *at)
{
	const struct shape *shape = &shapes[object];

	if (json->type != LP_JSON_OBJECT)
		return refuse(at, reader->err, "an object is expected");
	for (unsigned i = shape->first; i < shape->end; i++) {
		const struct row *row = &rows[i];
		const struct lp_json *value = lp_json_get(json, row->name);
		struct place here = { .up = at, .name = row->name, .index = -1 };
		int rc = 0;

		if (value && value->type != LP_JSON_NULL)
			rc = read_member(reader, row, value, (char *)out + row->offset, &here);
		else if (row->need == NEED)
			rc = refuse(&here, reader->err, "is missing");
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
read_document(struct lp_arena *arena, enum object object, const char *text, size_t len, void **out, struct lp_err *err)
{
	static const struct lp_json_limits limits = { .bytes = LP_OCI_CONFIG_MAX };
	struct reader reader = { .arena = arena, .err = err };
	const struct place top = { .index = -1 };
	struct lp_json *json;
	void *made;
	int rc = lp_json_parse(arena, text, len, &limits, &json, err);

	if (rc < 0)
		return rc;
	made = lp_arena_alloc(arena, shapes[object].size);
	if (!made)
		return no_memory(&reader);
	rc = read_object(&reader, object, json, made, &top);
	if (rc == 0)
		*out = made;
	return rc;
}

/* ---- documents ---- */

static int
check_version(const char *version, struct lp_err *err)
{
	if (version[0] == '1' && version[1] == '.' && version[2] >= '0' && version[2] <= '9')
		return 0;
	return lp_err_say(err, -EINVAL, "ociVersion: %.40s is not supported, 1.x is", version);
}

int
lp_oci_spec_parse(struct lp_arena *arena, const char *text, size_t len, struct lp_oci_spec **out, struct lp_err *err)
{
	void *made;
	int rc = read_document(arena, object_spec, text, len, &made, err);

	if (rc == 0)
		rc = check_version(((struct lp_oci_spec *)made)->version, err);
	if (rc == 0)
		*out = made;
	return rc;
}

int
lp_oci_spec_parse_process(struct lp_arena *arena, const char *text, size_t len, struct lp_oci_process **out, struct lp_err *err)
{
	void *made;
	int rc = read_document(arena, object_process, text, len, &made, err);

	if (rc == 0)
		*out = made;
	return rc;
}

int
lp_oci_spec_parse_resources(struct lp_arena *arena, const char *text, size_t len, struct lp_oci_resources **out, struct lp_err *err)
{
	void *made;
	int rc = read_document(arena, object_resources, text, len, &made, err);

	if (rc == 0)
		*out = made;
	return rc;
}
