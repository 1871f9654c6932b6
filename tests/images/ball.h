/*
 * tests/images/ball.h - tars and image archives, built in memory for tests: right ones and wrong ones.
 */
#ifndef LP_TESTS_IMAGES_BALL_H
#define LP_TESTS_IMAGES_BALL_H

#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"

/* One ustar entry: flag as in the header, target may be NULL, content only for flag '0'. */
void lp_ball_entry(struct lp_buf *tar, char flag, const char *name, const char *target, uint32_t mode, const void *content, size_t len);
void lp_ball_file(struct lp_buf *tar, const char *name, const char *content);
void lp_ball_dir(struct lp_buf *tar, const char *name);
/* Pax records for the next entry: pairs of key and value, ended by NULL. */
void lp_ball_pax(struct lp_buf *tar, const char *key, const char *value, ...) __attribute__((sentinel));
void lp_ball_end(struct lp_buf *tar);

void lp_ball_gzip(const struct lp_buf *from, struct lp_buf *to);
void lp_ball_zstd(const struct lp_buf *from, struct lp_buf *to);

/* A docker-archive (name NULL: without RepoTags) and an OCI archive around one finished layer tar. packed: 0 plain, 'g' gzip, 'z' zstd. */
void lp_ball_docker(struct lp_buf *out, const char *name, const struct lp_buf *layer);
void lp_ball_oci(struct lp_buf *out, const char *name, const struct lp_buf *layer, char packed);

/* The config that both put around a layer. */
void lp_ball_config(struct lp_buf *out, const char *diff_id);

/* An open file of the test's directory with these bytes, at its beginning. */
int lp_ball_open(const char *name, const struct lp_buf *bytes);

#endif
