/*
 * runtime/copyup.h - what an image has in a directory, copied into the empty file system that will lie over it (tmpcopyup).
 *
 * Rule    by descriptors, links never followed, at most 64 levels deep; owners, modes and times as they are
 * Source  crun and runc mount option "tmpcopyup"
 */
#ifndef LP_RUNTIME_COPYUP_H
#define LP_RUNTIME_COPYUP_H

#include "base/err.h"

/* Everything below from_fd (O_PATH is enough) into to_fd, and the mode and owner of from_fd itself. */
int lp_copyup_tree(int from_fd, int to_fd, struct lp_err *err);

#endif
