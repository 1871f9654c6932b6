#include "manager/api/openapi_v2.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "specs/kind.h"

enum { PIECE_MAX = 4096 };

/* ---- protobuf: a tag, a length, bytes */

static void
add_varint(struct lp_buf *out, size_t value)
{
	for (; value >= 0x80; value >>= 7)
		lp_buf_u8(out, (uint8_t)(value | 0x80));
	lp_buf_u8(out, (uint8_t)value);
}

static void
add_bytes(struct lp_buf *out, unsigned field, const void *data, size_t len)
{
	add_varint(out, field << 3 | 2);
	add_varint(out, len);
	lp_buf_add(out, data, len);
}

static void
add_text(struct lp_buf *out, unsigned field, const char *text)
{
	add_bytes(out, field, text, strlen(text));
}

/* The piece becomes field `field` of out, and is empty again. */
static void
add_piece(struct lp_buf *out, unsigned field, struct lp_buf *piece)
{
	if (piece->failed)
		out->failed = piece->failed;
	else
		add_bytes(out, field, lp_buf_text(piece), piece->len);
	lp_buf_reset(piece);
}

/* ---- the document */

/* ParametersItem.parameter.non_body_parameter.query_parameter_sub_schema */
static void
add_dry_run(struct lp_buf *operation)
{
	static const unsigned around[] = { 3, 2, 1, 8 };
	lp_auto_buf struct lp_buf inner;
	lp_auto_buf struct lp_buf outer;

	lp_buf_init(&inner, PIECE_MAX);
	lp_buf_init(&outer, PIECE_MAX);
	add_text(&inner, 2, "query");
	add_text(&inner, 4, "dryRun");
	add_text(&inner, 6, "string");
	for (size_t i = 0; i < 3; i++) {
		add_piece(&outer, around[i], &inner);
		lp_buf_add(&inner, lp_buf_text(&outer), outer.len);
		lp_buf_reset(&outer);
	}
	add_piece(operation, around[3], &inner);
}

/* NamedAny {1 name, 2 {2 yaml}} */
static void
add_kind(struct lp_buf *operation, const struct lp_kind *kind)
{
	char yaml[160];
	lp_auto_buf struct lp_buf any;
	lp_auto_buf struct lp_buf named;

	lp_buf_init(&any, PIECE_MAX);
	lp_buf_init(&named, PIECE_MAX);
	(void)snprintf(yaml, sizeof(yaml), "{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}\n", kind->group, kind->version,
	    kind->kind);			/* our own tables: never that long */
	add_text(&any, 2, yaml);
	add_text(&named, 1, "x-kubernetes-group-version-kind");
	add_piece(&named, 2, &any);
	add_piece(operation, 13, &named);
}

static void
add_path(struct lp_buf *paths, const struct lp_kind *kind)
{
	lp_auto_buf struct lp_buf operation;
	lp_auto_buf struct lp_buf item;
	lp_auto_buf struct lp_buf named;
	char version[LP_KIND_TEXT], path[160];

	lp_buf_init(&operation, PIECE_MAX);
	lp_buf_init(&item, PIECE_MAX);
	lp_buf_init(&named, PIECE_MAX);
	(void)snprintf(path, sizeof(path), "/%s/%s%s/%s/{name}", *kind->group ? "apis" : "api", lp_kind_api_version(kind, version),
	    kind->namespaced ? "/namespaces/{namespace}" : "", kind->plural);	/* our own tables: never that long */
	add_dry_run(&operation);
	add_kind(&operation, kind);
	add_piece(&item, 8, &operation);
	add_text(&named, 1, path);
	add_piece(&named, 2, &item);
	add_piece(paths, 2, &named);
}

void
lp_openapi_v2_write(struct lp_buf *out)
{
	lp_auto_buf struct lp_buf piece;

	lp_buf_init(&piece, 256 << 10);
	add_text(out, 1, "2.0");
	add_text(&piece, 1, "limpet");
	add_text(&piece, 2, LP_VERSION);
	add_piece(out, 2, &piece);
	for (size_t i = 0; lp_kind_at(i); i++)
		if (lp_kind_at(i)->verbs & LP_KIND_WRITE)
			add_path(&piece, lp_kind_at(i));
	add_piece(out, 8, &piece);
}
