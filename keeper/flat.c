/* keeper/flat.c - see flat.h. */
#include "keeper/flat.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define HEAD 6		/* u16 tag, u32 length */

struct part {
	uint16_t tag;
	const uint8_t *data;
	size_t len;
};

/* ---- write ---- */

static int64_t
integer_load(const void *at, size_t size)
{
	int8_t i8;
	int16_t i16;
	int32_t i32;
	int64_t i64;

	switch (size) {
	case 1:
		memcpy(&i8, at, 1);
		return i8;
	case 2:
		memcpy(&i16, at, 2);
		return i16;
	case 4:
		memcpy(&i32, at, 4);
		return i32;
	default:
		assert(size == 8);
		memcpy(&i64, at, 8);
		return i64;
	}
}

static void
write_head(struct lp_buf *out, uint16_t tag, size_t len)
{
	lp_buf_u16(out, tag);
	lp_buf_u32(out, (uint32_t)len);
}

static void
write_integer(struct lp_buf *out, uint16_t tag, int64_t v)
{
	size_t size = v >= INT8_MIN && v <= INT8_MAX ? 1 : v >= INT16_MIN && v <= INT16_MAX ? 2 : v >= INT32_MIN && v <= INT32_MAX ? 4 : 8;

	write_head(out, tag, size);
	for (size_t i = size; i-- > 0;)
		lp_buf_u8(out, (uint8_t)((uint64_t)v >> (8 * i)));
}

static void
write_bytes(struct lp_buf *out, uint16_t tag, const void *data, size_t len)
{
	write_head(out, tag, len);
	lp_buf_add(out, data, len);
}

/* The length is not known before the record is written: leave room for it and come back. */
static void
write_nested(struct lp_buf *out, uint16_t tag, lp_flat_tables_fn tables, unsigned table, const void *object, bool always)
{
	size_t head = out->len, len;

	write_head(out, tag, 0);
	(void)lp_flat_write(out, tables, table, object);	/* sticky in out */
	if (out->failed)
		return;
	len = out->len - head - HEAD;
	if (!len && !always) {
		out->len = head;
		return;
	}
	for (size_t i = 0; i < 4; i++)
		out->data[head + 2 + i] = (char)(uint8_t)(len >> (8 * (3 - i)));
}

static size_t
words_count(const char *const *words)
{
	size_t count = 0;

	while (words && words[count])
		count++;
	return count;
}

static void
write_array(struct lp_buf *out, lp_flat_tables_fn tables, const struct lp_flat_field *field, const void *items, size_t count)
{
	const char *at = items;

	for (size_t i = 0; i < count && !out->failed; i++) {
		const char *text;

		switch ((enum lp_flat_type)field->type) {
		case LP_FLAT_TEXTS:
		case LP_FLAT_WORDS:
			memcpy(&text, at + i * sizeof(text), sizeof(text));
			write_bytes(out, field->tag, text ? text : "", text ? strlen(text) : 0);
			break;
		case LP_FLAT_INTS:
			write_integer(out, field->tag, integer_load(at + i * field->size, field->size));
			break;
		case LP_FLAT_LIST:
			write_nested(out, field->tag, tables, field->table, at + i * field->size, true);
			break;
		case LP_FLAT_BOOL:
		case LP_FLAT_INT:
		case LP_FLAT_TEXT:
		case LP_FLAT_BYTES:
		case LP_FLAT_STRUCT:
			assert(false);
		}
	}
}

static void
write_field(struct lp_buf *out, lp_flat_tables_fn tables, const struct lp_flat_field *field, const char *object)
{
	const char *member = object + field->offset;
	const void *ptr = NULL;
	size_t count = 0;
	int64_t v;

	if (field->type != LP_FLAT_BOOL && field->type != LP_FLAT_INT && field->type != LP_FLAT_STRUCT)
		memcpy(&ptr, member, sizeof(ptr));
	if (field->count)
		memcpy(&count, object + field->count, sizeof(count));

	switch ((enum lp_flat_type)field->type) {
	case LP_FLAT_BOOL:
	case LP_FLAT_INT:
		v = integer_load(member, field->size);
		if (v)
			write_integer(out, field->tag, v);
		break;
	case LP_FLAT_TEXT:
		if (ptr)
			write_bytes(out, field->tag, ptr, strlen(ptr));
		break;
	case LP_FLAT_BYTES:
		if (count)
			write_bytes(out, field->tag, ptr, count);
		break;
	case LP_FLAT_WORDS:
		count = words_count(ptr);
		write_array(out, tables, field, ptr, count);
		break;
	case LP_FLAT_TEXTS:
	case LP_FLAT_INTS:
	case LP_FLAT_LIST:
		write_array(out, tables, field, ptr, count);
		break;
	case LP_FLAT_STRUCT:
		write_nested(out, field->tag, tables, field->table, member, false);
		break;
	}
}

