/*
 * specs/yaml.h - YAML as Kubernetes reads it, and as kubectl prints it.
 *
 * Scalars plain ones follow YAML 1.1 as sigs.k8s.io/yaml: y/n/yes/no/on/off are booleans, 0644 is octal, 1_000 a number,
 *         dates and 1:30 stay strings; quoted ones are strings
 * Also    a text whose first character is { is JSON (one or more documents); \' in double quotes; <<: merge keys;
 *         a missing final newline changes nothing
 * Limits  those of lp_json_limits, counted after aliases are expanded; custom tags are refused
 * Errors  -EINVAL with line and column, -E2BIG over a limit, -ENOMEM
 */
#ifndef LP_SPECS_YAML_H
#define LP_SPECS_YAML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* *out is an array of the documents that are not empty. limits may be NULL. */
int lp_yaml_parse(struct lp_arena *arena, const char *text, size_t len, const struct lp_json_limits *limits,
    struct lp_json **out, struct lp_err *err);

/* Like `kubectl get -o yaml`: members sorted, two spaces, ends with a newline. */
int lp_yaml_write(struct lp_buf *out, const struct lp_json *value);

#endif
