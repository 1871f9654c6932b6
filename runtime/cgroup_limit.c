#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/cgroup.h"

enum { FILE_MAX = 64 * 1024, CPU_PERIOD_USEC = 100000, LINE = 256 };

/* Where limits go. */
struct target {
	int fd;
	uint32_t have, missing;
	bool compare;			/* write only what differs */
	struct lp_err *err;
};

void
lp_cgroup_limits_init(struct lp_cgroup_limits *limits)
{
	memset(limits, 0, sizeof(*limits));
	limits->swap_max_bytes = LP_CGROUP_SWAP_UNSET;
}

/* ---- numbers ---- */

/* Kubernetes gives 1024 shares to a core; v2 wants a weight of 1 to 10000 (KEP-2254's formula). */
static uint64_t
weight_of_milli(uint64_t milli)
{
	uint64_t shares = milli * 1024 / 1000;

	shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
	return 1 + (shares - 2) * 9999 / 262142;
}

/* The upper half of a product: 32-bit machines have no number of 128 bits. */
static uint64_t
multiply_high(uint64_t a, uint64_t b)
{
	uint64_t a1 = a >> 32, a0 = (uint32_t)a, b1 = b >> 32, b0 = (uint32_t)b;
	uint64_t middle = a1 * b0 + (a0 * b0 >> 32), rest = a0 * b1 + (uint32_t)middle;

	return a1 * b1 + (middle >> 32) + (rest >> 32);
}

/* a * b, both in units of 2^-32. */
static uint64_t
multiply(uint64_t a, uint64_t b)
{
	return multiply_high(a, b) << 32 | a * b >> 32;
}

/* Binary logarithm of a whole number, in units of 2^-32: one digit for each squaring. */
static uint64_t
log2_of(uint64_t value)
{
	unsigned whole = 63u - (unsigned)__builtin_clzll(value);
	uint64_t result = (uint64_t)whole << 32, x = value << (63 - whole);	/* 1 <= x / 2^63 < 2 */

	for (int bit = 31; bit >= 0; bit--) {
		x = multiply_high(x, x);	/* the square, halved */
		if (x >> 63)
			result |= UINT64_C(1) << bit;
		else
			x <<= 1;
	}
	return result;
}