int
lp_flat_write(struct lp_buf *out, lp_flat_tables_fn tables, unsigned table, const void *object)
{
	const struct lp_flat_field *field = tables(table);

	assert(field);
	for (; field->tag && !out->failed; field++)
		write_field(out, tables, field, object);
	return out->failed;
}

/* ---- read ---- */

static int
next_part(const uint8_t **at, size_t *left, struct part *out, struct lp_err *err)
{
	const uint8_t *p = *at;

	if (*left < HEAD)
		return lp_err_say(err, -EBADMSG, "record: cut in a field's head");
	out->tag = (uint16_t)(p[0] << 8 | p[1]);
	out->len = (size_t)p[2] << 24 | (size_t)p[3] << 16 | (size_t)p[4] << 8 | p[5];
	out->data = p + HEAD;
	if (out->len > *left - HEAD)
		return lp_err_say(err, -EBADMSG, "record: field %u is longer than the record", out->tag);
	*at = p + HEAD + out->len;
	*left -= HEAD + out->len;
	return 0;
}

static int
read_integer(const struct part *part, void *out, size_t size, struct lp_err *err)
{
	uint64_t v = 0;
	int64_t s;

	if (part->len != 1 && part->len != 2 && part->len != 4 && part->len != 8)
		return lp_err_say(err, -EBADMSG, "record: field %u: an integer of %zu bytes", part->tag, part->len);
	if (part->data[0] & 0x80)
		v = UINT64_MAX;
	for (size_t i = 0; i < part->len; i++)
		v = v << 8 | part->data[i];
	s = (int64_t)v;
	if (size < 8 && (s < -(INT64_C(1) << (8 * size - 1)) || s >= INT64_C(1) << (8 * size)))
		return lp_err_say(err, -EBADMSG, "record: field %u does not fit", part->tag);
	for (size_t i = 0; i < size; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		((uint8_t *)out)[i] = (uint8_t)(v >> (8 * i));
#else
		((uint8_t *)out)[size - 1 - i] = (uint8_t)(v >> (8 * i));
#endif
	}
	return 0;
}

static int
read_text(struct lp_arena *arena, const struct part *part, const char **out, struct lp_err *err)
{
	if (memchr(part->data, 0, part->len))
		return lp_err_say(err, -EBADMSG, "record: field %u: a text with a NUL", part->tag);
	*out = lp_arena_mem(arena, (const char *)part->data, part->len);
	return *out ? 0 : lp_err_set(err, -ENOMEM, "record: field %u", part->tag);
}

static int read_record(struct lp_arena *arena, lp_flat_tables_fn tables, unsigned table, const uint8_t *data, size_t len,
    unsigned depth, void *object, struct lp_err *err);

static bool
is_text(const struct lp_flat_field *field)
{
	return field->type == LP_FLAT_TEXTS || field->type == LP_FLAT_WORDS;
}

static size_t
element_size(const struct lp_flat_field *field)
{
	return is_text(field) ? sizeof(char *) : field->size;
}

/* Arrays are sized before they are filled: how often does each repeated tag stand here? */
static int
make_arrays(struct lp_arena *arena, const struct lp_flat_field *fields, const uint8_t *data, size_t len, char *object,
    struct lp_err *err)
{
	for (const struct lp_flat_field *field = fields; field->tag; field++) {
		const uint8_t *at = data;
		size_t left = len, count = 0;
		struct part part;
		void *items;
		int rc;

		if (!is_text(field) && field->type != LP_FLAT_INTS && field->type != LP_FLAT_LIST)
			continue;
		while (left) {
			rc = next_part(&at, &left, &part, err);
			if (rc < 0)
				return rc;
			count += part.tag == field->tag;
		}
		if (!count)
			continue;
		items = lp_arena_alloc(arena, (count + 1) * element_size(field));	/* TEXTS: NULL behind the last */
		if (!items)
			return lp_err_set(err, -ENOMEM, "record: %zu times field %u", count, field->tag);
		memcpy(object + field->offset, &items, sizeof(items));
		count = 0;	/* the struct may stand twice: then it is filled anew */
		if (field->count)
			memcpy(object + field->count, &count, sizeof(count));
	}
	return 0;
}

