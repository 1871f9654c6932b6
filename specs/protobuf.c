#include "specs/protobuf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/text.h"
#include "specs/kind.h"
#include "specs/object.h"
#include "specs/schema.h"

enum { DEPTH_MAX = 32, BYTES_MAX = 4 << 20 };

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* A part of the input that is still to be read. */
struct slice {
	const uint8_t *at, *end;
};

/* One field as it stands on the wire. */
struct piece {
	uint32_t number;
	enum wire wire;
	uint64_t value;			/* WIRE_VARINT, WIRE_64, WIRE_32 */
	struct slice bytes;		/* WIRE_BYTES */
};

struct decoder {
	struct lp_arena *arena;
	struct lp_err *err;
};

static int
bad(struct decoder *decoder, const char *why)
{
	return lp_err_say(decoder->err, -EINVAL, "protobuf: %s", why);
}

/* ---- the wire */

static int
read_varint(struct slice *in, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		uint8_t byte = *in->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*out = value;
			return 0;
		}
	}
	return -EINVAL;
}

static int
read_fixed(struct slice *in, size_t size, uint64_t *out)
{
	if ((size_t)(in->end - in->at) < size)
		return -EINVAL;
	*out = 0;
	for (size_t i = 0; i < size; i++)
		*out |= (uint64_t)in->at[i] << (8 * i);
	in->at += size;
	return 0;
}

static int
read_piece(struct decoder *decoder, struct slice *in, struct piece *out)
{
	uint64_t tag, len;

	if (read_varint(in, &tag) < 0 || tag >> 3 == 0 || tag >> 3 > 100000)
		return bad(decoder, "a field's tag cannot be read");
	out->number = (uint32_t)(tag >> 3);
	out->wire = (enum wire)(tag & 7);
	if (out->wire == WIRE_VARINT)
		return read_varint(in, &out->value) < 0 ? bad(decoder, "a number cannot be read") : 0;
	if (out->wire == WIRE_64 || out->wire == WIRE_32)
		return read_fixed(in, out->wire == WIRE_64 ? 8 : 4, &out->value) < 0 ? bad(decoder, "a number ends too early") : 0;
	if (out->wire != WIRE_BYTES)
		return bad(decoder, "a field has an unknown wire type");
	if (read_varint(in, &len) < 0 || len > (uint64_t)(in->end - in->at))
		return bad(decoder, "a field is longer than the message");
	out->bytes = (struct slice){ in->at, in->at + len };
	in->at += len;
	return 0;
}

/* The text of a field; NULL when it is none that JSON could hold. */
static const char *
text_of(struct decoder *decoder, const struct slice *bytes)
{
	size_t len = (size_t)(bytes->end - bytes->at);

	if (memchr(bytes->at, 0, len) || !lp_text_is_utf8((const char *)bytes->at, len))
		return NULL;
	return lp_arena_mem(decoder->arena, (const char *)bytes->at, len);
}

/* ---- messages that JSON writes as scalars: at most three fields */

struct small {
	uint64_t numbers[4];		/* by field number */
	struct slice bytes[4];
};

static int
read_small(struct decoder *decoder, struct slice in, struct small *out)
{
	struct piece piece;

	*out = (struct small){ 0 };
	while (in.at < in.end) {
		if (read_piece(decoder, &in, &piece) < 0)
			return -EINVAL;
		if (piece.number < 4 && piece.wire == WIRE_BYTES)
			out->bytes[piece.number] = piece.bytes;
		else if (piece.number < 4)
			out->numbers[piece.number] = piece.value;
	}
	return 0;
}

/* {1 seconds, 2 nanos}; Go's zero time is absent. */
static int
read_time(struct decoder *decoder, struct slice in, bool micro, struct lp_json **out)
{
	char text[LP_CLOCK_TEXT];
	struct small time;
	int64_t seconds;

	if (read_small(decoder, in, &time) < 0)
		return -EINVAL;
	seconds = (int64_t)time.numbers[1];
	if (seconds == 0 && time.numbers[2] == 0)
		return 0;
	if (seconds < -INT64_C(62135596800) || seconds > INT64_C(253402300799))
		return bad(decoder, "a time is out of range");
	if (micro)
		lp_clock_print_micro(seconds * 1000 + (int64_t)(time.numbers[2] / 1000000 % 1000), text);
	else
		lp_clock_print(seconds * 1000, text);
	*out = lp_json_new_str(decoder->arena, text);
	return 0;
}

