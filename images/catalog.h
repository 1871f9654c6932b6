/*
 * images/catalog.h - the record of what is here: images/index. Pure but for reading and writing that one state file.
 *
 * Format  base/state.h, schema 1, JSON: {"images":[{"digest","config","created","loaded","names":[],"layers":[]}],
 *         "layers":[{"digest","size","tree"}]}; images oldest first; a layer is listed once, whoever shares it
 * Rule    a name belongs to one image; every layer of an image is listed
 * Errors  -EBADMSG damaged: nothing may be written over it
 */
#ifndef LP_IMAGES_CATALOG_H
#define LP_IMAGES_CATALOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"

struct lp_catalog {
	struct lp_arena arena;
	struct lp_json *images, *layers;	/* arrays, as above */
};

/* Empty. */
int lp_catalog_init(struct lp_catalog *catalog, struct lp_err *err);
void lp_catalog_fini(struct lp_catalog *catalog);

/* From images/ (dir_fd); a missing file is an empty catalog. The catalog must not be initialised. */
int lp_catalog_read(struct lp_catalog *catalog, int dir_fd, struct lp_err *err);
int lp_catalog_write(struct lp_catalog *catalog, int dir_fd, struct lp_err *err);

/* The image with that manifest or config digest / that normalised name; NULL when there is none. */
struct lp_json *lp_catalog_by_digest(const struct lp_catalog *catalog, const char *digest);
struct lp_json *lp_catalog_by_name(const struct lp_catalog *catalog, const char *name);
struct lp_json *lp_catalog_layer(const struct lp_catalog *catalog, const char *diff_id);

/* Add what is not there yet; diff_ids are listed layers. */
struct lp_json *lp_catalog_add(struct lp_catalog *catalog, const char *digest, const char *config, const char *created, const char *loaded,
    const char *const *diff_ids, size_t count);
void lp_catalog_add_layer(struct lp_catalog *catalog, const char *diff_id, uint64_t size_bytes, const char *tree);

/* The name moves to this image. */
void lp_catalog_name(struct lp_catalog *catalog, struct lp_json *image, const char *name);
bool lp_catalog_unname(struct lp_catalog *catalog, const char *name);

/* Take an image out, and the layers that no image mentions any more. */
void lp_catalog_drop(struct lp_catalog *catalog, const struct lp_json *image);
void lp_catalog_drop_layers(struct lp_catalog *catalog);

/* Is this blob the manifest or config of an image? */
bool lp_catalog_uses_blob(const struct lp_catalog *catalog, const char *digest);

#endif
