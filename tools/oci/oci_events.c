#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/path.h"
#include "base/text.h"
#include "tools/oci/oci.h"
#include "tools/oci/oci_common.h"
#include "tools/oci/oci_verbs.h"

/* events: figures of a container's cgroup in the words of runc, and a line when the OOM killer struck. */

/* ---- the document; source: runc types/events.go ---- */

static void
set(struct lp_arena *arena, struct lp_json *json, const char *key, uint64_t value)
{
	/* Limits that are not there are the largest number in Go; ours end at int64. */
	(void)lp_json_set_int(arena, json, key, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

static void
set_stall(struct lp_arena *arena, struct lp_json *json, const char *key, const struct lp_cgroup_stall *stall)
{
	struct lp_json *line = lp_json_set_object(arena, json, key);
	const struct { const char *name; uint32_t hundredths; } rows[] = {
		{ "avg10", stall->avg10 }, { "avg60", stall->avg60 }, { "avg300", stall->avg300 },
	};

	for (size_t i = 0; line && i < lp_count(rows); i++) {
		struct lp_json *number = lp_json_new(arena, LP_JSON_DOUBLE);

		if (!number)
			return;
		number->text = lp_arena_printf(arena, "%u.%02u", rows[i].hundredths / 100, rows[i].hundredths % 100);
		number->len = number->text ? (uint32_t)strlen(number->text) : 0;
		(void)lp_json_set(arena, line, rows[i].name, number);
	}
	set(arena, line, "total", stall->total_usec);
}

static void
set_pressure(struct lp_arena *arena, struct lp_json *json, const struct lp_cgroup_pressure *pressure)
{
	struct lp_json *psi;

	if (!pressure->present)
		return;
	psi = lp_json_set_object(arena, json, "psi");
	set_stall(arena, psi, "some", &pressure->some);
	set_stall(arena, psi, "full", &pressure->full);
}

static void
set_cpu(struct lp_arena *arena, struct lp_json *data, const struct lp_cgroup_details *details)
{
	struct lp_json *cpu = lp_json_set_object(arena, data, "cpu");
	struct lp_json *usage = lp_json_set_object(arena, cpu, "usage");
	struct lp_json *throttling = lp_json_set_object(arena, cpu, "throttling");

	set(arena, usage, "total", details->basic.cpu_usec * 1000);
	set(arena, usage, "kernel", details->basic.cpu_system_usec * 1000);
	set(arena, usage, "user", details->basic.cpu_user_usec * 1000);
	set(arena, throttling, "periods", details->cpu_periods);
	set(arena, throttling, "throttledPeriods", details->cpu_throttled_periods);
	set(arena, throttling, "throttledTime", details->basic.cpu_throttled_usec * 1000);
	set_pressure(arena, cpu, &details->cpu_pressure);
}

static void
set_memory(struct lp_arena *arena, struct lp_json *data, const struct lp_cgroup_details *details)
{
	struct lp_json *memory = lp_json_set_object(arena, data, "memory");
	struct lp_json *usage = lp_json_set_object(arena, memory, "usage");
	struct lp_json *swap = lp_json_set_object(arena, memory, "swap");
	struct lp_json *raw = lp_json_set_object(arena, memory, "raw");
	struct lp_json *events = lp_json_set_object(arena, memory, "event_count");

	set(arena, memory, "cache", details->memory_file_bytes);
	set(arena, usage, "limit", details->memory_max_bytes);
	set(arena, usage, "usage", details->basic.memory_bytes);
	set(arena, usage, "max", details->basic.memory_peak_bytes);
	set(arena, usage, "failcnt", details->max_events);
	set(arena, swap, "limit", details->swap_max_bytes);
	set(arena, swap, "usage", details->swap_bytes);
	set(arena, raw, "anon", details->basic.memory_anon_bytes);
	set(arena, raw, "file", details->memory_file_bytes);
	set(arena, raw, "inactive_file", details->basic.memory_inactive_file_bytes);
	set(arena, raw, "kernel", details->memory_kernel_bytes);
	set(arena, raw, "slab", details->memory_slab_bytes);
	set(arena, raw, "sock", details->memory_sock_bytes);
	set(arena, raw, "shmem", details->memory_shmem_bytes);
	set(arena, raw, "file_mapped", details->memory_mapped_bytes);
	set(arena, raw, "pgfault", details->memory_faults);
	set(arena, raw, "pgmajfault", details->memory_major_faults);
	set(arena, events, "low", details->low_events);
	set(arena, events, "high", details->high_events);
	set(arena, events, "max", details->max_events);
	set(arena, events, "oom", details->oom_events);
	set(arena, events, "oom_kill", details->basic.oom_kills);
	set_pressure(arena, memory, &details->memory_pressure);
}

static void
add_entry(struct lp_arena *arena, struct lp_json *list, const struct lp_cgroup_io_stats *io, const char *op, uint64_t value)
{
	struct lp_json *entry = lp_json_append(arena, list, lp_json_new(arena, LP_JSON_OBJECT));

	set(arena, entry, "major", io->major);
	set(arena, entry, "minor", io->minor);
	(void)lp_json_set_str(arena, entry, "op", op);
	set(arena, entry, "value", value);
}

static void
set_io(struct lp_arena *arena, struct lp_json *data, const struct lp_cgroup_details *details)
{
	struct lp_json *io = lp_json_set_object(arena, data, "blkio");
	struct lp_json *bytes = lp_json_set_array(arena, io, "ioServiceBytesRecursive");
	struct lp_json *count = lp_json_set_array(arena, io, "ioServicedRecursive");

	for (size_t i = 0; i < details->io_count; i++) {
		add_entry(arena, bytes, &details->io[i], "Read", details->io[i].read_bytes);
		add_entry(arena, bytes, &details->io[i], "Write", details->io[i].write_bytes);
		add_entry(arena, count, &details->io[i], "Read", details->io[i].reads);
		add_entry(arena, count, &details->io[i], "Write", details->io[i].writes);
	}
	set_pressure(arena, io, &details->io_pressure);
}

static struct lp_json *
document(struct lp_arena *arena, const char *id, const struct lp_cgroup_details *details)
{
	struct lp_json *json = lp_json_new(arena, LP_JSON_OBJECT), *data, *pids, *huge;

	(void)lp_json_set_str(arena, json, "type", "stats");
	(void)lp_json_set_str(arena, json, "id", id);
	data = lp_json_set_object(arena, json, "data");
	set_cpu(arena, data, details);
	(void)lp_json_set_object(arena, data, "cpuset");
	set_memory(arena, data, details);
	pids = lp_json_set_object(arena, data, "pids");
	set(arena, pids, "current", details->basic.pids);
	if (details->pids_max != LP_CGROUP_MAX)
		set(arena, pids, "limit", details->pids_max);
	set_io(arena, data, details);
	huge = lp_json_set_object(arena, data, "hugetlb");
	for (size_t i = 0; i < details->huge_count; i++) {
		struct lp_json *page = lp_json_set_object(arena, huge, lp_arena_str(arena, details->huge[i].page));

		set(arena, page, "usage", details->huge[i].bytes);
		set(arena, page, "max", details->huge[i].max_bytes);
		set(arena, page, "failcnt", details->huge[i].failures);
	}
	(void)lp_json_set_object(arena, data, "intel_rdt");
	(void)lp_json_set_array(arena, data, "network_interfaces");
	return json;
}

static int
print_stats(const char *id, int cgroup, struct lp_err *err)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_cgroup_details details;
	struct lp_json *json;
	int rc = lp_cgroup_details(cgroup, &details, err);

	lp_arena_init(&arena, 1 << 20);
	lp_buf_init(&text, 1 << 20);
	if (rc < 0)
		return rc;
	json = document(&arena, id, &details);
	if (arena.failed || lp_json_write(&text, json) < 0 || lp_buf_char(&text, '\n') < 0)
		return lp_err_set(err, -ENOMEM, "events");
	return lp_path_write_all(1, text.data, text.len, err);
}

/* ---- watching ---- */

struct watch {
	const char *id;
	int cgroup, pidfd, memory_events;	/* the last one -1 without the controller */
	int64_t interval_ms, next_ms;
	uint64_t kills;
};

static int
look(struct watch *watch, struct lp_err *err)
{
	uint64_t kills = 0;
	char ignored[512];

	/* Reading arms the next event. */
	if (watch->memory_events >= 0 && pread(watch->memory_events, ignored, sizeof(ignored), 0) >= 0 &&
	    lp_cgroup_oom_kills(watch->cgroup, &kills, NULL) == 0 && kills != watch->kills) {
		(void)printf("{\"type\":\"oom\",\"id\":\"%s\"}\n", watch->id);
		(void)fflush(stdout);
		watch->kills = kills;
	}
	if (lp_clock_boot_ms() < watch->next_ms)
		return 0;
	watch->next_ms = lp_clock_boot_ms() + watch->interval_ms;
	return print_stats(watch->id, watch->cgroup, err);
}

static int
follow(struct watch *watch, struct lp_err *err)
{
	for (;;) {
		struct pollfd fds[] = { { .fd = watch->pidfd, .events = POLLIN }, { .fd = watch->memory_events, .events = POLLPRI } };
		const int64_t left = watch->next_ms - lp_clock_boot_ms();
		int rc;

		if (poll(fds, lp_count(fds), left < 0 ? 0 : (int)left) < 0 && errno != EINTR)
			return lp_err_set(err, -errno, "wait for events");
		/* Its cgroup may go away at any time after its end. */
		rc = look(watch, fds[0].revents ? NULL : err);
		if (fds[0].revents)
			return 0;
		if (rc < 0)
			return rc;
	}
}

/* "5s", "100ms". */
static int
parse_interval(const char *text, int64_t *out, struct lp_err *err)
{
	if (lp_text_duration_ms(text, out) < 0 || *out < 1 || *out > INT32_MAX)
		return lp_err_say(err, -EINVAL, "--interval: %.20s is no duration such as 5s", text);
	return 0;
}

static bool events_once;
static const char *events_interval = "5s";

static int
events(struct lp_oci_found *found, const struct lp_oci_line *line, struct lp_err *err)
{
	struct watch watch = { .id = found->state.id, .cgroup = -1, .pidfd = -1, .memory_events = -1 };
	struct lp_container *container = NULL;
	int rc = parse_interval(events_interval, &watch.interval_ms, err);

	(void)line;
	if (rc == 0 && found->status == LP_OCI_STOPPED)
		rc = lp_err_say(err, -EINVAL, "container with id %s is not running", found->state.id);
	if (rc == 0 && !found->state.cgroup[0])
		rc = lp_err_say(err, -ENOTSUP, "container %s has no cgroup, without which there are no figures", found->state.id);
	if (rc == 0)
		rc = lp_oci_adopt(found, &container, err);
	if (rc == 0)
		rc = lp_oci_state_cgroup(&found->state, &watch.cgroup, err);
	if (rc == 0 && events_once) {
		rc = print_stats(found->state.id, watch.cgroup, err);
	} else if (rc == 0) {
		watch.pidfd = lp_container_pidfd(container);
		watch.memory_events = openat(watch.cgroup, "memory.events", O_RDONLY | O_CLOEXEC);
		rc = follow(&watch, err);
	}
	lp_close(&watch.memory_events);
	lp_close(&watch.cgroup);
	lp_container_free(container);
	return rc;
}

int
lp_oci_events_main(int argc, char **argv)
{
	static const struct lp_opt options[] = {
		{ "stats", 0, LP_OPT_FLAG, &events_once, NULL, "the figures of now, and no more" },
		{ "interval", 0, LP_OPT_STR, &events_interval, "DURATION", "time between figures" },
		{ NULL, 0, LP_OPT_FLAG, NULL, NULL, NULL },
	};
	static const struct lp_oci_usage usage = { "CONTAINER", "Prints a line of JSON for each event until the container ends.",
		"events --stats web", 1, 1, false };

	return lp_oci_verb(argc, argv, options, &usage, false, events);
}
