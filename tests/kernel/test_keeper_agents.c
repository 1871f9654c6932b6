/* Real keepers with real containers: agents come and go, keepers are replaced and die, others look inside. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/path.h"
#include "base/state.h"
#include "keeper/control.h"
#include "tests/harness.h"
#include "tests/kernel/solo.h"

/* Every start leaves a line with the code it is about to exit with. */
#define EXITS "n=$(($(head -c1 /dev/urandom | od -An -tu1) % 5)); echo $n >>/shared/exits; exit $n"

static void
touch(const char *name)
{
	char path[600];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", solo.shared, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && close(fd) == 0);
}

static uint64_t
count_lines(const char *text, int *out_last)
{
	uint64_t count = 0;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1, count++) {
		CHECK(strchr(line, '\n'));
		*out_last = atoi(line);
	}
	return count;
}

TEST(no_exit_is_lost_while_agents_come_and_go)
{
	struct lp_err err;
	char *exits;
	int last = -1;

	solo_init();
	solo_add("main", EXITS);
	solo_add("calm", "while :; do sleep 0.05; done");
	solo.pod.policy = LP_CONTROL_ALWAYS;
	solo.pod.backoff_ms = solo.pod.backoff_max_ms = 5;
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("calm"));
	for (int i = 0; i < 20; i++) {
		int32_t pid = solo_seen("calm")->status.pid;
		uint64_t starts = solo_seen("main") ? solo_seen("main")->status.starts : 0;

		lp_control_close(&solo.control);
		CHECK_OK(lp_control_open(solo.loop, &solo.control, solo.how.run_pods_fd, solo.uid, &solo_ops, NULL, &err), &err);
		solo.pods = 0;
		SOLO_UNTIL(solo.pods && solo_seen("main")->status.starts > starts);
		CHECK_INT(solo_seen("calm")->status.pid, pid);
		CHECK_INT(solo_seen("calm")->status.starts, 1);
	}
	CHECK_OK(lp_control_stop(&solo.control, 2000, &err), &err);
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("main") && solo_ended("calm"));
	exits = solo_read_shared("exits");
	CHECK_INT(solo_seen("main")->status.starts, count_lines(exits, &last));
	CHECK_INT(solo_seen("main")->status.attempt + 1, solo_seen("main")->status.starts);
	CHECK_INT(solo_seen("main")->status.end.code, last);
	free(exits);
	solo_finish();
}

TEST(a_killed_agent_leaves_a_pod_that_the_next_one_finds)
{
	struct lp_err err;
	pid_t agent;
	int ready[2];
	char byte;

	solo_init();
	solo_add("main", "while :; do sleep 0.05; done");
	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	agent = fork();
	CHECK(agent >= 0);
	if (agent == 0) {
		solo_spawn();
		solo_go();
		SOLO_UNTIL(solo_runs("main"));
		CHECK(write(ready[1], "x", 1) == 1);
		for (;;)
			(void)pause();
	}
	CHECK_INT(read(ready[0], &byte, 1), 1);
	CHECK(kill(agent, SIGKILL) == 0 && waitpid(agent, NULL, 0) == agent);
	CHECK_OK(lp_control_open(solo.loop, &solo.control, solo.how.run_pods_fd, solo.uid, &solo_ops, NULL, &err), &err);
	SOLO_UNTIL(solo_runs("main"));
	CHECK_INT(solo.phase, LP_CONTROL_RUNNING);
	CHECK_STR(solo.note, "first");
	solo_finish();
}

TEST(the_newest_agent_wins)
{
	struct lp_control second;
	struct lp_err err;

	solo_init();
	solo_add("main", "while :; do sleep 0.05; done");
	solo_spawn();
	CHECK_OK(lp_control_open(solo.loop, &second, solo.how.run_pods_fd, solo.uid, &solo_ops, NULL, &err), &err);
	SOLO_UNTIL(solo.gone == 1);
	CHECK_INT(solo.control.fd, -1);
	solo.control = second;
	lp_control_close(&second);
	CHECK_OK(lp_control_open(solo.loop, &solo.control, solo.how.run_pods_fd, solo.uid, &solo_ops, NULL, &err), &err);
	CHECK_OK(lp_control_ping(&solo.control, 1, &err), &err);
	SOLO_UNTIL(solo.pongs == 1);
	solo.gone = 0;
	solo_finish();
}

