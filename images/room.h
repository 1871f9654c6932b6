/*
 * images/room.h - the opened store that images.c and load.c share; nobody else includes it.
 */
#ifndef LP_IMAGES_ROOM_H
#define LP_IMAGES_ROOM_H

#include "images/catalog.h"
#include "images/images.h"

struct lp_images {
	int images_fd, blobs_fd, layers_fd, tmp_fd;	/* images/ blobs/ layers/ layers/tmp/ */
	struct lp_catalog catalog;
	bool read;			/* the catalog holds what the file said: */
	uint64_t seen_inode;		/* its inode and change time then; 0 when there was no file */
	int64_t seen_ns;
};

/* Hold the lock until the descriptor is closed, with an empty tmp and a fresh catalog. */
int lp_room_lock(struct lp_images *images, bool wait, int *out_fd, struct lp_err *err);

/* Read the catalog if its file changed since. */
int lp_room_refresh(struct lp_images *images, struct lp_err *err);

/* Empty the two tmp directories: what an interrupted writer left. Under the lock. */
int lp_room_clean(struct lp_images *images, struct lp_err *err);

/* Remove layers and blobs that the catalog does not mention; says how many bytes of layers went. Under the lock. */
int lp_room_sweep(struct lp_images *images, uint64_t *out_freed_bytes, struct lp_err *err);

/* Write the catalog and remember that it is what we have. Under the lock. */
int lp_room_write(struct lp_images *images, struct lp_err *err);

/* The name of a layer's directory below layers/. */
const char *lp_room_layer_name(const char *diff_id);

#endif
