/* keeper/resume_record.c - see resume_record.h. */
#include "keeper/resume_record.h"

enum { T_SAVED = LP_RESUME_SAVED, T_WARD, T_END, T_EXEC, T_ERRAND, T_PROBE, T_NEWS };

#define S struct saved
static const struct lp_flat_field saved_fields[] = {
	LP_FLAT_STRING(1, S, note),
	LP_FLAT_INTEGER(2, S, inner),
	LP_FLAT_INTEGER(3, S, dir),
	LP_FLAT_INTEGER(4, S, cgroup),
	LP_FLAT_INTEGER(5, S, listen),
	LP_FLAT_INTEGER(6, S, agent),
	LP_FLAT_INTEGERS(7, S, ns, ns_count),
	LP_FLAT_INTEGER(8, S, missing),
	LP_FLAT_BOOLEAN(9, S, go),
	LP_FLAT_BOOLEAN(10, S, stopping),
	LP_FLAT_BOOLEAN(11, S, done),
	LP_FLAT_BOOLEAN(12, S, forget),
	LP_FLAT_BOOLEAN(13, S, keep_logs),
	LP_FLAT_BOOLEAN(14, S, leave),
	LP_FLAT_INTEGER(15, S, kill_ms),
	LP_FLAT_INTEGER(16, S, started_ms),
	LP_FLAT_INTEGER(17, S, error),
	LP_FLAT_STRING(18, S, error_text),
	LP_FLAT_MANY(19, S, wards, ward_count, T_WARD),
	LP_FLAT_MANY(20, S, execs, exec_count, T_EXEC),
	LP_FLAT_BOOLEAN(21, S, at_once),
	LP_FLAT_BOOLEAN(22, S, expired),
	LP_FLAT_INTEGER(23, S, deadline_ms),
	LP_FLAT_INTEGER(24, S, went_ms),
	LP_FLAT_INTEGER(25, S, pod_deadline_ms),
	LP_FLAT_INTEGER(26, S, reaper),
	LP_FLAT_INTEGER(27, S, reaper_fd),
	LP_FLAT_END
};
#undef S

#define S struct saved_ward
static const struct lp_flat_field ward_fields[] = {
	LP_FLAT_INTEGER(1, S, state),
	LP_FLAT_INTEGER(2, S, exit_code),
	LP_FLAT_BOOLEAN(3, S, asked),
	LP_FLAT_BOOLEAN(4, S, killed),
	LP_FLAT_INTEGER(5, S, again_ms),
	LP_FLAT_INTEGER(6, S, delay_ms),
	LP_FLAT_INTEGER(7, S, started_ms),
	LP_FLAT_INTEGER(8, S, began_ms),
	LP_FLAT_INTEGER(9, S, attempt),
	LP_FLAT_INTEGER(10, S, starts),
	LP_FLAT_BLOB(11, S, container, container_len),
	LP_FLAT_INTEGER(12, S, out),
	LP_FLAT_INTEGER(13, S, err),
	LP_FLAT_INTEGER(14, S, in),
	LP_FLAT_INTEGERS(15, S, readers, reader_count),
	LP_FLAT_NESTED(16, S, end, T_END),
	LP_FLAT_NESTED(17, S, last, T_END),
	LP_FLAT_INTEGER(18, S, missing),
	LP_FLAT_STRING(19, S, notes),
	LP_FLAT_BLOB(20, S, partial[0], partial_len[0]),
	LP_FLAT_BLOB(21, S, partial[1], partial_len[1]),
	LP_FLAT_INTEGER(22, S, log_lost),
	LP_FLAT_BOOLEAN(23, S, begun),
	LP_FLAT_BOOLEAN(24, S, started),
	LP_FLAT_BOOLEAN(25, S, unwell),
	LP_FLAT_BOOLEAN(26, S, hooked),
	LP_FLAT_BOOLEAN(27, S, signalled),
	LP_FLAT_BOOLEAN(28, S, hook_used),
	LP_FLAT_INTEGER(29, S, kill_ms),
	LP_FLAT_INTEGER(30, S, mercy_ms),
	LP_FLAT_INTEGER(31, S, grace_ms),
	LP_FLAT_MANY(32, S, errands, errand_count, T_ERRAND),
	LP_FLAT_MANY(33, S, probes, probe_count, T_PROBE),
	LP_FLAT_MANY(34, S, news, news_count, T_NEWS),
	LP_FLAT_BLOB(35, S, limits, limits_len),
	LP_FLAT_INTEGER(36, S, turned_ms),
	LP_FLAT_BOOLEAN(37, S, anew),
	LP_FLAT_END
};
#undef S

#define S struct saved_errand
static const struct lp_flat_field errand_fields[] = {
	LP_FLAT_INTEGER(1, S, which),
	LP_FLAT_INTEGER(2, S, pid),
	LP_FLAT_INTEGER(3, S, pidfd),
	LP_FLAT_INTEGER(4, S, text),
	LP_FLAT_INTEGER(5, S, timeout_ms),
	LP_FLAT_INTEGER(6, S, due_ms),
	LP_FLAT_END
};
#undef S

#define S struct saved_probe
static const struct lp_flat_field probe_fields[] = {
	LP_FLAT_INTEGER(1, S, result),
	LP_FLAT_INTEGER(2, S, newest),
	LP_FLAT_BOOLEAN(3, S, held),
	LP_FLAT_INTEGER(4, S, row),
	LP_FLAT_INTEGER(5, S, due_ms),
	LP_FLAT_END
};
#undef S

static const struct lp_flat_field news_fields[] = {
	LP_FLAT_INTEGER(1, struct lp_control_news, kind),
	LP_FLAT_INTEGER(2, struct lp_control_news, count),
	LP_FLAT_STRING(3, struct lp_control_news, text),
	LP_FLAT_END
};

#define S struct saved_end
static const struct lp_flat_field end_fields[] = {
	LP_FLAT_BOOLEAN(1, S, set),
	LP_FLAT_INTEGER(2, S, attempt),
	LP_FLAT_INTEGER(3, S, code),
	LP_FLAT_INTEGER(4, S, signal),
	LP_FLAT_INTEGER(5, S, reason),
	LP_FLAT_STRING(6, S, message),
	LP_FLAT_INTEGER(7, S, started_ms),
	LP_FLAT_INTEGER(8, S, ended_ms),
	LP_FLAT_END
};
#undef S

#define S struct saved_exec
static const struct lp_flat_field exec_fields[] = {
	LP_FLAT_INTEGER(1, S, id),
	LP_FLAT_INTEGER(2, S, pid),
	LP_FLAT_INTEGER(3, S, pidfd),
	LP_FLAT_BOOLEAN(4, S, ended),
	LP_FLAT_INTEGER(5, S, code),
	LP_FLAT_INTEGER(6, S, signal),
	LP_FLAT_END
};
#undef S

const struct lp_flat_field *
lp_resume_tables(unsigned table)
{
	switch (table) {
	case T_SAVED:
		return saved_fields;
	case T_WARD:
		return ward_fields;
	case T_END:
		return end_fields;
	case T_EXEC:
		return exec_fields;
	case T_ERRAND:
		return errand_fields;
	case T_PROBE:
		return probe_fields;
	case T_NEWS:
		return news_fields;
	}
	return NULL;
}
