/*
 * images/images.h - the images of one node: load, find, list, remove, collect. The door of this folder.
 *
 * Theory  An image is a record in one state file (images/index, base/state.h), its manifest and config are blobs named by
 *         digest, its layers are directories named by the SHA-256 of the uncompressed tar ("diff id"). What no record
 *         names does not exist. A load unpacks into layers/tmp, syncs, renames layers into place, and then writes the
 *         record; collection writes the index without the record first and removes files afterwards.
 * Shape   below the data directory:  images/{index,lock}  blobs/sha256/<hex>  blobs/tmp/  layers/<hex>/  layers/tmp/
 * Owners  stored as inside a container: uid 0 of the image is uid 0 on disk; whoever mounts shifts
 * Locks   writers hold flock(images/lock) for the whole change, also against other processes; readers need no lock.
 *         Whoever gets the lock removes what a crashed writer left in the two tmp directories
 * Watch   the index changes by rename inside images/: inotify IN_MOVED_TO "index" on that directory
 * Names   normalised as Docker does (name.h); `limpet.local/x`, `localhost/x` and plain `x` find each other's local image
 * Errors  -ENOENT no such image, -ENOSPC, -EBADMSG content is not what its digest says, -EINVAL not an image,
 *         -EXDEV an entry tries to leave the image, -E2BIG over a limit, -EAGAIN locked by another process
 * Idle    nothing here writes unless a caller changes something
 */
#ifndef LP_IMAGES_IMAGES_H
#define LP_IMAGES_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"

struct lp_images;

#define LP_IMAGES_LAYERS_MAX 127

struct lp_image_layer {
	char digest[LP_DIGEST_TEXT];	/* diff id; the directory is layers/<its 64 hex digits> */
	uint64_t size_bytes;		/* of the files in it */
};

/* One image, everything in its own arena. Lists end with NULL and are never NULL themselves. */
struct lp_image {
	struct lp_arena arena;
	const char *digest;		/* of the manifest: "sha256:..."; what Kubernetes calls imageID */
	const char *config_digest;
	const char *const *names;	/* normalised references; empty when the last one was removed */
	const char *created;		/* RFC 3339 from the config, "" when it does not say */
	const char *loaded;		/* RFC 3339 */
	uint64_t size_bytes;		/* sum of the layers */

	const struct lp_image_layer *layers;	/* the bottom one first */
	size_t layer_count;

	/* What the image asks for: content, not policy (TRUST.md rule 6). */
	const char *const *entrypoint;
	const char *const *cmd;
	const char *const *env;		/* "NAME=value" */
	const char *const *ports;	/* "3000/tcp" */
	const char *const *volumes;	/* absolute paths inside the image */
	const char *const *labels;	/* "name=value" */
	const char *user;		/* "", "1000", "1000:1000", "node", "node:node" */
	const char *workdir;		/* "" when not set */
	const char *stop_signal;	/* "", "SIGTERM", "15" */
	const char *architecture;	/* as Go says: "amd64", "arm64", "arm" */
	const char *os;
};

/* Open the store below the data directory, make what is missing. data_fd is duplicated. */
int lp_images_open(int data_fd, struct lp_images **out, struct lp_err *err);
void lp_images_close(struct lp_images *images);

/* A descriptor of images/, for inotify. Weak. */
int lp_images_watch_fd(const struct lp_images *images);

/*
 * The image a reference means: "nginx", "limpet.local/app:1", "app@sha256:...", "sha256:..." (manifest or config digest).
 * Reads the index again if it changed. -ENOENT when it is not here. Give back with lp_images_release.
 */
int lp_images_find(struct lp_images *images, const char *reference, struct lp_image *out, struct lp_err *err);
void lp_images_release(struct lp_image *image);

/* Directories of the image's layers, the bottom one first; out_fds has room for layer_count. Caller closes them. */
int lp_images_layer_fds(struct lp_images *images, const struct lp_image *image, int *out_fds, struct lp_err *err);

/* Every image that has a name (all: also those waiting for collection), oldest first, until call() returns non-zero, which is returned. */
typedef int (*lp_images_each_fn)(void *arg, const struct lp_image *image);
int lp_images_each(struct lp_images *images, bool all, lp_images_each_fn call, void *arg, struct lp_err *err);

struct lp_images_load {
	const char *name;		/* reference to give the image; NULL = what the archive says */
	const char *architecture;	/* NULL = this program's */
	bool wait;			/* wait for the lock instead of -EAGAIN */
	/* Called now and then with bytes of the archive done and in all; may be NULL. */
	void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
	/* Called once for each reference that now names an image, after it is durable; may be NULL. */
	void (*loaded)(void *arg, const char *name, const char *digest);
	void *arg;
};

/*
 * Import from fd: a directory (OCI layout), or a file or pipe with an OCI archive or docker-archive, each optionally
 * gzip or zstd. All of it or nothing. Blocks for as long as unpacking takes: the agent calls it in an lp_child.
 */
int lp_images_load(struct lp_images *images, int fd, const struct lp_images_load *how, struct lp_err *err);

/* Give an image that is here one more name. */
int lp_images_tag(struct lp_images *images, const char *reference, const char *name, struct lp_err *err);

/*
 * Take a name away (or, given a digest, all names). The files stay until lp_images_collect: pods may be running on
 * them. -ENOENT when there is no such name.
 */
int lp_images_remove(struct lp_images *images, const char *reference, struct lp_err *err);

/*
 * Remove images without a name unless keep(arg, digest) says true, and layers and blobs that no record mentions.
 * Only the agent may call it while pods run: it knows which digests they use. Returns -EAGAIN when a load is going on.
 */
int lp_images_collect(struct lp_images *images, bool (*keep)(void *arg, const char *digest), void *arg, uint64_t *out_freed_bytes,
    struct lp_err *err);

/* Compare a layer's files with the tree digest in its record (after an unclean boot). -EBADMSG when they differ. */
int lp_images_check_layer(struct lp_images *images, const char *diff_id, struct lp_err *err);

/*
 * Remove a damaged layer and every image that has it; they can be loaded again. Waits for the lock. No pod may run on them. 0 also when
 * no such layer is there.
 */
int lp_images_drop_layer(struct lp_images *images, const char *diff_id, uint64_t *out_freed_bytes, struct lp_err *err);

#endif
