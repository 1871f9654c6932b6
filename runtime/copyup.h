/*
 * runtime/copyup.h - what an image has in a directory, copied into the empty file system that will lie over it (tmpcopyup).
 *
 * Rule    by descriptors, links never followed, at most 64 levels deep; owners, modes and times as they are
 *         of one mount: what is mounted below is not the image's and stays out (the copier may read more of /proc than the container)
 * Source  crun and runc mount option "tmpcopyup"
 */
#ifndef LP_RUNTIME_COPYUP_H
#define LP_RUNTIME_COPYUP_H

#include <stdint.h>

#include "base/err.h"

/* The mount that fd or what is called name in it lies on; "" for fd itself. */
int lp_copyup_mount(int fd, const char *name, uint64_t *out_id, struct lp_err *err);

/* Everything below from_fd (O_PATH is enough) into to_fd, and the mode and owner of from_fd itself. */
int lp_copyup_tree(int from_fd, int to_fd, struct lp_err *err);

#endif
