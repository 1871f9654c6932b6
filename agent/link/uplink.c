#include "agent/link/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/link/console.h"
#include "agent/link/enroll.h"
#include "agent/pod/agent_state.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/seam.h"
#include "base/text.h"
#include "wire/client.h"
#include "wire/http.h"
#include "wire/retry.h"
#include "wire/tls.h"

enum { LINE_MAX_BYTES = 64 << 20, ANSWER_MAX = 256 << 10, PING_MS = 10000, DEAD_AFTER_PINGS = 3, REPORT_TIMEOUT_MS = 30000,
	RENEW_RETRY_MS = 3600000 };

struct lp_uplink {
	struct lp_agent *agent;		/* weak */
	struct lp_http_url url;
	struct lp_tls_config *tls;
	struct lp_client *client;	/* NULL while waiting to dial */
	struct lp_client_call *link;	/* NULL until the connection is ready */
	struct lp_retry retry;
	struct lp_timer dial_timer, ping_timer;
	struct lp_buf line;		/* a line of the link that is not complete yet */
	bool up;			/* the manager answered the link with 200 */
	int64_t hint_ms;		/* the manager's wish for the next dial; 0 none */
	struct lp_client_call *reporting, *renewing;
	struct lp_buf answer;		/* of the report or renewal on its way */
	int answer_status;
	void (*report_done)(struct lp_agent *agent, bool accepted);
	int64_t renew_at_ms;		/* boot-time: no renewal before */
	struct lp_err last;		/* why it is down, said once */
	struct lp_defer hang_up;	/* never from inside a callback of the client */
	const char *hang_why;		/* NULL: not hanging up */
	char refusal[LP_ERR_TEXT];	/* why the manager did not open the link, for hang_why */
};

static void dial(struct lp_timer *timer, int64_t now_ms);

/* ---- going down and coming back */

static void
went_down(struct lp_uplink *uplink, const struct lp_err *why, int64_t now_ms)
{
	uint32_t chance;
	int64_t at_ms;

	lp_timer_stop(&uplink->ping_timer);
	uplink->client = NULL;
	uplink->link = uplink->reporting = uplink->renewing = NULL;
	uplink->up = false;
	lp_buf_reset(&uplink->line);
	lp_random(&chance, sizeof(chance));
	at_ms = lp_retry_down(&uplink->retry, now_ms, chance, uplink->hint_ms);
	uplink->hint_ms = 0;
	if (why && strcmp(uplink->last.text, why->text) != 0) {
		uplink->last = *why;
		lp_log(LP_LOG_WARN, "link to the manager is down, pods go on, will dial again", "url=%s in_ms=%lld why=\"%s\"",
		    uplink->agent->identity.url, (long long)(at_ms - now_ms), why->text);
	}
	(void)lp_timer_start(uplink->agent->loop, &uplink->dial_timer, at_ms, dial);
}

static void
client_closed(struct lp_client *client, const struct lp_err *why, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_arg(client);

	lp_defer_cancel(&uplink->hang_up);
	uplink->hang_why = NULL;
	lp_client_free(client);
	went_down(uplink, why, now_ms);
}

static void
hang_up_now(struct lp_defer *defer, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_of(defer, struct lp_uplink, hang_up);
	struct lp_client *client = uplink->client;
	struct lp_err err = { 0 };

	(void)lp_err_say(&err, -ECONNRESET, "%s", uplink->hang_why);
	uplink->hang_why = NULL;
	if (!client)
		return;
	uplink->client = NULL;
	lp_client_free(client);
	went_down(uplink, &err, now_ms);
}

/* At the end of this turn. `why` is a constant, or the refusal. */
static void
hang_up(struct lp_uplink *uplink, const char *why)
{
	if (uplink->hang_why)
		return;
	uplink->hang_why = why;
	uplink->up = false;
	lp_loop_defer(uplink->agent->loop, &uplink->hang_up, hang_up_now);
}

/* ---- liveness */

static void
ping_due(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_of(timer, struct lp_uplink, ping_timer);

	if (now_ms - lp_client_last_read_ms(uplink->client) > DEAD_AFTER_PINGS * PING_MS) {
		hang_up(uplink, "the manager has not answered for 30 s");
		return;
	}
	(void)lp_client_ping(uplink->client);	/* a connection that cannot take it will be closed by its own error */
	(void)lp_timer_start(uplink->agent->loop, timer, now_ms + PING_MS, ping_due);
}

/* ---- lines of the link */

