/*
 * images/manifest.h - the JSON of images: OCI index, manifest and config, docker-archive manifest.json. Pure.
 *
 * Limits  4 MiB of JSON, 32 levels, 127 layers, 512 manifests in an index, 1,000 strings in a list; everything is
 *         allocated in the caller's arena
 * Errors  -EINVAL not of the form, -E2BIG over a limit, -ENOTSUP a form we do not read, -ENOENT no fitting platform
 * Source  opencontainers/image-spec 1.1 image-index.md, manifest.md, config.md; moby image/spec/v1.2.md
 */
#ifndef LP_IMAGES_MANIFEST_H
#define LP_IMAGES_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"

#define LP_MANIFEST_JSON_MAX ((size_t)4 << 20)
#define LP_MANIFEST_LAYERS_MAX 127
#define LP_MANIFEST_INDEX_MAX 512

struct lp_manifest_piece {
	const char *media_type;		/* "" when not given */
	const char *digest;		/* checked: "sha256:" and 64 hex digits */
	uint64_t size;
};

struct lp_manifest_ref {		/* one row of an index */
	struct lp_manifest_piece piece;
	const char *os, *architecture, *variant;	/* "" when not given */
	const char *name;		/* io.containerd.image.name, else org.opencontainers.image.ref.name; NULL when neither */
	bool attestation;		/* describes another row, not an image */
};

struct lp_manifest_index {
	const struct lp_manifest_ref *refs;
	size_t count;
};

struct lp_manifest {
	struct lp_manifest_piece config;
	const struct lp_manifest_piece *layers;	/* the bottom one first */
	size_t layer_count;
};

struct lp_manifest_config {
	const char *architecture, *os, *variant, *created, *user, *workdir, *stop_signal;	/* "" when not given */
	const char *const *entrypoint, *const *cmd, *const *env, *const *ports, *const *volumes, *const *labels;	/* end with NULL */
	const char *const *diff_ids;	/* checked digests */
	size_t diff_id_count;
};

struct lp_manifest_archive {		/* one row of docker-archive's manifest.json */
	const char *config;		/* name inside the archive */
	const char *const *tags;
	const char *const *layers;	/* names inside the archive, the bottom one first */
	size_t layer_count;
};

enum lp_manifest_kind { LP_MANIFEST_INDEX, LP_MANIFEST_IMAGE };

/* What the bytes are: an index or an image manifest, by mediaType or by their members. -ENOTSUP for schema 1. */
int lp_manifest_kind(const char *text, size_t len, enum lp_manifest_kind *out, struct lp_err *err);

int lp_manifest_parse_index(struct lp_arena *arena, const char *text, size_t len, struct lp_manifest_index *out, struct lp_err *err);
int lp_manifest_parse(struct lp_arena *arena, const char *text, size_t len, struct lp_manifest *out, struct lp_err *err);
int lp_manifest_parse_config(struct lp_arena *arena, const char *text, size_t len, struct lp_manifest_config *out, struct lp_err *err);
int lp_manifest_parse_archive(struct lp_arena *arena, const char *text, size_t len, struct lp_manifest_archive **out, size_t *out_count,
    struct lp_err *err);

/* The row of an index for this machine: linux, the architecture, the best variant. -ENOENT names what there is. */
int lp_manifest_pick(const struct lp_manifest_index *index, const char *architecture, const struct lp_manifest_ref **out, struct lp_err *err);

/* "amd64", "arm64" or "arm": what this program was built for, as Go says it. */
const char *lp_manifest_machine(void);

#endif
