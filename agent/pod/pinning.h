/*
 * agent/pod/pinning.h - whole cpus for those who ask: a Guaranteed pod's containers with whole cpus under --cpu-manager-policy static, or any
 * container with whole cpus of a pod annotated limpet.dev/cpu-pinning: "static".
 *
 * Exclusive  its cpus are nobody else's: all other containers run on what is left (the shared pool), also those that run already
 * Kept       the keeper's note names a pod's cpus, so a restarted agent gives them to nobody else
 * Reserved   the lowest cpus, as many as --system-reserved cpu= needs, are never given away; nor is the last of the pool
 * Source     kubelet pkg/kubelet/cm/cpumanager/policy_static.go
 */
#ifndef LP_AGENT_PINNING_H
#define LP_AGENT_PINNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "specs/kinds.h"

#define LP_PINNING_CPUS 256
#define LP_PINNING_TEXT 512

struct lp_cpus {
	uint64_t bits[LP_PINNING_CPUS / 64];
};

/* "0-3,8"; -EINVAL. An empty set prints as "". */
int lp_pinning_parse(const char *text, struct lp_cpus *out);
void lp_pinning_print(const struct lp_cpus *cpus, char out[static LP_PINNING_TEXT]);
size_t lp_pinning_count(const struct lp_cpus *cpus);
bool lp_pinning_meet(const struct lp_cpus *a, const struct lp_cpus *b);
void lp_pinning_remove(struct lp_cpus *from, const struct lp_cpus *what);
void lp_pinning_add(struct lp_cpus *to, const struct lp_cpus *what);

/* Pure: the highest `count` cpus of the pool, so that one at least stays. -ENOSPC. */
int lp_pinning_take(const struct lp_cpus *pool, size_t count, struct lp_cpus *out);

/* Pure: how many cpus of its own this container gets; 0 none. */
size_t lp_pinning_wants(const struct lp_spec_pod *pod, const struct lp_spec_container *container, bool policy, bool annotated);

struct lp_agent;
struct lp_pod;
struct lp_spec_pod;

/* Before a pod is spawned: give its containers their cpus. -ENOSPC with words. */
int lp_pinning_reserve(struct lp_pod *pod, const struct lp_spec_pod *view, struct lp_err *err);

/* The cpuset of container n; NULL: wherever it likes. `out` holds its text. */
const char *lp_pinning_cpuset(const struct lp_pod *pod, size_t n, char out[static LP_PINNING_TEXT]);

/* Let running containers know of a pool that changed; writes only then. */
void lp_pinning_apply(struct lp_agent *agent);

#endif