TEST(one_more_process_runs_inside_with_pipes_of_its_own)
{
	struct lp_control_exec exec = { .container = "main", .args = (const char *const[]){ "/bin/sh", "-c", "cat; echo done >/dev/stderr; exit 9", NULL } };
	struct lp_err err;
	int in[2], out[2], errs[2];
	char text[64] = { 0 };

	solo_init();
	solo_add("main", "while :; do sleep 0.05; done");
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(errs, O_CLOEXEC) == 0);
	CHECK_OK(lp_control_exec(&solo.control, 42, &exec, (int[]){ in[0], out[1], errs[1] }, &err), &err);
	CHECK(close(in[0]) == 0 && close(out[1]) == 0 && close(errs[1]) == 0);
	SOLO_UNTIL(solo.begun == 42);
	if (solo.begun_code)
		FAIL("%s", solo.error_text);
	CHECK_INT(write(in[1], "hello\n", 6), 6);
	CHECK(close(in[1]) == 0);
	SOLO_UNTIL(solo.ended == 42);
	CHECK_INT(solo.end.code, 9);
	CHECK_INT(read(out[0], text, sizeof(text)), 6);
	CHECK_STR(text, "hello\n");
	CHECK_INT(read(out[0], text, sizeof(text)), 0);
	CHECK_INT(read(errs[0], text, sizeof(text)), 5);
	solo_finish();
}

TEST(a_process_with_a_terminal_gets_its_size)
{
	struct lp_control_exec exec = { .container = "main", .args = (const char *const[]){ "/bin/stty", "size", NULL }, .terminal = true,
		.rows = 33, .cols = 99 };
	struct lp_err err;
	char text[64] = { 0 };

	solo_init();
	solo_add("main", "while :; do sleep 0.05; done");
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	CHECK_OK(lp_control_exec(&solo.control, 1, &exec, (int[]){ -1, -1, -1 }, &err), &err);
	SOLO_UNTIL(solo.begun == 1);
	if (solo.begun_code)
		FAIL("%s", solo.error_text);
	CHECK(solo.begun_fd >= 0);
	SOLO_UNTIL(solo.ended == 1);
	CHECK(read(solo.begun_fd, text, sizeof(text) - 1) > 0);
	CHECK_HAS(text, "33 99");
	solo_finish();
}

TEST(an_exec_that_cannot_be_says_why)
{
	struct lp_control_exec exec = { .container = "main", .args = (const char *const[]){ "nonesuch", NULL } };
	struct lp_err err;

	solo_init();
	solo_add("main", "while :; do sleep 0.05; done");
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	CHECK_OK(lp_control_exec(&solo.control, 1, &exec, (int[]){ -1, -1, -1 }, &err), &err);
	SOLO_UNTIL(solo.begun == 1);
	CHECK(solo.begun_code < 0);
	CHECK_HAS(solo.error_text, "nonesuch");
	exec.container = "other";
	CHECK_OK(lp_control_exec(&solo.control, 2, &exec, (int[]){ -1, -1, -1 }, &err), &err);
	SOLO_UNTIL(solo.begun == 2);
	CHECK_ERR(solo.begun_code, -ENOENT);
	solo_finish();
}

TEST(an_attached_reader_hears_and_can_write)
{
	struct lp_err err;
	char text[64] = { 0 };
	int out[2];

	solo_init();
	solo_add("main", "while read x; do echo got $x; done; echo eof; exit 4");
	solo.containers[0].keep_stdin = solo.containers[0].stdin_once = true;
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	CHECK(pipe2(out, O_CLOEXEC) == 0);
	CHECK_OK(lp_control_attach(&solo.control, 5, "main", out[1], -1, &err), &err);
	CHECK(close(out[1]) == 0);
	SOLO_UNTIL(solo.begun == 5);
	CHECK_INT(solo.begun_code, 0);
	CHECK_INT(write(solo.begun_fd, "it\n", 3), 3);
	CHECK(read(out[0], text, sizeof(text) - 1) > 0);
	CHECK_STR(text, "got it\n");
	lp_close(&solo.begun_fd);
	SOLO_UNTIL(solo_ended("main"));
	CHECK_INT(solo_seen("main")->status.end.code, 4);
	solo_finish();
}

