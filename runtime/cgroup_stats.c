#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "runtime/cgroup.h"

enum { FILE_MAX = 64 * 1024 };

/* ---- the kernel's forms ---- */

static const char *
next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

uint64_t
lp_cgroup_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; *line; line = next_line(line)) {
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return strtoull(line + len + 1, NULL, 10);
	}
	return 0;
}

/* "key=number" among the words of one line; 0 when it is not there. */
static uint64_t
member_of(const char *line, const char *key)
{
	size_t len = strlen(key), word_len;
	const char *word;

	for (size_t n = 0; (word = lp_text_word(line, n, &word_len)); n++) {
		if (word_len > len && strncmp(word, key, len) == 0 && word[len] == '=')
			return strtoull(word + len + 1, NULL, 10);
	}
	return 0;
}

/* A member of the struct that a key of the file fills. Rows hold no pointers: nothing to relocate. */
struct row {
	char key[20];
	uint16_t offset;
};

static void
fill(const char *text, const struct row *rows, size_t count, void *out)
{
	for (size_t i = 0; i < count; i++)
		*(uint64_t *)(void *)((char *)out + rows[i].offset) = lp_cgroup_value(text, rows[i].key);
}

static int
read_file(int fd, const char *name, struct lp_buf *out, struct lp_err *err)
{
	lp_buf_reset(out);
	return lp_path_read(fd, name, out, err);
}

/* A file with one number or "max". */
static int
read_number(int fd, const char *name, uint64_t *out)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = read_file(fd, name, &text, NULL);
	if (rc < 0)
		return rc;
	*out = lp_text_starts(lp_buf_text(&text), "max") ? LP_CGROUP_MAX : strtoull(lp_buf_text(&text), NULL, 10);
	return 0;
}

int
lp_cgroup_each_stat(int fd, const char *file, int (*call)(void *arg, const char *key, uint64_t value), void *arg, struct lp_err *err)
{
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = read_file(fd, file, &text, err);
	for (char *line = text.data, *end; rc == 0 && line && *line; line = end) {
		char *blank = strchr(line, ' ');

		end = line + (next_line(line) - line);
		if (!blank || blank >= end)
			continue;
		*blank = '\0';
		rc = call(arg, line, strtoull(blank + 1, NULL, 10));
	}
	return rc;
}

/* ---- pressure ---- */

/* "1.27" -> 127 */
static uint32_t
hundredths(const char *line, const char *key)
{
	size_t len = strlen(key), word_len;
	const char *word;

	for (size_t n = 0; (word = lp_text_word(line, n, &word_len)); n++) {
		char *end;
		unsigned long whole, part = 0;

		if (word_len <= len || strncmp(word, key, len) != 0 || word[len] != '=')
			continue;
		whole = strtoul(word + len + 1, &end, 10);
		if (*end == '.')
			part = strtoul(end + 1, NULL, 10);	/* the kernel prints two digits */
		return (uint32_t)(whole * 100 + part);
	}
	return 0;
}

static void
read_stall(const char *line, struct lp_cgroup_stall *out)
{
	out->avg10 = hundredths(line, "avg10");
	out->avg60 = hundredths(line, "avg60");
	out->avg300 = hundredths(line, "avg300");
	out->total_usec = member_of(line, "total");
}

int
lp_cgroup_pressure(int fd, const char *file, struct lp_cgroup_pressure *out, struct lp_err *err)
{
	struct lp_cgroup_pressure pressure = { 0 };
	lp_auto_buf struct lp_buf text;
	struct lp_err words;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = read_file(fd, file, &text, &words);
	/* Not compiled in; psi=0, or cgroup.pressure switched off: reading it says so. */
	if (rc < 0 && rc != -ENOENT && rc != -EOPNOTSUPP) {
		if (err)
			*err = words;
		return rc;
	}
	for (const char *line = lp_buf_text(&text); rc == 0 && *line; line = next_line(line)) {
		if (lp_text_starts(line, "some "))
			read_stall(line, &pressure.some);
		else if (lp_text_starts(line, "full "))
			read_stall(line, &pressure.full);
		else
			continue;
		pressure.present = true;
	}
	*out = pressure;
	return 0;
}

/* ---- the few ---- */

