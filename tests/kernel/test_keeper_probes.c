/* Real keepers with real containers: probes of every kind, hooks, deadlines, limits that change, and an upgrade in the midst of them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/text.h"
#include "keeper/control.h"
#include "tests/harness.h"
#include "tests/kernel/solo.h"

#define SERVE "exec busybox httpd -f -p 8080 -h /tmp/www"
#define LAST "; while :; do sleep 0.02; done"

/* The pod's own loopback, as netbridge would have brought it up. Runs `then` in the pod's network, in a child. */
static pid_t
in_network(void (*then)(void *arg), void *arg)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		int fd;

		if (setns(solo.netns_fd, CLONE_NEWNET) < 0 || (fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0 ||
		    ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
			_exit(1);
		(void)close(fd);
		if (then)
			then(arg);
		_exit(0);
	}
	return pid;
}

static void
go(void)
{
	int status;

	solo_spawn();
	CHECK(waitpid(in_network(NULL, NULL), &status, 0) > 0 && status == 0);
	solo_go();
}

static void
touch(const char *name)
{
	char path[600];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", solo.shared, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && close(fd) == 0);
}

/* A probe that is asked often, and turns at the first answer. */
static struct lp_control_probe *
quick(struct lp_control_container *c, enum lp_control_probe_kind kind, struct lp_control_action action)
{
	static struct lp_control_probe probes[SOLO_MAX][LP_CONTROL_PROBES];
	struct lp_control_probe *list = probes[c - solo.containers], *probe = &list[c->probe_count++];

	*probe = (struct lp_control_probe){ .kind = (int32_t)kind, .action = action, .period_ms = 50, .timeout_ms = 5000,
		.success_threshold = 1, .failure_threshold = 1 };
	c->probes = list;
	return probe;
}

static struct lp_control_action
get(const char *path)
{
	return (struct lp_control_action){ .deed = LP_CONTROL_DEED_HTTP, .host = "127.0.0.1", .port = 8080, .path = path };
}

#define RUN(script) ((struct lp_control_action){ .deed = LP_CONTROL_DEED_EXEC, .args = (const char *const[]){ "/bin/sh", "-c", (script), NULL } })

TEST(a_container_is_ready_when_its_page_is_there_and_no_longer_when_it_is_gone)
{
	solo_init();
	quick(solo_add("main", "mkdir -p /tmp/www; " SERVE), LP_CONTROL_READINESS, get("/ok"));
	quick(solo_add("hand", "while [ ! -e /shared/in ]; do sleep 0.02; done; echo; while :; do sleep 1; done"), LP_CONTROL_READINESS,
	    RUN("test -e /shared/in"));
	go();
	SOLO_UNTIL(solo_seen("main") && strstr(solo_seen("main")->words[LP_CONTROL_NEWS_READINESS], "404"));
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_READINESS], "Readiness probe failed: HTTP probe failed with statuscode: 404");
	CHECK_INT(solo_seen("main")->status.ready, LP_CONTROL_NO);
	CHECK_INT(solo_seen("main")->status.started, LP_CONTROL_YES);
	CHECK_INT(solo_seen("hand")->status.ready, LP_CONTROL_NO);
	{
		struct lp_control_exec exec = { .container = "main", .args = (const char *const[]){ "/bin/sh", "-c", "echo fine >/tmp/www/ok; echo >/shared/in", NULL } };
		struct lp_err err;

		CHECK_OK(lp_control_exec(&solo.control, 1, &exec, (const int[3]){ -1, -1, -1 }, &err), &err);
		SOLO_UNTIL(solo_seen("main")->status.ready == LP_CONTROL_YES && solo_seen("hand")->status.ready == LP_CONTROL_YES);
		exec.args = (const char *const[]){ "/bin/busybox", "rm", "/tmp/www/ok", NULL };
		CHECK_OK(lp_control_exec(&solo.control, 2, &exec, (const int[3]){ -1, -1, -1 }, &err), &err);
		SOLO_UNTIL(solo_seen("main")->status.ready == LP_CONTROL_NO);
	}
	CHECK_INT(solo_seen("main")->status.starts, 1);
	CHECK(solo_seen("main")->status.turned_ms > 0);
	solo_finish();
}

