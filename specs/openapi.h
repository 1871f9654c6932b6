/*
 * specs/openapi.h - the tables as OpenAPI v3 documents, for `kubectl explain` and server-side validation.
 *
 * Shape   JSON text, written from the rows each time it is asked for; the caller keeps it and derives the ETag
 */
#ifndef LP_SPECS_OPENAPI_H
#define LP_SPECS_OPENAPI_H

#include "base/buf.h"

/* The document of one group version: group "" is core. -ENOENT when we serve no kind of it. */
int lp_openapi_v3(struct lp_buf *out, const char *group, const char *version);

#endif
