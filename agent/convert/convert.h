/*
 * agent/convert/convert.h - the one place where a pod becomes containers: pod spec and facts -> the keeper's record.
 *
 * Rule    pure: no system call, no clock; everything it needs is in struct lp_facts
 * Input   `policy` is the pod (the manifest of an authenticated operator); `content` is the image, which may say program,
 *         environment, directory, user and signal, and nothing that gives a right (TRUST.md rule 6)
 * Errors  -EINVAL, -ENOENT, -EOPNOTSUPP in the kubelet's words where it has some; the caller shows them as the reason
 *         CreateContainerConfigError
 */
#ifndef LP_AGENT_CONVERT_H
#define LP_AGENT_CONVERT_H

#include "agent/facts/facts.h"
#include "agent/volume/volume.h"
#include "base/arena.h"
#include "base/err.h"
#include "keeper/control.h"
#include "specs/kinds.h"

enum lp_convert_qos { LP_CONVERT_GUARANTEED, LP_CONVERT_BURSTABLE, LP_CONVERT_BEST_EFFORT };

/* Kubernetes' quality of service class of a pod; "Guaranteed", "Burstable", "BestEffort". */
enum lp_convert_qos lp_convert_qos(const struct lp_spec_pod *pod);
const char *lp_convert_qos_name(enum lp_convert_qos qos);

/* The folder of the class below the instance's cgroup. */
const char *lp_convert_qos_folder(enum lp_convert_qos qos);

/* The limits of a container, of its pod; of the facts only memory_bytes, memory_qos and pod_pids_max count. -ENOMEM. */
int lp_convert_limits(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_spec_container *container,
    const struct lp_facts *facts, struct lp_cgroup_limits *out);
int lp_convert_pod_limits(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_facts *facts, struct lp_cgroup_limits *out);

/*
 * What a pod asks for in all ("cpu" in thousandths, "memory", "ephemeral-storage" in bytes): the sum of its containers and sidecars,
 * at least that of every init container beside the sidecars before it; with its overhead. *out_all (may be NULL): every one says so.
 */
int64_t lp_convert_sum(const struct lp_spec_pod *pod, bool limit, const char *name, bool *out_all);

/* Does the pod want a user namespace of its own? `why` (may be NULL) gets the reason when it wants one and cannot have it. */
bool lp_convert_wants_users(const struct lp_spec_pod *pod, const char **out_why);

/* Whom the container runs as, for lp_user_resolve: securityContext's runAsUser and runAsGroup, else the image's word. NULL: no memory. */
const char *lp_convert_user(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_spec_container *container,
    const struct lp_image *image);

/* -EINVAL "container has runAsNonRoot and image will run as root" and the like come from here too. All in the arena. */
int lp_convert_pod(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_control_pod *out, struct lp_err *err);

/* The volumes the pod mounts; shared by convert and by whoever prepares them. */
int lp_convert_volumes(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_volume **out, size_t *out_count, struct lp_err *err);

/* Does a container want what it mounts in this volume to reach the host (Bidirectional)? Then the host's mount has to be shared. */
bool lp_convert_both_ways(const struct lp_spec_pod *pod, const struct lp_volume *volume);

/* etc/hosts, etc/hostname, etc/resolv.conf of the pod's directory. */
int lp_convert_files(struct lp_arena *arena, const struct lp_spec_pod *pod, const struct lp_json *pod_json, const struct lp_facts *facts,
    struct lp_control_file **out, size_t *out_count, struct lp_err *err);

#endif
