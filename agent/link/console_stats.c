/* agent/link/console_stats.c - stats: one document about the whole node, as soon as rates are known. */
#include <errno.h>

#include "agent/link/session.h"
#include "agent/pod/agent_state.h"
#include "agent/pod/stats.h"
#include "base/auto.h"

enum { SUMMARY_MAX = 16 << 20, PIECE = 32768 };

static void
send_summary(struct lp_session *session, int64_t now_ms)
{
	lp_auto_arena struct lp_arena arena;
	lp_auto_buf struct lp_buf text;
	struct lp_json *summary;

	lp_arena_init(&arena, SUMMARY_MAX);
	lp_buf_init(&text, SUMMARY_MAX);
	summary = lp_stats_summary(session->agent, &arena, now_ms);
	if (!summary || lp_json_write(&text, summary) < 0) {
		lp_session_finish(session, 500, "InternalError", "out of memory");
		return;
	}
	for (size_t at = 0; at < text.len; at += PIECE)
		lp_session_send(session, LP_SESSION_STDOUT, text.data + at, text.len - at < PIECE ? text.len - at : PIECE);
	lp_session_finish(session, 0, NULL, NULL);
}

static void
waited(struct lp_timer *timer, int64_t now_ms)
{
	send_summary(lp_of(timer, struct lp_session, timer), now_ms);
}

static int
stats_begin(struct lp_session *session, struct lp_pod *pod, const struct lp_json *options, int *out_http, struct lp_err *err)
{
	int64_t now_ms = lp_loop_now(session->agent->loop);

	(void)pod;		/* it is about all of them */
	(void)options;
	*out_http = 500;
	if (lp_stats_prepare(session->agent, now_ms)) {
		send_summary(session, now_ms);
		return 0;
	}
	if (lp_timer_start(session->agent->loop, &session->timer, now_ms + LP_STATS_WAIT_MS, waited) < 0)
		return lp_err_set(err, -ENOMEM, "stats");
	return 0;
}

const struct lp_session_verb lp_session_stats = { .name = "stats", .of_node = true, .begin = stats_begin };
