/*
 * manager/fleet/tunnel_exec.c - exec, attach and port-forward: an upgraded connection (SPDY or WebSocket) joined to device streams.
 *
 * Shape   a session is the client's connection, a leg one of its flows with its own stream to the device: exec and attach have
 *         one leg, a port-forward one per TCP connection
 * Errors  before the upgrade an ordinary Status; after it the flow's status (exec) or error text (port-forward)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/seam.h"
#include "base/text.h"
#include "manager/fleet/fleet.h"
#include "manager/fleet/tunnel_inside.h"
#include "wire/streams.h"

#define ARENA_MAX    (1u << 20)
#define STATUS_MAX   (64u << 10)
#define COMMANDS_MAX 1024
#define PORTS_MAX    32

struct session {
	struct lp_list link;
	struct lp_tunnels *tunnels;	/* weak */
	struct lp_streams *streams;
	struct lp_arena arena;
	const char *verb, *namespace, *pod, *uid, *container;
	struct lp_json *options;
	bool forward;
};

struct leg {
	struct session *session;
	struct lp_streams_flow *flow;
	struct lp_tunnel *tunnel;	/* NULL once it is over */
	struct lp_buf status;		/* what the device said in the end */
};

/* ---- last words */

static void
leg_fail(struct leg *leg, const char *words)
{
	lp_auto_buf struct lp_buf text = { 0 };

	lp_buf_init(&text, STATUS_MAX);
	if (leg->session->forward) {
		lp_streams_finish(leg->flow, words);
		return;
	}
	(void)lp_buf_str(&text, "{\"metadata\":{},\"status\":\"Failure\",\"reason\":\"InternalError\",\"code\":500,\"message\":");	/* sticky */
	(void)lp_json_write_string(&text, words, strlen(words));
	(void)lp_buf_str(&text, "}");
	lp_streams_finish(leg->flow, lp_buf_text(&text));
}

/* For a port-forward the client reads text: the message of a failure, nothing when all is well. */
static void
forward_finish(struct leg *leg)
{
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_json *status = NULL;
	const char *message = NULL;

	lp_arena_init(&arena, 4 * STATUS_MAX);
	if (leg->status.len && lp_json_parse(&arena, leg->status.data, leg->status.len, NULL, &status, NULL) == 0 &&
	    lp_text_same(lp_json_str(status, "status"), "Failure"))
		message = lp_json_str(status, "message") ? lp_json_str(status, "message") : "the node refused";
	lp_streams_finish(leg->flow, message);
}

/* ---- the device speaks */

static void
leg_got(struct lp_tunnel *tunnel, uint8_t channel, const void *data, size_t len, int64_t now_ms)
{
	struct leg *leg = tunnel->own;

	(void)now_ms;
	if (channel == LP_STREAMS_STATUS) {
		(void)lp_buf_add(&leg->status, data, len);	/* one that is too long is no status */
		return;
	}
	if ((channel == LP_STREAMS_STDOUT || channel == LP_STREAMS_STDERR) && lp_streams_send(leg->flow, channel, data, len) < 0) {
		leg->tunnel = NULL;
		lp_tunnel_drop(tunnel);
		leg_fail(leg, "the client reads too slowly");
	}
}

static size_t
leg_queued(const struct lp_tunnel *tunnel)
{
	const struct leg *leg = tunnel->own;

	return lp_streams_queued(leg->flow);
}

static void
leg_device_room(struct lp_tunnel *tunnel, int64_t now_ms)
{
	struct leg *leg = tunnel->own;

	(void)now_ms;
	lp_streams_pause(leg->flow, false);
}

static void
leg_over(struct lp_tunnel *tunnel, const struct lp_err *why, int64_t now_ms)
{
	struct leg *leg = tunnel->own;

	(void)now_ms;
	leg->tunnel = NULL;
	if (why->code)
		leg_fail(leg, why->text);
	else if (leg->session->forward)
		forward_finish(leg);
	else if (leg->status.len && !leg->status.failed)
		lp_streams_finish(leg->flow, leg->status.data);
	else
		leg_fail(leg, "the node ended the stream without a result");
}

static const struct lp_tunnel_ops leg_ops = { .got = leg_got, .queued = leg_queued, .room = leg_device_room, .over = leg_over };

/* ---- the client speaks */

