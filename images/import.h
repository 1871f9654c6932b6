/*
 * images/import.h - what an archive holds, said in one way: OCI layout, OCI archive or docker-archive -> images to make.
 * Reads the archive, changes nothing.
 *
 * Order   an archive that is both (docker save since 25) is read as OCI
 * Names   of OCI: the annotation, when it is more than a bare tag; of docker-archive: RepoTags
 * Errors  -EINVAL neither form, -EBADMSG a description whose digest is wrong, -ENOENT a piece or platform is missing
 */
#ifndef LP_IMAGES_IMPORT_H
#define LP_IMAGES_IMPORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "images/archive.h"

struct lp_import_layer {
	const char *piece;		/* name in the archive */
	const char *packed;		/* digest the packed bytes must have; NULL when the archive does not say */
	uint64_t packed_bytes;
	const char *diff_id;
};

struct lp_import_image {
	const char *manifest, *config;	/* exact text */
	size_t manifest_len, config_len;
	const char *digest, *config_digest;
	const char *created;
	const char *const *names;	/* normalised; ends with NULL */
	const struct lp_import_layer *layers;	/* the bottom one first */
	size_t layer_count;
};

/* Everything is allocated in the arena. */
int lp_import_read(struct lp_arena *arena, struct lp_archive *archive, const char *architecture, struct lp_import_image **out,
    size_t *out_count, struct lp_err *err);

#endif
