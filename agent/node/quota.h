/*
 * agent/node/quota.h - a directory that cannot grow beyond a size: a project quota, where the file system has them.
 *
 * Theory  everything made below the directory inherits its project; the kernel answers EDQUOT (for projects: ENOSPC) above the limit
 * Needs   ext4 with the features project and quota, or XFS, mounted with prjquota; else -EOPNOTSUPP, and whoever asks measures
 * Ids     lp_quota_id makes one from a pod's uid: 30 bits, so two pods of one node share a quota about never
 */
#ifndef LP_AGENT_QUOTA_H
#define LP_AGENT_QUOTA_H

#include <stdint.h>

#include "base/err.h"

uint32_t lp_quota_id(const char *uid);

/* Cap what is below the directory from now on; it should be empty. */
int lp_quota_limit(int dir_fd, uint32_t id, uint64_t bytes, struct lp_err *err);

/* Forget the limit of an id on the directory's file system; 0 also when there is none. */
int lp_quota_forget(int dir_fd, uint32_t id, struct lp_err *err);

#endif
