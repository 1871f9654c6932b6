#include "tools/up.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/opts.h"
#include "base/path.h"
#include "base/text.h"

enum { WORDS_MAX = 64, ARGS_MAX = 40, EXTRA_MAX = 16, OUTPUT_MAX = 64 << 10, AGAIN_FIRST_MS = 200, AGAIN_MOST_MS = 10000, STEADY_MS = 30000 };

/* One program that is kept running. */
struct part {
	struct up *up;
	const char *name;		/* "manager", "agent" */
	const char *word;		/* what it prints when it is up */
	void (*is_up)(struct up *up, int64_t now_ms);
	const char *args[ARGS_MAX];	/* NULL-terminated; args[0] is the role */
	pid_t pid;			/* 0 while it does not run */
	int pidfd, out_fd;		/* -1 */
	struct lp_watch exit_watch, out_watch;
	struct lp_buf out;		/* of its standard output, until the word is seen */
	bool seen;
	struct lp_timer again;
	int64_t started_ms;
	uint32_t failures;
};

struct up {
	struct lp_loop *loop;
	struct part manager, agent, helper;	/* helper: token, join, down, one after the other */
	const char *data_dir, *run_dir, *instance, *bridge, *cgroup_root, *listen, *node_name, *pod_cidr, *service_cidr, *level;
	struct lp_opt_list agent_options;	/* "eviction-hard=memory.available<1Gi" */
	char *agent_args[EXTRA_MAX];	/* the same with "--" */
	char url[300], kubeconfig[600], host[65];
	char *token;			/* from `limpet token create`, until the join has it */
	bool keep_pods, stopping, ready;
	int exit_code;
};

/* ---- programs */

static _Noreturn void
become(const struct part *part, int out_fd, int in_fd)
{
	char *argv[ARGS_MAX + 2] = { (char *)(uintptr_t)"limpet" };
	sigset_t none;
	size_t n = 1;

	for (size_t i = 0; part->args[i]; i++)
		argv[n++] = (char *)(uintptr_t)part->args[i];
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);	/* nobody is left to supervise: the agent's pods stay */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in_fd, 0) >= 0 && dup2(out_fd, 1) >= 0)
		(void)execv("/proc/self/exe", argv);
	_exit(127);
}

static void part_exited(struct lp_watch *watch, uint32_t events, int64_t now_ms);
static void part_printed(struct lp_watch *watch, uint32_t events, int64_t now_ms);

/* `input` (may be NULL) is what it reads on standard input. */
static int
start_part(struct part *part, const char *input, int64_t now_ms, struct lp_err *err)
{
	lp_auto_fd int in_read = -1;
	lp_auto_fd int in_write = -1;
	lp_auto_fd int out_write = -1;
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "start %s", part->name);
	in_read = in[0];
	in_write = in[1];
	if (pipe2(out, O_CLOEXEC) < 0)
		return lp_err_set(err, -errno, "start %s", part->name);
	part->out_fd = out[0];
	out_write = out[1];
	(void)fcntl(part->out_fd, F_SETFL, O_NONBLOCK);
	part->pid = fork();
	if (part->pid == 0)
		become(part, out_write, in_read);
	if (part->pid < 0) {
		part->pid = 0;
		return lp_err_set(err, -errno, "start %s", part->name);
	}
	part->pidfd = (int)syscall(SYS_pidfd_open, part->pid, 0);
	part->started_ms = now_ms;
	part->seen = false;
	lp_buf_reset(&part->out);
	if (part->pidfd < 0)
		return lp_err_set(err, -errno, "watch %s", part->name);
	if (input)
		(void)!write(in_write, input, strlen(input));	/* a few hundred bytes: fits the pipe; a dead reader is seen as its exit */
	if (lp_watch_start(part->up->loop, &part->exit_watch, part->pidfd, EPOLLIN, part_exited, err) < 0)
		return err->code;
	return lp_watch_start(part->up->loop, &part->out_watch, part->out_fd, EPOLLIN, part_printed, err);
}