/* weight = 10 ^ ((l * l + 125 * l) / 612 - 7 / 34), l = log2(shares); rounded up. Found by halves: the function only rises. */
uint64_t
lp_cgroup_weight_of_shares(uint64_t shares)
{
	const uint64_t log2_10 = UINT64_C(14267572527);	/* in units of 2^-32 */
	uint64_t l, wanted, low = 1, high = 10000;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	l = log2_of(shares);
	/* log2 of the weight, times 612, in units of 2^-32 */
	wanted = multiply(multiply(l, l) + 125 * l - (UINT64_C(126) << 32), log2_10);
	while (low < high) {
		uint64_t middle = (low + high) / 2;

		/* What digits are lost in 2^-32 must not push 1024 -> 100 to 101. */
		if (612 * log2_of(middle) + 700 >= wanted)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

int
lp_cgroup_swap_of(int64_t memory, int64_t memory_and_swap, int64_t *out, struct lp_err *err)
{
	if (memory_and_swap == 0)
		*out = memory == -1 ? LP_CGROUP_SWAP_MAX : LP_CGROUP_SWAP_UNSET;
	else if (memory_and_swap == -1)
		*out = LP_CGROUP_SWAP_MAX;
	else if (memory_and_swap < 0 || memory < -1)
		return lp_err_say(err, -EINVAL, "memory limits of %" PRId64 " and, with swap, %" PRId64, memory, memory_and_swap);
	else if (memory <= 0)
		return lp_err_say(err, -EINVAL, "unable to set swap limit without memory limit");
	else if (memory_and_swap < memory)
		return lp_err_say(err, -EINVAL, "memory+swap limit should be >= memory limit");
	else
		*out = memory_and_swap - memory;
	return 0;
}

/* OCI's 10 to 1000 as io.weight's 1 to 10000. Source: runc, as for bfq, whose own file takes 10 to 1000 as they are. */
static uint32_t
io_weight_of(uint32_t weight)
{
	return weight <= 10 ? 1 : 1 + (weight - 10) * 9999 / 990;
}

static void
print_value(char text[static 24], uint64_t value)
{
	if (value == LP_CGROUP_MAX)
		(void)snprintf(text, 24, "max");
	else
		(void)snprintf(text, 24, "%" PRIu64, value == LP_CGROUP_ZERO ? 0 : value);
}

/* ---- one file ---- */

/* What a refusal means. */
static int
refused(const struct target *target, const char *file, const char *text, int rc)
{
	static const struct {
		char file[20];
		int16_t code;
		char words[72];
	} rows[] = {
		{ "memory.max",       EBUSY,      "more is in use than the new limit" },
		{ "cpu.max.burst",    EINVAL,     "not above the quota" },
		{ "cpu.max",          EINVAL,     "period 1 ms to 1 s, quota at least 1 ms and not below the burst" },
		{ "cpu.weight",       EINVAL,     "not while cpu.idle is on" },
		{ "cpu.weight",       ERANGE,     "1 to 10000" },
		{ "cpuset.cpus",      EINVAL,     "not a list of this machine's CPUs" },
		{ "cpuset.cpus",      ERANGE,     "not a list of this machine's CPUs" },
		{ "cpuset.mems",      EINVAL,     "not a list of this machine's memory nodes" },
		{ "cpuset.mems",      ERANGE,     "not a list of this machine's memory nodes" },
		{ "io.max",           ENODEV,     "no such block device" },
		{ "io.weight",        ENODEV,     "no such block device" },
		{ "io.weight",        EOPNOTSUPP, "this device's scheduler knows no weights" },
		{ "io.bfq.weight",    EOPNOTSUPP, "this device's scheduler knows no weights" },
		{ "rdma.max",         EINVAL,     "no such device or resource" },
	};
	struct lp_err *err = target->err;

	for (size_t i = 0; i < lp_count(rows); i++)
		if (rows[i].code == -rc && strcmp(rows[i].file, file) == 0)
			return lp_err_say(err, rc, "cgroup limit %s = \"%s\": %s", file, text, rows[i].words);
	return lp_err_set(err, rc, "cgroup limit %s = \"%s\"", file, text);
}

static bool
says_already(int fd, const char *file, const char *text)
{
	lp_auto_buf struct lp_buf now;
	size_t len = strlen(text);

	lp_buf_init(&now, FILE_MAX);
	if (lp_path_read(fd, file, &now, NULL) < 0)
		return false;		/* the write will say what is wrong */
	return strncmp(lp_buf_text(&now), text, len) == 0 && (now.len == len || (now.len == len + 1 && now.data[len] == '\n'));
}

static int
put(struct target *target, enum lp_cgroup_controller controller, const char *file, const char *text)
{
	int rc;

	if (!(target->have & LP_CGROUP_BIT(controller))) {
		target->missing |= LP_CGROUP_BIT(controller);
		return 0;
	}
	if (target->compare && says_already(target->fd, file, text))
		return 0;
	rc = lp_path_put(target->fd, file, *text ? text : "\n", NULL);
	if (rc == -ENOENT) {	/* the controller is there, this file is not: swap accounting off, an older kernel */
		target->missing |= LP_CGROUP_BIT(controller);
		return 0;
	}
	return rc < 0 ? refused(target, file, text, rc) : 0;
}

static int
put_number(struct target *target, enum lp_cgroup_controller controller, const char *file, uint64_t value)
{
	char text[24];

	if (value == 0)
		return 0;
	print_value(text, value);
	return put(target, controller, file, text);
}

static int
put_text(struct target *target, enum lp_cgroup_controller controller, const char *file, const char *text)
{
	return text ? put(target, controller, file, text) : 0;
}

/* ---- memory, processes ---- */

static int
check_memory(struct target *target, const struct lp_cgroup_limits *limits)
{
	lp_auto_buf struct lp_buf text;
	uint64_t limit = limits->memory_max_bytes == LP_CGROUP_ZERO ? 0 : limits->memory_max_bytes, used;

	if (!target->compare || !limits->memory_check_first || !limits->memory_max_bytes || limits->memory_max_bytes == LP_CGROUP_MAX)
		return 0;
	lp_buf_init(&text, FILE_MAX);
	if (lp_path_read(target->fd, "memory.current", &text, NULL) < 0)
		return 0;		/* no controller: putting says so */
	used = strtoull(lp_buf_text(&text), NULL, 10);
	if (used > limit)
		return lp_err_say(target->err, -EBUSY, "cgroup limit memory.max = \"%" PRIu64 "\": %" PRIu64 " bytes are in use", limit, used);
	return 0;
}

static int
put_memory(struct target *target, const struct lp_cgroup_limits *limits)
{
	const struct {
		char file[16];
		uint64_t value;
	} rows[] = {
		{ "memory.low",  limits->memory_low_bytes },
		{ "memory.min",  limits->memory_min_bytes },
		{ "memory.high", limits->memory_high_bytes },
		{ "memory.max",  limits->memory_max_bytes },
	};
	int rc = check_memory(target, limits);

	for (size_t i = 0; rc == 0 && i < lp_count(rows); i++)
		rc = put_number(target, LP_CGROUP_MEMORY, rows[i].file, rows[i].value);
	if (rc == 0 && limits->swap_max_bytes != LP_CGROUP_SWAP_UNSET)
		rc = put_number(target, LP_CGROUP_MEMORY, "memory.swap.max",
		    limits->swap_max_bytes < 0 ? LP_CGROUP_MAX : limits->swap_max_bytes == 0 ? LP_CGROUP_ZERO : (uint64_t)limits->swap_max_bytes);
	if (rc == 0 && limits->memory_oom_group)
		rc = put(target, LP_CGROUP_MEMORY, "memory.oom.group", "1");
	return rc < 0 ? rc : put_number(target, LP_CGROUP_PIDS, "pids.max", limits->pids_max);
}

/* ---- cpu ---- */

/* "<quota> <period>" for cpu.max; what is not said is read from the file. Empty: nothing is said. */
static void
print_cpu_max(const struct target *target, const struct lp_cgroup_limits *limits, char text[static LINE])
{
	uint64_t quota = limits->cpu_quota_usec, period = limits->cpu_period_usec, old_period = CPU_PERIOD_USEC;
	lp_auto_buf struct lp_buf now;
	char word[24] = "max";

	text[0] = '\0';
	if (!quota && !period && !limits->cpu_max_milli)
		return;
	lp_buf_init(&now, FILE_MAX);
	if (target->compare && lp_path_read(target->fd, "cpu.max", &now, NULL) == 0) {
		size_t len;
		const char *old = lp_text_word(lp_buf_text(&now), 0, &len);

		if (old && len < sizeof(word))
			(void)snprintf(word, sizeof(word), "%.*s", (int)len, old);
		(void)lp_text_word_u64(lp_buf_text(&now), 1, UINT64_MAX, &old_period);	/* what cannot be read stays 100 ms */
	}
	if (!quota && limits->cpu_max_milli) {
		period = period ? period : CPU_PERIOD_USEC;
		quota = limits->cpu_max_milli == LP_CGROUP_MAX ? LP_CGROUP_MAX : limits->cpu_max_milli * period / 1000;
		if (quota < 1000)
			quota = 1000;	/* the kernel takes no less */
	}
	if (quota)
		print_value(word, quota);
	(void)snprintf(text, LINE, "%s %" PRIu64, word, period ? period : old_period);
}

static int
put_cpu_max(struct target *target, const struct lp_cgroup_limits *limits)
{
	struct lp_err *err = target->err, words = { 0 };
	char text[LINE];
	int rc;

	print_cpu_max(target, limits, text);
	if (!text[0])
		return put_number(target, LP_CGROUP_CPU, "cpu.max.burst", limits->cpu_burst_usec);
	/* The burst may never be above the quota: whichever order is legal now. */
	target->err = &words;
	rc = put(target, LP_CGROUP_CPU, "cpu.max", text);
	target->err = err;
	if (rc == -EINVAL && limits->cpu_burst_usec) {
		rc = put_number(target, LP_CGROUP_CPU, "cpu.max.burst", limits->cpu_burst_usec);
		return rc < 0 ? rc : put(target, LP_CGROUP_CPU, "cpu.max", text);
	}
	if (rc < 0) {
		if (err)
			*err = words;
		return rc;
	}
	return put_number(target, LP_CGROUP_CPU, "cpu.max.burst", limits->cpu_burst_usec);
}

static int
put_cpu(struct target *target, const struct lp_cgroup_limits *limits)
{
	uint64_t weight = limits->cpu_weight ? limits->cpu_weight : limits->cpu_request_milli ? weight_of_milli(limits->cpu_request_milli) : 0;
	int rc = 0;

	/* An idle group has no weight, and the kernel refuses one. */
	if (limits->cpu_idle > 0)
		rc = put(target, LP_CGROUP_CPU, "cpu.idle", "1");
	else if (limits->cpu_idle < 0)
		rc = put(target, LP_CGROUP_CPU, "cpu.idle", "0");
	if (rc == 0 && limits->cpu_idle <= 0)
		rc = put_number(target, LP_CGROUP_CPU, "cpu.weight", weight);
	return rc < 0 ? rc : put_cpu_max(target, limits);
}

/* The kernel takes any of the words and says afterwards whether it came to be: "root invalid (reason)". */
static int
check_partition(struct target *target, const char *wanted)
{
	lp_auto_buf struct lp_buf now;
	int rc;

	if (!(target->have & LP_CGROUP_BIT(LP_CGROUP_CPUSET)))
		return 0;
	lp_buf_init(&now, FILE_MAX);
	rc = lp_path_read(target->fd, "cpuset.cpus.partition", &now, NULL);
	if (rc < 0 || !strstr(lp_buf_text(&now), "invalid"))
		return 0;		/* one that is not there is told as missing */
	return lp_err_say(target->err, -EINVAL, "cgroup limit cpuset.cpus.partition = \"%s\": %.*s", wanted,
	    (int)strcspn(lp_buf_text(&now), "\n"), lp_buf_text(&now));
}

static int
put_cpuset(struct target *target, const struct lp_cgroup_limits *limits)
{
	int rc = put_text(target, LP_CGROUP_CPUSET, "cpuset.mems", limits->cpuset_mems);

	if (rc == 0)
		rc = put_text(target, LP_CGROUP_CPUSET, "cpuset.cpus", limits->cpuset_cpus);
	if (rc == 0)
		rc = put_text(target, LP_CGROUP_CPUSET, "cpuset.cpus.partition", limits->cpuset_partition);
	return rc == 0 && limits->cpuset_partition ? check_partition(target, limits->cpuset_partition) : rc;
}

/* ---- io ---- */

/* Does the line of this device in a nested keyed file hold all these words? */
static bool
device_says(int fd, const char *file, const char *text)
{
	lp_auto_buf struct lp_buf now;
	size_t len = strcspn(text, " ");

	lp_buf_init(&now, FILE_MAX);
	if (lp_path_read(fd, file, &now, NULL) < 0)
		return false;
	for (const char *line = lp_buf_text(&now); *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t n = 1, word_len;
		const char *word;

		if (strncmp(line, text, len) != 0 || line[len] != ' ')
			continue;
		for (; (word = lp_text_word(text, n, &word_len)); n++) {
			char wanted[64];
			const char *found;

			(void)snprintf(wanted, sizeof(wanted), " %.*s", (int)word_len, word);
			found = strstr(line, wanted);
			if (!found || found > line + strcspn(line, "\n") || !strchr(" \n", found[word_len + 1]))
				return false;
		}
		return true;
	}
	return false;
}

static int
put_device(struct target *target, enum lp_cgroup_controller controller, const char *file, const char *text)
{
	if (target->compare && device_says(target->fd, file, text))
		return 0;
	return put(target, controller, file, text);
}

static int
put_io_max(struct target *target, const struct lp_cgroup_io *io)
{
	const struct { char name[8]; uint64_t value; } rows[] = {
		{ "rbps", io->read_bps }, { "wbps", io->write_bps }, { "riops", io->read_iops }, { "wiops", io->write_iops },
	};
	char text[LINE];
	int len = snprintf(text, sizeof(text), "%" PRIu32 ":%" PRIu32, io->major, io->minor), start = len;

	for (size_t i = 0; i < lp_count(rows); i++) {
		char value[24];

		if (rows[i].value == 0)
			continue;
		print_value(value, rows[i].value);
		len += snprintf(text + len, sizeof(text) - (size_t)len, " %s=%s", rows[i].name, value);
	}
	return len == start ? 0 : put_device(target, LP_CGROUP_IO, "io.max", text);
}

static int
put_io(struct target *target, const struct lp_cgroup_limits *limits)
{
	struct stat st;
	bool bfq = fstatat(target->fd, "io.bfq.weight", &st, 0) == 0;
	const char *file = bfq ? "io.bfq.weight" : "io.weight";
	char text[LINE];
	int rc = 0;

	if (limits->io_weight) {
		(void)snprintf(text, sizeof(text), "default %" PRIu32, bfq ? limits->io_weight : io_weight_of(limits->io_weight));
		rc = put_device(target, LP_CGROUP_IO, file, text);
	}
	for (size_t i = 0; rc == 0 && i < limits->io_count; i++) {
		const struct lp_cgroup_io *io = &limits->io[i];

		if (io->weight) {
			(void)snprintf(text, sizeof(text), "%" PRIu32 ":%" PRIu32 " %" PRIu32, io->major, io->minor,
			    bfq ? io->weight : io_weight_of(io->weight));
			rc = put_device(target, LP_CGROUP_IO, file, text);
		}
		if (rc == 0)
			rc = put_io_max(target, io);
	}
	return rc;
}

/* ---- huge pages, rdma ---- */

static int
put_huge(struct target *target, const struct lp_cgroup_huge *huge)
{
	char file[48], text[24];
	struct stat st;
	int rc;

	if (!huge->page || !huge->page[0] || strlen(huge->page) > 15 || strspn(huge->page, "0123456789KMGTB") != strlen(huge->page))
		return lp_err_say(target->err, -EINVAL, "\"%s\" is not the size of a huge page", huge->page ? huge->page : "");
	(void)snprintf(file, sizeof(file), "hugetlb.%s.max", huge->page);
	print_value(text, huge->bytes);
	if ((target->have & LP_CGROUP_BIT(LP_CGROUP_HUGETLB)) && fstatat(target->fd, file, &st, 0) < 0)
		return lp_err_say(target->err, -EINVAL, "this machine has no huge pages of %s", huge->page);
	rc = put(target, LP_CGROUP_HUGETLB, file, text);
	if (rc < 0)
		return rc;
	/* Reservations count too (Linux 5.7): without it a program is killed at its first touch, not told at mmap. */
	(void)snprintf(file, sizeof(file), "hugetlb.%s.rsvd.max", huge->page);
	return fstatat(target->fd, file, &st, 0) < 0 ? 0 : put(target, LP_CGROUP_HUGETLB, file, text);
}

static int
put_rdma(struct target *target, const struct lp_cgroup_rdma *rdma)
{
	char text[LINE], value[24];
	int len, start;

	if (!rdma->device || !rdma->device[0] || strlen(rdma->device) > 64 || strpbrk(rdma->device, " \n"))
		return lp_err_say(target->err, -EINVAL, "\"%s\" is not an RDMA device", rdma->device ? rdma->device : "");
	len = start = snprintf(text, sizeof(text), "%s", rdma->device);
	if (rdma->handles) {
		print_value(value, rdma->handles);
		len += snprintf(text + len, sizeof(text) - (size_t)len, " hca_handle=%s", value);
	}
	if (rdma->objects) {
		print_value(value, rdma->objects);
		len += snprintf(text + len, sizeof(text) - (size_t)len, " hca_object=%s", value);
	}
	return len == start ? 0 : put_device(target, LP_CGROUP_RDMA, "rdma.max", text);
}

/* ---- unified ---- */

/* The controller that a file's name begins with; LP_CGROUP_CONTROLLERS for "cgroup.", -1 for one that is not ours to know. */
static int
controller_of(const char *file)
{
	size_t len = strcspn(file, ".");

	for (int i = 0; i < LP_CGROUP_CONTROLLERS; i++) {
		const char *name = lp_cgroup_controller_name((enum lp_cgroup_controller)i);

		if (strlen(name) == len && strncmp(name, file, len) == 0)
			return i;
	}
	return len == 6 && strncmp(file, "cgroup", 6) == 0 ? LP_CGROUP_CONTROLLERS : -1;
}

/* The reasons why a row cannot be written, in the order in which a person would look. */
static int
check_unified(const struct target *target, const struct lp_cgroup_file *row)
{
	/* Files that act instead of limiting. */
	static const char acts[][24] = { "cgroup.procs", "cgroup.threads", "cgroup.kill", "cgroup.freeze", "cgroup.type", "cgroup.subtree_control" };
	int controller;

	if (!row->file || !row->value)
		return lp_err_say(target->err, -EINVAL, "a unified resource without a name or value");
	if (strchr(row->file, '/'))
		return lp_err_say(target->err, -EINVAL, "unified resource \"%s\" must be a file name (no slashes)", row->file);
	if (!strchr(row->file, '.') || row->file[0] == '.' || strlen(row->file) > 200)
		return lp_err_say(target->err, -EINVAL, "unified resource: the specified key has not the form CONTROLLER.VALUE `%s`", row->file);
	for (size_t i = 0; i < lp_count(acts); i++)
		if (strcmp(row->file, acts[i]) == 0)
			return lp_err_say(target->err, -EINVAL, "unified resource \"%s\" is not a limit", row->file);
	controller = controller_of(row->file);
	if (controller < 0 || (controller < LP_CGROUP_CONTROLLERS && !(target->have & LP_CGROUP_BIT(controller))))
		return lp_err_say(target->err, -EOPNOTSUPP, "unified resource \"%s\" can't be set: the requested cgroup controller `%.*s` is not available",
		    row->file, (int)strcspn(row->file, "."), row->file);
	return 0;
}

static int
put_unified(struct target *target, const struct lp_cgroup_file *row)
{
	int rc = check_unified(target, row);

	if (rc < 0 || (target->compare && says_already(target->fd, row->file, row->value)))
		return rc;
	for (const char *line = row->value; rc == 0; line++) {
		char text[4096];
		size_t len = strcspn(line, "\n");

		if (len >= sizeof(text))
			return lp_err_say(target->err, -E2BIG, "unified resource \"%s\": a line of %zu bytes", row->file, len);
		memcpy(text, line, len);
		text[len] = '\0';
		if (len > 0)
			rc = lp_path_put(target->fd, row->file, text, NULL);
		if (rc < 0)
			return lp_err_set(target->err, rc, "unable to set unified resource \"%s\" = \"%.80s\"", row->file, text);
		line += len;
		if (!*line)
			break;
	}
	return 0;
}

/* ---- all ---- */

uint32_t
lp_cgroup_needs(const struct lp_cgroup_limits *limits)
{
	uint32_t needs = 0;

	if (limits->memory_max_bytes || limits->memory_high_bytes || limits->memory_low_bytes || limits->memory_min_bytes ||
	    limits->swap_max_bytes != LP_CGROUP_SWAP_UNSET || limits->memory_oom_group)
		needs |= LP_CGROUP_BIT(LP_CGROUP_MEMORY);
	if (limits->cpu_request_milli || limits->cpu_weight || limits->cpu_max_milli || limits->cpu_quota_usec || limits->cpu_period_usec ||
	    limits->cpu_burst_usec || limits->cpu_idle)
		needs |= LP_CGROUP_BIT(LP_CGROUP_CPU);
	if (limits->cpuset_cpus || limits->cpuset_mems || limits->cpuset_partition)
		needs |= LP_CGROUP_BIT(LP_CGROUP_CPUSET);
	if (limits->pids_max)
		needs |= LP_CGROUP_BIT(LP_CGROUP_PIDS);
	if (limits->io_weight || limits->io_count)
		needs |= LP_CGROUP_BIT(LP_CGROUP_IO);
	if (limits->huge_count)
		needs |= LP_CGROUP_BIT(LP_CGROUP_HUGETLB);
	if (limits->rdma_count)
		needs |= LP_CGROUP_BIT(LP_CGROUP_RDMA);
	for (size_t i = 0; i < limits->unified_count; i++) {
		int controller = limits->unified[i].file ? controller_of(limits->unified[i].file) : -1;

		if (controller >= 0 && controller < LP_CGROUP_CONTROLLERS)
			needs |= LP_CGROUP_BIT(controller);
	}
	return needs;
}

static int
put_all(int fd, const struct lp_cgroup_limits *limits, bool compare, uint32_t *out_missing, struct lp_err *err)
{
	struct target target = { .fd = fd, .compare = compare, .err = err };
	int rc;

	if (out_missing)
		*out_missing = 0;
	if (!lp_cgroup_needs(limits) && !limits->unified_count)
		return 0;
	rc = lp_cgroup_controllers(fd, &target.have, err);
	if (rc == 0)
		rc = put_memory(&target, limits);
	if (rc == 0)
		rc = put_cpu(&target, limits);
	if (rc == 0)
		rc = put_cpuset(&target, limits);
	if (rc == 0)
		rc = put_io(&target, limits);
	for (size_t i = 0; rc == 0 && i < limits->huge_count; i++)
		rc = put_huge(&target, &limits->huge[i]);
	for (size_t i = 0; rc == 0 && i < limits->rdma_count; i++)
		rc = put_rdma(&target, &limits->rdma[i]);
	for (size_t i = 0; rc == 0 && i < limits->unified_count; i++)
		rc = put_unified(&target, &limits->unified[i]);
	if (rc == 0 && out_missing)
		*out_missing = target.missing;
	return rc;
}

int
lp_cgroup_limit(int fd, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err)
{
	return put_all(fd, limits, false, out_missing, err);
}

int
lp_cgroup_update(int fd, const struct lp_cgroup_limits *limits, uint32_t *out_missing, struct lp_err *err)
{
	return put_all(fd, limits, true, out_missing, err);
}
