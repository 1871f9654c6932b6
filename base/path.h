/*
 * base/path.h - files below a directory descriptor; never a path string from outside.
 *
 * Rule    every resolution is openat2 with RESOLVE_NO_MAGICLINKS and BENEATH (refuses to leave) or IN_ROOT (links are
 *         resolved as inside a container); TRUST.md rule 1
 * Errors  -EXDEV a path that tries to leave, -ELOOP links that go round, -ENOENT, -EAGAIN never (retried)
 */
#ifndef LP_BASE_PATH_H
#define LP_BASE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* A directory named by the operator on the command line (trusted), created with its parents if asked. O_DIRECTORY|O_CLOEXEC. */
int lp_path_root(const char *path, bool create, int *out_fd, struct lp_err *err);

/* openat2 below dir. flags get O_CLOEXEC. No symbolic link may lead out. */
int lp_path_open(int dir_fd, const char *path, int flags, mode_t mode, int *out_fd, struct lp_err *err);
/* The same, but links resolve as if dir were "/". For what stands inside an image. */
int lp_path_open_in_root(int dir_fd, const char *path, int flags, mode_t mode, int *out_fd, struct lp_err *err);

/* mkdir -p by walking descriptors (BENEATH); existing directories are kept. out_fd may be NULL. */
int lp_path_mkdirs(int dir_fd, const char *path, mode_t mode, int *out_fd, struct lp_err *err);
/* mkdir -p inside an image root (IN_ROOT): an existing link is followed within the root. */
int lp_path_mkdirs_in_root(int dir_fd, const char *path, mode_t mode, int *out_fd, struct lp_err *err);

/* Remove a file or a whole tree, however deep, below dir without following links or crossing mounts. 0 if it is not there. */
int lp_path_remove(int dir_fd, const char *name, struct lp_err *err);

/* Whole file into buf (its ceiling holds: -EMSGSIZE). */
int lp_path_read(int dir_fd, const char *path, struct lp_buf *out, struct lp_err *err);
int lp_path_read_fd(int fd, struct lp_buf *out, struct lp_err *err);

/* Every byte, through short writes and EINTR. */
int lp_path_write_all(int fd, const void *data, size_t len, struct lp_err *err);

/* One write() to a file of the kernel (cgroup, proc, sys) below dir. */
int lp_path_put(int dir_fd, const char *path, const char *text, struct lp_err *err);

/* Free bytes and inodes of the file system below fd. */
int lp_path_space(int fd, uint64_t *out_bytes, uint64_t *out_inodes, struct lp_err *err);

/* Names in a directory, sorted, without . and ..; call(arg, name) until it returns non-zero, which is returned. */
int lp_path_each(int dir_fd, int (*call)(void *arg, const char *name), void *arg, struct lp_err *err);

#endif
