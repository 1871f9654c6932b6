/*
 * agent/facts/facts.h - what convert, env and volume need to know beside the pod itself; filled by pod.c, read by pure code.
 */
#ifndef LP_AGENT_FACTS_H
#define LP_AGENT_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/facts/ceiling.h"
#include "base/err.h"
#include "base/json.h"
#include "images/images.h"
#include "runtime/runtime.h"

/* The image of one container, and who runs in it. */
struct lp_facts_image {
	const struct lp_image *image;
	uint32_t uid, gid;		/* what the image's USER says, resolved in its passwd */
	const uint32_t *groups;
	size_t group_count;
};

/* An object the pod mentions, from the revision; NULL when it is not there. */
typedef const struct lp_json *(*lp_facts_object_fn)(void *arg, const char *kind, const char *namespace, const char *name);
/* Every Service of the namespace, for the environment; call until NULL. */
typedef const struct lp_json *(*lp_facts_service_fn)(void *arg, const char *namespace, size_t index);

/* A seccomp profile of the node by its localhostProfile. */
typedef int (*lp_facts_profile_fn)(void *arg, struct lp_arena *arena, const char *name, struct lp_json **out, struct lp_err *err);

struct lp_facts {
	const char *layers_path;	/* absolute: <data>/layers */
	const char *pod_path;		/* absolute: <data>/pods/<uid> */
	const char *instance;		/* cgroup prefix: "limpet" */
	const char *node_name, *node_ip;
	const char *host_name;		/* of the pod, for its environment; set by convert.c */
	const char *pod_ip;		/* NULL with the host's network before it is known */
	const char *cluster_domain;
	const char *dns_ip;		/* of the node's resolver; NULL: none */
	const char *host_resolv;	/* text of the host's /etc/resolv.conf without loopback resolvers */
	const char *volumes_path;	/* absolute: <data>/volumes */
	bool standalone;		/* nobody binds claims: one of our classes is its own volume */
	int64_t cpu_milli, memory_bytes, storage_bytes;	/* allocatable, for resourceFieldRef */
	uint32_t uid_base;		/* 0: the host's user namespace */
	bool tmpfs_idmap;		/* the kernel can idmap tmpfs (6.3) */
	int64_t backoff_max_ms;		/* the node's ceiling on CrashLoopBackOff; 0: Kubernetes' five minutes */
	bool may_protect;		/* negative oom_score_adj is allowed */
	const char *const *cpusets;	/* of each container, same order as images; NULL: none has one */
	bool memory_qos;		/* requests become memory.min, and memory.high stands before limits */
	uint64_t pod_pids_max;		/* processes of a whole pod; 0: 1024 a container */
	const struct lp_facts_image *images;	/* init containers first, then containers */
	const uint64_t *attempts;	/* first attempt of each, same order; NULL: 0 */
	const struct lp_ceiling *ceiling;	/* the owner's; NULL: none */
	bool apparmor, selinux;		/* the kernel has it */
	bool apparmor_default;		/* and LP_PROFILE_DEFAULT is loaded there */
	const struct lp_device *devices;	/* the host's, for privileged containers */
	size_t device_count;
	lp_facts_profile_fn profile;	/* NULL: there are none */
	lp_facts_object_fn object;
	lp_facts_service_fn service;
	/* Something that is no failure and worth an event of the pod; NULL: nobody listens. */
	void (*tell)(void *arg, const char *reason, const char *message);
	void *arg;
};

#endif
