/*
 * images/name.h - image references: what people write, and the one form we compare. Pure.
 *
 * Form    host/path:tag, host/path@sha256:..., both; "nginx" means docker.io/library/nginx:latest
 * Source  distribution/reference normalize.go and regexp.go
 * Errors  -EINVAL in words that show the reference
 */
#ifndef LP_IMAGES_NAME_H
#define LP_IMAGES_NAME_H

#include <stddef.h>

#include "base/digest.h"
#include "base/err.h"

#define LP_NAME_MAX 512			/* of a whole normalised reference, with its NUL */

struct lp_name {
	char repository[256];		/* "docker.io/library/nginx" */
	char tag[129];			/* "latest"; "" when only a digest was given */
	char digest[LP_DIGEST_TEXT];	/* "sha256:..." or "" */
};

int lp_name_parse(const char *reference, struct lp_name *out, struct lp_err *err);

/* The normalised reference: repository, ":tag" when there is one, "@digest" when there is one. */
void lp_name_print(const struct lp_name *name, char out[static LP_NAME_MAX]);

/*
 * The repository under which the n-th try looks an image up: 0 is the repository itself; further ones exist for names
 * that live on this machine only (docker.io/library/x, localhost/x, limpet.local/x). -ENOENT after the last.
 */
int lp_name_local(const struct lp_name *name, unsigned n, char *out, size_t size);

#endif