TEST(readers_that_are_stuck_stop_neither_the_container_nor_each_other)
{
	struct lp_err err;
	int stuck[4][2], lively[2];
	size_t heard = 0;

	solo_init();
	solo_add("main", "while [ ! -e /shared/go ]; do sleep 0.02; done; yes a line | head -c 3000000; echo; exit 5");
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	for (uint64_t i = 0; i < 3; i++) {
		CHECK(pipe2(stuck[i], O_CLOEXEC) == 0);
		CHECK_OK(lp_control_attach(&solo.control, 10 + i, "main", stuck[i][1], -1, &err), &err);
		SOLO_UNTIL(solo.begun == 10 + i);
		CHECK_INT(solo.begun_code, 0);
	}
	CHECK(pipe2(lively, O_CLOEXEC | O_NONBLOCK) == 0);
	CHECK_OK(lp_control_attach(&solo.control, 20, "main", lively[1], -1, &err), &err);
	CHECK(close(lively[1]) == 0);
	SOLO_UNTIL(solo.begun == 20);
	lp_close(&solo.begun_fd);
	touch("go");
	while (!solo_ended("main")) {		/* bounded by the test's own time */
		char text[65536];
		ssize_t n;

		CHECK_OK(lp_loop_turn(solo.loop, 5, NULL), NULL);
		while ((n = read(lively[0], text, sizeof(text))) > 0)
			heard += (size_t)n;
	}
	CHECK_INT(solo_seen("main")->status.end.code, 5);
	CHECK(heard > 65536);			/* more than a pipe holds: it went on hearing */
	solo_finish();
}

TEST(many_processes_run_inside_at_once_and_each_end_is_told)
{
	enum { COUNT = 40 };
	struct lp_control_exec exec = { .container = "main", .args = (const char *const[]){ "/bin/sh", "-c",
	    "echo >>/shared/in; while [ ! -e /shared/go ]; do sleep 0.05; done; exit 3", NULL } };
	struct lp_err err;
	uint64_t ends = 0, last = 0;
	char *in;

	solo_init();
	solo_add("main", "while :; do sleep 0.05; done");
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	for (uint64_t i = 1; i <= COUNT; i++) {
		CHECK_OK(lp_control_exec(&solo.control, i, &exec, (int[]){ -1, -1, -1 }, &err), &err);
		SOLO_UNTIL(solo.begun == i);
		CHECK_INT(solo.begun_code, 0);
	}
	SOLO_UNTIL((in = solo_read_shared("in"), last = strlen(in), free(in), last == COUNT));
	solo.ended = 0;
	touch("go");
	while (ends < COUNT) {			/* bounded by the test's own time */
		CHECK_OK(lp_loop_turn(solo.loop, 20, NULL), NULL);
		if (!solo.ended)
			continue;
		ends += solo.end_count;
		CHECK_INT(solo.end.code, 3);
		solo.ended = 0;
		solo.end_count = 0;
	}
	solo_finish();
}

TEST(a_keeper_becomes_another_program_and_nothing_else_changes)
{
	struct lp_err err;
	int32_t pid, keeper;
	char *exits, *log;
	int last = -1, silent;

	solo_init();
	solo_add("main", EXITS);
	solo_add("calm", "n=0; while [ ! -e /shared/stop ]; do echo line; sleep 0.01; done; exit 6");
	solo.pod.policy = LP_CONTROL_ON_FAILURE;
	solo.pod.backoff_ms = solo.pod.backoff_max_ms = 5;
	solo.args[0][2] = "echo 1 >>/shared/exits; exit 1";
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("calm"));
	pid = solo_seen("calm")->status.pid;
	keeper = solo.control.keeper_pid;
	for (int i = 0; i < 10; i++) {
		uint64_t starts = solo_seen("main")->status.starts;

		solo.pods = 0;
		CHECK_OK(lp_control_upgrade(&solo.control, -1, &err), &err);
		SOLO_UNTIL(solo.pods || solo.begun_code);
		if (solo.begun_code)
			FAIL("the upgrade failed: %s", solo.error_text);
		SOLO_UNTIL(solo.pods && solo_seen("main")->status.starts > starts + 1);
		CHECK_INT(solo.gone, 0);
		CHECK_INT(solo_seen("calm")->status.pid, pid);
		CHECK_INT(solo_seen("calm")->status.starts, 1);
		CHECK_INT(solo.control.keeper_pid, keeper);
	}
	CHECK_OK(lp_control_stop(&solo.control, 0, &err), &err);
	SOLO_UNTIL(solo.phase == LP_CONTROL_DONE && solo_ended("main") && solo_ended("calm"));
	exits = solo_read_shared("exits");
	/* The stop may have killed the last run before it wrote its line. */
	silent = (int)solo_seen("main")->status.starts - count_lines(exits, &last);
	CHECK(silent == 0 || (silent == 1 && solo_seen("main")->status.end.code == 137));
	CHECK_INT(solo_seen("calm")->status.end.code, 137);
	log = solo_read_log("calm", 0);
	CHECK_HAS(log, "stdout F line\n");
	free(log);
	free(exits);
	solo_finish();
}

