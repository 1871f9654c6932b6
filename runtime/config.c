#include <string.h>

#include "base/auto.h"
#include "runtime/runtime.h"

/* The usual mounts of a container; Source: OCI runtime-spec config-linux.md, and what containerd gives by default. */
static const struct lp_mount usual_mounts[] = {
	{ .kind = LP_MOUNT_PROC, .target = "/proc", .source = { .fd = -1 } },
	{ .kind = LP_MOUNT_DEV, .target = "/dev", .source = { .fd = -1 } },
	{ .kind = LP_MOUNT_MQUEUE, .target = "/dev/mqueue", .source = { .fd = -1 }, .flags = LP_MOUNT_OPTIONAL },
	{ .kind = LP_MOUNT_SYSFS, .target = "/sys", .source = { .fd = -1 }, .flags = LP_MOUNT_RO },
	{ .kind = LP_MOUNT_CGROUP, .target = "/sys/fs/cgroup", .source = { .fd = -1 }, .flags = LP_MOUNT_RO },
};

const char *const lp_container_masked[] = {
	"/proc/asound",
	"/proc/acpi",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/sys/firmware",
	"/sys/devices/virtual/powercap",
	"/sys/devices/system/cpu/cpu*/thermal_throttle",
	NULL,
};

const char *const lp_container_readonly[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

const struct lp_mount *
lp_container_mounts(size_t *out_count)
{
	*out_count = lp_count(usual_mounts);
	return usual_mounts;
}

void
lp_process_config_init(struct lp_process_config *process)
{
	memset(process, 0, sizeof(*process));
	for (int i = 0; i < 3; i++)
		process->stdio[i] = -1;
	lp_caps_fill(&process->caps, lp_caps_default(false), false);
	process->no_new_privs = true;
	process->seccomp = LP_SECCOMP_DEFAULT;
}

void
lp_container_config_init(struct lp_container_config *config)
{
	memset(config, 0, sizeof(*config));
	lp_process_config_init(&config->process);
	config->rootfs.ready.fd = config->rootfs.writable.fd = -1;
	config->mounts = lp_container_mounts(&config->mount_count);
	config->masked_paths = lp_container_masked;
	config->readonly_paths = lp_container_readonly;
	for (int i = 0; i < LP_NS_COUNT; i++)
		config->ns[i].fd = -1;
	config->ns[LP_NS_USER].how = LP_NS_HOST;	/* a new one needs id maps, which only the caller knows */
	config->ns[LP_NS_TIME].how = LP_NS_HOST;	/* clocks are the machine's unless somebody asks */
	config->cgroup_parent_fd = config->start_fd = -1;
	config->limits.swap_max_bytes = LP_CGROUP_SWAP_UNSET;
}