static void
take_revision(struct lp_uplink *uplink, const struct lp_json *line)
{
	struct lp_err err = { 0 };
	int rc = lp_agent_take_revision(uplink->agent, line, &err);

	if (rc < 0)
		lp_log(LP_LOG_ERROR, "node revision refused, what runs keeps running", "why=\"%s\"", err.text);
	/* Something it relied on is not here: ask for the whole of it. */
	if (rc == -EBADMSG)
		hang_up(uplink, "the revision needs objects that are not here");
}

static void
take_time(const struct lp_json *line)
{
	const char *time = lp_json_str(line, "time");
	int64_t wall_ms;

	if (time && lp_clock_parse(time, &wall_ms) == 0)
		lp_clock_raise_floor(wall_ms);
}

static void
take_line(struct lp_uplink *uplink, const char *text, size_t len, int64_t now_ms)
{
	const struct lp_json_limits limits = { .bytes = LINE_MAX_BYTES, .nodes = 400000 };
	lp_auto_arena struct lp_arena arena;
	struct lp_json *line;
	struct lp_err err = { 0 };
	const char *type;

	lp_arena_init(&arena, 4ul * LINE_MAX_BYTES);
	if (lp_json_parse(&arena, text, len, &limits, &line, &err) < 0) {
		lp_log(LP_LOG_WARN, "a line of the link is not JSON, ignored", "why=\"%s\"", err.text);
		return;
	}
	type = lp_json_str(line, "type");
	if (lp_text_same(type, "revision")) {
		take_revision(uplink, line);
	} else if (lp_text_same(type, "peers")) {
		lp_agent_take_peers(uplink->agent, line);
	} else if (lp_text_same(type, "open")) {
		lp_console_open(uplink->agent->console, line, now_ms);
	} else if (lp_text_same(type, "time")) {
		take_time(line);
	} else if (lp_text_same(type, "report")) {
		lp_agent_report_again(uplink->agent);
	} else if (lp_text_same(type, "goodbye")) {
		uplink->hint_ms = lp_json_int(line, "retryAfterMs", 1000);
	}
	/* A type we do not know is of a newer manager: ignored. */
}

static void
link_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_call_arg(call);
	char *end;

	if (uplink->hang_why)
		return;
	if (!uplink->up) {
		/* A refusal's words; more than fits is no refusal of ours. */
		(void)lp_buf_add(&uplink->line, data, uplink->line.len + len <= ANSWER_MAX ? len : 0);
		return;
	}
	if (lp_buf_add(&uplink->line, data, len) < 0) {
		hang_up(uplink, "a line of the link is longer than 64 MiB");
		return;
	}
	while ((end = memchr(lp_buf_text(&uplink->line), '\n', uplink->line.len))) {
		size_t size = (size_t)(end - uplink->line.data);

		if (size > 0)
			take_line(uplink, uplink->line.data, size, now_ms);
		if (uplink->hang_why)
			return;
		lp_buf_consume(&uplink->line, size + 1);
	}
}

static void
link_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_call_arg(call);

	(void)headers;
	if (status != 200)
		return;		/* the body says why; done() follows */
	uplink->up = true;
	lp_retry_up(&uplink->retry, now_ms);
	lp_err_clear(&uplink->last);
	lp_log(LP_LOG_INFO, "link to the manager is up", "url=%s node=%s", uplink->agent->identity.url, uplink->agent->name);
	lp_agent_report_again(uplink->agent);
}

/* The message of the Status with which the manager refused the link. */
static const char *
refusal(struct lp_uplink *uplink)
{
	lp_auto_arena struct lp_arena arena;
	struct lp_json *status = NULL;
	const char *message = NULL;

	lp_arena_init(&arena, 4ul * ANSWER_MAX);
	if (lp_json_parse(&arena, lp_buf_text(&uplink->line), uplink->line.len, NULL, &status, NULL) == 0)
		message = lp_json_str(status, "message");
	(void)snprintf(uplink->refusal, sizeof(uplink->refusal), "the manager did not open the link%s%s", message ? ": " : "",
	    message ? message : "");
	return uplink->refusal;
}

static void
link_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_call_arg(call);

	(void)now_ms;
	if (uplink->link != call)
		return;
	/* The link is the connection's purpose: without it the rest goes too. */
	uplink->link = NULL;
	if (why->code != -ECANCELED)
		hang_up(uplink, uplink->up ? "the manager ended the link" : refusal(uplink));
}

static const struct lp_client_call_ops link_ops = { .head = link_head, .data = link_data, .done = link_done };

/* ---- reports */