static void
start_again(struct lp_timer *timer, int64_t now_ms)
{
	struct part *part = lp_of(timer, struct part, again);
	struct lp_err err = { 0 };

	if (start_part(part, NULL, now_ms, &err) < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		part->up->exit_code = 1;
		lp_loop_stop(part->up->loop);
	}
}

static void
part_printed(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct part *part = lp_of(watch, struct part, out_watch);
	char *at = lp_buf_room(&part->out, 1024), pattern[64];
	ssize_t got = at ? read(part->out_fd, at, 1024) : 0;

	(void)events;
	if (got <= 0) {
		if (got == 0 || errno != EAGAIN)
			lp_watch_stop(watch);
		return;
	}
	lp_buf_added(&part->out, (size_t)got);
	if (!part->word)
		return;
	(void)snprintf(pattern, sizeof(pattern), "%s\n", part->word);
	if (!part->seen && strstr(lp_buf_text(&part->out), pattern)) {
		part->seen = true;
		part->is_up(part->up, now_ms);
	}
	if (part->seen)
		lp_buf_reset(&part->out);
}

/* ---- the helper: one short command after the other */

static void helper_next(struct up *up, int status, int64_t now_ms);
static void stop_manager(struct up *up);

static void
run_helper(struct up *up, const char *input, int64_t now_ms)
{
	struct lp_err err = { 0 };

	if (start_part(&up->helper, input, now_ms, &err) < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		up->exit_code = 1;
		lp_loop_stop(up->loop);
	}
}

static void
fail(struct up *up, const char *what)
{
	(void)fprintf(stderr, "error: %s\n", what);
	up->exit_code = 1;
	up->stopping = true;
	if (up->manager.pid)
		stop_manager(up);
	else
		lp_loop_stop(up->loop);
}

static void
set_args(struct part *part, const char *const *args, size_t count)
{
	size_t n = 0;

	/* Pairs of option and value; an option without value is left out with it. The first is the role. */
	part->args[n++] = args[0];
	for (size_t i = 1; i + 1 < count; i += 2) {
		if (!args[i + 1])
			continue;
		part->args[n++] = args[i];
		part->args[n++] = args[i + 1];
	}
	part->args[n] = NULL;
}

static void
ask_token(struct up *up, int64_t now_ms)
{
	static const char *const role[] = { "token", "create" };

	up->helper.name = "token create";
	up->helper.args[0] = role[0];
	up->helper.args[1] = role[1];
	up->helper.args[2] = "--kubeconfig";
	up->helper.args[3] = up->kubeconfig;
	up->helper.args[4] = NULL;
	run_helper(up, NULL, now_ms);
}

static void
join(struct up *up, int64_t now_ms)
{
	const char *const args[] = { "join", "--data-dir", up->data_dir, "--token-file", "-", "--node-name", up->node_name };

	up->helper.name = "join";
	set_args(&up->helper, args, lp_count(args));
	for (size_t n = lp_count(args) + 1; n > 1; n--)
		up->helper.args[n] = up->helper.args[n - 1];
	up->helper.args[1] = up->url;
	run_helper(up, up->token, now_ms);
}

static void
start_agent(struct up *up, int64_t now_ms)
{
	struct lp_err err = { 0 };

	if (start_part(&up->agent, NULL, now_ms, &err) < 0)
		fail(up, err.text);
}

static void
take_down(struct up *up, int64_t now_ms)
{
	const char *const args[] = { "down", "--data-dir", up->data_dir, "--run-dir", up->run_dir, "--instance", up->instance, "--bridge",
		up->bridge, "--cgroup-root", up->cgroup_root };

	up->helper.name = "down";
	set_args(&up->helper, args, lp_count(args));
	run_helper(up, NULL, now_ms);
}

/* "limpet join URL --token lp1.x.y.z": the word that begins with "lp1." */
static char *
find_token(const char *text)
{
	const char *at = strstr(text, "lp1.");

	return at ? strndup(at, strcspn(at, " \t\r\n\"'")) : NULL;
}

