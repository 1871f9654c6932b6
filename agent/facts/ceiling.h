/*
 * agent/facts/ceiling.h - pure: what the owner of this node allows at most, whatever a manager wants.
 *
 * File    <data>/ceiling.yaml (ceiling_file.h): one YAML document; what is not named has no limit of its own
 *           privileged hostUsers hostNetwork hostPID hostIPC seccompUnconfined procUnmasked: false
 *           hostPaths:     [{path: /srv, readOnly: true}, ...]     nothing else of the host is mounted
 *           devices:       ["/dev/ttyUSB*", ...]                   of what is below /dev
 *           hostPorts:     ["8000-8999", "80"]
 *           capabilities:  [CHOWN, NET_ADMIN, ...]                 defaults of a container included
 *           unsafeSysctls: ["kernel.msg*", ...]                    without it: none
 *           images:        ["registry.local/", ...]                what the full reference begins with
 *           signedImages:  true                                    refuses every image as long as signatures are not checked here
 *           maxPods, maxProcesses (of a container), podCPU, podMemory, writableLayer (of a container): quantities
 * Strict  an unknown key or a value that cannot be read makes the whole file invalid; lp_ceiling_strictest holds then at start
 */
#ifndef LP_AGENT_CEILING_H
#define LP_AGENT_CEILING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "specs/kinds.h"

struct lp_ceiling_path {
	const char *path;
	bool read_only;
};

struct lp_ceiling_ports {
	uint16_t first, last;
};

struct lp_ceiling_words {
	const char **items;		/* a trailing * stands for any rest */
	size_t count;
	bool set;			/* false: no limit */
};

struct lp_ceiling {
	bool privileged, host_users, host_network, host_pid, host_ipc, seccomp_unconfined, proc_unmasked;	/* allowed */
	bool signed_images;		/* only those */
	struct lp_ceiling_path *paths;
	size_t path_count;
	bool paths_set;
	struct lp_ceiling_ports *ports;
	size_t port_count;
	bool ports_set;
	struct lp_ceiling_words devices, sysctls, images;
	uint64_t caps;			/* UINT64_MAX: all */
	int64_t max_pods, max_processes, pod_cpu_milli, pod_memory_bytes, writable_bytes;	/* 0: no limit */
};

/* No limit but that unsafe sysctls are off. */
void lp_ceiling_none(struct lp_ceiling *out);
/* What no pod needs by default is off. */
void lp_ceiling_strictest(struct lp_ceiling *out);

/* Strings live in the arena. -EINVAL names the key. */
int lp_ceiling_read(struct lp_arena *arena, const struct lp_json *document, struct lp_ceiling *out, struct lp_err *err);

/* The row that covers a path of the host (the longest), or NULL. *out_rest: what follows it, without a leading slash. */
const struct lp_ceiling_path *lp_ceiling_path_of(const struct lp_ceiling *ceiling, const char *path, const char **out_rest);
/* May this path of the host be mounted, so? Devices have their own list. */
bool lp_ceiling_allows_path(const struct lp_ceiling *ceiling, const char *path, bool read_only);

/* Is the text one of the words, or covered by one that ends in *? With `prefixes` each word is a beginning. A list that is not set has everything. */
bool lp_ceiling_lists(const struct lp_ceiling_words *words, const char *text, bool prefixes);

/* Kubernetes' safe list: namespaced, and no harm to other pods. */
bool lp_ceiling_is_safe_sysctl(const char *name);

#endif
