#include "agent/pod/prober.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/auto.h"
#include "base/path.h"
#include "base/text.h"
#include "keeper/control.h"
#include "wire/client.h"

#define CALL_MS 3600000		/* the keeper ends us when the probe's time is over */
#define REDIRECTS 10		/* source: Go net/http defaultCheckRedirect */
#define ANSWER_BYTES 64		/* of a gRPC answer */

enum verdict { YES, NO, NOT_ASKED, GO_ON };

struct prober {
	struct lp_loop *loop;
	struct lp_client *client;
	struct lp_control_action action;
	struct lp_arena arena;
	char path[1024];
	int redirects;
	bool moved;			/* to be asked again elsewhere: the end of this connection means nothing */
	uint8_t answer[ANSWER_BYTES];	/* gRPC */
	size_t answer_len;
	enum verdict verdict;
	char text[512];
};

/* ---- nothing that could be taken from us ---- */

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define OWN_ARCH AUDIT_ARCH_ARM
#else
#error "which architecture is this?"
#endif

/* What is left: to speak over a socket, to wait, to have memory, to end. */
static const uint16_t allowed[] = {
	SYS_read, SYS_readv, SYS_write, SYS_writev, SYS_sendto, SYS_sendmsg, SYS_recvfrom, SYS_recvmsg, SYS_socket, SYS_connect,
	SYS_getsockopt, SYS_setsockopt, SYS_getsockname, SYS_getpeername, SYS_shutdown, SYS_close, SYS_fcntl, SYS_epoll_ctl,
	SYS_epoll_pwait, SYS_ppoll, SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk, SYS_clock_gettime, SYS_gettimeofday,
	SYS_getrandom, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_restart_syscall, SYS_futex, SYS_getpid,
#ifdef SYS_mmap
	SYS_mmap,
#endif
#ifdef SYS_mmap2
	SYS_mmap2,
#endif
#ifdef SYS_fcntl64
	SYS_fcntl64,
#endif
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
#ifdef SYS_epoll_pwait2
	SYS_epoll_pwait2,
#endif
#ifdef SYS_clock_gettime64
	SYS_clock_gettime64,
#endif
#ifdef SYS_send
	SYS_send,
#endif
#ifdef SYS_recv
	SYS_recv,
#endif
#ifdef LP_SANITIZED		/* what the sanitizers do at the end */
	SYS_sigaltstack, SYS_gettid, SYS_mprotect, SYS_sched_yield, SYS_readlink, SYS_getrlimit, SYS_prlimit64,
#endif
};

static int
lock(struct lp_err *err)
{
	struct sock_filter filter[lp_count(allowed) + 6], *at = filter;
	struct sock_fprog program = { .filter = filter };

	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
	*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < lp_count(allowed); i++)		/* to the last instruction */
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], (uint8_t)(lp_count(allowed) - i), 0);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)(at - filter);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return lp_err_set(err, -errno, "seccomp");
	return 0;
}

