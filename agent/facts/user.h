/*
 * agent/facts/user.h - whom an image wants to run as: its USER, resolved in its own /etc/passwd and /etc/group.
 *
 * Rule    numbers are strict decimal, at most 2^32-2; names are looked up in the topmost layer that has the file, which is
 *         content: bounded, never followed out of the layer (TRUST.md rules 1, 2, 6)
 * Errors  -ENOENT "unable to find user x: no matching entries in passwd file", -EINVAL
 */
#ifndef LP_AGENT_USER_H
#define LP_AGENT_USER_H

#include "base/arena.h"
#include "base/err.h"
#include "images/images.h"

struct lp_user {
	uint32_t uid, gid;
	uint32_t *groups;		/* in the arena */
	size_t group_count;
};

/* layer_fds: the bottom one first, as lp_images_layer_fds gives them. `user` "" is 0:0. */
int lp_user_resolve(struct lp_arena *arena, const char *user, const int *layer_fds, size_t count, struct lp_user *out, struct lp_err *err);

/* Pure: one passwd text. 0 found, -ENOENT. `name` may be a number. */
int lp_user_passwd(const char *text, const char *name, struct lp_user *out);

#endif
