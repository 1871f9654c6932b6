#include "runtime/oci/oci_resources.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "runtime/devices.h"

static int
no_memory(struct lp_err *err)
{
	return lp_err_set(err, -ENOMEM, "resources");
}

static int
refuse(struct lp_err *err, const char *member)
{
	return lp_err_say(err, -ENOTSUP, "linux.resources.%s: cgroup v2 has no such limit", member);
}

/* -1 takes the limit away, 0 or absent leaves it. */
static uint64_t
limit_of(struct lp_oci_number number)
{
	if (!number.set || number.value == 0)
		return 0;
	return number.value < 0 ? LP_CGROUP_MAX : (uint64_t)number.value;
}

static int
make_memory(const struct lp_oci_memory *memory, struct lp_cgroup_limits *out, struct lp_err *err)
{
	if (memory->kernel.value > 0)
		return refuse(err, "memory.kernel");
	if (memory->kernel_tcp.value > 0)
		return refuse(err, "memory.kernelTCP");
	if (memory->swappiness.set)
		return refuse(err, "memory.swappiness");
	if (memory->no_oom_killer)
		return refuse(err, "memory.disableOOMKiller");
	out->memory_max_bytes = limit_of(memory->limit);
	out->memory_low_bytes = limit_of(memory->reservation);
	out->memory_check_first = memory->check;
	return lp_cgroup_swap_of(memory->limit.value, memory->swap.value, &out->swap_max_bytes, err);
}

static int
make_cpu(const struct lp_oci_cpu *cpu, struct lp_cgroup_limits *out, struct lp_err *err)
{
	if (cpu->rt_runtime.value != 0)
		return refuse(err, "cpu.realtimeRuntime");
	if (cpu->rt_period.value != 0)
		return refuse(err, "cpu.realtimePeriod");
	if (cpu->idle.set && cpu->idle.value != 0 && cpu->idle.value != 1)
		return lp_err_say(err, -EINVAL, "linux.resources.cpu.idle: 0 or 1 is expected");
	/* The kernel's bounds, said also where there is no controller to ask. */
	if (cpu->period.value != 0 && (cpu->period.value < 1000 || cpu->period.value > 1000000))
		return lp_err_say(err, -EINVAL, "linux.resources.cpu.period: 1000 to 1000000 microseconds are expected");
	if (cpu->quota.value > 0 && cpu->quota.value < 1000)
		return lp_err_say(err, -EINVAL, "linux.resources.cpu.quota: 1000 microseconds at least are expected");
	if (cpu->shares.value)
		out->cpu_weight = lp_cgroup_weight_of_shares((uint64_t)cpu->shares.value);
	out->cpu_quota_usec = limit_of(cpu->quota);
	out->cpu_period_usec = (uint64_t)cpu->period.value;
	if (cpu->burst.set)
		out->cpu_burst_usec = cpu->burst.value ? (uint64_t)cpu->burst.value : LP_CGROUP_ZERO;
	if (cpu->idle.set)
		out->cpu_idle = cpu->idle.value ? 1 : -1;
	out->cpuset_cpus = cpu->cpus && cpu->cpus[0] ? cpu->cpus : NULL;
	out->cpuset_mems = cpu->mems && cpu->mems[0] ? cpu->mems : NULL;
	return 0;
}

/* ---- io: one row per device, out of five lists ---- */

static struct lp_cgroup_io *
device_row(struct lp_cgroup_io *rows, size_t *count, struct lp_oci_number major, struct lp_oci_number minor)
{
	for (size_t i = 0; i < *count; i++)
		if (rows[i].major == (uint32_t)major.value && rows[i].minor == (uint32_t)minor.value)
			return &rows[i];
	rows[*count] = (struct lp_cgroup_io){ .major = (uint32_t)major.value, .minor = (uint32_t)minor.value };
	return &rows[(*count)++];
}

static uint64_t
rate_of(struct lp_oci_number rate)
{
	return rate.value ? (uint64_t)rate.value : LP_CGROUP_MAX;
}

static int
make_io(struct lp_arena *arena, const struct lp_oci_block_io *io, struct lp_cgroup_limits *out, struct lp_err *err)
{
	const size_t room = io->weights.count + io->read_bps.count + io->write_bps.count + io->read_iops.count + io->write_iops.count;
	struct lp_cgroup_io *rows = lp_arena_alloc(arena, (room + 1) * sizeof(*rows));
	size_t count = 0;

	if (!rows)
		return no_memory(err);
	if (io->leaf_weight.value)
		return refuse(err, "blockIO.leafWeight");
	for (size_t i = 0; i < io->weights.count; i++) {
		const struct lp_oci_weight *weight = &io->weights.items[i];

		if (weight->leaf_weight.value)
			return refuse(err, "blockIO.weightDevice.leafWeight");
		device_row(rows, &count, weight->major, weight->minor)->weight = (uint32_t)weight->weight.value;
	}
#define EACH(list, member) \
	for (size_t i = 0; i < io->list.count; i++) \
		device_row(rows, &count, io->list.items[i].major, io->list.items[i].minor)->member = rate_of(io->list.items[i].rate)
	EACH(read_bps, read_bps);
	EACH(write_bps, write_bps);
	EACH(read_iops, read_iops);
	EACH(write_iops, write_iops);
#undef EACH
	out->io_weight = (uint32_t)io->weight.value;
	out->io = rows;
	out->io_count = count;
	return 0;
}

