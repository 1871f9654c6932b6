/*
 * manager/look/provision.h - pure: which claim is behind a pod's volume, which volume suits a claim, and where both can be had.
 *
 * Classes  limpet-local (the default) and local-path make a directory on the node of the first pod; both wait for that pod
 * Volume   what they make is csi, driver local.limpet.dev, handle = uid of the claim: the node knows where it keeps such directories
 * Binding  a claim that waits for its first pod is given a node by the scheduler (annotation selected-node), a volume by
 *          control/claims.c; only then is the pod bound to that node
 */
#ifndef LP_MANAGER_PROVISION_H
#define LP_MANAGER_PROVISION_H

#include <stdbool.h>

#include "manager/look/look.h"
#include "manager/look/writes.h"

#define LP_PROVISION_DRIVER "local.limpet.dev"
#define LP_PROVISION_DIRECTORY "limpet.dev/directory"		/* finalizer: the directory is still on its node */
#define LP_PROVISION_VOLUME_USED "kubernetes.io/pv-protection"
#define LP_PROVISION_CLAIM_USED "kubernetes.io/pvc-protection"
#define LP_PROVISION_NODE "volume.kubernetes.io/selected-node"
#define LP_PROVISION_DEFAULT "storageclass.kubernetes.io/is-default-class"
#define LP_PROVISION_COMPLETED "pv.kubernetes.io/bind-completed"

/* The claim behind a volume of a pod: the one it names, or "<pod>-<volume>" of a generic ephemeral one. NULL: none. */
const char *lp_provision_claim_name(struct lp_arena *arena, const struct lp_json *pod, const struct lp_json *volume);

/* The class of a claim. NULL: it names none, or one that is not there. */
struct lp_cached *lp_provision_class(const struct lp_cache *cache, const struct lp_json *claim);
/* Does the class wait for the first pod? Can we make its volumes? Both accept NULL. */
bool lp_provision_waits(struct lp_cached *class);
bool lp_provision_makes(struct lp_cached *class);
/* The name of the class for claims that name none; NULL. */
const char *lp_provision_default_class(const struct lp_cache *cache);

/* Modes, size, class, kind and labels: is the volume what the claim asks for? Whose it is does not count. */
bool lp_provision_suits(struct lp_arena *arena, const struct lp_json *volume, const struct lp_json *claim);
/* May the volume be used on the node? */
bool lp_provision_reaches(struct lp_arena *arena, const struct lp_json *volume, const struct lp_json *node);
/* Was it set aside for this claim by name or uid? */
bool lp_provision_promised(const struct lp_json *volume, const struct lp_cached *claim);

/*
 * The volume for a claim: one promised to it, else the smallest free one that suits. node (JSON, may be NULL): it must reach it.
 * Those among `taken` are not free. NULL: none.
 */
struct lp_cached *lp_provision_find(const struct lp_look *look, struct lp_cached *claim, const struct lp_json *node,
    struct lp_cached *const *taken, size_t taken_count);

/* ---- for the scheduler */

/* Why no node at all can take the pod ("persistentvolumeclaim \"x\" not found"); NULL: its claims stand in no way. */
const char *lp_provision_blocks(const struct lp_look *look, struct lp_cached *pod);
/* Why this node cannot; NULL: it can. */
const char *lp_provision_refuses(const struct lp_look *look, struct lp_cached *pod, const struct lp_json *node);
/* The node that its unbound claims were given; NULL: none yet. */
const char *lp_provision_chosen(const struct lp_look *look, struct lp_cached *pod);
/* Give the unbound claims this node. True: there are some, and the pod is not to be bound yet. */
bool lp_provision_choose(const struct lp_look *look, struct lp_writes *writes, struct lp_cached *pod, const char *node);

#endif