static void
leg_open(struct leg *leg, uint16_t port, struct lp_err *err)
{
	struct session *session = leg->session;
	struct lp_manager *manager = session->tunnels->manager;
	lp_auto_arena struct lp_arena arena = { 0 };
	struct lp_json *options;
	struct lp_cached *pod = lp_cache_find(manager->cache, lp_kind_find("v1", "Pod"), session->namespace, session->pod);

	if (!pod || !pod->node || strcmp(pod->uid, session->uid) != 0) {
		(void)lp_err_say(err, -ENOENT, "pod %s is gone", session->pod);	/* the caller looks at the code in err */
		return;
	}
	lp_arena_init(&arena, ARENA_MAX);
	options = lp_json_copy(&arena, session->options);
	if (session->forward)
		lp_json_set_int(&arena, options, "port", port);
	(void)lp_tunnel_open(session->tunnels, pod, session->verb, session->container, &arena, options, &leg_ops, leg, &leg->tunnel, err);
}

static void
flow_open(void *arg, struct lp_streams_flow *flow, uint16_t port, int64_t now_ms)
{
	struct session *session = arg;
	struct leg *leg = lp_seam.alloc(sizeof(*leg));
	struct lp_err err = { 0 };

	(void)now_ms;
	if (!leg) {
		lp_streams_finish(flow, session->forward ? "out of memory" : "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"out of memory\"}");
		return;
	}
	leg->session = session;
	leg->flow = flow;
	lp_buf_init(&leg->status, STATUS_MAX);
	lp_streams_flow_set(flow, leg);
	leg_open(leg, port, &err);
	if (err.code)
		leg_fail(leg, err.text);
}

static void
flow_data(void *arg, struct lp_streams_flow *flow, uint8_t channel, const void *data, size_t len, int64_t now_ms)
{
	struct leg *leg = lp_streams_flow_get(flow);
	struct lp_tunnel *tunnel = leg ? leg->tunnel : NULL;

	(void)arg;
	(void)now_ms;
	if (!tunnel)
		return;
	if (lp_tunnel_send(tunnel, channel, data, len) < 0) {
		leg->tunnel = NULL;
		lp_tunnel_drop(tunnel);
		leg_fail(leg, "the node reads too slowly");
	} else if (lp_tunnel_queued(tunnel) > LP_TUNNEL_QUEUE / 2) {
		lp_streams_pause(flow, true);
	}
}

static void
flow_room(void *arg, struct lp_streams_flow *flow, int64_t now_ms)
{
	struct leg *leg = lp_streams_flow_get(flow);

	(void)arg;
	(void)now_ms;
	if (leg && leg->tunnel)
		lp_tunnel_resume(leg->tunnel);
}

static void
flow_gone(void *arg, struct lp_streams_flow *flow, int64_t now_ms)
{
	struct leg *leg = lp_streams_flow_get(flow);

	(void)arg;
	(void)now_ms;
	if (!leg)
		return;
	if (leg->tunnel)
		lp_tunnel_drop(leg->tunnel);
	lp_buf_fini(&leg->status);
	free(leg);
}

static void
session_free(struct session *session)
{
	lp_list_remove(&session->link);
	lp_streams_free(session->streams);
	lp_arena_fini(&session->arena);
	free(session);
}

static void
session_gone(void *arg, struct lp_streams *streams, const struct lp_err *why, int64_t now_ms)
{
	(void)streams;
	(void)why;
	(void)now_ms;
	session_free(arg);
}

static const struct lp_streams_ops session_ops = { .open = flow_open, .data = flow_data, .room = flow_room, .flow_gone = flow_gone,
	.gone = session_gone };

void
lp_tunnel_sessions_end(struct lp_tunnels *tunnels)
{
	while (!lp_list_empty(&tunnels->sessions))
		session_free(lp_of(lp_list_first(&tunnels->sessions), struct session, link));
}

/* ---- the request */

static struct session *
session_new(struct lp_request *request, struct lp_cached *pod, const char *verb, const char *container)
{
	struct session *session = lp_seam.alloc(sizeof(*session));

	if (!session)
		return NULL;
	lp_list_init(&session->link);
	lp_arena_init(&session->arena, ARENA_MAX);
	session->tunnels = request->manager->tunnels;
	session->verb = verb;
	session->forward = strcmp(verb, "portforward") == 0;
	session->namespace = lp_arena_str(&session->arena, pod->namespace);
	session->pod = lp_arena_str(&session->arena, pod->name);
	session->uid = lp_arena_str(&session->arena, pod->uid);
	session->container = lp_arena_str(&session->arena, container);
	session->options = lp_json_new(&session->arena, LP_JSON_OBJECT);
	return session;
}