TEST(a_container_that_is_no_longer_alive_is_stopped_and_starts_again)
{
	struct lp_control_container *c;

	solo_init();
	c = solo_add("main", "trap 'exit 9' TERM; : >/tmp/alive; (sleep 0.2; busybox rm /tmp/alive) & while :; do sleep 0.02; done");
	quick(c, LP_CONTROL_LIVENESS, RUN("echo no sign of life; test -e /tmp/alive"))->failure_threshold = 3;
	solo.pod.policy = LP_CONTROL_ALWAYS;
	go();
	SOLO_UNTIL(solo_seen("main") && solo_seen("main")->status.starts >= 2 && solo_runs("main"));
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_LIVENESS], "Liveness probe failed: no sign of life");
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_KILLING], "Container main failed liveness probe, will be restarted");
	CHECK(solo_seen("main")->news[LP_CONTROL_NEWS_LIVENESS] >= 3);
	CHECK_INT(solo_seen("main")->status.last.code, 9);
	solo_finish();
}

TEST(a_container_that_will_not_end_is_killed_when_its_probes_own_grace_is_over)
{
	struct lp_control_container *c;
	struct lp_control_probe *probe;

	solo_init();
	c = solo_add("main", "trap '' TERM" LAST);
	probe = quick(c, LP_CONTROL_LIVENESS, RUN("exit 1"));
	probe->grace_set = true;
	probe->grace_ms = 100;
	solo.pod.grace_ms = 600000;
	go();
	SOLO_UNTIL(solo_ended("main"));
	CHECK_INT(solo_seen("main")->status.end.code, 137);
	CHECK_INT(solo_seen("main")->status.end.signal, SIGKILL);
	solo_finish();
}

TEST(others_wait_for_the_startup_probe_and_what_comes_behind_a_sidecar_too)
{
	struct lp_control_container *side;
	char *order;

	solo_init();
	side = solo_add("side", "trap 'echo side >>/shared/order; exit 0' TERM; sleep 0.3; echo side-up >>/shared/order; : >/tmp/up" LAST);
	side->role = LP_CONTROL_SIDECAR;
	quick(side, LP_CONTROL_STARTUP, RUN("test -e /tmp/up"))->failure_threshold = 100;
	quick(side, LP_CONTROL_LIVENESS, RUN("test -e /tmp/up"));
	solo_add("main", "echo main >>/shared/order; exit 0");
	go();
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("side"));
	order = solo_read_shared("order");
	CHECK_STR(order, "side-up\nmain\nside\n");
	CHECK_INT(solo_seen("side")->news[LP_CONTROL_NEWS_LIVENESS], 0);
	CHECK(solo_seen("side")->news[LP_CONTROL_NEWS_STARTUP] > 0);
	CHECK_INT(solo_seen("side")->status.starts, 1);
	free(order);
	solo_finish();
}

TEST(a_container_that_never_starts_up_is_ended)
{
	struct lp_control_container *c;

	solo_init();
	c = solo_add("main", "while :; do sleep 0.02; done");
	quick(c, LP_CONTROL_STARTUP, (struct lp_control_action){ .deed = LP_CONTROL_DEED_TCP, .host = "127.0.0.1", .port = 81 })->failure_threshold = 2;
	go();
	SOLO_UNTIL(solo_ended("main"));
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_STARTUP], "Startup probe failed: dial tcp 127.0.0.1:81: connect: connection refused");
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_KILLING], "Container main failed startup probe, will be restarted");
	CHECK_INT(solo_seen("main")->status.end.code, 137);	/* the first process of a pid namespace takes no TERM without a handler */
	solo_finish();
}

TEST(a_command_that_takes_too_long_has_failed_and_is_killed)
{
	struct lp_control_container *c;

	solo_init();
	c = solo_add("main", "while :; do sleep 0.02; done");
	quick(c, LP_CONTROL_READINESS, RUN("echo $$ >/shared/pid; exec sleep 1000"))->timeout_ms = 100;
	go();
	SOLO_UNTIL(solo_seen("main") && solo_seen("main")->news[LP_CONTROL_NEWS_READINESS] >= 2);
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_READINESS],
	    "Readiness probe failed: command timed out: \"/bin/sh\" timed out after 100ms");
	solo_finish();
}

