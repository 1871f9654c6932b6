/*
 * agent/node/node.h - what this machine is: capacity, addresses, kernel; and its Node object's labels, status and conditions.
 *
 * Units   memory and disk in bytes, cpu in thousandths of a core
 * Rule    lp_node_probe reads the machine; lp_node_status is pure and says nothing that changes by itself, so that an idle
 *         node's report stays the same
 */
#ifndef LP_AGENT_NODE_H
#define LP_AGENT_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/node/allowance.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "images/images.h"

/* One of the pressures of pressure.h, as the conditions tell it. */
struct lp_node_pressure {
	bool on;
	int64_t since_ms;		/* wall time of its last change; 0: since the agent started */
};

struct lp_node {
	int64_t cpu_milli, memory_bytes, disk_bytes;
	char hostname[65], kernel[65], machine[33];	/* machine: "x86_64" */
	char boot_id[LP_CLOCK_BOOT_ID], machine_id[40], os_image[128];
	uint32_t controllers;		/* LP_CGROUP_BIT: what cgroup v2 gives here */
	bool cgroups;			/* there is a cgroup v2 mount */
	bool tmpfs_idmap;		/* Linux 6.3 */
	bool may_protect;		/* CAP_SYS_RESOURCE: negative oom_score_adj */
	uint32_t address;		/* other machines reach it here; 0 unknown */
	char ceiling_fault[256];	/* why the owner's ceiling cannot be read; "" it can, or there is none */
	char users_fault[256];		/* why pods have no user namespace of their own; "" they have */
	struct lp_node_pressure pressure[LP_PRESSURE_KINDS];
};

/* data_fd: for the size of the disk; cgroup_fd -1: none. What cannot be read stays 0 or "". */
void lp_node_probe(struct lp_node *node, int data_fd, int cgroup_fd);

/* Go's word for the machine: amd64, arm64, arm. */
const char *lp_node_arch(const struct lp_node *node);

/* {"labels":{...},"status":{...}} of a NodeReport. `since_ms` is the wall time the agent started: its conditions' transition. */
struct lp_json *lp_node_report(struct lp_arena *arena, const struct lp_node *node, const struct lp_allowance *allowance, const char *name,
    struct lp_images *images, int64_t since_ms);

#endif