static int
drop_rights(const char *word, struct lp_err *err)
{
	const struct rlimit none = { 0, 0 }, files = { 32, 32 };
	uid_t real, effective, saved;
	uint64_t id;

	if (lp_text_u64(word, UINT32_MAX - 1, &id) < 0 || id == 0)
		return lp_err_say(err, -EINVAL, "\"%s\" is no id to become", word);
	/* Without capabilities from here on: all three ids change, and none of them is 0. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresgid((gid_t)id, (gid_t)id, (gid_t)id) < 0 ||
	    setresuid((uid_t)id, (uid_t)id, (uid_t)id) < 0)
		return lp_err_set(err, -errno, "give up rights");
	if (getresuid(&real, &effective, &saved) < 0 || real != id || effective != id || saved != id || setuid(0) == 0)
		return lp_err_say(err, -EPERM, "rights were not given up");
	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0)
		return lp_err_set(err, -errno, "limits");
	return 0;
}

/* ---- words ---- */

static void conclude(struct prober *prober, enum verdict verdict, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
conclude(struct prober *prober, enum verdict verdict, const char *fmt, ...)
{
	va_list args;

	if (prober->verdict != GO_ON)
		return;
	prober->verdict = verdict;
	va_start(args, fmt);
	(void)vsnprintf(prober->text, sizeof(prober->text), fmt, args);
	va_end(args);
	lp_loop_stop(prober->loop);
}

/* "dial tcp 10.42.0.5:80: connect: connection refused" */
static void
say_unreachable(struct prober *prober, const struct lp_err *why)
{
	const struct lp_control_action *action = &prober->action;
	char dial[320];

	if (prober->moved)
		return;
	if (why->code == -ECONNREFUSED)
		(void)snprintf(dial, sizeof(dial), "dial tcp %s:%u: connect: connection refused", action->host, action->port);
	else
		(void)snprintf(dial, sizeof(dial), "%s", why->text);
	switch ((enum lp_control_deed)action->deed) {
	case LP_CONTROL_DEED_HTTP:
		conclude(prober, NO, "Get \"%s://%s:%u%s\": %s", action->tls ? "https" : "http", action->host, action->port, prober->path, dial);
		return;
	case LP_CONTROL_DEED_GRPC:
		conclude(prober, NO, "failed to connect service \"%s:%u\": %s", action->host, action->port, dial);
		return;
	case LP_CONTROL_DEED_TCP:
	case LP_CONTROL_DEED_NONE:
	case LP_CONTROL_DEED_EXEC:
	case LP_CONTROL_DEED_SLEEP:
		conclude(prober, NO, "%s", dial);
		return;
	}
}

/* ---- HTTP ---- */

static int ask(struct prober *prober, struct lp_err *err);

/* True: the question is asked again at the place the answer named, as long as that is the same host. */
static bool
follow(struct prober *prober, const char *location)
{
	struct lp_control_action *action = &prober->action;
	struct lp_http_url url;

	if (!location)
		return false;
	if (*location == '/' && location[1] != '/')
		return snprintf(prober->path, sizeof(prober->path), "%s", location) < (int)sizeof(prober->path);
	if (lp_http_url(location, &url, NULL) < 0 || strcmp(url.host, action->host) != 0)
		return false;
	action->port = url.port;
	action->tls = url.tls;
	return snprintf(prober->path, sizeof(prober->path), "%s", *url.path ? url.path : "/") < (int)sizeof(prober->path);
}

static void
http_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct prober *prober = lp_client_call_arg(call);

	(void)now_ms;
	if (status < 200 || status >= 400) {
		conclude(prober, NO, "HTTP probe failed with statuscode: %d", status);
		return;
	}
	if (status < 300 || status == 304 || !follow(prober, lp_http_headers_get(headers, "location"))) {
		conclude(prober, YES, "%s", "");
		return;
	}
	if (++prober->redirects > REDIRECTS)
		conclude(prober, NO, "Get \"%s\": stopped after %d redirects", prober->path, REDIRECTS);
	prober->moved = true;
	lp_loop_stop(prober->loop);	/* run() goes on */
}

static void
http_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	(void)now_ms;
	if (why->code < 0 && why->code != -ECANCELED)
		say_unreachable(lp_client_call_arg(call), why);
}

static const struct lp_client_call_ops http_ops = { .head = http_head, .done = http_done };

static int
start_http(struct prober *prober, struct lp_err *err)
{
	const struct lp_control_action *action = &prober->action;
	struct lp_client_header *headers = lp_arena_alloc(&prober->arena, (action->header_count + 4) * sizeof(*headers));
	struct lp_client_request request = { .method = "GET", .path = prober->path, .headers = headers, .timeout_ms = CALL_MS };
	size_t count = action->header_count;
	bool agent = false, accept = false;

	if (!headers)
		return lp_err_set(err, -ENOMEM, "headers");
	for (size_t i = 0; i < count; i++) {
		headers[i] = (struct lp_client_header){ action->headers[i].name, action->headers[i].value };
		agent = agent || strcasecmp(headers[i].name, "user-agent") == 0;
		accept = accept || strcasecmp(headers[i].name, "accept") == 0;
	}
	if (!agent)
		headers[count++] = (struct lp_client_header){ "user-agent", "kube-probe/limpet-" LP_VERSION };
	if (!accept)
		headers[count++] = (struct lp_client_header){ "accept", "*/*" };
	headers[count++] = (struct lp_client_header){ "connection", "close" };
	headers[count] = (struct lp_client_header){ NULL, NULL };
	return lp_client_start(prober->client, &request, &http_ops, prober, NULL, err);
}

