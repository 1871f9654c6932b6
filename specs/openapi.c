#include "specs/openapi.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "specs/schema.h"

/* Types of a scalar row in OpenAPI's words. */
static void
scalar(struct lp_buf *out, enum lp_type type)
{
	switch (type) {
	case LP_TYPE_STRING:
		lp_buf_str(out, "\"type\":\"string\"");
		return;
	case LP_TYPE_BYTES:
		lp_buf_str(out, "\"type\":\"string\",\"format\":\"byte\"");
		return;
	case LP_TYPE_TIME:
	case LP_TYPE_MICROTIME:
		lp_buf_str(out, "\"type\":\"string\",\"format\":\"date-time\"");
		return;
	case LP_TYPE_QUANTITY:
		lp_buf_str(out, "\"oneOf\":[{\"type\":\"string\"},{\"type\":\"number\"}]");
		return;
	case LP_TYPE_INTSTR:
		lp_buf_str(
		    out, "\"format\":\"int-or-string\",\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]");
		return;
	case LP_TYPE_INT32:
		lp_buf_str(out, "\"type\":\"integer\",\"format\":\"int32\"");
		return;
	case LP_TYPE_INT64:
		lp_buf_str(out, "\"type\":\"integer\",\"format\":\"int64\"");
		return;
	case LP_TYPE_BOOL:
		lp_buf_str(out, "\"type\":\"boolean\"");
		return;
	case LP_TYPE_DOUBLE:
		lp_buf_str(out, "\"type\":\"number\",\"format\":\"double\"");
		return;
	case LP_TYPE_OBJECT:
	case LP_TYPE_ANY:
		lp_buf_str(out, "\"type\":\"object\"");
		return;
	}
}

/* What stands in "properties", "items" or "additionalProperties", without braces. */
static void
type_of(struct lp_buf *out, const struct lp_field *field)
{
	if (field->type != LP_TYPE_OBJECT) {
		scalar(out, field->type);
		return;
	}
	lp_buf_printf(out, "\"allOf\":[{\"$ref\":\"#/components/schemas/%s\"}]", lp_schema_get(field->schema).name);
}

static void
property(struct lp_buf *out, const struct lp_schema *schema, const struct lp_field *field)
{
	const char *doc = lp_schema_field_doc(schema, field), *key = lp_schema_field_key(schema, field);

	lp_buf_printf(out, "\"%s\":{\"description\":", lp_schema_field_name(schema, field));
	lp_json_write_string(out, doc, strlen(doc));
	switch ((enum lp_shape)field->shape) {
	case LP_SHAPE_ONE:
		lp_buf_char(out, ',');
		type_of(out, field);
		break;
	case LP_SHAPE_LIST:
		lp_buf_str(out, ",\"type\":\"array\",\"items\":{");
		type_of(out, field);
		lp_buf_char(out, '}');
		break;
	case LP_SHAPE_MAP:
		lp_buf_str(out, ",\"type\":\"object\",\"additionalProperties\":{");
		type_of(out, field);
		lp_buf_char(out, '}');
		break;
	}
	if (field->flags & (LP_MERGE | LP_RETAIN))
		lp_buf_printf(out, ",\"x-kubernetes-patch-strategy\":\"%s%s%s\"",
		    field->flags & LP_MERGE ? "merge" : "",
		    (field->flags & LP_MERGE) && (field->flags & LP_RETAIN) ? "," : "",
		    field->flags & LP_RETAIN ? "retainKeys" : "");
	if ((field->flags & LP_MERGE) && *key)
		lp_buf_printf(out, ",\"x-kubernetes-patch-merge-key\":\"%s\"", key);
	lp_buf_char(out, '}');
}