TEST(a_command_that_is_not_there_says_nothing_about_the_container)
{
	struct lp_control_container *c;

	solo_init();
	c = solo_add("main", "while :; do sleep 0.02; done");
	quick(c, LP_CONTROL_LIVENESS, (struct lp_control_action){ .deed = LP_CONTROL_DEED_EXEC, .args = (const char *const[]){ "/bin/nonesuch", NULL } });
	go();
	SOLO_UNTIL(solo_seen("main") && solo_seen("main")->news[LP_CONTROL_NEWS_LIVENESS] >= 5);
	CHECK_HAS(solo_seen("main")->words[LP_CONTROL_NEWS_LIVENESS], "Liveness probe errored: ");
	CHECK_HAS(solo_seen("main")->words[LP_CONTROL_NEWS_LIVENESS], "/bin/nonesuch");
	CHECK_INT(solo_seen("main")->status.starts, 1);
	CHECK(solo_runs("main"));
	solo_finish();
}

/* ---- hooks ---- */

TEST(a_container_runs_when_its_post_start_hook_is_done_and_the_next_one_waits_for_it)
{
	struct lp_control_container *c;
	char *order;

	solo_init();
	c = solo_add("one", "echo one >>/shared/order" LAST);
	c->post_start = RUN("while [ ! -e /shared/free ]; do sleep 0.02; done; echo hook >>/shared/order");
	solo_add("two", "echo two >>/shared/order" LAST);
	go();
	SOLO_UNTIL(solo_seen("one") && solo_seen("one")->status.starts == 1 && access(lp_test_path("shared/order"), F_OK) == 0);
	CHECK_INT(solo_seen("one")->status.run, LP_CONTROL_RUN_WAITING);
	CHECK_STR(solo_seen("one")->reason, "ContainerCreating");
	CHECK_INT(solo_seen("two")->status.starts, 0);
	touch("free");
	SOLO_UNTIL(solo_runs("one") && solo_runs("two"));
	for (int64_t deadline = 0;;) {
		order = solo_read_shared("order");
		if (!strcmp(order, "one\nhook\ntwo\n"))
			break;
		if (!lp_test_wait(&deadline, 5000))
			FAIL("order: %s", order);
		free(order);
	}
	free(order);
	solo_finish();
}

TEST(a_post_start_hook_that_fails_ends_the_container)
{
	struct lp_control_container *c;

	solo_init();
	c = solo_add("main", "trap 'exit 4' TERM" LAST);
	c->post_start = RUN("sleep 0.1; echo cannot be; exit 3");
	go();
	SOLO_UNTIL(solo_ended("main"));
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_POST_START], "PostStartHook failed: cannot be");
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_KILLING], "FailedPostStartHook");
	CHECK_INT(solo_seen("main")->status.end.code, 4);
	solo_finish();
}

TEST(a_pre_stop_hook_comes_before_the_signal)
{
	struct lp_control_container *c;
	struct lp_err err;
	char *order;

	solo_init();
	c = solo_add("main", "trap 'echo term >>/shared/order; exit 0' TERM; : >/shared/up" LAST);
	c->pre_stop = RUN("echo hook >>/shared/order; sleep 0.1; echo done >>/shared/order");
	go();
	SOLO_UNTIL(access(lp_test_path("shared/up"), F_OK) == 0);
	CHECK_OK(lp_control_stop(&solo.control, 20000, &err), &err);
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("main"));
	order = solo_read_shared("order");
	CHECK_STR(order, "hook\ndone\nterm\n");
	CHECK_INT(solo_seen("main")->status.end.code, 0);
	free(order);
	solo_finish();
}

TEST(a_hook_that_takes_all_of_the_grace_period_leaves_two_seconds_for_the_signal)
{
	struct lp_control_container *c;
	struct lp_err err;
	int64_t before;

	solo_init();
	c = solo_add("main", "trap 'exit 6' TERM; : >/shared/up" LAST);
	c->pre_stop = (struct lp_control_action){ .deed = LP_CONTROL_DEED_SLEEP, .sleep_ms = 600000 };
	go();
	SOLO_UNTIL(access(lp_test_path("shared/up"), F_OK) == 0);
	before = lp_loop_now(solo.loop);
	CHECK_OK(lp_control_stop(&solo.control, 300, &err), &err);
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("main"));
	CHECK(lp_loop_now(solo.loop) - before >= 290);
	CHECK_INT(solo_seen("main")->status.end.code, 6);	/* it was asked, not killed */
	solo_finish();
}

TEST(a_hook_that_fails_is_told_and_the_signal_comes_at_once)
{
	struct lp_control_container *c;
	struct lp_err err;

	solo_init();
	c = solo_add("main", "trap 'exit 0' TERM; : >/shared/up" LAST);
	c->pre_stop = get("/stop");
	go();
	SOLO_UNTIL(access(lp_test_path("shared/up"), F_OK) == 0);
	CHECK_OK(lp_control_stop(&solo.control, 600000, &err), &err);
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("main"));
	CHECK_STR(solo_seen("main")->words[LP_CONTROL_NEWS_PRE_STOP],
	    "PreStopHook failed: Get \"http://127.0.0.1:8080/stop\": dial tcp 127.0.0.1:8080: connect: connection refused");
	solo_finish();
}

