/*
 * keeper/resume_record.h - what a keeper hands to the program it becomes, as flat bytes; only resume*.c include this.
 *
 * Format  tags as in keeper/flat.h: add, never reuse. Descriptors are stored as number + 1, so that 0 is none
 */
#ifndef LP_KEEPER_RESUME_RECORD_H
#define LP_KEEPER_RESUME_RECORD_H

#include "keeper/flat.h"
#include "keeper/keeper.h"

struct saved_end {
	bool set;
	uint64_t attempt;
	int32_t code, signal;
	uint8_t reason;
	const char *message;
	int64_t started_ms, ended_ms;
};

/* Of a hook (which 0) or a probe (which n + 1), under way. */
struct saved_errand {
	uint32_t which;
	int32_t pid, pidfd, text;
	int64_t timeout_ms, due_ms;
};

struct saved_probe {
	uint8_t result, newest;
	bool held;
	uint32_t row;
	int64_t due_ms;
};

struct saved_ward {
	int32_t state, exit_code;
	bool asked, killed;
	int64_t again_ms, delay_ms, started_ms, began_ms;
	uint64_t attempt, starts;
	const void *container;		/* struct lp_container_record of the present run */
	size_t container_len;
	int32_t out, err, in;		/* descriptors */
	const int32_t *readers;		/* pairs */
	size_t reader_count;
	struct saved_end end, last;
	uint32_t missing;
	const char *notes;
	const void *partial[LP_LOGS_STREAMS];
	size_t partial_len[LP_LOGS_STREAMS];
	uint64_t log_lost;
	bool begun, started, unwell, anew, hooked, signalled, hook_used;
	int64_t kill_ms, mercy_ms, grace_ms, turned_ms;
	const struct saved_errand *errands;
	size_t errand_count;
	const struct saved_probe *probes;
	size_t probe_count;
	const struct lp_control_news *news;
	size_t news_count;
	const void *limits;		/* a message with nothing else in it */
	size_t limits_len;
};

struct saved_exec {
	uint64_t id;
	int32_t pid, pidfd;
	bool ended;
	int32_t code, signal;
};

struct saved {
	const char *note;
	int32_t inner, dir, cgroup, listen, agent;	/* descriptors */
	const int32_t *ns;		/* LP_NS_COUNT descriptors */
	size_t ns_count;
	uint32_t missing;
	bool go, stopping, done, forget, keep_logs, leave;
	int64_t kill_ms, started_ms;
	int32_t error;
	const char *error_text;
	const struct saved_ward *wards;
	size_t ward_count;
	const struct saved_exec *execs;
	size_t exec_count;
	bool at_once, expired;
	int64_t deadline_ms, went_ms, pod_deadline_ms;
	int32_t reaper, reaper_fd;
};

/* For lp_flat_read and lp_flat_write of a struct saved. */
#define LP_RESUME_SAVED 0u
const struct lp_flat_field *lp_resume_tables(unsigned table);

#endif
