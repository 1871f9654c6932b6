/*
 * tools/bench/start.c - create + start + reap of one container: the floor, our runtime, and others' programs, in turns.
 *
 * Use     start ROOTFS CGROUP-DIR|- ROUNDS BUNDLE [program ...]
 *         ROOTFS has /bin/true; programs ("crun", "runc --option") are run as "PROGRAM run --bundle BUNDLE ID"
 * Output  one line each: name, median and 90th percentile in microseconds, ratio of its median to the floor's
 * Turns   every round measures each once, so that what else the machine does falls on all alike
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "runtime/runtime.h"
#include "tools/bench/floor.h"

#define WHO_MAX 8
#define ROUNDS_MAX 10000
#define ARGS_MAX 8

enum { FLOOR, RUNTIME, FIRST_PROGRAM };

static const char *rootfs, *bundle;
static int cgroup_fd = -1;
static int64_t took_us[WHO_MAX][ROUNDS_MAX];

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int
runtime_failed(const char *what, const struct lp_err *err)
{
	fprintf(stderr, "runtime: %s: %s\n", what, err->text);
	return -1;
}

/* As the keeper does it: the filter is built once and kept. */
static int
run_runtime(void)
{
	static unsigned int count;
	static struct lp_buf filter;
	static const char *const args[] = { "/bin/true", NULL };
	struct lp_place layer = { .path = rootfs, .fd = -1 };
	struct lp_container_config config;
	struct lp_container *container = NULL;
	struct lp_container_exit end = { 0 };
	struct lp_err err = { 0 };
	char name[64];

	if (!filter.data) {
		lp_buf_init(&filter, 1 << 20);
		if (lp_seccomp_build(lp_caps_default(false), &filter, &err) < 0)
			return runtime_failed("seccomp", &err);
	}
	snprintf(name, sizeof(name), "bench.%d.%u", (int)getpid(), count++);
	lp_container_config_init(&config);
	config.id = name;
	config.process.args = args;
	config.process.seccomp_program = filter.data;
	config.process.seccomp_bytes = filter.len;
	config.rootfs.layers = &layer;
	config.rootfs.layer_count = 1;
	config.ns[LP_NS_USER].how = LP_NS_HOST;	/* as the floor */
	config.mounts = lp_container_mounts(&config.mount_count);
	config.masked_paths = lp_container_masked;
	config.readonly_paths = lp_container_readonly;
	config.hostname = "bench";
	config.cgroup_parent_fd = cgroup_fd;
	config.cgroup_name = name;
	if (lp_container_run(&config, &container, &err) < 0)
		return runtime_failed("run", &err);

	struct pollfd ended = { .fd = lp_container_pidfd(container), .events = POLLIN };

	if (poll(&ended, 1, 10000) != 1 || lp_container_wait(container, &end, &err) < 0)
		return runtime_failed("wait", &err);
	if (lp_container_remove(container, &err) < 0)
		return runtime_failed("remove", &err);
	lp_container_free(container);
	return end.code;
}

static int
run_program(const char *program)
{
	static unsigned int count;
	extern char **environ;
	char words[256], id[64];
	char *args[ARGS_MAX + 5] = { NULL }, *rest = NULL;
	size_t arg_count = 0;
	pid_t pid;
	int status;

	snprintf(words, sizeof(words), "%s", program);
	for (char *word = strtok_r(words, " ", &rest); word && arg_count < ARGS_MAX; word = strtok_r(NULL, " ", &rest))
		args[arg_count++] = word;
	snprintf(id, sizeof(id), "lpbench-%d-%u", (int)getpid(), count++);
	args[arg_count++] = (char[]){ "run" };
	args[arg_count++] = (char[]){ "--bundle" };
	args[arg_count++] = (char *)bundle;
	args[arg_count++] = id;
	if (posix_spawnp(&pid, args[0], NULL, NULL, args, environ) != 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
measure(int who, char **programs, int round)
{
	int64_t start = now_us();
	int rc = who == FLOOR ? lp_floor_run(rootfs, cgroup_fd) :
	         who == RUNTIME ? run_runtime() : run_program(programs[who - FIRST_PROGRAM]);

	if (rc != 0) {
		fprintf(stderr, "start: %s ended with %d in round %d\n",
		        who == FLOOR ? "the floor" : who == RUNTIME ? "our runtime" : programs[who - FIRST_PROGRAM], rc, round);
		exit(1);
	}
	if (round >= 0)
		took_us[who][round] = now_us() - start;
}

int
main(int argc, char **argv)
{
	int rounds = argc > 4 ? (int)strtol(argv[3], NULL, 10) : 0;
	int who_count = FIRST_PROGRAM + argc - 5;

	if (rounds < 1 || rounds > ROUNDS_MAX || who_count > WHO_MAX) {
		fprintf(stderr, "usage: start ROOTFS CGROUP-DIR|- ROUNDS BUNDLE [program ...]\n");
		return 2;
	}
	rootfs = argv[1];
	bundle = argv[4];
	if (strcmp(argv[2], "-") != 0) {
		cgroup_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cgroup_fd < 0) {
			fprintf(stderr, "start: %s: %s\n", argv[2], strerror(errno));
			return 1;
		}
	}
	for (int round = -2; round < rounds; round++)	/* two to warm up */
		for (int who = 0; who < who_count; who++)
			measure(who, argv + 5, round);

	for (int who = 0; who < who_count; who++)
		qsort(took_us[who], (size_t)rounds, sizeof(int64_t), by_value);
	for (int who = 0; who < who_count; who++)
		printf("%-28s %8lld us  p90 %8lld us  %6.2f x the floor\n",
		       who == FLOOR ? "floor, in one process" : who == RUNTIME ? "runtime, inside the keeper" :
		       argv[5 + who - FIRST_PROGRAM],
		       (long long)took_us[who][rounds / 2], (long long)took_us[who][rounds * 9 / 10],
		       (double)took_us[who][rounds / 2] / (double)took_us[FLOOR][rounds / 2]);
	return 0;
}