/* ---- the pod ---- */

TEST(a_pod_that_has_had_its_time_is_stopped_and_says_so)
{
	solo_init();
	solo_add("main", "trap 'exit 0' TERM; : >/shared/up" LAST);
	solo.pod.policy = LP_CONTROL_ALWAYS;
	solo.pod.deadline_ms = 400;
	go();
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("main"));
	CHECK_STR(solo.why, "DeadlineExceeded");
	solo_finish();
}

TEST(a_deadline_can_be_set_while_the_pod_runs)
{
	struct lp_err err;

	solo_init();
	solo_add("main", "trap 'exit 0' TERM; : >/shared/up" LAST);
	go();
	SOLO_UNTIL(access(lp_test_path("shared/up"), F_OK) == 0);
	CHECK_OK(lp_control_set_deadline(&solo.control, 1, &err), &err);
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("main"));
	CHECK_STR(solo.why, "DeadlineExceeded");
	solo_finish();
}

TEST(a_run_that_is_to_begin_anew_ends_in_good_order_and_no_policy_or_pause_is_asked)
{
	struct lp_err err;

	solo_init();
	solo.pod.policy = LP_CONTROL_ON_FAILURE;
	solo.pod.backoff_ms = solo.pod.backoff_max_ms = 600000;
	solo_add("main", "trap 'sleep 0.2; touch /shared/left; exit 0' TERM; while :; do sleep 0.02; done");
	solo_add("deaf", "trap '' TERM; while :; do sleep 0.02; done");
	solo.pod.grace_ms = 1000;
	go();
	SOLO_UNTIL(solo_runs("main") && solo_runs("deaf"));
	CHECK_OK(lp_control_renew(&solo.control, "nobody", &err), &err);
	CHECK_OK(lp_control_renew(&solo.control, "main", &err), &err);
	CHECK_OK(lp_control_renew(&solo.control, "main", &err), &err);
	SOLO_UNTIL(solo_seen("main")->status.starts == 2 && solo_runs("main"));
	CHECK_INT(solo_seen("main")->status.last.code, 0);
	CHECK(access(lp_test_path("shared/left"), F_OK) == 0);
	CHECK_INT(solo_seen("deaf")->status.starts, 1);
	CHECK_OK(lp_control_renew(&solo.control, "deaf", &err), &err);
	SOLO_UNTIL(solo_seen("deaf")->status.starts == 2 && solo_runs("deaf"));
	CHECK_INT(solo_seen("deaf")->status.last.code, 137);
	solo_finish();
}

TEST(new_limits_are_answered_and_remembered_also_by_the_next_program)
{
	struct lp_cgroup_limits limits = { .swap_max_bytes = LP_CGROUP_SWAP_UNSET, .memory_max_bytes = 64 << 20, .cpu_request_milli = 250 };
	struct lp_err err;
	int pods;

	solo_init();
	solo_add("main", "while :; do sleep 0.02; done");
	go();
	SOLO_UNTIL(solo_runs("main"));
	CHECK_OK(lp_control_resize(&solo.control, 7, "main", &limits, &err), &err);
	SOLO_UNTIL(solo.resized == 7);
	CHECK_INT(solo.resized_code, 0);
	SOLO_UNTIL(solo_seen("main")->status.resized);
	CHECK_INT(solo_seen("main")->status.limits.memory_max_bytes, 64 << 20);
	CHECK_OK(lp_control_resize(&solo.control, 8, "nobody", &limits, &err), &err);
	SOLO_UNTIL(solo.resized == 8);
	CHECK_INT(solo.resized_code, -ENOENT);
	CHECK_OK(lp_control_resize(&solo.control, 9, NULL, &limits, &err), &err);
	SOLO_UNTIL(solo.resized == 9);
	CHECK_INT(solo.resized_code, 0);
	pods = solo.pods;
	solo_seen("main")->status.limits.cpu_request_milli = 0;
	CHECK_OK(lp_control_upgrade(&solo.control, -1, &err), &err);
	SOLO_UNTIL(solo.pods > pods && solo_seen("main")->status.limits.cpu_request_milli == 250);
	CHECK(solo_seen("main")->status.resized);
	solo_finish();
}