static void
memory_stats(int fd, struct lp_cgroup_stats *stats, struct lp_buf *text)
{
	if (read_number(fd, "memory.current", &stats->memory_bytes) < 0)
		return;
	stats->present |= LP_CGROUP_BIT(LP_CGROUP_MEMORY);
	(void)read_number(fd, "memory.peak", &stats->memory_peak_bytes);	/* Linux 5.19; stays 0 before */
	if (read_file(fd, "memory.stat", text, NULL) == 0) {
		stats->memory_inactive_file_bytes = lp_cgroup_value(lp_buf_text(text), "inactive_file");
		stats->memory_anon_bytes = lp_cgroup_value(lp_buf_text(text), "anon");
	}
	if (read_file(fd, "memory.events", text, NULL) == 0)
		stats->oom_kills = lp_cgroup_value(lp_buf_text(text), "oom_kill");
}

static const struct row cpu_rows[] = {
	{ "usage_usec",     offsetof(struct lp_cgroup_stats, cpu_usec) },
	{ "user_usec",      offsetof(struct lp_cgroup_stats, cpu_user_usec) },
	{ "system_usec",    offsetof(struct lp_cgroup_stats, cpu_system_usec) },
	{ "throttled_usec", offsetof(struct lp_cgroup_stats, cpu_throttled_usec) },
};

int
lp_cgroup_stats(int fd, struct lp_cgroup_stats *out, struct lp_err *err)
{
	struct lp_cgroup_stats stats = { 0 };
	lp_auto_buf struct lp_buf text;
	int rc;

	lp_buf_init(&text, FILE_MAX);
	rc = read_file(fd, "cpu.stat", &text, err);	/* there without the controller too */
	if (rc < 0)
		return rc;
	fill(lp_buf_text(&text), cpu_rows, lp_count(cpu_rows), &stats);
	stats.present = LP_CGROUP_BIT(LP_CGROUP_CPU);
	memory_stats(fd, &stats, &text);
	if (read_number(fd, "pids.current", &stats.pids) == 0)
		stats.present |= LP_CGROUP_BIT(LP_CGROUP_PIDS);
	*out = stats;
	return 0;
}

int
lp_cgroup_oom_kills(int fd, uint64_t *out, struct lp_err *err)
{
	lp_auto_fd int file = -1;
	char text[512];
	ssize_t len;
	int rc = lp_path_open(fd, "memory.events", O_RDONLY, 0, &file, err);

	if (rc == -ENOENT) {
		lp_err_clear(err);
		*out = 0;
		return 0;
	}
	if (rc < 0)
		return rc;
	len = read(file, text, sizeof(text) - 1);	/* a kernel file: whole in one read */
	if (len < 0)
		return lp_err_set(err, -errno, "read memory.events");
	text[len] = '\0';
	*out = lp_cgroup_value(text, "oom_kill");
	return 0;
}

/* ---- all of them ---- */

#define D(member) offsetof(struct lp_cgroup_details, member)
static const struct row cpu_more[] = {
	{ "nr_periods",   D(cpu_periods) },
	{ "nr_throttled", D(cpu_throttled_periods) },
	{ "nr_bursts",    D(cpu_bursts) },
	{ "burst_usec",   D(cpu_burst_usec) },
};

static const struct row memory_rows[] = {
	{ "file",        D(memory_file_bytes) },
	{ "shmem",       D(memory_shmem_bytes) },
	{ "file_mapped", D(memory_mapped_bytes) },
	{ "kernel",      D(memory_kernel_bytes) },
	{ "slab",        D(memory_slab_bytes) },
	{ "sock",        D(memory_sock_bytes) },
	{ "pgfault",     D(memory_faults) },
	{ "pgmajfault",  D(memory_major_faults) },
};

static const struct row event_rows[] = {
	{ "low",  D(low_events) },
	{ "high", D(high_events) },
	{ "max",  D(max_events) },
	{ "oom",  D(oom_events) },
};

/* Files with one number; what is not there keeps its 0. */
static const struct row number_files[] = {
	{ "memory.max",          D(memory_max_bytes) },
	{ "memory.high",         D(memory_high_bytes) },
	{ "memory.swap.current", D(swap_bytes) },
	{ "memory.swap.max",     D(swap_max_bytes) },
	{ "pids.max",            D(pids_max) },
};
#undef D

