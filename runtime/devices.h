/*
 * runtime/devices.h - the nodes of a container's /dev, and the eBPF program that decides which devices it may use.
 *
 * Rule    an allow list: the six usual ones, terminals, and what the config names; everything else is EPERM.
 *         Or OCI's rules (limits.device_rules): first nothing is allowed, each rule in order allows or takes away, and in the
 *         end the usual ones and terminals are allowed whatever the rules say
 * Source  Linux Documentation/admin-guide/cgroup-v2.rst "Device controller", linux/bpf.h BPF_PROG_TYPE_CGROUP_DEVICE
 */
#ifndef LP_RUNTIME_DEVICES_H
#define LP_RUNTIME_DEVICES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "runtime/runtime.h"

/*
 * Put the filter onto a fresh cgroup. A row of type 'a' leaves it off. -EOPNOTSUPP: this kernel has no such programs
 * (CONFIG_CGROUP_BPF); what then remains is that a container can make no nodes and finds none outside of its /dev.
 */
int lp_devices_filter(int cgroup_fd, const struct lp_device *devices, size_t count, struct lp_err *err);

/*
 * The filter of OCI rules. `nodes`: what lp_devices_populate will make; they may be made whatever the rules say. -EINVAL for a rule of an unknown type, -E2BIG for more than the program holds (256). When everything is allowed
 * in the end there is no filter. -EOPNOTSUPP as above.
 */
int lp_devices_filter_rules(int cgroup_fd, const struct lp_device_rule *rules, size_t count, const struct lp_device *nodes, size_t node_count,
    struct lp_err *err);

/* Other rules for a cgroup that lives (OCI update): the new filter takes the place of the old one, in one step where there is one. */
int lp_devices_replace(int cgroup_fd, const struct lp_device_rule *rules, size_t count, struct lp_err *err);

/* The usual nodes, the devices' nodes and the links into an empty tmpfs. Owners come out as the caller's fsuid. */
int lp_devices_populate(int dev_fd, const struct lp_container_config *config, struct lp_err *err);

/* Open <dev_fd>/null and check that it is 1:3. */
int lp_devices_null(int dev_fd, int *out_fd, struct lp_err *err);

/* The program alone, for tests: writes at most `max` instructions, returns how many. -E2BIG too many rows. */
struct bpf_insn;
int lp_devices_program(const struct lp_device *devices, size_t count, struct bpf_insn *out, size_t max);
/* The same for rules. 0: everything is allowed, no program is needed. */
int lp_devices_rules_program(const struct lp_device_rule *rules, size_t count, const struct lp_device *nodes, size_t node_count,
    struct bpf_insn *out, size_t max);

#endif
