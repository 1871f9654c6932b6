/*
 * tools/verbs/output.h - -o yaml, json, name, jsonpath=..., custom-columns=...: an object or a List as kubectl prints it. Pure.
 */
#ifndef LP_TOOLS_VERBS_OUTPUT_H
#define LP_TOOLS_VERBS_OUTPUT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

enum lp_output_mode {
	LP_OUTPUT_TABLE,		/* no -o, or -o wide */
	LP_OUTPUT_WIDE,
	LP_OUTPUT_YAML,
	LP_OUTPUT_JSON,
	LP_OUTPUT_NAME,
	LP_OUTPUT_JSONPATH,
	LP_OUTPUT_COLUMNS,
};

struct lp_output {
	enum lp_output_mode mode;
	const char *template;		/* behind "jsonpath=" or "custom-columns=" */
};

/* NULL or "": a table. -EINVAL names the formats. */
int lp_output_parse(const char *text, struct lp_output *out, struct lp_err *err);

/* Everything but tables. A List prints its items for `name` and columns. */
int lp_output_print(const struct lp_output *how, struct lp_arena *arena, const struct lp_json *object, struct lp_buf *out, struct lp_err *err);

/* To standard output; the buffer is empty afterwards. */
int lp_output_flush(struct lp_buf *buf, struct lp_err *err);

#endif
