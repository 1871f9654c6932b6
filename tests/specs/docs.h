/*
 * tests/specs/docs.h - documents of a test, written as YAML; one arena for the whole test.
 */
#ifndef LP_TESTS_SPECS_DOCS_H
#define LP_TESTS_SPECS_DOCS_H

#include "base/json.h"
#include "specs/kind.h"

struct lp_arena *lp_docs_arena(void);

/* The first document; fails the test when it cannot be read. */
struct lp_json *lp_docs_yaml(const char *yaml);

/* The same after lp_parse_shape and lp_default_object. */
struct lp_json *lp_docs_defaulted(const char *yaml);

/* Compact JSON; lives in the arena. */
const char *lp_docs_text(const struct lp_json *value);

/* "<path>: <message>" of every fault of a creation, one per line; "" when there is none. */
const char *lp_docs_faults(const char *yaml);

#endif