/* {1 type: 0 number, 1 text; 2 number; 3 text} */
static int
read_intstr(struct decoder *decoder, struct slice in, struct lp_json **out)
{
	struct small value;
	const char *text;

	if (read_small(decoder, in, &value) < 0)
		return -EINVAL;
	if (value.numbers[1] == 0) {
		*out = lp_json_new_int(decoder->arena, (int32_t)value.numbers[2]);
		return 0;
	}
	text = text_of(decoder, &value.bytes[3]);
	if (!text)
		return bad(decoder, "a text is not UTF-8");
	*out = lp_json_new_str(decoder->arena, text);
	return 0;
}

static int
read_quantity(struct decoder *decoder, struct slice in, struct lp_json **out)
{
	struct small value;
	const char *text;

	if (read_small(decoder, in, &value) < 0)
		return -EINVAL;
	text = text_of(decoder, &value.bytes[1]);
	if (!text)
		return bad(decoder, "a quantity is not UTF-8");
	if (*text)
		*out = lp_json_new_str(decoder->arena, text);
	return 0;
}

/* {1 raw JSON} */
static int
read_any(struct decoder *decoder, struct slice in, struct lp_json **out)
{
	struct small value;

	if (read_small(decoder, in, &value) < 0)
		return -EINVAL;
	if (value.bytes[1].at == value.bytes[1].end)
		return 0;
	if (lp_json_parse(decoder->arena, (const char *)value.bytes[1].at, (size_t)(value.bytes[1].end - value.bytes[1].at), NULL, out,
	    decoder->err) < 0)
		return lp_err_wrap(decoder->err, "protobuf");
	return 0;
}

static int
read_bytes(struct decoder *decoder, const struct slice *in, struct lp_json **out)
{
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, BYTES_MAX);
	if (lp_text_base64_encode(&text, in->at, (size_t)(in->end - in->at)) < 0)
		return lp_err_set(decoder->err, text.failed, "protobuf");
	*out = lp_json_new_str(decoder->arena, lp_buf_text(&text));
	return 0;
}

static int
read_double(struct decoder *decoder, uint64_t bits, struct lp_json **out)
{
	char text[40];
	double value;

	memcpy(&value, &bits, sizeof(value));
	(void)snprintf(text, sizeof(text), "%.17g", value);
	/* what is no number has no JSON form either */
	if (lp_json_parse(decoder->arena, text, strlen(text), NULL, out, decoder->err) < 0)
		return bad(decoder, "a number is none");
	return 0;
}

/* ---- values */