static void
answer_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_call_arg(call);

	(void)headers;
	(void)now_ms;
	uplink->answer_status = status;
}

static void
answer_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_call_arg(call);

	(void)now_ms;
	(void)lp_buf_add(&uplink->answer, data, len);	/* too long an answer is cut: it is only for the log */
}

static void
report_finished(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_call_arg(call);
	bool accepted = why->code == 0 && uplink->answer_status == 200;

	(void)now_ms;
	if (uplink->reporting != call)
		return;
	uplink->reporting = NULL;
	if (!accepted && why->code != -ECANCELED)
		lp_log(LP_LOG_WARN, "report was not taken, will be sent again", "status=%d why=\"%s\" answer=\"%.200s\"",
		    uplink->answer_status, why->text, lp_buf_text(&uplink->answer));
	uplink->report_done(uplink->agent, accepted);
}

static const struct lp_client_call_ops report_ops = { .head = answer_head, .data = answer_data, .done = report_finished };

bool
lp_uplink_may_report(const struct lp_uplink *uplink)
{
	return uplink->up && !uplink->reporting && !uplink->renewing;
}

int
lp_uplink_report(struct lp_uplink *uplink, const char *body, size_t len, void (*done)(struct lp_agent *agent, bool accepted),
    struct lp_err *err)
{
	if (!lp_uplink_may_report(uplink))
		return lp_err_set(err, -EAGAIN, "report");
	lp_buf_reset(&uplink->answer);
	uplink->answer_status = 0;
	uplink->report_done = done;
	return lp_client_start(uplink->client,
	    &(struct lp_client_request){ .method = "POST", .path = "/fleet/v1/report", .body = body, .len = len,
		.type = "application/json", .timeout_ms = REPORT_TIMEOUT_MS }, &report_ops, uplink, &uplink->reporting, err);
}

int
lp_uplink_stream(struct lp_uplink *uplink, const char *id, const struct lp_client_call_ops *ops, void *arg, struct lp_client_call **out,
    struct lp_err *err)
{
	char path[256];

	if (!uplink->client)
		return lp_err_say(err, -ENOTCONN, "the link to the manager is down");
	if (strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != strlen(id) || strlen(id) > 128)
		return lp_err_say(err, -EINVAL, "\"%.64s\" is no stream's name", id);
	(void)snprintf(path, sizeof(path), "/fleet/v1/stream/%s", id);
	return lp_client_start(uplink->client,
	    &(struct lp_client_request){ .method = "POST", .path = path, .streaming = true, .type = "application/octet-stream" }, ops,
	    arg, out, err);
}

/* ---- renewal */

static void
renew_finished(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_call_arg(call);
	struct lp_agent *agent = uplink->agent;
	struct lp_identity renewed;
	struct lp_err err = { 0 };
	int rc;

	if (uplink->renewing != call)
		return;
	uplink->renewing = NULL;
	uplink->renew_at_ms = now_ms + RENEW_RETRY_MS;
	if (why->code == -ECANCELED)
		return;
	lp_identity_init(&renewed);
	rc = why->code < 0 ? lp_err_say(&err, why->code, "%s", why->text) : 0;
	if (rc == 0 && uplink->answer_status != 200)
		rc = lp_err_say(&err, -EACCES, "the manager refused: %.200s", lp_buf_text(&uplink->answer));
	if (rc == 0)
		rc = lp_enroll_renewed(&agent->identity, lp_buf_text(&uplink->answer), uplink->answer.len, &renewed, &err);
	if (rc == 0)
		rc = lp_identity_store(agent->node_fd, &renewed, &err);
	if (rc < 0) {
		lp_log(LP_LOG_WARN, "certificate was not renewed, will try again", "why=\"%s\"", err.text);
		lp_identity_fini(&renewed);
		return;
	}
	/* The new certificate is used from the next dial on; the present connection stays. */
	lp_identity_fini(&agent->identity);
	agent->identity = renewed;
	agent->name = agent->identity.name;
	lp_tls_config_free(uplink->tls);
	uplink->tls = NULL;
	lp_log(LP_LOG_INFO, "certificate renewed", "node=%s", agent->name);
	hang_up(uplink, "the certificate was renewed");
}

static const struct lp_client_call_ops renew_ops = { .head = answer_head, .data = answer_data, .done = renew_finished };

static bool
must_renew(const struct lp_uplink *uplink, int64_t now_ms)
{
	int64_t due_ms;

	return now_ms >= uplink->renew_at_ms && lp_enroll_due(&uplink->agent->identity, &due_ms, NULL) == 0 &&
	    lp_clock_trusted_ms() >= due_ms;
}

