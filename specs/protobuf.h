/*
 * specs/protobuf.h - a Kubernetes object in protobuf, as kubectl 1.32 and later send some, read into JSON by the rows' numbers.
 *
 * Shape   "k8s" NUL, then runtime.Unknown {1 TypeMeta {1 apiVersion, 2 kind}, 2 the object}. Messages that Kubernetes inlines
 *         have their fields in the parent, as in JSON; quantities, times, IntOrString and bytes take their JSON forms
 * Absent  a message carries "" and 0 for what is not set: empty strings are dropped, and zeros of fields that mean "not set" by it
 * Limits  depth 32, the arena; numbers without a row are skipped
 * Errors  -EINVAL not such a document, -ENOENT a kind that we do not know (the words name it), -ENOMEM
 */
#ifndef LP_SPECS_PROTOBUF_H
#define LP_SPECS_PROTOBUF_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

int lp_protobuf_decode(struct lp_arena *arena, const void *data, size_t len, struct lp_json **out, struct lp_err *err);

#endif