static void
helper_next(struct up *up, int status, int64_t now_ms)
{
	const char *name = up->helper.name;
	char words[128];

	if (status != 0) {
		(void)snprintf(words, sizeof(words), "limpet %s failed: its own message stands above", name);
		fail(up, words);
	} else if (strcmp(name, "token create") == 0) {
		up->token = find_token(lp_buf_text(&up->helper.out));
		if (up->token)
			join(up, now_ms);
		else
			fail(up, "limpet token create printed no token");
	} else if (strcmp(name, "join") == 0) {
		free(up->token);
		up->token = NULL;
		start_agent(up, now_ms);
	} else {
		stop_manager(up);
	}
}

/* ---- what follows what */

static bool
has_joined(const struct up *up)
{
	lp_auto_fd int data_fd = -1;
	lp_auto_fd int fd = -1;

	return lp_path_root(up->data_dir, false, &data_fd, NULL) == 0 &&
	    (lp_path_open(data_fd, "node/identity", O_PATH, 0, &fd, NULL) == 0 ||
		lp_path_open(data_fd, "node/identity.old", O_PATH, 0, &fd, NULL) == 0);
}

static void
manager_is_up(struct up *up, int64_t now_ms)
{
	if (up->agent.pid || up->stopping)
		return;		/* it was started again; the agent dials anew by itself */
	if (has_joined(up))
		start_agent(up, now_ms);
	else if (!up->helper.pid)
		ask_token(up, now_ms);
}

static void
agent_is_up(struct up *up, int64_t now_ms)
{
	(void)now_ms;
	if (up->ready)
		return;
	up->ready = true;
	(void)printf("ready\n");
	(void)fflush(stdout);
}

static void
stop_manager(struct up *up)
{
	if (up->manager.pid)
		(void)kill(up->manager.pid, SIGTERM);
	else
		lp_loop_stop(up->loop);
}

static void
part_stopped(struct up *up, struct part *part, int64_t now_ms)
{
	if (part == &up->agent && up->keep_pods)
		stop_manager(up);
	else if (part == &up->agent)
		take_down(up, now_ms);
	else
		lp_loop_stop(up->loop);
}