static void
io_stats(struct lp_cgroup_details *details, const char *text)
{
	details->basic.present |= LP_CGROUP_BIT(LP_CGROUP_IO);
	for (const char *line = text; *line && details->io_count < LP_CGROUP_DEVICES; line = next_line(line)) {
		struct lp_cgroup_io_stats *io = &details->io[details->io_count];
		char *end;

		io->major = (uint32_t)strtoul(line, &end, 10);
		if (*end != ':')
			continue;
		io->minor = (uint32_t)strtoul(end + 1, NULL, 10);
		io->read_bytes = member_of(line, "rbytes");
		io->write_bytes = member_of(line, "wbytes");
		io->reads = member_of(line, "rios");
		io->writes = member_of(line, "wios");
		io->discard_bytes = member_of(line, "dbytes");
		io->discards = member_of(line, "dios");
		details->io_count++;
	}
}

struct huge_walk {
	int fd;
	struct lp_buf *text;
	struct lp_cgroup_details *details;
};

/* hugetlb.2MB.current: one for each size that the machine has. */
static int
huge_stats(void *arg, const char *name)
{
	static const char prefix[] = "hugetlb.";
	struct huge_walk *walk = arg;
	struct lp_cgroup_huge_stats *huge = &walk->details->huge[walk->details->huge_count];
	const char *page = name + sizeof(prefix) - 1;
	size_t len;
	char file[48];

	if (!lp_text_starts(name, prefix) || !lp_text_ends(name, ".current") || lp_text_ends(name, ".rsvd.current"))
		return 0;
	len = strcspn(page, ".");
	if (len >= sizeof(huge->page) || walk->details->huge_count == LP_CGROUP_PAGES)
		return 0;
	memcpy(huge->page, page, len);
	huge->page[len] = '\0';
	walk->details->basic.present |= LP_CGROUP_BIT(LP_CGROUP_HUGETLB);
	(void)read_number(walk->fd, name, &huge->bytes);	/* what is not there keeps its 0 */
	(void)snprintf(file, sizeof(file), "%s%s.max", prefix, huge->page);
	(void)read_number(walk->fd, file, &huge->max_bytes);
	(void)snprintf(file, sizeof(file), "%s%s.events", prefix, huge->page);
	if (read_file(walk->fd, file, walk->text, NULL) == 0)
		huge->failures = lp_cgroup_value(lp_buf_text(walk->text), "max");
	walk->details->huge_count++;
	return 0;
}

static int
pressures(int fd, struct lp_cgroup_details *details, struct lp_err *err)
{
	int rc = lp_cgroup_pressure(fd, "cpu.pressure", &details->cpu_pressure, err);

	if (rc == 0)
		rc = lp_cgroup_pressure(fd, "memory.pressure", &details->memory_pressure, err);
	return rc < 0 ? rc : lp_cgroup_pressure(fd, "io.pressure", &details->io_pressure, err);
}

int
lp_cgroup_details(int fd, struct lp_cgroup_details *out, struct lp_err *err)
{
	lp_auto_free struct lp_cgroup_details *details = calloc(1, sizeof(*details));
	lp_auto_buf struct lp_buf text;
	struct huge_walk walk = { .fd = fd, .text = &text, .details = details };
	int rc;

	lp_buf_init(&text, FILE_MAX);
	if (!details)
		return lp_err_set(err, -ENOMEM, "figures of a cgroup");
	rc = lp_cgroup_stats(fd, &details->basic, err);
	if (rc < 0)
		return rc;
	if (read_file(fd, "cpu.stat", &text, NULL) == 0)
		fill(lp_buf_text(&text), cpu_more, lp_count(cpu_more), details);
	if (read_file(fd, "memory.stat", &text, NULL) == 0)
		fill(lp_buf_text(&text), memory_rows, lp_count(memory_rows), details);
	if (read_file(fd, "memory.events", &text, NULL) == 0)
		fill(lp_buf_text(&text), event_rows, lp_count(event_rows), details);
	for (size_t i = 0; i < lp_count(number_files); i++)
		(void)read_number(fd, number_files[i].key, (uint64_t *)(void *)((char *)details + number_files[i].offset));
	if (read_file(fd, "pids.events", &text, NULL) == 0)
		details->pids_refused = lp_cgroup_value(lp_buf_text(&text), "max");
	if (read_file(fd, "io.stat", &text, NULL) == 0)
		io_stats(details, lp_buf_text(&text));
	rc = lp_path_each(fd, huge_stats, &walk, err);
	if (rc == 0)
		rc = pressures(fd, details, err);
	if (rc == 0)
		*out = *details;
	return rc;
}
