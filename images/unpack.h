/*
 * images/unpack.h - one tar layer into a directory that overlayfs can use as a lower one.
 *
 * Rule    every parent is opened by openat2 beneath the root: links inside the layer are followed, one that leads out
 *         (absolute, or above the root) ends the unpacking; files are made with O_EXCL; nothing is ever opened for
 *         writing that was there before (TRUST.md rule 1)
 * Forms   ".wh.x" becomes a character device 0:0, ".wh..wh..opq" the attribute trusted.overlay.opaque
 * Kept    owner, mode with setuid, times, hard links, security.capability, user.* attributes
 * Left out devices (a container's /dev is ours) and every other attribute: trusted.* could forge what overlayfs trusts
 * Errors  -EXDEV leads out, -E2BIG over a limit, -EBADMSG broken, -ENOSPC
 */
#ifndef LP_IMAGES_UNPACK_H
#define LP_IMAGES_UNPACK_H

#include <stdint.h>

#include "base/err.h"
#include "images/stream.h"

struct lp_unpack_limits {
	uint64_t bytes;			/* of file content; 0 = 64 GiB */
	uint64_t entries;		/* 0 = 2,000,000 */
	uint32_t depth;			/* 0 = 256 */
};

struct lp_unpack_result {
	uint64_t bytes, entries, devices;	/* devices: left out */
};

/* limits may be NULL. dir_fd is empty and becomes the layer's root. On failure its content is the caller's to remove. */
int lp_unpack(struct lp_stream *stream, int dir_fd, const struct lp_unpack_limits *limits, struct lp_unpack_result *out, struct lp_err *err);

#endif
