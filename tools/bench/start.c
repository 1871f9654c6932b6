/*
 * tools/bench/start.c - create + start + reap of one container, in one process as a keeper does it: the floor and our runtime, in turns.
 *
 * Use     start ROOTFS CGROUP-DIR|- ROUNDS net|host
 *         ROOTFS has /bin/true; net: a network namespace of its own
 * Output  one line each: name, median and 90th percentile in microseconds, ratio of its median to the floor's, the same of CPU time
 * Turns   every round measures each once, so that what else the machine does falls on all alike
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "runtime/runtime.h"
#include "tools/bench/floor.h"

#define ROUNDS_MAX 10000

enum { FLOOR, RUNTIME, WHO_COUNT };

static const char *rootfs;
static int cgroup_fd = -1;
static bool net;
static int64_t took_us[WHO_COUNT][ROUNDS_MAX], cpu_us[WHO_COUNT];

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t
micro(const struct timeval *tv)
{
	return (int64_t)tv->tv_sec * 1000000 + tv->tv_usec;
}

/* CPU time, ours and that of children that were waited for. */
static int64_t
now_cpu_us(void)
{
	struct rusage self, children;

	(void)getrusage(RUSAGE_SELF, &self);
	(void)getrusage(RUSAGE_CHILDREN, &children);
	return micro(&self.ru_utime) + micro(&self.ru_stime) + micro(&children.ru_utime) + micro(&children.ru_stime);
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
	if (!net)
		config.ns[LP_NS_NET].how = LP_NS_HOST;
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
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
measure(int who, int round)
{
	int64_t start = now_us(), start_cpu = now_cpu_us();
	int rc = who == FLOOR ? lp_floor_run(rootfs, cgroup_fd, net) : run_runtime();

	if (rc != 0) {
		fprintf(stderr, "start: %s ended with %d in round %d\n", who == FLOOR ? "the floor" : "our runtime", rc, round);
		exit(1);
	}
	if (round < 0)
		return;
	took_us[who][round] = now_us() - start;
	cpu_us[who] += now_cpu_us() - start_cpu;
}

int
main(int argc, char **argv)
{
	int rounds = argc == 5 ? (int)strtol(argv[3], NULL, 10) : 0;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: start ROOTFS CGROUP-DIR|- ROUNDS net|host\n");
		return 2;
	}
	rootfs = argv[1];
	net = strcmp(argv[4], "net") == 0;
	if (strcmp(argv[2], "-") != 0) {
		cgroup_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cgroup_fd < 0) {
			fprintf(stderr, "start: %s: %s\n", argv[2], strerror(errno));
			return 1;
		}
	}
	for (int round = -2; round < rounds; round++)	/* two to warm up */
		for (int who = 0; who < WHO_COUNT; who++)
			measure(who, round);

	for (int who = 0; who < WHO_COUNT; who++)
		qsort(took_us[who], (size_t)rounds, sizeof(int64_t), by_value);
	for (int who = 0; who < WHO_COUNT; who++)
		printf("%-46s %8lld us  p90 %8lld  %6.2f x  cpu %7lld us  %6.2f x\n", who == FLOOR ? "floor, in one process" : "runtime, inside the keeper",
		       (long long)took_us[who][rounds / 2], (long long)took_us[who][rounds * 9 / 10],
		       (double)took_us[who][rounds / 2] / (double)took_us[FLOOR][rounds / 2], (long long)(cpu_us[who] / rounds),
		       (double)cpu_us[who] / (double)cpu_us[FLOOR]);
	return 0;
}
