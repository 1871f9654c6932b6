/*
 * manager/api/openapi_v2.h - the OpenAPI v2 document, as small as kubectl 1.20 lets it be.
 *
 * Shape   protobuf (gnostic openapi.v2.Document): for every kind the path of its objects, whose PATCH takes `dryRun`. No
 *         definitions: kubectl then leaves validation to the server
 * Source  reference measurements with kubectl 1.20 to 1.36; github.com/google/gnostic openapiv2/OpenAPIv2.proto
 */
#ifndef LP_MANAGER_OPENAPI_V2_H
#define LP_MANAGER_OPENAPI_V2_H

#include "base/buf.h"

/* Appends the document. Sticky failure in out. */
void lp_openapi_v2_write(struct lp_buf *out);

#endif