static void
one_schema(struct lp_buf *out, const struct lp_schema *schema, const struct lp_kind *kind)
{
	bool first = true;

	lp_buf_printf(out, "\"%s\":{\"type\":\"object\",\"properties\":{", schema->name);
	for (size_t i = 0; i < schema->count; i++) {
		if (i > 0)
			lp_buf_char(out, ',');
		property(out, schema, &schema->fields[i]);
	}
	lp_buf_char(out, '}');
	for (size_t i = 0; i < schema->count; i++)
		if (schema->fields[i].flags & LP_REQUIRED) {
			lp_buf_printf(out, "%s\"%s\"", first ? ",\"required\":[" : ",",
			    lp_schema_field_name(schema, &schema->fields[i]));
			first = false;
		}
	if (!first)
		lp_buf_char(out, ']');
	if (kind)
		lp_buf_printf(out,
		    ",\"x-kubernetes-group-version-kind\":[{\"group\":\"%s\",\"kind\":\"%s\",\"version\":\"%s\"}]",
		    kind->group, kind->kind, kind->version);
	lp_buf_char(out, '}');
}

static void
operation(struct lp_buf *out, const char *method, const struct lp_kind *kind, const char *action, bool validates)
{
	lp_buf_printf(out,
	    "\"%s\":{\"x-kubernetes-action\":\"%s\",\"x-kubernetes-group-version-kind\":{\"group\":\"%s\",\"kind\":\"%s\",\"version\":\"%s\"},"
	    "\"parameters\":[",
	    method, action, kind->group, kind->kind, kind->version);
	if (validates)
		lp_buf_str(out, "{\"in\":\"query\",\"name\":\"dryRun\",\"schema\":{\"type\":\"string\"}},"
				"{\"in\":\"query\",\"name\":\"fieldValidation\",\"schema\":{\"type\":\"string\"}}");
	lp_buf_str(out, "],\"responses\":{\"200\":{\"description\":\"OK\"}}}");
}

static void
paths_of(struct lp_buf *out, const struct lp_kind *kind)
{
	const char *root = kind->group[0] ? "/apis/" : "/api",
	           *scope = kind->namespaced ? "/namespaces/{namespace}" : "";

	lp_buf_printf(out, "\"%s%s/%s%s/%s\":{", root, kind->group, kind->version, scope, kind->plural);
	operation(out, "get", kind, "list", false);
	lp_buf_char(out, ',');
	operation(out, "post", kind, "post", true);
	lp_buf_printf(out, "},\"%s%s/%s%s/%s/{name}\":{", root, kind->group, kind->version, scope, kind->plural);
	operation(out, "get", kind, "get", false);
	lp_buf_char(out, ',');
	operation(out, "put", kind, "put", true);
	lp_buf_char(out, ',');
	operation(out, "patch", kind, "patch", true);
	lp_buf_char(out, '}');
}

/* Marks a schema and everything it contains. */
static void
reach(bool *reached, enum lp_schema_id id)
{
	struct lp_schema schema = lp_schema_get(id);

	if (id == LP_SCHEMA_none || reached[id])
		return;
	reached[id] = true;
	for (size_t i = 0; i < schema.count; i++)
		reach(reached, schema.fields[i].schema);
}

static const struct lp_kind *
kind_of(enum lp_schema_id id)
{
	const struct lp_kind *kind;

	for (size_t i = 0; (kind = lp_kind_at(i)); i++)
		if (kind->schema == id)
			return kind;
	return NULL;
}

int
lp_openapi_v3(struct lp_buf *out, const char *group, const char *version)
{
	bool reached[LP_SCHEMA_count] = { false }, first = true;
	const struct lp_kind *kind;

	lp_buf_str(
	    out, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"limpet\",\"version\":\"" LP_VERSION "\"},\"paths\":{");
	for (size_t i = 0; (kind = lp_kind_at(i)); i++) {
		if (strcmp(kind->group, group) != 0 || strcmp(kind->version, version) != 0 ||
		    (kind->verbs & LP_KIND_LOCAL))
			continue;
		if (!first)
			lp_buf_char(out, ',');
		first = false;
		paths_of(out, kind);
		reach(reached, kind->schema);
	}
	if (first)
		return -ENOENT;
	lp_buf_str(out, "},\"components\":{\"schemas\":{");
	first = true;
	for (int id = LP_SCHEMA_none + 1; id < LP_SCHEMA_count; id++) {
		struct lp_schema schema;

		if (!reached[id])
			continue;
		schema = lp_schema_get((enum lp_schema_id)id);
		if (!first)
			lp_buf_char(out, ',');
		first = false;
		one_schema(out, &schema, kind_of((enum lp_schema_id)id));
	}
	lp_buf_str(out, "}}}");
	return out->failed;
}
