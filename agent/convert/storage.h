/*
 * agent/convert/storage.h - pure: what a pod has on the node's disk -> whether it has more than it may.
 *
 * Counted  per container its writable layer and its logs; per emptyDir on disk what is in it. All of them together are the pod's
 * Source   kubelet pkg/kubelet/eviction/eviction_manager.go localStorageEviction
 */
#ifndef LP_AGENT_STORAGE_H
#define LP_AGENT_STORAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "specs/kinds.h"

enum lp_storage_kind { LP_STORAGE_LAYER, LP_STORAGE_LOG, LP_STORAGE_VOLUME };

struct lp_storage_use {
	enum lp_storage_kind kind;
	const char *name;		/* of the container or the volume */
	uint64_t bytes, inodes;
};

/* Does this pod have a limit that has to be measured? */
bool lp_storage_limited(const struct lp_spec_pod *pod);

/* Is a limit exceeded? Then `message` says which, in the kubelet's words. */
bool lp_storage_over(const struct lp_spec_pod *pod, const struct lp_storage_use *use, size_t count, char *message, size_t size);

/* The same for containers that name no limit, where the owner of the node allows `most_bytes` each; 0: no limit. */
bool lp_storage_over_most(const struct lp_spec_pod *pod, const struct lp_storage_use *use, size_t count, int64_t most_bytes, char *message,
    size_t size);

/* The writable layers of a pod together, where nobody named a limit: half of the disk. */
uint64_t lp_storage_default_most(uint64_t disk_bytes);

/* Does a pod without quota and limits have more in its writable layers than that? 0: no limit. */
bool lp_storage_over_default(const struct lp_storage_use *use, size_t count, uint64_t most_bytes, char *message, size_t size);

#endif