/* ---- devices ---- */

static int
make_rule(const struct lp_oci_rule *rule, struct lp_device_rule *out, struct lp_err *err)
{
	const char *access = rule->access && rule->access[0] ? rule->access : "rwm";
	const char *type = rule->type && rule->type[0] ? rule->type : "a";

	if (strlen(type) != 1 || !strchr("abcpu", type[0]))
		return lp_err_say(err, -EINVAL, "linux.resources.devices: %.20s is no type of device", type);
	/* "a" is no access, but written for all of them often enough: to deny it denies more, to allow it is an error. */
	if (!rule->allow && strchr(access, 'a'))
		access = "rwm";
	if (access[strspn(access, "rwm")])
		return lp_err_say(err, -EINVAL, "linux.resources.devices: %.20s is no access, r w m are", access);
	*out = (struct lp_device_rule){
		.allow = rule->allow, .type = type[0],
		.major = rule->major.set ? rule->major.value : -1, .minor = rule->minor.set ? rule->minor.value : -1,
		.read = strchr(access, 'r') != NULL, .write = strchr(access, 'w') != NULL, .mknod = strchr(access, 'm') != NULL,
	};
	return 0;
}

static int
make_rules(struct lp_arena *arena, const struct lp_oci_resources *resources, struct lp_cgroup_limits *out, struct lp_err *err)
{
	struct lp_device_rule *rules = lp_arena_alloc(arena, (resources->devices.count + 1) * sizeof(*rules));
	int rc = rules ? 0 : no_memory(err);

	for (size_t i = 0; rc == 0 && i < resources->devices.count; i++)
		rc = make_rule(&resources->devices.items[i], &rules[i], err);
	out->device_rules = rules;
	out->device_rule_count = resources->devices.count;
	return rc;
}

/* ---- the rest ---- */

static int
make_lists(struct lp_arena *arena, const struct lp_oci_resources *resources, struct lp_cgroup_limits *out, struct lp_err *err)
{
	struct lp_cgroup_huge *huge = lp_arena_alloc(arena, (resources->huge.count + 1) * sizeof(*huge));
	struct lp_cgroup_rdma *rdma = lp_arena_alloc(arena, (resources->rdma.count + 1) * sizeof(*rdma));
	struct lp_cgroup_file *files = lp_arena_alloc(arena, (resources->unified.count + 1) * sizeof(*files));

	if (!huge || !rdma || !files)
		return no_memory(err);
	for (size_t i = 0; i < resources->huge.count; i++)
		huge[i] = (struct lp_cgroup_huge){ resources->huge.items[i].page, (uint64_t)resources->huge.items[i].limit.value };
	for (size_t i = 0; i < resources->rdma.count; i++)
		rdma[i] = (struct lp_cgroup_rdma){ resources->rdma.items[i].key, limit_of(resources->rdma.items[i].handles),
			limit_of(resources->rdma.items[i].objects) };
	for (size_t i = 0; i < resources->unified.count; i++)
		files[i] = (struct lp_cgroup_file){ resources->unified.items[i].key, resources->unified.items[i].value };
	out->huge = huge;
	out->huge_count = resources->huge.count;
	out->rdma = rdma;
	out->rdma_count = resources->rdma.count;
	out->unified = files;
	out->unified_count = resources->unified.count;
	return 0;
}

int
lp_oci_resources_make(struct lp_arena *arena, const struct lp_oci_resources *resources, struct lp_cgroup_limits *out, struct lp_err *err)
{
	int rc = 0;

	lp_cgroup_limits_init(out);
	if (!resources)
		return 0;
	if (resources->memory)
		rc = make_memory(resources->memory, out, err);
	if (rc == 0 && resources->cpu)
		rc = make_cpu(resources->cpu, out, err);
	if (rc == 0 && resources->block_io)
		rc = make_io(arena, resources->block_io, out, err);
	if (rc == 0 && resources->pids)
		out->pids_max = limit_of(resources->pids->limit);
	if (rc == 0 && resources->network && (resources->network->class_id.value || lp_json_count(resources->network->priorities)))
		rc = refuse(err, "network");
	if (rc == 0)
		rc = make_rules(arena, resources, out, err);
	return rc < 0 ? rc : make_lists(arena, resources, out, err);
}

int
lp_oci_resources_apply(int cgroup_fd, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err)
{
	int rc = lp_cgroup_update(cgroup_fd, limits, out_missing, err);

	if (rc == 0 && limits->device_rule_count)
		rc = lp_devices_replace(cgroup_fd, limits->device_rules, limits->device_rule_count, err);
	return rc;
}
