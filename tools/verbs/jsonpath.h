/*
 * tools/verbs/jsonpath.h - kubectl's -o jsonpath= and custom-columns=: the part of it that people use. Pure.
 *
 * Grammar text{.a.b}text; inside braces: .name ['name'] [n] [-n] [a:b] [*] .* ..name, [?(@.x=="y")] with == != < > <= >= or a
 *         bare path, "text" with \n \t, {range .items[*]} ... {end}; a dot in a name is written \.
 * Missing a path that finds nothing prints nothing (kubectl's --allow-missing-template-keys, its default)
 * Limits  depth 16 of ranges, 4 KiB of template
 */
#ifndef LP_TOOLS_VERBS_JSONPATH_H
#define LP_TOOLS_VERBS_JSONPATH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* A whole template. -EINVAL with the place. */
int lp_jsonpath_print(const char *template, const struct lp_json *root, struct lp_buf *out, struct lp_err *err);

/* One path (".metadata.name", braces optional): every value it finds. call() until it returns non-zero. */
typedef int (*lp_jsonpath_fn)(void *arg, const struct lp_json *value);
int lp_jsonpath_each(const char *path, const struct lp_json *root, lp_jsonpath_fn call, void *arg, struct lp_err *err);

/* A value as kubectl prints it: strings bare, the rest as JSON. */
int lp_jsonpath_value(struct lp_buf *out, const struct lp_json *value);

#endif
