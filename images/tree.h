/*
 * images/tree.h - one digest for a whole directory tree: did a power cut or worn flash change a layer?
 *
 * Form    SHA-256 over one record per entry, names sorted: path, type, mode, owner, size, device, times of files, link
 *         target, CRC32C of the content, and the attributes unpack.h keeps. Not a defence against an attacker with root
 * Limits  depth 300
 */
#ifndef LP_IMAGES_TREE_H
#define LP_IMAGES_TREE_H

#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"

/* out_bytes (content of files) may be NULL. */
int lp_tree_digest(int dir_fd, char out[static LP_DIGEST_TEXT], uint64_t *out_bytes, struct lp_err *err);

#endif
