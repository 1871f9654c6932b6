/*
 * tests/kernel/test_keeper_traced.c - a container that traces what is run in it for the keeper, and does not let it go when it has ended.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/text.h"
#include "tests/harness.h"
#include "tests/kernel/solo.h"

/* This program, called again in the container: traces the process of that number as soon as it is there, until "release" is there. */
__attribute__((constructor)) static void
maybe_tracer(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "tracer") != 0)
		return;
	(void)close(open("/shared/traces", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	for (bool held = false; access("/shared/release", F_OK) < 0;) {
		for (pid_t pid = 2; !held && pid < 64; pid++)
			held = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
		if (held)
			(void)close(open("/shared/holds", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	}
	_exit(0);
}

static uint64_t
cpu_ticks(pid_t pid)
{
	char path[32];
	lp_auto_free char *text = NULL;
	uint64_t user = 0, system = 0;
	const char *after;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = lp_test_read(path, NULL);
	after = strrchr(text, ')');
	CHECK(after != NULL && lp_text_word_u64(after, 12, UINT64_MAX, &user) == 0 && lp_text_word_u64(after, 13, UINT64_MAX, &system) == 0);
	return user + system;
}

static bool
shared_has(const char *name)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", solo.shared, name);
	return access(path, F_OK) == 0;
}

static void
copy_program(void)
{
	char path[600];
	lp_auto_fd int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), out = -1;

	(void)snprintf(path, sizeof(path), "%s/tracer", solo.shared);
	out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	CHECK(in >= 0 && out >= 0);
	while (sendfile(out, in, NULL, 1 << 20) > 0)
		continue;
	CHECK(fchmod(out, 0755) == 0);
}

TEST(an_ended_process_that_the_container_traces_does_not_make_the_keeper_spin)
{
	struct lp_control_exec exec = { .container = "main", .args = (const char *const[]){ "/bin/sleep", "0.3", NULL } };
	struct lp_err err = { 0 };
	uint64_t before;
	char path[600];
	int64_t deadline = 0;

	solo_init();
	solo_add("main", "exec /shared/tracer tracer");
	copy_program();
	solo_spawn();
	solo_go();
	SOLO_UNTIL(solo_runs("main") && shared_has("traces"));
	CHECK_OK(lp_control_exec(&solo.control, 7, &exec, (int[]){ -1, -1, -1 }, &err), &err);
	SOLO_UNTIL(solo.begun == 7 && shared_has("holds"));
	/* It ends, and nobody hears of it: what waits for it must wait. */
	while (lp_test_wait(&deadline, 600))
		CHECK_OK(lp_loop_turn(solo.loop, 20, NULL), NULL);
	before = cpu_ticks(solo.control.keeper_pid);
	for (deadline = 0; lp_test_wait(&deadline, 1000);)
		CHECK_OK(lp_loop_turn(solo.loop, 20, NULL), NULL);
	CHECK_INT(solo.ended, 0);
	CHECK(cpu_ticks(solo.control.keeper_pid) - before <= 10);	/* of a hundred */
	/* Let go, it is told after all. */
	(void)snprintf(path, sizeof(path), "%s/release", solo.shared);
	CHECK(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)) == 0);
	SOLO_UNTIL(solo.ended == 7);
	CHECK_INT(solo.end.code, 0);
	solo_finish();
}