/* ---- gRPC: one unary call, a message is five bytes and a protobuf record ---- */

static void
grpc_head(struct lp_client_call *call, int status, const struct lp_http_headers *headers, int64_t now_ms)
{
	struct prober *prober = lp_client_call_arg(call);
	const char *code = lp_http_headers_get(headers, "grpc-status"), *words = lp_http_headers_get(headers, "grpc-message");

	(void)now_ms;
	if (status != 200)
		conclude(prober, NO, "error: health rpc probe failed: HTTP status code %d", status);
	else if (code && strcmp(code, "12") == 0)
		conclude(prober, NO, "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): %s", words ? words : "");
	else if (code && strcmp(code, "0") != 0)
		conclude(prober, NO, "error: health rpc probe failed: rpc error: code = %s desc = %s", code, words ? words : "");
}

static void
grpc_data(struct lp_client_call *call, const void *data, size_t len, int64_t now_ms)
{
	struct prober *prober = lp_client_call_arg(call);
	size_t room = sizeof(prober->answer) - prober->answer_len;

	(void)now_ms;
	memcpy(prober->answer + prober->answer_len, data, len < room ? len : room);
	prober->answer_len += len < room ? len : room;
}

static void
grpc_done(struct lp_client_call *call, const struct lp_err *why, int64_t now_ms)
{
	static const char *const names[] = { "UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN" };
	struct prober *prober = lp_client_call_arg(call);
	const uint8_t *answer = prober->answer;
	unsigned status = 0;

	(void)now_ms;
	if (why->code == -ECANCELED)
		return;
	if (why->code < 0) {
		say_unreachable(prober, why);
		return;
	}
	/* Nothing in the message means 0; field 1 is a varint, and its values fit into one byte. */
	if (prober->answer_len < 5 || answer[0] != 0) {
		conclude(prober, NO, "error: health rpc probe failed: the server gave no answer");
		return;
	}
	if (prober->answer_len >= 7 && answer[5] == 0x08)
		status = answer[6];
	if (status == 1)
		conclude(prober, YES, "%s", "");
	else
		conclude(prober, NO, "service unhealthy (responded with \"%s\")", names[status < lp_count(names) ? status : 0]);
}

static const struct lp_client_call_ops grpc_ops = { .head = grpc_head, .data = grpc_data, .done = grpc_done };

static int
start_grpc(struct prober *prober, struct lp_err *err)
{
	static const struct lp_client_header headers[] = { { "te", "trailers" }, { "user-agent", "kube-probe/limpet-" LP_VERSION }, { NULL, NULL } };
	const char *service = prober->action.service ? prober->action.service : "";
	struct lp_client_request request = { .method = "POST", .path = "/grpc.health.v1.Health/Check", .headers = headers,
		.type = "application/grpc", .timeout_ms = CALL_MS };
	uint8_t body[5 + 3 + 253];
	size_t len = strlen(service), at = 5;

	if (len > 253)
		return lp_err_say(err, -EINVAL, "the name of the service is too long");
	if (len) {		/* field 1, bytes; lengths from 128 on take two bytes */
		body[at++] = 0x0a;
		body[at++] = (uint8_t)(len < 128 ? len : (len & 127) | 128);
		if (len >= 128)
			body[at++] = (uint8_t)(len >> 7);
		memcpy(body + at, service, len);
		at += len;
	}
	body[0] = body[1] = body[2] = 0;
	body[3] = (uint8_t)((at - 5) >> 8);
	body[4] = (uint8_t)(at - 5);
	request.body = body;
	request.len = at;
	return lp_client_start(prober->client, &request, &grpc_ops, prober, NULL, err);
}

/* ---- asking ---- */

