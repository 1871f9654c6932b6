#include "specs/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/auto.h"
#include "specs/yaml_scalar.h"

static int
collect(void *data, unsigned char *bytes, size_t len)
{
	return lp_buf_add(data, bytes, len) == 0;
}

/* The event is given up to the emitter in any case. */
static bool
emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
	return made && yaml_emitter_emit(emitter, event);
}

static bool
write_scalar(yaml_emitter_t *emitter, const char *text, size_t len, yaml_scalar_style_t style)
{
	yaml_event_t event;

	return emit(emitter, &event,
	    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)len, 1, 1, style));
}

static bool
write_text(yaml_emitter_t *emitter, const char *text, size_t len)
{
	if (memchr(text, '\n', len))
		return write_scalar(emitter, text, len, YAML_LITERAL_SCALAR_STYLE);
	return write_scalar(emitter, text, len,
	    lp_yaml_scalar_is_special(text) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);
}

/* A plain << would be a merge. */
static bool
write_key(yaml_emitter_t *emitter, const char *key)
{
	if (strcmp(key, "<<") == 0)
		return write_scalar(emitter, key, 2, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
	return write_text(emitter, key, strlen(key));
}

static int
compare_members(const void *a, const void *b)
{
	return strcmp((*(const struct lp_json *const *)a)->key, (*(const struct lp_json *const *)b)->key);
}

static bool write_value(yaml_emitter_t *emitter, const struct lp_json *value);

static bool
write_object(yaml_emitter_t *emitter, const struct lp_json *object)
{
	lp_auto_free const struct lp_json **sorted = calloc(object->len + 1, sizeof(*sorted));
	yaml_event_t event;
	size_t count = 0;
	yaml_mapping_style_t style = object->len == 0 ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE;

	if (!sorted || !emit(emitter, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style)))
		return false;
	lp_json_each(child, object)
		sorted[count++] = child;
	qsort(sorted, count, sizeof(*sorted), compare_members);
	for (size_t i = 0; i < count; i++)
		if (!write_key(emitter, sorted[i]->key) || !write_value(emitter, sorted[i]))
			return false;
	return emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool
write_array(yaml_emitter_t *emitter, const struct lp_json *array)
{
	yaml_event_t event;
	yaml_sequence_style_t style = array->len == 0 ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE;

	if (!emit(emitter, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style)))
		return false;
	lp_json_each(child, array)
		if (!write_value(emitter, child))
			return false;
	return emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static bool
write_value(yaml_emitter_t *emitter, const struct lp_json *value)
{
	char number[32];
	int len;

	switch ((enum lp_json_type)value->type) {
	case LP_JSON_NULL:
		return write_scalar(emitter, "null", 4, YAML_PLAIN_SCALAR_STYLE);
	case LP_JSON_BOOL:
		return write_scalar(
		    emitter, value->boolean ? "true" : "false", value->boolean ? 4 : 5, YAML_PLAIN_SCALAR_STYLE);
	case LP_JSON_INT:
		len = snprintf(number, sizeof(number), "%" PRId64, value->integer);
		return write_scalar(emitter, number, (size_t)len, YAML_PLAIN_SCALAR_STYLE);
	case LP_JSON_DOUBLE:
		return write_scalar(emitter, value->text, value->len, YAML_PLAIN_SCALAR_STYLE);
	case LP_JSON_STRING:
		return write_text(emitter, value->text, value->len);
	case LP_JSON_ARRAY:
		return write_array(emitter, value);
	case LP_JSON_OBJECT:
		return write_object(emitter, value);
	}
	return false;
}

int
lp_yaml_write(struct lp_buf *out, const struct lp_json *value)
{
	yaml_emitter_t emitter;
	yaml_event_t event;
	bool ok;

	if (!yaml_emitter_initialize(&emitter))
		return -ENOMEM;
	yaml_emitter_set_output(&emitter, collect, out);
	yaml_emitter_set_unicode(&emitter, 1);
	ok = emit(&emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
	    emit(&emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)) &&
	    write_value(&emitter, value) &&
	    emit(&emitter, &event, yaml_document_end_event_initialize(&event, 1)) &&
	    emit(&emitter, &event, yaml_stream_end_event_initialize(&event));
	yaml_emitter_delete(&emitter);
	if (out->failed)
		return out->failed;
	return ok ? 0 : -ENOMEM;
}
