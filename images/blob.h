/*
 * images/blob.h - content-addressed bytes: a verified piece is final.
 *
 * Shape   dir_fd is blobs/: sha256/<hex> complete and verified, tmp/<random> being written by a lock holder,
 *         partial/<hex> being downloaded: survives a reboot, its bytes are hashed again when it is continued
 * Rule    hashed while written, fsynced, renamed, directory fsynced; a wrong digest or size never gets its name
 * Errors  -EBADMSG digest or size differ from what was asked, -ENOENT, -ENOSPC
 */
#ifndef LP_IMAGES_BLOB_H
#define LP_IMAGES_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"

struct lp_blob {
	int dir_fd;			/* blobs/, weak */
	int fd;				/* -1 when none */
	char path[128];			/* below dir_fd */
	char want[LP_DIGEST_TEXT];	/* "" = whatever it turns out to be */
	uint64_t size, want_size;	/* bytes so far; UINT64_MAX = any */
	bool keep;			/* a partial one stays when it is given up */
	struct lp_digest_state state;
};

/* Make the directories below blobs/. */
int lp_blob_init(int dir_fd, struct lp_err *err);

/* Start a new one; digest may be NULL, size UINT64_MAX, when not known. */
int lp_blob_begin(struct lp_blob *blob, int dir_fd, const char *digest, uint64_t size, struct lp_err *err);

/* Start or continue a download of a known digest: blob->size tells at which byte to go on. */
int lp_blob_resume(struct lp_blob *blob, int dir_fd, const char *digest, uint64_t size, struct lp_err *err);

int lp_blob_add(struct lp_blob *blob, const void *data, size_t len, struct lp_err *err);

/* Verify, make durable, give it its name. out_digest may be NULL. The blob is closed in any case. */
int lp_blob_commit(struct lp_blob *blob, char *out_digest, struct lp_err *err);

/* Give up; removes the temporary file (a partial one stays). Safe twice. */
void lp_blob_abort(struct lp_blob *blob);

/* Store bytes that are in memory. */
int lp_blob_put(int dir_fd, const void *data, size_t len, char out_digest[static LP_DIGEST_TEXT], struct lp_err *err);

bool lp_blob_have(int dir_fd, const char *digest);
int lp_blob_open(int dir_fd, const char *digest, int *out_fd, uint64_t *out_size, struct lp_err *err);

/* Whole blob into memory, its digest checked again. */
int lp_blob_read(int dir_fd, const char *digest, struct lp_buf *out, struct lp_err *err);

int lp_blob_remove(int dir_fd, const char *digest, struct lp_err *err);

#endif