static void
part_exited(struct lp_watch *watch, uint32_t events, int64_t now_ms)
{
	struct part *part = lp_of(watch, struct part, exit_watch);
	struct up *up = part->up;
	siginfo_t info = { 0 };
	int64_t wait_ms;

	(void)events;
	while (waitid(P_PIDFD, (id_t)part->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	while (part->out_watch.loop) {
		size_t before = part->out.len;

		part_printed(&part->out_watch, EPOLLIN, now_ms);
		if (part->out.len == before)
			break;
	}
	lp_watch_stop(&part->out_watch);
	lp_watch_stop(&part->exit_watch);
	lp_close(&part->pidfd);
	lp_close(&part->out_fd);
	part->pid = 0;
	if (part == &up->helper) {
		helper_next(up, info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status, now_ms);
		return;
	}
	if (up->stopping) {
		part_stopped(up, part, now_ms);
		return;
	}
	/* Before it was ever up, a fault of the command line or the machine: starting again would hide it. */
	if (!up->ready && !part->seen) {
		(void)fprintf(stderr, "error: limpet %s ended before it was ready: its own message stands above\n", part->name);
		fail(up, "limpet up cannot start");
		return;
	}
	part->failures = now_ms - part->started_ms > STEADY_MS ? 0 : part->failures + 1;
	wait_ms = AGAIN_FIRST_MS << (part->failures < 6 ? part->failures : 6);
	wait_ms = wait_ms > AGAIN_MOST_MS ? AGAIN_MOST_MS : wait_ms;
	lp_log(LP_LOG_WARN, "a part has ended, it is started again", "part=%s %s=%d in_ms=%lld", part->name,
	    info.si_code == CLD_EXITED ? "status" : "signal", info.si_status, (long long)wait_ms);
	(void)lp_timer_start(up->loop, &part->again, now_ms + wait_ms, start_again);
}

static void
on_signal(void *arg, int signo, int64_t now_ms)
{
	struct up *up = arg;

	if (up->stopping)
		return;
	lp_log(LP_LOG_INFO, up->keep_pods ? "stopping, the pods stay" : "stopping, the pods too", "signal=%d", signo);
	up->stopping = true;
	lp_timer_stop(&up->agent.again);
	lp_timer_stop(&up->manager.again);
	if (up->agent.pid)
		(void)kill(up->agent.pid, SIGTERM);
	else if (!up->helper.pid)
		part_stopped(up, &up->agent, now_ms);
}

/* ---- start */

static void
init_part(struct up *up, struct part *part, const char *name, const char *word, void (*is_up)(struct up *up, int64_t now_ms))
{
	part->up = up;
	part->name = name;
	part->word = word;
	part->is_up = is_up;
	part->pidfd = part->out_fd = -1;
	lp_buf_init(&part->out, OUTPUT_MAX);
}

/* Behind what is there already; the part's list has room. */
static int
add_agent_options(struct up *up, struct lp_err *err)
{
	size_t n = 0;

	if (up->agent_options.count > EXTRA_MAX)
		return lp_err_say(err, -EINVAL, "at most %d of --agent-option", EXTRA_MAX);
	while (up->agent.args[n])
		n++;
	up->agent.args[n++] = "--own-cgroup";
	for (size_t i = 0; i < up->agent_options.count; i++) {
		if (asprintf(&up->agent_args[i], "--%s", up->agent_options.items[i]) < 0)
			return lp_err_set(err, -ENOMEM, "start the agent");
		up->agent.args[n++] = up->agent_args[i];
	}
	return 0;
}

static int
init_parts(struct up *up, struct lp_err *err)
{
	const char *const manager[] = { "manager", "--data-dir", up->data_dir, "--run-dir", up->run_dir, "--listen", up->listen, "--pod-cidr", up->pod_cidr, "--service-cidr", up->service_cidr, "--log-level", up->level };
	const char *const agent[] = { "agent", "--data-dir", up->data_dir, "--run-dir", up->run_dir, "--instance", up->instance, "--bridge",
		up->bridge, "--cgroup-root", up->cgroup_root, "--log-level", up->level };
	char host[256];
	uint16_t port;

	if (lp_text_host_port(up->listen, host, sizeof(host), &port) < 0)
		return lp_err_say(err, -EINVAL, "--listen %s: ADDRESS:PORT is expected", up->listen);
	if (!*host || strcmp(host, "0.0.0.0") == 0)
		(void)snprintf(host, sizeof(host), "127.0.0.1");
	(void)snprintf(up->url, sizeof(up->url), "https://%s:%u", host, port);
	(void)snprintf(up->kubeconfig, sizeof(up->kubeconfig), "%s/admin.kubeconfig", up->data_dir);
	if (!up->node_name) {
		if (gethostname(up->host, sizeof(up->host) - 1) < 0)
			return lp_err_set(err, -errno, "ask for the host name");
		up->node_name = up->host;
	}
	init_part(up, &up->manager, "manager", "ready", manager_is_up);
	init_part(up, &up->agent, "agent", "linked", agent_is_up);
	init_part(up, &up->helper, "helper", NULL, NULL);
	set_args(&up->manager, manager, lp_count(manager));
	set_args(&up->agent, agent, lp_count(agent));
	return add_agent_options(up, err);
}

static int
run(struct up *up, struct lp_err *err)
{
	sigset_t signals;
	int rc = init_parts(up, err);

	(void)signal(SIGPIPE, SIG_IGN);
	if (rc == 0)
		rc = lp_loop_new(&up->loop, err);
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	if (rc == 0)
		rc = lp_loop_signals(up->loop, &signals, on_signal, up, err);
	if (rc == 0)
		rc = start_part(&up->manager, NULL, lp_loop_now(up->loop), err);
	if (rc == 0)
		rc = lp_loop_run(up->loop, err);
	lp_buf_fini(&up->manager.out);
	lp_buf_fini(&up->agent.out);
	lp_buf_fini(&up->helper.out);
	free(up->token);
	for (size_t i = 0; i < EXTRA_MAX; i++)
		free(up->agent_args[i]);
	lp_loop_free(up->loop);
	return rc;
}

int
lp_up_main(int argc, char **argv)
{
	struct up up = { .data_dir = "/var/lib/limpet", .listen = "127.0.0.1:6443", .level = "info" };
	const char *rest[WORDS_MAX];
	bool help = false;
	const struct lp_opt opts[] = {
		{ "data-dir", 'd', LP_OPT_STR, &up.data_dir, "DIR", "where everything is kept (default /var/lib/limpet)" },
		{ "listen", 0, LP_OPT_STR, &up.listen, "A:P", "address and port of the API (default 127.0.0.1:6443)" },
		{ "node-name", 0, LP_OPT_STR, &up.node_name, "NAME", "name of this node (default: its host name)" },
		{ "pod-cidr", 0, LP_OPT_STR, &up.pod_cidr, "CIDR", "addresses of all pods (default 10.42.0.0/16)" },
		{ "service-cidr", 0, LP_OPT_STR, &up.service_cidr, "CIDR", "addresses of Services (default 10.43.0.0/16)" },
		{ "cgroup-root", 0, LP_OPT_STR, &up.cgroup_root, "DIR", "cgroup v2 directory to work below (default: the cgroup v2 mount)" },
		{ "run-dir", 0, LP_OPT_STR, &up.run_dir, "DIR", "run-time state, in memory (default /run/<instance>)" },
		{ "instance", 0, LP_OPT_STR, &up.instance, "NAME", "name of this instance, when several share a machine" },
		{ "bridge", 0, LP_OPT_STR, &up.bridge, "NAME", "name of the bridge (default limpet0, or derived from the instance)" },
		{ "agent-option", 0, LP_OPT_LIST, &up.agent_options, "NAME=VALUE", "an option of `limpet agent`, such as eviction-hard=...; may be given again" },
		{ "keep-pods", 0, LP_OPT_FLAG, &up.keep_pods, NULL, "leave the pods running at the end" },
		{ "log-level", 0, LP_OPT_STR, &up.level, "LEVEL", "debug, info, warn or error (default info)" },
		{ "help", 'h', LP_OPT_FLAG, &help, NULL, "show this help" },
		{ 0 },
	};
	enum lp_log_level level;
	struct lp_err err = { 0 };
	int words = 0, rc;

	rc = argc > WORDS_MAX ? lp_err_say(&err, -EINVAL, "too many words") : lp_opts_parse(opts, argc - 1, argv + 1, rest, &words, NULL, &err);
	if (rc == 0 && help) {
		lp_opts_help("limpet up [options]",
		    "Run manager and agent on this machine, a whole cluster on one board. Prints \"ready\" when the node is; ends with SIGTERM.", opts,
		    "limpet up --data-dir /var/lib/limpet --listen 0.0.0.0:6443");
		return 0;
	}
	if (rc == 0 && words > 0)
		rc = lp_err_say(&err, -EINVAL, "up takes no words: %s", rest[0]);
	if (rc == 0 && lp_log_level_parse(up.level, &level) < 0)
		rc = lp_err_say(&err, -EINVAL, "--log-level %s: debug, info, warn or error", up.level);
	if (rc < 0) {
		(void)fprintf(stderr, "error: %s\n", err.text);
		return 2;
	}
	lp_log_init(2, level);
	rc = run(&up, &err);
	if (rc < 0)
		(void)fprintf(stderr, "error: %s\n", err.text);
	return rc < 0 ? 1 : up.exit_code;
}
