/*
 * base/state.h - the one way to write a state file.
 *
 * Theory  The new bytes go to "<name>.tmp" in the same directory, are fsynced, the present file becomes "<name>.old",
 *         the new one is renamed into place, and the directory is fsynced. A cut at any point leaves the old or the new
 *         content under <name> or, between the two renames, the old one under <name>.old, where the reader looks next.
 *         After a failed fsync the temporary file is removed and the old state stands.
 * Format  big-endian: "LPST", u32 schema, u64 generation, u64 length, u32 CRC32C of header and data; then the data
 * Source  TRUST.md rule 8
 */
#ifndef LP_BASE_STATE_H
#define LP_BASE_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Replace the state `name` in dir, whole or not at all. Mode 0600. The generation rises by one over what is there.
 * Unchanged content is not written again (zero idle writes): 0 is returned all the same.
 */
int lp_state_write(int dir_fd, const char *name, uint32_t schema, const void *data, size_t len, struct lp_err *err);

/*
 * Read it back: <name>, else <name>.old when the first is missing or damaged (*out_generation tells which).
 * -ENOENT no state at all, -EBADMSG damaged and no older one, -EPROTONOSUPPORT a schema newer than `schema`.
 * out_generation may be NULL.
 */
int lp_state_read(int dir_fd, const char *name, uint32_t schema, struct lp_buf *out, uint64_t *out_generation, struct lp_err *err);

/* Remove it and its older generation; the directory is fsynced. 0 if absent. */
int lp_state_remove(int dir_fd, const char *name, struct lp_err *err);

#endif