/* Which streams are wanted, and the command; words of what is wrong, or NULL. */
static const char *
exec_options(struct lp_request *request, struct session *session, struct lp_streams_opts *opts)
{
	struct lp_arena *arena = &session->arena;
	struct lp_json *options = session->options, *command;

	opts->stdin_open = lp_request_query_bool(request, "stdin");
	opts->stdout_open = lp_request_query_bool(request, "stdout");
	opts->tty = lp_request_query_bool(request, "tty");
	opts->stderr_open = lp_request_query_bool(request, "stderr") && !opts->tty;
	lp_json_set_bool(arena, options, "stdin", opts->stdin_open);
	lp_json_set_bool(arena, options, "stdout", opts->stdout_open);
	lp_json_set_bool(arena, options, "stderr", opts->stderr_open);
	lp_json_set_bool(arena, options, "tty", opts->tty);
	if (!opts->stdin_open && !opts->stdout_open && !opts->stderr_open)
		return "you must specify at least 1 of stdin, stdout, stderr";
	if (strcmp(session->verb, "exec") != 0)
		return NULL;
	command = lp_json_set_array(arena, options, "command");
	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		lp_auto_buf struct lp_buf word = { 0 };

		lp_buf_init(&word, 128u << 10);
		if (lp_http_query(request->call->query, "command", i, &word) < 0)
			break;
		lp_json_append(arena, command, lp_json_new_str(arena, lp_buf_text(&word)));
	}
	return lp_json_count(command) ? NULL : "you must specify at least 1 command for the container";
}

/* "?ports=80,443" or repeated; only a WebSocket names them there. */
static const char *
forward_ports(struct lp_request *request, uint16_t out[static PORTS_MAX + 1])
{
	lp_auto_buf struct lp_buf text = { 0 };
	size_t count = 0;
	char *save = NULL;

	lp_buf_init(&text, 1024);
	for (size_t i = 0; i < PORTS_MAX && lp_http_query(request->call->query, "ports", i, &text) == 0; i++) {
		for (char *word = strtok_r(text.data, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
			uint64_t port;

			if (count == PORTS_MAX || lp_text_u64(word, 65535, &port) < 0 || port == 0)
				return "ports: not a list of at most 32 ports";
			out[count++] = (uint16_t)port;
		}
	}
	out[count] = 0;
	return NULL;
}

static void
begin(struct lp_request *request, const char *verb)
{
	struct lp_streams_opts opts = { .forward = strcmp(verb, "portforward") == 0 };
	uint16_t ports[PORTS_MAX + 1] = { 0 };
	const char *container = NULL, *why;
	struct session *session;
	struct lp_cached *pod = lp_tunnel_pod(request, &container);
	struct lp_err err = { 0 };
	int rc;

	if (!pod)
		return;
	if (!lp_streams_wanted(request->call)) {
		lp_request_refuse(request, lp_status_make(&request->arena, 400, NULL, "Upgrade request required"));
		return;
	}
	if (!lp_fleet_has_link(request->manager->links, pod->node)) {
		lp_request_refuse(request, lp_status_make(&request->arena, 503, NULL, lp_arena_printf(&request->arena,
		    "node %s is not connected", pod->node)));
		return;
	}
	session = session_new(request, pod, verb, container);
	if (!session) {
		lp_request_refuse(request, NULL);
		return;
	}
	opts.ports = ports;
	why = opts.forward ? forward_ports(request, ports) : exec_options(request, session, &opts);
	if (why || session->arena.failed) {
		lp_request_refuse(request, lp_status_make(&request->arena, why ? 400 : 500, NULL, why ? why : "out of memory"));
		session_free(session);
		return;
	}
	rc = lp_streams_accept(request->call, &opts, &session_ops, session, &session->streams, &err);
	if (rc < 0) {
		lp_request_fail(request, rc == -ENOTSUP ? 400 : 500, &err);
		session_free(session);
		return;
	}
	lp_list_append(&session->tunnels->sessions, &session->link);
	lp_request_upgraded(request);
}

void
lp_tunnel_exec(struct lp_request *request)
{
	begin(request, "exec");
}

void
lp_tunnel_attach(struct lp_request *request)
{
	begin(request, "attach");
}

void
lp_tunnel_portforward(struct lp_request *request)
{
	begin(request, "portforward");
}