TEST(an_upgrade_keeps_what_probes_have_said_and_hooks_that_run)
{
	struct lp_control_container *c;
	struct lp_err err;
	int pods;

	solo_init();
	c = solo_add("main", "trap 'exit 0' TERM; : >/tmp/ready" LAST);
	quick(c, LP_CONTROL_STARTUP, RUN("echo >>/shared/startups; test -e /tmp/ready"))->failure_threshold = 100;
	quick(c, LP_CONTROL_READINESS, RUN("test -e /tmp/ready"));
	c = solo_add("slow", "while :; do sleep 0.02; done");
	c->post_start = RUN("echo begun >>/shared/hook; while [ ! -e /shared/free ]; do sleep 0.02; done; echo done >>/shared/hook");
	go();
	SOLO_UNTIL(solo_seen("main") && solo_seen("main")->status.ready == LP_CONTROL_YES && access(lp_test_path("shared/hook"), F_OK) == 0);
	for (int i = 0; i < 5; i++) {
		char *before = solo_read_shared("startups"), *after;

		pods = solo.pods;
		CHECK_OK(lp_control_upgrade(&solo.control, -1, &err), &err);
		SOLO_UNTIL(solo.pods > pods && solo_seen("main")->status.ready == LP_CONTROL_YES);
		CHECK_INT(solo_seen("slow")->status.run, LP_CONTROL_RUN_WAITING);
		after = solo_read_shared("startups");
		CHECK_STR(after, before);	/* it is not asked again */
		free(before);
		free(after);
	}
	touch("free");
	SOLO_UNTIL(solo_runs("slow"));
	{
		char *hook = solo_read_shared("hook");

		CHECK_STR(hook, "begun\ndone\n");
		free(hook);
	}
	solo_finish();
}

TEST(containers_that_share_their_processes_see_each_other_and_one_that_ends_takes_nobody_with_it)
{
	struct lp_err err;
	char *found;
	int pods;

	solo_init();
	solo_add("a", "exec sleep 4242");
	solo_add("b", "while ! cat /proc/[0-9]*/cmdline | busybox grep -q 4242; do sleep 0.02; done; echo $$ >/shared/found; exit 3");
	solo.pod.share_pids = true;
	go();
	SOLO_UNTIL(solo_ended("b"));
	found = solo_read_shared("found");
	CHECK(atoi(found) > 1);		/* the first process is neither of theirs */
	free(found);
	pods = solo.pods;
	CHECK_OK(lp_control_upgrade(&solo.control, -1, &err), &err);
	SOLO_UNTIL(solo.pods > pods && solo_runs("a"));
	CHECK_OK(lp_control_stop(&solo.control, 5000, &err), &err);
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("a"));
	CHECK_INT(solo_seen("a")->status.end.signal, SIGTERM);	/* not the first of its namespace: the signal ends it */
	solo_finish();
}

TEST(a_dead_keeper_leaves_no_first_process_behind)
{
	struct lp_err err;
	int rc;

	solo_init();
	solo_add("a", "exec sleep 4243");
	solo.pod.share_pids = true;
	go();
	SOLO_UNTIL(solo_runs("a"));
	CHECK(kill(solo.control.keeper_pid, SIGKILL) == 0);
	SOLO_UNTIL(solo.gone);
	for (int64_t deadline = 0; (rc = lp_control_cleanup(&solo.how, solo.uid, false, &err)) == -EBUSY;)
		if (!lp_test_wait(&deadline, 5000))
			FAIL("%s", err.text);
	CHECK_OK(rc, &err);
	CHECK_OK(lp_control_spawn(solo.loop, &solo.control, &solo.how, &solo.pod, &solo_ops, NULL, &err), &err);
	solo.gone = 0;
	solo_finish();
}

/* ---- who asks ---- */

/* What stands behind `name` in the status of a process that the keeper has started and that has a seccomp filter. */
static bool
prober_status(const char *name, char *out, size_t size)
{
	DIR *dir = opendir("/proc");
	bool found = false;

	CHECK(dir);
	for (struct dirent *entry; (entry = readdir(dir)) && !found;) {
		char path[300], text[4096], parent[32], *at;
		FILE *file;
		size_t n;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/status", entry->d_name);
		file = fopen(path, "re");
		n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
		if (file)
			(void)fclose(file);
		text[n] = '\0';
		(void)snprintf(parent, sizeof(parent), "\nPPid:\t%d\n", (int)solo.control.keeper_pid);
		if (!strstr(text, parent) || !lp_text_starts(text, "Name:\tlimpet-prober\n") || !strstr(text, "\nSeccomp:\t2\n") || !(at = strstr(text, name)))
			continue;
		(void)snprintf(out, size, "%.*s", (int)strcspn(at + strlen(name), "\n"), at + strlen(name));
		found = true;
	}
	(void)closedir(dir);
	return found;
}

