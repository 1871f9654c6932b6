/*
 * specs/yaml_scalar.h - what a plain YAML scalar means to Kubernetes (YAML 1.1 as go-yaml v2 reads it).
 */
#ifndef LP_SPECS_YAML_SCALAR_H
#define LP_SPECS_YAML_SCALAR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/json.h"

/* The value of plain text: null, boolean, number or the text itself. NULL without memory. `text` is NUL-terminated. */
struct lp_json *lp_yaml_scalar_resolve(struct lp_arena *arena, const char *text, size_t len);

/* Would plain text be read as something else than a string? */
bool lp_yaml_scalar_is_special(const char *text);

#endif