static int
read_element(struct lp_arena *arena, lp_flat_tables_fn tables, const struct lp_flat_field *field, const struct part *part,
    unsigned depth, char *object, struct lp_err *err)
{
	size_t count;
	char *items;
	int rc = 0;

	memcpy(&items, object + field->offset, sizeof(items));
	if (field->count)
		memcpy(&count, object + field->count, sizeof(count));
	else
		count = words_count((const char *const *)(void *)items);
	items += count * element_size(field);
	if (is_text(field)) {
		const char *text;

		rc = read_text(arena, part, &text, err);
		if (!rc)
			memcpy(items, &text, sizeof(text));
	} else if (field->type == LP_FLAT_INTS) {
		rc = read_integer(part, items, field->size, err);
	} else {
		rc = read_record(arena, tables, field->table, part->data, part->len, depth + 1, items, err);
	}
	if (rc < 0)
		return rc;
	count++;
	if (field->count)
		memcpy(object + field->count, &count, sizeof(count));
	return 0;
}

static int
read_bytes(struct lp_arena *arena, const struct lp_flat_field *field, const struct part *part, char *object, struct lp_err *err)
{
	const void *copy = lp_arena_mem(arena, (const char *)part->data, part->len);

	if (!copy)
		return lp_err_set(err, -ENOMEM, "record: field %u", part->tag);
	memcpy(object + field->offset, &copy, sizeof(copy));
	memcpy(object + field->count, &part->len, sizeof(part->len));
	return 0;
}

static int
read_field(struct lp_arena *arena, lp_flat_tables_fn tables, const struct lp_flat_field *field, const struct part *part,
    unsigned depth, char *object, struct lp_err *err)
{
	const char *text;
	int64_t v;
	bool yes;
	int rc;

	switch ((enum lp_flat_type)field->type) {
	case LP_FLAT_BOOL:
		rc = read_integer(part, &v, sizeof(v), err);
		if (rc < 0)
			return rc;
		yes = v != 0;
		memcpy(object + field->offset, &yes, sizeof(yes));
		return 0;
	case LP_FLAT_INT:
		return read_integer(part, object + field->offset, field->size, err);
	case LP_FLAT_TEXT:
		rc = read_text(arena, part, &text, err);
		if (rc < 0)
			return rc;
		memcpy(object + field->offset, &text, sizeof(text));
		return 0;
	case LP_FLAT_BYTES:
		return read_bytes(arena, field, part, object, err);
	case LP_FLAT_STRUCT:
		return read_record(arena, tables, field->table, part->data, part->len, depth + 1, object + field->offset, err);
	case LP_FLAT_TEXTS:
	case LP_FLAT_WORDS:
	case LP_FLAT_INTS:
	case LP_FLAT_LIST:
		return read_element(arena, tables, field, part, depth, object, err);
	}
	return lp_err_say(err, -EBADMSG, "record: field %u has no type", field->tag);
}

static int
read_record(struct lp_arena *arena, lp_flat_tables_fn tables, unsigned table, const uint8_t *data, size_t len, unsigned depth,
    void *object, struct lp_err *err)
{
	const struct lp_flat_field *fields = tables(table);
	struct part part;
	int rc;

	assert(fields);
	if (depth > LP_FLAT_DEPTH)
		return lp_err_say(err, -EBADMSG, "record: nested too deep");
	rc = make_arrays(arena, fields, data, len, object, err);
	while (!rc && len) {
		rc = next_part(&data, &len, &part, err);
		if (rc < 0)
			return rc;
		for (const struct lp_flat_field *field = fields; field->tag; field++)
			if (field->tag == part.tag) {
				rc = read_field(arena, tables, field, &part, depth, object, err);
				break;
			}
	}
	return rc;
}

int
lp_flat_read(struct lp_arena *arena, lp_flat_tables_fn tables, unsigned table, const void *data, size_t len, void *object,
    struct lp_err *err)
{
	return read_record(arena, tables, table, data, len, 0, object, err);
}