static void
connected(struct lp_client *client, int64_t now_ms)
{
	struct prober *prober = lp_client_arg(client);

	(void)now_ms;
	if (prober->action.deed == LP_CONTROL_DEED_TCP)
		conclude(prober, YES, "%s", "");
}

static void
closed(struct lp_client *client, const struct lp_err *why, int64_t now_ms)
{
	(void)now_ms;
	say_unreachable(lp_client_arg(client), why);
}

static int
ask(struct prober *prober, struct lp_err *err)
{
	const struct lp_control_action *action = &prober->action;
	static const char *const alpn[] = { "http/1.1", NULL };
	const struct lp_tls_client_opts trust = { .anyone = true, .alpn = alpn };
	struct lp_client_opts opts = {
		.host = action->host,
		.port = action->port,
		.http2 = action->deed == LP_CONTROL_DEED_GRPC,
		.connect_ms = CALL_MS,
		.ready = connected,
		.closed = closed,
		.arg = prober,
	};
	int rc = 0;

	if (action->deed == LP_CONTROL_DEED_HTTP && action->tls)
		rc = lp_tls_config_client(&opts.tls, &trust, err);	/* ours until we end, which is soon */
	if (!rc)
		rc = lp_client_new(prober->loop, &opts, &prober->client, err);
	if (rc < 0)
		return rc;
	switch ((enum lp_control_deed)action->deed) {
	case LP_CONTROL_DEED_HTTP:
		return start_http(prober, err);
	case LP_CONTROL_DEED_GRPC:
		return start_grpc(prober, err);
	case LP_CONTROL_DEED_TCP:
		return 0;
	case LP_CONTROL_DEED_NONE:
	case LP_CONTROL_DEED_EXEC:
	case LP_CONTROL_DEED_SLEEP:
		break;
	}
	return lp_err_say(err, -EOPNOTSUPP, "a prober does not know how to do %d", (int)action->deed);
}

static int
read_action(struct prober *prober, struct lp_err *err)
{
	lp_auto_buf struct lp_buf bytes;
	int rc;

	lp_buf_init(&bytes, LP_CONTROL_PACKET);
	rc = lp_path_read_fd(STDIN_FILENO, &bytes, err);
	if (!rc)
		rc = lp_control_action_read(&prober->arena, bytes.data, bytes.len, &prober->action, err);
	if (!rc && prober->action.path && snprintf(prober->path, sizeof(prober->path), "%s", prober->action.path) >= (int)sizeof(prober->path))
		rc = lp_err_say(err, -ENAMETOOLONG, "the path is too long");
	return rc;
}

/* The first turn reads the machine's own resolver files and opens the connection; it reads nothing that the pod sent. */
static int
run(struct prober *prober, const char *id, struct lp_err *err)
{
	int rc;

	rc = read_action(prober, err);
	if (!rc)
		rc = drop_rights(id, err);
	if (!rc)
		rc = lp_loop_new(&prober->loop, err);
	if (!rc)
		rc = ask(prober, err);
	if (!rc)
		rc = lp_loop_turn(prober->loop, 0, err);
	if (!rc)
		rc = lock(err);
	while (!rc && prober->verdict == GO_ON) {
		rc = lp_loop_run(prober->loop, err);
		if (!rc && prober->verdict == GO_ON && prober->moved) {
			lp_client_free(lp_take(&prober->client));
			prober->moved = false;
			rc = ask(prober, err);
		}
	}
	return rc;
}

int
lp_prober_main(int argc, char **argv)
{
	struct prober prober = { .verdict = GO_ON };
	struct lp_err err = { 0 };

	if (argc != 2) {
		(void)fprintf(stderr, "limpet prober is started by limpet keeper\n");
		return 2;
	}
	(void)prctl(PR_SET_NAME, "limpet-prober");
	lp_arena_init(&prober.arena, LP_CONTROL_RECORD);
	if (run(&prober, argv[1], &err) < 0) {
		prober.verdict = NOT_ASKED;
		(void)snprintf(prober.text, sizeof(prober.text), "%s", err.text);
	}
	(void)!write(STDOUT_FILENO, prober.text, strlen(prober.text));	/* nobody reads: the status says enough */
	_exit(prober.verdict);
}
