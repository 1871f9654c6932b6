#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/auto.h"
#include "base/text.h"
#include "runtime/oci/oci_resources.h"
#include "tools/oci/oci.h"
#include "tools/oci/oci_common.h"
#include "tools/oci/oci_verbs.h"

/* update: other limits for a container that lives, from a document or from single options. */

static struct {
	const char *file;
	const char *memory, *memory_swap, *memory_reservation;
	const char *cpu_period, *cpu_quota, *cpu_shares, *cpu_burst, *cpu_idle, *cpuset_cpus, *cpuset_mems;
	const char *pids_limit, *blkio_weight, *rt_period, *rt_runtime;
} wanted = { .file = NULL };

static const struct lp_opt options[] = {
	{ "resources", 'r', LP_OPT_STR, &wanted.file, "FILE|-", "linux.resources as JSON; the other options are not looked at then" },
	{ "memory", 0, LP_OPT_STR, &wanted.memory, "BYTES", "limit of memory, -1 none; K, M, G as units" },
	{ "memory-swap", 0, LP_OPT_STR, &wanted.memory_swap, "BYTES", "limit of memory and swap together" },
	{ "memory-reservation", 0, LP_OPT_STR, &wanted.memory_reservation, "BYTES", "memory that is left to it as long as there is other" },
	{ "cpu-period", 0, LP_OPT_STR, &wanted.cpu_period, "USEC", "time in which the quota may be used" },
	{ "cpu-quota", 0, LP_OPT_STR, &wanted.cpu_quota, "USEC", "cpu time in each period, -1 any" },
	{ "cpu-burst", 0, LP_OPT_STR, &wanted.cpu_burst, "USEC", "unused quota that may be saved" },
	{ "cpu-share", 0, LP_OPT_STR, &wanted.cpu_shares, "SHARES", "weight among others, 2 to 262144" },
	{ "cpu-shares", 0, LP_OPT_STR, &wanted.cpu_shares, "SHARES", "the same" },
	{ "cpu-idle", 0, LP_OPT_STR, &wanted.cpu_idle, "0|1", "runs only when nothing else does" },
	{ "cpu-rt-period", 0, LP_OPT_STR, &wanted.rt_period, "USEC", "cgroup v2 has none: refused" },
	{ "cpu-rt-runtime", 0, LP_OPT_STR, &wanted.rt_runtime, "USEC", "cgroup v2 has none: refused" },
	{ "cpuset-cpus", 0, LP_OPT_STR, &wanted.cpuset_cpus, "LIST", "cpus it may use" },
	{ "cpuset-mems", 0, LP_OPT_STR, &wanted.cpuset_mems, "LIST", "memory nodes it may use" },
	{ "pids-limit", 0, LP_OPT_STR, &wanted.pids_limit, "N", "most processes, -1 any number" },
	{ "blkio-weight", 0, LP_OPT_STR, &wanted.blkio_weight, "WEIGHT", "weight among others, 10 to 1000" },
	{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
};

/* "50M" -> bytes; also "-1". */
static int
parse_number(const char *name, const char *text, bool bytes, struct lp_oci_number *out, struct lp_err *err)
{
	static const char units[] = "kmgt";
	const size_t len = text ? strspn(text, "-0123456789") : 0;
	char digits[24];
	const char *unit;
	int64_t number;

	if (!text)
		return 0;
	if (len >= sizeof(digits))
		return lp_err_say(err, -EINVAL, "--%s: %.40s is no number", name, text);
	memcpy(digits, text, len);
	digits[len] = '\0';
	if (lp_text_i64(digits, -1, INT64_MAX, &number) < 0)
		return lp_err_say(err, -EINVAL, "--%s: %.40s is no number", name, text);
	if (text[len]) {
		unit = strchr(units, text[len] | 0x20);
		if (!bytes || !unit || (text[len + 1] && strcasecmp(text + len + 1, "b") != 0 && strcasecmp(text + len + 1, "ib") != 0) ||
		    number > INT64_MAX >> (10 * (unit - units + 1)))
			return lp_err_say(err, -EINVAL, "--%s: %.40s is no number", name, text);
		number <<= 10 * (unit - units + 1);
	}
	*out = (struct lp_oci_number){ .value = number, .set = true };
	return 0;
}

static int
from_options(struct lp_oci_resources *out, struct lp_oci_memory *memory, struct lp_oci_cpu *cpu, struct lp_oci_block_io *io,
    struct lp_oci_pid_limit *pids, struct lp_err *err)
{
	const struct {
		const char *name, *text;
		bool bytes;
		struct lp_oci_number *number;
	} rows[] = {
		{ "memory",             wanted.memory,             true,  &memory->limit },
		{ "memory-swap",        wanted.memory_swap,        true,  &memory->swap },
		{ "memory-reservation", wanted.memory_reservation, true,  &memory->reservation },
		{ "cpu-period",         wanted.cpu_period,         false, &cpu->period },
		{ "cpu-quota",          wanted.cpu_quota,          false, &cpu->quota },
		{ "cpu-burst",          wanted.cpu_burst,          false, &cpu->burst },
		{ "cpu-shares",         wanted.cpu_shares,         false, &cpu->shares },
		{ "cpu-idle",           wanted.cpu_idle,           false, &cpu->idle },
		{ "cpu-rt-period",      wanted.rt_period,          false, &cpu->rt_period },
		{ "cpu-rt-runtime",     wanted.rt_runtime,         false, &cpu->rt_runtime },
		{ "pids-limit",         wanted.pids_limit,         false, &pids->limit },
		{ "blkio-weight",       wanted.blkio_weight,       false, &io->weight },
	};

	for (size_t i = 0; i < lp_count(rows); i++) {
		int rc = parse_number(rows[i].name, rows[i].text, rows[i].bytes, rows[i].number, err);

		if (rc < 0)
			return rc;
	}
	cpu->cpus = wanted.cpuset_cpus;
	cpu->mems = wanted.cpuset_mems;
	out->memory = memory;
	out->cpu = cpu;
	out->block_io = io;
	out->pids = pids;
	return 0;
}

static int
from_file(struct lp_arena *arena, struct lp_oci_resources **out, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, LP_OCI_CONFIG_MAX);
	rc = lp_oci_read_file(wanted.file, &text, err);
	return rc < 0 ? rc : lp_oci_spec_parse_resources(arena, lp_buf_text(&text), text.len, out, err);
}