static int
renew(struct lp_uplink *uplink, struct lp_err *err)
{
	lp_auto_buf struct lp_buf body;
	int rc;

	lp_buf_init(&body, ANSWER_MAX);
	rc = lp_enroll_renew_body(&uplink->agent->identity, &body, err);
	if (rc < 0)
		return rc;
	lp_buf_reset(&uplink->answer);
	uplink->answer_status = 0;
	return lp_client_start(uplink->client,
	    &(struct lp_client_request){ .method = "POST", .path = "/fleet/v1/renew", .body = body.data, .len = body.len,
		.type = "application/json", .timeout_ms = REPORT_TIMEOUT_MS }, &renew_ops, uplink, &uplink->renewing, err);
}

/* ---- dialling */

static void
client_ready(struct lp_client *client, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_client_arg(client);
	struct lp_agent *agent = uplink->agent;
	char path[256];
	struct lp_err err = { 0 };

	/* An expired certificate opens nothing but its own renewal; a young one may renew beside the link. */
	if (must_renew(uplink, now_ms) && renew(uplink, &err) < 0)
		lp_log(LP_LOG_WARN, "certificate cannot be renewed", "why=\"%s\"", err.text);
	(void)snprintf(path, sizeof(path), "/fleet/v1/link?have=%s&boot=%s", agent->revision.digest, agent->node.boot_id);
	if (lp_client_start(client, &(struct lp_client_request){ .method = "GET", .path = path }, &link_ops, uplink, &uplink->link, &err) < 0)
		lp_log(LP_LOG_WARN, "the link could not be asked for", "why=\"%s\"", err.text);
	(void)lp_timer_start(agent->loop, &uplink->ping_timer, now_ms + PING_MS, ping_due);
}

static int
make_tls(struct lp_uplink *uplink, struct lp_err *err)
{
	static const char *const alpn[] = { "h2", NULL };
	const struct lp_identity *identity = &uplink->agent->identity;

	if (uplink->tls)
		return 0;
	return lp_tls_config_client(&uplink->tls,
	    &(struct lp_tls_client_opts){ .ca_pem = identity->ca, .chain_pem = identity->certificate, .key_pem = identity->key,
		.alpn = alpn }, err);
}

static void
dial(struct lp_timer *timer, int64_t now_ms)
{
	struct lp_uplink *uplink = lp_of(timer, struct lp_uplink, dial_timer);
	struct lp_err err = { 0 };
	int rc = make_tls(uplink, &err);

	if (rc == 0)
		rc = lp_client_new(uplink->agent->loop,
		    &(struct lp_client_opts){ .host = uplink->url.host, .port = uplink->url.port, .tls = uplink->tls,
			.name = LP_TLS_MANAGER_NAME, .ready = client_ready, .closed = client_closed, .arg = uplink }, &uplink->client, &err);
	if (rc < 0)
		went_down(uplink, &err, now_ms);
}

void
lp_uplink_again(struct lp_uplink *uplink)
{
	hang_up(uplink, "a revision could not be kept");
}

int
lp_uplink_new(struct lp_agent *agent, struct lp_uplink **out, struct lp_err *err)
{
	struct lp_uplink *uplink = lp_seam.alloc(sizeof(*uplink));
	int rc;

	if (!uplink)
		return lp_err_set(err, -ENOMEM, "link");
	uplink->agent = agent;
	lp_buf_init(&uplink->line, LINE_MAX_BYTES);
	lp_buf_init(&uplink->answer, ANSWER_MAX);
	lp_retry_init(&uplink->retry, 0, 0, 0);
	rc = lp_http_url(agent->identity.url, &uplink->url, err);
	if (rc == 0)
		rc = lp_timer_start(agent->loop, &uplink->dial_timer, lp_loop_now(agent->loop), dial);
	if (rc < 0) {
		lp_uplink_free(uplink);
		return rc;
	}
	*out = uplink;
	return 0;
}

void
lp_uplink_free(struct lp_uplink *uplink)
{
	if (!uplink)
		return;
	lp_timer_stop(&uplink->dial_timer);
	lp_timer_stop(&uplink->ping_timer);
	lp_defer_cancel(&uplink->hang_up);
	if (uplink->client) {
		struct lp_client *client = uplink->client;

		uplink->client = NULL;
		lp_client_free(client);
	}
	lp_tls_config_free(uplink->tls);
	lp_buf_fini(&uplink->line);
	lp_buf_fini(&uplink->answer);
	free(uplink);
}