/* Numbers that are pointers in Kubernetes' own structs: their 0 was set by somebody. */
static bool
zero_counts(const char *name)
{
	static const char *const names[] = { "replicas", "terminationGracePeriodSeconds", "runAsUser", "runAsGroup", "fsGroup",
		"tolerationSeconds", "expirationSeconds", "defaultMode", "mode", "priority", "activeDeadlineSeconds", "backoffLimit",
		"parallelism", "completions", "ttlSecondsAfterFinished", "revisionHistoryLimit", "minReplicas", "partition",
		"successfulJobsHistoryLimit", "failedJobsHistoryLimit", "startingDeadlineSeconds", "progressDeadlineSeconds" };

	for (size_t i = 0; i < lp_count(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Booleans that are no pointers: their false means nothing. */
static bool
false_counts(const char *name)
{
	static const char *const names[] = { "hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "unschedulable",
		"publishNotReadyAddresses", "paused", "ready", "started" };

	for (size_t i = 0; i < lp_count(names); i++)
		if (strcmp(names[i], name) == 0)
			return false;
	return true;
}

static int decode_message(struct decoder *decoder, enum lp_schema_id id, struct slice in, uint32_t inlined, struct lp_json *out, int depth);

static int
decode_object(struct decoder *decoder, enum lp_schema_id id, struct slice in, struct lp_json **out, int depth)
{
	*out = lp_json_new(decoder->arena, LP_JSON_OBJECT);
	return decode_message(decoder, id, in, 0, *out, depth + 1);
}

/* One value of the field's type; *out stays NULL when it means "not set". `alone`: it is no element of a list or map. */
static int
decode_value(struct decoder *decoder, const struct lp_field *field, const char *name, const struct piece *piece, bool alone,
    struct lp_json **out, int depth)
{
	enum lp_type type = (enum lp_type)field->type;
	bool number = type == LP_TYPE_INT32 || type == LP_TYPE_INT64 || type == LP_TYPE_BOOL || type == LP_TYPE_DOUBLE;
	const char *text;

	*out = NULL;
	if (number != (piece->wire != WIRE_BYTES))
		return bad(decoder, "a field has another type than its name");
	switch (type) {
	case LP_TYPE_OBJECT:
		return decode_object(decoder, (enum lp_schema_id)field->schema, piece->bytes, out, depth);
	case LP_TYPE_STRING:
		text = text_of(decoder, &piece->bytes);
		if (!text)
			return bad(decoder, "a text is not UTF-8");
		if (*text || !alone)
			*out = lp_json_new_str(decoder->arena, text);
		return 0;
	case LP_TYPE_BYTES:
		return read_bytes(decoder, &piece->bytes, out);
	case LP_TYPE_TIME:
	case LP_TYPE_MICROTIME:
		return read_time(decoder, piece->bytes, type == LP_TYPE_MICROTIME, out);
	case LP_TYPE_QUANTITY:
		return read_quantity(decoder, piece->bytes, out);
	case LP_TYPE_INTSTR:
		return read_intstr(decoder, piece->bytes, out);
	case LP_TYPE_ANY:
		return read_any(decoder, piece->bytes, out);
	case LP_TYPE_INT32:
	case LP_TYPE_INT64:
		if (piece->value != 0 || !alone || zero_counts(name))
			*out = lp_json_new_int(decoder->arena, (int64_t)piece->value);
		return 0;
	case LP_TYPE_BOOL:
		if (piece->value != 0 || !alone || false_counts(name))
			*out = lp_json_new_bool(decoder->arena, piece->value != 0);
		return 0;
	case LP_TYPE_DOUBLE:
		return read_double(decoder, piece->value, out);
	}
	return 0;
}

/* An entry {1 key, 2 value}; a value that is not there is empty. */
static int
decode_entry(struct decoder *decoder, const struct lp_field *field, const struct piece *entry, struct lp_json *map, int depth)
{
	struct piece piece, value = { .number = 2, .wire = WIRE_BYTES };
	struct slice in = entry->bytes;
	const char *key = "";
	struct lp_json *json;

	if (entry->wire != WIRE_BYTES)
		return bad(decoder, "an entry of a map is no message");
	while (in.at < in.end) {
		if (read_piece(decoder, &in, &piece) < 0)
			return -EINVAL;
		if (piece.number == 1 && piece.wire == WIRE_BYTES)
			key = text_of(decoder, &piece.bytes);
		else if (piece.number == 2)
			value = piece;
	}
	if (!key)
		return bad(decoder, "a key is not UTF-8");
	if (decode_value(decoder, field, key, &value, false, &json, depth) < 0)
		return -EINVAL;
	lp_json_set(decoder->arena, map, key, json ? json : lp_json_new_str(decoder->arena, ""));
	return 0;
}

static int
decode_field(struct decoder *decoder, const struct lp_schema *schema, const struct lp_field *field, const struct piece *piece,
    struct lp_json *out, int depth)
{
	const char *name = lp_schema_field_name(schema, field);
	struct lp_json *value;

	if (field->shape == LP_SHAPE_MAP)
		return decode_entry(decoder, field, piece, lp_json_need_object(decoder->arena, out, name), depth);
	if (decode_value(decoder, field, name, piece, field->shape == LP_SHAPE_ONE, &value, depth) < 0)
		return -EINVAL;
	if (!value)
		return 0;
	if (field->shape == LP_SHAPE_LIST)
		lp_json_append(decoder->arena, lp_json_need_array(decoder->arena, out, name), value);
	else
		lp_json_set(decoder->arena, out, name, value);
	return 0;
}

/* Has the schema fields of a message that is inlined at this number? */
static bool
has_inlined(const struct lp_schema *schema, uint32_t number)
{
	for (size_t i = 0; i < schema->count; i++)
		if (schema->fields[i].proto / 1000 == number && schema->fields[i].proto >= 1000)
			return true;
	return false;
}

/* The fields of one message; inlined: it is the one that its parent has under this number. */
static int
decode_message(struct decoder *decoder, enum lp_schema_id id, struct slice in, uint32_t inlined, struct lp_json *out, int depth)
{
	struct lp_schema schema = lp_schema_get(id);
	struct piece piece;

	if (depth > DEPTH_MAX)
		return bad(decoder, "messages are nested too deeply");
	while (in.at < in.end) {
		const struct lp_field *field = NULL;

		if (read_piece(decoder, &in, &piece) < 0)
			return -EINVAL;
		for (size_t i = 0; i < schema.count && !field && piece.number < 1000; i++)
			if (schema.fields[i].proto == inlined * 1000 + piece.number)
				field = &schema.fields[i];
		if (field && decode_field(decoder, &schema, field, &piece, out, depth) < 0)
			return -EINVAL;
		if (!field && !inlined && piece.wire == WIRE_BYTES && has_inlined(&schema, piece.number) &&
		    decode_message(decoder, id, piece.bytes, piece.number, out, depth + 1) < 0)
			return -EINVAL;
		if (decoder->arena->failed)
			return lp_err_set(decoder->err, -ENOMEM, "protobuf");
	}
	return 0;
}

/* ---- the envelope */

static int
read_envelope(struct decoder *decoder, struct slice in, const char **out_version, const char **out_kind, struct slice *out_raw)
{
	struct piece piece;
	struct small type;

	*out_version = *out_kind = NULL;
	*out_raw = (struct slice){ in.end, in.end };
	while (in.at < in.end) {
		if (read_piece(decoder, &in, &piece) < 0)
			return -EINVAL;
		if (piece.number == 2 && piece.wire == WIRE_BYTES)
			*out_raw = piece.bytes;
		if (piece.number != 1 || piece.wire != WIRE_BYTES)
			continue;
		if (read_small(decoder, piece.bytes, &type) < 0)
			return -EINVAL;
		*out_version = text_of(decoder, &type.bytes[1]);
		*out_kind = text_of(decoder, &type.bytes[2]);
	}
	return *out_version && *out_kind ? 0 : bad(decoder, "the document does not say what it is");
}

int
lp_protobuf_decode(struct lp_arena *arena, const void *data, size_t len, struct lp_json **out, struct lp_err *err)
{
	struct slice in = { (const uint8_t *)data + 4, (const uint8_t *)data + len }, raw;
	struct decoder decoder = { arena, err };
	const char *version, *kind_name;
	const struct lp_kind *kind;
	struct lp_json *object;

	if (len < 4 || memcmp(data, "k8s", 4) != 0)
		return bad(&decoder, "the document does not begin like one of Kubernetes");
	if (read_envelope(&decoder, in, &version, &kind_name, &raw) < 0)
		return -EINVAL;
	kind = lp_kind_find(version, kind_name);
	if (!kind)
		return lp_err_say(err, -ENOENT, "protobuf: no kind \"%s\" is registered for version \"%s\"", kind_name, version);
	object = lp_json_new(arena, LP_JSON_OBJECT);
	lp_json_set_str(arena, object, "kind", kind_name);
	lp_json_set_str(arena, object, "apiVersion", version);
	if (decode_message(&decoder, (enum lp_schema_id)kind->schema, raw, 0, object, 0) < 0)
		return err && err->code == -ENOMEM ? -ENOMEM : -EINVAL;
	if (arena->failed)
		return lp_err_set(err, -ENOMEM, "protobuf");
	*out = object;
	return 0;
}
