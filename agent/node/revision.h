/*
 * agent/node/revision.h - the node revision: what this device must be, as the manager signed it.
 *
 * Theory  A revision is an index (kind, namespace, name, uid, digest) that is signed with the fleet key, and the objects it
 *         names, each a text whose digest is in the index. On disk: node/revision (state file: index text and signature)
 *         and node/objects/<hex> (state files). The objects are written first, the index last: a cut leaves the old
 *         revision or the new one. Objects that neither this nor the former index names are removed afterwards.
 * Rule    never less because of a doubt (TRUST.md rule 14): a bad signature, an older number, another node's name, a
 *         missing object: refused, what runs keeps running. Going back happens only when the current one is unreadable.
 * Source  DESIGN.md sections 4 and 12 "Revision"
 */
#ifndef LP_AGENT_REVISION_H
#define LP_AGENT_REVISION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/json.h"

struct lp_revision_object {
	const char *kind, *namespace, *name, *uid;	/* weak: in the revision's arena */
	char digest[LP_DIGEST_TEXT];
	const char *text;				/* the object as it was sent */
	struct lp_json *json;				/* the same, parsed */
};

struct lp_revision {
	struct lp_arena arena;
	char digest[LP_DIGEST_TEXT];	/* of `text`; "" in an empty revision */
	const char *text;		/* what was signed; NULL in an empty revision */
	const char *signature;		/* base64 */
	const char *node;
	int64_t number;
	int64_t signed_ms;		/* wall time of signing */
	struct lp_json *index;		/* the parsed text */
	struct lp_revision_object *objects;
	size_t count;
};

/* Whom to believe: verify may be NULL (standalone: local manifests are trusted as files are). */
struct lp_revision_trust {
	const char *node;
	lp_verify_fn verify;
	void *verify_arg;
};

void lp_revision_init(struct lp_revision *revision);
void lp_revision_fini(struct lp_revision *revision);

/* The object of this kind and name, or NULL. namespace "" for cluster-wide kinds. */
const struct lp_revision_object *lp_revision_find(const struct lp_revision *revision, const char *kind, const char *namespace, const char *name);

/* Number of a range the revision carries as text ("podCIDR", "serviceCIDR", "clusterDomain"); NULL when absent. */
const char *lp_revision_setting(const struct lp_revision *revision, const char *name);

/* Do both ask for the same, whatever their numbers and times? Then there is nothing to store and nothing to do. */
bool lp_revision_same(const struct lp_revision *a, const struct lp_revision *b);

/*
 * A `revision` line of the link against the current one: objects that were not sent are taken over from `current`.
 * -EKEYREJECTED signature, -ESTALE not newer than the current one and not the same, -EXDEV another node's, -EBADMSG a digest does not fit or an
 * object is missing (ask for the whole revision), -EINVAL, -ENOMEM. *out must be initialised; it is complete on success.
 */
int lp_revision_accept(struct lp_revision *out, const struct lp_revision *current, const struct lp_json *line,
    const struct lp_revision_trust *trust, struct lp_err *err);

/* Make it durable below node_fd; blocks on fsync: call in a child. `former` (may be NULL) keeps its objects. */
int lp_revision_store(int node_fd, const struct lp_revision *revision, const struct lp_revision *former, struct lp_err *err);

/* Read it back, everything verified again; falls back to the former one when the current one is unreadable. -ENOENT none. */
int lp_revision_load(int node_fd, struct lp_revision *out, const struct lp_revision_trust *trust, struct lp_err *err);

#endif