TEST(who_asks_a_pod_has_no_rights_at_all)
{
	struct lp_control_container *c;
	char caps[64] = "", uid[64] = "";

	solo_init();
	c = solo_add("main", "exec busybox nc -ll -p 8080 -e /bin/sleep 1000");	/* takes the question and never answers */
	quick(c, LP_CONTROL_READINESS, get("/"))->timeout_ms = 10000;
	go();
	SOLO_UNTIL(prober_status("\nUid:\t", uid, sizeof(uid)) && strchr(uid, '\t') && atoi(uid) == 65536 * 40 + 65534);
	SOLO_UNTIL(prober_status("\nCapPrm:\t", caps, sizeof(caps)));
	CHECK_STR(caps, "0000000000000000");
	SOLO_UNTIL(prober_status("\nNoNewPrivs:\t", caps, sizeof(caps)));
	CHECK_STR(caps, "1");
	solo_finish();
}

/* ---- strangers: nodejs as the server of what busybox cannot do ---- */

static void
serve_with_node(void *arg)
{
	execl("/usr/bin/nodejs", "nodejs", "tests/kernel/probe_peer.mjs", (const char *)arg, (char *)NULL);
	_exit(127);
}

TEST(grpc_and_https_are_asked_as_the_kubelet_asks)
{
	struct lp_control_action grpc = { .deed = LP_CONTROL_DEED_GRPC, .host = "127.0.0.1", .port = 5000 }, https = get("/secure");
	struct lp_control_container *c;
	pid_t peer;
	int status;

	if (access("/usr/bin/nodejs", X_OK) < 0)
		SKIP("no nodejs");
	solo_init();
	https.tls = true;
	https.port = 8443;
	https.headers = (const struct lp_control_header[]){ { "X-Probe", "yes" }, { "Host", "example.org" } };
	https.header_count = 2;
	c = solo_add("fine", "while :; do sleep 1; done");
	quick(c, LP_CONTROL_STARTUP, grpc)->failure_threshold = 1000;
	quick(c, LP_CONTROL_READINESS, https);
	c = solo_add("named", "while :; do sleep 1; done");
	grpc.service = "down";
	grpc.host = "localhost";
	quick(c, LP_CONTROL_READINESS, grpc);
	c = solo_add("unknown", "while :; do sleep 1; done");
	grpc.service = "unknown";
	quick(c, LP_CONTROL_READINESS, grpc);
	c = solo_add("moved", "while :; do sleep 1; done");
	https.tls = false;
	https.port = 8080;
	https.path = "/moved";
	quick(c, LP_CONTROL_READINESS, https);
	solo_spawn();
	peer = in_network(serve_with_node, NULL);
	solo_go();
	SOLO_UNTIL(solo_seen("fine") && solo_seen("fine")->status.ready == LP_CONTROL_YES);
	SOLO_UNTIL(strstr(solo_seen("named")->words[LP_CONTROL_NEWS_READINESS], "NOT_SERVING"));
	CHECK_STR(solo_seen("named")->words[LP_CONTROL_NEWS_READINESS], "Readiness probe failed: service unhealthy (responded with \"NOT_SERVING\")");
	SOLO_UNTIL(strstr(solo_seen("unknown")->words[LP_CONTROL_NEWS_READINESS], "code = 5"));
	SOLO_UNTIL(solo_seen("moved")->status.ready == LP_CONTROL_YES);
	CHECK_INT(solo_seen("fine")->status.starts, 1);
	CHECK(kill(peer, SIGKILL) == 0 && waitpid(peer, &status, 0) == peer);
	SOLO_UNTIL(solo_seen("fine")->status.ready == LP_CONTROL_NO && strstr(solo_seen("fine")->words[LP_CONTROL_NEWS_READINESS], "refused"));
	CHECK_HAS(solo_seen("fine")->words[LP_CONTROL_NEWS_READINESS], "Get \"https://127.0.0.1:8443/secure\": dial tcp 127.0.0.1:8443: connect: connection refused");
	solo_finish();
}