static void
warn_missing(const char *id, uint32_t missing)
{
	for (int i = 0; i < LP_CGROUP_CONTROLLERS; i++)
		if (missing & LP_CGROUP_BIT(i))
			lp_oci_warn("container %s: %s limit not set: no controller", id, lp_cgroup_controller_name((enum lp_cgroup_controller)i));
}

static int
update(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err)
{
	struct lp_oci_resources single = { 0 }, *resources = &single;
	struct lp_oci_memory memory = { 0 };
	struct lp_oci_cpu cpu = { 0 };
	struct lp_oci_block_io io = { 0 };
	struct lp_oci_pid_limit pids = { 0 };
	struct lp_cgroup_limits limits;
	lp_auto_fd int cgroup = -1;
	uint32_t missing = 0;
	int rc;

	(void)line;
	rc = wanted.file ? from_file(&found->arena, &resources, err) : from_options(resources, &memory, &cpu, &io, &pids, err);
	if (rc == 0)
		rc = lp_oci_resources_make(&found->arena, resources, &limits, err);
	if (rc == 0 && found->status == LP_OCI_STOPPED)
		rc = lp_err_say(err, -EINVAL, "container not running");
	if (rc == 0 && !found->state.cgroup[0])
		rc = lp_err_say(err, -ENOTSUP, "container %s has no cgroup, without which it has no limits", found->state.id);
	if (rc == 0)
		rc = lp_oci_state_cgroup(&found->state, &cgroup, err);
	if (rc == 0)
		rc = lp_oci_resources_apply(cgroup, &limits, &missing, err);
	warn_missing(found->state.id, missing);
	return rc;
}

int
lp_oci_update_main(int argc, char **argv)
{
	static const struct lp_oci_usage usage = { "CONTAINER", "Changes limits; what is not named stays as it is.", "update --memory 64M web",
		1, 1, false };

	return lp_oci_verb(argc, argv, options, &usage, true, update);
}