TEST(a_dead_keepers_pod_is_cleaned_up_and_can_start_again)
{
	struct lp_control_state state;
	struct lp_control_status *statuses;
	struct lp_arena arena;
	struct lp_err err;
	size_t count;
	int64_t deadline = 0;
	int32_t pid;
	int rc;

	solo_init();
	solo_add("main", "while :; do sleep 0.05; done");
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	pid = solo_seen("main")->status.pid;
	CHECK_ERR(lp_control_cleanup(&solo.how, solo.uid, false, &err), -EEXIST);
	lp_control_close(&solo.control);
	CHECK_OK(lp_control_open(solo.loop, &solo.control, solo.how.run_pods_fd, solo.uid, &solo_ops, NULL, &err), &err);
	solo.pods = 0;
	SOLO_UNTIL(solo.pods);
	CHECK(kill(solo.control.keeper_pid, SIGKILL) == 0);
	SOLO_UNTIL(solo.gone == 1);
	CHECK(kill(pid, 0) == 0);	/* the container outlived its keeper */
	lp_arena_init(&arena, LP_CONTROL_RECORD);
	CHECK_OK(lp_control_last(&arena, solo.how.run_pods_fd, solo.uid, &state, &statuses, &count, &err), &err);
	CHECK_INT(count, 1);
	CHECK_INT(statuses[0].pid, pid);
	lp_arena_fini(&arena);
	while ((rc = lp_control_cleanup(&solo.how, solo.uid, false, &err)) == -EBUSY)
		CHECK(lp_test_wait(&deadline, 5000));
	CHECK_OK(rc, &err);
	deadline = 0;
	while (kill(pid, 0) == 0)
		CHECK(lp_test_wait(&deadline, 5000));
	solo.gone = 0;
	solo.seen_count = 0;
	lp_close(&solo.dir_fd);
	solo.containers[0].attempt = 1;
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	CHECK_INT(solo_seen("main")->status.attempt, 1);
	solo_finish();
}

/* No cgroup for the keeper and its pod; the test's own one holds them all, so that a test that fails leaves nothing. */
static void
without_cgroups(int *out_root)
{
	lp_auto_fd int leaf = -1;
	char pid[16];
	struct lp_err err;

	CHECK_INT(mkdirat(solo.how.cgroup_root_fd, "all", 0755), 0);
	CHECK_OK(lp_path_open(solo.how.cgroup_root_fd, "all", O_PATH | O_DIRECTORY, 0, &leaf, &err), &err);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK_OK(lp_path_put(leaf, "cgroup.procs", pid, &err), &err);
	*out_root = solo.how.cgroup_root_fd;
	solo.how.cgroup_root_fd = -1;
}

static void
with_cgroups_again(int root_fd)
{
	lp_auto_fd int root = -1;
	char pid[16];
	struct lp_err err;

	solo.how.cgroup_root_fd = root_fd;
	CHECK_OK(lp_cgroup_root_open(NULL, &root, &err), &err);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK_OK(lp_path_put(root, "cgroup.procs", pid, &err), &err);
	CHECK_OK(lp_cgroup_remove(root, solo.cgroup, &err), &err);
}

static void
clean_up(void)
{
	int64_t deadline = 0;
	struct lp_err err;
	int rc;

	while ((rc = lp_control_cleanup(&solo.how, solo.uid, false, &err)) == -EBUSY)
		CHECK(lp_test_wait(&deadline, 5000));
	CHECK_OK(rc, &err);
	CHECK_INT(faccessat(solo.how.run_pods_fd, solo.uid, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void
dead_without_cgroups(bool share_pids)
{
	int64_t deadline = 0;
	int root;
	int32_t pid;

	solo_init();
	without_cgroups(&root);
	solo_add("main", "sleep 1000 & while :; do sleep 0.05; done");
	solo.pod.share_pids = share_pids;
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	pid = solo_seen("main")->status.pid;
	CHECK(kill(solo.control.keeper_pid, SIGKILL) == 0);
	SOLO_UNTIL(solo.gone == 1);
	CHECK(kill(pid, 0) == 0);	/* the container outlived its keeper */
	clean_up();
	lp_close(&solo.netns_fd);
	lp_close(&solo.dir_fd);
	/* whatever was in the pod's pid namespaces ends too: only we are left in the cgroup */
	for (bool alone = false; !alone;) {
		lp_auto_buf struct lp_buf text;
		struct lp_err err;

		lp_buf_init(&text, 65536);
		CHECK_OK(lp_path_read(root, "all/cgroup.procs", &text, &err), &err);
		alone = atoi(lp_buf_text(&text)) == (int)getpid() && strchr(lp_buf_text(&text), '\n')[1] == '\0';
		CHECK(alone || lp_test_wait(&deadline, 5000));
	}
	with_cgroups_again(root);
}

TEST(without_cgroups_a_dead_keepers_containers_are_found_by_their_records)
{
	dead_without_cgroups(false);
}

TEST(without_cgroups_a_shared_pid_namespace_ends_with_its_pod_too)
{
	dead_without_cgroups(true);
}

TEST(a_keeper_goes_when_the_first_process_of_its_pid_namespace_has_ended)
{
	lp_auto_buf struct lp_buf text;
	struct lp_err err;
	char path[128];

	lp_buf_init(&text, 4096);
	solo_init();
	solo_add("main", "while :; do sleep 0.05; done");
	solo.pod.share_pids = true;
	solo.pod.policy = LP_CONTROL_ALWAYS;
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main"));
	(void)snprintf(path, sizeof(path), "%s/reaper/cgroup.procs", solo.pod.cgroup);
	CHECK_OK(lp_path_read(solo.how.cgroup_root_fd, path, &text, &err), &err);
	CHECK(atoi(lp_buf_text(&text)) > 0);
	CHECK(kill((pid_t)atoi(lp_buf_text(&text)), SIGKILL) == 0);
	SOLO_UNTIL(solo.gone == 1);	/* nothing could be started here any more: the pod is to be made anew */
	clean_up();
	lp_close(&solo.netns_fd);
	lp_close(&solo.dir_fd);
}

/* A state file as a dead keeper leaves it, that names this process. */
static void
forge(int32_t pid, uint64_t ticks, const char *boot_id)
{
	const struct lp_control_state state = { .uid = solo.uid, .namespace = "default", .name = "web", .phase = LP_CONTROL_RUNNING,
		.boot_id = boot_id, .reaper = pid, .reaper_ticks = ticks };
	const struct lp_control_status status = { .name = "main", .run = LP_CONTROL_RUN_RUNNING, .pid = pid, .start_ticks = ticks };
	lp_auto_buf struct lp_buf bytes;
	lp_auto_fd int dir = -1;
	struct lp_err err;

	lp_buf_init(&bytes, LP_CONTROL_RECORD);
	CHECK_OK(lp_path_mkdirs(solo.how.run_pods_fd, solo.uid, 0755, &dir, &err), &err);
	lp_close(&dir);
	CHECK_OK(lp_path_open(solo.how.run_pods_fd, solo.uid, O_RDONLY | O_DIRECTORY, 0, &dir, &err), &err);
	CHECK_OK(lp_control_last_write(&bytes, &state, &status, 1, NULL, &err), &err);
	CHECK_OK(lp_state_write(dir, LP_CONTROL_STATE_FILE, LP_CONTROL_STATE_SCHEMA, bytes.data, bytes.len, &err), &err);
}

TEST(a_process_that_got_a_dead_containers_number_is_never_signalled)
{
	lp_auto_buf struct lp_buf text;
	lp_auto_fd int proc = -1;
	char boot[40];
	struct lp_err err;
	uint64_t ticks;
	int root;
	pid_t innocent;

	solo_init();
	without_cgroups(&root);
	innocent = fork();
	CHECK(innocent >= 0);
	if (innocent == 0) {
		(void)pause();
		_exit(0);
	}
	lp_buf_init(&text, 64);
	CHECK_OK(lp_path_root("/proc", false, &proc, &err), &err);
	CHECK_OK(lp_path_read(proc, "sys/kernel/random/boot_id", &text, &err), &err);
	(void)snprintf(boot, sizeof(boot), "%.36s", lp_buf_text(&text));
	CHECK_OK(lp_record_start_ticks(innocent, &ticks, &err), &err);

	forge(innocent, ticks - 1, boot);
	clean_up();
	forge(innocent, ticks, "11111111-2222-3333-4444-555555555555");
	clean_up();
	forge(innocent, 0, boot);
	clean_up();
	CHECK_INT(waitpid(innocent, NULL, WNOHANG), 0);		/* it lives */
	/* And the record that is true does kill, so that the others were understood. */
	forge(innocent, ticks, boot);
	CHECK_ERR(lp_control_cleanup(&solo.how, solo.uid, false, &err), -EBUSY);
	CHECK_INT(waitpid(innocent, NULL, 0), innocent);
	clean_up();
	with_cgroups_again(root);
}
